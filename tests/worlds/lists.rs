//! What is listed is what can be got, and figures count nothing else.
//!
//! The truth is read from the tables of the database, whose rows say whom they belong to; who
//! sees them is said by the reference.

use std::collections::{BTreeMap, BTreeSet};

use api::agent::*;
use api::audit::{ListAuditEventsRequest, ListAuditEventsResponse};
use api::workflow::*;
use prost::Message;
use testkit::database::Backend;
use testkit::world::Person as Line;
use tonic::Code;
use uuid::Uuid;

use crate::bench::Bench;
use crate::facts::{Call, Class, Named, Need, Owner, Person, Tables};
use crate::reference::expected;
use crate::rosters;

/// Small, so that lists have several pages.
pub(crate) const PAGE: i32 = 7;
/// Listed things that are really got, for each list and person.
const GOT: usize = 2;

/// A list and what its things are got by.
struct List {
    method: &'static str,
    get: &'static str,
    collection: &'static str,
    table: &'static str,
    condition: &'static str,
    page: fn(String) -> Vec<u8>,
    read: fn(&[u8]) -> (Vec<String>, String),
    got_by: fn(String) -> Vec<u8>,
}

macro_rules! list {
    ($method:literal, $get:literal, $collection:literal, $table:literal, $condition:literal,
     $request:ident, $response:ident.$field:ident, $got_by:ident) => {
        List {
            method: $method,
            get: $get,
            collection: $collection,
            table: $table,
            condition: $condition,
            page: |page_token| {
                $request { page_token, page_size: PAGE, ..Default::default() }.encode_to_vec()
            },
            read: |bytes| {
                let page = $response::decode(bytes).expect("an answer");
                (page.$field.into_iter().map(|row| row.name).collect(), page.next_page_token)
            },
            got_by: |name| $got_by { name }.encode_to_vec(),
        }
    };
}

const LISTS: &[List] = &[
    list!(
        "workflow.v1.WorkflowService/ListWorkflows",
        "workflow.v1.WorkflowService/GetWorkflow",
        "workflows",
        "workflow",
        "deleted_at is null and not is_template",
        ListWorkflowsRequest,
        ListWorkflowsResponse.workflows,
        GetWorkflowRequest
    ),
    list!(
        "workflow.v1.TemplateService/ListTemplates",
        "workflow.v1.TemplateService/GetTemplate",
        "templates",
        "workflow",
        "deleted_at is null and is_template",
        ListTemplatesRequest,
        ListTemplatesResponse.templates,
        GetTemplateRequest
    ),
    list!(
        "workflow.v1.WorkItemService/ListWorkItems",
        "workflow.v1.WorkItemService/GetWorkItem",
        "workItems",
        "work_item",
        "1 = 1",
        ListWorkItemsRequest,
        ListWorkItemsResponse.work_items,
        GetWorkItemRequest
    ),
    list!(
        "agent.v1.RunService/ListRuns",
        "agent.v1.RunService/GetRun",
        "runs",
        "agent_run",
        "1 = 1",
        ListRunsRequest,
        ListRunsResponse.runs,
        GetRunRequest
    ),
    list!(
        "agent.v1.PatchService/ListPatches",
        "agent.v1.PatchService/GetPatch",
        "patches",
        "patch",
        "1 = 1",
        ListPatchesRequest,
        ListPatchesResponse.patches,
        GetPatchRequest
    ),
    list!(
        "agent.v1.SessionService/ListSessions",
        "agent.v1.SessionService/GetSession",
        "sessions",
        "session",
        "1 = 1",
        ListSessionsRequest,
        ListSessionsResponse.sessions,
        GetSessionRequest
    ),
    list!(
        "agent.v1.RepositoryService/ListRepositories",
        "agent.v1.RepositoryService/GetRepository",
        "repositories",
        "repository",
        "1 = 1",
        ListRepositoriesRequest,
        ListRepositoriesResponse.repositories,
        GetRepositoryRequest
    ),
];

/// What was compared, and what was not as it should be.
#[derive(Default)]
pub(crate) struct Compared {
    pub(crate) lists: usize,
    pub(crate) figures: usize,
    pub(crate) wrong: Vec<String>,
}

/// Compares the lists and figures of everybody who is active.
pub(crate) async fn compare(bench: &Bench, tables: &Tables) -> Compared {
    let mut compared = Compared::default();
    bench.world.settles().await;
    let people: Vec<_> = bench.people.iter().filter(|person| person.active).collect();
    for list in LISTS {
        let rows = rows(bench, list.table, list.collection, list.condition).await;
        check_owners(bench, &rows, &mut compared);
        for person in &people {
            compare_list(bench, tables, person, list, &rows, &mut compared).await;
        }
    }
    for person in &people {
        compare_figures(bench, person, &mut compared).await;
        compare_trail(bench, tables, person, &mut compared).await;
    }
    rosters::compare(bench, tables, &mut compared).await;
    compared
}

