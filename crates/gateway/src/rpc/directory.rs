//! `DirectoryService`.

use api::permissions::directory_service_server::DirectoryService;
use api::permissions::{GetMeRequest, GetMeResponse};
use permissions::Caller;
use tonic::{Request, Response, Status};

use crate::call::Rpc;
use crate::convert::directory;
use crate::error::EdgeError;

#[tonic::async_trait]
impl DirectoryService for Rpc {
    async fn get_me(
        &self,
        request: Request<GetMeRequest>,
    ) -> Result<Response<GetMeResponse>, Status> {
        let call = self.call(&request)?;
        let me = call
            .run_for_caller(|caller: Caller| async move {
                let person = self.services().people.person(&caller).await?;
                let missing = || EdgeError::Internal("the caller has no row".to_owned());
                Ok::<_, EdgeError>(directory::me(person.ok_or_else(missing)?, &caller))
            })
            .await?;
        Ok(Response::new(me))
    }

    async fn list_users(
        &self,
        _request: Request<api::permissions::ListUsersRequest>,
    ) -> Result<Response<api::permissions::ListUsersResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn create_user(
        &self,
        _request: Request<api::permissions::CreateUserRequest>,
    ) -> Result<Response<api::permissions::User>, Status> {
        Err(crate::status::unlisted())
    }

    async fn create_service_account(
        &self,
        _request: Request<api::permissions::CreateServiceAccountRequest>,
    ) -> Result<Response<api::permissions::User>, Status> {
        Err(crate::status::unlisted())
    }

    async fn update_user(
        &self,
        _request: Request<api::permissions::UpdateUserRequest>,
    ) -> Result<Response<api::permissions::User>, Status> {
        Err(crate::status::unlisted())
    }

    async fn deactivate_user(
        &self,
        _request: Request<api::permissions::DeactivateUserRequest>,
    ) -> Result<Response<api::permissions::User>, Status> {
        Err(crate::status::unlisted())
    }

    async fn create_team(
        &self,
        _request: Request<api::permissions::CreateTeamRequest>,
    ) -> Result<Response<api::permissions::Team>, Status> {
        Err(crate::status::unlisted())
    }

    async fn get_team(
        &self,
        _request: Request<api::permissions::GetTeamRequest>,
    ) -> Result<Response<api::permissions::Team>, Status> {
        Err(crate::status::unlisted())
    }

    async fn list_teams(
        &self,
        _request: Request<api::permissions::ListTeamsRequest>,
    ) -> Result<Response<api::permissions::ListTeamsResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn update_team(
        &self,
        _request: Request<api::permissions::UpdateTeamRequest>,
    ) -> Result<Response<api::permissions::Team>, Status> {
        Err(crate::status::unlisted())
    }

    async fn delete_team(
        &self,
        _request: Request<api::permissions::DeleteTeamRequest>,
    ) -> Result<Response<api::permissions::Team>, Status> {
        Err(crate::status::unlisted())
    }

    async fn list_members(
        &self,
        _request: Request<api::permissions::ListMembersRequest>,
    ) -> Result<Response<api::permissions::ListMembersResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn add_member(
        &self,
        _request: Request<api::permissions::AddMemberRequest>,
    ) -> Result<Response<api::permissions::Member>, Status> {
        Err(crate::status::unlisted())
    }

    async fn remove_member(
        &self,
        _request: Request<api::permissions::RemoveMemberRequest>,
    ) -> Result<Response<api::permissions::RemoveMemberResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn leave_team(
        &self,
        _request: Request<api::permissions::LeaveTeamRequest>,
    ) -> Result<Response<api::permissions::LeaveTeamResponse>, Status> {
        Err(crate::status::unlisted())
    }
}
