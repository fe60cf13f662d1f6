//! What workflows and items are, without I/O.

mod analytics;
mod definition;
mod item;
mod recommendation;
mod state;
mod workflow;

pub use analytics::{StageFigures, WorkflowFigures};
pub use definition::{
    AgentOutput, Assignment, Definition, Stage, StageId, StageRoute, StageType, Trigger,
};
pub use item::{
    Data, ItemMove, LockedItem, Priority, ReservedKey, Transition, Visit, VisitEnd, VisitOutcome,
    WorkItem,
};
pub use recommendation::{
    AutoApplyResult, Recommendation, RecommendedFile, RecommendedStep, Verdict,
};
pub use state::{Effect, IllegalTransition, ItemEvent, ItemState, Step};
pub use workflow::{Firing, FiringOutcome, TemplateSource, TriggerMatch, Workflow};
