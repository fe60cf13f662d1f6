//! A stage that the result of its run completes: `auto_advance`.
//!
//! The move is made on behalf of who started the run, who must still hold what a person needs
//! to complete the stage. An item that somebody has claimed, or that waits, or whose form is not
//! filled in, is left to people.

use permissions::{Grant, ItemsEdit};

use super::item_rules::{next_stage, onward, stage_of};
use super::{AssistRun, Items};
use crate::WorkflowError;
use crate::model::condition::{self, RunFacts};
use crate::model::{Change, ItemEvent, ItemState, Move, validate};

impl Items {
    /// Completes the stage of a run that has ended, if the stage asks for that and its condition
    /// holds. `false` when it did not; an item that has left that stay is not looked at.
    #[tracing::instrument(
        name = "assist.auto_advance",
        skip_all,
        fields(run.id = %run.run, work_item.id = %run.item, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn auto_advance(
        &self,
        grant: &Grant<ItemsEdit>,
        run: &AssistRun,
        facts: &RunFacts,
    ) -> Result<bool, WorkflowError> {
        let (tx, row) = self.hold(grant, run.item).await?;
        let item = &row.item;
        let stage = stage_of(&row)?;
        let Some(condition) = &stage.auto_advance else { return Ok(false) };
        let waits = item.state != ItemState::Pending || row.pauses.holds(&item.stage);
        if item.visit != run.visit || waits || !condition::advances(condition, item, facts) {
            return Ok(false);
        }
        let mut completed = item.clone();
        if let Some(form) = &stage.form {
            // What is asked there only people can say.
            let Ok(data) = validate::filled_in(form, item) else { return Ok(false) };
            completed.data = data;
        }
        let to = next_stage(&row, stage, &completed)?;
        let by = Move { to, ..self.moved_by(grant, condition.clone()) };
        let mut change = Change::decide(&row, ItemEvent::Advance(onward(to)), by)?;
        change.item.data = completed.data;
        self.finish(tx, grant, &row, change, "work_item.auto_advanced", None).await?;
        Ok(true)
    }
}
