//! Apply and revert runs, from claim to record.

use audit::{AuditEvent, Outcome};
use events::EventType;
use permissions::Reporter;
use primitives::{PatchId, Tenant};

use super::apply::branch_name;
use super::deps::{ANY_EPOCH, Checkpoint};
use super::outcome::{Report, apply_event};
use super::runner::{Authority, Refused, Runner, Write};
use crate::AgentError;
use crate::model::{
    Patch, PatchState, Phase, PlannedStep, Repository, Run, RunInput, RunKind, RunProblem, RunState,
};
use crate::port::engine::{EngineError, EngineTask};
use crate::port::workspace::{BranchUpdate, ObjectId, TreeChange};

/// Wall-clock limit of one engine.
pub(crate) const ENGINE_TIMEOUT_SECS: u64 = 600;

impl Runner {
    /// Carries out a claimed APPLY or REVERT run to its end.
    /// An error leaves the run as it is: the worker retries or fails it.
    #[tracing::instrument(name = "run.change", skip_all, fields(run.id = %run.id))]
    pub async fn change(&self, run: Run) -> Result<(), AgentError> {
        self.reach(Checkpoint::Claimed).await;
        let repository = self.repository(&run).await?.ok_or(AgentError::NotFound("REPOSITORY"))?;
        match run.kind {
            RunKind::Revert => self.revert_run(run, &repository).await,
            RunKind::Apply => self.apply_run(run, &repository).await,
            RunKind::Assist => Err(AgentError::wrong_state("WRONG_RUN_KIND", "not a change")),
        }
    }

    async fn apply_run(&self, mut run: Run, repository: &Repository) -> Result<(), AgentError> {
        let (_, made) = self.made_by(&run).await?;
        let patch = match made {
            Some(patch) => patch,
            None => self.engine_patch(&mut run, repository).await?,
        };
        self.reach(Checkpoint::DiffStored).await;
        let message = match &run.input {
            RunInput::Change { message, .. } | RunInput::Steps { message, .. } => message.clone(),
            RunInput::Assist { .. } | RunInput::Revert { .. } => patch.summary.clone(),
        };
        let write = Write {
            run: &run,
            repository,
            parent: &patch.base,
            tree: &patch.tree,
            message: &message,
            update: BranchUpdate { branch: patch.branch.clone(), expected: None },
        };
        let commit = self.write(&write, Authority::Principal).await.map_err(error_of)?;
        let applied = Patch { commit: Some(commit), state: PatchState::Applied, ..patch };
        self.record(run, repository, applied, EventType::ApplySuccess).await
    }

    async fn revert_run(&self, run: Run, repository: &Repository) -> Result<(), AgentError> {
        let RunInput::Revert { change, tip, .. } = &run.input else {
            return Err(AgentError::wrong_state("WRONG_RUN_KIND", "not a revert"));
        };
        let (_, patch) = self.made_by(&run).await?;
        let patch = patch.ok_or(AgentError::NotFound("PATCH"))?;
        let message = format!("Revert \"{}\"", patch.summary);
        let write = Write {
            run: &run,
            repository,
            parent: tip,
            tree: &change.tree,
            message: &message,
            update: BranchUpdate { branch: patch.branch.clone(), expected: Some(tip.clone()) },
        };
        self.write(&write, Authority::Principal).await.map_err(error_of)?;
        let reverted = Patch { state: PatchState::Reverted, reverted_by: Some(run.id), ..patch };
        self.record(run.clone(), repository, reverted, EventType::PatchReverted).await
    }

    /// Lets the engine carry out a plan's steps, and stores the difference it made.
    async fn engine_patch(
        &self,
        run: &mut Run,
        repository: &Repository,
    ) -> Result<Patch, AgentError> {
        let RunInput::Steps { base, instruction, steps, engine, model, message } =
            run.input.clone()
        else {
            return Err(AgentError::NotFound("PATCH"));
        };
        let task = task(&instruction, &steps, model);
        let (change, used) = self.engine_change(repository, &base, &engine, &task).await?;
        let patch = patch_row(run, repository, change, &engine, &message, self.deps.clock.now());
        run.phase = Phase::Diffed;
        run.patch = Some(patch.id);
        run.model_used = used.unwrap_or_default();
        self.save(run, None, Some(&patch)).await?;
        Ok(patch)
    }

    /// What an engine changes in a private checkout, judged; and the model it says it used.
    pub(crate) async fn engine_change(
        &self,
        repository: &Repository,
        base: &ObjectId,
        engine: &str,
        task: &EngineTask,
    ) -> Result<(TreeChange, Option<String>), AgentError> {
        let engine = self.deps.engines.iter().find(|known| known.name() == engine);
        let engine = engine.ok_or_else(|| no_engine(engine_gone()))?;
        let location = repository.location();
        let checkout = self.deps.workspace.export(&location, base).await?;
        let limit = std::time::Duration::from_secs(task.timeout_secs);
        let report = match tokio::time::timeout(limit, engine.run(task, &checkout)).await {
            Ok(report) => report.map_err(no_engine)?,
            Err(_) => return Err(no_engine(EngineError::TimedOut(task.timeout_secs))),
        };
        let change = self.deps.workspace.collect(&location, &checkout).await?;
        Ok((change, report.model_used))
    }

