//! `WorkflowService`.

use api::workflow::workflow_service_server::WorkflowService;
use api::workflow::{
    CreateWorkflowRequest, DeleteWorkflowRequest, GetWorkflowRequest, ListWorkflowsRequest,
    ListWorkflowsResponse, Workflow,
};
use permissions::{Caller, Grant, WorkflowsCreate, WorkflowsDelete, WorkflowsView};
use primitives::{Checked, Text};
use tonic::{Request, Response, Status};
use workflow_core::WorkflowError;
use workflow_core::store::WorkflowFilter;

use crate::call::Rpc;
use crate::convert::owner::OwnerFields;
use crate::convert::{definition, scalar};

#[tonic::async_trait]
impl WorkflowService for Rpc {
    async fn create_workflow(
        &self,
        request: Request<CreateWorkflowRequest>,
    ) -> Result<Response<Workflow>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let retry = call.retry(&request.request_id, &request);
        let given = request.workflow.unwrap_or_default();
        let fields =
            OwnerFields { visibility: given.visibility, team: &given.team, prefix: "workflow." };
        let tenant = fields.owner(call.caller());
        let input = retry.and(definition::input(given));
        let (retry, tenant, input) = (&retry, &tenant, &input);
        let made = call
            .run(|grant: Grant<WorkflowsCreate>| async move {
                let workflows = &self.services().workflows;
                workflows.create(&grant, tenant.clone(), input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(definition::workflow(made)))
    }

    async fn get_workflow(
        &self,
        request: Request<GetWorkflowRequest>,
    ) -> Result<Response<Workflow>, Status> {
        let call = self.call(&request)?;
        let id = call.name("name", &request.get_ref().name)?;
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().workflows.get(&grant, id).await
            })
            .await?;
        Ok(Response::new(definition::workflow(found)))
    }

    async fn list_workflows(
        &self,
        request: Request<ListWorkflowsRequest>,
    ) -> Result<Response<ListWorkflowsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let filter = filter(call.caller(), &request);
        let page = category(&request.category).and(call.page(&request));
        let (page, filter) = (&page, &filter);
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                let filter = filter.clone()?;
                if filter.tenant.is_some_and(|tenant| !grant.scope().sees(tenant)) {
                    return Err(WorkflowError::NotFound("TEAM"));
                }
                self.services().workflows.list(&grant, &filter, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let workflows = found.items.into_iter().map(definition::workflow).collect();
        Ok(Response::new(ListWorkflowsResponse { workflows, next_page_token }))
    }

    async fn delete_workflow(
        &self,
        request: Request<DeleteWorkflowRequest>,
    ) -> Result<Response<Workflow>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let etag = retry.and(Ok(scalar::version(&request.etag)));
        let (retry, etag) = (&retry, &etag);
        let deleted = call
            .run(|grant: Grant<WorkflowsDelete>| async move {
                let workflows = &self.services().workflows;
                workflows.delete(&grant, id, etag.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(definition::workflow(deleted)))
    }
}

fn filter(caller: &Caller, request: &ListWorkflowsRequest) -> Checked<WorkflowFilter> {
    let fields = OwnerFields { visibility: request.visibility, team: &request.team, prefix: "" };
    let tenant = fields.chosen(caller)?;
    Ok(WorkflowFilter { tenant, category: category(&request.category).unwrap_or_default() })
}

/// An empty one lists all. Judged with the page, after what the request names was found.
pub(super) fn category(given: &str) -> Checked<Option<String>> {
    let rule = Text { field: "category", min: 0, max: 64, multiline: false };
    let category = rule.check(given)?;
    Ok((!category.is_empty()).then_some(category))
}
