//! `AdminService`.

use api::admin as wire;
use api::admin::admin_service_server::AdminService;
use directory::service::SwitchInput;
use permissions::{AdminSupport, Caller, Grant};
use primitives::{TeamId, UserId};
use tonic::{Request, Response, Status};

use crate::call::Rpc;
use crate::convert::admin;

#[tonic::async_trait]
impl AdminService for Rpc {
    async fn list_users(
        &self,
        request: Request<wire::ListUsersRequest>,
    ) -> Result<Response<wire::ListUsersResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let page = &call.page(&request);
        let found = call
            .run(|grant: Grant<AdminSupport>| async move {
                self.services().administration.users(&grant, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let users = found.items.into_iter().map(admin::user).collect();
        Ok(Response::new(wire::ListUsersResponse { users, next_page_token }))
    }

    async fn get_user(
        &self,
        request: Request<wire::GetUserRequest>,
    ) -> Result<Response<wire::UserMetadata>, Status> {
        let call = self.call(&request)?;
        let id: UserId = call.name("name", &request.get_ref().name)?;
        let found = call
            .run(|grant: Grant<AdminSupport>| async move {
                self.services().administration.user(&grant, id).await
            })
            .await?;
        Ok(Response::new(admin::user(found)))
    }

    async fn list_user_workflows(
        &self,
        request: Request<wire::ListUserWorkflowsRequest>,
    ) -> Result<Response<wire::ListUserWorkflowsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let user: UserId = call.name("user", &request.user)?;
        let page = &call.page(&request);
        let found = call
            .run(|grant: Grant<AdminSupport>| async move {
                self.services().administration.workflows_of(&grant, user, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let workflows = found.items.into_iter().map(admin::workflow).collect();
        Ok(Response::new(wire::ListUserWorkflowsResponse { workflows, next_page_token }))
    }

    async fn list_user_sessions(
        &self,
        request: Request<wire::ListUserSessionsRequest>,
    ) -> Result<Response<wire::ListUserSessionsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let user: UserId = call.name("user", &request.user)?;
        let page = &call.page(&request);
        let found = call
            .run(|grant: Grant<AdminSupport>| async move {
                self.services().administration.sessions_of(&grant, user, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let sessions = found.items.into_iter().map(admin::session).collect();
        Ok(Response::new(wire::ListUserSessionsResponse { sessions, next_page_token }))
    }

    async fn list_all_runs(
        &self,
        request: Request<wire::ListAllRunsRequest>,
    ) -> Result<Response<wire::ListAllRunsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let team: Option<TeamId> = call.optional_name("team", &request.team)?;
        let principal: Option<UserId> = call.optional_name("principal", &request.principal)?;
        let filter = &admin::filter(&request.state, team, principal);
        let page = &call.page(&request);
        let found = call
            .run(|grant: Grant<AdminSupport>| async move {
                let administration = &self.services().administration;
                administration.runs(&grant, filter.clone(), page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let runs = found.items.into_iter().map(admin::run).collect();
        Ok(Response::new(wire::ListAllRunsResponse { runs, next_page_token }))
    }

    async fn get_system_overview(
        &self,
        request: Request<wire::GetSystemOverviewRequest>,
    ) -> Result<Response<wire::SystemOverview>, Status> {
        let call = self.call(&request)?;
        let (stored, measured) = call
            .run(|grant: Grant<AdminSupport>| async move {
                self.services().administration.overview(&grant).await
            })
            .await?;
        let now = self.0.clock.now();
        let engines = self.engine_figures().await;
        let database = self.services().database;
        Ok(Response::new(admin::overview(stored, measured, engines, database, now)))
    }

    async fn set_kill_switch(
        &self,
        request: Request<wire::SetKillSwitchRequest>,
    ) -> Result<Response<wire::KillSwitch>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let team: Option<TeamId> = call.optional_name("team", &request.team)?;
        let retry = call.retry(&request.request_id, &request);
        let input = &retry.and(SwitchInput::check(request.engaged, &request.reason));
        let retry = &retry;
        let switch = call
            .run_for_caller(|caller: Caller| async move {
                let administration = &self.services().administration;
                administration.set_kill_switch(&caller, team, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(admin::switch(switch)))
    }
}

impl Rpc {
    async fn engine_figures(&self) -> Vec<wire::EngineFigures> {
        let mut engines = Vec::new();
        for known in &self.services().engines {
            let status = known.probe().await;
            engines.push(wire::EngineFigures {
                name: status.name,
                available: status.available,
                problem: status.problem.unwrap_or_default(),
            });
        }
        engines
    }
}
