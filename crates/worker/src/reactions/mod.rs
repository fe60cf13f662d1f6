//! Where two domains meet: a run of the agent and the item it is for, an event and the
//! workflows it reaches. Each reaction may be repeated.

mod assist;
mod change;
mod deliver;
mod departure;
mod ended;
mod stop;

use agent_core::AgentError;
use agent_core::model::{Run, RunKind, RunProblem, RunState};
use agent_core::service::{is_transient, problem_of};
use permissions::{Grant, Permission, Reporter};
use primitives::Tenant;
use tracing::{Instrument, field, info, info_span, warn};
use workflow_core::WorkflowError;
use workflow_core::service::AssistRun;

use crate::lease::{Held, keep};
use crate::work::Worker;

impl Worker {
    /// Carries out a claimed run under a span that names it.
    pub(crate) async fn carry_out(&self, run: Run) {
        let span = info_span!(
            "run.carry_out",
            run.id = %run.id,
            run.kind = run.kind.as_str(),
            run.attempt = run.attempt,
            outcome = field::Empty,
        );
        async {
            let outcome = self.attempt(run).await;
            tracing::Span::current().record("outcome", outcome);
        }
        .instrument(span)
        .await;
    }

    async fn attempt(&self, run: Run) -> &'static str {
        let left = run.deadline_at.since(self.parts.clock.now());
        // Boxed: the largest future of the worker, and one a run.
        let work = Box::pin(self.react(run.clone()));
        match keep(self.parts.runs.as_ref(), &run, self.settings.lease, left, work).await {
            Held::Done(Ok(())) => "done",
            Held::Done(Err(AgentError::FenceLost)) | Held::Lost => {
                info!("run {} was taken away", run.id);
                if let Err(error) = self.parts.runner.tidy(&run).await {
                    warn!(%error, "refs of run {} wait for the next start", run.id);
                }
                "lost"
            }
            // The queue ends it at the next claim, and its end is recorded then.
            Held::TimedOut => "timed_out",
            Held::Done(Err(error)) => self.failed(run, &error).await,
        }
    }

    async fn react(&self, run: Run) -> Result<(), AgentError> {
        match run.kind {
            RunKind::Assist => self.assist(run).await,
            RunKind::Apply | RunKind::Revert => self.change(run).await,
        }
    }

    /// Tries again later, or records the failure.
    async fn failed(&self, run: Run, error: &AgentError) -> &'static str {
        let problem = problem_of(error);
        if is_transient(error) {
            warn!(%error, "run {} failed, will be tried again", run.id);
            let _ = self.parts.authorizer.refresh().await.inspect_err(|error| warn!(%error));
            let pause = self.pause_after(run.attempt);
            return match self.parts.runs.retry_run(&run, pause, &problem).await {
                Ok(Some(RunState::Dead)) => "dead",
                Ok(_) => "retry",
                Err(error) => {
                    warn!(%error, "run {} waits for its lease to end", run.id);
                    "retry"
                }
            };
        }
        let id = run.id;
        if let Err(error) = self.give_up(run, problem).await {
            warn!(%error, "the failure of run {id} could not be recorded yet");
        }
        "failed"
    }

    async fn give_up(&self, run: Run, problem: RunProblem) -> Result<(), AgentError> {
        match run.kind {
            RunKind::Assist => self.fail_assist(run, problem).await,
            RunKind::Apply | RunKind::Revert => self.fail_change(run, problem).await,
        }
    }

    /// A grant for the run's principal, with the rights of now.
    pub(crate) fn grant_of<P: Permission>(&self, run: &Run) -> Result<Grant<P>, AgentError> {
        let caller = self
            .parts
            .authorizer
            .caller_of(run.principal, &run.id.to_string())
            .ok_or(permissions::Denied::of::<P>(Some(run.tenant)))?;
        Ok(self.parts.authorizer.require::<P>(&caller)?)
    }

    /// Writes on rows of `tenant` how work ended, whatever its principal may still do.
    pub(crate) fn reporter(&self, tenant: Tenant, run: &Run) -> Reporter {
        let epoch = self.parts.authorizer.epoch();
        let id = run.id.to_string();
        Reporter::new(tenant, run.principal, epoch, &id, self.parts.clock.now())
    }
}

/// The item and stay a run is for.
pub(crate) fn about(run: &Run) -> Option<AssistRun> {
    match (&run.input, run.work_item) {
        (agent_core::model::RunInput::Assist { visit, .. }, Some(item)) => {
            Some(AssistRun { run: run.id, item, visit: *visit })
        }
        _ => None,
    }
}

/// A workflow's error as the run's.
pub(crate) fn of_workflow(error: WorkflowError) -> AgentError {
    use agent_core::StoreError as Mine;
    use workflow_core::StoreError as Theirs;
    match error {
        WorkflowError::NotFound(kind) => AgentError::NotFound(kind),
        WorkflowError::Denied(denied) => AgentError::Denied(denied),
        WorkflowError::InvalidArgs(args) => AgentError::InvalidArgs(args),
        WorkflowError::Store(Theirs::PolicyMoved(epoch)) => Mine::PolicyMoved(epoch).into(),
        WorkflowError::Store(Theirs::Stale) => Mine::Stale.into(),
        WorkflowError::Store(Theirs::Unavailable(cause)) => Mine::Unavailable(cause).into(),
        WorkflowError::Store(Theirs::Internal(cause)) => Mine::Internal(cause).into(),
        other => AgentError::wrong_state("ITEM_REFUSED", other.to_string()),
    }
}
