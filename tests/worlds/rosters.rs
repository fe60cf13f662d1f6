//! Lists of the directory and of operators: each is what is stored, no more and no less.
//!
//! As in `lists`, the truth is read from the tables; who may look is said by the reference.

use std::collections::BTreeSet;

use api::admin;
use api::permissions::*;
use prost::Message;

use crate::bench::Bench;
use crate::facts::{Call, Class, Named, Need, Owner, Person, Tables};
use crate::lists::{Compared, PAGE, all_pages, hex, name};
use crate::reference::expected;

/// A list of something's parts: of a team, of a user, or of the whole system.
struct Roster {
    method: &'static str,
    of: Of,
    need: Need,
    page: fn(&str, String) -> Vec<u8>,
    read: fn(&[u8]) -> (Vec<String>, String),
    collection: &'static str,
    /// The column that the parts are named by.
    id: &'static str,
    /// Rows; `{of}` is a condition on the id of what they are parts of.
    rows: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    System,
    Team,
    User,
}

macro_rules! roster {
    ($method:literal, $of:ident, $need:ident, $collection:literal, $id:literal, $rows:literal,
     $request:path { $($parent:ident)? }, $response:path, $field:ident.$name:ident) => {
        Roster {
            method: $method,
            of: Of::$of,
            need: Need::$need,
            page: |parent, page_token| {
                let _ = parent;
                $request {
                    $($parent: parent.to_owned(),)?
                    page_token,
                    page_size: PAGE,
                    ..Default::default()
                }
                .encode_to_vec()
            },
            read: |bytes| {
                type Response = $response;
                let page = Response::decode(bytes).expect("an answer");
                (page.$field.into_iter().map(|row| row.$name).collect(), page.next_page_token)
            },
            collection: $collection,
            id: $id,
            rows: $rows,
        }
    };
}

const LIVE: &str = "(expires_at is null or expires_at > {now})";

const ROSTERS: &[Roster] = &[
    roster!(
        "permissions.v1.DirectoryService/ListUsers",
        System,
        Row,
        "users",
        "id",
        "app_user where {active}",
        ListUsersRequest {},
        ListUsersResponse,
        users.name
    ),
    roster!(
        "permissions.v1.DirectoryService/ListMembers",
        Team,
        RowOrBrackets,
        "users",
        "user_id",
        "role_assignment where scope_kind = 'team' and {of} scope_id and {live}",
        ListMembersRequest { team },
        ListMembersResponse,
        members.user
    ),
    roster!(
        "permissions.v1.PermissionService/ListRoleAssignments",
        Team,
        Row,
        "roleAssignments",
        "id",
        "role_assignment where scope_kind = 'team' and {of} scope_id and {live}",
        ListRoleAssignmentsRequest { team },
        ListRoleAssignmentsResponse,
        role_assignments.name
    ),
    roster!(
        "permissions.v1.PermissionService/ListRoles",
        Team,
        Sight,
        "roles",
        "id",
        "custom_role where {of} team_id",
        ListRolesRequest { team },
        ListRolesResponse,
        roles.name
    ),
    roster!(
        "admin.v1.AdminService/ListUsers",
        System,
        Row,
        "users",
        "id",
        "app_user where 1 = 1",
        admin::ListUsersRequest {},
        admin::ListUsersResponse,
        users.name
    ),
    roster!(
        "admin.v1.AdminService/ListAllRuns",
        System,
        Row,
        "runs",
        "id",
        "agent_run where 1 = 1",
        admin::ListAllRunsRequest {},
        admin::ListAllRunsResponse,
        runs.name
    ),
    roster!(
        "admin.v1.AdminService/ListUserSessions",
        User,
        Row,
        "sessions",
        "id",
        "session where {of} tenant_id",
        admin::ListUserSessionsRequest { user },
        admin::ListUserSessionsResponse,
        sessions.name
    ),
];

/// Compares the lists of everybody who is active.
pub(crate) async fn compare(bench: &Bench, tables: &Tables, compared: &mut Compared) {
    for person in bench.people.iter().filter(|person| person.active) {
        for roster in ROSTERS {
            for parent in parents(bench, roster.of) {
                compare_one(bench, tables, person, roster, &parent, compared).await;
            }
        }
        compare_teams(bench, tables, person, compared).await;
        compare_overview(bench, tables, person, compared).await;
    }
}

fn parents(bench: &Bench, of: Of) -> Vec<String> {
    match of {
        Of::System => vec![String::new()],
        Of::Team => bench.teams.clone(),
        Of::User => bench.people.iter().map(|person| person.user.clone()).collect(),
    }
}

fn may_look(tables: &Tables, person: &Person, roster: &Roster, parent: &str) -> bool {
    let owner = match roster.of {
        Of::System => Owner::Global,
        Of::Team => Owner::Team(parent.to_owned()),
        Of::User => Owner::Person(parent.to_owned()),
    };
    may(tables, person, roster.method, owner, roster.need)
}

fn may(tables: &Tables, person: &Person, method: &str, owner: Owner, need: Need) -> bool {
    let metadata = !method.contains("PermissionService");
    let what = String::new();
    let named = Named { what, owner: Some(owner), need, metadata, late: false };
    let call = Call { method: method.to_owned(), names: vec![named], handed: Vec::new() };
    expected(tables, Some(person), &call) == Class::Allowed
}

