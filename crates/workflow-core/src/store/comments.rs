//! Comments on items.

use async_trait::async_trait;
use permissions::{Cleared, Scope, Visible};
use primitives::{CommentId, Page, PageRequest, WorkItemId};

use crate::StoreError;
use crate::model::Comment;

/// Reads comments.
#[async_trait]
pub trait CommentStore: Send + Sync {
    /// Comments on an item that the scope sees, oldest first, deleted ones included.
    async fn list_comments(
        &self,
        scope: &Scope,
        item: WorkItemId,
        page: PageRequest,
    ) -> Result<Page<Visible<Comment>>, StoreError>;
}

/// Writes comments.
#[async_trait]
pub trait CommentTx: Send {
    /// Loads a comment the scope can see (deleted ones included) and holds it until the end.
    async fn lock_comment(
        &mut self,
        scope: &Scope,
        id: CommentId,
    ) -> Result<Option<Visible<Comment>>, StoreError>;

    async fn insert_comment(&mut self, comment: &Cleared<Comment>) -> Result<(), StoreError>;

    /// Saves text, times and version, if the version is unchanged ([`StoreError::Stale`]).
    async fn save_comment(&mut self, comment: &Cleared<Comment>) -> Result<(), StoreError>;
}
