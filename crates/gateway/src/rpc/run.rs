//! `RunService`.

use agent_core::port::store::AgentFilter;
use api::agent::run_service_server::RunService;
use api::agent::{GetRunRequest, ListRunsRequest, ListRunsResponse, Run};
use permissions::{CodeUse, Grant};
use tonic::{Request, Response, Status};

use crate::call::Rpc;
use crate::convert::run;

#[tonic::async_trait]
impl RunService for Rpc {
    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<Run>, Status> {
        let call = self.call(&request)?;
        let id = call.name("name", &request.get_ref().name)?;
        let found = call
            .run(|grant: Grant<CodeUse>| async move { self.services().runs.get(&grant, id).await })
            .await?;
        Ok(Response::new(run::run(found, self.0.clock.now())))
    }

    async fn list_runs(
        &self,
        request: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let filter = AgentFilter {
            work_item: call.optional_name("work_item", &request.work_item)?,
            session: call.optional_name("session", &request.session)?,
            repository: None,
        };
        let page = call.page(&request);
        let page = &page;
        let found = call
            .run(|grant: Grant<CodeUse>| async move {
                self.services().runs.list(&grant, filter, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let now = self.0.clock.now();
        let runs = found.items.into_iter().map(|found| run::run(found, now)).collect();
        Ok(Response::new(ListRunsResponse { runs, next_page_token }))
    }
}
