//! One event and where it comes from.

use primitives::{EventId, RepositoryId, Tenant, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A chain of reactions may be this deep; a firing beyond it is recorded as refused.
pub const MAX_DEPTH: u8 = 8;
/// One event may reach this many triggers.
pub const MAX_FAN_OUT: usize = 100;
/// Bytes of JSON a payload may have.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// The event types this version emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventType {
    /// A plan was made.
    #[serde(rename = "agent.plan.completed")]
    PlanCompleted,
    /// A patch was committed.
    #[serde(rename = "agent.apply.success")]
    ApplySuccess,
    /// A patch was refused or failed.
    #[serde(rename = "agent.apply.failure")]
    ApplyFailure,
    /// A patch was taken back.
    #[serde(rename = "agent.patch.reverted")]
    PatchReverted,
    /// Somebody is no longer a member of a team: [`crate::Departure::Left`].
    #[serde(rename = "directory.member.left")]
    MemberLeft,
    /// Somebody is no longer a user: [`crate::Departure::Deactivated`].
    #[serde(rename = "directory.user.deactivated")]
    UserDeactivated,
    /// A team is no more: [`crate::Departure::TeamDeleted`].
    #[serde(rename = "directory.team.deleted")]
    TeamDeleted,
    /// An operator stopped the agent: [`crate::Stop`].
    #[serde(rename = "agent.stopped")]
    AgentStopped,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::PlanCompleted,
        Self::ApplySuccess,
        Self::ApplyFailure,
        Self::PatchReverted,
        Self::MemberLeft,
        Self::UserDeactivated,
        Self::TeamDeleted,
        Self::AgentStopped,
    ];

    /// Those that triggers may listen to.
    pub const FOR_TRIGGERS: [Self; 4] =
        [Self::PlanCompleted, Self::ApplySuccess, Self::ApplyFailure, Self::PatchReverted];

    /// The dotted text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlanCompleted => "agent.plan.completed",
            Self::ApplySuccess => "agent.apply.success",
            Self::ApplyFailure => "agent.apply.failure",
            Self::PatchReverted => "agent.patch.reverted",
            Self::MemberLeft => "directory.member.left",
            Self::UserDeactivated => "directory.user.deactivated",
            Self::TeamDeleted => "directory.team.deleted",
            Self::AgentStopped => "agent.stopped",
        }
    }

    /// What happened, in a few words for people.
    pub const fn headline(self) -> &'static str {
        match self {
            Self::PlanCompleted => "Plan made",
            Self::ApplySuccess => "Patch applied",
            Self::ApplyFailure => "Patch failed",
            Self::PatchReverted => "Patch reverted",
            Self::MemberLeft => "Member left",
            Self::UserDeactivated => "User deactivated",
            Self::TeamDeleted => "Team deleted",
            Self::AgentStopped => "Agent stopped",
        }
    }

    /// Whether triggers may listen to it.
    pub fn is_for_triggers(self) -> bool {
        Self::FOR_TRIGGERS.contains(&self)
    }

    /// Reads [`EventType::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Reads the text of a type that triggers may listen to; `None` for any other.
    pub fn parse_for_trigger(text: &str) -> Option<Self> {
        Self::FOR_TRIGGERS.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What led to something: the chain's first event, the one right before, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// First event of the chain.
    pub root: EventId,
    /// The event that led here directly.
    pub parent: EventId,
    /// 1 for what the root event led to.
    pub depth: u8,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Identifies it; consumers are idempotent by it.
    pub id: EventId,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// Version of the payload's shape.
    pub version: u32,
    /// Where it happened. Triggers elsewhere do not see it, except the causer's own.
    pub tenant: Tenant,
    /// The accountable human of the whole chain.
    pub principal: UserId,
    /// `None` for a root event.
    pub cause: Option<Cause>,
    /// One line for people; becomes the title of triggered items.
    pub summary: String,
    /// The repository it is about.
    pub repository: Option<RepositoryId>,
    /// Details, at most [`MAX_PAYLOAD_BYTES`].
    pub payload: Value,
    /// When.
    pub time: Timestamp,
}

impl EventRecord {
    /// The cause of whatever this event leads to.
    pub fn leads_to(&self) -> Cause {
        Cause {
            root: self.cause.map_or(self.id, |cause| cause.root),
            parent: self.id,
            depth: self.cause.map_or(0, |cause| cause.depth).saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_reads_back_and_triggers_hear_nothing_of_the_inside() {
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.as_str()), Some(kind));
            let heard = EventType::parse_for_trigger(kind.as_str());
            let is_inner =
                ["directory.", "agent.stopped"].iter().any(|own| kind.as_str().starts_with(own));
            assert_eq!(heard, (!is_inner).then_some(kind));
            let stored = serde_json::to_value(kind).unwrap();
            assert_eq!(stored, kind.as_str());
        }
    }
}
