//! Ports by which what somebody left behind is found across owners, and stopped in the scope
//! of each: [`LiveRuns`](agent_core::port::live::LiveRuns), its part of the transaction, and
//! [`HeldItems`](workflow_core::store::HeldItems).

use std::collections::BTreeSet;
use std::time::Duration;

use agent_core::StoreError;
use agent_core::model::{Run, RunProblem, RunState};
use agent_core::port::live::{LiveRun, WhoseRuns};
use permissions::{ItemsCreate, Reporter, WorkflowsCreate};
use primitives::{RunId, Tenant, Timestamp, UserId, WorkItemId};
use workflow_core::model::{ItemState, WorkItem};
use workflow_core::store::HeldBy;

use super::agent::{insert_run, repository};
use super::values::{self, at};
use super::{Stand, agent};

const LONG: Duration = Duration::from_mins(10);
const EVER: Timestamp = Timestamp::from_micros(i64::MAX);

fn problem() -> RunProblem {
    RunProblem { reason: "PRINCIPAL_LEFT".into(), message: "he has left: ü\0".into() }
}

async fn live(stand: &Stand, whose: WhoseRuns) -> BTreeSet<RunId> {
    let found = stand.ports.runs.live_runs(whose, EVER, 100).await.unwrap();
    found.into_iter().map(|run| run.id).collect()
}

async fn state_of(stand: &Stand, id: RunId) -> Run {
    stand.ports.runs.run_unscoped(id).await.unwrap().expect("the run")
}

/// A reporter on one owner's rows, in carol's name.
fn reporter(stand: &Stand, tenant: Tenant) -> Reporter {
    Reporter::new(tenant, stand.carol, stand.epoch(), "conformance", at(9))
}

/// Cancels runs of one owner; returns which of them were live.
async fn cancel(stand: &Stand, tenant: Tenant, runs: &[RunId]) -> Vec<RunId> {
    let reporter = reporter(stand, tenant);
    let scope = reporter.scope();
    let mut tx = stand.ports.agent.begin(&scope).await.unwrap();
    let held = tx.lock_live(&scope, runs).await.unwrap();
    let clear = |run: &permissions::Visible<LiveRun>| reporter.clear(run, LiveRun::clone(run));
    let cleared: Vec<_> = held.iter().map(|run| clear(run).expect("his")).collect();
    tx.cancel_live(&cleared, &problem()).await.unwrap();
    tx.commit().await.unwrap();
    held.into_iter().map(|run| run.id).collect()
}

/// Live runs are found by who answers for them, by their owner, and by their repository's.
pub async fn live_runs_are_found_by_person_and_owner(stand: Stand) {
    let teams = repository(&stand, stand.team(), stand.alice).await.id;
    let others = repository(&stand, Tenant::Team(stand.other), stand.dave).await.id;
    let own = Tenant::Person(stand.bob);
    let insert = async |tenant, principal, repository| {
        let run = values::run(tenant, principal, repository);
        insert_run(&stand, &run).await;
        run.id
    };
    let of_alice = insert(stand.team(), stand.alice, teams).await;
    let of_bob = insert(stand.team(), stand.bob, teams).await;
    // His own, on the team's repository.
    let beside = insert(own, stand.bob, teams).await;
    let of_dave = insert(Tenant::Team(stand.other), stand.dave, others).await;

    let team = stand.team();
    assert_eq!(live(&stand, WhoseRuns::All).await, [of_alice, of_bob, beside, of_dave].into());
    assert_eq!(live(&stand, WhoseRuns::Of(team)).await, [of_alice, of_bob, beside].into());
    assert_eq!(live(&stand, WhoseRuns::By(stand.bob)).await, [of_bob, beside].into());
    assert_eq!(live(&stand, WhoseRuns::ByIn(stand.bob, team)).await, [of_bob, beside].into());
    assert_eq!(live(&stand, WhoseRuns::ByIn(stand.bob, own)).await, [beside].into());
    assert!(live(&stand, WhoseRuns::ByIn(stand.dave, team)).await.is_empty());

    let found = stand.ports.runs.live_runs(WhoseRuns::By(stand.bob), EVER, 1).await.unwrap();
    assert_eq!(found.len(), 1, "no more than asked for");
    let early = at(-1);
    assert!(stand.ports.runs.live_runs(WhoseRuns::All, early, 100).await.unwrap().is_empty());

    // Oldest first, and running ones before all others.
    let running = stand.ports.runs.claim_run("worker", LONG).await.unwrap().expect("due");
    let first = stand.ports.runs.live_runs(WhoseRuns::All, EVER, 1).await.unwrap();
    let expected = LiveRun { id: running.id, tenant: running.tenant, principal: running.principal };
    assert_eq!(first, [expected]);
    assert_eq!(cancel(&stand, team, &[of_bob]).await, [of_bob]);
    assert_eq!(live(&stand, WhoseRuns::By(stand.bob)).await, [beside].into());
}

