//! Who is in a team: taken in with a role, taken out with all of them.
//!
//! **Invariant:** nobody gives or takes more than he holds in the team himself, but his own;
//! and a team that somebody manages stays managed.

use audit::AuditEvent;
use events::{Departure, Once};
use permissions::{
    AssignmentScope, AssignmentSource, Caller, Cleared, Denied, DirectoryWrite, Grant, Levels,
    Role, SystemAdmitted, TeamWrite, TenantAdmitted,
};
use primitives::{Checked, Page, PageRequest, RoleAssignmentId, TeamId, Tenant, Timestamp, UserId};
use serde_json::json;

use super::admins::{Grants, Managed, keep_managed};
use super::assignments::ends_later;
use super::teams::{may_look, visible};
use super::{DirectoryDeps, remember, replayed};
use crate::store::{DirectoryTx, Reach};
use crate::{DirectoryError, Holding, Member, TeamRole, User};

const NO_TEAM: DirectoryError = DirectoryError::NotFound("TEAM");
const NO_USER: DirectoryError = DirectoryError::NotFound("USER");
const NO_ROLE: DirectoryError = DirectoryError::NotFound("ROLE");

/// The role whose first holder those who manage the directory appoint.
const ADMIN: &str = "admin";

/// Who is to be taken in.
#[derive(Clone, Debug)]
pub enum Whom {
    User(UserId),
    /// By what tokens call him; judged by looking it up alone.
    Subject(String),
}

/// How somebody is to be taken in.
#[derive(Clone, Debug)]
pub struct MemberInput {
    pub whom: Whom,
    pub role: Role,
    pub expires_at: Option<Timestamp>,
}

/// Members of teams.
#[derive(Clone)]
pub struct Members {
    deps: DirectoryDeps,
}

/// What lets somebody take another one in.
enum Right {
    Manages(TenantAdmitted<TeamWrite>),
    Appoints(SystemAdmitted<DirectoryWrite>),
}

impl Right {
    fn clear(&self, held: Holding) -> Cleared<Holding> {
        match self {
            Self::Manages(admitted) => admitted.create(held),
            Self::Appoints(admitted) => admitted.clear(held),
        }
    }
}

impl Members {
    pub fn new(deps: DirectoryDeps) -> Self {
        Self { deps }
    }

