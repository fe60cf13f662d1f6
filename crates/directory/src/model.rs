//! What is known of people and teams.

use permissions::{
    AssignmentScope, AssignmentSource, Claimable, HeldBy, Levels, Role, Tenanted, UserKind,
};
use primitives::{RoleAssignmentId, RoleId, TeamId, Tenant, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// A person or a service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    /// The token subject; a person has one.
    pub subject: Option<String>,
    /// The certificate name (URI or DNS) of a service account.
    pub certificate_name: Option<String>,
    pub display_name: String,
    pub kind: UserKind,
    pub active: bool,
    pub may_apply: bool,
    pub created_at: Timestamp,
    pub deactivated_at: Option<Timestamp>,
    /// The optimistic lock.
    pub version: i64,
    /// Where people take turns, nothing is given to it before that.
    #[serde(default)]
    pub away_until: Option<Timestamp>,
}

/// What belongs to a user alone is filed under the person.
impl Tenanted for User {
    fn tenant(&self) -> Tenant {
        Tenant::Person(self.id)
    }
}

/// A user with the roles that hold without any team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    pub user: User,
    /// As in `founder`, sorted.
    pub system_roles: Vec<String>,
}

/// A group of people that owns things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    pub id: TeamId,
    /// Short name for people, unique among teams in use.
    pub slug: String,
    pub display_name: String,
    pub created_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    /// The optimistic lock.
    pub version: i64,
}

impl Tenanted for Team {
    fn tenant(&self) -> Tenant {
        Tenant::Team(self.id)
    }
}

/// A role that a team made for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamRole {
    pub id: RoleId,
    pub team: TeamId,
    /// Short name for people, unique in the team.
    pub slug: String,
    pub display_name: String,
    pub levels: Levels,
    pub created_at: Timestamp,
    /// The optimistic lock.
    pub version: i64,
}

impl Tenanted for TeamRole {
    fn tenant(&self) -> Tenant {
        Tenant::Team(self.team)
    }
}

/// One role held by one user in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    pub id: RoleAssignmentId,
    pub user: UserId,
    pub scope: AssignmentScope,
    pub role: Role,
    pub source: AssignmentSource,
    /// `None` for what came with the server, and for claims.
    pub creator: Option<UserId>,
    pub created_at: Timestamp,
    /// Ends on its own, if set.
    pub expires_at: Option<Timestamp>,
}

/// A system role is its holder's.
impl Tenanted for Holding {
    fn tenant(&self) -> Tenant {
        match self.scope {
            AssignmentScope::Team(team) => Tenant::Team(team),
            AssignmentScope::System => Tenant::Person(self.user),
        }
    }
}

impl HeldBy for Holding {
    fn holder(&self) -> UserId {
        self.user
    }
}

impl Claimable for Holding {
    fn claimed_in(&self) -> Option<TeamId> {
        let is_standard = matches!(&self.role, Role::Standard(name) if permissions::TEAM_ROLES.contains(&name.as_str()));
        match (self.scope, self.source) {
            (AssignmentScope::Team(team), AssignmentSource::Claim) if is_standard => Some(team),
            _ => None,
        }
    }
}

/// Somebody who holds a role in a team now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub user: UserId,
    pub display_name: String,
    pub kind: UserKind,
    /// Short names of the roles held, sorted.
    pub roles: Vec<String>,
    /// When the oldest of them was given.
    pub joined_at: Timestamp,
}

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
