//! The six guards of auto-apply. Only six times yes makes a commit; a missing answer is a no.

use permissions::{CodeEdit, Permission, WorkflowsManage};
use primitives::{Tenant, UserId};

use super::deps::AgentDeps;
use crate::model::{Repository, Run};
use crate::port::queue::RunQueue;
use crate::port::workspace::TreeChange;

/// Which guard said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guard {
    /// The stage allows it.
    StageFlag,
    /// Whoever allowed it still may.
    FlagSetter,
    /// A human answers for it and may edit code there.
    AccountableHuman,
    /// The repository is the item's owner's, and its policy allows it.
    RepositoryPolicy,
    /// The real diff keeps to the path policy and touches nothing protected.
    PathPolicy,
    /// Nobody pulled the kill switch.
    KillSwitch,
}

impl Guard {
    pub const ALL: [Self; 6] = [
        Self::StageFlag,
        Self::FlagSetter,
        Self::AccountableHuman,
        Self::RepositoryPolicy,
        Self::PathPolicy,
        Self::KillSwitch,
    ];

    /// As in `agent_auto_apply_result` and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StageFlag => "stage_flag",
            Self::FlagSetter => "flag_setter",
            Self::AccountableHuman => "accountable_human",
            Self::RepositoryPolicy => "repository_policy",
            Self::PathPolicy => "path_policy",
            Self::KillSwitch => "kill_switch",
        }
    }

    /// What a person can do about it.
    pub const fn help(self) -> &'static str {
        match self {
            Self::StageFlag => "the stage does not allow auto-apply",
            Self::FlagSetter => {
                "whoever allowed auto-apply on the stage no longer holds workflows.manage and \
                 code.edit there; somebody who does must allow it again"
            }
            Self::AccountableHuman => {
                "whoever the run acts for is no human, or does not hold code.edit there"
            }
            Self::RepositoryPolicy => {
                "the repository belongs to somebody else, or its policy does not allow auto-apply"
            }
            Self::PathPolicy => {
                "the change touches protected or refused paths: a human must review it"
            }
            Self::KillSwitch => "auto-apply is switched off by an administrator",
        }
    }
}

/// What auto-apply was asked with.
#[derive(Clone, Debug)]
pub struct AutoApply {
    /// The item's owner.
    pub tenant: Tenant,
    /// Who set the stage's flag; `None` is off.
    pub set_by: Option<UserId>,
}

/// All guards but the path policy, asked now. Yes carries the policy epoch it was asked at.
pub(crate) async fn ask(
    deps: &AgentDeps,
    queue: &dyn RunQueue,
    run: &Run,
    auto: &AutoApply,
) -> Result<(i64, Repository), Guard> {
    // Read first: a change of policy after this makes the transaction that follows fail.
    let epoch = deps.authorizer.epoch();
    let setter = auto.set_by.ok_or(Guard::StageFlag)?;
    if !holds::<WorkflowsManage>(deps, setter, auto.tenant)
        || !holds::<CodeEdit>(deps, setter, auto.tenant)
    {
        return Err(Guard::FlagSetter);
    }
    if !is_accountable(deps, run.principal, auto.tenant) {
        return Err(Guard::AccountableHuman);
    }
    let repository = repository(queue, run).await.ok_or(Guard::RepositoryPolicy)?;
    if repository.tenant != auto.tenant || !repository.auto_apply_allowed {
        return Err(Guard::RepositoryPolicy);
    }
    match deps.store.kill_switch(auto.tenant).await {
        Ok(false) => Ok((epoch, repository)),
        Ok(true) | Err(_) => Err(Guard::KillSwitch),
    }
}

/// The path policy on the real diff.
pub(crate) fn ask_paths(change: &TreeChange) -> Result<(), Guard> {
    if change.protected.is_empty() && !change.files.is_empty() {
        Ok(())
    } else {
        Err(Guard::PathPolicy)
    }
}

async fn repository(queue: &dyn RunQueue, run: &Run) -> Option<Repository> {
    queue.repository_unscoped(run.repository?).await.ok().flatten()
}

/// A program answers for nothing, whatever it holds.
fn is_accountable(deps: &AgentDeps, user: UserId, tenant: Tenant) -> bool {
    let caller = deps.authorizer.caller_of(user, "guard");
    caller.is_some_and(|caller| caller.is_person() && caller.holds::<CodeEdit>(tenant))
}

pub(crate) fn holds<P: Permission>(deps: &AgentDeps, user: UserId, tenant: Tenant) -> bool {
    deps.authorizer.caller_of(user, "guard").is_some_and(|caller| caller.holds::<P>(tenant))
}