    /// The last transaction of a change: patch, run, audit record, event.
    async fn record(
        &self,
        mut run: Run,
        repository: &Repository,
        patch: Patch,
        kind: EventType,
    ) -> Result<(), AgentError> {
        let now = self.deps.clock.now();
        run.state = RunState::Succeeded;
        run.phase = Phase::Recorded;
        run.ended_at = Some(now);
        let report = report(&run, repository, &patch);
        let action = match kind {
            EventType::PatchReverted => "agent.patch.reverted",
            _ => "agent.apply.success",
        };
        let audit =
            AuditEvent::on_behalf(run.principal, now, report.tenant, action, patch.id, run.id)
                .with(report.payload());
        let event = apply_event(kind, &report, run.cause, now);
        let mut tx = self.hold(&run, report.tenant).await?;
        tx.save_run(&run, None, Some(&patch)).await?;
        tx.record(vec![audit]).await?;
        tx.publish(vec![event]).await?;
        tx.commit().await?;
        self.deps.wakeups.wake();
        Ok(())
    }

    /// Ends an APPLY or REVERT run that cannot succeed.
    pub async fn fail_change(&self, mut run: Run, problem: RunProblem) -> Result<(), AgentError> {
        self.take_back(&run).await?;
        let now = self.deps.clock.now();
        let (_, made) = self.made_by(&run).await?;
        let patch = made.and_then(|patch| closed_patch(&run, &patch));
        run.state = RunState::Failed;
        run.ended_at = Some(now);
        run.problem = Some(problem.clone());
        let filed = self.tenant_of(&run).await?;
        let (audit, event) = failure_of(&run, filed, &problem, now);
        let mut tx = self.hold(&run, filed).await?;
        tx.save_run(&run, None, patch.as_ref()).await?;
        tx.record(audit).await?;
        tx.publish(event).await?;
        tx.commit().await?;
        self.deps.wakeups.wake();
        Ok(())
    }

    /// Records what the bad end of a run that nobody holds any more means: refs it moved
    /// are taken back, its patch is rejected, an APPLY leaves its failure record and event.
    pub async fn record_bad_end(
        &self,
        reporter: &Reporter,
        run: &Run,
        problem: &RunProblem,
    ) -> Result<(), AgentError> {
        self.take_back(run).await?;
        let (_, made) = self.made_by(run).await?;
        // Read before the transaction: a second connection while one is held could wait for it.
        let filed = self.tenant_of(run).await?;
        let (audit, event) = failure_of(run, filed, problem, self.deps.clock.now());
        let scope = self.scope_of(run, filed, ANY_EPOCH);
        let mut tx = self.deps.store.begin(&scope).await?;
        if let Some(made) = made
            && let Some(patch) = tx.lock_patch(&reporter.scope(), made.id).await?
            && let Some(changed) = closed_patch(run, &patch)
            && let Some(cleared) = reporter.clear(&patch, changed)
        {
            tx.save_patch(&cleared).await?;
        }
        tx.record(audit).await?;
        tx.publish(event).await?;
        tx.commit().await?;
        self.deps.wakeups.wake();
        Ok(())
    }

    /// A worker lost the run while it may have moved refs: recorded ⇔ committed, so if the
    /// run has ended otherwise they move back. A live run is gone on with by whoever holds it.
    pub async fn tidy(&self, run: &Run) -> Result<(), AgentError> {
        match self.queue.run_unscoped(run.id).await? {
            Some(now) if !now.state.is_live() && now.state != RunState::Succeeded => {
                self.take_back(&now).await
            }
            _ => Ok(()),
        }
    }

    /// Refs that a run moved without recording it.
    pub(crate) async fn take_back(&self, run: &Run) -> Result<(), AgentError> {
        let Some(repository) = self.repository(run).await? else { return Ok(()) };
        let refs = self.deps.workspace.run_refs(&repository.location()).await?;
        let Some(found) = refs.into_iter().find(|found| found.run == run.id) else { return Ok(()) };
        match self.update_of(run).await? {
            Some(update) => self.undo(run, &update, &found.commit).await,
            None => Ok(()),
        }
    }

    /// Under whom the outcome of a run is filed: the item's owner, else the repository's.
    /// Not known is an error: a record filed under the wrong owner cannot be moved.
    async fn tenant_of(&self, run: &Run) -> Result<Tenant, AgentError> {
        if run.work_item.is_some() {
            return Ok(run.tenant);
        }
        let repository = self.repository(run).await?;
        Ok(repository.map_or(run.tenant, |repository| repository.tenant))
    }
}

