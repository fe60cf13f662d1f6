//! Users and teams within one change.

use async_trait::async_trait;
use directory::metadata::KillSwitch;
use directory::store::{Belongings, DirectoryTx};
use directory::{Team, User};
use permissions::{Cleared, UserKind};
use primitives::{TeamId, Timestamp, UserId};
use sea_orm::ExprTrait;
use sea_orm::sea_query::{SelectStatement, SimpleExpr};

use super::admin::switch_upsert;
use super::query::{self, one};
use super::tx::{DirectoryWrite, raising};
use super::{Answer, convert};
use crate::fault::{Fault, Result};
use crate::row::insert;
use crate::tx::Write;
use crate::visibility::column;

fn user_with(condition: SimpleExpr) -> SelectStatement {
    let mut select = query::users();
    select.and_where(condition);
    select
}

fn team_with(condition: SimpleExpr) -> SelectStatement {
    let mut select = query::teams();
    select.and_where(condition);
    select
}

type Decisive<'a> = (Option<&'a str>, Option<&'a str>, UserKind, bool, bool, Option<Timestamp>);

/// What of a user decides who he is and what he may do.
fn decisive(user: &User) -> Decisive<'_> {
    let User { subject, certificate_name, kind, active, may_apply, away_until, .. } = user;
    (subject.as_deref(), certificate_name.as_deref(), *kind, *active, *may_apply, *away_until)
}

impl DirectoryWrite {
    async fn user(&self, condition: SimpleExpr) -> Result<Option<User>> {
        one((&self.tx.open).into(), &user_with(condition), convert::user).await
    }

    async fn team(&self, condition: SimpleExpr) -> Result<Option<Team>> {
        one((&self.tx.open).into(), &team_with(condition), |row| Ok(convert::team(row))).await
    }

    pub(super) async fn insert_user(&mut self, user: &User) -> Result<()> {
        self.write(Write::new(insert(vec![convert::user_row(user)]), 1)).await?;
        self.changes_rights = true;
        Ok(())
    }

    async fn change_user(&mut self, user: &User) -> Result<()> {
        let id = user.id.as_uuid();
        let before = self.user(column("app_user", "id").eq(id)).await?.ok_or(Fault::Stale)?;
        let row = convert::user_row(user);
        let update = raising("app_user", id, row.version)
            .value("subject", row.subject)
            .value("certificate_name", row.certificate_name)
            .value("display_name", row.display_name)
            .value("kind", row.kind)
            .value("active", row.active)
            .value("may_apply", row.may_apply)
            .value("deactivated_at", row.deactivated_at)
            .value("away_until", row.away_until)
            .to_owned();
        self.write(Write::new(update, 1)).await?;
        self.changes_rights |= decisive(&before) != decisive(user);
        Ok(())
    }

    pub(super) async fn insert_team(&mut self, team: &Team) -> Result<()> {
        self.write(Write::new(insert(vec![convert::team_row(team)]), 1)).await?;
        self.changes_rights = true;
        Ok(())
    }

    async fn change_team(&mut self, team: &Team) -> Result<()> {
        let row = convert::team_row(team);
        let update = raising("team", row.id, row.version)
            .value("slug", row.slug)
            .value("display_name", row.display_name)
            .value("deleted_at", row.deleted_at)
            // What is gone does not come back.
            .and_where(query::in_use())
            .to_owned();
        self.write(Write::new(update, 1)).await?;
        self.changes_rights |= team.deleted_at.is_some();
        Ok(())
    }
}

#[async_trait]
impl DirectoryTx for DirectoryWrite {
    async fn find_user(&mut self, id: UserId) -> Answer<Option<User>> {
        Ok(self.user(column("app_user", "id").eq(id.as_uuid())).await?)
    }

    async fn find_user_by_subject(&mut self, subject: &str) -> Answer<Option<User>> {
        Ok(self.user(column("app_user", "subject").eq(subject)).await?)
    }

    async fn find_user_by_certificate(&mut self, name: &str) -> Answer<Option<User>> {
        Ok(self.user(column("app_user", "certificate_name").eq(name)).await?)
    }

    async fn add_user(&mut self, user: Cleared<User>) -> Answer<()> {
        Ok(self.insert_user(&user).await?)
    }

    async fn save_user(&mut self, user: Cleared<User>) -> Answer<()> {
        Ok(self.change_user(&user).await?)
    }

    async fn find_team(&mut self, id: TeamId) -> Answer<Option<Team>> {
        Ok(self.team(column("team", "id").eq(id.as_uuid())).await?)
    }

    async fn find_team_by_slug(&mut self, slug: &str) -> Answer<Option<Team>> {
        Ok(self.team(column("team", "slug").eq(slug)).await?)
    }

    async fn add_team(&mut self, team: Cleared<Team>) -> Answer<()> {
        Ok(self.insert_team(&team).await?)
    }

    async fn save_team(&mut self, team: Cleared<Team>) -> Answer<()> {
        Ok(self.change_team(&team).await?)
    }

    async fn belongings(&mut self, team: TeamId) -> Answer<Belongings> {
        Ok(self.count_belongings(team).await?)
    }

    async fn set_kill_switch(&mut self, switch: Cleared<KillSwitch>) -> Answer<()> {
        Ok(self.write(Write::new(switch_upsert(&switch), 1)).await?)
    }

    async fn commit(self: Box<Self>) -> Answer<()> {
        Ok(self.finish().await?)
    }
}
