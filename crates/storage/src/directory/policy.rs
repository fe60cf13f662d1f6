//! The policy, read for the authorizer.
//!
//! **Invariant:** nothing in it is older than its epoch. What changed while it was read raised
//! the stored epoch, so that the first statement of every call notices.

use std::collections::BTreeMap;

use async_trait::async_trait;
use permissions::{
    Assignment, AssignmentScope, CustomRole, Key, Level, Levels, PolicyData, PolicySource, Role,
    SourceError, UserRecord,
};
use primitives::{Id, Timestamp, UserId};
use sea_orm::sea_query::{Condition, Query, SelectStatement};
use sea_orm::{ConnectionTrait, ExprTrait, FromQueryResult};
use uuid::Uuid;

use super::convert::{kind_of, scope_columns, scope_of, source_of};
use super::query::{self, of_team_in_use};
use crate::Storage;
use crate::fault::{Fault, Result};
use crate::row::directory::custom_role;
use crate::row::from_json;
use crate::visibility::{column, constant};

/// One line of the policy: the epoch, a person, and one of his roles; either may be absent.
#[derive(FromQueryResult)]
struct PolicyRow {
    epoch: i64,
    user_id: Option<Uuid>,
    subject: Option<String>,
    certificate_name: Option<String>,
    kind: Option<String>,
    active: Option<bool>,
    may_apply: Option<bool>,
    away_until: Option<i64>,
    scope_kind: Option<String>,
    scope_id: Option<Uuid>,
    role: Option<String>,
    expires_at: Option<i64>,
    source: Option<String>,
}

/// People and assignments in one statement, so that they are from one point in time. What is
/// left of a deleted team grants nothing.
fn people() -> SelectStatement {
    let of_user = column("role_assignment", "user_id").eq(column("app_user", "id"));
    let (system, _) = scope_columns(AssignmentScope::System);
    let in_force =
        column("role_assignment", "scope_kind").eq(constant(system)).or(of_team_in_use());
    Query::select()
        .expr(column("policy_epoch", "epoch"))
        .expr_as(column("app_user", "id"), "user_id")
        .expr(column("app_user", "subject"))
        .expr(column("app_user", "certificate_name"))
        .expr(column("app_user", "kind"))
        .expr(column("app_user", "active"))
        .expr(column("app_user", "may_apply"))
        .expr(column("app_user", "away_until"))
        .expr(column("role_assignment", "scope_kind"))
        .expr(column("role_assignment", "scope_id"))
        .expr(column("role_assignment", "role"))
        .expr(column("role_assignment", "expires_at"))
        .expr(column("role_assignment", "source"))
        .from("policy_epoch")
        .left_join("app_user", Condition::all())
        .left_join("role_assignment", of_user.and(in_force))
        .to_owned()
}

impl PolicyRow {
    fn user(&self) -> Result<Option<UserRecord>> {
        let (Some(user), Some(kind), Some(active), Some(may_apply)) =
            (self.user_id, &self.kind, self.active, self.may_apply)
        else {
            return Ok(None);
        };
        Ok(Some(UserRecord {
            user: UserId::from_uuid(user),
            subject: self.subject.clone(),
            certificate_name: self.certificate_name.clone(),
            kind: kind_of(kind)?,
            active,
            may_apply,
            away_until: self.away_until.map(Timestamp::from_micros),
        }))
    }

    fn assignment(&self) -> Result<Option<Assignment>> {
        let (Some(user), Some(kind), Some(id), Some(role), Some(source)) =
            (self.user_id, &self.scope_kind, self.scope_id, &self.role, &self.source)
        else {
            return Ok(None);
        };
        Ok(Some(Assignment {
            user: UserId::from_uuid(user),
            scope: scope_of(kind, id)?,
            role: Role::from(role.as_str()),
            expires_at: self.expires_at.map(Timestamp::from_micros),
            source: source_of(source)?,
        }))
    }
}

/// A key that a newer version knows grants nothing here: one role must not keep a replica of
/// the version before from reading the policy.
fn known_levels(text: &str) -> Result<Levels> {
    let held: BTreeMap<String, Level> = from_json("levels", text)?;
    let held = held.into_iter().filter_map(|(key, level)| Some((Key::parse(&key)?, level)));
    Ok(held.fold(Levels::NONE, |levels, (key, level)| levels.with(key, level)))
}

fn custom(row: custom_role::Model) -> Result<CustomRole> {
    Ok(CustomRole {
        id: Id::from_uuid(row.id),
        team: Id::from_uuid(row.team_id),
        levels: known_levels(&row.levels)?,
        slug: row.slug,
    })
}

impl Storage {
    async fn policy(&self) -> Result<PolicyData> {
        let rows = self.reader().query_all(&people()).await?;
        let mut epoch = None;
        let mut users = BTreeMap::new();
        let mut assignments = Vec::new();
        for row in &rows {
            let row = PolicyRow::from_query_result(row, "")?;
            epoch = Some(row.epoch);
            // A person comes once for each of his roles.
            if row.user_id.is_some_and(|user| !users.contains_key(&user)) {
                users.extend(row.user()?.map(|user| (user.user.as_uuid(), user)));
            }
            assignments.extend(row.assignment()?);
        }
        let epoch = epoch.ok_or_else(no_epoch)?;
        // After the epoch: never older.
        let mut select = query::roles();
        select.and_where(column("custom_role", "team_id").in_subquery(query::ids_in_use()));
        let roles = query::all(self.reader().into(), &select, custom).await?;
        Ok(PolicyData { epoch, users: users.into_values().collect(), roles, assignments })
    }

    async fn epoch(&self) -> Result<i64> {
        let select = Query::select().column("epoch").from("policy_epoch").to_owned();
        let row = self.reader().query_one(&select).await?;
        Ok(row.ok_or_else(no_epoch)?.try_get("", "epoch")?)
    }
}

fn no_epoch() -> Fault {
    Fault::Internal("policy_epoch has no row".into())
}

#[async_trait]
impl PolicySource for Storage {
    async fn stored_epoch(&self) -> std::result::Result<i64, SourceError> {
        Ok(self.epoch().await?)
    }

    async fn load_policy(&self) -> std::result::Result<PolicyData, SourceError> {
        Ok(self.policy().await?)
    }
}
