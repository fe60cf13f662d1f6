//! Comments on items: the port, its statements and its rows.

use async_trait::async_trait;
use permissions::{Cleared, Scope, Visible};
use primitives::{CommentId, Page, PageAfter, PageRequest, Timestamp, UserId, WorkItemId};
use sea_orm::sea_query::{Expr, Query, SelectStatement, UpdateStatement};
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryTrait};
use uuid::Uuid;
use workflow_core::StoreError;
use workflow_core::model::Comment;
use workflow_core::store::{CommentStore, CommentTx};

use crate::fault::Result;
use crate::row::comment::item_comment;
use crate::row::{insert, micros, tenant, time};
use crate::visibility::{Direction, column, owned, page, seen, show, show_page};
use crate::{Storage, Tx};

type Answer<T> = std::result::Result<T, StoreError>;

const TABLE: &str = "item_comment";

fn comment(row: item_comment::Model) -> Result<Comment> {
    Ok(Comment {
        id: CommentId::from_uuid(row.id),
        tenant: tenant(&row.tenant_kind, row.tenant_id)?,
        item: WorkItemId::from_uuid(row.work_item_id),
        author: UserId::from_uuid(row.author_id),
        text: row.body,
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
        deleted_at: time(row.deleted_at),
        version: row.version,
    })
}

fn comment_row(comment: &Comment) -> item_comment::Model {
    item_comment::Model {
        id: comment.id.as_uuid(),
        tenant_kind: comment.tenant.kind().as_str().into(),
        tenant_id: comment.tenant.id(),
        work_item_id: comment.item.as_uuid(),
        author_id: comment.author.as_uuid(),
        body: comment.text.clone(),
        created_at: comment.created_at.as_micros(),
        updated_at: comment.updated_at.as_micros(),
        deleted_at: micros(comment.deleted_at),
        version: comment.version,
    }
}

fn comments(scope: &Scope) -> SelectStatement {
    item_comment::Entity::find().into_query().cond_where(seen(TABLE, scope)).to_owned()
}

fn one_comment(scope: &Scope, id: Uuid) -> SelectStatement {
    comments(scope).and_where(column(TABLE, "id").eq(id)).to_owned()
}

fn comment_page(scope: &Scope, item: Uuid, request: PageRequest) -> SelectStatement {
    let mut select = comments(scope);
    select.and_where(column(TABLE, "work_item_id").eq(item));
    page(&mut select, TABLE, "created_at", Direction::OldestFirst, request);
    select
}

/// If its version is still the one it was read at; the update raises it.
fn comment_update(comment: &Comment) -> UpdateStatement {
    Query::update()
        .table(TABLE)
        .value("version", Expr::col("version").add(1))
        .value("body", comment.text.as_str())
        .value("updated_at", comment.updated_at.as_micros())
        .value("deleted_at", micros(comment.deleted_at))
        .and_where(owned(TABLE, comment.tenant))
        .and_where(column(TABLE, "id").eq(comment.id.as_uuid()))
        .and_where(column(TABLE, "version").eq(comment.version))
        .to_owned()
}

impl Storage {
    async fn comments_of(
        &self,
        scope: &Scope,
        item: WorkItemId,
        request: PageRequest,
    ) -> Result<Page<Visible<Comment>>> {
        let read = self.read(scope).await?;
        let rows = read.rows().query_all(&comment_page(scope, item.as_uuid(), request)).await?;
        let place = |c: &Comment| PageAfter { key: c.created_at.as_micros(), id: c.id.as_uuid() };
        show_page(scope, rows, request.size, place, comment)
    }
}

impl Tx {
    async fn hold_comment(&self, scope: &Scope, id: CommentId) -> Result<Option<Visible<Comment>>> {
        let mut select = one_comment(scope, id.as_uuid());
        self.storage.dialect().lock_rows(&mut select, TABLE);
        let Some(row) = self.open.query_one(&select).await? else { return Ok(None) };
        let row = item_comment::Model::from_query_result(&row, "")?;
        Ok(show(scope, comment(row)?))
    }
}

#[async_trait]
impl CommentStore for Storage {
    async fn list_comments(
        &self,
        scope: &Scope,
        item: WorkItemId,
        page: PageRequest,
    ) -> Answer<Page<Visible<Comment>>> {
        Ok(self.comments_of(scope, item, page).await?)
    }
}

#[async_trait]
impl CommentTx for Tx {
    async fn lock_comment(
        &mut self,
        scope: &Scope,
        id: CommentId,
    ) -> Answer<Option<Visible<Comment>>> {
        Ok(self.hold_comment(scope, id).await?)
    }

    async fn insert_comment(&mut self, comment: &Cleared<Comment>) -> Answer<()> {
        Ok(self.run_one(&insert(vec![comment_row(comment)])).await?)
    }

    async fn save_comment(&mut self, comment: &Cleared<Comment>) -> Answer<()> {
        Ok(self.run_one(&comment_update(comment)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visibility::tests::{scope, sql};

    #[tokio::test]
    async fn comments_are_read_in_scope() {
        let (scope, id) = (scope().await, Uuid::from_u128(1));
        insta::assert_snapshot!("one_comment", sql(&one_comment(&scope, id)));
        let page = comment_page(&scope, id, PageRequest::first());
        insta::assert_snapshot!("comment_page", sql(&page));
    }
}
