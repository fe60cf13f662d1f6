//! Who holds which role in a team.

use audit::AuditEvent;
use events::Once;
use permissions::{AssignmentScope, AssignmentSource, Grant, Levels, Role, TeamRead, TeamWrite};
use primitives::{
    Checked, InvalidArgs, Page, PageRequest, RoleAssignmentId, TeamId, Tenant, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::admins::{Grants, keep_managed};
use super::roles::depart;
use super::{DirectoryDeps, remember, replayed};
use crate::store::HoldingFilter;
use crate::{DirectoryError, Holding, TeamRole};

const NO_TEAM: DirectoryError = DirectoryError::NotFound("TEAM");
const NO_USER: DirectoryError = DirectoryError::NotFound("USER");
const NO_ROLE: DirectoryError = DirectoryError::NotFound("ROLE");
const NO_HOLDING: DirectoryError = DirectoryError::NotFound("ROLE_ASSIGNMENT");

/// A role to be given.
#[derive(Clone, Debug)]
pub struct AssignInput {
    pub team: TeamId,
    pub user: UserId,
    pub role: Role,
    pub expires_at: Checked<Option<Timestamp>>,
}

/// A holding with the short name of its role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldingView {
    pub holding: Holding,
    pub slug: String,
}

impl HoldingView {
    fn of(holding: Holding, own: &[TeamRole]) -> Self {
        let slug = match &holding.role {
            Role::Standard(name) => name.clone(),
            Role::Custom(id) => {
                own.iter().find(|role| role.id == *id).map_or_else(String::new, |r| r.slug.clone())
            }
        };
        Self { holding, slug }
    }
}

/// An end must lie ahead.
pub(super) fn ends_later(
    field: &str,
    end: Option<Timestamp>,
    now: Timestamp,
) -> Checked<Option<Timestamp>> {
    match end {
        Some(end) if end <= now => Err(InvalidArgs::new(field, "must be in the future")),
        end => Ok(end),
    }
}

/// Roles held in teams.
#[derive(Clone)]
pub struct Assignments {
    deps: DirectoryDeps,
}

impl Assignments {
    pub fn new(deps: DirectoryDeps) -> Self {
        Self { deps }
    }

