//! What people say about items.

use permissions::Tenanted;
use primitives::{CommentId, Tenant, Timestamp, UserId, WorkItemId};
use serde::{Deserialize, Serialize};

use super::Etag;

/// Something that somebody said about an item. It belongs to the item's owner, so that it is
/// visible exactly with the item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    pub id: CommentId,
    pub tenant: Tenant,
    pub item: WorkItemId,
    pub author: UserId,
    /// Empty exactly when it is deleted.
    pub text: String,
    pub created_at: Timestamp,
    /// When its text last changed.
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    /// Optimistic lock; the `etag` on the wire.
    pub version: i64,
}

impl Tenanted for Comment {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}

/// Another text for a comment, as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommentChange {
    pub text: String,
    /// Required: `None` is refused.
    pub etag: Etag,
    /// Check everything, store nothing.
    pub validate_only: bool,
}