/// The record and event of a change that failed, filed under `tenant`; an assist run has its
/// own.
fn failure_of(
    run: &Run,
    tenant: Tenant,
    problem: &RunProblem,
    now: primitives::Timestamp,
) -> (Vec<AuditEvent>, Vec<events::EventRecord>) {
    let action = match run.kind {
        RunKind::Revert => "agent.patch.reverted",
        RunKind::Apply => "agent.apply.failure",
        RunKind::Assist => return (Vec::new(), Vec::new()),
    };
    let audit = AuditEvent::on_behalf(run.principal, now, tenant, action, run.id, run.id)
        .ended(Outcome::Failure)
        .with(serde_json::json!({ "reason": problem.reason }));
    let event = run.repository.filter(|_| run.kind == RunKind::Apply).map(|repository| {
        let mut report = Report::default_for(run.principal, repository);
        report.tenant = tenant;
        report.work_item = run.work_item;
        report.run = Some(run.id);
        report.patch = run.patch;
        report.summary = problem.reason.clone();
        apply_event(EventType::ApplyFailure, &report, run.cause, now)
    });
    (vec![audit], event.into_iter().collect())
}

/// The facts of a change that has been made.
pub(crate) fn report(run: &Run, repository: &Repository, patch: &Patch) -> Report {
    Report {
        principal: run.principal,
        tenant: if run.work_item.is_some() { run.tenant } else { repository.tenant },
        repository: repository.id,
        work_item: run.work_item,
        session: run.session,
        run: Some(run.id),
        plan: run.plan,
        patch: Some(patch.id),
        files: patch.files.iter().map(|file| file.path.clone()).collect(),
        engine: patch.engine.clone(),
        summary: patch.summary.clone(),
        commit: patch.commit.as_ref().map(ObjectId::to_string),
        branch: patch.branch.clone(),
        reason: None,
    }
}

/// What becomes of a patch when its run ends badly; `None` when nothing does.
fn closed_patch(run: &Run, patch: &Patch) -> Option<Patch> {
    match run.kind {
        // The patch stays applied; another revert may be tried.
        RunKind::Revert => (patch.reverted_by == Some(run.id)
            && patch.state == PatchState::Applied)
            .then(|| Patch { reverted_by: None, ..patch.clone() }),
        RunKind::Apply | RunKind::Assist => (patch.state == PatchState::Proposed)
            .then(|| Patch { state: PatchState::Rejected, ..patch.clone() }),
    }
}

/// A new PROPOSED patch of a run.
pub(crate) fn patch_row(
    run: &Run,
    repository: &Repository,
    change: TreeChange,
    engine: &str,
    summary: &str,
    now: primitives::Timestamp,
) -> Patch {
    Patch {
        id: PatchId::generate(),
        tenant: run.tenant,
        run: run.id,
        principal: run.principal,
        repository: repository.id,
        work_item: run.work_item,
        plan: run.plan,
        base: change.base,
        tree: change.tree,
        commit: None,
        branch: branch_name(run.work_item, run.id),
        diff: change.diff,
        files: change.files,
        state: PatchState::Proposed,
        reverted_by: None,
        engine: engine.to_owned(),
        summary: summary.to_owned(),
        created_at: now,
        version: 1,
    }
}

/// The instruction an engine gets for a plan's steps.
pub(crate) fn task(instruction: &str, steps: &[PlannedStep], model: Option<String>) -> EngineTask {
    let listed: Vec<_> = steps
        .iter()
        .enumerate()
        .map(|(at, step)| format!("{}. {}", at + 1, step.description))
        .collect();
    let files = steps.iter().flat_map(|step| step.files.iter());
    let mut focus: Vec<_> = files.map(|file| file.path.clone()).collect();
    focus.sort();
    focus.dedup();
    EngineTask {
        instruction: format!("{instruction}\n\nSteps:\n{}\n", listed.join("\n")),
        focus,
        model_hint: model,
        timeout_secs: ENGINE_TIMEOUT_SECS,
    }
}

fn engine_gone() -> EngineError {
    EngineError::Unavailable("it was configured when the run was asked for, and is not now".into())
}

fn no_engine(error: EngineError) -> AgentError {
    let reason = match error {
        EngineError::Unavailable(_) => "ENGINE_UNAVAILABLE",
        EngineError::Failed(_) => "ENGINE_FAILED",
        EngineError::TimedOut(_) => "ENGINE_TIMED_OUT",
    };
    AgentError::wrong_state(reason, error.to_string())
}

fn error_of(refused: Refused) -> AgentError {
    match refused {
        Refused::Error(error) => error,
        Refused::Guard(guard) => AgentError::wrong_state("AUTO_APPLY_REFUSED", guard.help()),
    }
}
