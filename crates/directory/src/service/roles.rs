//! The roles there are: those of the reviewed table, and those that teams make.

use events::{Departure, Once};
use permissions::{
    Admitted, AssignmentScope, Caller, Grant, Key, Level, Levels, Role, SYSTEM_ROLES, TEAM_ROLES,
    TeamAdmin,
};
use primitives::{
    Checked, InvalidArgs, Page, PageAfter, PageRequest, RoleId, TeamId, Tenant, Text, Timestamp,
};
use serde_json::json;
use uuid::Uuid;

use super::admins::{Grants, keep_managed};
use super::names::Slug;
use super::{DirectoryDeps, expect_version, remember, replayed};
use crate::store::DirectoryTx;
use crate::{DirectoryError, Holding, TeamRole};
use audit::AuditEvent;

/// Roles that one team may make.
const MAX_ROLES: usize = 100;

const NO_TEAM: DirectoryError = DirectoryError::NotFound("TEAM");
const NO_ROLE: DirectoryError = DirectoryError::NotFound("ROLE");

/// A role that can be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleView {
    /// Of the reviewed table, the same everywhere.
    Standard { name: &'static str, levels: Levels, system: bool },
    /// A team's own.
    Own(TeamRole),
}

/// A role to be made.
#[derive(Clone, Debug)]
pub struct RoleInput {
    pub slug: Slug,
    pub display_name: String,
    pub levels: Levels,
}

/// What is to become of a role; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct RoleChange {
    /// The version it was read at.
    pub version: Option<i64>,
    pub display_name: Option<String>,
    pub levels: Option<Levels>,
}

impl RoleInput {
    /// The name people see.
    pub fn display_name(field: &'static str, text: &str) -> Checked<String> {
        Text { field, min: 1, max: 200, multiline: false }.check(text)
    }

    /// What a role grants: each key once, none that counts system-wide, at least one.
    /// `field` is the path of the list.
    pub fn levels(field: &str, given: &[(String, Option<Level>)]) -> Checked<Levels> {
        let mut levels = Levels::NONE;
        for (at, (key, level)) in given.iter().enumerate() {
            let wrong = |part: &str, what: &str| {
                Err(InvalidArgs::new(format!("{field}[{at}].{part}"), what))
            };
            let Some(key) = Key::parse(key) else {
                return wrong("permission", "is no key: see ListPermissions");
            };
            let Some(level) = level else {
                return wrong("level", "must be READ, WRITE or ADMIN");
            };
            if key.is_system() {
                return wrong("permission", "counts system-wide: no team's role may grant it");
            }
            if levels.of(key) != Level::None {
                return wrong("permission", "is there twice");
            }
            levels = levels.with(key, *level);
        }
        if given.is_empty() {
            return Err(InvalidArgs::new(field, "must name at least one permission"));
        }
        Ok(levels)
    }
}

/// The roles of teams.
#[derive(Clone)]
pub struct Roles {
    deps: DirectoryDeps,
}

impl Roles {
    pub fn new(deps: DirectoryDeps) -> Self {
        Self { deps }
    }

