//! What a workflow owes the agent when an item enters an agent stage.

use primitives::{RepositoryId, RunId, Tenant, Timestamp, UserId, VisitId, WorkItemId};
use serde::{Deserialize, Serialize};

use crate::Cause;

/// A queued assist run, inserted by the workflow's own transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOrder {
    /// The run to be.
    pub run: RunId,
    /// The item's owner.
    pub tenant: Tenant,
    /// The accountable human: who moved the item, or caused the root event.
    pub principal: UserId,
    /// The item.
    pub work_item: WorkItemId,
    /// The stage entered.
    pub stage_id: String,
    /// This very stay in the stage: a result for another stay is superseded.
    pub visit: VisitId,
    /// The item's repository.
    pub repository: Option<RepositoryId>,
    /// The chain that led here, for items made by triggers.
    pub cause: Option<Cause>,
    /// When.
    pub time: Timestamp,
}
