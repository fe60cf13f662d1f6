//! Queues: what waits for somebody, in the order in which it is to be taken up.

use permissions::{Grant, ItemsEdit, WorkflowsView};
use primitives::{Checked, Page, PageRequest, WorkflowId};

use super::item_rules::may_take_at;
use super::view::admitted;
use super::{ItemView, Items};
use crate::WorkflowError;
use crate::model::{Assignment, Stage, StageId};
use crate::store::Place;

/// Narrows a workflow's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueFilter<'a> {
    /// At this stage, in whatever revision.
    pub stage: Option<&'a StageId>,
    /// In the queue of this name.
    pub queue: Option<&'a str>,
}

fn feeds(stage: &Stage, queue: &str) -> bool {
    matches!(&stage.assignment, Assignment::Queue { name, .. } if name == queue)
}

impl Items {
    /// PENDING items of a workflow that wait for somebody like the caller: higher priorities
    /// first, then oldest first. `only` narrows that.
    #[tracing::instrument(
        name = "work_items.list_queue",
        skip_all,
        fields(workflow.id = %workflow, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn queue(
        &self,
        grant: &Grant<WorkflowsView>,
        workflow: WorkflowId,
        only: QueueFilter<'_>,
        page: Checked<PageRequest>,
    ) -> Result<Page<ItemView>, WorkflowError> {
        let (scope, caller) = (grant.scope(), grant.caller());
        let row = self.store.get_workflow(&scope, workflow).await?;
        let row = grant.admit(row.ok_or(WorkflowError::NotFound("WORKFLOW"))?)?;
        let page = page?;
        let nothing = Page { items: Vec::new(), next: None };
        if !caller.holds::<ItemsEdit>(row.tenant) {
            return Ok(nothing);
        }
        let waiting = self.store.waiting_places(&scope, workflow).await?;
        let is_mine = |place: &Place, definition: &crate::model::Definition| {
            only.stage.is_none_or(|stage| *stage == place.stage)
                && definition.stage(&place.stage).is_some_and(|stage| {
                    only.queue.is_none_or(|queue| feeds(stage, queue))
                        && may_take_at(caller, row.tenant, stage)
                })
        };
        let mine = waiting.into_iter().filter(|(place, definition)| is_mine(place, definition));
        let places: Vec<Place> = mine.map(|(place, _)| place).collect();
        if places.is_empty() {
            return Ok(nothing);
        }
        let page = self.store.list_queue(&scope, workflow, &places, page).await?;
        Ok(admitted(grant, page).map(ItemView::of))
    }

    /// What the caller is responsible for and has not finished, of all he sees.
    #[tracing::instrument(
        name = "work_items.list_my_work",
        skip_all,
        fields(user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn my_work(
        &self,
        grant: &Grant<WorkflowsView>,
        page: Checked<PageRequest>,
    ) -> Result<Page<ItemView>, WorkflowError> {
        let page = self.store.list_held(&grant.scope(), page?).await?;
        Ok(admitted(grant, page).map(ItemView::of))
    }

    /// What is open past its time, of all the caller sees.
    #[tracing::instrument(
        name = "work_items.list_overdue",
        skip_all,
        fields(user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn overdue(
        &self,
        grant: &Grant<WorkflowsView>,
        page: Checked<PageRequest>,
    ) -> Result<Page<ItemView>, WorkflowError> {
        let page = self.store.list_overdue(&grant.scope(), self.clock.now(), page?).await?;
        Ok(admitted(grant, page).map(ItemView::of))
    }
}
