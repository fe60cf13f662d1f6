//! Rows of the directory and what they mean.

use directory::{Holding, Team, TeamCard, TeamRole, User, UserCard};
use permissions::{AssignmentScope, AssignmentSource, Role, UserKind};
use primitives::{RoleAssignmentId, RoleId, TeamId, Timestamp, UserId};
use uuid::Uuid;

use crate::fault::Result;
use crate::row::directory::{app_user, custom_role, role_assignment, team};
use crate::row::{broken, from_json, micros, time, to_json};

const TEAM: &str = "team";
const SYSTEM: &str = "system";

/// The stored pair of an assignment's scope.
pub(super) fn scope_columns(scope: AssignmentScope) -> (&'static str, Uuid) {
    match scope {
        AssignmentScope::Team(team) => (TEAM, team.as_uuid()),
        AssignmentScope::System => (SYSTEM, Uuid::nil()),
    }
}

pub(super) fn scope_of(kind: &str, id: Uuid) -> Result<AssignmentScope> {
    match kind {
        TEAM => Ok(AssignmentScope::Team(TeamId::from_uuid(id))),
        SYSTEM => Ok(AssignmentScope::System),
        other => Err(broken("scope_kind", other)),
    }
}

/// The stored word of a kind of user.
pub(super) const fn kind_word(kind: UserKind) -> &'static str {
    match kind {
        UserKind::Person => "person",
        UserKind::Service => "service",
    }
}

pub(super) fn kind_of(word: &str) -> Result<UserKind> {
    match word {
        "person" => Ok(UserKind::Person),
        "service" => Ok(UserKind::Service),
        other => Err(broken("kind", other)),
    }
}

/// The stored word of whoever decided that a role is held.
pub(super) const fn source_word(source: AssignmentSource) -> &'static str {
    match source {
        AssignmentSource::Given => "given",
        AssignmentSource::Claim => "claim",
    }
}

pub(super) fn source_of(word: &str) -> Result<AssignmentSource> {
    match word {
        "given" => Ok(AssignmentSource::Given),
        "claim" => Ok(AssignmentSource::Claim),
        other => Err(broken("source", other)),
    }
}

pub(super) fn user(row: app_user::Model) -> Result<User> {
    Ok(User {
        id: UserId::from_uuid(row.id),
        subject: row.subject,
        certificate_name: row.certificate_name,
        display_name: row.display_name,
        kind: kind_of(&row.kind)?,
        active: row.active,
        may_apply: row.may_apply,
        created_at: Timestamp::from_micros(row.created_at),
        deactivated_at: time(row.deactivated_at),
        version: row.version,
        away_until: time(row.away_until),
    })
}

pub(super) fn user_row(user: &User) -> app_user::Model {
    app_user::Model {
        id: user.id.as_uuid(),
        subject: user.subject.clone(),
        display_name: user.display_name.clone(),
        active: user.active,
        may_apply: user.may_apply,
        created_at: user.created_at.as_micros(),
        certificate_name: user.certificate_name.clone(),
        kind: kind_word(user.kind).into(),
        deactivated_at: micros(user.deactivated_at),
        version: user.version,
        away_until: micros(user.away_until),
    }
}

pub(super) fn user_card(row: app_user::Model) -> UserCard {
    UserCard {
        id: UserId::from_uuid(row.id),
        display_name: row.display_name,
        subject: row.subject.unwrap_or_default(),
        may_apply: row.may_apply,
    }
}

pub(super) fn team(row: team::Model) -> Team {
    Team {
        id: TeamId::from_uuid(row.id),
        slug: row.slug,
        display_name: row.display_name,
        created_at: Timestamp::from_micros(row.created_at),
        deleted_at: time(row.deleted_at),
        version: row.version,
    }
}

pub(super) fn team_row(team: &Team) -> team::Model {
    team::Model {
        id: team.id.as_uuid(),
        slug: team.slug.clone(),
        display_name: team.display_name.clone(),
        created_at: team.created_at.as_micros(),
        deleted_at: micros(team.deleted_at),
        version: team.version,
    }
}

pub(super) fn team_card(row: team::Model) -> TeamCard {
    TeamCard { id: TeamId::from_uuid(row.id), slug: row.slug, display_name: row.display_name }
}

pub(super) fn role(row: custom_role::Model) -> Result<TeamRole> {
    Ok(TeamRole {
        id: RoleId::from_uuid(row.id),
        team: TeamId::from_uuid(row.team_id),
        slug: row.slug,
        display_name: row.display_name,
        levels: from_json("levels", &row.levels)?,
        created_at: Timestamp::from_micros(row.created_at),
        version: row.version,
    })
}

pub(super) fn role_row(role: &TeamRole) -> Result<custom_role::Model> {
    Ok(custom_role::Model {
        id: role.id.as_uuid(),
        team_id: role.team.as_uuid(),
        slug: role.slug.clone(),
        display_name: role.display_name.clone(),
        levels: to_json(&role.levels)?,
        created_at: role.created_at.as_micros(),
        version: role.version,
    })
}

pub(super) fn holding(row: role_assignment::Model) -> Result<Holding> {
    Ok(Holding {
        id: RoleAssignmentId::from_uuid(row.id),
        user: UserId::from_uuid(row.user_id),
        scope: scope_of(&row.scope_kind, row.scope_id)?,
        role: Role::from(row.role.as_str()),
        source: source_of(&row.source)?,
        creator: row.creator_id.map(UserId::from_uuid),
        created_at: Timestamp::from_micros(row.created_at),
        expires_at: time(row.expires_at),
    })
}

pub(super) fn holding_row(held: &Holding) -> role_assignment::Model {
    let (scope_kind, scope_id) = scope_columns(held.scope);
    role_assignment::Model {
        user_id: held.user.as_uuid(),
        scope_kind: scope_kind.into(),
        scope_id,
        role: held.role.stored(),
        expires_at: micros(held.expires_at),
        created_at: held.created_at.as_micros(),
        id: held.id.as_uuid(),
        source: source_word(held.source).into(),
        creator_id: held.creator.map(|user| user.as_uuid()),
    }
}
