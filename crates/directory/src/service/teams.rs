//! Teams: made and ended by those who manage the directory, named by their own admins.

use audit::AuditEvent;
use events::{Departure, Once};
use permissions::{
    AssignmentScope, Caller, Denied, DirectoryAdmin, DirectoryWrite, Grant, TeamAdmin,
    WorkflowsView,
};
use primitives::{Checked, Page, PageRequest, TeamId, Tenant};
use serde_json::json;

use super::names::Slug;
use super::{DirectoryDeps, expect_version, remember, replayed};
use crate::store::{Belongings, DirectoryTx, Reach};
use crate::{DirectoryError, Team};

const NOT_FOUND: DirectoryError = DirectoryError::NotFound("TEAM");

/// A team to be made.
#[derive(Clone, Debug)]
pub struct TeamInput {
    pub slug: Slug,
    pub display_name: String,
}

/// What is to become of a team.
#[derive(Clone, Debug)]
pub struct TeamChange {
    /// The version it was read at.
    pub version: i64,
    pub display_name: String,
    /// Everything is judged and nothing changed.
    pub validate_only: bool,
}

/// How a team is to end.
#[derive(Clone, Copy, Debug, Default)]
pub struct TeamEnd {
    /// The version it was read at, if that matters.
    pub version: Option<i64>,
    /// Also when it owns live objects.
    pub force: bool,
}

/// Teams.
#[derive(Clone)]
pub struct Teams {
    deps: DirectoryDeps,
}

impl Teams {
    pub fn new(deps: DirectoryDeps) -> Self {
        Self { deps }
    }

