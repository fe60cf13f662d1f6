//! Many items in one call.

use api::workflow::{
    BatchCreateWorkItemsRequest, BatchCreateWorkItemsResponse, CreateWorkItemRequest,
    MigrateWorkItemsRequest, MigrateWorkItemsResponse,
};
use permissions::{Grant, ItemsCreate, WorkflowsManage};
use primitives::InvalidArgs;
use tonic::{Request, Response, Status};
use workflow_core::model::validate::BATCH;

use crate::call::{Call, Rpc};
use crate::convert::batch::{self, Named};
use crate::convert::{item, migration};

impl Rpc {
    pub(super) async fn create_batch(
        &self,
        request: Request<BatchCreateWorkItemsRequest>,
    ) -> Result<Response<BatchCreateWorkItemsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let retry = call.retry(&request.request_id, &request);
        let BatchCreateWorkItemsRequest { parent, requests, .. } = request;
        let workflow = call.name("parent", &parent)?;
        let named = names(&call, &requests)?;
        let repositories: Vec<_> = named.iter().filter_map(|named| named.repository).collect();
        let blockers: Vec<_> =
            named.iter().flat_map(|named| named.blocked_by.iter().copied()).collect();
        let inputs = retry.and(batch::inputs(&parent, requests, &named));
        let (retry, inputs) = (&retry, &inputs);
        let (repositories, blockers) = (&repositories, &blockers);
        let made = call
            .run(|grant: Grant<ItemsCreate>| async move {
                let (items, inputs, once) = (&self.services().items, inputs.clone(), retry.once());
                items.batch_create(&grant, workflow, repositories, blockers, inputs, once).await
            })
            .await?;
        let work_items = made.into_iter().map(item::item).collect();
        Ok(Response::new(BatchCreateWorkItemsResponse { work_items }))
    }
}

impl Rpc {
    pub(super) async fn migrate_batch(
        &self,
        request: Request<MigrateWorkItemsRequest>,
    ) -> Result<Response<MigrateWorkItemsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let input = migration::input(&request);
        let input = input.and_then(|input| Ok((input, call.page(&request)?)));
        let (retry, input) = (&retry, &retry.and(input));
        let report = call
            .run(|grant: Grant<WorkflowsManage>| async move {
                let workflows = &self.services().workflows;
                workflows.migrate_items(&grant, id, input.clone(), retry.once()).await
            })
            .await?;
        let next = call.next_token(&request, migration::next(&report));
        Ok(Response::new(migration::report(report, next)))
    }
}

/// The names in each; more items than anybody may ask for are refused unread.
fn names(call: &Call<'_>, requests: &[CreateWorkItemRequest]) -> Result<Vec<Named>, Status> {
    if requests.len() > BATCH {
        let rule = format!("must not be more than {BATCH}");
        return Err(call.fail(&InvalidArgs::new("requests", rule)));
    }
    let requests = requests.iter().enumerate();
    let named = requests.map(|(at, request)| {
        let Some(given) = &request.work_item else { return Ok(Named::default()) };
        let place = format!("requests[{at}].work_item");
        let repository = call.optional_name(&format!("{place}.repository"), &given.repository)?;
        let blocked_by = call.names(&format!("{place}.blocked_by"), &given.blocked_by)?;
        Ok(Named { repository, blocked_by })
    });
    named.collect()
}
