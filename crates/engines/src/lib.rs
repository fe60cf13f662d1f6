//! What stands behind the agent's ports `Model` and `Engine`.
//!
//! **Invariant:** nothing that leaves this crate (errors, logs, `Debug`) carries a model
//! key, a prompt or an answer; the answer itself is the return value of the port and
//! nothing else. `tests/it/secrets.rs` holds this.

mod model;

pub use model::{ModelConfig, ModelConfigError, ModelLimits, OpenAiModel};
