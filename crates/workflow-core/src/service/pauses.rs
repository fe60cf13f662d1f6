//! Pauses: nothing new begins in a workflow, or at one of its stages, until it is resumed.
//!
//! What is there can be looked at, given back, cancelled and talked about. Runs of the agent
//! that wait go on waiting; those at work finish.

use audit::AuditEvent;
use events::Once;
use permissions::{Admitted, Grant, Permission, WorkflowsManage};
use primitives::{Checked, InvalidArgs, Timestamp, WorkflowId};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::workflows::{NOT_FOUND, gone_or};
use super::{Etag, Workflows, expect_version, remember, replayed};
use crate::WorkflowError;
use crate::model::{Pauses, Settings, StageId, Workflow};
use crate::store::WorkflowTx;

/// What to pause or resume, as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PauseInput {
    /// One stage by id; the whole workflow without one.
    pub stage: Option<StageId>,
    pub etag: Etag,
}

impl Workflows {
    /// Pauses a workflow, or one stage of its newest revision. Items at a stage of this id wait
    /// whatever revision they are on.
    #[tracing::instrument(
        name = "workflows.pause",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn pause(
        &self,
        grant: &Grant<WorkflowsManage>,
        id: WorkflowId,
        input: Checked<PauseInput>,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        let (mut tx, row, answer) = self.hold_live(grant, id, once).await?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
        let PauseInput { stage, etag } = input?;
        if stage.as_ref().is_some_and(|stage| row.definition.stage(stage).is_none()) {
            let help = "the newest revision has no such stage";
            return Err(InvalidArgs::new("stage_id", help).into());
        }
        expect_version(etag, row.version)?;
        let now = self.clock.now();
        let pauses = paused(row.settings.pauses.clone(), stage.clone(), now)?;
        let change = Settled { action: "workflow.paused", stage, pauses, now };
        let paused = settle(tx.as_mut(), grant, &row, change).await?;
        remember(tx.as_mut(), once, &paused, now).await?;
        tx.commit().await?;
        Ok(paused)
    }

    /// Ends a pause. Runs that waited have their whole time before them again.
    #[tracing::instrument(
        name = "workflows.resume",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn resume(
        &self,
        grant: &Grant<WorkflowsManage>,
        id: WorkflowId,
        input: Checked<PauseInput>,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        let (mut tx, row, answer) = self.hold_live(grant, id, once).await?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
        let PauseInput { stage, etag } = input?;
        expect_version(etag, row.version)?;
        let now = self.clock.now();
        let pauses = resumed(row.settings.pauses.clone(), stage.as_ref())?;
        let change = Settled { action: "workflow.resumed", stage, pauses, now };
        let resumed = settle(tx.as_mut(), grant, &row, change).await?;
        tx.restart_waiting_runs(row.tenant, id).await?;
        remember(tx.as_mut(), once, &resumed, now).await?;
        tx.commit().await?;
        Ok(resumed)
    }

    /// Holds a workflow that is in use, or has the answer of an earlier attempt.
    pub(super) async fn hold_live<P: Permission, T: DeserializeOwned>(
        &self,
        grant: &Grant<P>,
        id: WorkflowId,
        once: Option<&Once>,
    ) -> Result<Held<P, T>, WorkflowError> {
        let mut tx = self.store.begin(&grant.scope()).await?;
        let row = self.visible(tx.as_mut(), grant, id).await?;
        let is_gone = row.deleted_at.is_some();
        let row = grant.admit(row).map_err(|denied| gone_or(is_gone, denied))?;
        let answer = replayed(tx.as_mut(), once).await?;
        if is_gone && answer.is_none() {
            return Err(NOT_FOUND);
        }
        Ok((tx, row, answer))
    }
}

type Held<P, T> = (Box<dyn WorkflowTx>, Admitted<P, Workflow>, Option<T>);

struct Settled {
    action: &'static str,
    stage: Option<StageId>,
    pauses: Pauses,
    now: Timestamp,
}