    /// Standard roles, then the roles of the caller's teams, or of one of them.
    #[tracing::instrument(
        name = "roles.list",
        skip_all,
        fields(user.id = %caller.user()),
        err(level = "debug")
    )]
    pub async fn list(
        &self,
        caller: &Caller,
        team: Option<TeamId>,
        page: Checked<PageRequest>,
    ) -> Result<Page<RoleView>, DirectoryError> {
        let scope = caller.scope();
        let of = |page| async move {
            let teams = team.map_or_else(|| scope.teams().collect(), |team| vec![team]);
            self.deps.store.list_roles(&scope, &teams, page).await
        };
        if team.is_some_and(|team| !caller.scope().sees(Tenant::Team(team))) {
            // Who was let in a moment ago is noticed by the read.
            of(PageRequest { size: 1, after: None }).await?;
            return Err(NO_TEAM);
        }
        let page = page?;
        let (mut items, next) = self.standard(team.is_none(), page);
        let left = page.size.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        let after = page.after.filter(|after| !after.id.is_nil());
        let own = of(PageRequest { size: left.max(1), after }).await?;
        if left == 0 {
            return Ok(Page { items, next });
        }
        items.extend(own.items.into_iter().map(RoleView::Own));
        Ok(Page { items, next: own.next })
    }

    /// The standard roles of a page, and where the next page starts when there is no room for
    /// more. Their places have the nil id, and so come before all others.
    fn standard(&self, with_system: bool, page: PageRequest) -> (Vec<RoleView>, Option<PageAfter>) {
        let table = self.deps.authorizer.roles();
        let names = TEAM_ROLES.into_iter().map(|name| (name, false));
        let system = SYSTEM_ROLES.into_iter().map(|name| (name, true)).filter(|_| with_system);
        let begin = match page.after {
            None => 0,
            Some(after) if after.id.is_nil() => {
                usize::try_from(after.key).unwrap_or(usize::MAX).saturating_add(1)
            }
            Some(_) => usize::MAX,
        };
        let shown: Vec<_> =
            names.chain(system).enumerate().skip(begin).take(page.size as usize).collect();
        let next = shown.last().and_then(|(at, _)| i64::try_from(*at).ok());
        let next = next.map(|key| PageAfter { key, id: Uuid::nil() });
        let view = |(_, (name, system))| {
            let levels = table.grants(name);
            RoleView::Standard { name, levels, system }
        };
        (shown.into_iter().map(view).collect(), next)
    }

    /// Makes a role. Nobody makes one that grants more than he holds in the team.
    #[tracing::instrument(
        name = "roles.create",
        skip_all,
        fields(team.id = %team, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn create(
        &self,
        grant: &Grant<TeamAdmin>,
        team: TeamId,
        input: Checked<RoleInput>,
        once: Option<&Once>,
    ) -> Result<TeamRole, DirectoryError> {
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
        let input = input?;
        grant.caller().may_grant(AssignmentScope::Team(team), input.levels)?;
        let slug = input.slug.into_string();
        refuse_slug(&tx.roles_of(team).await?, &slug)?;

        let now = self.deps.clock.now();
        let role = TeamRole {
            id: RoleId::generate(),
            team,
            slug,
            display_name: input.display_name,
            levels: input.levels,
            created_at: now,
            version: 1,
        };
        tx.add_role(admitted.create(role.clone())).await?;
        record(tx.as_mut(), grant, now, &role, "created").await?;
        remember(tx.as_mut(), once, &role, now).await?;
        tx.commit().await?;
        Ok(role)
    }

    /// Changes what a role is called and grants. With `validate_only` it tells what would be.
    #[tracing::instrument(
        name = "roles.update",
        skip_all,
        fields(role.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn update(
        &self,
        grant: &Grant<TeamAdmin>,
        id: RoleId,
        change: Checked<RoleChange>,
        validate_only: bool,
        once: Option<&Once>,
    ) -> Result<TeamRole, DirectoryError> {
        let mut tx = self.deps.begin(&grant.scope()).await?;
        let row = admitted(tx.as_mut(), grant, id).await?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let change = change?;
        expect_version(change.version, row.version)?;
        let now = self.deps.clock.now();
        let mut role = TeamRole::clone(&row);
        role.display_name = change.display_name.unwrap_or(role.display_name);
        if let Some(levels) = change.levels {
            grant.caller().may_grant(AssignmentScope::Team(role.team), levels)?;
            role.levels = levels;
            self.keep_managed_by(tx.as_mut(), &role, now).await?;
        }
        if !validate_only {
            tx.save_role(row.save_as(role.clone())).await?;
            role.version += 1;
            record(tx.as_mut(), grant, now, &role, "updated").await?;
            remember(tx.as_mut(), once, &role, now).await?;
            tx.commit().await?;
        }
        Ok(role)
    }

    /// Removes a role; with `force` also from those who hold it.
    #[tracing::instrument(
        name = "roles.delete",
        skip_all,
        fields(role.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn delete(
        &self,
        grant: &Grant<TeamAdmin>,
        id: RoleId,
        version: Checked<Option<i64>>,
        force: bool,
        once: Option<&Once>,
    ) -> Result<(), DirectoryError> {
        let mut tx = self.deps.begin(&grant.scope()).await?;
        if let Some(once) = once
            && tx.replay(once).await?.is_some()
        {
            // The role is gone, so there is nothing left to be admitted to.
            return Ok(());
        }
        let row = admitted(tx.as_mut(), grant, id).await?;
        expect_version(version?, row.version)?;
        let now = self.deps.clock.now();
        let scope = AssignmentScope::Team(row.team);
        let held = tx.holdings_in(scope, now).await?;
        let (of_role, others): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|held| held.role == Role::Custom(id));
        if !of_role.is_empty() {
            if !force {
                let message = format!("{} hold the role: set force to take it away", of_role.len());
                return Err(DirectoryError::wrong_state("ROLE_IN_USE", message));
            }
            grant.caller().may_grant(scope, row.levels)?;
            let own = tx.roles_of(row.team).await?;
            let grants = Grants { table: self.deps.authorizer.roles(), own: &own };
            keep_managed(grants.managed(of_role.iter().chain(&others)), grants.managed(&others))?;
            depart(tx.as_mut(), grant.caller(), row.team, &of_role, &others, now).await?;
            let rows = of_role.into_iter().map(|held| row.save_as(held)).collect();
            tx.remove_holdings(rows).await?;
        }
        record(tx.as_mut(), grant, now, &row, "deleted").await?;
        tx.remove_role(row.save_as(TeamRole::clone(&row))).await?;
        remember(tx.as_mut(), once, &(), now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Refuses a role that would leave the team managed worse than the stored one does.
    async fn keep_managed_by(
        &self,
        tx: &mut dyn DirectoryTx,
        role: &TeamRole,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let held = tx.holdings_in(AssignmentScope::Team(role.team), now).await?;
        let before = tx.roles_of(role.team).await?;
        let mut after = before.clone();
        after.iter_mut().filter(|own| own.id == role.id).for_each(|own| own.clone_from(role));
        let table = self.deps.authorizer.roles();
        keep_managed(
            Grants { table, own: &before }.managed(&held),
            Grants { table, own: &after }.managed(&held),
        )
    }
}

/// A role of the caller's teams, on which he holds the permission.
async fn admitted(
    tx: &mut dyn DirectoryTx,
    grant: &Grant<TeamAdmin>,
    id: RoleId,
) -> Result<Admitted<TeamAdmin, TeamRole>, DirectoryError> {
    let row = tx.find_role(id).await?.and_then(|row| grant.scope().show(row)).ok_or(NO_ROLE)?;
    Ok(grant.admit(row)?)
}

fn refuse_slug(existing: &[TeamRole], slug: &str) -> Result<(), DirectoryError> {
    if existing.iter().any(|role| role.slug == slug) {
        let message = format!("the team has a role {slug} already: choose another slug");
        return Err(DirectoryError::wrong_state("SLUG_TAKEN", message));
    }
    if existing.len() >= MAX_ROLES {
        let message = format!("a team has at most {MAX_ROLES} roles: delete one first");
        return Err(DirectoryError::wrong_state("TOO_MANY_ROLES", message));
    }
    Ok(())
}

/// Tells that whoever holds nothing but what is taken leaves the team.
pub(super) async fn depart(
    tx: &mut dyn DirectoryTx,
    by: &Caller,
    team: TeamId,
    taken: &[Holding],
    left: &[Holding],
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let mut gone: Vec<_> = taken.iter().map(|held| held.user).collect();
    gone.sort();
    gone.dedup();
    gone.retain(|user| !left.iter().any(|held| held.user == *user));
    let events = gone.into_iter().map(|user| Departure::Left { user, team });
    let events: Vec<_> = events.map(|departure| departure.event(by.user(), now)).collect();
    if !events.is_empty() {
        tx.publish(events).await?;
    }
    Ok(())
}

async fn record(
    tx: &mut dyn DirectoryTx,
    grant: &Grant<TeamAdmin>,
    now: Timestamp,
    role: &TeamRole,
    change: &str,
) -> Result<(), DirectoryError> {
    let tenant = Tenant::Team(role.team);
    let event = AuditEvent::by(grant, now, tenant, "permission.modified", role.id);
    let details = json!({ "change": change, "slug": role.slug, "levels": role.levels });
    tx.record(vec![event.with(details)]).await?;
    Ok(())
}
