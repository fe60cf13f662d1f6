//! Live runs, whoever owns them: found here, stopped in the scope of their owner.

use agent_core::StoreError;
use agent_core::model::RunState;
use agent_core::port::live::{LiveRun, LiveRuns, WhoseRuns};
use async_trait::async_trait;
use primitives::{Tenant, Timestamp, UserId};
use sea_orm::sea_query::{Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, ExprTrait};

use super::doors::door;
use crate::Storage;
use crate::agent::live::live_run;
use crate::dialect::Dialect;
use crate::fault::Result;
use crate::visibility::{column, constant, owned};

const COLUMNS: [&str; 4] = ["id", "tenant_kind", "tenant_id", "principal_id"];

/// The person and the owner that runs are narrowed to.
const fn narrowed(whose: WhoseRuns) -> (Option<UserId>, Option<Tenant>) {
    match whose {
        WhoseRuns::All => (None, None),
        WhoseRuns::Of(owner) => (None, Some(owner)),
        WhoseRuns::By(person) => (Some(person), None),
        WhoseRuns::ByIn(person, owner) => (Some(person), Some(owner)),
    }
}

/// By the function of the schema.
fn through_door(whose: WhoseRuns, until: Timestamp, limit: u32) -> SelectStatement {
    let (person, owner) = narrowed(whose);
    let call = door("queue_live_runs")
        .arg(person.map(|person| person.as_uuid()))
        .arg(owner.map(|owner| owner.kind().as_str()))
        .arg(owner.map(primitives::Tenant::id))
        .arg(until.as_micros())
        .arg(i64::from(limit));
    Query::select().columns(COLUMNS).from_function(call, "live").to_owned()
}

/// The same in words of a database without such functions.
fn directly(whose: WhoseRuns, until: Timestamp, limit: u32) -> SelectStatement {
    let run = |name| column("agent_run", name);
    let (person, owner) = narrowed(whose);
    let its_repository = column("repository", "id").eq(run("repository_id"));
    let live = [RunState::Queued.as_str(), RunState::Running.as_str()].map(constant);
    let mut select = Query::select();
    select
        .exprs(COLUMNS.map(run))
        .from("agent_run")
        .left_join("repository", its_repository)
        .and_where(run("state").is_in(live))
        .and_where(run("created_at").lte(until.as_micros()))
        .and_where_option(person.map(|person| run("principal_id").eq(person.as_uuid())))
        .and_where_option(
            owner.map(|owner| owned("agent_run", owner).or(owned("repository", owner))),
        )
        .order_by_expr(run("state").eq(constant(RunState::Running.as_str())), Order::Desc)
        .order_by_expr(run("id"), Order::Asc)
        .limit(u64::from(limit));
    select
}

impl Storage {
    async fn find_live(
        &self,
        whose: WhoseRuns,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<LiveRun>> {
        let select = match self.dialect() {
            Dialect::Postgres => through_door(whose, until, limit),
            Dialect::Sqlite => directly(whose, until, limit),
        };
        self.reader().query_all(&select).await?.iter().map(live_run).collect()
    }
}

#[async_trait]
impl LiveRuns for Storage {
    async fn live_runs(
        &self,
        whose: WhoseRuns,
        until: Timestamp,
        limit: u32,
    ) -> std::result::Result<Vec<LiveRun>, StoreError> {
        Ok(self.find_live(whose, until, limit).await?)
    }
}

#[cfg(test)]
mod tests {
    use primitives::TeamId;
    use uuid::Uuid;

    use super::*;
    use crate::visibility::tests::sql;

    #[test]
    fn live_runs_are_narrowed_to_a_person_and_an_owner() {
        let person = UserId::from_uuid(Uuid::from_u128(0xAAAA));
        let team = Tenant::Team(TeamId::from_uuid(Uuid::from_u128(0x7EA0)));
        let whose = WhoseRuns::ByIn(person, team);
        let until = Timestamp::from_micros(7);
        insta::assert_snapshot!("live_runs_directly", sql(&directly(whose, until, 50)));
        insta::assert_snapshot!("live_runs_through_door", sql(&through_door(whose, until, 50)));
        let all = sql(&directly(WhoseRuns::All, until, 50));
        assert!(!all.contains("principal_id\" ="), "{all}");
        assert!(!all.contains("tenant_kind\" ="), "{all}");
    }
}
