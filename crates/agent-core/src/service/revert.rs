//! Taking an applied patch back.

use std::time::Duration;

use events::Once;
use permissions::{CodeEdit, Grant};
use primitives::{Checked, PatchId, RunId};

use super::apply::MAX_ATTEMPTS;
use super::deps::{AgentDeps, clear, remember, replay};
use crate::AgentError;
use crate::model::{Patch, PatchState, Phase, Run, RunInput, RunKind, RunState};

const RUN_DEADLINE: Duration = Duration::from_mins(10);

/// Reverts patches.
#[derive(Clone)]
pub struct Reverting {
    deps: AgentDeps,
}

impl Reverting {
    pub fn new(deps: AgentDeps) -> Self {
        Self { deps }
    }

    /// Judges the reversal now, after whatever else the caller sent (`arguments`), and queues
    /// the run that commits it on the patch's branch.
    #[tracing::instrument(name = "agent.revert", skip_all, fields(user.id = %grant.user(), patch.id = %id))]
    pub async fn revert(
        &self,
        grant: &Grant<CodeEdit>,
        id: PatchId,
        arguments: Checked<()>,
        once: Option<&Once>,
    ) -> Result<Run, AgentError> {
        let scope = grant.scope();
        let found = self.deps.store.get_patch(&scope, id).await?;
        let patch = found.ok_or(AgentError::NotFound("PATCH"))?;
        let found = self.deps.store.get_repository(&scope, patch.repository).await?;
        let repository = found.ok_or(AgentError::NotFound("REPOSITORY"))?;
        let (patch, repository) = (grant.admit(patch)?, grant.admit(repository)?);
        if let Some(answer) = self.deps.replayed(&scope, once).await? {
            return Ok(answer);
        }
        arguments?;
        let commit = revertable(&patch)?;
        let location = repository.location();
        let tip = self.deps.workspace.branch_tip(&location, &patch.branch).await?;
        let tip = tip.ok_or_else(|| gone(&patch))?;
        let change = self.deps.workspace.judge_revert(&location, &commit, &tip).await?;
        let run = self.row(grant, &patch, RunInput::Revert { patch: id, change, tip });
        self.queue(grant, clear(grant, run)?, id, once).await
    }

    fn row(&self, grant: &Grant<CodeEdit>, patch: &Patch, input: RunInput) -> Run {
        let now = self.deps.clock.now();
        Run {
            id: RunId::generate(),
            tenant: patch.tenant,
            kind: RunKind::Revert,
            state: RunState::Queued,
            phase: Phase::Queued,
            principal: grant.user(),
            work_item: patch.work_item,
            session: None,
            repository: Some(patch.repository),
            plan: None,
            patch: Some(patch.id),
            input,
            cause: None,
            attempt: 0,
            max_attempts: MAX_ATTEMPTS,
            fence: 0,
            lease_until: None,
            heartbeat_at: None,
            deadline_at: now + RUN_DEADLINE,
            problem: None,
            engine_used: String::new(),
            model_used: String::new(),
            created_at: now,
            started_at: None,
            ended_at: None,
        }
    }

    async fn queue(
        &self,
        grant: &Grant<CodeEdit>,
        run: permissions::Cleared<Run>,
        id: PatchId,
        once: Option<&Once>,
    ) -> Result<Run, AgentError> {
        let mut tx = self.deps.store.begin(&grant.scope()).await?;
        let found = tx.lock_patch(&grant.scope(), id).await?;
        let patch = grant.admit(found.ok_or(AgentError::NotFound("PATCH"))?)?;
        if let Some(answer) = replay(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        // Of two racing reverts one finds the other's mark.
        revertable(&patch)?;
        let marked = Patch { reverted_by: Some(run.id), ..patch.clone() };
        tx.save_patch(&patch.save_as(marked)).await?;
        tx.insert_run(&run).await?;
        remember(tx.as_mut(), once, &*run, self.deps.clock.now()).await?;
        tx.commit().await?;
        self.deps.wakeups.wake();
        Ok(run.into_inner())
    }
}

fn revertable(patch: &Patch) -> Result<crate::port::workspace::ObjectId, AgentError> {
    match (&patch.commit, patch.state, patch.reverted_by) {
        (Some(commit), PatchState::Applied, None) => Ok(commit.clone()),
        (Some(_), PatchState::Applied, Some(_)) => {
            let help = "a revert of this patch is running already";
            Err(AgentError::wrong_state("REVERT_IN_PROGRESS", help))
        }
        _ => {
            let help = format!(
                "only an APPLIED patch can be reverted; this one is {}",
                patch.state.as_str()
            );
            Err(AgentError::wrong_state("PATCH_NOT_APPLIED", help))
        }
    }
}

fn gone(patch: &Patch) -> AgentError {
    let help = format!("the branch {} is gone", patch.branch);
    AgentError::wrong_state("PATCH_NOT_APPLIED", help)
}
