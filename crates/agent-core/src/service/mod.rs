//! Use cases of the agent.

mod apply;
mod assist;
mod auto_apply;
mod changes;
mod deps;
mod engines;
mod guards;
mod outcome;
mod planning;
mod repositories;
mod revert;
mod runner;
mod runs;
mod sessions;
mod stops;
mod target;

pub use apply::{Applied, ApplyArgs, Applying, ChangeInput};
pub use assist::{AssistEnd, StageTask};
pub use auto_apply::AutoApplied;
pub use deps::{AgentDeps, Checkpoint, Checkpoints, NoCheckpoints};
pub use engines::{Capabilities, Engines};
pub use guards::{AutoApply, Guard};
pub use planning::{ContextArgs, PlanArgs, Planning};
pub use repositories::{RegisterArgs, Repositories, Roots};
pub use revert::Reverting;
pub use runner::{Runner, is_transient, problem_of};
pub use runs::Runs;
pub use sessions::{SessionArgs, Sessions};
pub use stops::{StopOrder, StopReason, Stops};
pub use target::TargetNames;
