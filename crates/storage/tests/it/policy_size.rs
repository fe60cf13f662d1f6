//! A policy of ten thousand people is read whole, in as many statements as a small one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use permissions::{Authorizer, PolicySource, Role};
use primitives::SystemClock;
use sea_orm::ConnectionTrait;
use testkit::database::Backend;

use super::{open, raw};

const PEOPLE: usize = 10_000;
const TEAMS: usize = 200;
const HELD_EACH: usize = 3;

/// People `n`, teams `n`, a custom role in each team, and three roles for each person: two
/// standard ones, and the own one of a third team.
fn fill(backend: Backend) -> String {
    let (id, numbers) = match backend {
        Backend::Postgres => (
            "cast(lpad(to_hex({kind}), 8, '0') || lpad(to_hex({n}), 24, '0') as uuid)",
            "select g as n from generate_series(0, {last}) as g",
        ),
        Backend::Sqlite => (
            "unhex(printf('%08x%024x', {kind}, {n}))",
            "with recursive s(n) as (select 0 union all select n + 1 from s where n < {last}) \
             select n from s",
        ),
    };
    let id = |kind: u32, n: &str| id.replace("{kind}", &kind.to_string()).replace("{n}", n);
    let numbers =
        |count: usize| format!("({}) as s", numbers.replace("{last}", &(count - 1).to_string()));
    let (user, team, role) = (id(1, "n"), id(2, "n"), id(3, "n"));
    let uuid_text = match backend {
        Backend::Postgres => "cast(id as text)".to_owned(),
        Backend::Sqlite => {
            let part = |from, length| format!("substr(lower(hex(id)), {from}, {length})");
            [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)].join(" || '-' || ")
        }
    };
    let held = |of: &str, kind: u32, role: &str| {
        let (who, place) = (id(1, "n"), id(2, of));
        format!(
            "insert into role_assignment (user_id, scope_kind, scope_id, role, created_at, id) \
             select {who}, 'team', {place}, {role}, n, {} from {};\n",
            id(kind, "n"),
            numbers(PEOPLE),
        )
    };
    let own_of = |n: &str| format!("(select {uuid_text} from custom_role where id = {})", id(3, n));
    [
        format!(
            "insert into app_user (id, subject, display_name, created_at) \
             select {user}, 'subject-' || n, 'Person ' || n, n from {};\n",
            numbers(PEOPLE)
        ),
        format!(
            "insert into team (id, slug, display_name, created_at) \
             select {team}, 'team-' || n, 'Team ' || n, n from {};\n",
            numbers(TEAMS)
        ),
        format!(
            "insert into custom_role (id, team_id, slug, display_name, levels, created_at, version) \
             select {role}, {team}, 'own', 'Own', '{{\"code.use\":\"WRITE\"}}', n, 1 from {};\n",
            numbers(TEAMS)
        ),
        held(&format!("n % {TEAMS}"), 4, "'developer'"),
        held(&format!("(n + 1) % {TEAMS}"), 5, "'guest'"),
        held(&format!("(n + 2) % {TEAMS}"), 6, &own_of(&format!("(n + 2) % {TEAMS}"))),
        "update policy_epoch set epoch = epoch + 1;".to_owned(),
    ]
    .concat()
}

testkit::on_both! {
    async fn ten_thousand_people_are_read_at_once(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let before = storage.statements();
        let small = storage.load_policy().await.unwrap();
        let statements = storage.statements() - before;
        raw(&db).await.execute_unprepared(&fill(db.backend())).await.unwrap();

        let mut times = Vec::new();
        for _ in 0..5 {
            let before = storage.statements();
            let began = Instant::now();
            let policy = storage.load_policy().await.unwrap();
            times.push(began.elapsed());
            assert_eq!(storage.statements() - before, statements, "as many as for a few people");
            assert_eq!(policy.users.len(), small.users.len() + PEOPLE);
            assert_eq!(policy.roles.len(), TEAMS);
            assert_eq!(policy.assignments.len(), small.assignments.len() + PEOPLE * HELD_EACH);
        }
        times.sort();
        eprintln!("{:?}: a policy of {PEOPLE} people in {:?}", db.backend(), times[2]);
        assert!(times[2] < Duration::from_secs(10), "{times:?}");

        let began = Instant::now();
        let authorizer = Authorizer::start(Arc::new(storage), Arc::new(SystemClock)).await.unwrap();
        eprintln!("{:?}: read and put together in {:?}", db.backend(), began.elapsed());
        assert!(authorizer.epoch() > stand.epoch());
        let mut roles: HashMap<String, usize> = HashMap::new();
        for number in 0..PEOPLE {
            let caller = authorizer.caller(&format!("subject-{number}"), "size").unwrap();
            assert_eq!(caller.teams().len(), HELD_EACH, "{number}");
            for held in caller.teams().iter().flat_map(|team| &team.roles) {
                let name = if matches!(held.role, Role::Custom(_)) { "own" } else { &held.name };
                assert_eq!(name, held.name);
                *roles.entry(held.name.clone()).or_default() += 1;
            }
        }
        assert_eq!(roles.len(), HELD_EACH);
        assert!(roles.values().all(|number| *number == PEOPLE));
    }
}