    /// Who holds a role in a team now, by user.
    #[tracing::instrument(
        name = "members.list",
        skip_all,
        fields(team.id = %team, user.id = %caller.user()),
        err(level = "debug")
    )]
    pub async fn list(
        &self,
        caller: &Caller,
        team: TeamId,
        page: Checked<PageRequest>,
    ) -> Result<Page<Member>, DirectoryError> {
        let reach = Reach::of(caller);
        let store = &self.deps.store;
        store.get_team(&reach, team).await?.ok_or(NO_TEAM)?;
        may_look(caller, &reach, team)?;
        Ok(store.list_members(&reach, team, self.deps.clock.now(), page?).await?)
    }

    /// Takes somebody into a team with a role.
    #[tracing::instrument(
        name = "members.add",
        skip_all,
        fields(team.id = %team, user.id = %caller.user()),
        err(level = "debug")
    )]
    pub async fn add(
        &self,
        caller: &Caller,
        team: TeamId,
        input: Checked<MemberInput>,
        retry: Checked<()>,
        once: Option<&Once>,
    ) -> Result<Member, DirectoryError> {
        let mut tx = self.deps.begin(&caller.scope()).await?;
        visible(tx.as_mut(), caller, team).await?;
        let tenant = Tenant::Team(team);
        let denied = Denied::of::<TeamWrite>(Some(tenant));
        let manages = caller.require::<TeamWrite>().and_then(|grant| grant.admit_in(tenant)).ok();
        let appoints =
            caller.require::<DirectoryWrite>().and_then(|grant| grant.admit_system()).ok();
        if manages.is_none() && appoints.is_none() {
            return Err(denied.into());
        }
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }

        let MemberInput { whom, role, expires_at } = input?;
        let now = self.deps.clock.now();
        let place = AssignmentScope::Team(team);
        let own = tx.roles_of(team).await?;
        let grants = Grants { table: self.deps.authorizer.roles(), own: &own };
        let held = tx.holdings_in(place, now).await?;
        let appoints = appoints.filter(|_| is_first_admin(&grants, &role, &held));
        if manages.is_none() && appoints.is_none() {
            return Err(denied.into());
        }
        // What can be given, and to whom, is looked for by those alone who may give something.
        let levels = grants.of(&role).ok_or(NO_ROLE)?;
        let user = find(tx.as_mut(), &whom).await?.filter(|user| user.active).ok_or(NO_USER)?;
        let right = match (manages, appoints, caller.may_grant(place, levels)) {
            (Some(manages), _, Ok(())) => Right::Manages(manages),
            (_, Some(appoints), _) => Right::Appoints(appoints),
            (_, None, Err(above)) => return Err(above.into()),
            (None, None, Ok(())) => return Err(denied.into()),
        };
        retry?;
        let expires_at = ends_later("expire_time", expires_at, now)?;
        if held.iter().any(|held| held.user == user.id) {
            let text = "the user is in the team already: give a further role with AssignRole";
            return Err(DirectoryError::wrong_state("ALREADY_MEMBER", text));
        }

        // Roles of an earlier time, which have ended: this is another membership.
        let ended = all_in(tx.as_mut(), user.id, place).await?;
        if !ended.is_empty() {
            tx.remove_holdings(ended.into_iter().map(|held| right.clear(held)).collect()).await?;
        }
        let holding = Holding {
            id: RoleAssignmentId::generate(),
            user: user.id,
            scope: place,
            role,
            source: AssignmentSource::Given,
            creator: Some(caller.user()),
            created_at: now,
            expires_at,
        };
        let holding = tx.put_holding(right.clear(holding)).await?;
        let details = json!({
            "user": user.id,
            "role": holding.role.to_string(),
            "expires_at": expires_at.map(Timestamp::as_micros),
            "first_admin": matches!(right, Right::Appoints(_)),
        });
        let member = member(user, &[holding], &own, now);
        let event = AuditEvent::of(caller, now, tenant, "team.member.added", team);
        tx.record(vec![event.with(details)]).await?;
        remember(tx.as_mut(), once, &member, now).await?;
        tx.commit().await?;
        Ok(member)
    }

    /// Takes all roles of a member of a team away.
    #[tracing::instrument(
        name = "members.remove",
        skip_all,
        fields(team.id = %team, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn remove(
        &self,
        grant: &Grant<TeamWrite>,
        team: TeamId,
        user: UserId,
        retry: Checked<()>,
        once: Option<&Once>,
    ) -> Result<(), DirectoryError> {
        let mut tx = self.deps.begin(&grant.scope()).await?;
        // Who took himself out sees the team no more, but may ask again.
        if replayed::<()>(tx.as_mut(), once).await?.is_some() {
            return Ok(());
        }
        let caller = grant.caller();
        visible(tx.as_mut(), caller, team).await?;
        let admitted = grant.admit_in(Tenant::Team(team))?;
        let now = self.deps.clock.now();
        let place = AssignmentScope::Team(team);
        let held = tx.holdings_in(place, now).await?;
        let (taken, left): (Vec<_>, Vec<_>) = held.into_iter().partition(|held| held.user == user);
        if taken.is_empty() {
            return Err(NO_USER);
        }
        retry?;
        let own = tx.roles_of(team).await?;
        let grants = Grants { table: self.deps.authorizer.roles(), own: &own };
        if user != caller.user() {
            let levels = taken.iter().filter_map(|held| grants.of(&held.role));
            caller.may_grant(place, levels.fold(Levels::NONE, Levels::union))?;
        }
        keep_managed(grants.managed(taken.iter().chain(&left)), grants.managed(&left))?;
        let rows = all_in(tx.as_mut(), user, place).await?;
        let rows = rows.into_iter().map(|held| admitted.create(held)).collect();
        let gone = Gone { user, team, roles: slugs(&taken, &own) };
        part(tx.as_mut(), caller, gone, rows, now).await?;
        remember(tx.as_mut(), once, &(), now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes the caller out of a team.
    #[tracing::instrument(
        name = "members.leave",
        skip_all,
        fields(team.id = %team, user.id = %caller.user()),
        err(level = "debug")
    )]
    pub async fn leave(
        &self,
        caller: &Caller,
        team: TeamId,
        retry: Checked<()>,
        once: Option<&Once>,
    ) -> Result<(), DirectoryError> {
        let scope = caller.scope();
        let mut tx = self.deps.begin(&scope).await?;
        // Who has left sees the team no more, but may ask again.
        if replayed::<()>(tx.as_mut(), once).await?.is_some() {
            return Ok(());
        }
        let now = self.deps.clock.now();
        let place = AssignmentScope::Team(team);
        let (user, tenant) = (caller.user(), Tenant::Team(team));
        let held = tx.holdings_in(place, now).await?;
        let (taken, left): (Vec<_>, Vec<_>) = held.into_iter().partition(|held| held.user == user);
        if !scope.sees(tenant) || taken.is_empty() {
            return Err(NO_TEAM);
        }
        retry?;
        let own = tx.roles_of(team).await?;
        let grants = Grants { table: self.deps.authorizer.roles(), own: &own };
        keep_managed(grants.managed(taken.iter().chain(&left)), grants.managed(&left))?;
        let rows = all_in(tx.as_mut(), user, place).await?;
        let rows = rows.into_iter().filter_map(|held| caller.give_up(held)).collect();
        let gone = Gone { user, team, roles: slugs(&taken, &own) };
        part(tx.as_mut(), caller, gone, rows, now).await?;
        remember(tx.as_mut(), once, &(), now).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Whether this makes somebody the admin of a team that nobody manages.
fn is_first_admin(grants: &Grants<'_>, role: &Role, held: &[Holding]) -> bool {
    *role == Role::Standard(ADMIN.to_owned()) && grants.managed(held) == Managed::No
}

async fn find(tx: &mut dyn DirectoryTx, whom: &Whom) -> Result<Option<User>, DirectoryError> {
    Ok(match whom {
        Whom::User(id) => tx.find_user(*id).await?,
        Whom::Subject(subject) => tx.find_user_by_subject(subject).await?,
    })
}

/// Everything a user holds in one place, ended or not.
async fn all_in(
    tx: &mut dyn DirectoryTx,
    user: UserId,
    place: AssignmentScope,
) -> Result<Vec<Holding>, DirectoryError> {
    let mut held = tx.holdings_of(user).await?;
    held.retain(|held| held.scope == place);
    Ok(held)
}

/// Who is taken out of where, and the roles he held.
struct Gone {
    user: UserId,
    team: TeamId,
    roles: Vec<String>,
}

/// Takes rows away, and tells everybody who has to know.
async fn part(
    tx: &mut dyn DirectoryTx,
    by: &Caller,
    gone: Gone,
    rows: Vec<Cleared<Holding>>,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let Gone { user, team, roles } = gone;
    tx.remove_holdings(rows).await?;
    let tenant = Tenant::Team(team);
    let event = AuditEvent::of(by, now, tenant, "team.member.removed", team);
    tx.record(vec![event.with(json!({ "user": user, "roles": roles }))]).await?;
    tx.publish(vec![Departure::Left { user, team }.event(by.user(), now)]).await?;
    Ok(())
}

fn member(user: User, held: &[Holding], own: &[TeamRole], now: Timestamp) -> Member {
    let joined_at = held.iter().map(|held| held.created_at).min().unwrap_or(now);
    let User { id, display_name, kind, .. } = user;
    Member { user: id, display_name, kind, roles: slugs(held, own), joined_at }
}

/// Short names of roles, sorted, each once.
fn slugs(held: &[Holding], own: &[TeamRole]) -> Vec<String> {
    let slug = |held: &Holding| match &held.role {
        Role::Standard(name) => Some(name.clone()),
        Role::Custom(id) => own.iter().find(|role| role.id == *id).map(|role| role.slug.clone()),
    };
    let mut slugs: Vec<_> = held.iter().filter_map(slug).collect();
    slugs.sort();
    slugs.dedup();
    slugs
}
