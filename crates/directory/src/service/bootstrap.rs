//! Who is there first: a founder, a team, and its admin, all of them one person.
//!
//! **Invariant:** only a database in which nobody lives is given a founder this way; everybody
//! after that is made known by somebody.

use audit::AuditEvent;
use permissions::{AssignmentScope, AssignmentSource, Role, UserKind};
use primitives::{Clock, RoleAssignmentId, TeamId, Tenant, Timestamp, UserId};
use serde_json::json;

use super::identity::Subject;
use super::names::Slug;
use crate::store::{FirstSteps, StoreError};
use crate::{Holding, Team, User};

/// What the records of this name as their request.
const REQUEST: &str = "bootstrap";

/// Who and what is to be there first.
#[derive(Clone, Debug)]
pub struct FirstPerson {
    pub subject: Subject,
    pub display_name: String,
    pub team: Slug,
    pub team_name: String,
}

/// Writes the first person and team. `None`, with nothing changed, when there is anybody.
pub async fn bootstrap(
    store: &dyn FirstSteps,
    clock: &dyn Clock,
    first: FirstPerson,
) -> Result<Option<(User, Team)>, StoreError> {
    let now = clock.now();
    let user = User {
        id: UserId::generate(),
        subject: Some(first.subject.into_string()),
        certificate_name: None,
        display_name: first.display_name,
        kind: UserKind::Person,
        active: true,
        may_apply: true,
        created_at: now,
        deactivated_at: None,
        version: 1,
        away_until: None,
    };
    let team = Team {
        id: TeamId::generate(),
        slug: first.team.into_string(),
        display_name: first.team_name,
        created_at: now,
        deleted_at: None,
        version: 1,
    };
    let roles = [
        holding(&user, AssignmentScope::System, "founder", now),
        holding(&user, AssignmentScope::Team(team.id), "admin", now),
    ];
    let records = records(&user, &team, now);
    let is_done = store.first_steps(&user, &team, &roles, records).await?;
    Ok(is_done.then_some((user, team)))
}

fn holding(user: &User, scope: AssignmentScope, role: &str, now: Timestamp) -> Holding {
    Holding {
        id: RoleAssignmentId::generate(),
        user: user.id,
        scope,
        role: Role::Standard(role.to_owned()),
        source: AssignmentSource::Given,
        creator: None,
        created_at: now,
        expires_at: None,
    }
}

/// The same records as if somebody had called the methods one by one.
fn records(user: &User, team: &Team, now: Timestamp) -> Vec<AuditEvent> {
    let own = Tenant::Person(user.id);
    let record = |tenant, action, name: &dyn std::fmt::Display, details| {
        AuditEvent::on_behalf(user.id, now, tenant, action, name, REQUEST).with(details)
    };
    let founder = json!({ "kind": user.kind, "system_roles": ["founder"] });
    let admin = json!({ "user": user.id, "role": "roles/admin", "first_admin": true });
    let there = Tenant::Team(team.id);
    vec![
        record(own, "user.created", &user.id, founder),
        record(there, "team.created", &team.id, json!({ "slug": team.slug })),
        record(there, "team.member.added", &team.id, admin),
    ]
}
