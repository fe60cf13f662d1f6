//! Changes of people, roles and switches.
//!
//! **Invariant:** what changes a policy holds its epoch from its first statement on and raises
//! it; what changes nothing does not, so that seeding again at each start disturbs nobody.

use async_trait::async_trait;
use directory::metadata::KillSwitch;
use directory::store::PolicyAdmin;
use directory::{NewAssignment, SeedTeam, SeedUser};
use permissions::{AssignmentScope, AssignmentSource, UserKind};
use primitives::{RepositoryId, RoleAssignmentId, TeamId, Tenant, Timestamp, UserId};
use sea_orm::sea_query::{Expr, InsertStatement, OnConflict, Query, SimpleExpr};
use sea_orm::{ConnectionTrait, ExprTrait, StatementBuilder};
use uuid::Uuid;

use super::Answer;
use super::convert::{kind_word, scope_columns, source_word};
use super::query::in_use;
use crate::fault::{Fault, Result};
use crate::row::directory::{app_user, kill_switch, role_assignment, team};
use crate::row::insert;
use crate::visibility::column;
use crate::{Storage, Tx};

impl Storage {
    /// Runs one change; the epoch rises if it changed anything.
    async fn change_policy<S: StatementBuilder>(&self, change: &S) -> Result<u64> {
        let (tx, _) = self.hold_policy(None).await?;
        let changed = tx.run(change).await?;
        if changed > 0 {
            tx.raise_epoch().await?;
        }
        tx.commit_now().await?;
        Ok(changed)
    }

    /// Inserts a row unless its `key` is taken; returns the id of the row that has it.
    async fn ensure(
        &self,
        table: &'static str,
        key: &'static str,
        value: &str,
        mut row: InsertStatement,
    ) -> Result<Uuid> {
        let (tx, _) = self.hold_policy(None).await?;
        let mut conflict = OnConflict::column(key);
        conflict.do_nothing();
        if table == "team" {
            conflict.target_and_where(in_use());
        }
        if tx.run(row.on_conflict(conflict)).await? > 0 {
            tx.raise_epoch().await?;
        }
        let id = id_of(&tx, table, key, value).await?;
        tx.commit_now().await?;
        Ok(id)
    }

    /// A slug is no secret: it is read without a scope, for the server itself.
    async fn find_team(&self, slug: &str) -> Result<Option<TeamId>> {
        let select = Query::select()
            .expr(column("team", "id"))
            .from("team")
            .and_where(column("team", "slug").eq(slug))
            .and_where(in_use())
            .to_owned();
        match self.reader().query_one(&select).await? {
            Some(row) => Ok(Some(TeamId::from_uuid(row.try_get("", "id")?))),
            None => Ok(None),
        }
    }

