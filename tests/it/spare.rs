//! People, a team and roles that may be changed without being missed, and a valid request
//! for every method about them.

use api::permissions::{
    AddMemberRequest, AssignRoleRequest, BatchCheckPermissionsRequest, CheckPermissionRequest,
    CreateRoleRequest, CreateServiceAccountRequest, CreateTeamRequest, CreateUserRequest,
    DeactivateUserRequest, DeleteRoleRequest, DeleteTeamRequest, EffectivePermission,
    ExplainPermissionRequest, GetMeRequest, GetTeamRequest, LeaveTeamRequest, Level,
    ListEffectivePermissionsRequest, ListMembersRequest, ListPermissionsRequest,
    ListRoleAssignmentsRequest, ListRolesRequest, ListTeamsRequest, ListUsersRequest,
    RemoveMemberRequest, Role, Team, UnassignRoleRequest, UpdateRoleRequest, UpdateTeamRequest,
    UpdateUserRequest, User,
};
use directory::NewAssignment;
use permissions::AssignmentScope;
use primitives::{Clock as _, SystemClock};
use prost::Message as _;
use testkit::world::{Person, World};

use crate::directory::{adds, mask, newcomer, uuid};
use crate::scene::{Method, Own, Quality, only_valid};

/// What is spare, by names.
#[derive(Clone, Debug)]
pub(crate) struct Spare {
    /// Admin of the team: subject and name.
    pub(crate) keeper: (String, String),
    /// In no team.
    pub(crate) user: User,
    /// In no team.
    pub(crate) outsider: String,
    /// A guest of the team.
    pub(crate) member: String,
    /// A guest of the team with a further role…
    pub(crate) holder: String,
    /// …which is this.
    pub(crate) assignment: String,
    /// Of the team's own; nobody holds it.
    pub(crate) role: Role,
    /// The team itself.
    pub(crate) team: Team,
    /// Another team, which owns nothing, and whose only member is the lead.
    pub(crate) other_team: String,
}

fn grants(key: &str) -> Vec<EffectivePermission> {
    vec![EffectivePermission { permission: key.into(), level: Level::Read.into() }]
}

fn a_role(slug: &str) -> Role {
    Role {
        slug: slug.into(),
        display_name: "Reader".into(),
        permissions: grants("audit.read"),
        ..Default::default()
    }
}

fn a_user(subject: &str) -> User {
    User { display_name: "New".into(), subject: subject.into(), ..Default::default() }
}

fn a_team(slug: &str) -> Team {
    Team { display_name: "New".into(), slug: slug.into(), ..Default::default() }
}

/// A slug or subject that nobody has taken.
fn fresh(what: &str) -> String {
    format!("{what}-{}", uuid())
}

/// Makes what is spare beside a lead's things.
pub(crate) async fn spare(world: &World, lead: &Person, slug: &str) -> Spare {
    let erin = world.person("erin");
    let new = async |what: &str| newcomer(world, &format!("{what}-of-{slug}")).await;
    let keeper = new("keeper").await;
    let team = AssignmentScope::Team(lead.team.parse().unwrap());
    assign(world, &keeper, team, "admin").await;
    let [member, holder, outsider] =
        [new("member").await, new("holder").await, new("outsider").await];
    for guest in [&member, &holder] {
        adds(&keeper, &lead.team, &guest.user, "guest").await.unwrap();
    }
    let given = AssignRoleRequest {
        team: lead.team.clone(),
        user: holder.user.clone(),
        role: "roles/member".into(),
        ..Default::default()
    };
    let given = keeper.permissions().assign_role(given).await.unwrap().into_inner();
    let role = CreateRoleRequest {
        team: lead.team.clone(),
        role: Some(a_role("spare")),
        ..Default::default()
    };
    let role = keeper.permissions().create_role(role).await.unwrap().into_inner();
    let user =
        CreateUserRequest { user: Some(a_user(&format!("spare-of-{slug}"))), ..Default::default() };
    let user = erin.directory().create_user(user).await.unwrap().into_inner();
    let other =
        CreateTeamRequest { team: Some(a_team(&format!("beside-{slug}"))), ..Default::default() };
    let other = erin.directory().create_team(other).await.unwrap().into_inner();
    assign(world, lead, AssignmentScope::Team(other.name.parse().unwrap()), "guest").await;
    let own = GetTeamRequest { name: lead.team.clone() };
    Spare {
        team: keeper.directory().get_team(own).await.unwrap().into_inner(),
        keeper: (keeper.name, keeper.user),
        user,
        outsider: outsider.user,
        member: member.user,
        holder: holder.user,
        assignment: given.name,
        role,
        other_team: other.name,
    }
}

async fn assign(world: &World, person: &Person, scope: AssignmentScope, role: &str) {
    let assignment = NewAssignment { user: person.id, scope, role: role.into(), expires_at: None };
    world.policy().assign(&assignment, SystemClock.now()).await.unwrap();
}

/// Who may call a method about the belongings of `lead`.
pub(crate) fn who_may(world: &World, method: &Method, own: &Own, lead: &Person) -> Person {
    match method.key.as_str() {
        "team.manage" => world.known_as(&own.spare.keeper.0, &own.spare.keeper.1),
        "directory.manage" => world.person("erin"),
        "workflows.manage" if method.level == "ADMIN" => {
            world.known_as(&own.spare.keeper.0, &own.spare.keeper.1)
        }
        _ => lead.clone(),
    }
}