    /// One team in use.
    #[tracing::instrument(
        name = "teams.get",
        skip_all,
        fields(team.id = %id, user.id = %caller.user()),
        err(level = "debug")
    )]
    pub async fn get(&self, caller: &Caller, id: TeamId) -> Result<Team, DirectoryError> {
        let reach = Reach::of(caller);
        let team = self.deps.store.get_team(&reach, id).await?.ok_or(NOT_FOUND)?;
        may_look(caller, &reach, id)?;
        Ok(team)
    }

    /// The caller's teams, or with `directory.manage` READ every team in use; newest first.
    #[tracing::instrument(
        name = "teams.list",
        skip_all,
        fields(user.id = %caller.user()),
        err(level = "debug")
    )]
    pub async fn list(
        &self,
        caller: &Caller,
        page: Checked<PageRequest>,
    ) -> Result<Page<Team>, DirectoryError> {
        Ok(self.deps.store.list_teams(&Reach::of(caller), page?).await?)
    }

    /// Makes a team without members.
    #[tracing::instrument(
        name = "teams.create",
        skip_all,
        fields(user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn create(
        &self,
        grant: &Grant<DirectoryWrite>,
        input: Checked<TeamInput>,
        once: Option<&Once>,
    ) -> Result<Team, DirectoryError> {
        let mut tx = self.deps.begin(&grant.scope()).await?;
        let admitted = grant.admit_system()?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let TeamInput { slug, display_name } = input?;
        let slug = slug.into_string();
        if tx.find_team_by_slug(&slug).await?.is_some() {
            let text = format!("a team has the slug {slug} already: choose another one");
            return Err(DirectoryError::wrong_state("SLUG_TAKEN", text));
        }

        let now = self.deps.clock.now();
        let id = TeamId::generate();
        let team = Team { id, slug, display_name, created_at: now, deleted_at: None, version: 1 };
        tx.add_team(admitted.clear(team.clone())).await?;
        let event = AuditEvent::by(grant, now, Tenant::Team(id), "team.created", id);
        tx.record(vec![event.with(json!({ "slug": team.slug }))]).await?;
        remember(tx.as_mut(), once, &team, now).await?;
        tx.commit().await?;
        Ok(team)
    }

    /// Changes a team's full name. With `validate_only` it tells what would be.
    #[tracing::instrument(
        name = "teams.update",
        skip_all,
        fields(team.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn update(
        &self,
        grant: &Grant<TeamAdmin>,
        id: TeamId,
        change: Checked<TeamChange>,
        once: Option<&Once>,
    ) -> Result<Team, DirectoryError> {
        let mut tx = self.deps.begin(&grant.scope()).await?;
        let team = visible(tx.as_mut(), grant.caller(), id).await?;
        let admitted = grant.admit_in(Tenant::Team(id))?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let change = change?;
        expect_version(Some(change.version), team.version)?;
        let mut team = Team { display_name: change.display_name, ..team };
        if change.validate_only {
            return Ok(team);
        }

        let now = self.deps.clock.now();
        tx.save_team(admitted.create(team.clone())).await?;
        team.version += 1;
        let event = AuditEvent::by(grant, now, Tenant::Team(id), "team.updated", id);
        tx.record(vec![event.with(json!({ "changed": ["display_name"] }))]).await?;
        remember(tx.as_mut(), once, &team, now).await?;
        tx.commit().await?;
        Ok(team)
    }

    /// Ends a team: everybody leaves it, and its own roles are gone.
    #[tracing::instrument(
        name = "teams.delete",
        skip_all,
        fields(team.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn delete(
        &self,
        grant: &Grant<DirectoryAdmin>,
        id: TeamId,
        end: Checked<TeamEnd>,
        once: Option<&Once>,
    ) -> Result<Team, DirectoryError> {
        let mut tx = self.deps.begin(&grant.scope()).await?;
        // Held system-wide or not at all, so it says nothing of this team.
        let admitted = grant.admit_system()?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let team = tx.find_team(id).await?.ok_or(NOT_FOUND)?;
        let end = end?;
        expect_version(end.version, team.version)?;
        let owned = tx.belongings(id).await?;
        if !end.force {
            refuse_unless_empty(owned)?;
        }

        let now = self.deps.clock.now();
        let held = tx.holdings_in(AssignmentScope::Team(id), now).await?;
        let mut members: Vec<_> = held.iter().map(|held| held.user).collect();
        members.sort();
        members.dedup();
        tx.remove_holdings(held.into_iter().map(|held| admitted.clear(held)).collect()).await?;
        let own = tx.roles_of(id).await?;
        for role in &own {
            tx.remove_role(admitted.clear(role.clone())).await?;
        }
        let mut team = Team { deleted_at: Some(now), ..team };
        tx.save_team(admitted.clear(team.clone())).await?;
        team.version += 1;
        let details = json!({
            "slug": team.slug,
            "members": members.len(),
            "roles": own.len(),
            "workflows": owned.workflows,
            "repositories": owned.repositories,
            "live_runs": owned.live_runs,
        });
        let event = AuditEvent::by(grant, now, Tenant::Team(id), "team.deleted", id);
        tx.record(vec![event.with(details)]).await?;
        tx.publish(vec![Departure::TeamDeleted { team: id }.event(grant.user(), now)]).await?;
        remember(tx.as_mut(), once, &team, now).await?;
        tx.commit().await?;
        Ok(team)
    }
}

/// A team in use that the caller may know of.
pub(super) async fn visible(
    tx: &mut dyn DirectoryTx,
    caller: &Caller,
    id: TeamId,
) -> Result<Team, DirectoryError> {
    let team = tx.find_team(id).await?;
    team.filter(|team| Reach::of(caller).sees(team.id)).ok_or(NOT_FOUND)
}

/// Who manages the directory looks at every team; a member needs a role that lets him look.
pub(super) fn may_look(caller: &Caller, reach: &Reach, team: TeamId) -> Result<(), Denied> {
    let tenant = Tenant::Team(team);
    if reach.is_everything() || caller.holds::<WorkflowsView>(tenant) {
        return Ok(());
    }
    Err(Denied::of::<WorkflowsView>(Some(tenant)))
}

fn refuse_unless_empty(owned: Belongings) -> Result<(), DirectoryError> {
    if owned == Belongings::default() {
        return Ok(());
    }
    let Belongings { workflows, repositories, live_runs } = owned;
    let text = format!(
        "the team owns {workflows} workflows, {repositories} repositories and {live_runs} live \
         runs: set force to archive them"
    );
    Err(DirectoryError::wrong_state("TEAM_NOT_EMPTY", text))
}
