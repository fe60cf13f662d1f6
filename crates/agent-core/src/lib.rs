//! The agent: intents, context, plans, runs, patches: rules, services and ports.
//!
//! Nothing here knows a database, a wire format, git or a model's protocol.

pub mod context;
mod error;
pub mod model;
pub mod plan;
pub mod port;
pub mod prompt;
pub mod route;
pub mod service;

pub use error::{AgentError, StoreError};
