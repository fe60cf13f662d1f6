//! `TemplateService`.

use api::workflow::template_service_server::TemplateService;
use api::workflow::{
    DeleteTemplateRequest, GetTemplateRequest, InstantiateTemplateRequest, ListTemplatesRequest,
    ListTemplatesResponse, PublishTemplateRequest, Template, Workflow,
};
use permissions::{Grant, WorkflowsCreate, WorkflowsDelete, WorkflowsManage, WorkflowsView};
use tonic::{Request, Response, Status};
use workflow_core::service::{InstantiateInput, PublishTo};
use workflow_core::store::WorkflowFilter;

use super::workflow::category;
use crate::call::Rpc;
use crate::convert::owner::OwnerFields;
use crate::convert::{definition, parameter, scalar};

#[tonic::async_trait]
impl TemplateService for Rpc {
    async fn list_templates(
        &self,
        request: Request<ListTemplatesRequest>,
    ) -> Result<Response<ListTemplatesResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let category = category(&request.category);
        let filter = WorkflowFilter {
            tenant: None,
            category: category.clone().unwrap_or_default(),
            with_agent_stage: request.with_agent_stage,
        };
        let page = category.and(call.page(&request));
        let (page, filter) = (&page, &filter);
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().templates.list(&grant, filter, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let templates = found.items.into_iter().map(definition::template).collect();
        Ok(Response::new(ListTemplatesResponse { templates, next_page_token }))
    }

    async fn get_template(
        &self,
        request: Request<GetTemplateRequest>,
    ) -> Result<Response<Template>, Status> {
        let call = self.call(&request)?;
        let id = call.name("name", &request.get_ref().name)?;
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().templates.get(&grant, id).await
            })
            .await?;
        Ok(Response::new(definition::template(found)))
    }

    async fn instantiate_template(
        &self,
        request: Request<InstantiateTemplateRequest>,
    ) -> Result<Response<Workflow>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let fields =
            OwnerFields { visibility: request.visibility, team: &request.team, prefix: "" };
        let tenant = fields.owner(call.caller());
        let validate_only = request.validate_only;
        let display_name = request.display_name;
        let input = parameter::values(request.parameters).map(|parameters| InstantiateInput {
            display_name,
            parameters,
            validate_only,
        });
        let input = retry.and(input);
        let (retry, tenant, input) = (&retry, &tenant, &input);
        let made = call
            .run(|grant: Grant<WorkflowsCreate>| async move {
                let templates = &self.services().templates;
                let (tenant, input) = (tenant.clone(), input.clone());
                templates.instantiate(&grant, id, tenant, input, retry.once()).await
            })
            .await?;
        let shown = if validate_only { definition::preview } else { definition::workflow };
        Ok(Response::new(shown(made)))
    }

    async fn publish_template(
        &self,
        request: Request<PublishTemplateRequest>,
    ) -> Result<Response<Template>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let workflow = call.name("workflow", &request.workflow)?;
        let template = call.optional_name("template", &request.template)?;
        let retry = call.retry(&request.request_id, &request);
        let fields =
            OwnerFields { visibility: request.visibility, team: &request.team, prefix: "" };
        let to = match template {
            Some(template) => PublishTo::Revision(template),
            None => PublishTo::New(fields.owner(call.caller())),
        };
        let input = retry.and(parameter::publish(&request, template.is_some()));
        let (retry, to, input) = (&retry, &to, &input);
        let made = call
            .run(|grant: Grant<WorkflowsManage>| async move {
                let templates = &self.services().templates;
                templates.publish(&grant, workflow, to, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(definition::template(made)))
    }

    async fn delete_template(
        &self,
        request: Request<DeleteTemplateRequest>,
    ) -> Result<Response<Template>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let etag = retry.and(Ok(scalar::version(&request.etag)));
        let (retry, etag) = (&retry, &etag);
        let deleted = call
            .run(|grant: Grant<WorkflowsDelete>| async move {
                let templates = &self.services().templates;
                templates.delete(&grant, id, etag.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(definition::template(deleted)))
    }
}
