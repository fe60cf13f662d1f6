//! What is done to many items of one workflow at once.

use std::sync::Arc;

use async_trait::async_trait;
use events::RunOrder;
use permissions::Scope;
use primitives::{PageRequest, WorkflowId};
use sea_orm::ExprTrait;
use sea_orm::sea_query::{Query, UpdateStatement};
use workflow_core::StoreError;
use workflow_core::model::{Definition, WorkItem};
use workflow_core::store::{BatchTx, Gathered, HeldPage, NewItem};

use super::convert;
use crate::Tx;
use crate::fault::Result;
use crate::row::insert;
use crate::tx::Write;
use crate::visibility::{column, owned};

type Answer<T> = std::result::Result<T, StoreError>;

/// Gives the held workflow's next numbers away, up to the last item's.
fn numbers_given(first: &WorkItem, last: &WorkItem) -> UpdateStatement {
    Query::update()
        .table("workflow")
        .value("last_number", last.number)
        .and_where(owned("workflow", first.tenant))
        .and_where(column("workflow", "id").eq(first.workflow.as_uuid()))
        .and_where(column("workflow", "last_number").eq(first.number - 1))
        .to_owned()
}

impl Tx {
    async fn add_items(&mut self, items: &[NewItem<'_>]) -> Result<()> {
        let (Some(begin), Some(end)) = (items.first(), items.last()) else { return Ok(()) };
        let number = items.len();
        let rows = items.iter().map(|new| convert::item_row(new.item)).collect::<Result<_>>()?;
        let moves =
            items.iter().map(|new| convert::transition_row(new.first)).collect::<Result<_>>()?;
        let stays = items.iter().map(|new| convert::visit_row(new.visit)).collect();
        let mut writes = vec![
            Write::new(insert::<crate::row::item::work_item::Model>(rows), number),
            Write::new(insert::<crate::row::item::transition::Model>(moves), number),
            Write::new(insert::<crate::row::item::stage_visit::Model>(stays), number),
        ];
        if begin.item.number > 0 {
            writes.push(Write::new(numbers_given(begin.item, end.item), 1));
        }
        self.write_all(writes).await
    }
}

#[async_trait]
impl BatchTx for Tx {
    async fn insert_items(&mut self, items: &[NewItem<'_>]) -> Answer<()> {
        Ok(self.add_items(items).await?)
    }

    async fn order_runs(&mut self, orders: &[RunOrder]) -> Answer<()> {
        Ok(self.queue_runs(orders).await?)
    }

    async fn items_behind(
        &mut self,
        scope: &Scope,
        workflow: WorkflowId,
        revision: i64,
    ) -> Answer<Vec<(Gathered, Arc<Definition>)>> {
        Ok(self.count_behind(scope, workflow.as_uuid(), revision).await?)
    }

    async fn hold_items_behind(
        &mut self,
        scope: &Scope,
        workflow: WorkflowId,
        revision: i64,
        page: PageRequest,
    ) -> Answer<HeldPage> {
        Ok(self.hold_behind(scope, workflow.as_uuid(), revision, page).await?)
    }
}
