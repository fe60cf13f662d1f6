//! Workflows, items and their figures: the port of `workflow-core`.

mod batches;
mod behind;
mod comment;
mod convert;
mod definitions;
mod figures;
mod held;
mod items;
mod ledger;
mod lock;
mod query;
mod queues;
mod resolve;
mod revisions;
mod runs;
mod save;
mod snapshot;
mod stars;
mod transfer;
mod trigger;
mod turns;
mod visit;
mod waiting;

pub(crate) use definitions::Definitions;

use async_trait::async_trait;
use events::EventRecord;
use permissions::{Scope, Visible};
use primitives::{Page, PageAfter, PageRequest, TemplateId, Timestamp, WorkItemId, WorkflowId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;
use workflow_core::StoreError;
use workflow_core::model::{
    Firing, LockedItem, Transition, TriggerMatch, Wanted, Workflow, WorkflowFigures,
};
use workflow_core::store::{ItemFilter, WorkflowFilter, WorkflowStore, WorkflowTx};

use crate::Storage;
use crate::fault::{Fault, Result};
use crate::row::item::transition;
use crate::row::workflows::trigger_firing;
use crate::visibility::{Direction, page, show, show_page};
use query::{ItemRow, WorkflowRow};

type Answer<T> = std::result::Result<T, StoreError>;

fn place(time: Timestamp, id: Uuid) -> PageAfter {
    PageAfter { key: time.as_micros(), id }
}

impl Storage {
    async fn workflow_row(
        &self,
        scope: &Scope,
        id: Uuid,
        template: bool,
    ) -> Result<Option<Visible<Workflow>>> {
        let read = self.read(scope).await?;
        let select = query::one_workflow(scope, id, Some(template));
        let Some(row) = read.rows().query_one(&select).await? else { return Ok(None) };
        let row = WorkflowRow::from_query_result(&row, "")?;
        Ok(show(scope, convert::workflow(row, self.definitions())?))
    }

    async fn workflow_page(
        &self,
        scope: &Scope,
        templates: bool,
        filter: &WorkflowFilter,
        request: PageRequest,
    ) -> Result<Page<Visible<Workflow>>> {
        let read = self.read(scope).await?;
        let select = query::workflow_page(scope, templates, filter, request);
        let rows = read.rows().query_all(&select).await?;
        show_page(
            scope,
            rows,
            request.size,
            |w: &Workflow| place(w.created_at, w.id.as_uuid()),
            |row| convert::workflow(row, self.definitions()),
        )
    }

    async fn item_row(&self, scope: &Scope, id: WorkItemId) -> Result<Option<Visible<LockedItem>>> {
        let read = self.read(scope).await?;
        let select = query::one_item(scope, id.as_uuid());
        let Some(row) = read.rows().query_one(&select).await? else { return Ok(None) };
        let item = ItemRow::from_query_result(&row, "")?;
        let text: Option<String> = row.try_get("", "definition")?;
        let text = text.ok_or_else(|| Fault::Internal("an item has no definition".into()))?;
        let definition =
            self.definitions().parsed(item.item.workflow_id, item.item.revision, &text)?;
        Ok(show(scope, convert::item(item, definition)?))
    }

    async fn item_page(
        &self,
        scope: &Scope,
        filter: &ItemFilter,
        request: PageRequest,
    ) -> Result<Page<Visible<LockedItem>>> {
        let read = self.read(scope).await?;
        let select = query::item_page(scope, filter, request);
        let rows = read.rows().query_all(&select).await?;
        let rows = rows
            .iter()
            .map(|row| Ok(ItemRow::from_query_result(row, "")?))
            .collect::<Result<Vec<_>>>()?;
        let pinned = self.pinned_definitions(&read, scope, &rows).await?;
        let items = rows
            .into_iter()
            .map(|row| {
                let definition = pinned
                    .get(&(row.item.workflow_id, row.item.revision))
                    .ok_or_else(|| Fault::Internal("an item has no definition".into()))?;
                convert::item(row, definition.clone())
            })
            .collect::<Result<Vec<_>>>()?;
        let page =
            Page::cut(items, request.size, |row| place(row.item.created_at, row.item.id.as_uuid()));
        Ok(Page {
            items: page.items.into_iter().filter_map(|row| show(scope, row)).collect(),
            next: page.next,
        })
    }

    async fn transition_page(
        &self,
        scope: &Scope,
        item: WorkItemId,
        request: PageRequest,
    ) -> Result<Page<Visible<Transition>>> {
        let read = self.read(scope).await?;
        let mut select = query::transitions(scope, item.as_uuid());
        page(&mut select, "transition", "moved_at", Direction::OldestFirst, request);
        let rows = read.rows().query_all(&select).await?;
        show_page::<transition::Model, _>(
            scope,
            rows,
            request.size,
            |t| place(t.time, t.id.as_uuid()),
            convert::transition,
        )
    }

    async fn firing_page(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        request: PageRequest,
    ) -> Result<Page<Visible<Firing>>> {
        let read = self.read(scope).await?;
        let mut select = query::firings(scope, workflow.as_uuid());
        page(&mut select, "trigger_firing", "fired_at", Direction::NewestFirst, request);
        let rows = read.rows().query_all(&select).await?;
        show_page::<trigger_firing::Model, _>(
            scope,
            rows,
            request.size,
            |f| place(f.time, f.id.as_uuid()),
            convert::firing,
        )
    }
}

#[async_trait]
impl WorkflowStore for Storage {
    async fn begin(&self, scope: &Scope) -> Answer<Box<dyn WorkflowTx>> {
        Ok(Box::new(self.begin_in(scope).await?))
    }

    async fn get_workflow(
        &self,
        scope: &Scope,
        id: WorkflowId,
    ) -> Answer<Option<Visible<Workflow>>> {
        Ok(self.workflow_row(scope, id.as_uuid(), false).await?)
    }

    async fn get_template(
        &self,
        scope: &Scope,
        id: TemplateId,
    ) -> Answer<Option<Visible<Workflow>>> {
        Ok(self.workflow_row(scope, id.as_uuid(), true).await?)
    }

    async fn list_workflows(
        &self,
        scope: &Scope,
        templates: bool,
        filter: &WorkflowFilter,
        page: PageRequest,
    ) -> Answer<Page<Visible<Workflow>>> {
        Ok(self.workflow_page(scope, templates, filter, page).await?)
    }

    async fn get_item(&self, scope: &Scope, id: WorkItemId) -> Answer<Option<Visible<LockedItem>>> {
        Ok(self.item_row(scope, id).await?)
    }

    async fn list_items(
        &self,
        scope: &Scope,
        filter: &ItemFilter,
        page: PageRequest,
    ) -> Answer<Page<Visible<LockedItem>>> {
        Ok(self.item_page(scope, filter, page).await?)
    }

    async fn list_transitions(
        &self,
        scope: &Scope,
        item: WorkItemId,
        page: PageRequest,
    ) -> Answer<Page<Visible<Transition>>> {
        Ok(self.transition_page(scope, item, page).await?)
    }

    async fn list_firings(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        page: PageRequest,
    ) -> Answer<Page<Visible<Firing>>> {
        Ok(self.firing_page(scope, workflow, page).await?)
    }

    async fn figures(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        wanted: &Wanted,
    ) -> Answer<WorkflowFigures> {
        Ok(self.figures_of(scope, workflow, wanted).await?)
    }

    async fn triggers_for(&self, event: &EventRecord, limit: usize) -> Answer<Vec<TriggerMatch>> {
        Ok(self.triggers_reached(event, limit).await?)
    }
}
