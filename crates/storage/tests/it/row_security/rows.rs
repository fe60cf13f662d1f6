//! What the server's role sees and changes in every table and view, row by row.
//!
//! Each table gets a row of each of five owners; rules that keep rows well-formed are taken
//! from the throwaway database first, so that any row can be planted.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseConnection};
use testkit::database::TestDb;
use uuid::Uuid;

use super::rules::Rules;
use super::{raw, run, select, texts};

const ALICE: Uuid = Uuid::from_u128(0xA11CE);
const BOB: Uuid = Uuid::from_u128(0xB0B);
const ERIN: Uuid = Uuid::from_u128(0xE419);
const OURS: Uuid = Uuid::from_u128(0x7EA1);
const THEIRS: Uuid = Uuid::from_u128(0x7EA2);

/// Whose rows are planted.
const OWNERS: [(&str, &str, Uuid); 5] = [
    ("alice", "person", ALICE),
    ("bob", "person", BOB),
    ("ours", "team", OURS),
    ("theirs", "team", THEIRS),
    ("everyone", "global", Uuid::nil()),
];

/// Takes the rules away that keep rows well-formed.
pub(super) const STRIP: &str = "
do $$
declare
    k record;
begin
    for k in select conrelid::regclass as place, conname from pg_constraint
        where contype in ('c', 'f') and connamespace = 'public'::regnamespace
    loop
        execute format('alter table %s drop constraint %I', k.place, k.conname);
    end loop;
end
$$";

/// Tables and views with rows of several owners.
const RELATIONS: &str = "
select c.relname::text from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
  and 2 = (select count(*) from pg_attribute a
           where a.attrelid = c.oid and a.attname in ('tenant_kind', 'tenant_id'))
order by c.relkind, 1";

const IS_TABLE: &str = "
select relname::text from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')";

/// A table or view, and how its rows tell whose they are.
struct Relation {
    name: String,
    /// What is planted; `None` for views.
    insert: Option<Vec<(String, String)>>,
    /// `None`: the owner's columns.
    by: Option<String>,
}

impl Relation {
    async fn read(owner: &DatabaseConnection, name: String, by: Option<&str>) -> Self {
        let is_table = texts(owner, IS_TABLE).await.contains(&name);
        let insert = if is_table { Some(columns(owner, &name).await) } else { None };
        Self { name, insert, by: by.map(ToOwned::to_owned) }
    }

    /// Inserts a row of an owner; `id` tells it from others.
    fn planting(&self, (_, kind, tenant): (&str, &str, Uuid), id: &str) -> Option<String> {
        let columns = self.insert.as_ref()?;
        let value = |(name, value): &(String, String)| match name.as_str() {
            "tenant_kind" => format!("'{kind}'"),
            "tenant_id" => format!("'{tenant}'"),
            "id" => key(&self.name, id),
            // A payload belongs to the event of the same owner.
            "event_id" if self.by.as_deref() == Some("event_id") => key("audit_event", id),
            name if self.by.as_deref() == Some(name) => format!("'{tenant}'"),
            _ => value.clone(),
        };
        let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let values: Vec<_> = columns.iter().map(value).collect();
        let (names, values) = (names.join(", "), values.join(", "));
        Some(format!("insert into {} ({names}) values ({values})", self.name))
    }

    /// Lists whose rows are seen, by the names of [`OWNERS`].
    fn looking(&self) -> String {
        let arms = OWNERS.map(|(name, kind, tenant)| match self.by.as_deref() {
            None => format!("when tenant_kind = '{kind}' and tenant_id = '{tenant}' then '{name}'"),
            Some("event_id") => {
                format!("when event_id = {} then '{name}'", key("audit_event", name))
            }
            Some(by) => format!("when {by} = '{tenant}' then '{name}'"),
        });
        format!("select case {} else '?' end from {}", arms.join(" "), self.name)
    }

