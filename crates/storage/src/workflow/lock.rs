//! Rows read to be changed, held until the end of the transaction.

use permissions::{Scope, Visible};
use primitives::{WorkItemId, WorkflowId};
use sea_orm::sea_query::SelectStatement;
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use workflow_core::model::{LockedItem, Workflow};

use super::query::{ItemRow, WorkflowRow};
use super::{convert, query};
use crate::Tx;
use crate::fault::{Fault, Result};
use crate::visibility::show;

impl Tx {
    /// Reads one row and holds it. When the statement had to wait for the row, what it joined
    /// is older than the row itself: then it is read once more, now that it is held.
    async fn read_locked<T>(
        &self,
        mut select: SelectStatement,
        table: &'static str,
        read: impl Fn(&QueryResult) -> Result<(T, i64)>,
    ) -> Result<Option<T>> {
        query::add_seen_version(&mut select, table);
        self.storage.dialect().lock_rows(&mut select, table);
        for _ in 0..2 {
            let Some(row) = self.open.query_one(&select).await? else { return Ok(None) };
            let definition: Option<String> = row.try_get("", "definition")?;
            let (value, version) = read(&row)?;
            let seen: Option<i64> = row.try_get("", "seen_version")?;
            if seen == Some(version) && definition.is_some() {
                return Ok(Some(value));
            }
        }
        Err(Fault::Stale)
    }

    pub(super) async fn hold_item(
        &self,
        scope: &Scope,
        id: WorkItemId,
    ) -> Result<Option<Visible<LockedItem>>> {
        let select = query::one_item(scope, id.as_uuid());
        let found = self
            .read_locked(select, "work_item", |row| {
                let item = ItemRow::from_query_result(row, "")?;
                let text: Option<String> = row.try_get("", "definition")?;
                let version = item.item.version;
                Ok(((item, text), version))
            })
            .await?;
        let Some((row, Some(text))) = found else { return Ok(None) };
        let definitions = self.storage.definitions();
        let definition = definitions.parsed(row.item.workflow_id, row.item.revision, &text)?;
        Ok(show(scope, convert::item(row, definition)?))
    }

    pub(super) async fn hold_workflow(
        &self,
        scope: &Scope,
        id: WorkflowId,
    ) -> Result<Option<Visible<Workflow>>> {
        let select = query::one_workflow(scope, id.as_uuid(), None);
        let found = self
            .read_locked(select, "workflow", |row| {
                let row = WorkflowRow::from_query_result(row, "")?;
                let version = row.workflow.version;
                Ok((row, version))
            })
            .await?;
        let Some(row) = found else { return Ok(None) };
        Ok(show(scope, convert::workflow(row, self.storage.definitions())?))
    }
}
