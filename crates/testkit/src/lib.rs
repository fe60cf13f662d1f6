//! testkit

pub mod database;
pub mod engine;
pub mod model_server;
