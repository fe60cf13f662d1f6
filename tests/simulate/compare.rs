//! Whether all that can be read from the server is what the model says.

use std::collections::BTreeMap;

use api::audit::ListAuditEventsRequest;
use api::workflow::*;
use testkit::world::{Person, World};
use tonic::{Response, Status};

use crate::draw::Step;
use crate::drive::{Names, PEOPLE};
use crate::model::{self, Model};

/// Compares everything that can be read with what the model says.
pub(crate) async fn compare(
    world: &World,
    names: &Names,
    model: &Model,
    step: Step,
) -> Result<(), String> {
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
        same("transitions", moves, expected.moves.clone())?;
        let records = recorded(&alice, name, names).await.map_err(error)?;
        let expected = expected.records.iter().map(|(what, who)| format!("{what} {who}"));
        same("records", records, expected.collect())?;
    }
    let by = step.by.min(3);
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
        let votes = item.approval.iter().flat_map(|approval| &approval.votes);
        let votes: Vec<_> = votes.filter_map(|v| number_of(&names.users, &v.user)).collect();
        let place = stage_of(&item.stage_id);
        format!("{:?} at {place:?} of {assignee:?}, {votes:?}", item.state())
    };
    items.iter().map(|item| (number_of(&names.items, &item.name), told(item))).collect()
}

fn expected_items(model: &Model, names: &Names) -> BTreeMap<Option<usize>, String> {
    let items = model.items.iter().zip(&names.items);
    let told = items.map(|(item, _)| {
        let model::Item { state, stage, assignee, votes, .. } = item;
        format!("{state:?} at {:?} of {assignee:?}, {votes:?}", Some(stage))
    });
    told.enumerate().map(|(at, item)| (Some(at), item)).collect()
}

fn told_move(moved: &Transition, names: &Names) -> model::Moved {
    let from = (moved.from_state != 0).then(|| moved.from_state());
    let stages = [&moved.from_stage_id, &moved.to_stage_id].map(|id| stage_of(id));
    let by = number_of(&names.users, &moved.actor).unwrap_or(usize::MAX);
    (moved.verb(), stages, (from, moved.to_state()), by)
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
    let stages = model.revisions[0].keys().map(|stage| {
        let [entered, completed, left, now, reworked] = model.figures(*stage);
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
    let figures = model.revisions[0].keys().map(|stage| model.figures(*stage));
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
