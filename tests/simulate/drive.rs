//! One sequence of calls on a real server, and on the model.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use api::workflow::*;
use prost_types::FieldMask;
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::json;
use testkit::world::shapes::{approval, assist, data, human, item, workflow};
use testkit::world::{Person, Refused as _, World, content_hash};
use tonic::Status;
use uuid::Uuid;

use crate::compare::compare;
use crate::draw::{self, Step};
use crate::model::{self, Line, Model, RERUN, ROLES, UPDATE};

/// By their number in the model.
pub(crate) const PEOPLE: [(&str, &str); 6] = [
    ("alice", "lead"),
    ("bob", "developer"),
    ("mia", "member"),
    ("carol", "admin"),
    ("gus", "guest"),
    ("dave", ""),
];
const STEPS: std::ops::RangeInclusive<usize> = 3..=9;

/// What was done, for reports.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) steps: usize,
    pub(crate) accepted: usize,
    pub(crate) kills: usize,
}

/// Names that the server gave.
pub(crate) struct Names {
    pub(crate) flow: String,
    pub(crate) items: Vec<String>,
    pub(crate) users: Vec<String>,
}

/// One sequence; an error tells what differed after which calls.
pub(crate) async fn sequence(
    world: &mut World,
    table: &[Line],
    kills: f64,
    rng: &mut StdRng,
) -> Result<Done, String> {
    let rank = |held: &str| ROLES.iter().position(|role| *role == held).unwrap_or_default();
    let people = PEOPLE.iter().map(|(_, role)| rank(role)).collect();
    let (table, revisions) = (table.to_vec(), vec![draw::stages(rng)]);
    let mut model = Model { table, people, revisions, newest: 0, items: Vec::new() };
    let alice = world.person("alice");
    let users = PEOPLE.iter().map(|(name, _)| world.person(name).user).collect::<Vec<_>>();
    let flow = definition(&model.revisions[0], &alice.team, &users);
    let flow = alice.creates_workflow(flow).await.map_err(|status| format!("{status:?}"))?;
    let mut names = Names { flow: flow.name, items: Vec::new(), users };
    let (mut done, mut story) = (Done::default(), format!("{:#?}\n", model.revisions));
    for _ in 0..rng.random_range(STEPS) {
        let step = draw::step(rng, &model);
        let expected = model.ask(step.by, step.item, step.ask);
        let _ = writeln!(story, "{step:?}: model says {expected:?}");
        let id = Uuid::from_u128(rng.random()).to_string();
        let seen = seen(world, &names, step).await;
        let given = ask(world, &names, step, &id, &seen).await;
        done.steps += 1;
        done.accepted += usize::from(given.is_ok());
        let mut found = answered(&given, expected);
        if let (Ok(name), WorkItemVerb::Create) = (&given, step.ask.verb) {
            names.items.push(name.clone());
        }
        if rng.random_bool(kills) {
            done.kills += 1;
            let _ = writeln!(story, "  killed and started again");
            world.restart().await;
            // Nobody has heard of what the dead one was at for long enough.
            world.ends_leases().await;
            // Whoever got no answer asks again: the first one holds.
            let again = ask(world, &names, step, &id, &seen).await;
            found = found.and_then(|()| answered(&again, expected));
        }
        if let Err(difference) = async {
            found?;
            compare(world, &names, &model, step).await
        }
        .await
        {
            return Err(format!("{story}\n{difference}"));
        }
    }
    Ok(done)
}

fn answered(given: &Result<String, String>, expected: Result<(), &str>) -> Result<(), String> {
    let given = given.as_ref().map(|_| ()).map_err(String::as_str);
    if given == expected { Ok(()) } else { Err(format!("the server says {given:?}")) }
}

fn id_of(stage: usize) -> String {
    format!("s{stage}")
}

