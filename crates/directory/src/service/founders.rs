//! Roles that hold without any team: who may give and take them, and that somebody keeps them.
//!
//! **Invariant:** nobody gives or takes more system-wide than he holds himself; and while
//! there is a founder for good who is active, there stays one.

use std::collections::BTreeSet;

use permissions::{
    AssignmentScope, AssignmentSource, Caller, DirectoryAdmin, DirectoryWrite, Grant, Key, Level,
    Levels, Role, RoleTable, SystemAdmitted,
};
use primitives::{RoleAssignmentId, Timestamp};

use super::users::Change;
use crate::store::DirectoryTx;
use crate::{DirectoryError, Holding, User, UserView};

/// System roles of one user, as they are to become.
#[derive(Debug, Default)]
pub(super) struct RoleShift {
    pub(super) kept: Vec<Holding>,
    pub(super) taken: Vec<Holding>,
    pub(super) given: Vec<Holding>,
}

/// Judges by what the reviewed roles grant.
pub(super) struct SystemRoles<'a>(pub(super) &'a RoleTable);

impl SystemRoles<'_> {
    /// An account is changed by those only who hold every level its system roles grant.
    pub(super) fn may_change(
        &self,
        caller: &Caller,
        held: &[Holding],
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let system = held.iter().filter(|held| is_system(held) && is_live(held, now));
        Ok(caller.may_grant(AssignmentScope::System, self.levels(system))?)
    }

    /// System roles are given and taken with `directory.manage` ADMIN, and by those only who
    /// hold every level of them. `None` when none are.
    pub(super) fn may_shift(
        &self,
        caller: &Caller,
        roles: &RoleShift,
    ) -> Result<Option<SystemAdmitted<DirectoryAdmin>>, DirectoryError> {
        if roles.given.is_empty() && roles.taken.is_empty() {
            return Ok(None);
        }
        let admin = caller.require::<DirectoryAdmin>()?.admit_system()?;
        let levels = self.levels(roles.given.iter().chain(&roles.taken));
        caller.may_grant(AssignmentScope::System, levels)?;
        Ok(Some(admin))
    }

    fn levels<'h>(&self, held: impl Iterator<Item = &'h Holding>) -> Levels {
        held.fold(Levels::NONE, |levels, held| levels.union(self.grants(held)))
    }

    fn grants(&self, held: &Holding) -> Levels {
        match &held.role {
            Role::Standard(name) => self.0.grants(name),
            // A team's own role grants nothing outside of it.
            Role::Custom(_) => Levels::NONE,
        }
    }

    /// Refuses a change after which nobody who is active would be a founder for good.
    pub(super) async fn keep_founder(
        &self,
        tx: &mut dyn DirectoryTx,
        goes: impl Fn(&Holding) -> bool,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let held = tx.holdings_in(AssignmentScope::System, now).await?;
        let founds = |held: &&Holding| {
            held.expires_at.is_none() && self.grants(held).has(Key::DirectoryManage, Level::Admin)
        };
        let mut founders = held.iter().filter(founds).peekable();
        if founders.peek().is_none() || founders.any(|held| !goes(held)) {
            return Ok(());
        }
        let text = "nobody would be a founder: make somebody else one first";
        Err(DirectoryError::wrong_state("LAST_FOUNDER", text))
    }
}

impl RoleShift {
    /// To somebody who holds none.
    pub(super) fn giving(given: Vec<Holding>) -> Self {
        Self { given, ..Self::default() }
    }

    pub(super) fn takes(&self, held: &Holding) -> bool {
        self.taken.iter().any(|taken| taken.id == held.id)
    }

    pub(super) fn view(&self, user: User) -> UserView {
        UserView { user, system_roles: names(self.kept.iter().chain(&self.given)) }
    }
}

/// What becomes of a user's system roles. Those that have ended count as not held.
pub(super) fn shifted(
    user: &User,
    held: Vec<Holding>,
    wanted: &Change<BTreeSet<&'static str>>,
    grant: &Grant<DirectoryWrite>,
    now: Timestamp,
) -> RoleShift {
    let held = held.into_iter().filter(|held| is_system(held) && is_live(held, now));
    let Change::To(wanted) = wanted else {
        return RoleShift { kept: held.collect(), ..RoleShift::default() };
    };
    let is = |held: &Holding, name: &str| held.role == Role::Standard(name.to_owned());
    let (kept, taken): (Vec<_>, Vec<_>) =
        held.partition(|held| wanted.iter().any(|name| is(held, name)));
    let new = wanted.iter().filter(|name| !kept.iter().any(|held| is(held, name)));
    let given = new.map(|name| system_role(user, name, grant, now)).collect();
    RoleShift { kept, taken, given }
}

