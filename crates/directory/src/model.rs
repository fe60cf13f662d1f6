//! What is known of people and teams.

use permissions::{AssignmentScope, Role};
use primitives::{TeamId, Timestamp, UserId};

/// A user as shown to himself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCard {
    pub id: UserId,
    pub display_name: String,
    /// The token subject.
    pub subject: String,
    pub may_apply: bool,
}

/// A team as shown to its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamCard {
    pub id: TeamId,
    /// Short name for people, `[a-z][a-z0-9-]{1,62}`, unique.
    pub slug: String,
    pub display_name: String,
}

/// Who the caller is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub user: UserCard,
    pub teams: Vec<TeamCard>,
}

/// A person to be seeded; nothing happens when the subject exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedUser {
    pub id: UserId,
    pub subject: String,
    pub display_name: String,
}

/// A team to be seeded; nothing happens when the slug exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedTeam {
    pub id: TeamId,
    pub slug: String,
    pub display_name: String,
}

/// A role to be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAssignment {
    pub user: UserId,
    pub scope: AssignmentScope,
    pub role: Role,
    pub expires_at: Option<Timestamp>,
}
