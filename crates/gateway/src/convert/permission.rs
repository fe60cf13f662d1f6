//! Roles, holdings, and what decides a permission.

use api::permissions as wire;
use directory::TeamRole;
use directory::service::{
    Ground, GroundRole, HoldingView, RoleChange, RoleInput, RoleView, Slug, Standing,
};
use permissions::{AssignmentScope, AssignmentSource, Key, Level, Levels, Role};
use primitives::{Checked, InvalidArgs, RoleId};

use super::directory::level;
use super::owner::shown;
use super::scalar::{etag, name, optional_time, time, version};

/// A role in a list.
pub(crate) fn role(view: RoleView) -> wire::Role {
    match view {
        RoleView::Own(role) => own_role(role),
        RoleView::Standard { name, levels, system } => wire::Role {
            name: Role::Standard(name.to_owned()).to_string(),
            slug: name.to_owned(),
            display_name: standard_title(name).to_owned(),
            permissions: effective(levels),
            system,
            ..wire::Role::default()
        },
    }
}

/// A role that a team made.
pub(crate) fn own_role(role: TeamRole) -> wire::Role {
    wire::Role {
        name: role.id.to_string(),
        etag: etag(role.version),
        team: role.team.to_string(),
        slug: role.slug,
        display_name: role.display_name,
        permissions: effective(role.levels),
        system: false,
        create_time: time(role.created_at),
    }
}

const fn standard_title(name: &str) -> &'static str {
    match name.as_bytes() {
        b"guest" => "Guest: looks on",
        b"member" => "Member: moves items and uses the agent",
        b"developer" => "Developer: also applies changes",
        b"lead" => "Lead: also keeps definitions and repositories",
        b"admin" => "Admin: also keeps the team",
        b"support" => "Support: helps with metadata",
        b"founder" => "Founder: keeps the whole system",
        _ => "",
    }
}

/// What is held, by key.
pub(crate) fn effective(levels: Levels) -> Vec<wire::EffectivePermission> {
    let held = levels.held().map(|(key, held)| wire::EffectivePermission {
        permission: key.name().to_owned(),
        level: level(held).into(),
    });
    let mut held: Vec<_> = held.collect();
    held.sort_by(|one, other| one.permission.cmp(&other.permission));
    held
}

/// A role to be made.
pub(crate) fn role_input(given: Option<&wire::Role>) -> Checked<RoleInput> {
    let Some(given) = given else { return Err(InvalidArgs::new("role", "is required")) };
    Ok(RoleInput {
        slug: Slug::check("role.slug", &given.slug)?,
        display_name: RoleInput::display_name("role.display_name", &given.display_name)?,
        levels: levels(&given.permissions)?,
    })
}

/// What is to become of a role.
pub(crate) fn role_change(
    given: &wire::Role,
    mask: Option<&prost_types::FieldMask>,
) -> Checked<RoleChange> {
    const PATHS: [&str; 2] = ["display_name", "permissions"];
    let paths = super::mask::paths(mask, &PATHS)?;
    let mut change = RoleChange { version: required_version(&given.etag)?, ..Default::default() };
    if paths.contains(&"display_name") {
        let text = RoleInput::display_name("role.display_name", &given.display_name)?;
        change.display_name = Some(text);
    }
    if paths.contains(&"permissions") {
        change.levels = Some(levels(&given.permissions)?);
    }
    Ok(change)
}

fn required_version(etag: &str) -> Checked<Option<i64>> {
    match version(etag) {
        None => Err(InvalidArgs::new("role.etag", "is required: read the role first")),
        given => Ok(given),
    }
}

fn levels(given: &[wire::EffectivePermission]) -> Checked<Levels> {
    let pairs: Vec<_> =
        given.iter().map(|one| (one.permission.clone(), given_level(one))).collect();
    RoleInput::levels("role.permissions", &pairs)
}

fn given_level(given: &wire::EffectivePermission) -> Option<Level> {
    super::directory::asked_level(given.level).ok()
}

/// A role named in a request: `roles/developer` or `roles/{uuid}`.
pub(crate) fn role_name(field: &str, text: &str) -> Checked<Role> {
    let wrong = || InvalidArgs::new(field, "expected a name of the form roles/{role}");
    let bare = text.strip_prefix("roles/").ok_or_else(wrong)?;
    if let Ok(id) = RoleId::parse_bare(bare) {
        return Ok(Role::Custom(id));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if bare.is_empty() || bare.len() > 63 || !bare.chars().all(plain) {
        return Err(wrong());
    }
    Ok(Role::Standard(bare.to_owned()))
}

/// A role that is held.
pub(crate) fn holding(view: HoldingView) -> wire::RoleAssignment {
    let HoldingView { holding, slug } = view;
    let source = match holding.source {
        AssignmentSource::Given => wire::RoleSource::Given,
        AssignmentSource::Claim => wire::RoleSource::Claim,
    };
    wire::RoleAssignment {
        name: holding.id.to_string(),
        user: holding.user.to_string(),
        team: match holding.scope {
            AssignmentScope::Team(team) => team.to_string(),
            AssignmentScope::System => String::new(),
        },
        role: holding.role.to_string(),
        role_slug: slug,
        source: source.into(),
        creator: name(holding.creator),
        create_time: time(holding.created_at),
        expire_time: optional_time(holding.expires_at),
    }
}

/// An answer to CheckPermission.
pub(crate) fn checked(standing: Standing) -> wire::CheckPermissionResponse {
    wire::CheckPermissionResponse {
        allowed: standing.allowed,
        held_level: level(standing.held).into(),
        reason: standing.reason,
    }
}

/// An answer to ExplainPermission.
pub(crate) fn explained(standing: Standing) -> wire::ExplainPermissionResponse {
    wire::ExplainPermissionResponse {
        allowed: standing.allowed,
        held_level: level(standing.held).into(),
        grounds: standing.grounds.into_iter().map(ground).collect(),
        missing_roles: standing.missing.into_iter().map(|role| format!("roles/{role}")).collect(),
        reason: standing.reason,
    }
}

/// One line of ListEffectivePermissions.
pub(crate) fn granted((key, standing): (Key, Standing)) -> wire::GrantedPermission {
    wire::GrantedPermission {
        permission: key.name().to_owned(),
        level: level(standing.held).into(),
        grounds: standing.grounds.into_iter().map(ground).collect(),
    }
}

fn ground(ground: Ground) -> wire::PermissionGround {
    let (role, role_slug) = match ground.role {
        GroundRole::Base => (String::new(), "base".to_owned()),
        GroundRole::Held(role, slug) => (role.to_string(), slug),
    };
    let (visibility, team, _) = match ground.place {
        Some(place) => shown(place),
        None => (wire::Visibility::Global, String::new(), String::new()),
    };
    wire::PermissionGround {
        role,
        role_slug,
        visibility: visibility.into(),
        team,
        system: ground.place.is_none(),
        level: level(ground.level).into(),
        expire_time: optional_time(ground.expires_at),
    }
}

/// One key of the catalogue.
pub(crate) fn info(key: Key) -> wire::PermissionInfo {
    wire::PermissionInfo {
        permission: key.name().to_owned(),
        description: key.about().to_owned(),
        system: key.is_system(),
    }
}
