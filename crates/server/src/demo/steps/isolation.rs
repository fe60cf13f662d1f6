//! Step 9: somebody else's things look as if they did not exist.

use std::collections::BTreeMap;

use api::agent::{
    ApplyRequest, BuildContextRequest, CloseSessionRequest, GetPatchRequest, GetRepositoryRequest,
    GetRunRequest, GetSessionRequest, RevertPatchRequest, apply_request,
};
use api::permissions::{CheckPermissionRequest, Level, Visibility};
use api::workflow::{
    ClaimWorkItemRequest, CreateWorkItemRequest, GetWorkItemRequest, GetWorkflowAnalyticsRequest,
    GetWorkflowRequest, InstantiateTemplateRequest, ListTransitionsRequest, WorkItem,
};
use primitives::EventId;
use tonic::{Code, Status};

use crate::demo::people::Person;
use crate::demo::report::{Checks, Done, Failure};
use crate::demo::request_id;
use crate::demo::story::Story;

/// Calls with a foreign name; each is made with a random name, too.
pub(super) const PROBES: usize = 14;

/// Headers that differ between any two answers.
const PER_CALL: [&str; 2] = ["x-request-id", "date"];

/// What a call names, and what the name is of.
#[derive(Clone, Copy, Debug)]
enum Probe {
    GetWorkflow,
    Analytics,
    CreateItem,
    GetItem,
    Transitions,
    ClaimItem,
    GetSession,
    CloseSession,
    GetRun,
    GetPatch,
    RevertPatch,
    GetRepository,
    BuildContext,
    Apply,
}

const ALL: [Probe; PROBES] = [
    Probe::GetWorkflow,
    Probe::Analytics,
    Probe::CreateItem,
    Probe::GetItem,
    Probe::Transitions,
    Probe::ClaimItem,
    Probe::GetSession,
    Probe::CloseSession,
    Probe::GetRun,
    Probe::GetPatch,
    Probe::RevertPatch,
    Probe::GetRepository,
    Probe::BuildContext,
    Probe::Apply,
];

pub(super) async fn foreign(story: &mut Story, checks: &mut Checks) -> Done {
    same_rights_at_home(story, checks).await?;
    for probe in ALL {
        let name = name_of(story, probe).clone();
        let collection = name.split('/').next().unwrap_or_default();
        let random = format!("{collection}/{}", EventId::generate().as_uuid());
        if is_read(probe) {
            let seen = call(&story.alice, probe, name.clone()).await;
            checks.holds(&format!("{probe:?} works for alice"), seen.is_ok(), &seen)?;
        }
        let foreign = refusal(checks, &story.dave, probe, name.clone()).await?;
        let absent = refusal(checks, &story.dave, probe, random.clone()).await?;
        checks.equal(&format!("{probe:?} with a foreign name"), foreign.code(), Code::NotFound)?;
        checks.equal(&format!("{probe:?}: foreign and random"), bytes(&foreign), bytes(&absent))?;
        let told = format!("{:?}", bytes(&foreign));
        let echoes = told.contains(name.rsplit('/').next().unwrap_or_default());
        checks.holds("the id is not repeated", !echoes, &told)?;
    }
    Ok(format!(
        "dave, lead elsewhere, gets NOT_FOUND for everything of core, {PROBES} calls equal in every byte to random names"
    )
    .into())
}

/// The positive control: dave can do at home what he is refused here.
async fn same_rights_at_home(story: &Story, checks: &mut Checks) -> Result<(), Failure> {
    for (permission, level) in [
        ("workflows.view", Level::Read),
        ("workflows.edit", Level::Write),
        ("code.use", Level::Write),
        ("code.edit", Level::Write),
        ("analytics.view", Level::Read),
    ] {
        let request = CheckPermissionRequest {
            permission: permission.to_owned(),
            level: level.into(),
            visibility: Visibility::Team.into(),
            team: story.names.payments.clone(),
        };
        let held = story.dave.permissions().check_permission(request).await;
        let held = checks.ok("CheckPermission", held)?;
        checks.holds(&format!("dave holds {permission} at home"), held.allowed, &held)?;
    }
    let request = InstantiateTemplateRequest {
        name: story.names.template.clone(),
        team: story.names.payments.clone(),
        request_id: request_id(),
        ..Default::default()
    };
    let made = story.dave.templates().instantiate_template(request).await;
    let workflow = checks.ok("InstantiateTemplate by dave", made)?.name;
    call(&story.dave, Probe::GetWorkflow, workflow.clone()).await.map_err(|s| own(&s))?;
    call(&story.dave, Probe::CreateItem, workflow.clone()).await.map_err(|s| own(&s))?;
    call(&story.dave, Probe::Analytics, workflow).await.map_err(|s| own(&s))?;
    Ok(())
}

