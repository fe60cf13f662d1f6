//! People, teams and roles, and the policy made of them.

mod admin;

use std::collections::BTreeMap;

use async_trait::async_trait;
use directory::store::{DirectoryStore, StoreError};
use directory::{Person, TeamCard, UserCard};
use permissions::{
    Assignment, AssignmentScope, Caller, PolicyData, PolicySource, SourceError, UserRecord,
};
use primitives::{TeamId, Timestamp, UserId};
use sea_orm::sea_query::{Condition, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryTrait};
use uuid::Uuid;

use crate::Storage;
use crate::fault::{Fault, Result};
use crate::row::broken;
use crate::row::directory::{app_user, team};
use crate::visibility::column;

const TEAM: &str = "team";
const SYSTEM: &str = "system";

/// The stored pair of an assignment's scope.
fn scope_columns(scope: AssignmentScope) -> (&'static str, Uuid) {
    match scope {
        AssignmentScope::Team(team) => (TEAM, team.as_uuid()),
        AssignmentScope::System => (SYSTEM, Uuid::nil()),
    }
}

fn scope_of(kind: &str, id: Uuid) -> Result<AssignmentScope> {
    match kind {
        TEAM => Ok(AssignmentScope::Team(TeamId::from_uuid(id))),
        SYSTEM => Ok(AssignmentScope::System),
        other => Err(broken("scope_kind", other)),
    }
}

/// One line of the policy: the epoch, a person, and one of his roles; either may be absent.
#[derive(FromQueryResult)]
struct PolicyRow {
    epoch: i64,
    user_id: Option<Uuid>,
    subject: Option<String>,
    active: Option<bool>,
    may_apply: Option<bool>,
    scope_kind: Option<String>,
    scope_id: Option<Uuid>,
    role: Option<String>,
    expires_at: Option<i64>,
}

/// Everything in one statement, so that all of it is from one point in time on both databases.
fn whole_policy() -> SelectStatement {
    Query::select()
        .expr(column("policy_epoch", "epoch"))
        .expr_as(column("app_user", "id"), "user_id")
        .expr(column("app_user", "subject"))
        .expr(column("app_user", "active"))
        .expr(column("app_user", "may_apply"))
        .expr(column("role_assignment", "scope_kind"))
        .expr(column("role_assignment", "scope_id"))
        .expr(column("role_assignment", "role"))
        .expr(column("role_assignment", "expires_at"))
        .from("policy_epoch")
        .left_join("app_user", Condition::all())
        .left_join(
            "role_assignment",
            column("role_assignment", "user_id").eq(column("app_user", "id")),
        )
        .order_by(("app_user", "id"), Order::Asc)
        .to_owned()
}

impl PolicyRow {
    fn user(&self) -> Option<UserRecord> {
        Some(UserRecord {
            user: UserId::from_uuid(self.user_id?),
            subject: self.subject.clone()?,
            active: self.active?,
            may_apply: self.may_apply?,
        })
    }

    fn assignment(&self) -> Result<Option<Assignment>> {
        let (Some(user), Some(kind), Some(id), Some(role)) =
            (self.user_id, &self.scope_kind, self.scope_id, &self.role)
        else {
            return Ok(None);
        };
        Ok(Some(Assignment {
            user: UserId::from_uuid(user),
            scope: scope_of(kind, id)?,
            role: role.clone(),
            expires_at: self.expires_at.map(Timestamp::from_micros),
        }))
    }
}

impl Storage {
    async fn policy(&self) -> Result<PolicyData> {
        let rows = self.reader().query_all(&whole_policy()).await?;
        let mut epoch = None;
        let mut users = BTreeMap::new();
        let mut assignments = Vec::new();
        for row in &rows {
            let row = PolicyRow::from_query_result(row, "")?;
            epoch = Some(row.epoch);
            if let Some(user) = row.user() {
                users.insert(user.user, user);
            }
            assignments.extend(row.assignment()?);
        }
        let epoch = epoch.ok_or_else(|| Fault::Internal("policy_epoch has no row".into()))?;
        Ok(PolicyData { epoch, users: users.into_values().collect(), assignments })
    }

    /// The scope of this read is the caller himself and the teams he belongs to.
    async fn person_of(&self, caller: &Caller) -> Result<Option<Person>> {
        self.check_read(caller.epoch()).await?;
        let select = app_user::Entity::find()
            .into_query()
            .and_where(column("app_user", "id").eq(caller.user().as_uuid()))
            .to_owned();
        let Some(row) = self.reader().query_one(&select).await? else { return Ok(None) };
        let user = app_user::Model::from_query_result(&row, "")?;

        let ids: Vec<_> = caller.teams().iter().map(|held| held.team.as_uuid()).collect();
        let mut teams = Vec::new();
        if !ids.is_empty() {
            let select = team::Entity::find()
                .into_query()
                .and_where(column("team", "id").is_in(ids))
                .order_by(("team", "slug"), Order::Asc)
                .to_owned();
            for row in self.reader().query_all(&select).await? {
                teams.push(team_card(team::Model::from_query_result(&row, "")?));
            }
        }
        let user = UserCard {
            id: UserId::from_uuid(user.id),
            display_name: user.display_name,
            subject: user.subject,
            may_apply: user.may_apply,
        };
        Ok(Some(Person { user, teams }))
    }
}

fn team_card(row: team::Model) -> TeamCard {
    TeamCard { id: TeamId::from_uuid(row.id), slug: row.slug, display_name: row.display_name }
}

#[async_trait]
impl PolicySource for Storage {
    async fn load_policy(&self) -> std::result::Result<PolicyData, SourceError> {
        Ok(self.policy().await?)
    }
}

#[async_trait]
impl DirectoryStore for Storage {
    async fn person(&self, caller: &Caller) -> std::result::Result<Option<Person>, StoreError> {
        Ok(self.person_of(caller).await?)
    }
}
