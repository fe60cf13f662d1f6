//! The agent's side of an assist run: plan for a stage, and close the run.
//! What the item shows is the workflow's business; the worker brings both together.

use audit::{AuditEvent, Outcome};
use events::EventType;
use permissions::{CodeUse, Grant};
use primitives::RepositoryId;

use super::auto_apply::AutoApplied;
use super::changes::report;
use super::deps::Checkpoint;
use super::outcome::apply_event;
use super::planning::{ContextArgs, Filing, Task, plan_event};
use super::runner::Runner;
use crate::AgentError;
use crate::model::{Phase, Plan, Run, RunProblem, RunState};
use crate::plan::PlanningTask;

/// What a stage asks for.
#[derive(Clone, Debug)]
pub struct StageTask {
    pub what: PlanningTask,
    /// Model to ask for; empty for the configured one.
    pub model_hint: String,
    pub repository: Option<RepositoryId>,
}

/// How an assist run ends.
#[derive(Clone, Debug)]
pub enum AssistEnd {
    /// The item shows the plan; and what came of auto-apply, if the stage asks for it.
    Recorded(Option<Box<AutoApplied>>),
    /// The item had left the stage.
    Superseded,
    /// For people and programs.
    Failed(RunProblem),
}

impl Runner {
    /// Plans for a stage and stores the plan with the run. An earlier attempt's plan is kept.
    #[tracing::instrument(name = "run.assist_plan", skip_all, fields(run.id = %run.id))]
    pub async fn plan_for_stage(
        &self,
        grant: &Grant<CodeUse>,
        run: &mut Run,
        stage: &StageTask,
    ) -> Result<Plan, AgentError> {
        if let (Some(plan), _) = self.made_by(run).await? {
            return Ok(plan);
        }
        let Some(id) = stage.repository else {
            let help = "the work item names no repository; set one and run the agent again";
            return Err(AgentError::wrong_state("NO_REPOSITORY", help));
        };
        let found = self.deps.store.get_repository(&grant.scope(), id).await?;
        let repository = grant.admit(found.ok_or(AgentError::NotFound("REPOSITORY"))?)?;
        let task = Task {
            what: stage.what.clone(),
            model_hint: stage.model_hint.clone(),
            context: ContextArgs {
                focus_path: stage.what.target_path.clone(),
                ..ContextArgs::default()
            },
        };
        let drafted = self.deps.draft(&repository, &task).await?;
        let filing = Filing {
            tenant: run.tenant,
            principal: run.principal,
            repository: id,
            work_item: run.work_item,
            session: None,
            run: Some(run.id),
        };
        let plan = self.deps.plan_row(filing, drafted);
        run.phase = Phase::Planned;
        run.plan = Some(plan.id);
        run.engine_used = plan.planner.as_str().to_owned();
        run.model_used.clone_from(&plan.model_used);
        self.save(run, Some(&plan), None).await?;
        self.reach(Checkpoint::PlanStored).await;
        Ok(plan)
    }

    /// The last transaction of an assist run: state, audit records, events.
    pub async fn finish_assist(
        &self,
        mut run: Run,
        plan: Option<&Plan>,
        end: AssistEnd,
    ) -> Result<(), AgentError> {
        let now = self.deps.clock.now();
        run.ended_at = Some(now);
        let mut events = Vec::new();
        let mut audits = Vec::new();
        let mut patch = None;
        match end {
            AssistEnd::Superseded => run.state = RunState::Superseded,
            AssistEnd::Failed(problem) => {
                run.state = RunState::Failed;
                run.problem = Some(problem);
            }
            AssistEnd::Recorded(applied) => {
                run.state = RunState::Succeeded;
                run.phase = Phase::Recorded;
                if let Some(plan) = plan {
                    events.push(plan_event(plan, run.cause, now));
                }
                if let Some(applied) = applied {
                    let (audit, event) = self.applied(&run, &applied).await?;
                    audits.extend(audit);
                    events.extend(event);
                    patch = applied.patch;
                }
            }
        }
        let mut tx = self.hold(&run, run.tenant).await?;
        tx.save_run(&run, None, patch.as_ref()).await?;
        tx.record(audits).await?;
        tx.publish(events).await?;
        tx.commit().await?;
        self.deps.wakeups.wake();
        Ok(())
    }

    async fn applied(
        &self,
        run: &Run,
        applied: &AutoApplied,
    ) -> Result<(Option<AuditEvent>, Option<events::EventRecord>), AgentError> {
        let now = self.deps.clock.now();
        let Some(repository) = self.repository(run).await? else { return Ok((None, None)) };
        let (kind, action, outcome) = if applied.success {
            (EventType::ApplySuccess, "agent.apply.success", Outcome::Success)
        } else {
            (EventType::ApplyFailure, "agent.apply.failure", Outcome::Failure)
        };
        let mut facts = match &applied.patch {
            Some(patch) => report(run, &repository, patch),
            None => super::outcome::Report::default_for(run.principal, repository.id),
        };
        facts.tenant = run.tenant;
        facts.work_item = run.work_item;
        facts.run = Some(run.id);
        let mut payload = facts.payload();
        payload["auto_apply"] = true.into();
        if let Some(guard) = applied.guard {
            payload["guard"] = guard.name().into();
        }
        if !applied.reason.is_empty() {
            payload["reason"] = applied.reason.clone().into();
        }
        let object = facts.patch.map_or_else(|| run.id.to_string(), |patch| patch.to_string());
        let audit = AuditEvent::on_behalf(run.principal, now, run.tenant, action, object, run.id)
            .ended(outcome)
            .with(payload.clone());
        let mut event = apply_event(kind, &facts, run.cause, now);
        event.payload = payload;
        Ok((Some(audit), Some(event)))
    }
}
