//! `EventService`.

use api::workflow::event_service_server::EventService;
use api::workflow::{ListTriggerFiringsRequest, ListTriggerFiringsResponse};
use permissions::{Grant, WorkflowsView};
use tonic::{Request, Response, Status};

use crate::call::Rpc;
use crate::convert::figures;

#[tonic::async_trait]
impl EventService for Rpc {
    async fn list_trigger_firings(
        &self,
        request: Request<ListTriggerFiringsRequest>,
    ) -> Result<Response<ListTriggerFiringsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let workflow = call.name("parent", &request.parent)?;
        let page = call.page(&request);
        let page = &page;
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().triggers.list_firings(&grant, workflow, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let trigger_firings = found.items.into_iter().map(figures::firing).collect();
        Ok(Response::new(ListTriggerFiringsResponse { trigger_firings, next_page_token }))
    }
}
