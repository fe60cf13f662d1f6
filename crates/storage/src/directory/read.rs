//! The directory as it is read.
//!
//! **Invariant:** who asks for what lies out of his reach, or is not there, costs the same
//! statements and gets the same answer.

use std::collections::BTreeMap;

use async_trait::async_trait;
use directory::store::{DirectoryStore, DirectoryTx, HoldingFilter, Reach};
use directory::{Holding, Member, Person, Team, TeamRole, UserView};
use permissions::{
    AssignmentScope, Caller, DirectoryRead, Role, Scope, SystemAdmitted, TeamRead, TenantAdmitted,
};
use primitives::{Id, Page, PageAfter, PageRequest, RoleId, TeamId, Tenant, Timestamp, UserId};
use sea_orm::sea_query::Order;
use sea_orm::{ExprTrait, FromQueryResult};
use uuid::Uuid;

use super::query::{self, all, one};
use super::tx::DirectoryWrite;
use super::{Answer, convert};
use crate::Storage;
use crate::fault::Result;
use crate::row::directory::{app_user, role_assignment};
use crate::visibility::{Direction, column, page};

/// One role of a member.
#[derive(FromQueryResult)]
struct MemberRow {
    #[sea_orm(nested)]
    held: role_assignment::Model,
    display_name: String,
    kind: String,
}

/// What people call a role.
#[derive(FromQueryResult)]
struct NameRow {
    id: Uuid,
    slug: String,
}

fn after<K>(key: Timestamp, id: Id<K>) -> PageAfter {
    PageAfter { key: key.as_micros(), id: id.as_uuid() }
}

/// One member a user, of rows that are sorted by user and time.
fn gather(rows: Vec<MemberRow>, slugs: &BTreeMap<RoleId, String>) -> Result<Vec<Member>> {
    let mut members: Vec<Member> = Vec::new();
    for row in rows {
        let held = convert::holding(row.held)?;
        let name = match &held.role {
            Role::Custom(id) => slugs.get(id).cloned(),
            Role::Standard(_) => None,
        };
        let name = name.unwrap_or_else(|| held.role.stored());
        match members.last_mut().filter(|last| last.user == held.user) {
            Some(last) => last.roles.push(name),
            None => members.push(Member {
                user: held.user,
                display_name: row.display_name,
                kind: convert::kind_of(&row.kind)?,
                roles: vec![name],
                joined_at: held.created_at,
            }),
        }
    }
    members.iter_mut().for_each(|member| member.roles.sort());
    Ok(members)
}

/// A row that SQL let through although it is out of reach is a bug: it is dropped and reported.
fn keep<T>(rows: Vec<T>, is_reached: impl Fn(&T) -> bool) -> Vec<T> {
    let (kept, leaked): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_reached);
    if !leaked.is_empty() {
        tracing::error!(rows = leaked.len(), "a query of the directory reached too far");
    }
    kept
}

impl Storage {
    /// The scope of this read is the caller himself and the teams he belongs to.
    async fn person_of(&self, caller: &Caller) -> Result<Option<Person>> {
        self.check_read(caller.epoch()).await?;
        let mut select = query::users();
        select.and_where(column("app_user", "id").eq(caller.user().as_uuid()));
        let user = one(self.reader().into(), &select, |row| Ok(convert::user_card(row))).await?;
        let Some(user) = user else { return Ok(None) };

        let ids: Vec<_> = caller.teams().iter().map(|held| held.team.as_uuid()).collect();
        let mut teams = Vec::new();
        if !ids.is_empty() {
            let mut select = query::teams();
            select
                .and_where(column("team", "id").is_in(ids))
                .order_by(("team", "slug"), Order::Asc);
            teams = all(self.reader().into(), &select, |row| Ok(convert::team_card(row))).await?;
        }
        Ok(Some(Person { user, teams }))
    }

    async fn user_page(
        &self,
        scope: &Scope,
        show_deactivated: bool,
        request: PageRequest,
    ) -> Result<Page<UserView>> {
        self.check_read(scope.epoch()).await?;
        let mut select = query::users();
        if !show_deactivated {
            select.and_where(column("app_user", "active").eq(true));
        }
        page(&mut select, "app_user", "created_at", Direction::NewestFirst, request);
        let users = all::<app_user::Model, _>(self.reader().into(), &select, convert::user).await?;
        let users = Page::cut(users, request.size, |user| after(user.created_at, user.id));

        let shown = users.items.iter().map(|user| user.id.as_uuid()).collect();
        let mut roles = self.system_roles(shown).await?;
        Ok(users.map(|user| UserView {
            system_roles: roles.remove(&user.id).unwrap_or_default(),
            user,
        }))
    }

    /// What these users hold system-wide now, by name.
    async fn system_roles(&self, users: Vec<Uuid>) -> Result<BTreeMap<UserId, Vec<String>>> {
        let at = |name| column("role_assignment", name);
        let mut select = query::holdings();
        select
            .and_where(query::in_place(AssignmentScope::System))
            .and_where(query::not_ended(self.dialect().now()))
            .and_where(at("user_id").is_in(users))
            .order_by(("role_assignment", "role"), Order::Asc);
        let mut held: BTreeMap<UserId, Vec<String>> = BTreeMap::new();
        for holding in all(self.reader().into(), &select, convert::holding).await? {
            held.entry(holding.user).or_default().push(holding.role.stored());
        }
        // The collation of a database may differ.
        held.values_mut().for_each(|roles| roles.sort());
        Ok(held)
    }

