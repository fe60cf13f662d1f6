//! `PermissionService`.

use api::permissions::permission_service_server::PermissionService;
use api::permissions::{CheckPermissionRequest, CheckPermissionResponse};
use permissions::{Caller, Key, Level};
use primitives::{Checked, Tenant};
use tonic::{Request, Response, Status};

use crate::call::Rpc;
use crate::convert::directory::{asked_key, asked_level, level};
use crate::convert::owner::OwnerFields;
use crate::error::EdgeError;

#[tonic::async_trait]
impl PermissionService for Rpc {
    async fn check_permission(
        &self,
        request: Request<CheckPermissionRequest>,
    ) -> Result<Response<CheckPermissionResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let request = &request;
        let answer = call
            .run_for_caller(|caller: Caller| async move {
                let place = place(request, &caller)?;
                if place.is_some_and(|tenant| !caller.scope().sees(tenant)) {
                    return Err(EdgeError::NotFound("TEAM"));
                }
                let question = Question::of(request, place)?;
                // Meets the database, so that an outdated answer is noticed.
                self.services().people.person(&caller).await?;
                Ok(question.answer(&caller))
            })
            .await?;
        Ok(Response::new(answer))
    }
    async fn batch_check_permissions(
        &self,
        _request: Request<api::permissions::BatchCheckPermissionsRequest>,
    ) -> Result<Response<api::permissions::BatchCheckPermissionsResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn explain_permission(
        &self,
        _request: Request<api::permissions::ExplainPermissionRequest>,
    ) -> Result<Response<api::permissions::ExplainPermissionResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn list_effective_permissions(
        &self,
        _request: Request<api::permissions::ListEffectivePermissionsRequest>,
    ) -> Result<Response<api::permissions::ListEffectivePermissionsResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn list_permissions(
        &self,
        _request: Request<api::permissions::ListPermissionsRequest>,
    ) -> Result<Response<api::permissions::ListPermissionsResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn list_roles(
        &self,
        _request: Request<api::permissions::ListRolesRequest>,
    ) -> Result<Response<api::permissions::ListRolesResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn create_role(
        &self,
        _request: Request<api::permissions::CreateRoleRequest>,
    ) -> Result<Response<api::permissions::Role>, Status> {
        Err(crate::status::unlisted())
    }

    async fn update_role(
        &self,
        _request: Request<api::permissions::UpdateRoleRequest>,
    ) -> Result<Response<api::permissions::Role>, Status> {
        Err(crate::status::unlisted())
    }

    async fn delete_role(
        &self,
        _request: Request<api::permissions::DeleteRoleRequest>,
    ) -> Result<Response<api::permissions::DeleteRoleResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn assign_role(
        &self,
        _request: Request<api::permissions::AssignRoleRequest>,
    ) -> Result<Response<api::permissions::RoleAssignment>, Status> {
        Err(crate::status::unlisted())
    }

    async fn unassign_role(
        &self,
        _request: Request<api::permissions::UnassignRoleRequest>,
    ) -> Result<Response<api::permissions::UnassignRoleResponse>, Status> {
        Err(crate::status::unlisted())
    }

    async fn list_role_assignments(
        &self,
        _request: Request<api::permissions::ListRoleAssignmentsRequest>,
    ) -> Result<Response<api::permissions::ListRoleAssignmentsResponse>, Status> {
        Err(crate::status::unlisted())
    }
}

/// Where the question is about; `None` is anywhere.
fn place(request: &CheckPermissionRequest, caller: &Caller) -> Checked<Option<Tenant>> {
    OwnerFields { visibility: request.visibility, team: &request.team, prefix: "" }.chosen(caller)
}

/// Whether a permission is held, there or anywhere.
#[derive(Clone, Copy, Debug)]
struct Question {
    key: Key,
    level: Level,
    place: Option<Tenant>,
}

impl Question {
    fn of(request: &CheckPermissionRequest, place: Option<Tenant>) -> Checked<Self> {
        let (key, level) = (asked_key(&request.permission)?, asked_level(request.level)?);
        Ok(Self { key, level, place })
    }

    fn answer(self, caller: &Caller) -> CheckPermissionResponse {
        let grounds = self.grounds(caller);
        let held = grounds.iter().map(|(held, _)| *held).max().unwrap_or_default();
        let from: Vec<_> = grounds.into_iter().map(|(_, from)| from).collect();
        let reason = if from.is_empty() {
            format!("no role held there grants {}", self.key)
        } else {
            format!("{} {} by {}", self.key, held.name(), from.join(", "))
        };
        let held_level = level(held).into();
        CheckPermissionResponse { allowed: held >= self.level, held_level, reason }
    }

    /// What grants the key at some level, and where it comes from.
    fn grounds(self, caller: &Caller) -> Vec<(Level, String)> {
        let mut grounds = Vec::new();
        for held in caller.teams() {
            let team = Tenant::Team(held.team);
            if self.place.is_none_or(|place| place == team) {
                grounds.extend(held.roles.iter().map(|held| {
                    (held.levels.of(self.key), format!("the role {} in {team}", held.name))
                }));
            }
        }
        let own = Tenant::Person(caller.user());
        for (tenant, text) in [
            (own, "the base role on what is one's own"),
            (Tenant::Global, "the base and system roles on what is everyone's"),
        ] {
            if self.place.is_none_or(|place| place == tenant) {
                grounds.push((caller.levels_in(tenant).of(self.key), text.to_owned()));
            }
        }
        if self.place.is_none_or(|place| place == Tenant::Global) {
            for role in caller.system_roles() {
                let text = format!("the system role {}", role.name);
                grounds.push((role.levels.of(self.key), text));
            }
        }
        grounds.retain(|(held, _)| *held != Level::None);
        grounds
    }
}