fn own(status: &Status) -> Failure {
    Failure::Other(format!("dave is refused what is his own: {status}"))
}

fn name_of(story: &Story, probe: Probe) -> &String {
    let names = &story.names;
    match probe {
        Probe::GetWorkflow | Probe::Analytics | Probe::CreateItem => &names.bug_fix,
        Probe::GetItem | Probe::Transitions | Probe::ClaimItem => &names.item,
        Probe::GetSession | Probe::CloseSession => &names.session,
        Probe::GetRun => &names.apply_run,
        Probe::GetPatch | Probe::RevertPatch => &names.patch,
        Probe::GetRepository | Probe::BuildContext | Probe::Apply => &names.repository,
    }
}

/// Whether alice can make the call without changing anything.
fn is_read(probe: Probe) -> bool {
    !matches!(
        probe,
        Probe::CreateItem
            | Probe::ClaimItem
            | Probe::CloseSession
            | Probe::RevertPatch
            | Probe::Apply
    )
}

async fn refusal(
    checks: &mut Checks,
    person: &Person,
    probe: Probe,
    name: String,
) -> Result<Status, Failure> {
    let refused = call(person, probe, name).await.err();
    checks.some(&format!("{probe:?} is refused"), refused)
}

async fn call(person: &Person, probe: Probe, name: String) -> Result<(), Status> {
    let empty = String::new;
    match probe {
        Probe::GetWorkflow => {
            person.workflows().get_workflow(GetWorkflowRequest { name }).await.map(drop)
        }
        Probe::Analytics => {
            let request = GetWorkflowAnalyticsRequest { name, ..Default::default() };
            person.analytics().get_workflow_analytics(request).await.map(drop)
        }
        Probe::CreateItem => {
            let item = WorkItem { workflow: name, title: "x".into(), ..Default::default() };
            let request = CreateWorkItemRequest { work_item: Some(item), request_id: empty() };
            person.items().create_work_item(request).await.map(drop)
        }
        Probe::GetItem => person.items().get_work_item(GetWorkItemRequest { name }).await.map(drop),
        Probe::Transitions => {
            let request = ListTransitionsRequest { parent: name, ..Default::default() };
            person.items().list_transitions(request).await.map(drop)
        }
        Probe::ClaimItem => {
            let request = ClaimWorkItemRequest { name, ..Default::default() };
            person.items().claim_work_item(request).await.map(drop)
        }
        Probe::GetSession => {
            person.sessions().get_session(GetSessionRequest { name }).await.map(drop)
        }
        Probe::CloseSession => {
            let request = CloseSessionRequest { name, request_id: empty() };
            person.sessions().close_session(request).await.map(drop)
        }
        Probe::GetRun => person.runs().get_run(GetRunRequest { name }).await.map(drop),
        Probe::GetPatch => person.patches().get_patch(GetPatchRequest { name }).await.map(drop),
        Probe::RevertPatch => {
            let request = RevertPatchRequest { name, ..Default::default() };
            person.patches().revert_patch(request).await.map(drop)
        }
        Probe::GetRepository => {
            person.repositories().get_repository(GetRepositoryRequest { name }).await.map(drop)
        }
        Probe::BuildContext => {
            let request =
                BuildContextRequest { input: "x".into(), repository: name, ..Default::default() };
            person.agent().build_context(request).await.map(drop)
        }
        Probe::Apply => {
            let change = apply_request::Change::UnifiedDiff("x".into());
            let request =
                ApplyRequest { change: Some(change), repository: name, ..Default::default() };
            person.agent().apply(request).await.map(drop)
        }
    }
}

/// All of an answer that two calls can share.
#[derive(Debug, PartialEq, Eq)]
struct Bytes {
    code: i32,
    message: String,
    details: Vec<u8>,
    /// Trailers among them.
    headers: BTreeMap<String, Vec<Vec<u8>>>,
}

fn bytes(status: &Status) -> Bytes {
    let mut headers: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    let map = status.metadata().clone().into_headers();
    for (key, value) in &map {
        if !PER_CALL.contains(&key.as_str()) {
            headers.entry(key.to_string()).or_default().push(value.as_bytes().to_vec());
        }
    }
    Bytes {
        code: i32::from(status.code()),
        message: status.message().to_owned(),
        details: status.details().to_vec(),
        headers,
    }
}
