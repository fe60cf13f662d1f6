//! What the agent needs from the outside.

pub mod engine;
pub mod live;
pub mod model;
pub mod queue;
pub mod store;
pub mod workspace;
