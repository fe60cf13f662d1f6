//! `DirectoryService`.

use ::directory::service::TeamEnd;
use api::permissions as wire;
use api::permissions::directory_service_server::DirectoryService;
use permissions::{
    Caller, DirectoryAdmin, DirectoryRead, DirectoryWrite, Grant, TeamAdmin, TeamWrite, UserKind,
};
use primitives::{Checked, TeamId, UserId};
use tonic::{Request, Response, Status};

use crate::call::{Call, Retry, Rpc};
use crate::convert::scalar::version;
use crate::convert::{directory, permission, team, user};
use crate::error::EdgeError;

#[tonic::async_trait]
impl DirectoryService for Rpc {
    async fn get_me(
        &self,
        request: Request<wire::GetMeRequest>,
    ) -> Result<Response<wire::GetMeResponse>, Status> {
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
        request: Request<wire::ListUsersRequest>,
    ) -> Result<Response<wire::ListUsersResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let (page, with_all) = (&call.page(&request), request.show_deactivated);
        let found = call
            .run(|grant: Grant<DirectoryRead>| async move {
                self.services().users.list(&grant, with_all, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let users = found.items.into_iter().map(user::user).collect();
        Ok(Response::new(wire::ListUsersResponse { users, next_page_token }))
    }

    async fn create_user(
        &self,
        request: Request<wire::CreateUserRequest>,
    ) -> Result<Response<wire::User>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let retry = call.retry(&request.request_id, &request);
        let given = request.user.as_ref();
        self.make_user(&call, &retry, UserKind::Person, given, request.without_apply).await
    }

    async fn create_service_account(
        &self,
        request: Request<wire::CreateServiceAccountRequest>,
    ) -> Result<Response<wire::User>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let retry = call.retry(&request.request_id, &request);
        let given = request.user.as_ref();
        self.make_user(&call, &retry, UserKind::Service, given, request.without_apply).await
    }

