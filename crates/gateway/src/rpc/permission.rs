//! `PermissionService`.

use api::permissions as wire;
use api::permissions::permission_service_server::PermissionService;
use directory::service::{AssignInput, Question};
use permissions::{Caller, Grant, Key, TeamAdmin, TeamRead, TeamWrite};
use primitives::{Checked, InvalidArgs, RoleAssignmentId, RoleId, TeamId, Tenant, UserId};
use tonic::{Request, Response, Status};

use crate::call::Rpc;
use crate::convert::directory::{asked_key, asked_level};
use crate::convert::owner::OwnerFields;
use crate::convert::permission;
use crate::convert::scalar::{given_time, version};

/// Questions of one batch.
const MAX_CHECKS: usize = 100;

#[tonic::async_trait]
impl PermissionService for Rpc {
    async fn check_permission(
        &self,
        request: Request<wire::CheckPermissionRequest>,
    ) -> Result<Response<wire::CheckPermissionResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let checks = std::slice::from_ref(&request);
        let mut answers = call
            .run_for_caller(|caller: Caller| async move {
                let (places, questions) = asked(checks, &caller, |_| String::new());
                self.services().questions.check(&caller, places, questions).await
            })
            .await?;
        let only = answers.pop().ok_or_else(|| Status::internal("no answer"))?;
        Ok(Response::new(permission::checked(only)))
    }

    async fn batch_check_permissions(
        &self,
        request: Request<wire::BatchCheckPermissionsRequest>,
    ) -> Result<Response<wire::BatchCheckPermissionsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let checks = &request.checks;
        let answers = call
            .run_for_caller(|caller: Caller| async move {
                if !(1..=MAX_CHECKS).contains(&checks.len()) {
                    let text = format!("must be 1 to {MAX_CHECKS} questions");
                    return Err(InvalidArgs::new("checks", text).into());
                }
                let (places, questions) = asked(checks, &caller, |at| format!("checks[{at}]."));
                self.services().questions.check(&caller, places, questions).await
            })
            .await?;
        let results = answers.into_iter().map(permission::checked).collect();
        Ok(Response::new(wire::BatchCheckPermissionsResponse { results }))
    }

    async fn explain_permission(
        &self,
        request: Request<wire::ExplainPermissionRequest>,
    ) -> Result<Response<wire::ExplainPermissionResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let about: Option<UserId> = call.optional_name("user", &request.user)?;
        let request = &request;
        let standing = call
            .run_for_caller(|caller: Caller| async move {
                let place = place(request.visibility, &request.team, "", &caller);
                let question = pair(&request.permission, request.level, "");
                self.services().questions.explain(&caller, about, place, question).await
            })
            .await?;
        Ok(Response::new(permission::explained(standing)))
    }

    async fn list_effective_permissions(
        &self,
        request: Request<wire::ListEffectivePermissionsRequest>,
    ) -> Result<Response<wire::ListEffectivePermissionsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let about: Option<UserId> = call.optional_name("user", &request.user)?;
        let request = &request;
        let held = call
            .run_for_caller(|caller: Caller| async move {
                let place = place(request.visibility, &request.team, "", &caller);
                self.services().questions.effective(&caller, about, place).await
            })
            .await?;
        let permissions = held.into_iter().map(permission::granted).collect();
        Ok(Response::new(wire::ListEffectivePermissionsResponse { permissions }))
    }

    async fn list_permissions(
        &self,
        request: Request<wire::ListPermissionsRequest>,
    ) -> Result<Response<wire::ListPermissionsResponse>, Status> {
        let call = self.call(&request)?;
        // Meets the database, so that whoever is gone is noticed.
        call.run_for_caller(|caller: Caller| async move {
            self.services().questions.check(&caller, Ok(Vec::new()), Ok(Vec::new())).await
        })
        .await?;
        let mut permissions: Vec<_> = Key::ALL.iter().copied().map(permission::info).collect();
        permissions.sort_by(|one, other| one.permission.cmp(&other.permission));
        Ok(Response::new(wire::ListPermissionsResponse { permissions }))
    }

    async fn list_roles(
        &self,
        request: Request<wire::ListRolesRequest>,
    ) -> Result<Response<wire::ListRolesResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let team: Option<TeamId> = call.optional_name("team", &request.team)?;
        let page = call.page(&request);
        let page = &page;
        let found = call
            .run_for_caller(|caller: Caller| async move {
                self.services().roles.list(&caller, team, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let roles = found.items.into_iter().map(permission::role).collect();
        Ok(Response::new(wire::ListRolesResponse { roles, next_page_token }))
    }

    async fn create_role(
        &self,
        request: Request<wire::CreateRoleRequest>,
    ) -> Result<Response<wire::Role>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let team: TeamId = call.name("team", &request.team)?;
        let retry = call.retry(&request.request_id, &request);
        let (input, retry) = (&retry.and(permission::role_input(request.role.as_ref())), &retry);
        let made = call
            .run(|grant: Grant<TeamAdmin>| async move {
                self.services().roles.create(&grant, team, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(permission::own_role(made)))
    }

    async fn update_role(
        &self,
        request: Request<wire::UpdateRoleRequest>,
    ) -> Result<Response<wire::Role>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let given = request.role.clone().unwrap_or_default();
        let id: RoleId = call.name("role.name", &given.name)?;
        let retry = call.retry(&request.request_id, &request);
        let change = permission::role_change(&given, request.update_mask.as_ref());
        let (change, retry, dry) = (&retry.and(change), &retry, request.validate_only);
        let changed = call
            .run(|grant: Grant<TeamAdmin>| async move {
                self.services().roles.update(&grant, id, change.clone(), dry, retry.once()).await
            })
            .await?;
        Ok(Response::new(permission::own_role(changed)))
    }

    async fn delete_role(
        &self,
        request: Request<wire::DeleteRoleRequest>,
    ) -> Result<Response<wire::DeleteRoleResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id: RoleId = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let (etag, retry) = (&retry.and(Ok(version(&request.etag))), &retry);
        call.run(|grant: Grant<TeamAdmin>| async move {
            let roles = &self.services().roles;
            roles.delete(&grant, id, etag.clone(), request.force, retry.once()).await
        })
        .await?;
        Ok(Response::new(wire::DeleteRoleResponse {}))
    }

    async fn assign_role(
        &self,
        request: Request<wire::AssignRoleRequest>,
    ) -> Result<Response<wire::RoleAssignment>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let retry = call.retry(&request.request_id, &request);
        let input = AssignInput {
            team: call.name("team", &request.team)?,
            user: call.name("user", &request.user)?,
            role: call.checked(permission::role_name("role", &request.role))?,
            expires_at: retry.and(given_time("expire_time", request.expire_time.as_ref())),
        };
        let (input, retry) = (&input, &retry);
        let given = call
            .run(|grant: Grant<TeamWrite>| async move {
                self.services().assignments.assign(&grant, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(permission::holding(given)))
    }

    async fn unassign_role(
        &self,
        request: Request<wire::UnassignRoleRequest>,
    ) -> Result<Response<wire::UnassignRoleResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id: RoleAssignmentId = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let (arguments, retry) = (&retry.and(Ok(())), &retry);
        call.run(|grant: Grant<TeamWrite>| async move {
            let assignments = &self.services().assignments;
            assignments.unassign(&grant, id, arguments.clone(), retry.once()).await
        })
        .await?;
        Ok(Response::new(wire::UnassignRoleResponse {}))
    }

    async fn list_role_assignments(
        &self,
        request: Request<wire::ListRoleAssignmentsRequest>,
    ) -> Result<Response<wire::ListRoleAssignmentsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let team: TeamId = call.name("team", &request.team)?;
        let user: Option<UserId> = call.optional_name("user", &request.user)?;
        let page = call.page(&request);
        let page = &page;
        let found = call
            .run(|grant: Grant<TeamRead>| async move {
                self.services().assignments.list(&grant, team, user, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let role_assignments = found.items.into_iter().map(permission::holding).collect();
        Ok(Response::new(wire::ListRoleAssignmentsResponse { role_assignments, next_page_token }))
    }
}

/// Where a question is about; `None` is anywhere.
fn place(visibility: i32, team: &str, prefix: &str, caller: &Caller) -> Checked<Option<Tenant>> {
    OwnerFields { visibility, team, prefix }.chosen(caller)
}

/// A permission and a level to ask for.
fn pair(
    permission: &str,
    level: i32,
    prefix: &str,
) -> Checked<(permissions::Key, permissions::Level)> {
    let under = |mut wrong: InvalidArgs| {
        for field in &mut wrong.fields {
            field.field.insert_str(0, prefix);
        }
        wrong
    };
    Ok((asked_key(permission).map_err(under)?, asked_level(level).map_err(under)?))
}

/// Several questions: where each is about, and what it asks.
fn asked(
    checks: &[wire::CheckPermissionRequest],
    caller: &Caller,
    prefix: impl Fn(usize) -> String,
) -> (Checked<Vec<Option<Tenant>>>, Checked<Vec<Question>>) {
    let numbered = || checks.iter().enumerate();
    let at = |(at, check): (usize, &wire::CheckPermissionRequest)| {
        place(check.visibility, &check.team, &prefix(at), caller)
    };
    let places: Checked<Vec<_>> = numbered().map(at).collect();
    let question = |(at, check): (usize, &wire::CheckPermissionRequest)| {
        let prefix = prefix(at);
        let (key, level) = pair(&check.permission, check.level, &prefix)?;
        let place = place(check.visibility, &check.team, &prefix, caller)?;
        Ok(Question { key, level, place })
    };
    (places, numbered().map(question).collect())
}
