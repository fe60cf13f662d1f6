//! testkit

pub mod engine;
pub mod model_server;
