//! What a published revision consists of.

use events::EventType;
use primitives::{TriggerId, UserId};
use serde::{Deserialize, Serialize};

use super::{Approval, Form, Parameter, StageType};

/// Identifies a stage within its workflow: `[A-Za-z0-9_-]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StageId(pub String);

impl StageId {
    /// A fresh id that still tells which stage it was copied from.
    pub fn generate(origin: &Self) -> Self {
        let random = TriggerId::generate().as_uuid().simple().to_string();
        let (_, random) = random.split_at_checked(20).unwrap_or(("", &random));
        Self(format!("{}-{random}", primitives::clip(&origin.0, 32)))
    }
}

impl std::fmt::Display for StageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who may claim an item at a stage, beside the permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assignment {
    /// Anyone with the permission.
    Anyone,
    /// Holders of a role in the workflow's team.
    Role(String),
    /// One person.
    User(UserId),
    /// Whoever takes from the queue of this name; with a role, holders of that.
    Queue { name: String, role: Option<String> },
    /// Those who take turns.
    RoundRobin(Rota),
}

impl Assignment {
    /// The role that it names.
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::Role(role) | Self::RoundRobin(Rota::Role(role)) => Some(role),
            Self::Queue { role, .. } => role.as_deref(),
            Self::Anyone | Self::User(_) | Self::RoundRobin(Rota::Users(_)) => None,
        }
    }

    /// The same where nobody holds a role.
    #[must_use]
    pub fn without_role(self) -> Self {
        match self {
            Self::Role(_) | Self::RoundRobin(Rota::Role(_)) => Self::Anyone,
            Self::Queue { name, role: _ } => Self::Queue { name, role: None },
            other => other,
        }
    }

    /// The same where nobody is known.
    #[must_use]
    pub fn without_people(self) -> Self {
        match self {
            Self::User(_) | Self::RoundRobin(Rota::Users(_)) => Self::Anyone,
            other => other,
        }
    }
}

/// Who take turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rota {
    /// Holders of a role in the workflow's team.
    Role(String),
    /// These, by id.
    Users(Vec<UserId>),
}

/// What an agent stage asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AgentOutput {
    #[default]
    Plan,
    Patch,
}

/// An edge between stages. Routes are evaluated in order; the default one is last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRoute {
    /// CEL over the item; `None` is the default route.
    pub condition: Option<String>,
    /// `None` finishes the item.
    pub target: Option<StageId>,
    pub description: String,
}

/// One step of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub id: StageId,
    pub display_name: String,
    pub description: String,
    #[serde(rename = "type")]
    pub kind: StageType,
    pub assignment: Assignment,
    /// Never empty in a published definition.
    pub routes: Vec<StageRoute>,
    /// Empty uses the default prompt of the stage's type.
    pub agent_prompt: String,
    /// Repository-relative path the agent should focus on; empty for the whole repository.
    pub agent_target_path: String,
    /// Model to ask for; empty for the configured one.
    pub agent_model_hint: String,
    pub agent_output: AgentOutput,
    /// Who allowed auto-apply here; `None` is off. He must still hold the rights when it happens.
    pub auto_apply_set_by: Option<UserId>,
    /// Items in hand here at once; 0 is no limit.
    #[serde(default)]
    pub wip_limit: u32,
    /// Of these, one person's; 0 is no limit.
    #[serde(default)]
    pub wip_limit_per_person: u32,
    /// What must be filled in before it is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// Minutes that an item should stay here at most; 0 is no limit.
    #[serde(default)]
    pub sla_minutes: u32,
    /// Set exactly at an APPROVAL stage.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// CEL over the item and the result of its run: the stage is completed without a person
    /// when it holds. Only where the agent runs.
    #[serde(default)]
    pub auto_advance: Option<String>,
}

/// What makes an event create an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    pub id: TriggerId,
    pub event_type: EventType,
    pub enabled: bool,
    pub description: String,
    pub set_by: UserId,
}

/// Stages in display order (items start at the first) and triggers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    pub stages: Vec<Stage>,
    pub triggers: Vec<Trigger>,
    /// What a template asks for; a workflow has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
}

impl Definition {
    /// The stage with this id.
    pub fn stage(&self, id: &StageId) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.id == *id)
    }
}
