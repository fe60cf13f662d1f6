//! An item came to an agent stage: plan, show the plan on the item, perhaps auto-apply.
//!
//! Effects in order, each repeatable: plan stored with the run, recommendation on the item,
//! auto-apply (engine, guards, commit), its result on the item, the stage completed by it where
//! that is asked for, the run's end with its events. A crash between any two is gone on from by the next attempt.

use agent_core::AgentError;
use agent_core::model::{Plan, Run, RunProblem};
use agent_core::plan::{PlanningTask, StageFlavour};
use agent_core::service::{AssistEnd, AutoApplied, AutoApply, Checkpoint, StageTask};
use permissions::{CodeUse, ItemsEdit};
use workflow_core::WorkflowError;
use workflow_core::model::condition::RunFacts;
use workflow_core::model::{AutoApplyResult, RecommendedFile, RecommendedStep};
use workflow_core::service::{AssistBrief, AssistRun, Reported, RunResult};

use super::{about, of_workflow};
use crate::work::Worker;

impl Worker {
    pub(crate) async fn assist(&self, mut run: Run) -> Result<(), AgentError> {
        self.parts.runner.reach(Checkpoint::Claimed).await;
        let Some(item) = about(&run) else {
            return Err(AgentError::wrong_state("WRONG_RUN_KIND", "not an assist run"));
        };
        let grant = self.grant_of::<CodeUse>(&run)?;
        let brief = self.parts.items.assist_brief(&grant, &item).await.map_err(of_workflow)?;
        if !brief.still_here && !brief.was_recorded {
            return self.superseded(run).await;
        }
        let plan = self.parts.runner.plan_for_stage(&grant, &mut run, &task(&brief)).await?;
        if brief.was_recorded {
            return self.recorded(run, &plan, None).await;
        }
        let shown = self.parts.items.record_recommendation(&grant, &item, result(&plan)).await;
        if shown.map_err(of_workflow)? == Reported::Superseded {
            return self.superseded(run).await;
        }
        let applied = match brief.auto_apply_set_by {
            None => None,
            Some(set_by) => {
                let auto = AutoApply { tenant: brief.tenant, set_by: Some(set_by) };
                Some(self.auto_apply(&mut run, &item, &plan, &auto).await?)
            }
        };
        let facts = RunFacts {
            succeeded: true,
            steps: plan.steps.len(),
            risks: plan.risks.len(),
            requires_confirmation: plan.requires_confirmation,
            estimated_minutes: plan.estimated_minutes.into(),
            applied: applied.as_ref().is_some_and(|applied| applied.success),
        };
        self.advance(&run, &item, &facts).await?;
        self.recorded(run, &plan, applied).await
    }

    async fn recorded(
        &self,
        run: Run,
        plan: &Plan,
        applied: Option<AutoApplied>,
    ) -> Result<(), AgentError> {
        let end = AssistEnd::Recorded(applied.map(Box::new));
        self.parts.runner.finish_assist(run, Some(plan), end).await?;
        self.parts.observer.assist_ended("success");
        Ok(())
    }

    /// Lets the result complete the stage, where that is asked for. What people may not do now
    /// is left to people.
    async fn advance(
        &self,
        run: &Run,
        item: &AssistRun,
        facts: &RunFacts,
    ) -> Result<(), AgentError> {
        let Ok(grant) = self.grant_of::<ItemsEdit>(run) else { return Ok(()) };
        match self.parts.items.auto_advance(&grant, item, facts).await {
            Ok(_) => Ok(()),
            Err(
                refused @ (WorkflowError::Denied(_)
                | WorkflowError::NotFound(_)
                | WorkflowError::IllegalTransition(_)
                | WorkflowError::WrongState { .. }),
            ) => {
                tracing::info!(run.id = %run.id, reason = %refused, "not advanced");
                Ok(())
            }
            Err(other) => Err(of_workflow(other)),
        }
    }

