//! The fields that name a resource in `elohim.permissions.v1`; see [`crate::tenancy`].

use api::permissions::*;
use prost::Message;

use crate::scene::Own;
use crate::tenancy::{Field, Kind, fields};

/// Fields that name what is visible to everybody who may call the method at all.
pub(crate) const VISIBLE_TO_ALL_CALLERS: [&str; 4] = [
    // No update changes an owner: it is not looked at.
    "workflow.v1.WorkflowService/UpdateWorkflow workflow.team",
    "permissions.v1.DirectoryService/DeactivateUser name",
    "permissions.v1.DirectoryService/DeleteTeam name",
    // Who may take people in must be able to name them.
    "permissions.v1.DirectoryService/AddMember user",
];

fn check(team: String) -> CheckPermissionRequest {
    CheckPermissionRequest {
        permission: "workflows.edit".into(),
        level: Level::Write.into(),
        team,
        ..Default::default()
    }
}

fn explain(team: String, user: String) -> ExplainPermissionRequest {
    ExplainPermissionRequest {
        permission: "workflows.edit".into(),
        level: Level::Write.into(),
        team,
        user,
        ..Default::default()
    }
}

fn assign(team: String, user: String) -> AssignRoleRequest {
    AssignRoleRequest { team, user, role: "roles/member".into(), ..Default::default() }
}

fn new_role(team: String) -> CreateRoleRequest {
    let permissions =
        vec![EffectivePermission { permission: "audit.read".into(), level: Level::Read.into() }];
    let role = Role {
        slug: "tried".into(),
        display_name: "Tried".into(),
        permissions,
        ..Default::default()
    };
    CreateRoleRequest { team, role: Some(role), ..Default::default() }
}

fn member(own: &Own, team: String) -> AddMemberRequest {
    let user = own.spare.outsider.clone();
    AddMemberRequest { team, user, role: "roles/guest".into(), ..Default::default() }
}

pub(crate) fn people_fields() -> Vec<Field> {
    fields! {
        "permissions.v1.PermissionService/CheckPermission" "team" Team |_, name| check(name);
        "permissions.v1.PermissionService/BatchCheckPermissions" "checks.team" Team |_, name|
            BatchCheckPermissionsRequest { checks: vec![check(name)] };
        "permissions.v1.PermissionService/ExplainPermission" "team" Team |_, name|
            explain(name, String::new());
        "permissions.v1.PermissionService/ExplainPermission" "user" Holder |own, name|
            explain(own.team.clone(), name);
        "permissions.v1.PermissionService/ListEffectivePermissions" "team" Team |_, name|
            ListEffectivePermissionsRequest { team: name, ..Default::default() };
        "permissions.v1.PermissionService/ListEffectivePermissions" "user" Holder |own, name|
            ListEffectivePermissionsRequest { team: own.team.clone(), user: name, ..Default::default() };
        "permissions.v1.PermissionService/ListRoles" "team" Team |_, name|
            ListRolesRequest { team: name, ..Default::default() };
        "permissions.v1.PermissionService/CreateRole" "team" Team |_, name| new_role(name);
        "permissions.v1.PermissionService/UpdateRole" "role.name" SpareRole |own, name|
            UpdateRoleRequest {
                role: Some(Role { name, ..own.spare.role.clone() }),
                update_mask: crate::directory::mask(&["*"]),
                validate_only: true,
                ..Default::default()
            };
        "permissions.v1.PermissionService/AssignRole" "team" Team |own, name|
            assign(name, own.spare.holder.clone());
        "permissions.v1.PermissionService/AssignRole" "user" Holder |own, name|
            assign(own.team.clone(), name);
        "permissions.v1.PermissionService/AssignRole" "role" SpareRole |own, name|
            AssignRoleRequest { role: name, ..assign(own.team.clone(), own.spare.holder.clone()) };
        "permissions.v1.PermissionService/ListRoleAssignments" "team" Team |_, name|
            ListRoleAssignmentsRequest { team: name, ..Default::default() };
        "permissions.v1.PermissionService/ListRoleAssignments" "user" Holder |own, name|
            ListRoleAssignmentsRequest { team: own.team.clone(), user: name, ..Default::default() };
        "permissions.v1.PermissionService/UnassignRole" "name" SpareAssignment |_, name|
            UnassignRoleRequest { name, ..Default::default() };
        "permissions.v1.DirectoryService/GetTeam" "name" Team |_, name| GetTeamRequest { name };
        "permissions.v1.DirectoryService/UpdateTeam" "team.name" Team |own, name|
            UpdateTeamRequest {
                team: Some(Team { name, ..own.spare.team.clone() }),
                update_mask: crate::directory::mask(&["*"]),
                validate_only: true,
                ..Default::default()
            };
        "permissions.v1.DirectoryService/ListMembers" "team" Team |_, name|
            ListMembersRequest { team: name, ..Default::default() };
        "permissions.v1.DirectoryService/AddMember" "team" Team |own, name| member(own, name);
        "permissions.v1.DirectoryService/AddMember" "role" SpareRole |own, name|
            AddMemberRequest { role: name, ..member(own, own.team.clone()) };
        "permissions.v1.DirectoryService/RemoveMember" "team" Team |own, name|
            RemoveMemberRequest { team: name, user: own.spare.holder.clone(), ..Default::default() };
        "permissions.v1.DirectoryService/RemoveMember" "user" SpareMember |own, name|
            RemoveMemberRequest { team: own.team.clone(), user: name, ..Default::default() };
        "permissions.v1.DirectoryService/LeaveTeam" "team" SpareTeam |_, name|
            LeaveTeamRequest { team: name, ..Default::default() };
        "permissions.v1.PermissionService/DeleteRole" "name" SpareRole |_, name|
            DeleteRoleRequest { name, force: true, ..Default::default() };
    }
}
