//! `AdminService`.

use api::admin::admin_service_server::AdminService;
use tonic::{Request, Response, Status};

use crate::call::Rpc;

#[tonic::async_trait]
impl AdminService for Rpc {
    async fn list_users(
        &self,
        _request: Request<api::admin::ListUsersRequest>,
    ) -> Result<Response<api::admin::ListUsersResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn get_user(
        &self,
        _request: Request<api::admin::GetUserRequest>,
    ) -> Result<Response<api::admin::UserMetadata>, Status> {
        Err(crate::status::unlisted())
    }

    async fn list_user_workflows(
        &self,
        _request: Request<api::admin::ListUserWorkflowsRequest>,
    ) -> Result<Response<api::admin::ListUserWorkflowsResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn list_user_sessions(
        &self,
        _request: Request<api::admin::ListUserSessionsRequest>,
    ) -> Result<Response<api::admin::ListUserSessionsResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn list_all_runs(
        &self,
        _request: Request<api::admin::ListAllRunsRequest>,
    ) -> Result<Response<api::admin::ListAllRunsResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn get_system_overview(
        &self,
        _request: Request<api::admin::GetSystemOverviewRequest>,
    ) -> Result<Response<api::admin::SystemOverview>, Status> {
        Err(crate::status::unlisted())
    }

    async fn set_kill_switch(
        &self,
        _request: Request<api::admin::SetKillSwitchRequest>,
    ) -> Result<Response<api::admin::KillSwitch>, Status> {
        Err(crate::status::unlisted())
    }
}