/// A cancelled run is lost to its worker, and told of until it is settled.
pub async fn cancelled_runs_are_lost_and_told_of(stand: Stand) {
    let repository = repository(&stand, stand.team(), stand.alice).await.id;
    let running = values::run(stand.team(), stand.bob, repository);
    let queued = values::run(stand.team(), stand.bob, repository);
    let other = values::run(stand.team(), stand.alice, repository);
    insert_run(&stand, &running).await;
    let claimed = stand.ports.runs.claim_run("worker", LONG).await.unwrap().expect("due");
    for run in [&queued, &other] {
        insert_run(&stand, run).await;
    }

    let mut stopped = cancel(&stand, stand.team(), &[queued.id, running.id]).await;
    stopped.sort_unstable();
    assert_eq!(stopped, [running.id, queued.id], "both, in the order of their ids");
    assert!(cancel(&stand, stand.team(), &[queued.id, running.id]).await.is_empty());

    let now = state_of(&stand, running.id).await;
    assert_eq!(now.state, RunState::Cancelled);
    assert!(now.ended_at.is_some() && now.lease_until.is_none() && now.fence > claimed.fence);
    let shown = now.problem.clone().expect("a reason");
    assert_eq!(
        (shown.reason.as_str(), shown.message.as_str()),
        ("PRINCIPAL_LEFT", "he has left: ü")
    );
    assert!(!stand.ports.runs.heartbeat(&claimed, LONG).await.unwrap());
    let mut tx = stand.agent_tx().await;
    assert!(tx.hold_run(running.id, claimed.fence).await.unwrap().is_none());
    assert!(matches!(tx.save_run(&claimed, None, None).await, Err(StoreError::Stale)));
    drop(tx);

    let next = stand.ports.runs.claim_run("worker", LONG).await.unwrap().map(|run| run.id);
    assert_eq!(next, Some(other.id), "what was queued does not begin");
    let mut told = BTreeSet::new();
    while let Some(ended) = stand.ports.runs.claim_ended("worker", LONG).await.unwrap() {
        assert_eq!((ended.state, ended.problem.is_some()), (RunState::Cancelled, true));
        assert!(stand.ports.runs.settle_ended(&ended).await.unwrap());
        assert!(told.insert(ended.id), "told twice");
    }
    assert_eq!(told, [running.id, queued.id].into());
}

/// What a scope does not see is not held, and so not stopped.
pub async fn foreign_runs_are_not_stopped(stand: Stand) {
    let repository = repository(&stand, stand.team(), stand.alice).await.id;
    let run = values::run(stand.team(), stand.bob, repository);
    let own = values::run(Tenant::Person(stand.bob), stand.bob, repository);
    insert_run(&stand, &run).await;
    insert_run(&stand, &own).await;
    let both = [run.id, own.id];
    for tenant in [Tenant::Team(stand.other), Tenant::Person(stand.erin)] {
        assert!(cancel(&stand, tenant, &both).await.is_empty());
    }
    assert!(cancel(&stand, stand.team(), &[]).await.is_empty());
    assert_eq!(cancel(&stand, stand.team(), &both).await, [run.id]);
    assert_eq!(state_of(&stand, own.id).await.state, RunState::Queued);

    // One transaction changes one owner's rows.
    let (of_bob, of_team) =
        (reporter(&stand, Tenant::Person(stand.bob)), reporter(&stand, stand.team()));
    let second = values::run(stand.team(), stand.alice, repository);
    insert_run(&stand, &second).await;
    let mut mixed = Vec::new();
    for (reporter, id) in [(&of_bob, own.id), (&of_team, second.id)] {
        let mut tx = stand.ports.agent.begin(&reporter.scope()).await.unwrap();
        let held = tx.lock_live(&reporter.scope(), &[id]).await.unwrap();
        mixed.push(reporter.clear(&held[0], LiveRun::clone(&held[0])).expect("his"));
    }
    let mut tx = stand.ports.agent.begin(&of_team.scope()).await.unwrap();
    assert!(tx.cancel_live(&mixed, &problem()).await.is_err());
    drop(tx);
    assert_eq!(state_of(&stand, second.id).await.state, RunState::Queued);
}

