//! Somebody or some team is gone: what the directory tells, and what others read of it.
//!
//! The directory publishes one in the transaction that takes the rights away. Whatever the
//! person left behind elsewhere is taken care of by those who react to it.

use primitives::{EventId, TeamId, Tenant, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{EventRecord, EventType};

/// Who is gone, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// A person who is no longer a member of a team, by his own doing or another's.
    Left {
        /// Who.
        user: UserId,
        /// From where.
        team: TeamId,
    },
    /// A person or service that is no longer a user at all. It has left every team with this:
    /// no [`Departure::Left`] comes beside it.
    Deactivated {
        /// Who.
        user: UserId,
    },
    /// A team that is no more, and what it owned with it.
    TeamDeleted {
        /// Which.
        team: TeamId,
    },
}

#[derive(Serialize, Deserialize)]
struct Payload {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    team: Option<TeamId>,
}

impl Departure {
    /// The type of its event.
    pub const fn kind(self) -> EventType {
        match self {
            Self::Left { .. } => EventType::MemberLeft,
            Self::Deactivated { .. } => EventType::UserDeactivated,
            Self::TeamDeleted { .. } => EventType::TeamDeleted,
        }
    }

    /// Where it happened.
    pub const fn tenant(self) -> Tenant {
        match self {
            Self::Left { team, .. } | Self::TeamDeleted { team } => Tenant::Team(team),
            Self::Deactivated { user } => Tenant::Person(user),
        }
    }

    /// The event to publish, caused by `principal` (who may be the one who leaves).
    pub fn event(self, principal: UserId, time: Timestamp) -> EventRecord {
        let (user, team) = match self {
            Self::Left { user, team } => (Some(user), Some(team)),
            Self::Deactivated { user } => (Some(user), None),
            Self::TeamDeleted { team } => (None, Some(team)),
        };
        EventRecord {
            id: EventId::generate(),
            kind: self.kind(),
            version: 1,
            tenant: self.tenant(),
            principal,
            cause: None,
            summary: self.kind().headline().to_owned(),
            repository: None,
            payload: json!(Payload { user, team }),
            time,
        }
    }

    /// Reads it back. `None` for events of other types, and for one whose payload says
    /// something else than its tenant.
    pub fn of(event: &EventRecord) -> Option<Self> {
        let payload = |value: &Value| Payload::deserialize(value).ok();
        let departure = match (event.kind, payload(&event.payload)?) {
            (EventType::MemberLeft, Payload { user: Some(user), team: Some(team) }) => {
                Self::Left { user, team }
            }
            (EventType::UserDeactivated, Payload { user: Some(user), .. }) => {
                Self::Deactivated { user }
            }
            (EventType::TeamDeleted, Payload { team: Some(team), .. }) => {
                Self::TeamDeleted { team }
            }
            _ => return None,
        };
        (departure.tenant() == event.tenant).then_some(departure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_reads_back_and_nothing_else_does() {
        let (ann, bob, team) = (UserId::generate(), UserId::generate(), TeamId::generate());
        let all = [
            Departure::Left { user: ann, team },
            Departure::Deactivated { user: ann },
            Departure::TeamDeleted { team },
        ];
        for departure in all {
            let event = departure.event(bob, Timestamp::from_micros(7));
            assert_eq!(Departure::of(&event), Some(departure));
            assert_eq!(event.principal, bob);
            let elsewhere = EventRecord { tenant: Tenant::Person(bob), ..event.clone() };
            assert_eq!(Departure::of(&elsewhere), None);
            let empty = EventRecord { payload: json!({}), ..event.clone() };
            assert_eq!(Departure::of(&empty), None);
            let other = EventRecord { kind: EventType::PlanCompleted, ..event };
            assert_eq!(Departure::of(&other), None);
        }
    }
}