    async fn change_user<const N: usize>(
        &self,
        user: UserId,
        values: [(&'static str, SimpleExpr); N],
    ) -> Result<()> {
        let update = Query::update()
            .table("app_user")
            .values(values)
            .value("version", Expr::col("version").add(1))
            .and_where(column("app_user", "id").eq(user.as_uuid()))
            .to_owned();
        found(self.change_policy(&update).await?, "user")
    }
}

fn found(changed: u64, what: &str) -> Result<()> {
    if changed == 0 { Err(Fault::Internal(format!("there is no such {what}"))) } else { Ok(()) }
}

async fn id_of(tx: &Tx, table: &'static str, key: &'static str, value: &str) -> Result<Uuid> {
    let mut select = Query::select();
    select.expr(column(table, "id")).from(table).and_where(column(table, key).eq(value));
    if table == "team" {
        select.and_where(in_use());
    }
    let row = tx.open.query_one(&select).await?;
    let row = row.ok_or_else(|| Fault::Internal(format!("{table} lost a row it just got")))?;
    Ok(row.try_get("", "id")?)
}

/// A role held already changes only if it ends at another time.
fn assignment_insert(assignment: &NewAssignment, now: Timestamp) -> InsertStatement {
    use role_assignment::Column::{ExpiresAt, Role, ScopeId, ScopeKind, UserId};

    let (scope_kind, scope_id) = scope_columns(assignment.scope);
    let row = role_assignment::Model {
        user_id: assignment.user.as_uuid(),
        scope_kind: scope_kind.into(),
        scope_id,
        role: assignment.role.stored(),
        expires_at: assignment.expires_at.map(Timestamp::as_micros),
        created_at: now.as_micros(),
        id: RoleAssignmentId::generate().as_uuid(),
        source: source_word(AssignmentSource::Given).into(),
        creator_id: None,
    };
    let ends_elsewhen = no_end(column("role_assignment", "expires_at"))
        .ne(no_end(column("excluded", "expires_at")));
    let conflict = OnConflict::columns([UserId, ScopeKind, ScopeId, Role])
        .update_column(ExpiresAt)
        .action_and_where(ends_elsewhen)
        .to_owned();
    insert(vec![row]).on_conflict(conflict).to_owned()
}

/// The switch of a place as it is to be.
pub(super) fn switch_upsert(switch: &KillSwitch) -> InsertStatement {
    use kill_switch::Column::{ChangedAt, ChangedBy, Reason, Stopped, TenantId, TenantKind};

    let row = kill_switch::Model {
        tenant_kind: switch.place.kind().as_str().into(),
        tenant_id: switch.place.id(),
        stopped: switch.engaged,
        changed_at: switch.changed_at.as_micros(),
        reason: switch.reason.clone(),
        changed_by: switch.changer.map(|user| user.as_uuid()),
    };
    let conflict = OnConflict::columns([TenantKind, TenantId])
        .update_columns([Stopped, ChangedAt, Reason, ChangedBy])
        .to_owned();
    insert(vec![row]).on_conflict(conflict).to_owned()
}

/// Null as a number, so that it compares.
fn no_end(expires_at: SimpleExpr) -> SimpleExpr {
    Expr::expr(expires_at).if_null(i64::MAX)
}

#[async_trait]
impl PolicyAdmin for Storage {
    async fn ensure_user(&self, user: &SeedUser, now: Timestamp) -> Answer<UserId> {
        let row = app_user::Model {
            id: user.id.as_uuid(),
            subject: Some(user.subject.clone()),
            display_name: user.display_name.clone(),
            active: true,
            may_apply: true,
            created_at: now.as_micros(),
            certificate_name: None,
            kind: kind_word(UserKind::Person).into(),
            deactivated_at: None,
            version: 1,
            away_until: None,
        };
        let id = self.ensure("app_user", "subject", &user.subject, insert(vec![row])).await?;
        Ok(UserId::from_uuid(id))
    }

    async fn ensure_team(&self, team: &SeedTeam, now: Timestamp) -> Answer<TeamId> {
        let row = team::Model {
            id: team.id.as_uuid(),
            slug: team.slug.clone(),
            display_name: team.display_name.clone(),
            created_at: now.as_micros(),
            deleted_at: None,
            version: 1,
        };
        let id = self.ensure("team", "slug", &team.slug, insert(vec![row])).await?;
        Ok(TeamId::from_uuid(id))
    }

    async fn team_by_slug(&self, slug: &str) -> Answer<Option<TeamId>> {
        Ok(self.find_team(slug).await?)
    }

    async fn assign(&self, assignment: &NewAssignment, now: Timestamp) -> Answer<()> {
        self.change_policy(&assignment_insert(assignment, now)).await?;
        Ok(())
    }

    async fn revoke(&self, user: UserId, scope: AssignmentScope, role: &str) -> Answer<()> {
        let (kind, id) = scope_columns(scope);
        let at = |name| column("role_assignment", name);
        let delete = Query::delete()
            .from_table("role_assignment")
            .and_where(at("user_id").eq(user.as_uuid()))
            .and_where(at("scope_kind").eq(kind))
            .and_where(at("scope_id").eq(id))
            .and_where(at("role").eq(role))
            .to_owned();
        self.change_policy(&delete).await?;
        Ok(())
    }

    async fn set_active(&self, user: UserId, active: bool) -> Answer<()> {
        let ended = if active { Expr::val(None::<i64>) } else { self.dialect().now() };
        let values = [("active", Expr::val(active)), ("deactivated_at", ended)];
        Ok(self.change_user(user, values).await?)
    }

    async fn set_may_apply(&self, user: UserId, may_apply: bool) -> Answer<()> {
        Ok(self.change_user(user, [("may_apply", Expr::val(may_apply))]).await?)
    }

    async fn set_kill_switch(&self, tenant: Tenant, stopped: bool, now: Timestamp) -> Answer<()> {
        let switch = KillSwitch {
            place: tenant,
            engaged: stopped,
            reason: String::new(),
            changer: None,
            changed_at: now,
        };
        self.change_policy(&switch_upsert(&switch)).await?;
        Ok(())
    }

    async fn set_auto_apply_allowed(&self, repository: RepositoryId, allowed: bool) -> Answer<()> {
        Ok(found(self.allow_auto_apply(repository, allowed).await?, "repository")?)
    }
}