/// Stores an item in a state, held by somebody since a time.
async fn item(
    stand: &Stand,
    (tenant, creator): (Tenant, UserId),
    state: ItemState,
    assignee: Option<UserId>,
    since: i64,
) -> WorkItemId {
    let workflow = values::workflow(tenant, creator);
    let closed_at = state.is_closed().then(|| at(since));
    let claimed_at = assignee.map(|_| at(since));
    let item =
        WorkItem { state, assignee, claimed_at, closed_at, ..values::item(&workflow, creator) };
    let mut tx = stand.workflow_tx_of(creator).await;
    let cleared = stand.clear_new::<WorkflowsCreate, _>(creator, workflow);
    assert!(tx.insert_workflow(&cleared).await.unwrap());
    let cleared = stand.clear_new::<ItemsCreate, _>(creator, item.clone());
    tx.insert_item(&cleared, &values::creation(&item), &values::stay(&item)).await.unwrap();
    tx.commit().await.unwrap();
    item.id
}

/// Items are found by who holds them, whoever owns them, page by page.
pub async fn held_items_are_found_whoever_owns_them(stand: Stand) {
    use ItemState::{Blocked, Cancelled, Claimed, InProgress, Pending};
    let (team, bob) = ((stand.team(), stand.alice), Some(stand.bob));
    let own = (Tenant::Person(stand.bob), stand.bob);
    let claimed = item(&stand, team, Claimed, bob, 5).await;
    let begun = item(&stand, team, InProgress, bob, 6).await;
    let blocked = item(&stand, team, Blocked, bob, 7).await;
    let elsewhere = item(&stand, (Tenant::Team(stand.other), stand.dave), Claimed, bob, 8).await;
    let personal = item(&stand, own, Claimed, bob, 9).await;
    for (state, holder) in [(Cancelled, bob), (Pending, None), (Claimed, Some(stand.alice))] {
        item(&stand, team, state, holder, 5).await;
    }
    agent::work_item(&stand, stand.team(), stand.bob).await;

    let all = HeldBy { user: stand.bob, within: None, until: EVER, after: None, limit: 100 };
    let found = async |held: HeldBy| {
        let items = stand.ports.workflows.held_items(&held).await.unwrap();
        items.into_iter().map(|item| (item.id, item.tenant)).collect::<Vec<_>>()
    };
    let other = Tenant::Team(stand.other);
    let in_team = [claimed, begun, blocked].map(|id| (id, stand.team()));
    let mut expected = [in_team.as_slice(), &[(elsewhere, other), (personal, own.0)]].concat();
    expected.sort_unstable_by_key(|(id, _)| *id);
    assert_eq!(found(all).await, expected);
    assert_eq!(found(HeldBy { within: Some(stand.team()), ..all }).await, in_team);
    assert_eq!(found(HeldBy { within: Some(other), ..all }).await, [(elsewhere, other)]);
    assert_eq!(found(HeldBy { until: at(5), ..all }).await, [(claimed, stand.team())]);
    assert!(found(HeldBy { user: stand.erin, ..all }).await.is_empty());

    let mut seen = Vec::new();
    let mut held = HeldBy { limit: 2, ..all };
    loop {
        let page = found(held).await;
        assert!(page.len() <= 2);
        let Some((last, _)) = page.last() else { break };
        held.after = Some(*last);
        seen.extend(page);
    }
    assert_eq!(seen, expected);
}