    /// Whose rows are seen by alice, who is in one team; and by erin, who is in none.
    fn expected(&self) -> [BTreeSet<&'static str>; 2] {
        match self.by.as_deref() {
            Some("principal_id") => [BTreeSet::from(["alice"]), BTreeSet::new()],
            _ => [BTreeSet::from(["alice", "everyone", "ours"]), BTreeSet::from(["everyone"])],
        }
    }
}

/// A uuid of its own for each table and word.
fn key(table: &str, word: &str) -> String {
    format!("md5('{table}/{word}')::uuid")
}

/// Columns of a table, each with something to plant in it.
pub(super) async fn columns(owner: &DatabaseConnection, table: &str) -> Vec<(String, String)> {
    let list = format!(
        "select a.attname || ' ' || a.atttypid::regtype from pg_attribute a
         where a.attrelid = '{table}'::regclass and a.attnum > 0 and not a.attisdropped
         order by a.attnum"
    );
    let columns = texts(owner, &list).await;
    let planted = |column: &String| {
        let (name, kind) = column.split_once(' ').unwrap();
        let value = match kind {
            "uuid" => "gen_random_uuid()",
            "text" => "gen_random_uuid()::text",
            "bigint" | "integer" | "smallint" => "1",
            "boolean" => "false",
            "bytea" => "'\\x00'",
            "xid8" => "default",
            other => panic!("{table}.{name}: this test plants no {other} yet"),
        };
        (name.to_owned(), value.to_owned())
    };
    columns.iter().map(planted).collect()
}

pub(super) async fn complaints(
    db: &TestDb,
    owner: &DatabaseConnection,
    rules: &Rules,
) -> Vec<String> {
    run(owner, STRIP).await;
    let mut relations = Vec::new();
    for name in texts(owner, RELATIONS).await {
        if !rules.is_open(&name) {
            relations.push(Relation::read(owner, name, None).await);
        }
    }
    for rule in &rules.divided {
        relations.push(Relation::read(owner, rule.table.clone(), Some(&rule.by)).await);
    }
    for relation in &relations {
        for place in OWNERS {
            if let Some(insert) = relation.planting(place, place.0) {
                run(owner, &insert).await;
            }
        }
    }
    let mut found = Vec::new();
    for relation in &relations {
        let server = Server { connection: raw(db).await };
        found.extend(server.looks(relation).await);
        found.extend(server.changes(relation, rules).await);
    }
    found
}

/// A session as the server has them.
struct Server {
    connection: DatabaseConnection,
}

impl Server {
    /// Runs one statement in a transaction of its own, which leaves nothing.
    async fn within(&self, scope: Option<(&str, &str)>, sql: &str) -> Result<Vec<String>, String> {
        run(&self.connection, "begin; set local role elohim_app").await;
        if let Some((user, teams)) = scope {
            let set = format!(
                "select set_config('elohim.user', '{user}', true),
                        set_config('elohim.teams', '{teams}', true)"
            );
            select(&self.connection, &set).await.unwrap();
        }
        let rows = select(&self.connection, sql).await;
        run(&self.connection, "rollback").await;
        let rows = rows.map_err(|error| error.to_string())?;
        Ok(rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect())
    }

