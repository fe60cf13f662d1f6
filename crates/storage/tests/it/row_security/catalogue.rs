//! What the catalogue says about tables, policies, views, keys, functions and roles.

use std::collections::BTreeSet;

use sea_orm::DatabaseConnection;

use super::rules::Rules;
use super::texts;

/// Tables of the schema, with a mark for those that have an owner's columns.
const TABLES: &str = "
select c.relname || case when 2 = (
    select count(*) from pg_attribute a
    where a.attrelid = c.oid and a.attname in ('tenant_kind', 'tenant_id')
) then '+' else '' end
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
order by 1";

/// Tables whose policies bind everybody who is not a superuser.
const FORCED: &str = "
select c.relname::text from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relrowsecurity and c.relforcerowsecurity";

/// Policies that are not for the roles, or not among those that tables have.
const POLICIES: &str = "
select p.polrelid::regclass || '.' || p.polname
from pg_policy p
where p.polroles <> array['elohim_queue'::regrole::oid]
  and (p.polroles <> array['elohim_metadata'::regrole::oid] or p.polcmd <> 'r')
  and (p.polroles <> array['elohim_app'::regrole::oid]
       or p.polname not in ('in_scope', 'of_event', 'with_event', 'of_principal'))";

/// Views that show what their owner sees.
const VIEWS: &str = "
select c.relname::text from pg_class c
where c.relnamespace = 'public'::regnamespace
  and (c.relkind = 'm' or c.relkind = 'v' and not coalesce(
      c.reloptions && array['security_invoker=true', 'security_invoker=on'], false))";

/// Unique indexes over rows of several owners that do not name the owner.
const UNIQUE: &str = "
select i.indexrelid::regclass::text
from pg_index i
where i.indisunique
  and 2 = (select count(*) from pg_attribute a
           where a.attrelid = i.indrelid and a.attname in ('tenant_kind', 'tenant_id'))
  and 2 <> (select count(*) from pg_attribute a
            where a.attrelid = i.indrelid and a.attnum = any (i.indkey)
              and a.attname in ('tenant_kind', 'tenant_id'))
  and not (i.indisprimary and i.indnatts = 1 and exists (
      select from pg_attribute a
      where a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        and a.attname = 'id' and a.atttypid = 'uuid'::regtype))";

/// Foreign keys to rows of several owners that do not name the owner on both sides.
const FOREIGN: &str = "
select k.conname::text
from pg_constraint k
where k.contype = 'f'
  and 2 = (select count(*) from pg_attribute a
           where a.attrelid = k.confrelid and a.attname in ('tenant_kind', 'tenant_id'))
  and 2 <> (select count(*) from unnest(k.conkey, k.confkey) as pair (own, other)
            join pg_attribute a on a.attrelid = k.conrelid and a.attnum = pair.own
            join pg_attribute b on b.attrelid = k.confrelid and b.attnum = pair.other
            where a.attname = b.attname and a.attname in ('tenant_kind', 'tenant_id'))";

/// Functions with rights of their own that are not pinned, or not the server's alone.
const DOORS: &str = "
select p.oid::regprocedure::text
from pg_proc p
where p.pronamespace = 'public'::regnamespace and p.prosecdef
  and (p.proowner <> 'elohim_queue'::regrole
       or p.proconfig is distinct from array['search_path=pg_catalog, public, pg_temp']
       or p.proacl is null
       or exists (select from aclexplode(p.proacl) g
                  where g.grantee not in ('elohim_queue'::regrole, 'elohim_app'::regrole)))";

/// What the roles must not be.
const ROLES: &str = "
select r.rolname || ' is too much'
from pg_roles r
where r.rolname in ('elohim_app', 'elohim_queue', 'elohim_metadata')
  and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
union all
select member.rolname || ' is a member of ' || held.rolname
from pg_auth_members m
join pg_roles member on member.oid = m.member
join pg_roles held on held.oid = m.roleid
where member.rolname in ('elohim_app', 'elohim_queue', 'elohim_metadata')
  -- It becomes that role for a transaction, and else has nothing of it.
  and not (member.rolname = 'elohim_app' and held.rolname = 'elohim_metadata'
           and not pg_has_role('elohim_app', 'elohim_metadata', 'usage'))
