//! What a run of the agent asks and reports. Called by the worker only.
//!
//! A report about an item that is closed, or has left the stay the run was ordered for,
//! changes nothing. Each report may be repeated: a run's recommendation is stored once.

use audit::{AuditEvent, Outcome};
use permissions::{CodeUse, Grant, Reporter, Visible};
use primitives::{RecommendationId, clip};
use serde_json::json;

use super::item_rules::stage_of;
use super::items::NOT_FOUND;
use super::{AssistBrief, AssistRun, Items, Reported, RunResult};
use crate::WorkflowError;
use crate::model::{
    AutoApplyResult, LockedItem, Recommendation, ReservedKey, Verdict, WorkItem, data, proposal,
};
use crate::store::WorkflowTx;

/// Characters of an error shown on an item.
const ERROR_CHARS: usize = 2_000;

impl Items {
    /// What the agent needs to know, and whether the run still has an object. Records that
    /// the run starts, once for each attempt.
    #[tracing::instrument(
        name = "assist.brief",
        skip_all,
        fields(run.id = %run.run, work_item.id = %run.item, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn assist_brief(
        &self,
        grant: &Grant<CodeUse>,
        run: &AssistRun,
    ) -> Result<AssistBrief, WorkflowError> {
        let (mut tx, row) = self.hold(grant, run.item).await?;
        let mut brief = brief(&row, run)?;
        if !brief.still_here {
            let newest = tx.newest_recommendation(run.item).await?;
            brief.was_recorded = newest.is_some_and(|newest| newest.run == run.run);
            return Ok(brief);
        }
        let now = self.clock.now();
        let action = "workflow.agent_assist.started";
        let event = AuditEvent::by(grant, now, row.item.tenant, action, run.item);
        let event = event.with(json!({
            "run": run.run,
            "stage": row.item.stage,
            "auto_apply": brief.auto_apply_set_by.is_some(),
        }));
        tx.record(vec![event]).await?;
        tx.commit().await?;
        Ok(brief)
    }

    /// Stores what a run proposes: as the item's newest recommendation, in its list and in
    /// its data. Clears the error of an earlier run.
    ///
    /// The recommendation's id is the run's uuid: a run makes at most one.
    #[tracing::instrument(
        name = "assist.record_recommendation",
        skip_all,
        fields(run.id = %run.run, work_item.id = %run.item, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn record_recommendation(
        &self,
        grant: &Grant<CodeUse>,
        run: &AssistRun,
        result: RunResult,
    ) -> Result<Reported, WorkflowError> {
        let (mut tx, row) = self.hold(grant, run.item).await?;
        if !still_here(&row, run) {
            return Ok(Reported::Superseded);
        }
        let now = self.clock.now();
        let proposed = proposal::bounded(result);
        let recommendation = Recommendation {
            id: recommendation_id(run),
            tenant: row.item.tenant,
            item: run.item,
            stage: row.item.stage.clone(),
            run: run.run,
            plan: proposed.plan,
            hash: proposal::hash(&proposed),
            plan_summary: proposed.plan_summary,
            steps: proposed.steps,
            risks: proposed.risks,
            requires_confirmation: proposed.requires_confirmation,
            estimated_minutes: proposed.estimated_minutes,
            engine_used: proposed.engine_used,
            model_used: proposed.model_used,
            verdict: Verdict::Pending,
            reviewer: None,
            reviewed_at: None,
            review_note: String::new(),
            created_at: now,
        };
        if !tx.insert_recommendation(&row.save_as(recommendation.clone())).await? {
            return Ok(Reported::Recorded);
        }
        let mut item = WorkItem { updated_at: now, ..row.item.clone() };
        data::set(&mut item.data, ReservedKey::Recommendation, &recommendation)?;
        item.data.remove(ReservedKey::RecommendationError.as_str());
        tx.save_data(&row.save_as(item)).await?;
        let action = "workflow.agent_assist.completed";
        let event = AuditEvent::by(grant, now, row.item.tenant, action, run.item);
        let event = event.with(json!({
            "run": run.run,
            "stage": recommendation.stage,
            "recommendation": recommendation.id,
            "hash": recommendation.hash,
            "steps": recommendation.steps.len(),
            "risks": recommendation.risks.len(),
            "engine_used": recommendation.engine_used,
            "model_used": recommendation.model_used,
        }));
        tx.record(vec![event]).await?;
        tx.commit().await?;
        Ok(Reported::Recorded)
    }

    /// Shows on the item why its run brought nothing: the recommendation shown before is
    /// taken from the data (it stays on the list), the item stays usable.
    ///
    /// Takes a [`Reporter`], not a grant: the reason may be that the principal lost his
    /// rights. `message` is for people and must not carry prompts, contents or secrets.
    #[tracing::instrument(
        name = "assist.record_failure",
        skip_all,
        fields(run.id = %run.run, work_item.id = %run.item),
        err(level = "debug")
    )]
    pub async fn record_assist_failure(
        &self,
        reporter: &Reporter,
        run: &AssistRun,
        message: &str,
    ) -> Result<Reported, WorkflowError> {
        let (mut tx, row) = self.hold_for_report(reporter, run).await?;
        if !still_here(&row, run) {
            return Ok(Reported::Superseded);
        }
        let now = self.clock.now();
        let mut item = WorkItem { updated_at: now, ..row.item.clone() };
        item.data.remove(ReservedKey::Recommendation.as_str());
        let message = clip(&data::without_nul(message), ERROR_CHARS);
        data::set(&mut item.data, ReservedKey::RecommendationError, &message)?;
        tx.save_data(&reporter.clear(&row, item).ok_or(NOT_FOUND)?).await?;
        let tenant = row.item.tenant;
        let action = "workflow.agent_assist.failed";
        let event = AuditEvent::of(reporter.caller(), now, tenant, action, run.item);
        let event = event.with(json!({ "run": run.run, "stage": row.item.stage }));
        tx.record(vec![event.ended(Outcome::Failure)]).await?;
        tx.commit().await?;
        Ok(Reported::Recorded)
    }

