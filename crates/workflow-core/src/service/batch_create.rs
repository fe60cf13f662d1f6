//! Many new items at once: all of them, or none.

use events::Once;
use permissions::{Admitted, Grant, ItemsCreate};
use primitives::{Checked, RepositoryId, WorkItemId, WorkflowId};
use serde::de::DeserializeOwned;

use super::create_item::insert_asked;
use super::turns::Arrival;
use super::waiting::refuse_unknown;
use super::workflows::{NOT_FOUND, gone_or};
use super::{ItemInput, ItemView, Items, remember, replayed};
use crate::WorkflowError;
use crate::model::{Workflow, validate};
use crate::store::WorkflowTx;

/// A workflow held for new items, or the answer of an earlier attempt.
type Held<T> = (Box<dyn WorkflowTx>, Admitted<ItemsCreate, Workflow>, Option<T>);

impl Items {
    /// Puts new items at the first stage of the workflow's newest revision, in this order.
    ///
    /// `repositories` and `blockers` are what the call names, known also when its input is wrong.
    #[tracing::instrument(
        name = "work_items.batch_create",
        skip_all,
        fields(workflow.id = %workflow, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn batch_create(
        &self,
        grant: &Grant<ItemsCreate>,
        workflow: WorkflowId,
        repositories: &[RepositoryId],
        blockers: &[WorkItemId],
        inputs: Checked<Vec<ItemInput>>,
        once: Option<&Once>,
    ) -> Result<Vec<ItemView>, WorkflowError> {
        let held = self.hold_for_new(grant, workflow, repositories, blockers, once).await?;
        let (mut tx, row, answer) = held;
        if let Some(answer) = answer {
            return Ok(answer);
        }
        let inputs = validate::items(inputs?)?;
        let now = self.clock.now();
        let arrival = Arrival { caller: grant.caller(), authorizer: &self.authorizer, now };
        let views = Box::pin(insert_asked(tx.as_mut(), &arrival, &row, inputs)).await?;
        remember(tx.as_mut(), once, &views, now).await?;
        tx.commit().await?;
        Ok(views)
    }

    /// Holds a workflow that is in use and in which the caller may make items that name these
    /// things.
    pub(super) async fn hold_for_new<T: DeserializeOwned>(
        &self,
        grant: &Grant<ItemsCreate>,
        workflow: WorkflowId,
        repositories: &[RepositoryId],
        blockers: &[WorkItemId],
        once: Option<&Once>,
    ) -> Result<Held<T>, WorkflowError> {
        let scope = grant.scope();
        let mut tx = self.store.begin(&scope).await?;
        let row = tx.lock_workflow(&scope, workflow).await?;
        let row = row.filter(|row| !row.is_template).ok_or(NOT_FOUND)?;
        for repository in distinct(repositories) {
            if !tx.resolve(&scope, Some(repository), &[]).await?.repository {
                return Err(WorkflowError::NotFound("REPOSITORY"));
            }
        }
        let is_gone = row.deleted_at.is_some();
        for named in distinct(blockers).chunks(NAMED) {
            refuse_unknown(tx.as_mut(), row.tenant, named).await?;
        }
        let row = grant.admit(row).map_err(|denied| gone_or(is_gone, denied))?;
        let answer = replayed(tx.as_mut(), once).await?;
        // Only now: the retry of the call that made the items has its answer.
        if is_gone && answer.is_none() {
            return Err(NOT_FOUND);
        }
        Ok((tx, row, answer))
    }
}

/// Items looked for in one statement.
const NAMED: usize = 1_000;

fn distinct<T: Copy + Ord>(named: &[T]) -> Vec<T> {
    let mut named = named.to_vec();
    named.sort_unstable();
    named.dedup();
    named
}
