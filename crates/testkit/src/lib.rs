//! testkit

pub mod conformance;
pub mod database;
pub mod engine;
pub mod model_server;
#[cfg(feature = "world")]
pub mod world;