/// As [`request`](crate::scene::request), for the services of `elohim.permissions.v1`.
pub(crate) fn request(method: &str, own: Own, quality: Quality) -> Option<Vec<u8>> {
    let spoiled = quality == Quality::Spoiled;
    let request_id = if spoiled { "not a uuid" } else { "" }.to_owned();
    let page_size = if spoiled { -1 } else { 0 };
    let permission = if spoiled { "no.such" } else { "workflows.edit" }.to_owned();
    let level = Level::Write.into();
    let (team, spare) = (own.team, own.spare);
    let bytes = match method {
        "PermissionService/CheckPermission" => {
            CheckPermissionRequest { permission, level, team, ..Default::default() }.encode_to_vec()
        }
        "PermissionService/BatchCheckPermissions" => {
            let check = CheckPermissionRequest { permission, level, team, ..Default::default() };
            BatchCheckPermissionsRequest { checks: vec![check] }.encode_to_vec()
        }
        "PermissionService/ExplainPermission" => {
            ExplainPermissionRequest { permission, level, team, ..Default::default() }
                .encode_to_vec()
        }
        "PermissionService/ListEffectivePermissions" => {
            only_valid(spoiled, &ListEffectivePermissionsRequest { team, ..Default::default() })?
        }
        "PermissionService/ListPermissions" => only_valid(spoiled, &ListPermissionsRequest {})?,
        "PermissionService/ListRoles" => {
            ListRolesRequest { team, page_size, ..Default::default() }.encode_to_vec()
        }
        "PermissionService/CreateRole" => {
            let role = Some(a_role(&fresh("role")));
            CreateRoleRequest { team, role, request_id }.encode_to_vec()
        }
        "PermissionService/UpdateRole" => UpdateRoleRequest {
            role: Some(spare.role),
            update_mask: mask(&["display_name"]),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "PermissionService/DeleteRole" => {
            DeleteRoleRequest { name: spare.role.name, request_id, ..Default::default() }
                .encode_to_vec()
        }
        "PermissionService/AssignRole" => AssignRoleRequest {
            team,
            user: spare.holder,
            role: "roles/developer".into(),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "PermissionService/UnassignRole" => {
            UnassignRoleRequest { name: spare.assignment, request_id }.encode_to_vec()
        }
        "PermissionService/ListRoleAssignments" => {
            ListRoleAssignmentsRequest { team, page_size, ..Default::default() }.encode_to_vec()
        }
        other => return directory_request(other, team, spare, spoiled, request_id),
    };
    Some(bytes)
}

fn directory_request(
    method: &str,
    team: String,
    spare: Spare,
    spoiled: bool,
    request_id: String,
) -> Option<Vec<u8>> {
    let page_size = if spoiled { -1 } else { 0 };
    let bytes = match method {
        "DirectoryService/GetMe" => only_valid(spoiled, &GetMeRequest {})?,
        "DirectoryService/ListUsers" => {
            ListUsersRequest { page_size, ..Default::default() }.encode_to_vec()
        }
        "DirectoryService/CreateUser" => {
            let user = Some(a_user(&fresh("user-new")));
            CreateUserRequest { user, request_id, ..Default::default() }.encode_to_vec()
        }
        "DirectoryService/CreateServiceAccount" => {
            let user = Some(a_user(&fresh("service")));
            CreateServiceAccountRequest { user, request_id, ..Default::default() }.encode_to_vec()
        }
        "DirectoryService/UpdateUser" => UpdateUserRequest {
            user: Some(spare.user),
            update_mask: mask(&["display_name"]),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "DirectoryService/DeactivateUser" => {
            DeactivateUserRequest { name: spare.user.name, request_id, ..Default::default() }
                .encode_to_vec()
        }
        "DirectoryService/CreateTeam" => {
            CreateTeamRequest { team: Some(a_team(&fresh("team"))), request_id }.encode_to_vec()
        }
        "DirectoryService/GetTeam" => only_valid(spoiled, &GetTeamRequest { name: team })?,
        "DirectoryService/ListTeams" => {
            ListTeamsRequest { page_size, ..Default::default() }.encode_to_vec()
        }
        "DirectoryService/UpdateTeam" => UpdateTeamRequest {
            team: Some(spare.team),
            update_mask: mask(&["*"]),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "DirectoryService/DeleteTeam" => {
            DeleteTeamRequest { name: spare.other_team, request_id, ..Default::default() }
                .encode_to_vec()
        }
        "DirectoryService/ListMembers" => {
            ListMembersRequest { team, page_size, ..Default::default() }.encode_to_vec()
        }
        "DirectoryService/AddMember" => AddMemberRequest {
            team,
            user: spare.outsider,
            role: "roles/guest".into(),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "DirectoryService/RemoveMember" => {
            RemoveMemberRequest { team, user: spare.member, request_id }.encode_to_vec()
        }
        "DirectoryService/LeaveTeam" => {
            LeaveTeamRequest { team: spare.other_team, request_id }.encode_to_vec()
        }
        other => panic!("{other} has no request: add one here"),
    };
    Some(bytes)
}