    async fn looks(&self, relation: &Relation) -> Vec<String> {
        let (name, sql) = (&relation.name, relation.looking());
        let (alice, erin) = (ALICE.to_string(), ERIN.to_string());
        let (team, none) = (format!("{{{OURS}}}"), "{}");
        let mut found = Vec::new();
        // First of all: this session has never had a scope.
        let without = [
            ("without a scope", None),
            ("with an empty scope", Some(("", ""))),
            ("with an empty person", Some(("", none))),
        ];
        for (how, scope) in without {
            if let Ok(seen) = self.within(scope, &sql).await
                && !seen.is_empty()
            {
                found.push(format!("{name} shows {seen:?} {how}"));
            }
        }
        let people = [(alice.as_str(), team.as_str()), (erin.as_str(), none)];
        for (scope, expected) in people.into_iter().zip(relation.expected()) {
            match self.within(Some(scope), &sql).await {
                Ok(seen)
                    if seen.iter().map(String::as_str).collect::<BTreeSet<_>>() == expected => {}
                seen => found.push(format!("{name} shows {seen:?}, not {expected:?}")),
            }
        }
        // What a finished transaction leaves behind is no scope.
        run(&self.connection, "begin").await;
        let set = format!("select set_config('elohim.user', '{alice}', true)");
        select(&self.connection, &set).await.unwrap();
        run(&self.connection, "commit").await;
        if let Ok(seen) = self.within(None, &sql).await
            && !seen.is_empty()
        {
            found.push(format!("{name} shows {seen:?} after another transaction"));
        }
        found
    }

    async fn changes(&self, relation: &Relation, rules: &Rules) -> Vec<String> {
        let name = &relation.name;
        let (alice, team) = (ALICE.to_string(), format!("{{{OURS}}}"));
        let scope = Some((alice.as_str(), team.as_str()));
        let mut found = Vec::new();
        for place in OWNERS {
            let Some(insert) = relation.planting(place, &format!("new {}", place.0)) else {
                continue;
            };
            let is_own = match relation.by.as_deref() {
                // Held to its event by a foreign key, which is stripped here.
                Some("event_id") => continue,
                Some("principal_id") => place.2 == ALICE,
                _ => ["alice", "ours", "everyone"].contains(&place.0),
            };
            for (scope, may) in [(scope, is_own), (None, false), (Some(("", "")), false)] {
                let taken = self.within(scope, &format!("{insert} returning 'taken'")).await;
                if taken.is_ok() != may {
                    found.push(format!("{name} takes a row of {}: {taken:?}", place.0));
                }
            }
        }
        let may_update = rules.verbs.get(name).is_some_and(|verbs| verbs.contains('u'));
        if !may_update || relation.insert.is_none() || relation.by.is_some() {
            return found;
        }
        // Touching rows touches those of the scope; none of them can be given away.
        let touch = format!("update {name} set tenant_id = tenant_id returning tenant_kind");
        match self.within(scope, &touch).await {
            Ok(touched) if touched.len() == 3 => {}
            touched => found.push(format!("{name} lets {touched:?} be changed")),
        }
        for (kind, tenant) in [("team", THEIRS), ("person", BOB)] {
            let give = format!(
                "update {name} set tenant_kind = '{kind}', tenant_id = '{tenant}'
                 where tenant_id = '{ALICE}' returning 'given'"
            );
            if let Ok(given) = self.within(scope, &give).await {
                found.push(format!("{name} lets {} rows be given away", given.len()));
            }
        }
        found
    }
}

/// Who left a team still reads what he did there, and only that.
#[tokio::test]
async fn what_one_did_oneself_stays_readable() {
    let db = TestDb::postgres().await;
    let owner = raw(&db).await;
    run(&owner, STRIP).await;
    let relation = Relation::read(&owner, "audit_event".into(), None).await;
    let insert = relation.planting(("theirs", "team", THEIRS), "theirs").unwrap();
    run(&owner, &insert).await;
    let server = Server { connection: raw(&db).await };
    let erin = ERIN.to_string();
    let look = async || server.within(Some((&erin, "{}")), &relation.looking()).await.unwrap();
    assert_eq!(look().await, [""; 0]);
    let done = format!(
        "alter table audit_event disable trigger all;
         update audit_event set actor_id = '{ERIN}'"
    );
    run(&owner, &done).await;
    assert_eq!(look().await, ["theirs"]);
    let nobody = server.within(None, &relation.looking()).await;
    assert!(nobody.is_err(), "{nobody:?}");
    assert!(server.connection.execute_unprepared("select 1").await.is_ok());
}
