//! Carries out claimed runs: every effect is conditional on the fence, and a crash between
//! any two lines leaves something the next attempt finishes or takes back.
//!
//! **Invariant:** a patch is recorded as APPLIED exactly if its branch holds its commit.
//! Order of effects: rights and fence checked in one transaction, commit object, run ref,
//! branch, record.

use std::sync::Arc;

use permissions::{CodeEdit, Reporter, Scope};
use primitives::{Classify, ErrorKind, Tenant};

use super::deps::{ANY_EPOCH, AgentDeps, Checkpoint};
use super::guards::{self, AutoApply, Guard};
use crate::model::{Patch, Phase, Plan, Repository, Run, RunProblem, RunState};
use crate::port::queue::RunQueue;
use crate::port::store::AgentTx;
use crate::port::workspace::{BranchUpdate, CommitSpec, ObjectId};
use crate::{AgentError, StoreError};

/// Whose rights a write needs, asked right before it.
#[derive(Clone, Copy)]
pub(crate) enum Authority<'a> {
    /// The principal asked for this very change.
    Principal,
    /// Nobody looked at the change: all guards must say yes.
    AutoApply(&'a AutoApply),
}

/// A write was not allowed any more.
pub(crate) enum Refused {
    Guard(Guard),
    Error(AgentError),
}

impl<E: Into<AgentError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// One commit to make for a run.
pub(crate) struct Write<'a> {
    pub run: &'a Run,
    pub repository: &'a Repository,
    pub parent: &'a ObjectId,
    pub tree: &'a ObjectId,
    pub message: &'a str,
    pub update: BranchUpdate,
}

/// Carries out runs for a worker.
#[derive(Clone)]
pub struct Runner {
    pub(crate) deps: AgentDeps,
    pub(crate) queue: Arc<dyn RunQueue>,
}

impl Runner {
    pub fn new(deps: AgentDeps, queue: Arc<dyn RunQueue>) -> Self {
        Self { deps, queue }
    }

    /// Passes a checkpoint.
    pub async fn reach(&self, point: Checkpoint) {
        self.deps.checkpoints.reach(point).await;
    }

    /// The plan and patch a run made in earlier attempts.
    pub async fn made_by(&self, run: &Run) -> Result<(Option<Plan>, Option<Patch>), AgentError> {
        Ok(self.queue.made_by(run).await?)
    }

    /// The run's repository, whoever may see it: rights are asked before each effect.
    pub async fn repository(&self, run: &Run) -> Result<Option<Repository>, AgentError> {
        let Some(id) = run.repository else { return Ok(None) };
        Ok(self.queue.repository_unscoped(id).await?)
    }

    /// Makes the commit and moves the branch, if that is still allowed and the fence holds.
    pub(crate) async fn write(
        &self,
        write: &Write<'_>,
        authority: Authority<'_>,
    ) -> Result<ObjectId, Refused> {
        let location = write.repository.location();
        let commit = self.deps.workspace.commit(&location, &spec(write)).await?;
        self.reach(Checkpoint::CommitObject).await;
        let tip = self.deps.workspace.branch_tip(&location, &write.update.branch).await?;
        if tip.as_ref() == Some(&commit) {
            // An earlier attempt got this far: the effect took place, it is only unrecorded.
            return Ok(commit);
        }
        self.permit(write, authority).await?;
        self.deps.workspace.put_run_ref(&location, write.run.id, &commit).await?;
        self.reach(Checkpoint::RunRef).await;
        self.deps.workspace.put_branch(&location, &write.update, &commit).await?;
        self.reach(Checkpoint::BranchRef).await;
        Ok(commit)
    }