/// Rows of a table by resource name, with whom they belong to.
async fn rows(
    bench: &Bench,
    table: &str,
    collection: &str,
    condition: &str,
) -> BTreeMap<String, Owner> {
    let hex = |column: &str| hex(bench, column);
    let query = format!(
        "select {} || ' ' || tenant_kind || ' ' || {} from {table} where {condition}",
        hex("id"),
        hex("tenant_id")
    );
    let texts = bench.world.probe().texts(&query).await;
    let row = |text: &String| {
        let words: Vec<&str> = text.split(' ').collect();
        (name(collection, words[0]), owner(words[1], words[2]))
    };
    texts.iter().map(row).collect()
}

pub(crate) fn hex(bench: &Bench, column: &str) -> String {
    match bench.world.backend() {
        Backend::Sqlite => format!("lower(hex({column}))"),
        Backend::Postgres => format!("replace({column}::text, '-', '')"),
    }
}

pub(crate) fn name(collection: &str, hex: &str) -> String {
    let id = Uuid::parse_str(hex).expect("an id");
    format!("{collection}/{}", id.hyphenated())
}

fn owner(kind: &str, hex: &str) -> Owner {
    match kind {
        "team" => Owner::Team(name("teams", hex)),
        "person" => Owner::Person(name("users", hex)),
        _ => Owner::Global,
    }
}

/// What was made for somebody is stored as theirs.
fn check_owners(bench: &Bench, rows: &BTreeMap<String, Owner>, compared: &mut Compared) {
    for thing in &bench.things {
        if let Some(stored) = rows.get(&thing.name).filter(|stored| **stored != thing.owner) {
            let text = format!("{} belongs to {stored}, made for {}", thing.name, thing.owner);
            compared.wrong.push(text);
        }
    }
}

fn may_get(tables: &Tables, person: &Person, method: &str, owner: &Owner) -> bool {
    let named = Named {
        what: String::new(),
        owner: Some(owner.clone()),
        need: Need::Row,
        metadata: false,
        late: false,
    };
    let call = Call { method: method.to_owned(), names: vec![named], handed: Vec::new() };
    expected(tables, Some(person), &call) == Class::Allowed
}

async fn compare_list(
    bench: &Bench,
    tables: &Tables,
    person: &Person,
    list: &List,
    rows: &BTreeMap<String, Owner>,
    compared: &mut Compared,
) {
    compared.lists += 1;
    let line = bench.line(&person.user);
    let gettable = rows.iter().filter(|(_, owner)| may_get(tables, person, list.get, owner));
    let gettable: BTreeSet<String> = gettable.map(|(name, _)| name.clone()).collect();
    let listed = match all_pages(line, list.method, list.page, list.read).await {
        Ok(listed) => listed,
        // Held nowhere: then nothing can be got either.
        Err(status) if status.code() == Code::PermissionDenied => Vec::new(),
        Err(status) => {
            compared.wrong.push(format!("{person} lists {}: {status}", list.method));
            return;
        }
    };
    let unique: BTreeSet<String> = listed.iter().cloned().collect();
    if unique.len() != listed.len() {
        compared.wrong.push(format!("{person} is told some twice by {}", list.method));
    }
    for hidden in unique.difference(&gettable) {
        let text = format!("{person} is told {hidden} by {} and may not get it", list.method);
        compared.wrong.push(text);
    }
    for missing in gettable.difference(&unique) {
        let text = format!("{person} may get {missing}, which {} left out", list.method);
        compared.wrong.push(text);
    }
    for shown in unique.iter().take(GOT) {
        let path = format!("elohim.{}", list.get);
        if let Err(status) = line.sends(&path, (list.got_by)(shown.clone())).await {
            compared.wrong.push(format!("{person} is told {shown} and gets {status}"));
        }
    }
}

/// Names of everything on all pages of a list.
pub(crate) async fn all_pages(
    line: &Line,
    method: &str,
    page: impl Fn(String) -> Vec<u8>,
    read: impl Fn(&[u8]) -> (Vec<String>, String),
) -> Result<Vec<String>, tonic::Status> {
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let answer = line.sends(&format!("elohim.{method}"), page(token)).await?;
        let (more, next) = read(&answer);
        names.extend(more);
        if next.is_empty() {
            return Ok(names);
        }
        token = next;
    }
}