    /// Shows on the item what came of auto-apply, replacing the result before as a whole.
    #[tracing::instrument(
        name = "assist.record_auto_apply",
        skip_all,
        fields(run.id = %run.run, work_item.id = %run.item),
        err(level = "debug")
    )]
    pub async fn record_auto_apply(
        &self,
        reporter: &Reporter,
        run: &AssistRun,
        result: AutoApplyResult,
    ) -> Result<Reported, WorkflowError> {
        let (mut tx, row) = self.hold_for_report(reporter, run).await?;
        if !still_here(&row, run) {
            return Ok(Reported::Superseded);
        }
        let now = self.clock.now();
        let result = proposal::bounded_auto_apply(AutoApplyResult { run: run.run, ..result });
        let mut item = WorkItem { updated_at: now, ..row.item.clone() };
        data::set(&mut item.data, ReservedKey::AutoApplyResult, &result)?;
        if item.data == row.item.data {
            return Ok(Reported::Recorded);
        }
        tx.save_data(&reporter.clear(&row, item).ok_or(NOT_FOUND)?).await?;
        let tenant = row.item.tenant;
        let event = AuditEvent::of(reporter.caller(), now, tenant, "agent.auto_apply", run.item);
        let event = event.with(json!({
            "run": run.run,
            "stage": row.item.stage,
            "patch": result.patch,
            "files_changed": result.files_changed.len(),
            "engine": result.engine,
            "guard": result.guard,
        }));
        let outcome = if result.success { Outcome::Success } else { Outcome::Failure };
        tx.record(vec![event.ended(outcome)]).await?;
        tx.commit().await?;
        Ok(Reported::Recorded)
    }

    async fn hold_for_report(
        &self,
        reporter: &Reporter,
        run: &AssistRun,
    ) -> Result<(Box<dyn WorkflowTx>, Visible<LockedItem>), WorkflowError> {
        let scope = reporter.scope();
        let mut tx = self.store.begin(&scope).await?;
        let row = tx.lock_item(&scope, run.item).await?.ok_or(NOT_FOUND)?;
        Ok((tx, row))
    }
}

/// The recommendation a run makes, if it makes one.
pub(super) fn recommendation_id(run: &AssistRun) -> RecommendationId {
    RecommendationId::from_uuid(run.run.as_uuid())
}

fn still_here(row: &LockedItem, run: &AssistRun) -> bool {
    !row.item.state.is_closed() && row.item.visit == run.visit
}

fn brief(row: &LockedItem, run: &AssistRun) -> Result<AssistBrief, WorkflowError> {
    let stage = stage_of(row)?;
    let item = &row.item;
    Ok(AssistBrief {
        still_here: still_here(row, run),
        was_recorded: false,
        tenant: item.tenant,
        workflow: item.workflow,
        workflow_name: row.workflow_name.clone(),
        title: item.title.clone(),
        description: item.description.clone(),
        stage: stage.id.clone(),
        stage_name: stage.display_name.clone(),
        stage_type: stage.kind,
        prompt: stage.agent_prompt.clone(),
        target_path: stage.agent_target_path.clone(),
        model_hint: stage.agent_model_hint.clone(),
        auto_apply_set_by: stage.auto_apply_set_by,
        repository: item.repository,
        cause: item.cause,
    })
}
