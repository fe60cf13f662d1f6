//! `WorkflowService`.

use api::workflow::workflow_service_server::WorkflowService;
use api::workflow::{
    CreateWorkflowRequest, DeleteWorkflowRequest, ExportWorkflowRequest, ExportWorkflowResponse,
    GetWorkflowRequest, GetWorkflowRevisionRequest, ImportWorkflowRequest,
    ListStarredWorkflowsRequest, ListStarredWorkflowsResponse, ListWorkflowRevisionsRequest,
    ListWorkflowRevisionsResponse, ListWorkflowsRequest, ListWorkflowsResponse,
    MigrateWorkItemsRequest, MigrateWorkItemsResponse, PauseWorkflowRequest, ResumeWorkflowRequest,
    StarWorkflowRequest, TransferWorkflowRequest, UndeleteWorkflowRequest, UnstarWorkflowRequest,
    UpdateWorkflowRequest, Workflow, WorkflowRevision,
};
use permissions::{
    Caller, Grant, WorkflowsCreate, WorkflowsDelete, WorkflowsManage, WorkflowsOwn, WorkflowsView,
};
use primitives::{Checked, InvalidArgs, Text};
use tonic::{Request, Response, Status};
use workflow_core::WorkflowError;
use workflow_core::service::WorkflowInput;
use workflow_core::store::WorkflowFilter;