/// Saves and records other pauses.
async fn settle(
    tx: &mut dyn WorkflowTx,
    grant: &Grant<WorkflowsManage>,
    row: &Admitted<WorkflowsManage, Workflow>,
    change: Settled,
) -> Result<Workflow, WorkflowError> {
    let Settled { action, stage, pauses, now } = change;
    let settings = Settings { pauses, ..row.settings.clone() };
    let changed = Workflow { settings, updated_at: now, ..Workflow::clone(row) };
    tx.save_workflow(&row.save_as(changed.clone())).await?;
    let event = AuditEvent::by(grant, now, row.tenant, action, row.id);
    tx.record(vec![event.with(json!({ "stage": stage }))]).await?;
    Ok(Workflow { version: row.version + 1, ..changed })
}

fn paused(
    mut pauses: Pauses,
    stage: Option<StageId>,
    now: Timestamp,
) -> Result<Pauses, WorkflowError> {
    match stage {
        None if pauses.since.is_some() => Err(workflow_paused()),
        None => Ok(Pauses { since: Some(now), ..pauses }),
        Some(stage) if pauses.stages.contains(&stage) => Err(stage_paused()),
        Some(stage) => {
            pauses.stages.push(stage);
            Ok(pauses)
        }
    }
}

fn resumed(mut pauses: Pauses, stage: Option<&StageId>) -> Result<Pauses, WorkflowError> {
    let before = pauses.clone();
    match stage {
        None => pauses.since = None,
        Some(stage) => pauses.stages.retain(|paused| paused != stage),
    }
    if pauses == before {
        let message = "there is no such pause";
        return Err(WorkflowError::wrong_state("WORKFLOW_NOT_PAUSED", message));
    }
    Ok(pauses)
}

/// Refuses a new item.
pub(super) fn refuse_new_items(pauses: &Pauses) -> Result<(), WorkflowError> {
    if pauses.since.is_some() { Err(workflow_paused()) } else { Ok(()) }
}

/// Refuses work at a stage.
pub(super) fn refuse_work(pauses: &Pauses, stage: &StageId) -> Result<(), WorkflowError> {
    refuse_new_items(pauses)?;
    if pauses.stages.contains(stage) { Err(stage_paused()) } else { Ok(()) }
}

fn workflow_paused() -> WorkflowError {
    WorkflowError::wrong_state("WORKFLOW_PAUSED", "the workflow is paused")
}

fn stage_paused() -> WorkflowError {
    WorkflowError::wrong_state("STAGE_PAUSED", "the stage is paused")
}

#[cfg(test)]
mod tests {
    use primitives::Classify as _;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(7);

    fn stage(id: &str) -> StageId {
        StageId(id.into())
    }

    #[test]
    fn a_stage_and_the_whole_are_paused_apart() {
        let both = paused(Pauses::default(), Some(stage("a")), NOW).unwrap();
        let both = paused(both, None, NOW).unwrap();
        assert_eq!(refuse_work(&both, &stage("b")).unwrap_err().reason(), "WORKFLOW_PAUSED");
        let one = resumed(both, None).unwrap();
        assert_eq!(refuse_work(&one, &stage("a")).unwrap_err().reason(), "STAGE_PAUSED");
        assert!(refuse_work(&one, &stage("b")).is_ok() && refuse_new_items(&one).is_ok());
        assert_eq!(resumed(one, Some(&stage("a"))).unwrap(), Pauses::default());
    }

    #[test]
    fn what_is_paused_is_not_paused_again_and_else_there_is_nothing_to_resume() {
        let whole = paused(Pauses::default(), None, NOW).unwrap();
        assert_eq!(paused(whole.clone(), None, NOW).unwrap_err().reason(), "WORKFLOW_PAUSED");
        let with = paused(whole, Some(stage("a")), NOW).unwrap();
        assert_eq!(
            paused(with.clone(), Some(stage("a")), NOW).unwrap_err().reason(),
            "STAGE_PAUSED"
        );
        let nothing = resumed(with, Some(&stage("b"))).unwrap_err();
        assert_eq!(nothing.reason(), "WORKFLOW_NOT_PAUSED");
        assert!(resumed(Pauses::default(), None).is_err());
    }
}
