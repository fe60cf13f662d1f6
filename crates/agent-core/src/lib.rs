//! agent-core
pub mod port;
