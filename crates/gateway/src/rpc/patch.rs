//! `PatchService`.

use agent_core::port::store::AgentFilter;
use api::agent::patch_service_server::PatchService;
use api::agent::{
    GetPatchRequest, ListPatchesRequest, ListPatchesResponse, Patch, RevertPatchRequest, Run,
};
use permissions::{CodeEdit, CodeUse, Grant};
use tonic::{Request, Response, Status};

use crate::call::Rpc;
use crate::convert::{patch, run, scalar};

#[tonic::async_trait]
impl PatchService for Rpc {
    async fn get_patch(
        &self,
        request: Request<GetPatchRequest>,
    ) -> Result<Response<Patch>, Status> {
        let call = self.call(&request)?;
        let id = call.name("name", &request.get_ref().name)?;
        let found =
            call.run(|grant: Grant<CodeUse>| async move {
                self.services().runs.get_patch(&grant, id).await
            })
            .await?;
        Ok(Response::new(patch::patch(found)))
    }

    async fn list_patches(
        &self,
        request: Request<ListPatchesRequest>,
    ) -> Result<Response<ListPatchesResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let filter = AgentFilter {
            work_item: call.optional_name("work_item", &request.work_item)?,
            repository: call.optional_name("repository", &request.repository)?,
            session: None,
        };
        let page = call.page(&request);
        let page = &page;
        let found = call
            .run(|grant: Grant<CodeUse>| async move {
                self.services().runs.list_patches(&grant, filter, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let patches = found.items.into_iter().map(patch::listed).collect();
        Ok(Response::new(ListPatchesResponse { patches, next_page_token }))
    }

    async fn revert_patch(
        &self,
        request: Request<RevertPatchRequest>,
    ) -> Result<Response<Run>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let wait = retry.and(scalar::wait("wait_timeout", request.wait_timeout.as_ref()));
        let (retry, wait) = (&retry, &wait);
        let queued = call
            .run(|grant: Grant<CodeEdit>| async move {
                let arguments = wait.clone().map(drop);
                self.services().reverting.revert(&grant, id, arguments, retry.once()).await
            })
            .await?;
        let ended = call.wait(queued, wait.clone().unwrap_or_default()).await;
        Ok(Response::new(run::run(ended, self.0.clock.now())))
    }
}
