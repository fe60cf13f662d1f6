//! Who calls, and what he can see.

use std::sync::Arc;

use primitives::{TeamId, Tenant, Timestamp, UserId};

use crate::{
    AssignmentScope, AssignmentSource, Cleared, Denied, GlobalRule, Grant, HeldBy, Key, Level,
    Levels, Permission, Role, Tenanted, UserKind, Visible,
};

/// One role that is held somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRole {
    /// Short name for people: `developer`, or a custom role's slug.
    pub name: String,
    /// Which role.
    pub role: Role,
    /// What it grants.
    pub levels: Levels,
    /// Ends on its own, if set.
    pub expires_at: Option<Timestamp>,
    /// Who decided that it is held.
    pub source: AssignmentSource,
}

/// One team a caller belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The team.
    pub team: TeamId,
    /// What all roles held there grant together.
    pub levels: Levels,
    /// The roles, by name.
    pub roles: Vec<HeldRole>,
}

impl Membership {
    /// Whether a role of this name is held.
    pub fn holds(&self, name: &str) -> bool {
        self.roles.iter().any(|held| held.name == name)
    }
}

/// What one active user may do, at one epoch: shared by all his calls.
#[derive(Debug)]
pub(crate) struct Rights {
    pub(crate) user: UserId,
    pub(crate) kind: UserKind,
    /// By team.
    pub(crate) teams: Vec<Membership>,
    pub(crate) personal: Levels,
    pub(crate) global: Levels,
    pub(crate) system: Levels,
    pub(crate) system_roles: Vec<HeldRole>,
}

impl Rights {
    /// What is held on rows of `tenant`.
    pub(crate) fn levels_in(&self, tenant: Tenant) -> Levels {
        match tenant {
            Tenant::Team(team) => self
                .teams
                .binary_search_by_key(&team, |held| held.team)
                .ok()
                .and_then(|at| self.teams.get(at))
                .map_or(Levels::NONE, |held| held.levels),
            Tenant::Person(user) if user == self.user => self.personal,
            Tenant::Person(_) => Levels::NONE,
            Tenant::Global => self.global,
        }
    }

    /// Whether permission `P` holds on rows of `tenant`.
    pub(crate) fn holds<P: Permission>(&self, tenant: Tenant) -> bool {
        self.levels_in(tenant).has(P::KEY, P::LEVEL)
            || (tenant == Tenant::Global
                && P::GLOBAL == GlobalRule::AnyTeam
                && self.teams.iter().any(|held| held.levels.has(P::KEY, P::LEVEL)))
    }
}

/// An authenticated, active user with the rights of one policy epoch.
#[derive(Clone, Debug)]
pub struct Caller(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) rights: Arc<Rights>,
    pub(crate) epoch: i64,
    pub(crate) request_id: String,
    pub(crate) checked_at: Timestamp,
}

impl Caller {
    /// Who it is.
    pub fn user(&self) -> UserId {
        self.0.rights.user
    }

    /// Whether a human can be held to account for what is done in this name.
    pub fn is_person(&self) -> bool {
        self.0.rights.kind == UserKind::Person
    }

    /// The policy epoch these rights belong to.
    pub fn epoch(&self) -> i64 {
        self.0.epoch
    }

    /// Correlates log lines, audit records and the response header of one request.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// Teams the caller belongs to, by id.
    pub fn teams(&self) -> &[Membership] {
        &self.0.rights.teams
    }

    /// System-wide roles, by name.
    pub fn system_roles(&self) -> &[HeldRole] {
        &self.0.rights.system_roles
    }

    /// When the rights were put together.
    pub fn checked_at(&self) -> Timestamp {
        self.0.checked_at
    }

    /// What the caller holds on rows of `tenant`.
    pub fn levels_in(&self, tenant: Tenant) -> Levels {
        self.0.rights.levels_in(tenant)
    }

    /// What the caller holds system-wide.
    pub fn system_levels(&self) -> Levels {
        self.0.rights.system
    }

    /// Whether permission `P` holds on rows of `tenant`.
    pub fn holds<P: Permission>(&self, tenant: Tenant) -> bool {
        self.0.rights.holds::<P>(tenant)
    }

    /// Whether `key` is held at `level` anywhere.
    pub fn holds_somewhere(&self, key: Key, level: Level) -> bool {
        let rights = &self.0.rights;
        let own = [rights.personal, rights.global, rights.system];
        own.iter().any(|levels| levels.has(key, level))
            || rights.teams.iter().any(|held| held.levels.has(key, level))
    }

    /// Proof that `P` is held somewhere.
    pub fn require<P: Permission>(&self) -> Result<Grant<P>, Denied> {
        if self.holds_somewhere(P::KEY, P::LEVEL) {
            Ok(Grant::new(self.clone()))
        } else {
            Err(Denied::of::<P>(None))
        }
    }

    /// Nobody hands on a level that he does not hold in the same place: the first key of
    /// `levels` that is above the caller's own is refused.
    pub fn may_grant(&self, scope: AssignmentScope, levels: Levels) -> Result<(), Denied> {
        let (own, tenant) = match scope {
            AssignmentScope::Team(team) => {
                let tenant = Tenant::Team(team);
                (self.levels_in(tenant), Some(tenant))
            }
            AssignmentScope::System => (self.system_levels(), None),
        };
        let above = Key::ALL.iter().find(|key| levels.of(**key) > own.of(**key));
        match above {
            Some(key) => Err(Denied { key: *key, level: levels.of(*key), tenant }),
            None => Ok(()),
        }
    }

    /// Clears the end of something that the caller holds himself: everybody may give up what
    /// is his own. `None` for what somebody else holds.
    pub fn give_up<T: HeldBy>(&self, row: T) -> Option<Cleared<T>> {
        (row.holder() == self.user()).then(|| Cleared::new(row))
    }

    /// What the caller can see.
    pub fn scope(&self) -> Scope {
        Scope(self.clone())
    }
}

/// What a caller can see: rows of his teams, his own, and everyone's.
#[derive(Clone, Debug)]
pub struct Scope(Caller);

impl Scope {
    /// Who looks.
    pub fn user(&self) -> UserId {
        self.0.user()
    }

    /// Teams whose rows are visible.
    pub fn teams(&self) -> impl Iterator<Item = TeamId> + '_ {
        self.0.teams().iter().map(|held| held.team)
    }

    /// The policy epoch the scope belongs to.
    pub fn epoch(&self) -> i64 {
        self.0.epoch()
    }

    /// Whether rows of `tenant` are visible.
    pub fn sees(&self, tenant: Tenant) -> bool {
        match tenant {
            Tenant::Team(team) => self.teams().any(|held| held == team),
            Tenant::Person(user) => user == self.user(),
            Tenant::Global => true,
        }
    }

    /// Proves that a row is visible; `None` when it is not. Queries filter by the same rule
    /// in SQL: this is the check that holds even where a query forgot.
    pub fn show<T: Tenanted>(&self, row: T) -> Option<Visible<T>> {
        self.sees(row.tenant()).then(|| Visible::new(row))
    }
}