    async fn auto_apply(
        &self,
        run: &mut Run,
        item: &AssistRun,
        plan: &Plan,
        auto: &AutoApply,
    ) -> Result<AutoApplied, AgentError> {
        let applied = self.parts.runner.auto_apply(run, plan, auto).await?;
        let reporter = self.reporter(auto.tenant, run);
        let shown = shown(run, &applied);
        self.parts.items.record_auto_apply(&reporter, item, shown).await.map_err(of_workflow)?;
        let outcome = if applied.success { "success" } else { "failure" };
        let guard = applied.guard.map_or("", agent_core::service::Guard::name);
        self.parts.observer.auto_apply_ended(outcome, guard);
        Ok(applied)
    }

    async fn superseded(&self, run: Run) -> Result<(), AgentError> {
        self.parts.runner.finish_assist(run, None, AssistEnd::Superseded).await?;
        self.parts.observer.assist_ended("superseded");
        Ok(())
    }

    /// Shows the error on the item, which stays usable, and ends the run.
    pub(crate) async fn fail_assist(
        &self,
        run: Run,
        problem: RunProblem,
    ) -> Result<(), AgentError> {
        self.show_failure(&run, &problem).await?;
        if let Some(item) = about(&run) {
            self.advance(&run, &item, &FAILED).await?;
        }
        self.parts.runner.finish_assist(run.clone(), None, AssistEnd::Failed(problem)).await?;
        self.parts.runs.settle_ended(&run).await?;
        self.parts.observer.assist_ended("failed");
        Ok(())
    }

    /// The error on the item. Nothing happens when the item has moved on.
    pub(crate) async fn show_failure(
        &self,
        run: &Run,
        problem: &RunProblem,
    ) -> Result<(), AgentError> {
        let Some(item) = about(run) else { return Ok(()) };
        let reporter = self.reporter(run.tenant, run);
        let message = format!("{}: {}", problem.reason, problem.message);
        let shown = self.parts.items.record_assist_failure(&reporter, &item, &message).await;
        shown.map_err(of_workflow).map(drop)
    }
}

const FAILED: RunFacts = RunFacts {
    succeeded: false,
    steps: 0,
    risks: 0,
    requires_confirmation: false,
    estimated_minutes: 0,
    applied: false,
};

fn task(brief: &AssistBrief) -> StageTask {
    let flavour = StageFlavour::of_stage_type(brief.stage_type.as_str()).unwrap_or_default();
    let what = PlanningTask {
        flavour,
        stage_prompt: brief.prompt.clone(),
        title: brief.title.clone(),
        description: brief.description.clone(),
        target_path: brief.target_path.clone(),
    };
    StageTask { what, model_hint: brief.model_hint.clone(), repository: brief.repository }
}

fn result(plan: &Plan) -> RunResult {
    let steps = plan.steps.iter().map(|step| RecommendedStep {
        description: step.description.clone(),
        risk: step.risk.as_str().to_owned(),
        risk_reason: step.risk_reason.clone(),
        minutes: step.minutes,
        minutes_reason: step.minutes_reason.clone(),
        files: step
            .files
            .iter()
            .map(|file| RecommendedFile {
                path: file.path.clone(),
                is_new: file.is_new,
                reason: file.reason.clone(),
                symbols: file.symbols.clone(),
            })
            .collect(),
    });
    RunResult {
        plan: plan.id,
        plan_summary: plan.summary.clone(),
        steps: steps.collect(),
        risks: plan.risks.clone(),
        requires_confirmation: plan.requires_confirmation,
        estimated_minutes: plan.estimated_minutes,
        engine_used: plan.planner.as_str().to_owned(),
        model_used: plan.model_used.clone(),
    }
}

fn shown(run: &Run, applied: &AutoApplied) -> AutoApplyResult {
    let files = applied.patch.as_ref().map(|patch| &patch.files).into_iter().flatten();
    AutoApplyResult {
        run: run.id,
        success: applied.success,
        patch: applied.patch_id(),
        files_changed: files.map(|file| file.path.clone()).collect(),
        engine: applied.engine.clone(),
        summary: applied.patch.as_ref().map(|patch| patch.summary.clone()).unwrap_or_default(),
        error: applied.error.clone(),
        guard: applied.guard.map_or(String::new(), |guard| guard.name().to_owned()),
    }
}