    async fn team_in_reach(&self, reach: &Reach, id: TeamId) -> Result<Option<Team>> {
        self.check_read(reach.scope().epoch()).await?;
        let mut select = query::reached_teams(reach);
        select.and_where(column("team", "id").eq(id.as_uuid()));
        let found = all(self.reader().into(), &select, |row| Ok(convert::team(row))).await?;
        Ok(keep(found, |team| reach.sees(team.id)).pop())
    }

    async fn team_page(&self, reach: &Reach, request: PageRequest) -> Result<Page<Team>> {
        self.check_read(reach.scope().epoch()).await?;
        let mut select = query::reached_teams(reach);
        page(&mut select, "team", "created_at", Direction::NewestFirst, request);
        let teams = all(self.reader().into(), &select, |row| Ok(convert::team(row))).await?;
        let teams = Page::cut(teams, request.size, |team| after(team.created_at, team.id));
        Ok(Page { items: keep(teams.items, |team| reach.sees(team.id)), next: teams.next })
    }

    async fn member_page(
        &self,
        reach: &Reach,
        team: TeamId,
        now: Timestamp,
        request: PageRequest,
    ) -> Result<Page<Member>> {
        self.check_read(reach.scope().epoch()).await?;
        let select = query::members(reach, team, now, request);
        let rows: Vec<MemberRow> = all(self.reader().into(), &select, Ok).await?;
        let rows = keep(rows, |_| reach.sees(team));

        let mut slugs = BTreeMap::new();
        let is_custom =
            |row: &MemberRow| matches!(Role::from(row.held.role.as_str()), Role::Custom(_));
        if rows.iter().any(is_custom) {
            let select = query::roles_of_teams(vec![team.as_uuid()]);
            let names = |row: NameRow| Ok((RoleId::from_uuid(row.id), row.slug));
            slugs = all(self.reader().into(), &select, names).await?.into_iter().collect();
        }
        let members = gather(rows, &slugs)?;
        let place = |member: &Member| PageAfter { key: 0, id: member.user.as_uuid() };
        Ok(Page::cut(members, request.size, place))
    }

    async fn role_page(
        &self,
        scope: &Scope,
        teams: &[TeamId],
        request: PageRequest,
    ) -> Result<Page<TeamRole>> {
        self.check_read(scope.epoch()).await?;
        let sees = |team: TeamId| scope.sees(Tenant::Team(team));
        let wanted = teams.iter().filter(|team| sees(**team)).map(Id::as_uuid);
        let mut select = query::roles_of_teams(wanted.collect());
        page(&mut select, "custom_role", "created_at", Direction::OldestFirst, request);
        let roles = all(self.reader().into(), &select, convert::role).await?;
        let roles = Page::cut(roles, request.size, |role| after(role.created_at, role.id));
        Ok(Page { items: keep(roles.items, |role| sees(role.team)), next: roles.next })
    }

    async fn holding_page(
        &self,
        scope: &Scope,
        place: Tenant,
        filter: HoldingFilter,
        now: Timestamp,
        request: PageRequest,
    ) -> Result<Page<Holding>> {
        self.check_read(scope.epoch()).await?;
        let Tenant::Team(team) = place else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let select = query::team_holdings(team, filter.user, now, request);
        let held = all(self.reader().into(), &select, convert::holding).await?;
        let held = Page::cut(held, request.size, |held| after(held.created_at, held.id));
        Ok(Page { items: keep(held.items, |_| scope.sees(place)), next: held.next })
    }
}

#[async_trait]
impl DirectoryStore for Storage {
    async fn begin(&self, scope: &Scope) -> Answer<Box<dyn DirectoryTx>> {
        Ok(Box::new(DirectoryWrite::begin(self, scope).await?))
    }

    async fn person(&self, caller: &Caller) -> Answer<Option<Person>> {
        Ok(self.person_of(caller).await?)
    }

    async fn list_users(
        &self,
        scope: &Scope,
        _: &SystemAdmitted<DirectoryRead>,
        show_deactivated: bool,
        page: PageRequest,
    ) -> Answer<Page<UserView>> {
        Ok(self.user_page(scope, show_deactivated, page).await?)
    }

    async fn get_team(&self, reach: &Reach, id: TeamId) -> Answer<Option<Team>> {
        Ok(self.team_in_reach(reach, id).await?)
    }

    async fn list_teams(&self, reach: &Reach, page: PageRequest) -> Answer<Page<Team>> {
        Ok(self.team_page(reach, page).await?)
    }

    async fn list_members(
        &self,
        reach: &Reach,
        team: TeamId,
        now: Timestamp,
        page: PageRequest,
    ) -> Answer<Page<Member>> {
        Ok(self.member_page(reach, team, now, page).await?)
    }

    async fn list_roles(
        &self,
        scope: &Scope,
        teams: &[TeamId],
        page: PageRequest,
    ) -> Answer<Page<TeamRole>> {
        Ok(self.role_page(scope, teams, page).await?)
    }

    async fn list_holdings(
        &self,
        scope: &Scope,
        team: &TenantAdmitted<TeamRead>,
        filter: HoldingFilter,
        now: Timestamp,
        page: PageRequest,
    ) -> Answer<Page<Holding>> {
        Ok(self.holding_page(scope, team.tenant(), filter, now, page).await?)
    }
}