/// The figures of each workflow that somebody sees are those of the items they see there.
async fn compare_figures(bench: &Bench, person: &Person, compared: &mut Compared) {
    let line = bench.line(&person.user);
    let request = ListWorkflowsRequest { page_size: 200, ..Default::default() };
    let Ok(flows) = line.workflows().list_workflows(request).await else { return };
    for flow in flows.into_inner().workflows.iter().take(6) {
        let Ok(figures) = line.sees_analytics(&flow.name).await else { continue };
        let Ok(items) = line.lists_items(&flow.name).await else { continue };
        if items.len() == 200 {
            continue;
        }
        compared.figures += 1;
        let count = |state: WorkItemState| {
            number(items.iter().filter(|item| item.state() == state).count())
        };
        let closed = [WorkItemState::Completed, WorkItemState::Cancelled, WorkItemState::Failed];
        let closed = closed.map(count);
        let open = number(items.len()) - closed.iter().sum::<i64>();
        let told = [figures.completed, figures.cancelled, figures.failed];
        let there: i64 = figures.stages.iter().map(|stage| stage.in_stage_now).sum();
        if told != closed || figures.in_progress != open || there != open {
            let text = format!(
                "{person} sees {closed:?} and {open} open items of {}, and is told {figures:?}",
                flow.name
            );
            compared.wrong.push(text);
        }
        let asked = VerifyLedgerRequest { name: flow.name.clone() };
        match line.analytics().verify_ledger(asked).await.map(tonic::Response::into_inner) {
            Ok(report) if report.sound && report.items == figures.total => {}
            other => compared.wrong.push(format!("the ledger of {}: {other:?}", flow.name)),
        }
        if figures.total != number(items.len()) {
            compared.wrong.push(format!(
                "{person}: {} items of {}, not {}",
                items.len(),
                flow.name,
                figures.total
            ));
        }
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Records that are shown: of a team who may read them there, else one's own.
async fn compare_trail(bench: &Bench, tables: &Tables, person: &Person, compared: &mut Compared) {
    let line = bench.line(&person.user);
    let places = bench.teams.iter().map(String::as_str).chain([""]);
    for team in places {
        let owner = Owner::Team(team.to_owned());
        let may = may_get(tables, person, "audit.v1.AuditService/ListAuditEvents", &owner);
        if !team.is_empty() && !may {
            continue;
        }
        compared.lists += 1;
        let before = trail(bench, team, person).await;
        let listed = match whole_trail(line, team).await {
            Ok(listed) => listed,
            Err(status) => {
                compared.wrong.push(format!("{person} reads the records of {team:?}: {status}"));
                continue;
            }
        };
        let after = trail(bench, team, person).await;
        if let Some(hidden) = listed.difference(&after).next() {
            compared.wrong.push(format!("{person} is told {hidden}, which is not of {team:?}"));
        }
        if let Some(missing) = before.difference(&listed).next() {
            compared.wrong.push(format!("{person} is not told {missing} of {team:?}"));
        }
    }
}

async fn whole_trail(line: &Line, team: &str) -> Result<BTreeSet<String>, tonic::Status> {
    let (mut names, mut page_token) = (BTreeSet::new(), String::new());
    loop {
        let request = ListAuditEventsRequest {
            team: team.to_owned(),
            page_size: 200,
            page_token,
            ..Default::default()
        };
        let page: ListAuditEventsResponse =
            line.audit().list_audit_events(request).await?.into_inner();
        names.extend(page.audit_events.into_iter().map(|event| event.name));
        if page.next_page_token.is_empty() {
            return Ok(names);
        }
        page_token = page.next_page_token;
    }
}

/// Stored records of a team; without one, those filed under somebody or made by them.
async fn trail(bench: &Bench, team: &str, person: &Person) -> BTreeSet<String> {
    let uuid = |name: &str| name.rsplit('/').next().unwrap_or_default().replace('-', "");
    let user = uuid(&person.user);
    let (id, actor, tenant) = (hex(bench, "id"), hex(bench, "actor_id"), hex(bench, "tenant_id"));
    let condition = if team.is_empty() {
        format!("{actor} = '{user}' or (tenant_kind = 'person' and {tenant} = '{user}')")
    } else {
        format!("tenant_kind = 'team' and {tenant} = '{}'", uuid(team))
    };
    let query = format!("select {id} from audit_event where {condition}");
    let ids = bench.world.probe().texts(&query).await;
    ids.iter().map(|id| name("auditEvents", id)).collect()
}
