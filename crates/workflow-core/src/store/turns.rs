//! Whose turn it is at a stage where people take turns.
//!
//! **Invariant:** between looking who had the last turn and giving the next one, nobody else
//! looks.

use std::collections::BTreeMap;

use async_trait::async_trait;
use permissions::Cleared;
use primitives::{Tenant, UserId, WorkflowId};

use crate::StoreError;
use crate::model::{StageId, WorkItem};

/// What decides whose turn it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// Who had the last one.
    pub last: Option<UserId>,
    /// Items in hand at the stage, as [`InHand`](super::InHand) counts them, by person.
    pub in_hand: BTreeMap<UserId, u64>,
}

/// Turns, as a transaction sees them.
#[async_trait]
pub trait TurnTx: Send {
    /// How turns stand at a stage. Whoever asks the same, or for what is in hand, of the same
    /// stage waits until this transaction is over.
    async fn turns(
        &mut self,
        tenant: Tenant,
        workflow: WorkflowId,
        stage: &StageId,
    ) -> Result<Turns, StoreError>;

    /// Writes down that the assignee of a held item had the last turn at the item's stage.
    async fn give_turn(&mut self, item: &Cleared<WorkItem>) -> Result<(), StoreError>;
}
