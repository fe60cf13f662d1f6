//! Several statements about one workflow, all of one moment.
//!
//! **Invariant:** what is read here belongs to a workflow that the scope sees, and to its
//! owner: both are bound into every statement, as `$1`, `$2` and `$3`.

use permissions::Scope;
use primitives::WorkflowId;
use sea_orm::sea_query::{Query, SelectStatement, Value};
use sea_orm::{ConnectionTrait, ExprTrait, FromQueryResult, Statement};
use uuid::Uuid;

use crate::Storage;
use crate::fault::Result;
use crate::tx::Read;
use crate::visibility::{column, seen};

/// One workflow at one moment.
pub(super) struct Snapshot {
    read: Read,
    storage: Storage,
    /// The owner's kind and id, and the workflow's id.
    place: [Value; 3],
}

fn place_of(scope: &Scope, workflow: Uuid) -> SelectStatement {
    Query::select()
        .exprs(["tenant_kind", "tenant_id"].map(|name| column("workflow", name)))
        .from("workflow")
        .cond_where(seen("workflow", scope))
        .and_where(column("workflow", "id").eq(workflow))
        .to_owned()
}

impl Snapshot {
    /// `None` when the scope does not see the workflow.
    pub(super) async fn of(
        storage: &Storage,
        scope: &Scope,
        workflow: WorkflowId,
    ) -> Result<Option<Self>> {
        let read = storage.snapshot(scope).await?;
        let id = workflow.as_uuid();
        let Some(row) = read.rows().query_one(&place_of(scope, id)).await? else {
            return Ok(None);
        };
        let kind: String = row.try_get("", "tenant_kind")?;
        let tenant: Uuid = row.try_get("", "tenant_id")?;
        let place = [kind.into(), tenant.into(), id.into()];
        Ok(Some(Self { read, storage: storage.clone(), place }))
    }

    /// Rows of a statement of ours; `more` is bound from `$4` on.
    pub(super) async fn rows<R: FromQueryResult>(
        &self,
        sql: &str,
        more: impl IntoIterator<Item = i64>,
    ) -> Result<Vec<R>> {
        let values = self.place.iter().cloned().chain(more.into_iter().map(Value::from));
        let backend = self.storage.dialect().backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let rows = self.read.rows().query_all_raw(statement).await?;
        rows.iter().map(|row| Ok(R::from_query_result(row, "")?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visibility::tests::{scope, sql};

    #[tokio::test]
    async fn a_workflow_is_sought_in_scope() {
        insta::assert_snapshot!("place_of", sql(&place_of(&scope().await, Uuid::from_u128(1))));
    }
}
