//! `elohim.permissions.v1`: directory and permissions.

use api::permissions::*;
use prost::Message as _;
use prost_types::FieldMask;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::bench::Bench;
use crate::entry::{Draft, Entry, Parts, late, on, seen};
use crate::facts::{Handed, Levels, Need, Owner};
use crate::things::Kind;

const ANYBODY: &str = "open to everybody";
const NOTHING: &str = "it names nothing";
const STANDARD: [&str; 5] = ["guest", "member", "developer", "lead", "admin"];
const KEYS: [&str; 5] =
    ["workflows.view", "workflows.manage", "code.edit", "learning.use", "team.manage"];

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("permissions.v1.DirectoryService/GetMe", &[], |_| GetMeRequest {}.encode_to_vec())
        .never_denied(ANYBODY)
        .never_not_found(NOTHING),
    Entry::new("permissions.v1.DirectoryService/ListUsers", &[], |c| {
        ListUsersRequest { page_size: c.page_size(), ..Default::default() }.encode_to_vec()
    })
    .never_not_found(NOTHING),
    Entry::new("permissions.v1.DirectoryService/CreateUser", &[], |c| {
        let (user, request_id) = (Some(new_user(c)), c.request_id());
        CreateUserRequest { user, request_id, ..Default::default() }.encode_to_vec()
    })
    .never_not_found(NOTHING),
    Entry::new("permissions.v1.DirectoryService/CreateServiceAccount", &[], |c| {
        let (user, request_id) = (Some(new_user(c)), c.request_id());
        CreateServiceAccountRequest { user, request_id, ..Default::default() }.encode_to_vec()
    })
    .never_not_found(NOTHING),
    Entry::new(
        "permissions.v1.DirectoryService/UpdateUser",
        &[on(Kind::ToUpdateUser).metadata()],
        |c| {
            let user = User {
                name: c.name(0),
                etag: c.etag(0),
                display_name: "Changed".into(),
                ..Default::default()
            };
            let (user, update_mask) = (Some(user), Some(mask("display_name")));
            let request_id = c.request_id();
            UpdateUserRequest { user, update_mask, request_id, ..Default::default() }
                .encode_to_vec()
        },
    ),
    Entry::new(
        "permissions.v1.DirectoryService/DeactivateUser",
        &[on(Kind::SpareUser).metadata()],
        |c| {
            let (name, request_id) = (c.name(0), c.request_id());
            DeactivateUserRequest { name, request_id, ..Default::default() }.encode_to_vec()
        },
    ),
    Entry::new("permissions.v1.DirectoryService/CreateTeam", &[], |c| {
        let team = Team { slug: c.slug(), display_name: "Made".into(), ..Default::default() };
        CreateTeamRequest { team: Some(team), request_id: c.request_id() }.encode_to_vec()
    })
    .never_not_found(NOTHING),
    Entry::new(
        "permissions.v1.DirectoryService/GetTeam",
        &[on(Kind::Team).metadata().with(Need::RowOrBrackets)],
        |c| GetTeamRequest { name: c.name(0) }.encode_to_vec(),
    ),
    Entry::new("permissions.v1.DirectoryService/ListTeams", &[], |c| {
        ListTeamsRequest { page_size: c.page_size(), ..Default::default() }.encode_to_vec()
    })
    .never_denied(ANYBODY)
    .never_not_found(NOTHING),
    Entry::new(
        "permissions.v1.DirectoryService/UpdateTeam",
        &[on(Kind::ToUpdateTeam).metadata()],
        |c| {
            let (name, etag) = (c.name(0), c.etag(0));
            let team = Team { name, etag, display_name: "Changed".into(), ..Default::default() };
            let (team, update_mask) = (Some(team), Some(mask("display_name")));
            let request_id = c.request_id();
            UpdateTeamRequest { team, update_mask, request_id, ..Default::default() }
                .encode_to_vec()
        },
    ),
    Entry::new(
        "permissions.v1.DirectoryService/DeleteTeam",
        &[on(Kind::SpareTeam).metadata()],
        |c| {
            let (name, request_id) = (c.name(0), c.request_id());
            DeleteTeamRequest { name, request_id, ..Default::default() }.encode_to_vec()
        },
    ),
    Entry::new(
        "permissions.v1.DirectoryService/ListMembers",
        &[on(Kind::Team).metadata().with(Need::RowOrBrackets)],
        |c| {
            ListMembersRequest { team: c.name(0), page_size: c.page_size(), ..Default::default() }
                .encode_to_vec()
        },
    ),
    Entry::new(
        "permissions.v1.DirectoryService/AddMember",
        &[on(Kind::Team).metadata(), late(Kind::Newcomer), late(Kind::Grantable)],
        |c| {
            AddMemberRequest {
                team: c.name(0),
                user: c.name(1),
                role: c.name(2),
                request_id: c.request_id(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    )
    .handing(first_admin_or_any_role),
    Entry::new(
        "permissions.v1.DirectoryService/RemoveMember",
        &[on(Kind::Team).metadata(), late(Kind::SpareMember)],
        |c| {
            RemoveMemberRequest { team: c.name(0), user: c.name(1), request_id: c.request_id() }
                .encode_to_vec()
        },
    )
    .handing(|draft, _, rng| hand_standard(draft, 1, rng)),
    Entry::new("permissions.v1.DirectoryService/LeaveTeam", &[seen(Kind::Team)], |c| {
        LeaveTeamRequest { team: c.name(0), request_id: c.request_id() }.encode_to_vec()
    })
    .never_denied("everybody may leave"),
    Entry::new(
        "permissions.v1.PermissionService/CheckPermission",
        &[seen(Kind::Tenant).share(80)],
        |c| check(c, 0).encode_to_vec(),
    )
    .never_denied(ANYBODY),
    Entry::new(
        "permissions.v1.PermissionService/BatchCheckPermissions",
        &[seen(Kind::Tenant).share(70), seen(Kind::Tenant).share(70)],
        |c| {
            let checks = vec![check(c, 0), check(c, 1)];
            BatchCheckPermissionsRequest { checks }.encode_to_vec()
        },
    )
    .never_denied(ANYBODY),
    Entry::new(
        "permissions.v1.PermissionService/ExplainPermission",
        &[seen(Kind::Team).share(80), late(Kind::Member).share(70)],
        |c| {
            ExplainPermissionRequest {
                permission: "workflows.edit".into(),
                level: Level::Write.into(),
                team: c.name(0),
                user: c.name(1),
                ..Default::default()
            }
            .encode_to_vec()
        },
    )
    .adjusted(about_others),
    Entry::new(
        "permissions.v1.PermissionService/ListEffectivePermissions",
        &[seen(Kind::Team).share(80), late(Kind::Member).share(70)],
        |c| {
            let (team, user) = (c.name(0), c.name(1));
            ListEffectivePermissionsRequest { team, user, ..Default::default() }.encode_to_vec()
        },
    )
    .adjusted(about_others),
    Entry::new("permissions.v1.PermissionService/ListPermissions", &[], |_| {
        ListPermissionsRequest {}.encode_to_vec()
    })
    .never_denied(ANYBODY)
    .never_not_found(NOTHING),
    Entry::new("permissions.v1.PermissionService/ListRoles", &[seen(Kind::Team).share(70)], |c| {
        ListRolesRequest { team: c.name(0), page_size: c.page_size(), ..Default::default() }
            .encode_to_vec()
    })
    .never_denied(ANYBODY),
    Entry::new("permissions.v1.PermissionService/CreateRole", &[on(Kind::Team)], |c| {
        let role = Role {
            slug: c.slug(),
            display_name: "Made".into(),
            permissions: handed_levels(c),
            ..Default::default()
        };
        CreateRoleRequest { team: c.name(0), role: Some(role), request_id: c.request_id() }
            .encode_to_vec()
    })
    .handing(hand_levels),
    Entry::new("permissions.v1.PermissionService/UpdateRole", &[on(Kind::ToUpdateRole)], |c| {
        let role = Role {
            name: c.name(0),
            etag: c.etag(0),
            permissions: handed_levels(c),
            ..Default::default()
        };
        let (role, update_mask) = (Some(role), Some(mask("permissions")));
        UpdateRoleRequest { role, update_mask, ..Default::default() }.encode_to_vec()
    })
    .handing(hand_levels),
    Entry::new("permissions.v1.PermissionService/DeleteRole", &[on(Kind::SpareRole)], |c| {
        DeleteRoleRequest { name: c.name(0), request_id: c.request_id(), ..Default::default() }
            .encode_to_vec()
    }),
    Entry::new(
        "permissions.v1.PermissionService/AssignRole",
        &[on(Kind::Team), late(Kind::SpareMember), late(Kind::Grantable)],
        |c| {
            AssignRoleRequest {
                team: c.name(0),
                user: c.name(1),
                role: c.name(2),
                request_id: c.request_id(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    )
    .handing(|draft, bench, rng| hand_any(draft, 2, bench, rng)),
    Entry::new("permissions.v1.PermissionService/UnassignRole", &[on(Kind::ToUnassign)], |c| {
        UnassignRoleRequest { name: c.name(0), request_id: c.request_id() }.encode_to_vec()
    })
    .handing(|draft, _, rng| hand_standard(draft, 0, rng)),
    Entry::new(
        "permissions.v1.PermissionService/ListRoleAssignments",
        &[on(Kind::Team), late(Kind::Member).share(40)],
        |c| {
            ListRoleAssignmentsRequest {
                team: c.name(0),
                user: c.name(1),
                page_size: c.page_size(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
];

fn mask(path: &str) -> FieldMask {
    FieldMask { paths: vec![path.to_owned()] }
}

fn new_user(c: &Parts<'_>) -> User {
    User { display_name: "Made".into(), subject: c.slug(), ..Default::default() }
}

fn check(c: &Parts<'_>, at: usize) -> CheckPermissionRequest {
    let (visibility, team) = c.owner(at);
    CheckPermissionRequest {
        permission: "workflows.edit".into(),
        level: Level::Write.into(),
        visibility,
        team,
    }
}

/// Somebody else is asked about in a team, by who sees there what people hold.
fn about_others(draft: &mut Draft) -> bool {
    if draft.has(1) {
        draft.set_need(0, Need::Brackets);
    }
    draft.has(0) || !draft.has(1)
}

/// Hands on a role of the table, if the field names something.
fn hand_standard(draft: &mut Draft, at: usize, rng: &mut StdRng) {
    let role = STANDARD.choose(rng).map(|role| (*role).to_owned());
    hand_role(draft, at, role);
}

/// Hands on a role that can be held in the team.
fn hand_any(draft: &mut Draft, at: usize, bench: &Bench, rng: &mut StdRng) {
    let own = draft.team().and_then(|team| bench.team_roles.get(team));
    let own = own.and_then(|roles| roles.choose(rng)).filter(|_| rng.random_bool(0.3)).cloned();
    let standard = STANDARD.choose(rng).map(|role| (*role).to_owned());
    hand_role(draft, at, own.or(standard));
}

fn hand_role(draft: &mut Draft, at: usize, role: Option<String>) {
    if let (Some(place), Some(_)) = (draft.team().map(str::to_owned), draft.owner(at)) {
        draft.handed = vec![Handed { place, role, levels: Levels::new() }];
    }
}

/// One in three is to be the first admin of a team in which nobody is.
fn first_admin_or_any_role(draft: &mut Draft, bench: &Bench, rng: &mut StdRng) {
    let is_absent = draft.owner(0).is_none();
    if is_absent || !draft.dice.is_multiple_of(3) {
        return hand_any(draft, 2, bench, rng);
    }
    draft.set_kind(0, Kind::SpareTeam, Owner::Team("a new one".to_owned()));
    hand_standard(draft, 2, rng);
    let is_admin = |handed: &Handed| handed.role.as_deref() == Some("admin");
    if draft.handed.iter().any(is_admin) {
        draft.set_need(0, Need::RowOrBrackets);
        // That is what the brackets are for.
        draft.handed_apart();
    }
}

fn hand_levels(draft: &mut Draft, _: &Bench, rng: &mut StdRng) {
    let Some(place) = draft.team().map(str::to_owned) else { return };
    let mut levels = Levels::new();
    for key in KEYS.choose_multiple(rng, 2) {
        levels.insert((*key).to_owned(), rng.random_range(1..=3));
    }
    draft.handed = vec![Handed { place, role: None, levels }];
}

fn handed_levels(c: &Parts<'_>) -> Vec<EffectivePermission> {
    let levels = c.draft.handed.iter().flat_map(|handed| &handed.levels);
    let held = levels.map(|(key, level)| EffectivePermission {
        permission: key.clone(),
        level: i32::from(*level),
    });
    let mut held: Vec<_> = held.collect();
    if held.is_empty() {
        let permission = "workflows.view".to_owned();
        held.push(EffectivePermission { permission, level: Level::Read.into() });
    }
    held
}
