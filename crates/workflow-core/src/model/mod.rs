//! What workflows and items are, without I/O.

mod analytics;
mod approval;
mod change;
mod comment;
pub mod condition;
pub mod data;
pub mod days;
mod definition;
pub mod form;
mod input;
mod item;
mod ledger;
mod migration;
pub mod parameters;
pub mod proposal;
mod publish;
mod recommendation;
mod revision;
mod rota;
mod settings;
mod stage_type;
mod state;
mod update;
pub mod validate;
mod workflow;

pub use analytics::{
    DayFigures, FiguresInput, Lengths, Period, StageFigures, Wanted, WorkflowFigures,
};
pub use approval::{Approval, Approvers, DecideInput, Vote, holds_role};
pub use change::{Change, Move};
pub use comment::{Comment, CommentChange};
pub use days::{Days, Offset};
pub use definition::{
    AgentOutput, Assignment, Definition, Rota, Stage, StageId, StageRoute, Trigger,
};
pub use form::{FieldOption, FieldType, Form, FormField};
pub use input::{
    ApprovalInput, AssignmentInput, CompleteInput, Etag, InstantiateInput, ItemChanges, ItemInput,
    NoteInput, QueueInput, ReturnInput, ReviewInput, RotaInput, RouteInput, StageInput,
    TriggerInput, WorkflowInput,
};
pub use item::{
    Block, Data, ItemMove, LockedItem, Priority, ReservedKey, Transition, Visit, VisitEnd,
    VisitOutcome, WorkItem,
};
pub use ledger::{Ledger, LedgerRule, Recount, StageLedger, Violation};
pub use migration::{
    Fate, MigrateInput, Migrated, Migration, MigrationCounts, MigrationResult, StagePlan,
};
pub use parameters::{Parameter, ParameterType};
pub use proposal::RunResult;
pub use publish::{ParameterInput, PublishInput};
pub use recommendation::{
    AutoApplyResult, Recommendation, RecommendedFile, RecommendedStep, Verdict,
};
pub use revision::{Changes, Revision, StageChange};
pub use rota::next_in_turn;
pub use settings::{Origin, Pauses, Settings};
pub use stage_type::{Passing, StageType, Traits};
pub use state::{Effect, IllegalTransition, ItemEvent, ItemState, Onward, Step};
pub use update::{Part, UpdateInput};
pub use workflow::{Firing, FiringOutcome, TemplateSource, TriggerMatch, Workflow};
