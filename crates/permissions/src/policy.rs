//! Where the changing part of the policy comes from: people, custom roles, assignments.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use primitives::{RoleId, TeamId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::Levels;

/// Who can be accountable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UserKind {
    /// A human.
    #[default]
    Person,
    /// A program. It holds roles like a person, but nothing is applied unseen in its name.
    Service,
}

/// One person or service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// Who it is.
    pub user: UserId,
    /// The token subject that stands for it; `None` for a service that only has a certificate.
    pub subject: Option<String>,
    /// The certificate name (URI or DNS) that stands for it.
    pub certificate_name: Option<String>,
    /// What it is.
    pub kind: UserKind,
    /// Inactive users are unknown to authentication.
    pub active: bool,
    /// Whether the base role includes `code.edit` on what is personal.
    pub may_apply: bool,
    /// Until when nothing is given to it in turn.
    pub away_until: Option<Timestamp>,
}

impl UserRecord {
    /// An active person known by a token subject, who may apply.
    pub fn person(user: UserId, subject: &str) -> Self {
        Self {
            user,
            subject: Some(subject.to_owned()),
            certificate_name: None,
            kind: UserKind::Person,
            active: true,
            may_apply: true,
            away_until: None,
        }
    }
}

/// A role that can be held.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// A role of the reviewed table, as in `developer`.
    Standard(String),
    /// A role that one team made for itself.
    Custom(RoleId),
}

impl Role {
    /// As it is stored: the name, or the bare uuid of a custom role.
    pub fn stored(&self) -> String {
        match self {
            Self::Standard(name) => name.clone(),
            Self::Custom(id) => id.as_uuid().hyphenated().to_string(),
        }
    }
}

/// Reads [`Role::stored`] back. A name that no table has grants nothing.
impl From<&str> for Role {
    fn from(stored: &str) -> Self {
        RoleId::parse_bare(stored).map_or_else(|_| Self::Standard(stored.to_owned()), Self::Custom)
    }
}

impl FromStr for Role {
    type Err = Infallible;
    fn from_str(stored: &str) -> Result<Self, Infallible> {
        Ok(Self::from(stored))
    }
}

/// The resource name, as in `roles/developer`.
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(name) => write!(f, "roles/{name}"),
            Self::Custom(id) => write!(f, "{id}"),
        }
    }
}

/// What a team's own role grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomRole {
    /// Which role.
    pub id: RoleId,
    /// Whose it is. It grants nothing elsewhere.
    pub team: TeamId,
    /// Short name for people.
    pub slug: String,
    /// The levels. Keys that count system-wide only are left out when it is read.
    pub levels: Levels,
}

/// Where a role is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AssignmentScope {
    /// In one team.
    Team(TeamId),
    /// System-wide: support and founder.
    System,
}

/// Who decided that a role is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AssignmentSource {
    /// Somebody gave it.
    #[default]
    Given,
    /// A claim of the identity provider, by the operator's mapping.
    Claim,
}

/// One role held by one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Who holds it.
    pub user: UserId,
    /// Where.
    pub scope: AssignmentScope,
    /// Which.
    pub role: Role,
    /// Ends on its own, if set.
    pub expires_at: Option<Timestamp>,
    /// Who decided it.
    pub source: AssignmentSource,
}

/// Everything the authorizer needs, read in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyData {
    /// Grows with every change of people, memberships or roles.
    pub epoch: i64,
    /// All users.
    pub users: Vec<UserRecord>,
    /// All custom roles of live teams.
    pub roles: Vec<CustomRole>,
    /// All assignments.
    pub assignments: Vec<Assignment>,
}

/// The policy could not be read; the old one stays in force.
#[derive(Debug, thiserror::Error)]
#[error("the policy cannot be read: {0}")]
pub struct SourceError(pub String);

/// Reads the policy. Implemented by `storage`.
#[async_trait]
pub trait PolicySource: Send + Sync {
    /// The epoch that is stored now: one cheap statement.
    async fn stored_epoch(&self) -> Result<i64, SourceError>;

    /// The whole policy: nothing in it is older than its epoch. Parts may be newer, when it
    /// changed meanwhile; the stored epoch is then newer, too, and tells.
    async fn load_policy(&self) -> Result<PolicyData, SourceError>;
}
