//! What people do to many items at once.

use api::workflow::{
    BatchCreateWorkItemsRequest, CreateWorkItemRequest, MigrateWorkItemsRequest,
    MigrateWorkItemsResponse, StageMapping, WorkItem,
};
use tonic::Status;

use super::person::Person;

type Answer<T> = Result<T, Status>;

/// A request for these items of one workflow.
pub fn batch(
    workflow: &str,
    items: impl IntoIterator<Item = WorkItem>,
) -> BatchCreateWorkItemsRequest {
    let one = |item| CreateWorkItemRequest { work_item: Some(item), ..Default::default() };
    BatchCreateWorkItemsRequest {
        parent: workflow.to_owned(),
        requests: items.into_iter().map(one).collect(),
        ..Default::default()
    }
}

/// A request to move a workflow's items to its newest revision.
pub fn migration(workflow: &str, mappings: &[(&str, &str)]) -> MigrateWorkItemsRequest {
    let mapping = |(from, to): &(&str, &str)| StageMapping {
        from_stage_id: (*from).to_owned(),
        to_stage_id: (*to).to_owned(),
    };
    MigrateWorkItemsRequest {
        name: workflow.to_owned(),
        stage_mappings: mappings.iter().map(mapping).collect(),
        ..Default::default()
    }
}

impl Person {
    /// Migrates one batch, or asks what that would come to.
    pub async fn migrates(
        &self,
        request: MigrateWorkItemsRequest,
    ) -> Answer<MigrateWorkItemsResponse> {
        Ok(self.workflows().migrate_work_items(request).await?.into_inner())
    }

    /// Makes items of one workflow, all of them or none.
    pub async fn creates_items(
        &self,
        workflow: &str,
        items: impl IntoIterator<Item = WorkItem>,
    ) -> Answer<Vec<WorkItem>> {
        self.creates_batch(batch(workflow, items)).await
    }

    pub async fn creates_batch(
        &self,
        request: BatchCreateWorkItemsRequest,
    ) -> Answer<Vec<WorkItem>> {
        let answer = self.items().batch_create_work_items(request).await;
        Ok(answer?.into_inner().work_items)
    }
}
