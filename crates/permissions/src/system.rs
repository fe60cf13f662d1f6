//! Authority of the server itself: three narrow doors beside [`crate::Grant`].
//!
//! None can be had from a request. [`Seeder`] is made once, at start, and clears only what is
//! everyone's. So is [`ClaimKeeper`], which clears what a caller holds by claims. [`Reporter`]
//! is made by the worker to note on one tenant's rows how background work ended, whatever its
//! principal may still do; it holds no permission.

use std::sync::Arc;

use primitives::{TeamId, Tenant, Timestamp, UserId};

use crate::caller::{Inner, Rights};
use crate::{Caller, Cleared, HeldBy, Levels, Membership, Scope, Tenanted, UserKind, Visible};

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

    /// What it sees at a policy epoch: everyone's rows.
    pub fn scope(&self, epoch: i64) -> Scope {
        holding_nothing(self.user, Vec::new(), epoch, "", Timestamp::from_micros(0)).scope()
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
    eyes: Caller,
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
            Tenant::Team(team) => vec![team],
            Tenant::Person(_) | Tenant::Global => Vec::new(),
        };
        // A person's rows are seen by nobody but him: not even by whoever ended the work.
        let looks = if let Tenant::Person(owner) = tenant { owner } else { principal };
        let eyes = holding_nothing(looks, teams.clone(), epoch, request_id, now);
        let caller = holding_nothing(principal, teams, epoch, request_id, now);
        Self { caller, tenant, eyes }
    }

    /// The principal, holding nothing.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What it sees: the tenant. (Everyone's rows, and for a team the principal's own, lie in
    /// the scope too, but [`clear`](Self::clear) refuses them.)
    pub fn scope(&self) -> Scope {
        self.eyes.scope()
    }

    /// Whose rows it clears.
    pub const fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// What it sees together with another view of the same principal, at the older epoch of
    /// the two: for a transaction that looks by one and notes by the other. Somebody else's
    /// view adds nothing.
    pub fn beside(&self, other: &Scope) -> Scope {
        let own = self.scope();
        if other.user() != own.user() {
            return own;
        }
        let mut teams: Vec<_> = own.teams().chain(other.teams()).collect();
        teams.sort_unstable();
        teams.dedup();
        let epoch = own.epoch().min(other.epoch());
        let caller = &self.caller;
        let (user, request_id) = (own.user(), caller.request_id());
        holding_nothing(user, teams, epoch, request_id, caller.checked_at()).scope()
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

/// A row that says what somebody holds by a claim of the identity provider.
pub trait Claimable: HeldBy {
    /// The team in which a standard role is held by a claim; `None` for any other row.
    fn claimed_in(&self) -> Option<TeamId>;
}

/// Sign-in only: clears what a believed token says that its subject holds, by the operator's
/// mapping. Made once, at start, and only where such a mapping is configured.
#[derive(Clone, Copy, Debug)]
pub struct ClaimKeeper(());

impl ClaimKeeper {
    /// A keeper for the configured mapping.
    pub const fn at_start() -> Self {
        Self(())
    }

    /// Clears a standard role in a team that the caller himself holds by a claim; `None` for
    /// anybody else's, for what somebody gave, and for what holds system-wide.
    pub fn clear<T: Claimable>(&self, caller: &Caller, row: T) -> Option<Cleared<T>> {
        let is_own = row.holder() == caller.user();
        (is_own && row.claimed_in().is_some()).then(|| Cleared::new(row))
    }
}

/// Somebody who sees and may do nothing with it. Teams come sorted.
fn holding_nothing(
    user: UserId,
    teams: Vec<TeamId>,
    epoch: i64,
    request_id: &str,
    now: Timestamp,
) -> Caller {
    let membership = |team| Membership { team, levels: Levels::NONE, roles: Vec::new() };
    Caller(Arc::new(Inner {
        rights: Arc::new(Rights {
            user,
            kind: UserKind::Person,
            teams: teams.into_iter().map(membership).collect(),
            personal: Levels::NONE,
            global: Levels::NONE,
            system: Levels::NONE,
            system_roles: Vec::new(),
        }),
        epoch,
        request_id: request_id.to_owned(),
        checked_at: now,
    }))
}

#[cfg(test)]
mod tests {
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

    #[derive(Clone, Debug)]
    struct Role(UserId, Option<TeamId>);
    impl HeldBy for Role {
        fn holder(&self) -> UserId {
            self.0
        }
    }
    impl Claimable for Role {
        fn claimed_in(&self) -> Option<TeamId> {
            self.1
        }
    }

    #[test]
    fn a_keeper_of_claims_clears_the_callers_own_claimed_roles() {
        let (user, team) = (UserId::generate(), TeamId::generate());
        let now = Timestamp::from_micros(0);
        let caller = holding_nothing(user, Vec::new(), 1, "r", now);
        let keeper = ClaimKeeper::at_start();
        assert!(keeper.clear(&caller, Role(user, Some(team))).is_some());
        assert!(keeper.clear(&caller, Role(user, None)).is_none());
        assert!(keeper.clear(&caller, Role(UserId::generate(), Some(team))).is_none());
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

    #[test]
    fn a_reporter_sees_a_persons_rows_in_anothers_name() {
        let (owner, admin) = (UserId::generate(), UserId::generate());
        let own = Tenant::Person(owner);
        let reporter = Reporter::new(own, admin, 1, "r", Timestamp::from_micros(0));
        assert_eq!((reporter.caller().user(), reporter.tenant()), (admin, own));
        let row = reporter.scope().show(Row(own)).unwrap();
        assert!(reporter.clear(&row, Row(own)).is_some());
        assert!(reporter.clear(&row, Row(Tenant::Person(admin))).is_none());
        assert!(!reporter.scope().sees(Tenant::Person(admin)));
    }

    #[test]
    fn beside_another_view_more_is_seen_and_no_more_may_be_done() {
        let (user, noted, looked) = (UserId::generate(), TeamId::generate(), TeamId::generate());
        let reporter = |team, user, epoch| {
            Reporter::new(Tenant::Team(team), user, epoch, "r", Timestamp::from_micros(0))
        };
        let notes = reporter(noted, user, 7);
        let both = notes.beside(&reporter(looked, user, 5).scope());
        for tenant in [Tenant::Team(noted), Tenant::Team(looked), Tenant::Person(user)] {
            assert!(both.sees(tenant), "{tenant}");
        }
        assert!(!both.sees(Tenant::Team(TeamId::generate())));
        assert_eq!(both.epoch(), 5);
        let row = both.show(Row(Tenant::Team(looked))).unwrap();
        assert!(notes.clear(&row, Row(Tenant::Team(looked))).is_none());

        let foreign = notes.beside(&reporter(looked, UserId::generate(), 5).scope());
        assert!(foreign.sees(Tenant::Team(noted)) && !foreign.sees(Tenant::Team(looked)));
    }

    #[test]
    fn a_seeder_sees_what_is_everyones() {
        let scope = Seeder::at_start(UserId::generate()).scope(3);
        assert!(scope.sees(Tenant::Global));
        assert!(!scope.sees(Tenant::Team(TeamId::generate())));
        assert_eq!(scope.epoch(), 3);
    }
}
