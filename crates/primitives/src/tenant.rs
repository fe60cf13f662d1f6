//! Who owns a row.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{TeamId, UserId};

/// The owner of a row: the one unit of isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tenant {
    /// Shared by the members of a team.
    Team(TeamId),
    /// One person's own.
    Person(UserId),
    /// Everyone's to read.
    Global,
}

/// The stored discriminant of a [`Tenant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TenantKind {
    /// `team`
    Team,
    /// `person`
    Person,
    /// `global`
    Global,
}

impl TenantKind {
    /// The text stored in `tenant_kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Person => "person",
            Self::Global => "global",
        }
    }
}

impl Tenant {
    /// The discriminant.
    pub const fn kind(self) -> TenantKind {
        match self {
            Self::Team(_) => TenantKind::Team,
            Self::Person(_) => TenantKind::Person,
            Self::Global => TenantKind::Global,
        }
    }

    /// The id stored in `tenant_id`; nil for [`Tenant::Global`], so the column is never null.
    pub const fn id(self) -> Uuid {
        match self {
            Self::Team(team) => team.as_uuid(),
            Self::Person(user) => user.as_uuid(),
            Self::Global => Uuid::nil(),
        }
    }

    /// Reads the pair of columns back; `None` for an unknown kind.
    pub fn from_columns(kind: &str, id: Uuid) -> Option<Self> {
        match kind {
            "team" => Some(Self::Team(TeamId::from_uuid(id))),
            "person" => Some(Self::Person(UserId::from_uuid(id))),
            "global" => Some(Self::Global),
            _ => None,
        }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Team(team) => team.fmt(f),
            Self::Person(user) => user.fmt(f),
            Self::Global => f.write_str("global"),
        }
    }
}