    /// Asks for the rights and the fence in one transaction, and notes the phase.
    async fn permit(&self, write: &Write<'_>, authority: Authority<'_>) -> Result<(), Refused> {
        let mut last = StoreError::PolicyMoved(0);
        for _ in 0..3 {
            let epoch = self.ask(write, authority).await?;
            let scope = self.scope_of(write.run, write.run.tenant, epoch);
            let mut tx = match self.deps.store.begin(&scope).await {
                Ok(tx) => tx,
                Err(error @ StoreError::PolicyMoved(_)) => {
                    last = error;
                    self.refresh().await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let mut run = held(tx.as_mut(), write.run).await?;
            run.phase = Phase::Committed;
            tx.save_run(&run, None, None).await?;
            tx.commit().await?;
            return Ok(());
        }
        Err(last.into())
    }

    async fn refresh(&self) -> Result<(), AgentError> {
        let refreshed = self.deps.authorizer.refresh().await;
        refreshed.map_err(|error| StoreError::Unavailable(error.to_string()).into())
    }

    async fn ask(&self, write: &Write<'_>, authority: Authority<'_>) -> Result<i64, Refused> {
        match authority {
            Authority::AutoApply(auto) => {
                guards::ask(&self.deps, self.queue.as_ref(), write.run, auto)
                    .await
                    .map(|(epoch, _)| epoch)
                    .map_err(Refused::Guard)
            }
            Authority::Principal => {
                let epoch = self.deps.authorizer.epoch();
                let tenants = [write.repository.tenant, write.run.tenant];
                let own = Tenant::Person(write.run.principal);
                let mut asked = tenants.into_iter().filter(|t| *t != own || tenants[0] == own);
                let may =
                    |tenant| guards::holds::<CodeEdit>(&self.deps, write.run.principal, tenant);
                match asked.find(|tenant| !may(*tenant)) {
                    None => Ok(epoch),
                    Some(tenant) => Err(permissions::Denied::of::<CodeEdit>(Some(tenant)).into()),
                }
            }
        }
    }

    /// Saves a held run, and what it made. [`AgentError::FenceLost`] when it is no longer held.
    pub async fn save(
        &self,
        run: &Run,
        plan: Option<&Plan>,
        patch: Option<&Patch>,
    ) -> Result<(), AgentError> {
        let mut tx = self.hold(run, run.tenant).await?;
        tx.save_run(run, plan, patch).await?;
        Ok(tx.commit().await?)
    }

    /// What a transaction about a run touches: rows of its owner and its principal, and of the
    /// owner its outcome is filed under.
    pub(crate) fn scope_of(&self, run: &Run, filed: Tenant, epoch: i64) -> Scope {
        let (id, now) = (run.id.to_string(), self.deps.clock.now());
        let of = |tenant| Reporter::new(tenant, run.principal, epoch, &id, now);
        of(run.tenant).beside(&of(filed).scope())
    }

    /// A transaction that holds the run, and files its outcome under an owner.
    pub(crate) async fn hold(
        &self,
        run: &Run,
        filed: Tenant,
    ) -> Result<Box<dyn AgentTx>, AgentError> {
        let scope = self.scope_of(run, filed, ANY_EPOCH);
        let mut tx = self.deps.store.begin(&scope).await?;
        held(tx.as_mut(), run).await?;
        Ok(tx)
    }

    /// Takes refs back that a run left behind when it was ended by somebody else.
    pub async fn undo(
        &self,
        run: &Run,
        update: &BranchUpdate,
        commit: &ObjectId,
    ) -> Result<(), AgentError> {
        let Some(repository) = self.repository(run).await? else { return Ok(()) };
        let location = repository.location();
        self.deps.workspace.restore_branch(&location, update, commit).await?;
        self.deps.workspace.drop_run_ref(&location, run.id, commit).await?;
        Ok(())
    }

    /// At start-up: run refs whose run ended without recording a commit are taken back.
    /// Those of live runs stay: the next attempt goes on from them.
    pub async fn reconcile(&self) -> Result<u64, AgentError> {
        let mut undone = 0;
        for repository in self.queue.repositories().await? {
            let refs = match self.deps.workspace.run_refs(&repository.location()).await {
                Ok(refs) => refs,
                Err(error) => {
                    tracing::warn!(%error, repository.id = %repository.id, "a mirror cannot be reconciled");
                    continue;
                }
            };
            for found in refs {
                let Some(run) = self.queue.run_unscoped(found.run).await? else { continue };
                if run.state.is_live() || run.state == RunState::Succeeded {
                    continue;
                }
                let (_, patch) = self.made_by(&run).await?;
                let recorded =
                    patch.is_some_and(|patch| patch.commit.as_ref() == Some(&found.commit));
                if !recorded && let Some(update) = self.update_of(&run).await? {
                    self.undo(&run, &update, &found.commit).await?;
                    undone += 1;
                }
            }
        }
        Ok(undone)
    }

    /// Where a run's commit goes.
    pub(crate) async fn update_of(&self, run: &Run) -> Result<Option<BranchUpdate>, AgentError> {
        let (_, patch) = self.made_by(run).await?;
        Ok(patch.map(|patch| match &run.input {
            crate::model::RunInput::Revert { tip, .. } => {
                BranchUpdate { branch: patch.branch, expected: Some(tip.clone()) }
            }
            _ => BranchUpdate { branch: patch.branch, expected: None },
        }))
    }
}

/// The run as stored, if this worker still holds it.
pub(crate) async fn held(tx: &mut dyn AgentTx, run: &Run) -> Result<Run, AgentError> {
    tx.hold_run(run.id, run.fence).await?.ok_or(AgentError::FenceLost)
}

fn spec(write: &Write<'_>) -> CommitSpec {
    CommitSpec {
        run: write.run.id,
        parent: write.parent.clone(),
        tree: write.tree.clone(),
        message: write.message.to_owned(),
        author_name: write.run.principal.to_string(),
        author_email: format!("{}@users.elohim.invalid", write.run.principal.as_uuid()),
        // The first claim's time, the same for every attempt.
        time: write.run.started_at.unwrap_or(write.run.created_at),
    }
}

/// Whether another attempt may succeed where this one failed.
pub fn is_transient(error: &AgentError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable | ErrorKind::PolicyMoved | ErrorKind::Internal | ErrorKind::TimedOut
    ) || matches!(error, AgentError::Store(StoreError::Stale))
}

/// What a person is told of an error that ended a run.
pub fn problem_of(error: &AgentError) -> RunProblem {
    let message = if error.kind() == ErrorKind::Internal {
        "an internal error; the server's log has the cause".to_owned()
    } else {
        error.to_string()
    };
    RunProblem { reason: error.reason().to_owned(), message }
}
