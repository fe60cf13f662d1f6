//! Who calls, and what he can see.

use std::sync::Arc;

use primitives::{TeamId, Tenant, Timestamp, UserId};

use crate::{GlobalRule, Key, Level, Levels, Permission, Tenanted, Visible};

/// One team a caller belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The team.
    pub team: TeamId,
    /// What all roles held there grant together.
    pub levels: Levels,
    /// Role names, sorted.
    pub roles: Vec<String>,
}

/// An authenticated, active user with the rights of one policy epoch.
#[derive(Clone, Debug)]
pub struct Caller(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) user: UserId,
    pub(crate) epoch: i64,
    pub(crate) request_id: String,
    pub(crate) teams: Vec<Membership>,
    pub(crate) personal: Levels,
    pub(crate) global: Levels,
    pub(crate) system: Levels,
    pub(crate) system_roles: Vec<String>,
    pub(crate) checked_at: Timestamp,
}

impl Caller {
    /// Who it is.
    pub fn user(&self) -> UserId {
        self.0.user
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
        &self.0.teams
    }

    /// Names of system-wide roles.
    pub fn system_roles(&self) -> &[String] {
        &self.0.system_roles
    }

    /// When the rights were put together.
    pub fn checked_at(&self) -> Timestamp {
        self.0.checked_at
    }

    /// What the caller holds on rows of `tenant`.
    pub fn levels_in(&self, tenant: Tenant) -> Levels {
        match tenant {
            Tenant::Team(team) => self
                .0
                .teams
                .iter()
                .find(|held| held.team == team)
                .map_or(Levels::NONE, |held| held.levels),
            Tenant::Person(user) if user == self.0.user => self.0.personal,
            Tenant::Person(_) => Levels::NONE,
            Tenant::Global => self.0.global,
        }
    }

    /// What the caller holds system-wide.
    pub fn system_levels(&self) -> Levels {
        self.0.system
    }

    /// Whether permission `P` holds on rows of `tenant`.
    pub fn holds<P: Permission>(&self, tenant: Tenant) -> bool {
        self.levels_in(tenant).has(P::KEY, P::LEVEL)
            || (tenant == Tenant::Global
                && P::GLOBAL == GlobalRule::AnyTeam
                && self.0.teams.iter().any(|held| held.levels.has(P::KEY, P::LEVEL)))
    }

    /// Whether `key` is held at `level` anywhere.
    pub fn holds_somewhere(&self, key: Key, level: Level) -> bool {
        let own = [self.0.personal, self.0.global, self.0.system];
        own.iter().any(|levels| levels.has(key, level))
            || self.0.teams.iter().any(|held| held.levels.has(key, level))
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
