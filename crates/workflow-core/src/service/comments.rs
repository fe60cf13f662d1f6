//! Comments on items: what people say, and what they take back.
//!
//! **Invariant:** a text is stored in its comment and nowhere else. Neither the audit trail
//! nor a remembered answer holds it, so that nothing of a deleted comment's text remains.

use audit::AuditEvent;
use events::Once;
use permissions::{Admitted, Grant, ItemsEdit, WorkflowsView};
use primitives::{Checked, CommentId, InvalidArgs, Page, PageRequest, Timestamp, WorkItemId};
use serde_json::json;

use super::items::NOT_FOUND as ITEM_NOT_FOUND;
use super::view::admitted;
use super::{Etag, Items, expect_version, remember, replayed};
use crate::WorkflowError;
use crate::model::{Comment, CommentChange, validate};
use crate::store::WorkflowTx;

const NOT_FOUND: WorkflowError = WorkflowError::NotFound("COMMENT");

/// Comments on items.
#[derive(Clone)]
pub struct Comments {
    items: Items,
}

impl Comments {
    pub fn new(items: Items) -> Self {
        Self { items }
    }

    /// Says something about an item, open or closed.
    #[tracing::instrument(
        name = "comments.add",
        skip_all,
        fields(work_item.id = %item, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn add(
        &self,
        grant: &Grant<ItemsEdit>,
        item: WorkItemId,
        text: Checked<String>,
        once: Option<&Once>,
    ) -> Result<Comment, WorkflowError> {
        let (mut tx, row) = self.items.hold(grant, item).await?;
        let first = replayed(tx.as_mut(), once).await?;
        let text = validate::comment(&text?)?;
        if let Some(first) = first {
            return Ok(Comment { text, ..first });
        }
        let now = self.items.clock.now();
        let comment = Comment {
            id: CommentId::generate(),
            tenant: row.item.tenant,
            item,
            author: grant.user(),
            text,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            version: 1,
        };
        tx.insert_comment(&row.save_as(comment.clone())).await?;
        conclude(tx, grant, &comment, "work_item.commented", once, now).await?;
        Ok(comment)
    }

    /// What was said about an item, oldest first; deleted comments keep their places.
    #[tracing::instrument(
        name = "comments.list",
        skip_all,
        fields(work_item.id = %item, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn list(
        &self,
        grant: &Grant<WorkflowsView>,
        item: WorkItemId,
        page: Checked<PageRequest>,
    ) -> Result<Page<Comment>, WorkflowError> {
        let scope = grant.scope();
        let store = &self.items.store;
        grant.admit(store.get_item(&scope, item).await?.ok_or(ITEM_NOT_FOUND)?)?;
        Ok(admitted(grant, store.list_comments(&scope, item, page?).await?))
    }

    /// Changes the text of one's own comment.
    #[tracing::instrument(
        name = "comments.update",
        skip_all,
        fields(comment.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn update(
        &self,
        grant: &Grant<ItemsEdit>,
        id: CommentId,
        change: Checked<CommentChange>,
        once: Option<&Once>,
    ) -> Result<Comment, WorkflowError> {
        let (mut tx, row) = self.hold(grant, id).await?;
        let first = replayed(tx.as_mut(), once).await?;
        if first.is_none() && row.deleted_at.is_some() {
            return Err(NOT_FOUND);
        }
        let change = change?;
        let text = validate::comment(&change.text)?;
        if let Some(first) = first {
            return Ok(Comment { text, ..first });
        }
        if change.etag.is_none() {
            let help = "is required: repeat the etag that was read";
            return Err(InvalidArgs::new("comment.etag", help).into());
        }
        expect_version(change.etag, row.version)?;
        refuse_others(grant, &row)?;
        let now = self.items.clock.now();
        let comment = Comment { text, updated_at: now, ..row.clone() };
        if change.validate_only {
            return Ok(comment);
        }
        let comment = save(tx.as_mut(), &row, comment).await?;
        conclude(tx, grant, &comment, "work_item.comment_updated", once, now).await?;
        Ok(comment)
    }

    /// Takes one's own comment back: its place stays, its text is gone.
    #[tracing::instrument(
        name = "comments.delete",
        skip_all,
        fields(comment.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn delete(
        &self,
        grant: &Grant<ItemsEdit>,
        id: CommentId,
        etag: Checked<Etag>,
        once: Option<&Once>,
    ) -> Result<Comment, WorkflowError> {
        let (mut tx, row) = self.hold(grant, id).await?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        if row.deleted_at.is_some() {
            return Err(NOT_FOUND);
        }
        expect_version(etag?, row.version)?;
        refuse_others(grant, &row)?;
        let now = self.items.clock.now();
        let comment = Comment { text: String::new(), deleted_at: Some(now), ..row.clone() };
        let comment = save(tx.as_mut(), &row, comment).await?;
        conclude(tx, grant, &comment, "work_item.comment_deleted", once, now).await?;
        Ok(comment)
    }

    /// Begins, and holds a comment on which the permission holds.
    async fn hold(
        &self,
        grant: &Grant<ItemsEdit>,
        id: CommentId,
    ) -> Result<(Box<dyn WorkflowTx>, Admitted<ItemsEdit, Comment>), WorkflowError> {
        let scope = grant.scope();
        let mut tx = self.items.store.begin(&scope).await?;
        let row = tx.lock_comment(&scope, id).await?.ok_or(NOT_FOUND)?;
        // What was taken back is there for nobody who would change it.
        let is_gone = row.deleted_at.is_some();
        let admitted = grant.admit(row);
        Ok((tx, admitted.map_err(|denied| if is_gone { NOT_FOUND } else { denied.into() })?))
    }
}

fn refuse_others(grant: &Grant<ItemsEdit>, row: &Comment) -> Result<(), WorkflowError> {
    if row.author == grant.user() {
        return Ok(());
    }
    Err(WorkflowError::wrong_state("NOT_AUTHOR", "only who wrote a comment can change it"))
}

/// Stores a changed comment; returns it as it is now.
async fn save(
    tx: &mut dyn WorkflowTx,
    row: &Admitted<ItemsEdit, Comment>,
    comment: Comment,
) -> Result<Comment, WorkflowError> {
    tx.save_comment(&row.save_as(comment.clone())).await?;
    Ok(Comment { version: row.version + 1, ..comment })
}

/// Records what was done, remembers the answer without its text, and commits. A repeated call
/// brings the text itself, letter for letter: another one would be refused.
async fn conclude(
    mut tx: Box<dyn WorkflowTx>,
    grant: &Grant<ItemsEdit>,
    comment: &Comment,
    action: &'static str,
    once: Option<&Once>,
    now: Timestamp,
) -> Result<(), WorkflowError> {
    let event = AuditEvent::by(grant, now, comment.tenant, action, comment.item);
    tx.record(vec![event.with(json!({ "comment": comment.id }))]).await?;
    let answer = Comment { text: String::new(), ..comment.clone() };
    remember(tx.as_mut(), once, &answer, now).await?;
    tx.commit().await?;
    Ok(())
}
