//! One sequence of calls on a real server, and whether all that can be read there is what the
//! model says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use api::audit::ListAuditEventsRequest;
use api::workflow::*;
use prost_types::FieldMask;
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::json;
use testkit::world::shapes::{assist, data, human, item, workflow};
use testkit::world::{Person, Refused as _, World};
use tonic::{Response, Status};
use uuid::Uuid;

use crate::draw::{self, Step};
use crate::model::{Ask, Assigned, Line, Model, Role};

/// By their number in the model.
pub(crate) const PEOPLE: [(&str, Role); 5] = [
    ("alice", Role::Lead),
    ("bob", Role::Developer),
    ("mia", Role::Member),
    ("gus", Role::Guest),
    ("dave", Role::Stranger),
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
struct Names {
    flow: String,
    items: Vec<String>,
    users: Vec<String>,
}

/// One sequence; an error tells what differed after which calls.
pub(crate) async fn sequence(
    world: &mut World,
    table: &[Line],
    kills: f64,
    rng: &mut StdRng,
) -> Result<Done, String> {
    let people = PEOPLE.iter().map(|(_, role)| *role).collect();
    let mut model =
        Model { table: table.to_vec(), people, stages: draw::stages(rng), items: Vec::new() };
    let alice = world.person("alice");
    let users = PEOPLE.iter().map(|(name, _)| world.person(name).user).collect::<Vec<_>>();
    let flow = definition(&model, &alice.team, &users);
    let flow = alice.creates_workflow(flow).await.map_err(|status| format!("{status:?}"))?;
    let mut names = Names { flow: flow.name, items: Vec::new(), users };
    let (mut done, mut story) = (Done::default(), format!("{:#?}\n", model.stages));
    for _ in 0..rng.random_range(STEPS) {
        let step = draw::step(rng, &model);
        let expected = model.ask(step.by, step.item, step.ask);
        let _ = writeln!(story, "{step:?}: model says {expected:?}");
        let id = Uuid::from_u128(rng.random()).to_string();
        let etag = etag_of(world, &names, step).await;
        let given = ask(world, &names, step, &id, &etag).await;
        done.steps += 1;
        done.accepted += usize::from(given.is_ok());
        let mut found = answered(&given, expected);
        if let (Ok(name), Ask::Create { .. }) = (&given, step.ask) {
            names.items.push(name.clone());
        }
        if rng.random_bool(kills) {
            done.kills += 1;
            let _ = writeln!(story, "  killed and started again");
            world.restart().await;
            // Nobody has heard of what the dead one was at for long enough.
            world.ends_leases().await;
            // Whoever got no answer asks again: the first one holds.
            let again = ask(world, &names, step, &id, &etag).await;
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

fn definition(model: &Model, team: &str, users: &[String]) -> Workflow {
    let stages = model.stages.iter().enumerate().map(|(at, stage)| {
        let routes = stage.routes.iter().map(|route| StageRoute {
            condition: route
                .pick
                .map(|pick| format!("data.pick == \"{pick}\""))
                .unwrap_or_default(),
            target_stage_id: route.target.map(id_of).unwrap_or_default(),
            ..Default::default()
        });
        let assignment = match stage.assigned {
            Assigned::Anyone => None,
            Assigned::Role(role) => Some(Assignment {
                r#type: AssignmentType::Role.into(),
                role: format!("{role:?}").to_lowercase(),
                ..Default::default()
            }),
            Assigned::Person(person) => Some(Assignment {
                r#type: AssignmentType::User.into(),
                user: users[person].clone(),
                ..Default::default()
            }),
        };
        let shape = if stage.is_agents { assist(&id_of(at)) } else { human(&id_of(at)) };
        Stage { routes: routes.collect(), assignment, ..shape }
    });
    workflow("Line", team, stages)
}

/// Sends one call; the name of the item, or the reason of the refusal.
async fn ask(
    world: &World,
    names: &Names,
    step: Step,
    id: &str,
    etag: &str,
) -> Result<String, String> {
    let person = world.person(PEOPLE[step.by].0);
    send(&person, names, step, id.to_owned(), etag).await.map_err(|status| status.reason())
}

/// As the item is now, for what needs to say how it was read.
async fn etag_of(world: &World, names: &Names, step: Step) -> String {
    let (Ask::Update { .. }, Some(name)) = (step.ask, names.items.get(step.item)) else {
        return String::new();
    };
    world.person("alice").sees_item(name).await.map(|item| item.etag).unwrap_or_default()
}

const fn priority(urgent: bool) -> Priority {
    if urgent { Priority::Urgent } else { Priority::Normal }
}

async fn send(
    person: &Person,
    names: &Names,
    step: Step,
    request_id: String,
    etag: &str,
) -> Result<String, Status> {
    let mut items = person.items();
    let name = names.items.get(step.item).cloned().unwrap_or_default();
    macro_rules! plain {
        ($method:ident $request:ident) => {
            items.$method($request { name, request_id, ..Default::default() }).await
        };
    }
    let answer = match step.ask {
        Ask::Create { urgent, pick } => {
            let new = WorkItem {
                priority: priority(urgent).into(),
                data: Some(data(json!({ "pick": pick }))),
                ..item(&names.flow, "Do it")
            };
            let request = CreateWorkItemRequest { work_item: Some(new), request_id };
            items.create_work_item(request).await
        }
        Ask::Complete { stage, pick } => {
            let data = Some(data(json!({ "pick": pick })));
            let stage_id = id_of(stage);
            let request =
                CompleteStageRequest { name, stage_id, data, request_id, ..Default::default() };
            items.complete_stage(request).await
        }
        Ask::Assign { to } => {
            let assignee = names.users[to].clone();
            let request =
                AssignWorkItemRequest { name, assignee, request_id, ..Default::default() };
            items.assign_work_item(request).await
        }
        Ask::Return { stage } => {
            let stage_id = id_of(stage);
            let request =
                ReturnWorkItemRequest { name, stage_id, request_id, ..Default::default() };
            items.return_work_item(request).await
        }
        Ask::Update { urgent } => {
            let (priority, etag) = (priority(urgent).into(), etag.to_owned());
            let request = UpdateWorkItemRequest {
                work_item: Some(WorkItem { name, etag, priority, ..Default::default() }),
                update_mask: Some(FieldMask { paths: vec!["priority".to_owned()] }),
                request_id,
            };
            items.update_work_item(request).await
        }
        Ask::Rerun => {
            let request = RerunAgentAssistRequest { name, request_id, ..Default::default() };
            return items.rerun_agent_assist(request).await.map(|run| run.into_inner().work_item);
        }
        Ask::Plain(verb) => match verb {
            WorkItemVerb::Claim => plain!(claim_work_item ClaimWorkItemRequest),
            WorkItemVerb::Start => plain!(start_work_item StartWorkItemRequest),
            WorkItemVerb::Release => plain!(release_work_item ReleaseWorkItemRequest),
            WorkItemVerb::Unblock => plain!(unblock_work_item UnblockWorkItemRequest),
            WorkItemVerb::Fail => plain!(fail_work_item FailWorkItemRequest),
            WorkItemVerb::Cancel => plain!(cancel_work_item CancelWorkItemRequest),
            WorkItemVerb::Reopen => plain!(reopen_work_item ReopenWorkItemRequest),
            WorkItemVerb::Block => {
                let reason = "waits".to_owned();
                let request =
                    BlockWorkItemRequest { name, reason, request_id, ..Default::default() };
                items.block_work_item(request).await
            }
            other => unreachable!("{other:?} is no plain verb"),
        },
    };
    answer.map(|item| item.into_inner().name)
}

/// Compares everything that can be read with what the model says.
async fn compare(world: &World, names: &Names, model: &Model, step: Step) -> Result<(), String> {
    let alice = world.person("alice");
    if let Some(name) = names.items.get(step.item) {
        // What the agent says changes no state; it must have been said before the next call.
        alice.awaits_item(name, |item| item.live_run.is_empty()).await;
    }
    let error = |status: Status| format!("{status:?}");
    let (items, figures, ledger) = tokio::try_join!(
        async { alice.lists_items(&names.flow).await.map_err(error) },
        async { alice.sees_analytics(&names.flow).await.map_err(error) },
        verified(&alice, &names.flow),
    )?;
    same("items", told_items(&items, names), expected_items(model, names))?;
    same("figures", told_figures(&figures), expected_figures(model))?;
    same("ledger", told_ledger(&ledger), expected_ledger(model))?;
    if let (Some(name), Some(expected)) = (names.items.get(step.item), model.items.get(step.item)) {
        let moves = alice.sees_history(name).await.map_err(error)?;
        let moves = moves.iter().map(|moved| told_move(moved, names)).collect::<Vec<_>>();
        same("transitions", moves, expected.moves.iter().map(|m| format!("{m:?}")).collect())?;
        let records = recorded(&alice, name, names).await.map_err(error)?;
        let expected = expected.records.iter().map(|(what, who)| format!("{what} {who}"));
        same("records", records, expected.collect())?;
    }
    let by = step.by.min(2);
    let queue = queued(&world.person(PEOPLE[by].0), names).await.map_err(error)?;
    same("queue", queue, model.queue(by))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, told: T, expected: T) -> Result<(), String> {
    if told == expected {
        return Ok(());
    }
    Err(format!("{what}: the server says\n{told:#?}\nthe model says\n{expected:#?}"))
}

fn number_of(names: &[String], name: &str) -> Option<usize> {
    names.iter().position(|known| known == name)
}

fn stage_of(id: &str) -> Option<usize> {
    id.strip_prefix('s')?.parse().ok()
}

fn told_items(items: &[WorkItem], names: &Names) -> BTreeMap<Option<usize>, String> {
    let told = |item: &WorkItem| {
        let assignee = number_of(&names.users, &item.assignee);
        format!("{:?} at {:?} of {assignee:?}", item.state(), stage_of(&item.stage_id))
    };
    items.iter().map(|item| (number_of(&names.items, &item.name), told(item))).collect()
}

fn expected_items(model: &Model, names: &Names) -> BTreeMap<Option<usize>, String> {
    let items = model.items.iter().zip(&names.items);
    let told = items.map(|(item, _)| {
        format!("{:?} at {:?} of {:?}", item.state, Some(item.stage), item.assignee)
    });
    told.enumerate().map(|(at, item)| (Some(at), item)).collect()
}

fn told_move(moved: &Transition, names: &Names) -> String {
    use crate::model::Moved;
    let from = (moved.from_state != 0).then(|| moved.from_state());
    let moved = Moved {
        verb: moved.verb(),
        from: stage_of(&moved.from_stage_id),
        to: stage_of(&moved.to_stage_id),
        states: (from, moved.to_state()),
        by: number_of(&names.users, &moved.actor).unwrap_or(usize::MAX),
    };
    format!("{moved:?}")
}

type Counts = (Vec<i64>, Vec<Vec<i64>>);

fn told_figures(figures: &WorkflowAnalytics) -> Counts {
    let WorkflowAnalytics { total, completed, in_progress, cancelled, failed, .. } = figures;
    let lengths = |told: &Option<Lengths>| told.as_ref().map_or(-1, |told| told.count);
    let stage = |s: &StageAnalytics| {
        let counts = [s.entered, s.completed, s.left_otherwise, s.in_stage_now, s.reworked];
        [&counts[..], &[lengths(&s.lengths)]].concat()
    };
    let all = vec![*total, *completed, *in_progress, *cancelled, *failed, lengths(&figures.cycle)];
    (all, figures.stages.iter().map(stage).collect())
}

fn expected_figures(model: &Model) -> Counts {
    use WorkItemState::{Cancelled, Completed, Failed};
    let count = |state: WorkItemState| number(model.items.iter().filter(|i| i.state == state));
    let [completed, cancelled, failed] = [Completed, Cancelled, Failed].map(count);
    let total = number(model.items.iter());
    let open = total - completed - cancelled - failed;
    let stages = (0..model.stages.len()).map(|stage| {
        let [entered, completed, left, now, reworked] = model.figures(stage);
        vec![entered, completed, left, now, reworked, completed + left]
    });
    (vec![total, completed, open, cancelled, failed, completed], stages.collect())
}

fn number(items: impl Iterator) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}

async fn verified(alice: &Person, flow: &str) -> Result<LedgerReport, String> {
    let request = VerifyLedgerRequest { name: flow.to_owned() };
    let report = alice.analytics().verify_ledger(request).await.map(Response::into_inner);
    let report = report.map_err(|status| format!("{status:?}"))?;
    if report.sound { Ok(report) } else { Err(format!("the ledger is not sound: {report:#?}")) }
}

fn told_ledger(ledger: &LedgerReport) -> Counts {
    let mut stages: Vec<_> = ledger.stages.iter().collect();
    stages.sort_by_key(|stage| stage_of(&stage.stage_id));
    let stage = |s: &&StageLedger| vec![s.entered, s.left, s.in_stage_now, s.items];
    (vec![ledger.items, ledger.transitions], stages.iter().map(stage).collect())
}

fn expected_ledger(model: &Model) -> Counts {
    let moves = number(model.items.iter().flat_map(|item| &item.moves));
    let figures = (0..model.stages.len()).map(|stage| model.figures(stage));
    let known = figures.filter(|[entered, ..]| *entered > 0);
    let stages =
        known.map(|[entered, completed, left, now, _]| vec![entered, completed + left, now, now]);
    (vec![number(model.items.iter()), moves], stages.collect())
}

/// What people did to an item, oldest first; what the agent did by itself is left out.
async fn recorded(alice: &Person, item: &str, names: &Names) -> Result<Vec<String>, Status> {
    let request = ListAuditEventsRequest {
        team: alice.team.clone(),
        resource: item.to_owned(),
        page_size: 200,
        ..Default::default()
    };
    let listed = alice.audit().list_audit_events(request).await?.into_inner().audit_events;
    let told = listed.iter().rev().filter(|record| {
        record.action.starts_with("work_item.") || record.action.ends_with(".requested")
    });
    let who = |record: &api::audit::AuditEvent| {
        number_of(&names.users, &record.actor).map_or_else(String::new, |at| at.to_string())
    };
    let what = |record: &api::audit::AuditEvent| {
        record.action.strip_prefix("work_item.").unwrap_or(&record.action).to_owned()
    };
    Ok(told.map(|record| format!("{} {}", what(record), who(record))).collect())
}

async fn queued(person: &Person, names: &Names) -> Result<Vec<usize>, Status> {
    let request = ListQueueRequest { parent: names.flow.clone(), ..Default::default() };
    let listed = person.items().list_queue(request).await?.into_inner().work_items;
    Ok(listed.iter().filter_map(|item| number_of(&names.items, &item.name)).collect())
}
