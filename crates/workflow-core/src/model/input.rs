//! What callers ask for, before it is judged.
//!
//! These types can hold everything the wire can say, also what is refused: the judging, with
//! one list of all faults, happens in `model::validate` after the caller's rights are known.

use primitives::{RepositoryId, Timestamp, WorkItemId};

use serde::{Deserialize, Serialize};

use super::{AgentOutput, Data, Form, Priority, StageId, StageType, Verdict};

/// An `etag` as a version; `None` when the caller gave none. A negative one, as for a text
/// that is no etag at all, never matches.
pub type Etag = Option<i64>;

/// What a document leaves out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A definition to publish, with the texts around it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkflowInput {
    pub display_name: String,
    pub description: String,
    pub icon: String,
    pub category: String,
    pub tags: Vec<String>,
    /// Empty: made from the name.
    pub item_key: String,
    pub stages: Vec<StageInput>,
    pub triggers: Vec<TriggerInput>,
    /// `None`: people may make items.
    pub allow_manual_creation: Option<bool>,
    /// The first stage must be one of approval.
    #[serde(skip_serializing_if = "is_default")]
    pub require_approval_to_start: bool,
}

impl WorkflowInput {
    /// Whether it has triggers or lets the agent apply by itself, which needs more rights.
    pub fn asks_for_automation(&self) -> bool {
        !self.triggers.is_empty() || self.stages.iter().any(|stage| stage.agent_auto_apply)
    }
}

/// A stage as asked for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageInput {
    /// Empty: one is generated from the stage's place.
    pub id: String,
    pub display_name: String,
    pub description: String,
    /// `None` when unspecified or unknown.
    #[serde(rename = "type")]
    pub kind: Option<StageType>,
    pub assignment: AssignmentInput,
    /// 0 is no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub sla_minutes: i32,
    /// Empty: the item is finished here.
    pub routes: Vec<RouteInput>,
    #[serde(skip_serializing_if = "is_default")]
    pub agent_prompt: String,
    #[serde(skip_serializing_if = "is_default")]
    pub agent_target_path: String,
    #[serde(skip_serializing_if = "is_default")]
    pub agent_model_hint: String,
    /// PATCH is refused.
    #[serde(skip_serializing_if = "is_default")]
    pub agent_output: AgentOutput,
    #[serde(skip_serializing_if = "is_default")]
    pub agent_auto_apply: bool,
    /// 0 is no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub wip_limit: i32,
    /// 0 is no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub wip_limit_per_person: i32,
    #[serde(skip_serializing_if = "is_default")]
    pub form: Option<Form>,
    #[serde(skip_serializing_if = "is_default")]
    pub approval: Option<ApprovalInput>,
    /// Empty: people complete it.
    #[serde(skip_serializing_if = "is_default")]
    pub auto_advance: String,
}

/// Who decides at an APPROVAL stage, as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApprovalInput {
    /// 0 is 1.
    pub quorum: i32,
    pub roles: Vec<String>,
    /// `users/{uuid}`.
    pub users: Vec<String>,
    /// 0 is no end.
    pub expire_minutes: i32,
    pub escalation_roles: Vec<String>,
    /// `users/{uuid}`.
    pub escalation_users: Vec<String>,
    /// Empty: where the item came from.
    pub reject_stage: String,
}

/// Who may claim, as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentInput {
    #[default]
    Anyone,
    /// A role's key.
    Role(String),
    /// `users/{uuid}`.
    User(String),
    Queue(QueueInput),
    RoundRobin(RotaInput),
    /// Refused, with the name of the kind: automation.
    #[serde(skip)]
    Unsupported(String),
}

/// A queue, as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QueueInput {
    pub name: String,
    /// Empty: anyone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub role: String,
}

/// Who take turns, as asked for: a role or some people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RotaInput {
    #[serde(skip_serializing_if = "is_default")]
    pub role: String,
    /// `users/{uuid}`
    #[serde(skip_serializing_if = "is_default")]
    pub users: Vec<String>,
}

/// A way out of a stage, as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteInput {
    /// Empty is the default.
    pub condition: String,
    /// Empty finishes the item.
    pub target: String,
    pub description: String,
}

/// A trigger as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TriggerInput {
    pub event_type: String,
    pub enabled: bool,
    pub description: String,
}

/// A copy of a template, as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstantiateInput {
    /// Empty: the template's.
    pub display_name: String,
    /// Values by parameter.
    pub parameters: Data,
    /// Check everything, store nothing.
    pub validate_only: bool,
}

/// An item as asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemInput {
    pub title: String,
    pub description: String,
    pub priority: Priority,
    pub tags: Vec<String>,
    pub data: Data,
    pub repository: Option<RepositoryId>,
    /// Empty: none.
    pub external_id: String,
    pub due_at: Option<Timestamp>,
    /// Of the same owner.
    pub blocked_by: Vec<WorkItemId>,
}

/// What is to be changed of an item; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemChanges {
    pub title: Option<String>,
    pub description: Option<String>,
    pub priority: Option<Priority>,
    pub tags: Option<Vec<String>>,
    /// In the place of all that callers stored before.
    pub data: Option<Data>,
    /// `Some(None)` takes it away; the id itself is a name, resolved before.
    pub repository: Option<Option<RepositoryId>>,
    /// Empty takes it away.
    pub external_id: Option<String>,
    pub due_at: Option<Option<Timestamp>>,
    /// In the place of what it waited for before.
    pub blocked_by: Option<Vec<WorkItemId>>,
    /// Required: `None` is refused.
    pub etag: Etag,
}

/// What somebody says to a move, as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoteInput {
    pub note: String,
    pub etag: Etag,
}

/// A way back, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnInput {
    /// Where the item was before.
    pub stage: StageId,
    pub note: String,
    pub etag: Etag,
}

/// The completion of a stage, as asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct CompleteInput {
    /// The stage the caller means.
    pub stage: StageId,
    /// Merged into the item's data (RFC 7396 on top-level keys).
    pub data: Data,
    pub note: String,
    pub etag: Etag,
}

/// A verdict as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewInput {
    /// Hash of the recommendation that was read.
    pub hash: String,
    /// ACCEPTED or REJECTED; PENDING is refused.
    pub verdict: Verdict,
    pub note: String,
    /// Required: `None` is refused.
    pub etag: Etag,
}
