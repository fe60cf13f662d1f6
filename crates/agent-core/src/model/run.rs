//! One durable piece of agent work.

use events::Cause;
use permissions::Tenanted;
use primitives::{
    PatchId, PlanId, RepositoryId, RunId, SessionId, Tenant, Timestamp, UserId, VisitId, WorkItemId,
};
use serde::{Deserialize, Serialize};

use super::PlannedStep;
use crate::port::workspace::{ObjectId, TreeChange};

macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stored text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads it back.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.as_str() == text)
            }
        }
    };
}

text_enum! {
    /// What a run does.
    RunKind {
        /// Plans for an item at an agent stage, and may auto-apply.
        Assist = "ASSIST",
        /// Commits a change somebody asked for.
        Apply = "APPLY",
        /// Takes a patch back.
        Revert = "REVERT",
    }
}

text_enum! {
    /// Where a run is in its life. QUEUED and RUNNING are live.
    RunState {
        Queued = "QUEUED",
        Running = "RUNNING",
        AwaitingReview = "AWAITING_REVIEW",
        Succeeded = "SUCCEEDED",
        Failed = "FAILED",
        Cancelled = "CANCELLED",
        TimedOut = "TIMED_OUT",
        /// Its item had left the stage when the result came.
        Superseded = "SUPERSEDED",
        /// Used up its attempts.
        Dead = "DEAD",
    }
}

impl RunState {
    /// Still to be worked on.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

text_enum! {
    /// How far a run came; a new attempt goes on from here.
    Phase {
        Queued = "queued",
        Claimed = "claimed",
        Context = "context",
        Planned = "planned",
        Diffed = "diffed",
        Committed = "committed",
        Recorded = "recorded",
    }
}

/// Why a run ended badly, for people and programs; never paths of the server or causes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunProblem {
    /// Upper-snake, from the catalogue.
    pub reason: String,
    pub message: String,
}

/// What a run was asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunInput {
    /// The stage and the stay that were entered.
    Assist { stage_id: String, visit: VisitId },
    /// A change that was judged when it was asked for.
    Change { change: TreeChange, message: String },
    /// Steps for an engine to carry out on `base`.
    Steps {
        base: ObjectId,
        instruction: String,
        steps: Vec<PlannedStep>,
        engine: String,
        model: Option<String>,
        message: String,
    },
    /// The patch to take back, and the judged change that does it.
    Revert { patch: PatchId, change: TreeChange, tip: ObjectId },
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    /// The work item's owner, else the principal's person.
    pub tenant: Tenant,
    pub kind: RunKind,
    pub state: RunState,
    pub phase: Phase,
    /// The accountable human; his rights are asked again at each effect.
    pub principal: UserId,
    pub work_item: Option<WorkItemId>,
    pub session: Option<SessionId>,
    pub repository: Option<RepositoryId>,
    pub plan: Option<PlanId>,
    pub patch: Option<PatchId>,
    pub input: RunInput,
    pub cause: Option<Cause>,
    /// From 1 at the first claim.
    pub attempt: u32,
    pub max_attempts: u32,
    /// Raised by every claim and every cancel; conditions all writes of a worker.
    pub fence: i64,
    pub lease_until: Option<Timestamp>,
    pub heartbeat_at: Option<Timestamp>,
    /// Overall end, attempts included.
    pub deadline_at: Timestamp,
    pub problem: Option<RunProblem>,
    pub engine_used: String,
    pub model_used: String,
    pub created_at: Timestamp,
    /// First claim: the time of deterministic commits.
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

impl Tenanted for Run {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}