union all
select r.rolname || ' owns ' || c.relname
from pg_class c join pg_roles r on r.oid = c.relowner
where r.rolname in ('elohim_app', 'elohim_queue', 'elohim_metadata')
union all
select r.rolname || ' owns ' || p.proname
from pg_proc p join pg_roles r on r.oid = p.proowner
where r.rolname in ('elohim_app', 'elohim_metadata')
union all
select r.rolname || ' may make things in the schema'
from pg_roles r
where r.rolname in ('elohim_app', 'elohim_queue', 'elohim_metadata')
  and has_schema_privilege(r.oid, 'public', 'create')";

/// What the server may do with each table.
const VERBS: &str = "
select c.relname || ' = ' || concat(
    case when has_table_privilege('elohim_app', c.oid, 'select') then 's' end,
    case when has_table_privilege('elohim_app', c.oid, 'insert') then 'i' end,
    case when has_table_privilege('elohim_app', c.oid, 'update') then 'u' end,
    case when has_table_privilege('elohim_app', c.oid, 'delete') then 'd' end,
    case when has_table_privilege('elohim_app', c.oid, 'truncate, references, trigger')
         then '!' end)
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')";

/// What administrators may read of everybody's rows; a mark where they may do more.
const METADATA: &str = "
select c.relname || ' = ' || string_agg(a.attname, ' ' order by a.attnum)
    || case when has_any_column_privilege('elohim_metadata', c.oid, 'insert, update, references')
              or has_table_privilege('elohim_metadata', c.oid, 'delete, truncate, trigger')
       then '!' else '' end
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
  and a.attnum > 0 and not a.attisdropped
  and has_column_privilege('elohim_metadata', c.oid, a.attnum, 'select, insert, update')
group by c.oid, c.relname";

pub(super) async fn complaints(owner: &DatabaseConnection, rules: &Rules) -> Vec<String> {
    let mut found = tables(owner, rules).await;
    let mut all = async |sql: &str, text: &str| {
        for name in texts(owner, sql).await {
            found.push(format!("{name} {text}"));
        }
    };
    all(VIEWS, "is a view with rights of its own").await;
    all(UNIQUE, "is a unique key that does not name the owner").await;
    all(DOORS, "is a function that is not pinned and the server's alone").await;
    all(ROLES, "").await;
    let known: BTreeSet<_> = rules.wider.iter().map(|rule| rule.policy.clone()).collect();
    found.extend(differences(&texts(owner, POLICIES).await, known, "policy"));
    let known: BTreeSet<_> = rules.keys.iter().map(|rule| rule.key.clone()).collect();
    found.extend(differences(&texts(owner, FOREIGN).await, known, "foreign key"));
    let known: BTreeSet<_> =
        rules.verbs.iter().map(|(table, verbs)| format!("{table} = {verbs}")).collect();
    found.extend(differences(&texts(owner, VERBS).await, known, "verbs"));
    let known: BTreeSet<_> =
        rules.metadata.iter().map(|(table, columns)| format!("{table} = {columns}")).collect();
    found.extend(differences(&texts(owner, METADATA).await, known, "metadata"));
    found
}

async fn tables(owner: &DatabaseConnection, rules: &Rules) -> Vec<String> {
    let tables = texts(owner, TABLES).await;
    assert!(tables.iter().filter(|name| name.ends_with('+')).count() > 12, "{tables:?}");
    let forced: BTreeSet<_> = texts(owner, FORCED).await.into_iter().collect();
    let mut found = Vec::new();
    for table in &tables {
        let (name, has_owner) = match table.strip_suffix('+') {
            Some(name) => (name, true),
            None => (table.as_str(), false),
        };
        if rules.is_open(name) {
            continue;
        }
        if !has_owner && rules.divided_by(name).is_none() {
            found.push(format!("{name} is neither divided by its owner nor listed"));
        }
        if !forced.contains(name) {
            found.push(format!("{name} is not forced to row-level security"));
        }
    }
    let is_there = |name: &str| tables.iter().any(|table| table.trim_end_matches('+') == name);
    let listed = rules.open.iter().map(|rule| &rule.table);
    let listed = listed.chain(rules.divided.iter().map(|rule| &rule.table));
    found.extend(
        listed.filter(|name| !is_there(name)).map(|name| format!("{name} is listed, not there")),
    );
    found
}

/// What is there and not listed, and what is listed and not there.
fn differences(there: &[String], listed: BTreeSet<String>, what: &str) -> Vec<String> {
    let there: BTreeSet<_> = there.iter().cloned().collect();
    let more = there.difference(&listed).map(|name| format!("{what} {name} is not listed"));
    let less = listed.difference(&there).map(|name| format!("{what} {name} is not there"));
    more.chain(less).collect()
}
