//! Items that somebody answers for, whoever owns them.
//!
//! **Invariant:** looking across owners tells names and owners only. What is done about an item
//! happens in the scope of its owner.

use async_trait::async_trait;
use primitives::{Tenant, Timestamp, UserId, WorkItemId};

use crate::StoreError;

/// Whose items, and which part of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBy {
    /// Their assignee.
    pub user: UserId,
    /// Of this owner only; of all without one.
    pub within: Option<Tenant>,
    /// Claimed at this time or before.
    pub until: Timestamp,
    /// The last one seen.
    pub after: Option<WorkItemId>,
    /// At most so many.
    pub limit: u32,
}

/// An item, as far as one must know it to take it from somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldItem {
    pub id: WorkItemId,
    pub tenant: Tenant,
}

/// The way to items that somebody holds.
#[async_trait]
pub trait HeldItems: Send + Sync {
    /// CLAIMED, IN_PROGRESS and BLOCKED items with this assignee, by id.
    async fn held_items(&self, held: &HeldBy) -> Result<Vec<HeldItem>, StoreError>;
}
