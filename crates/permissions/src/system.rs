//! Authority of the server itself: two narrow doors beside [`crate::Grant`].
//!
//! Neither can be had from a request. [`Seeder`] is made once, at start, and clears only
//! what is everyone's. [`Reporter`] is made by the worker to note on one tenant's rows how
//! background work ended, whatever its principal may still do; it holds no permission.

use std::sync::Arc;

use primitives::{Tenant, Timestamp, UserId};

use crate::caller::{Inner, Rights};
use crate::{Caller, Cleared, Levels, Membership, Scope, Tenanted, UserKind, Visible};

/// Start-up only: clears the rows that come with the server.
#[derive(Clone, Copy, Debug)]
pub struct Seeder {
    user: UserId,
}

impl Seeder {
    /// A seeder whose rows name `user` as their creator.
    pub const fn at_start(user: UserId) -> Self {
        Self { user }
    }

    /// Who is recorded as creator.
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// Clears a row of [`Tenant::Global`]; `None` for any other owner.
    pub fn clear<T: Tenanted>(&self, row: T) -> Option<Cleared<T>> {
        (row.tenant() == Tenant::Global).then(|| Cleared::new(row))
    }
}

/// Worker only: notes on rows of one tenant how work done on somebody's behalf ended.
///
/// It sees that tenant and nothing else, and as a caller it holds nothing: an error can be
/// shown on an item even when the person who started the agent has lost every right.
#[derive(Clone, Debug)]
pub struct Reporter {
    caller: Caller,
    tenant: Tenant,
}

impl Reporter {
    /// A reporter for `tenant`, in the name of `principal`. `epoch` is the policy epoch in
    /// force here, `request_id` what logs and audit records of the work carry.
    pub fn new(
        tenant: Tenant,
        principal: UserId,
        epoch: i64,
        request_id: &str,
        now: Timestamp,
    ) -> Self {
        let teams = match tenant {
            Tenant::Team(team) => {
                vec![Membership { team, levels: Levels::NONE, roles: Vec::new() }]
            }
            Tenant::Person(_) | Tenant::Global => Vec::new(),
        };
        let caller = Caller(Arc::new(Inner {
            rights: Arc::new(Rights {
                user: principal,
                kind: UserKind::Person,
                teams,
                personal: Levels::NONE,
                global: Levels::NONE,
                system: Levels::NONE,
                system_roles: Vec::new(),
            }),
            epoch,
            request_id: request_id.to_owned(),
            checked_at: now,
        }));
        Self { caller, tenant }
    }

    /// The principal, holding nothing.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What it sees: the tenant. (The principal's own rows and everyone's lie in the scope
    /// too, but [`clear`](Self::clear) refuses them.)
    pub fn scope(&self) -> Scope {
        self.caller.scope()
    }

    /// Clears what became of a row of the tenant; `None` for any other owner.
    pub fn clear<T: Tenanted, U: Tenanted>(
        &self,
        row: &Visible<T>,
        changed: U,
    ) -> Option<Cleared<U>> {
        let same = row.tenant() == self.tenant && changed.tenant() == self.tenant;
        same.then(|| Cleared::new(changed))
    }
}

#[cfg(test)]
mod tests {
    use primitives::TeamId;

    use super::*;
    use crate::Key;

    #[derive(Clone, Debug)]
    struct Row(Tenant);
    impl Tenanted for Row {
        fn tenant(&self) -> Tenant {
            self.0
        }
    }

    #[test]
    fn a_seeder_clears_only_what_is_everyones() {
        let user = UserId::generate();
        let seeder = Seeder::at_start(user);
        assert!(seeder.clear(Row(Tenant::Global)).is_some());
        assert!(seeder.clear(Row(Tenant::Person(user))).is_none());
        assert!(seeder.clear(Row(Tenant::Team(TeamId::generate()))).is_none());
    }

    #[test]
    fn a_reporter_writes_to_one_tenant_and_holds_nothing() {
        let (user, team) = (UserId::generate(), TeamId::generate());
        let own = Tenant::Team(team);
        let reporter = Reporter::new(own, user, 1, "r", Timestamp::from_micros(0));
        let row = reporter.scope().show(Row(own)).unwrap();
        assert!(reporter.clear(&row, Row(own)).is_some());
        assert!(reporter.clear(&row, Row(Tenant::Person(user))).is_none());
        assert!(reporter.scope().show(Row(Tenant::Team(TeamId::generate()))).is_none());
        let mine = reporter.scope().show(Row(Tenant::Person(user))).unwrap();
        assert!(reporter.clear(&mine, Row(Tenant::Person(user))).is_none());
        for key in Key::ALL {
            assert!(!reporter.caller().holds_somewhere(*key, crate::Level::Read));
        }
    }
}