async fn compare_one(
    bench: &Bench,
    tables: &Tables,
    person: &Person,
    roster: &Roster,
    parent: &str,
    compared: &mut Compared,
) {
    if !may_look(tables, person, roster, parent) {
        return;
    }
    compared.lists += 1;
    let mut line = bench.line(&person.user).clone();
    if roster.method.starts_with("admin.") {
        line = line.over(bench.operators.clone());
    }
    let page = |token| (roster.page)(parent, token);
    let listed = match all_pages(&line, roster.method, page, roster.read).await {
        Ok(listed) => listed,
        Err(status) => {
            compared.wrong.push(format!("{person} lists {} of {parent}: {status}", roster.method));
            return;
        }
    };
    let stored = stored(bench, roster, parent).await;
    let own = listed.iter().filter(|name| name.len() > roster.collection.len() + 30);
    let unique: BTreeSet<String> = own.clone().cloned().collect();
    if unique.len() != own.count() || unique != stored {
        let (more, less) = (unique.difference(&stored).count(), stored.difference(&unique).count());
        let text = format!("{more} too many, {less} missing of {}", stored.len());
        compared.wrong.push(format!("{person} lists {} of {parent}: {text}", roster.method));
    }
}

async fn stored(bench: &Bench, roster: &Roster, parent: &str) -> BTreeSet<String> {
    let id = parent.rsplit('/').next().unwrap_or_default().replace('-', "");
    let rows = roster.rows.replace("{active}", "active = true").replace("{live}", LIVE);
    let rows = rows.replace("{now}", &now().to_string());
    let rows = match rows.split_once("{of} ") {
        Some((before, after)) => {
            let (column, rest) = after.split_once(' ').unwrap_or((after, ""));
            format!("{before}{} = '{id}' {rest}", hex(bench, column))
        }
        None => rows,
    };
    let query = format!("select {} from {rows}", hex(bench, roster.id));
    let ids = bench.world.probe().texts(&query).await;
    ids.iter().map(|id| name(roster.collection, id)).collect()
}

fn now() -> i64 {
    use primitives::Clock as _;
    primitives::SystemClock.now().as_micros()
}

/// One's own teams; for those who keep the directory every team in use.
async fn compare_teams(bench: &Bench, tables: &Tables, person: &Person, compared: &mut Compared) {
    const METHOD: &str = "permissions.v1.DirectoryService/ListTeams";
    compared.lists += 1;
    let page = |page_token| {
        ListTeamsRequest { page_token, page_size: PAGE, ..Default::default() }.encode_to_vec()
    };
    let read = |bytes: &[u8]| {
        let page = ListTeamsResponse::decode(bytes).expect("an answer");
        (page.teams.into_iter().map(|team| team.name).collect(), page.next_page_token)
    };
    let line = bench.line(&person.user);
    let listed = all_pages(line, METHOD, page, read).await.expect("teams are listed");
    let query = format!("select {} from team where deleted_at is null", hex(bench, "id"));
    let all = bench.world.probe().texts(&query).await;
    let all = all.iter().map(|id| name("teams", id));
    let seen =
        all.filter(|team| may(tables, person, METHOD, Owner::Team(team.clone()), Need::Sight));
    let (listed, seen): (BTreeSet<String>, BTreeSet<String>) =
        (listed.into_iter().collect(), seen.collect());
    if listed != seen {
        compared.wrong.push(format!("{person} lists {listed:?}, not the teams {seen:?}"));
    }
}

/// The figures of the whole system count what is stored.
async fn compare_overview(
    bench: &Bench,
    tables: &Tables,
    person: &Person,
    compared: &mut Compared,
) {
    const METHOD: &str = "admin.v1.AdminService/GetSystemOverview";
    if !may(tables, person, METHOD, Owner::Global, Need::Row) {
        return;
    }
    compared.figures += 1;
    let line = bench.line(&person.user).over(bench.operators.clone());
    let request = admin::GetSystemOverviewRequest {}.encode_to_vec();
    let answer = line.sends(&format!("elohim.{METHOD}"), request).await.expect("figures");
    let told = admin::SystemOverview::decode(&answer[..]).expect("an answer");
    let waiting = |queue: &str| {
        let found = told.queues.iter().find(|figures| figures.queue == queue);
        found.map_or(-1, |figures| figures.waiting)
    };
    let sum = |counts: &[admin::StateCount]| counts.iter().map(|state| state.count).sum::<i64>();
    let figures = [
        ("app_user where active = true", told.user_count),
        ("app_user where active = false", told.deactivated_user_count),
        ("team where deleted_at is null", told.team_count),
        ("workflow where deleted_at is null and not is_template", told.workflow_count),
        ("workflow where deleted_at is null and is_template", told.template_count),
        ("work_item", sum(&told.work_items)),
        ("agent_run", sum(&told.runs)),
        ("session where state = 'ACTIVE'", told.active_session_count),
        ("repository", told.repository_count),
        ("agent_run where state = 'QUEUED'", waiting("runs")),
        ("outbox where state = 'PENDING'", waiting("events")),
    ];
    for (rows, told) in figures {
        let stored = bench.world.probe().count(&format!("select count(*) from {rows}")).await;
        if stored != told {
            compared.wrong.push(format!("{person} is told {told} of {stored} {rows}"));
        }
    }
}
