//! What repositories, sessions, plans, runs and patches are, without I/O.

mod patch;
mod plan;
mod repository;
mod run;
mod session;

pub use patch::{Patch, PatchState};
pub use plan::{Plan, PlannedFile, PlannedStep, Planner, Risk};
pub use repository::{Repository, WorkItemFacts};
pub use run::{Phase, Run, RunInput, RunKind, RunProblem, RunState};
pub use session::{Session, SessionState};