    /// What is held in a team now, oldest first. A user who is no member is not found, rather
    /// than an empty list.
    #[tracing::instrument(
        name = "role_assignments.list",
        skip_all,
        fields(team.id = %team, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn list(
        &self,
        grant: &Grant<TeamRead>,
        team: TeamId,
        user: Option<UserId>,
        page: Checked<PageRequest>,
    ) -> Result<Page<HoldingView>, DirectoryError> {
        let scope = grant.scope();
        let one = PageRequest { size: 200, after: None };
        let own = self.deps.store.list_roles(&scope, &[team], one).await?.items;
        let tenant = Tenant::Team(team);
        if !scope.sees(tenant) {
            return Err(NO_TEAM);
        }
        let admitted = grant.admit_in(tenant)?;
        let now = self.deps.clock.now();
        let filter = HoldingFilter { user };
        let whole = page.as_ref().map_or(PageRequest { size: 1, after: None }, |page| *page);
        let found = self.deps.store.list_holdings(&scope, &admitted, filter, now, whole).await?;
        if user.is_some() && found.items.is_empty() && whole.after.is_none() {
            return Err(NO_USER);
        }
        page?;
        Ok(found.map(|holding| HoldingView::of(holding, &own)))
    }

    /// Gives a member a further role, or another end to one he holds. Nobody gives more than
    /// he holds himself.
    #[tracing::instrument(
        name = "role_assignments.assign",
        skip_all,
        fields(team.id = %input.team, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn assign(
        &self,
        grant: &Grant<TeamWrite>,
        input: AssignInput,
        once: Option<&Once>,
    ) -> Result<HoldingView, DirectoryError> {
        let AssignInput { team, user, role, expires_at } = input;
        let scope = grant.scope();
        let mut tx = self.deps.begin(&scope).await?;
        let tenant = Tenant::Team(team);
        if !scope.sees(tenant) {
            return Err(NO_TEAM);
        }
        let admitted = grant.admit_in(tenant)?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let now = self.deps.clock.now();
        let place = AssignmentScope::Team(team);
        let held = tx.holdings_in(place, now).await?;
        if !held.iter().any(|held| held.user == user) {
            return Err(NO_USER);
        }
        let own = tx.roles_of(team).await?;
        let grants = Grants { table: self.deps.authorizer.roles(), own: &own };
        let levels = grants.of(&role).ok_or(NO_ROLE)?;
        let expires_at = ends_later("expire_time", expires_at?, now)?;
        grant.caller().may_grant(place, levels)?;

        let holding = Holding {
            id: RoleAssignmentId::generate(),
            user,
            scope: place,
            role,
            source: AssignmentSource::Given,
            creator: Some(grant.user()),
            created_at: now,
            expires_at,
        };
        let rest = held.iter().filter(|held| held.user != user || held.role != holding.role);
        keep_managed(grants.managed(&held), grants.managed(rest.chain(std::iter::once(&holding))))?;
        let holding = tx.put_holding(admitted.create(holding)).await?;
        let view = HoldingView::of(holding, &own);
        let event = AuditEvent::by(grant, now, tenant, "role.assigned", view.holding.id);
        tx.record(vec![event.with(details(&view))]).await?;
        remember(tx.as_mut(), once, &view, now).await?;
        tx.commit().await?;
        Ok(view)
    }

    /// Takes a role away. Whoever holds no other leaves the team.
    #[tracing::instrument(
        name = "role_assignments.unassign",
        skip_all,
        fields(role_assignment.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn unassign(
        &self,
        grant: &Grant<TeamWrite>,
        id: RoleAssignmentId,
        arguments: Checked<()>,
        once: Option<&Once>,
    ) -> Result<(), DirectoryError> {
        let scope = grant.scope();
        let mut tx = self.deps.begin(&scope).await?;
        if let Some(once) = once
            && tx.replay(once).await?.is_some()
        {
            // It is gone, so there is nothing left to be admitted to.
            return Ok(());
        }
        let row = tx.find_holding(id).await?.and_then(|row| scope.show(row)).ok_or(NO_HOLDING)?;
        let row = grant.admit(row)?;
        arguments?;
        // Only what is held in a team can be taken by who manages one.
        let AssignmentScope::Team(team) = row.scope else { return Err(NO_HOLDING) };
        let now = self.deps.clock.now();
        let held = tx.holdings_in(row.scope, now).await?;
        let own = tx.roles_of(team).await?;
        let grants = Grants { table: self.deps.authorizer.roles(), own: &own };
        if row.user != grant.user() {
            let levels = grants.of(&row.role).unwrap_or(Levels::NONE);
            grant.caller().may_grant(row.scope, levels)?;
        }
        let (taken, left): (Vec<_>, Vec<_>) = held.into_iter().partition(|held| held.id == id);
        keep_managed(grants.managed(taken.iter().chain(&left)), grants.managed(&left))?;
        depart(tx.as_mut(), grant.caller(), team, &taken, &left, now).await?;

        let view = HoldingView::of(Holding::clone(&row), &own);
        let event = AuditEvent::by(grant, now, Tenant::Team(team), "role.removed", id);
        tx.record(vec![event.with(details(&view))]).await?;
        tx.remove_holdings(vec![row.save_as(Holding::clone(&row))]).await?;
        remember(tx.as_mut(), once, &(), now).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn details(view: &HoldingView) -> serde_json::Value {
    json!({
        "user": view.holding.user,
        "role": view.holding.role.to_string(),
        "slug": view.slug,
        "expires_at": view.holding.expires_at.map(Timestamp::as_micros),
    })
}