use crate::call::Rpc;
use crate::convert::owner::OwnerFields;
use crate::convert::{definition, revision, scalar};
use crate::document;
use crate::error::EdgeError;

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

    async fn update_workflow(
        &self,
        request: Request<UpdateWorkflowRequest>,
    ) -> Result<Response<Workflow>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let given = request.workflow.as_ref().map(|given| given.name.as_str());
        let id = call.name("workflow.name", given.unwrap_or_default())?;
        let retry = call.retry(&request.request_id, &request);
        let input = retry.and(revision::update(request));
        let (retry, input) = (&retry, &input);
        let updated = call
            .run(|grant: Grant<WorkflowsManage>| async move {
                let workflows = &self.services().workflows;
                workflows.update(&grant, id, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(definition::workflow(updated)))
    }

    async fn migrate_work_items(
        &self,
        request: Request<MigrateWorkItemsRequest>,
    ) -> Result<Response<MigrateWorkItemsResponse>, Status> {
        self.migrate_batch(request).await
    }

    async fn undelete_workflow(
        &self,
        request: Request<UndeleteWorkflowRequest>,
    ) -> Result<Response<Workflow>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let etag = retry.and(Ok(scalar::version(&request.etag)));
        let (retry, etag) = (&retry, &etag);
        let back = call
            .run(|grant: Grant<WorkflowsDelete>| async move {
                let workflows = &self.services().workflows;
                workflows.undelete(&grant, id, etag.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(definition::workflow(back)))
    }

    async fn get_workflow_revision(
        &self,
        request: Request<GetWorkflowRevisionRequest>,
    ) -> Result<Response<WorkflowRevision>, Status> {
        let call = self.call(&request)?;
        let (id, number) = call.checked(revision::read_name("name", &request.get_ref().name))?;
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().workflows.get_revision(&grant, id, number).await
            })
            .await?;
        Ok(Response::new(revision::revision(found)))
    }

    async fn list_workflow_revisions(
        &self,
        request: Request<ListWorkflowRevisionsRequest>,
    ) -> Result<Response<ListWorkflowRevisionsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("parent", &request.parent)?;
        let page = call.page(&request);
        let page = &page;
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().workflows.list_revisions(&grant, id, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let workflow_revisions = found.items.into_iter().map(revision::revision).collect();
        Ok(Response::new(ListWorkflowRevisionsResponse { workflow_revisions, next_page_token }))
    }

    async fn pause_workflow(
        &self,
        request: Request<PauseWorkflowRequest>,
    ) -> Result<Response<Workflow>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let input = retry.and(Ok(revision::pause(&request.stage_id, &request.etag)));
        let (retry, input) = (&retry, &input);
        let paused = call
            .run(|grant: Grant<WorkflowsManage>| async move {
                let workflows = &self.services().workflows;
                workflows.pause(&grant, id, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(definition::workflow(paused)))
    }

    async fn resume_workflow(
        &self,
        request: Request<ResumeWorkflowRequest>,
    ) -> Result<Response<Workflow>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let input = retry.and(Ok(revision::pause(&request.stage_id, &request.etag)));
        let (retry, input) = (&retry, &input);
        let resumed = call
            .run(|grant: Grant<WorkflowsManage>| async move {
                let workflows = &self.services().workflows;
                workflows.resume(&grant, id, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(definition::workflow(resumed)))
    }

    async fn transfer_workflow(
        &self,
        request: Request<TransferWorkflowRequest>,
    ) -> Result<Response<Workflow>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let fields =
            OwnerFields { visibility: request.visibility, team: &request.team, prefix: "" };
        let to = fields.chosen(call.caller()).and_then(|to| {
            to.ok_or_else(|| InvalidArgs::new("visibility", "say whom it will belong to"))
        });
        let etag = retry.and(Ok(scalar::version(&request.etag)));
        let (retry, to, etag) = (&retry, &to, &etag);
        let moved = call
            .run(|grant: Grant<WorkflowsOwn>| async move {
                let workflows = &self.services().workflows;
                workflows.transfer(&grant, id, to.clone(), etag.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(definition::workflow(moved)))
    }

    async fn export_workflow(
        &self,
        request: Request<ExportWorkflowRequest>,
    ) -> Result<Response<ExportWorkflowResponse>, Status> {
        let call = self.call(&request)?;
        let id = call.name("name", &request.get_ref().name)?;
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().workflows.get(&grant, id).await
            })
            .await?;
        let written = document::write(&WorkflowInput::of(&found));
        let document = written.map_err(|cause| call.fail(&EdgeError::Internal(cause)))?;
        Ok(Response::new(ExportWorkflowResponse { document }))
    }

    async fn import_workflow(
        &self,
        request: Request<ImportWorkflowRequest>,
    ) -> Result<Response<Workflow>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let retry = call.retry(&request.request_id, &request);
        let fields =
            OwnerFields { visibility: request.visibility, team: &request.team, prefix: "" };
        let tenant = fields.owner(call.caller());
        let input = retry.and(document::read(&request.document));
        let validate_only = request.validate_only;
        let (retry, tenant, input) = (&retry, &tenant, &input);
        let made = call
            .run(|grant: Grant<WorkflowsManage>| async move {
                let workflows = &self.services().workflows;
                let (tenant, input) = (tenant.clone(), input.clone());
                workflows.import(&grant, tenant, input, validate_only, retry.once()).await
            })
            .await?;
        let shown = if validate_only { definition::preview } else { definition::workflow };
        Ok(Response::new(shown(made)))
    }

    async fn star_workflow(
        &self,
        request: Request<StarWorkflowRequest>,
    ) -> Result<Response<Workflow>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let retry = &retry;
        let starred = call
            .run(|grant: Grant<WorkflowsView>| async move {
                let workflows = &self.services().workflows;
                workflows.star(&grant, id, retry.check(), retry.once()).await
            })
            .await?;
        Ok(Response::new(definition::workflow(starred)))
    }

    async fn unstar_workflow(
        &self,
        request: Request<UnstarWorkflowRequest>,
    ) -> Result<Response<Workflow>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let retry = &retry;
        let plain = call
            .run(|grant: Grant<WorkflowsView>| async move {
                let workflows = &self.services().workflows;
                workflows.unstar(&grant, id, retry.check(), retry.once()).await
            })
            .await?;
        Ok(Response::new(definition::workflow(plain)))
    }

    async fn list_starred_workflows(
        &self,
        request: Request<ListStarredWorkflowsRequest>,
    ) -> Result<Response<ListStarredWorkflowsResponse>, Status> {
        let call = self.call(&request)?;
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().workflows.list_starred(&grant).await
            })
            .await?;
        let workflows = found.into_iter().map(definition::workflow).collect();
        Ok(Response::new(ListStarredWorkflowsResponse { workflows }))
    }
}

fn filter(caller: &Caller, request: &ListWorkflowsRequest) -> Checked<WorkflowFilter> {
    let fields = OwnerFields { visibility: request.visibility, team: &request.team, prefix: "" };
    let tenant = fields.chosen(caller)?;
    let category = category(&request.category).unwrap_or_default();
    Ok(WorkflowFilter { tenant, category, with_agent_stage: false })
}

/// An empty one lists all. Judged with the page, after what the request names was found.
pub(super) fn category(given: &str) -> Checked<Option<String>> {
    let rule = Text { field: "category", min: 0, max: 64, multiline: false };
    let category = rule.check(given)?;
    Ok((!category.is_empty()).then_some(category))
}