fn definition(stages: &BTreeMap<usize, model::Stage>, team: &str, users: &[String]) -> Workflow {
    let stages = stages.iter().map(|(id, stage)| {
        let id = id_of(*id);
        let routes = stage.routes.iter().map(|(pick, target)| StageRoute {
            condition: pick.map(|pick| format!("data.pick == \"{pick}\"")).unwrap_or_default(),
            target_stage_id: target.map(id_of).unwrap_or_default(),
            ..Default::default()
        });
        let routes = routes.collect();
        let role = stage.role.map(|role| ROLES[role].to_owned());
        let user = stage.person.map(|person| users[person].clone());
        if stage.quorum > 0 {
            let approval = Some(Approval {
                quorum: i32::try_from(stage.quorum).unwrap_or(i32::MAX),
                roles: role.into_iter().collect(),
                users: user.into_iter().collect(),
                ..Default::default()
            });
            return Stage { routes, approval, ..self::approval(&id) };
        }
        let assigned =
            |kind: AssignmentType| Assignment { r#type: kind.into(), ..Default::default() };
        let assignment = match (role, user) {
            (Some(role), _) => Some(Assignment { role, ..assigned(AssignmentType::Role) }),
            (_, Some(user)) => Some(Assignment { user, ..assigned(AssignmentType::User) }),
            _ => None,
        };
        let shape = if stage.is_agents { assist(&id) } else { human(&id) };
        Stage { routes, assignment, ..shape }
    });
    workflow("Line", team, stages)
}

/// Sends one call; the name of the item, or the reason of the refusal.
async fn ask(
    world: &World,
    names: &Names,
    step: Step,
    id: &str,
    seen: &WorkItem,
) -> Result<String, String> {
    let person = world.person(PEOPLE[step.by].0);
    send(&person, names, step, id.to_owned(), seen).await.map_err(|status| status.reason())
}

/// As the item is now, for what needs to say how it was read.
async fn seen(world: &World, names: &Names, step: Step) -> WorkItem {
    let Some(name) = names.items.get(step.item) else { return WorkItem::default() };
    if !matches!(step.ask.verb, UPDATE | WorkItemVerb::Approve | WorkItemVerb::Reject) {
        return WorkItem::default();
    }
    world.person("alice").sees_item(name).await.unwrap_or_default()
}

const fn priority(urgent: bool) -> Priority {
    if urgent { Priority::Urgent } else { Priority::Normal }
}

async fn send(
    person: &Person,
    names: &Names,
    step: Step,
    request_id: String,
    seen: &WorkItem,
) -> Result<String, Status> {
    let mut items = person.items();
    let name = names.items.get(step.item).cloned().unwrap_or_default();
    macro_rules! plain {
        ($method:ident $request:ident) => {
            items.$method($request { name, request_id, ..Default::default() }).await
        };
    }
    let ask = step.ask;
    let stage_id = id_of(ask.stage);
    let data = Some(data(json!({ "pick": ask.pick })));
    let priority = priority(ask.urgent).into();
    // Where nothing is to be decided there is no hash, but one has to be sent.
    let hash = content_hash(seen);
    let content_hash = if hash.is_empty() { "0".repeat(64) } else { hash };
    let note = "Why not".to_owned();
    let answer = match ask.verb {
        WorkItemVerb::Create => {
            let new = WorkItem { priority, data, ..item(&names.flow, "Do it") };
            let request = CreateWorkItemRequest { work_item: Some(new), request_id };
            items.create_work_item(request).await
        }
        WorkItemVerb::CompleteStage => {
            let request =
                CompleteStageRequest { name, stage_id, data, request_id, ..Default::default() };
            items.complete_stage(request).await
        }
        WorkItemVerb::Assign => {
            let assignee = names.users[ask.to].clone();
            let request =
                AssignWorkItemRequest { name, assignee, request_id, ..Default::default() };
            items.assign_work_item(request).await
        }
        WorkItemVerb::Return => {
            let request =
                ReturnWorkItemRequest { name, stage_id, request_id, ..Default::default() };
            items.return_work_item(request).await
        }
        WorkItemVerb::Approve => {
            let request = ApproveStageRequest {
                name,
                stage_id,
                content_hash,
                request_id,
                ..Default::default()
            };
            items.approve_stage(request).await
        }
        WorkItemVerb::Reject => {
            let request = RejectStageRequest {
                name,
                stage_id,
                note,
                content_hash,
                request_id,
                ..Default::default()
            };
            items.reject_stage(request).await
        }
        UPDATE => {
            let etag = seen.etag.clone();
            let request = UpdateWorkItemRequest {
                work_item: Some(WorkItem { name, etag, priority, data, ..Default::default() }),
                update_mask: Some(FieldMask { paths: vec!["priority".into(), "data".into()] }),
                request_id,
            };
            items.update_work_item(request).await
        }
        RERUN => {
            let request = RerunAgentAssistRequest { name, request_id, ..Default::default() };
            return items.rerun_agent_assist(request).await.map(|run| run.into_inner().work_item);
        }
        WorkItemVerb::Claim => plain!(claim_work_item ClaimWorkItemRequest),
        WorkItemVerb::Start => plain!(start_work_item StartWorkItemRequest),
        WorkItemVerb::Release => plain!(release_work_item ReleaseWorkItemRequest),
        WorkItemVerb::Unblock => plain!(unblock_work_item UnblockWorkItemRequest),
        WorkItemVerb::Fail => plain!(fail_work_item FailWorkItemRequest),
        WorkItemVerb::Cancel => plain!(cancel_work_item CancelWorkItemRequest),
        WorkItemVerb::Reopen => plain!(reopen_work_item ReopenWorkItemRequest),
        WorkItemVerb::Block => {
            let reason = note;
            let request = BlockWorkItemRequest { name, reason, request_id, ..Default::default() };
            items.block_work_item(request).await
        }
        other @ WorkItemVerb::Migrate => unreachable!("{other:?} is not asked for"),
    };
    answer.map(|item| item.into_inner().name)
}
