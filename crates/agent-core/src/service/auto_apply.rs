//! Auto-apply at an agent stage: an engine carries out the plan, six guards decide.

use primitives::PatchId;

use super::changes::{patch_row, task};
use super::deps::Checkpoint;
use super::guards::{self, AutoApply, Guard};
use super::runner::{Authority, Refused, Runner, Write};
use crate::AgentError;
use crate::model::{Patch, PatchState, Phase, Plan, Run};
use crate::port::workspace::{BranchUpdate, TreeChange, WorkspaceError};

/// What came of it, for the item, events and metrics.
#[derive(Clone, Debug)]
pub struct AutoApplied {
    /// With its commit on success.
    pub patch: Option<Patch>,
    pub success: bool,
    pub engine: String,
    /// For people; empty on success.
    pub error: String,
    /// Upper-snake; empty on success.
    pub reason: String,
    pub guard: Option<Guard>,
}

impl AutoApplied {
    fn stopped(guard: Guard, patch: Option<Patch>) -> Self {
        Self {
            engine: patch.as_ref().map(|patch| patch.engine.clone()).unwrap_or_default(),
            patch,
            success: false,
            error: guard.help().to_owned(),
            reason: "AUTO_APPLY_REFUSED".to_owned(),
            guard: Some(guard),
        }
    }

    fn failed(error: &AgentError) -> Self {
        use primitives::Classify;
        Self {
            patch: None,
            success: false,
            engine: String::new(),
            error: super::runner::problem_of(error).message,
            reason: error.reason().to_owned(),
            guard: None,
        }
    }

    /// The patch's name, if there is one.
    pub fn patch_id(&self) -> Option<PatchId> {
        self.patch.as_ref().map(|patch| patch.id)
    }
}

impl Runner {
    /// Runs an engine for the plan and commits its change if all guards say yes, before the
    /// engine and again right before the commit. An error is transient: try again.
    #[tracing::instrument(name = "run.auto_apply", skip_all, fields(run.id = %run.id))]
    pub async fn auto_apply(
        &self,
        run: &mut Run,
        plan: &Plan,
        auto: &AutoApply,
    ) -> Result<AutoApplied, AgentError> {
        let (_, made) = self.made_by(run).await?;
        let patch = match made {
            Some(patch) => patch,
            None => match self.proposed(run, plan, auto).await? {
                Ok(patch) => patch,
                Err(stopped) => return Ok(stopped),
            },
        };
        self.reach(Checkpoint::DiffStored).await;
        self.committed(run, patch, auto).await
    }

    /// The engine's change, stored as a PROPOSED patch.
    async fn proposed(
        &self,
        run: &mut Run,
        plan: &Plan,
        auto: &AutoApply,
    ) -> Result<Result<Patch, AutoApplied>, AgentError> {
        let asked = guards::ask(&self.deps, self.queue.as_ref(), run, auto).await;
        let (_, repository) = match asked {
            Ok(yes) => yes,
            Err(guard) => return Ok(Err(AutoApplied::stopped(guard, None))),
        };
        let Some(engine) = self.available_engine().await else {
            let error = AgentError::wrong_state(
                "NO_ENGINE",
                "no coding engine is available here to carry out the plan (see ListEngines)",
            );
            return Ok(Err(AutoApplied::failed(&error)));
        };
        let hint = (!plan.model_used.is_empty() && plan.model_used != "builtin")
            .then(|| plan.model_used.clone());
        let task = task(&plan.summary, &plan.steps, hint);
        match self.engine_change(&repository, &plan.commit, &engine, &task).await {
            Ok((change, model)) => {
                let now = self.deps.clock.now();
                let patch = patch_row(run, &repository, change, &engine, &plan.summary, now);
                run.phase = Phase::Diffed;
                run.patch = Some(patch.id);
                run.engine_used = engine;
                run.model_used = model.unwrap_or_else(|| run.model_used.clone());
                self.save(run, None, Some(&patch)).await?;
                Ok(Ok(patch))
            }
            Err(AgentError::Workspace(
                WorkspaceError::PathRefused { .. } | WorkspaceError::TooLarge(_),
            )) => Ok(Err(AutoApplied::stopped(Guard::PathPolicy, None))),
            Err(error) if super::runner::is_transient(&error) => Err(error),
            Err(error @ AgentError::FenceLost) => Err(error),
            Err(error) => Ok(Err(AutoApplied::failed(&error))),
        }
    }

    async fn committed(
        &self,
        run: &Run,
        patch: Patch,
        auto: &AutoApply,
    ) -> Result<AutoApplied, AgentError> {
        let Some(repository) = self.repository(run).await? else {
            return Ok(AutoApplied::stopped(Guard::RepositoryPolicy, Some(rejected(patch))));
        };
        // Judged again from the stored trees: what is protected may have changed since.
        let change =
            self.deps.workspace.judge_trees(&repository.location(), &patch.base, &patch.tree).await;
        if paths_refused(&change) {
            return Ok(AutoApplied::stopped(Guard::PathPolicy, Some(rejected(patch))));
        }
        let message = format!("{}\n\nApplied automatically.", patch.summary);
        let write = Write {
            run,
            repository: &repository,
            parent: &patch.base,
            tree: &patch.tree,
            message: &message,
            update: BranchUpdate { branch: patch.branch.clone(), expected: None },
        };
        match self.write(&write, Authority::AutoApply(auto)).await {
            Ok(commit) => Ok(AutoApplied {
                success: true,
                engine: patch.engine.clone(),
                patch: Some(Patch { commit: Some(commit), state: PatchState::Applied, ..patch }),
                error: String::new(),
                reason: String::new(),
                guard: None,
            }),
            Err(Refused::Guard(guard)) => {
                // An earlier attempt may have left its run ref.
                self.take_back(run).await?;
                Ok(AutoApplied::stopped(guard, Some(rejected(patch))))
            }
            Err(Refused::Error(error)) => Err(error),
        }
    }

    async fn available_engine(&self) -> Option<String> {
        for engine in &self.deps.engines {
            if engine.probe().await.available {
                return Some(engine.name().to_owned());
            }
        }
        None
    }
}

fn paths_refused(change: &Result<TreeChange, WorkspaceError>) -> bool {
    match change {
        Ok(change) => guards::ask_paths(change).is_err(),
        Err(_) => true,
    }
}

fn rejected(patch: Patch) -> Patch {
    Patch { state: PatchState::Rejected, ..patch }
}