pub(super) fn system_role(
    user: &User,
    name: &str,
    grant: &Grant<DirectoryWrite>,
    now: Timestamp,
) -> Holding {
    Holding {
        id: RoleAssignmentId::generate(),
        user: user.id,
        scope: AssignmentScope::System,
        role: Role::Standard(name.to_owned()),
        source: AssignmentSource::Given,
        creator: Some(grant.user()),
        created_at: now,
        expires_at: None,
    }
}

pub(super) async fn shift(
    tx: &mut dyn DirectoryTx,
    admin: Option<&SystemAdmitted<DirectoryAdmin>>,
    roles: &RoleShift,
) -> Result<(), DirectoryError> {
    let Some(admin) = admin else { return Ok(()) };
    let taken: Vec<_> = roles.taken.iter().map(|held| admin.clear(held.clone())).collect();
    if !taken.is_empty() {
        tx.remove_holdings(taken).await?;
    }
    for held in &roles.given {
        tx.put_holding(admin.clear(held.clone())).await?;
    }
    Ok(())
}

fn is_system(held: &Holding) -> bool {
    held.scope == AssignmentScope::System
}

fn is_live(held: &Holding, now: Timestamp) -> bool {
    held.expires_at.is_none_or(|end| end > now)
}

pub(super) fn names<'h>(held: impl IntoIterator<Item = &'h Holding>) -> Vec<String> {
    let names: BTreeSet<_> = held.into_iter().map(|held| held.role.stored()).collect();
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use permissions::{Assignment, Authorizer, PolicyData, PolicySource, SourceError, UserRecord};
    use primitives::{SystemClock, UserId};

    use super::*;

    struct Fixed(PolicyData);

    #[async_trait]
    impl PolicySource for Fixed {
        async fn stored_epoch(&self) -> Result<i64, SourceError> {
            Ok(self.0.epoch)
        }
        async fn load_policy(&self) -> Result<PolicyData, SourceError> {
            Ok(self.0.clone())
        }
    }

    fn holding(user: UserId, role: &str, expires_at: Option<Timestamp>) -> Holding {
        Holding {
            id: RoleAssignmentId::generate(),
            user,
            scope: AssignmentScope::System,
            role: Role::Standard(role.to_owned()),
            source: AssignmentSource::Given,
            creator: None,
            created_at: Timestamp::from_micros(0),
            expires_at,
        }
    }

    /// Who sets what an account is known by can become it.
    #[tokio::test]
    async fn an_account_is_changed_by_those_only_who_hold_as_much() {
        let [founder, support, nobody] = [(); 3].map(|()| UserId::generate());
        let assignment = |user, role: &str| Assignment {
            user,
            scope: AssignmentScope::System,
            role: Role::Standard(role.to_owned()),
            expires_at: None,
            source: AssignmentSource::Given,
        };
        let policy = PolicyData {
            epoch: 1,
            users: [(founder, "f"), (support, "s"), (nobody, "n")]
                .map(|(user, subject)| UserRecord::person(user, subject))
                .into(),
            roles: Vec::new(),
            assignments: vec![assignment(founder, "founder"), assignment(support, "support")],
        };
        let source = Arc::new(Fixed(policy));
        let authorizer = Authorizer::start(source, Arc::new(SystemClock)).await.unwrap();
        let system = SystemRoles(authorizer.roles());
        let now = Timestamp::from_micros(100);
        let may = |who: &str, role: &str, end: Option<i64>| {
            let caller = authorizer.caller(who, "r").unwrap();
            let held = holding(UserId::generate(), role, end.map(Timestamp::from_micros));
            let may_change = system.may_change(&caller, std::slice::from_ref(&held), now).is_ok();
            let taken = RoleShift { taken: vec![held], ..RoleShift::default() };
            (may_change, system.may_shift(&caller, &taken).is_ok())
        };
        assert_eq!(may("f", "founder", None), (true, true));
        assert_eq!(may("f", "support", Some(200)), (true, true));
        assert_eq!(may("s", "founder", None), (false, false));
        assert_eq!(may("s", "support", None), (true, false), "directory.manage ADMIN is missing");
        assert_eq!(may("s", "founder", Some(100)), (true, false), "what has ended counts no more");
        assert_eq!(may("n", "support", None), (false, false));
    }
}
