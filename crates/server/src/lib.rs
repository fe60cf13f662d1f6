//! Composition root of the service: command line, configuration, telemetry, wiring, the
//! development world and the demo.
//!
//! **Invariant:** nothing here decides a rule of the product. What it builds is built once,
//! at start; nothing that matters lives in the process afterwards.

pub mod cli;
pub mod config;
pub mod demo;
pub mod dev;
pub mod docs;
pub mod telemetry;
pub mod wiring;