    async fn update_user(
        &self,
        request: Request<wire::UpdateUserRequest>,
    ) -> Result<Response<wire::User>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let given = request.user.clone().unwrap_or_default();
        let id: UserId = call.name("user.name", &given.name)?;
        let retry = call.retry(&request.request_id, &request);
        let change = user::change(&given, request.update_mask.as_ref(), request.validate_only);
        let (change, retry) = (&retry.and(change), &retry);
        let changed = call
            .run(|grant: Grant<DirectoryWrite>| async move {
                self.services().users.update(&grant, id, change.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(user::user(changed)))
    }

    async fn deactivate_user(
        &self,
        request: Request<wire::DeactivateUserRequest>,
    ) -> Result<Response<wire::User>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id: UserId = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let (etag, retry) = (&retry.and(Ok(version(&request.etag))), &retry);
        let gone = call
            .run(|grant: Grant<DirectoryWrite>| async move {
                self.services().users.deactivate(&grant, id, etag.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(user::user(gone)))
    }

    async fn create_team(
        &self,
        request: Request<wire::CreateTeamRequest>,
    ) -> Result<Response<wire::Team>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let retry = call.retry(&request.request_id, &request);
        let (input, retry) = (&retry.and(team::input(request.team.as_ref())), &retry);
        let made = call
            .run(|grant: Grant<DirectoryWrite>| async move {
                self.services().teams.create(&grant, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(team::team(made)))
    }

    async fn get_team(
        &self,
        request: Request<wire::GetTeamRequest>,
    ) -> Result<Response<wire::Team>, Status> {
        let call = self.call(&request)?;
        let id: TeamId = call.name("name", &request.get_ref().name)?;
        let found = call
            .run_for_caller(
                |caller: Caller| async move { self.services().teams.get(&caller, id).await },
            )
            .await?;
        Ok(Response::new(team::team(found)))
    }

    async fn list_teams(
        &self,
        request: Request<wire::ListTeamsRequest>,
    ) -> Result<Response<wire::ListTeamsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let page = &call.page(&request);
        let found = call
            .run_for_caller(|caller: Caller| async move {
                self.services().teams.list(&caller, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let teams = found.items.into_iter().map(team::team).collect();
        Ok(Response::new(wire::ListTeamsResponse { teams, next_page_token }))
    }

    async fn update_team(
        &self,
        request: Request<wire::UpdateTeamRequest>,
    ) -> Result<Response<wire::Team>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let given = request.team.clone().unwrap_or_default();
        let id: TeamId = call.name("team.name", &given.name)?;
        let retry = call.retry(&request.request_id, &request);
        let change = team::change(&given, request.update_mask.as_ref(), request.validate_only);
        let (change, retry) = (&retry.and(change), &retry);
        let changed = call
            .run(|grant: Grant<TeamAdmin>| async move {
                self.services().teams.update(&grant, id, change.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(team::team(changed)))
    }

    async fn delete_team(
        &self,
        request: Request<wire::DeleteTeamRequest>,
    ) -> Result<Response<wire::Team>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id: TeamId = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let end = TeamEnd { version: version(&request.etag), force: request.force };
        let (end, retry) = (&retry.and(Ok(end)), &retry);
        let gone = call
            .run(|grant: Grant<DirectoryAdmin>| async move {
                self.services().teams.delete(&grant, id, end.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(team::team(gone)))
    }

    async fn list_members(
        &self,
        request: Request<wire::ListMembersRequest>,
    ) -> Result<Response<wire::ListMembersResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id: TeamId = call.name("team", &request.team)?;
        let page = &call.page(&request);
        let found = call
            .run_for_caller(|caller: Caller| async move {
                self.services().members.list(&caller, id, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let members = found.items.into_iter().map(team::member).collect();
        Ok(Response::new(wire::ListMembersResponse { members, next_page_token }))
    }

    async fn add_member(
        &self,
        request: Request<wire::AddMemberRequest>,
    ) -> Result<Response<wire::Member>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id: TeamId = call.name("team", &request.team)?;
        let whom: Option<UserId> = call.optional_name("user", &request.user)?;
        let role = call.checked(permission::role_name("role", &request.role))?;
        let retry = call.retry(&request.request_id, &request);
        let (input, retry) = (&team::member_input(&request, whom, role), &retry);
        let member = call
            .run_for_caller(|caller: Caller| async move {
                let members = &self.services().members;
                members.add(&caller, id, input.clone(), retry.check(), retry.once()).await
            })
            .await?;
        Ok(Response::new(team::member(member)))
    }

    async fn remove_member(
        &self,
        request: Request<wire::RemoveMemberRequest>,
    ) -> Result<Response<wire::RemoveMemberResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id: TeamId = call.name("team", &request.team)?;
        let whom: UserId = call.name("user", &request.user)?;
        let retry = &call.retry(&request.request_id, &request);
        call.run(|grant: Grant<TeamWrite>| async move {
            let members = &self.services().members;
            members.remove(&grant, id, whom, retry.check(), retry.once()).await
        })
        .await?;
        Ok(Response::new(wire::RemoveMemberResponse {}))
    }

    async fn leave_team(
        &self,
        request: Request<wire::LeaveTeamRequest>,
    ) -> Result<Response<wire::LeaveTeamResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id: TeamId = call.name("team", &request.team)?;
        let retry = &call.retry(&request.request_id, &request);
        call.run_for_caller(|caller: Caller| async move {
            self.services().members.leave(&caller, id, retry.check(), retry.once()).await
        })
        .await?;
        Ok(Response::new(wire::LeaveTeamResponse {}))
    }
}

impl Rpc {
    async fn make_user(
        &self,
        call: &Call<'_>,
        retry: &Retry,
        kind: UserKind,
        given: Option<&wire::User>,
        without_apply: bool,
    ) -> Result<Response<wire::User>, Status> {
        let input: Checked<_> = retry.and(user::input(kind, given, without_apply));
        let input = &input;
        let made = call
            .run(|grant: Grant<DirectoryWrite>| async move {
                self.services().users.create(&grant, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(user::user(made)))
    }
}
