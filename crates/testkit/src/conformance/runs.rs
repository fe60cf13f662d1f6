//! [`RunQueue`](agent_core::port::queue::RunQueue): claims, leases, fences, ends; and what a
//! worker may still save.
//!
//! A lease of zero has passed at once, so nothing here waits for a clock.

use std::collections::BTreeSet;
use std::time::Duration;

use agent_core::StoreError;
use agent_core::model::{
    Patch, PatchState, Phase, Plan, Run, RunInput, RunKind, RunProblem, RunState,
};
use permissions::{ItemsCreate, WorkflowsCreate};
use primitives::{RepositoryId, RunId, Timestamp};

use super::agent::{insert_run, repository};
use super::values::{self, at};
use super::{Stand, outbox};

const LONG: Duration = Duration::from_mins(10);
const NONE: Duration = Duration::ZERO;

/// A queued run in a repository of team core.
async fn queued(stand: &Stand, change: impl FnOnce(&mut Run)) -> Run {
    let repository = repository(stand, stand.team(), stand.alice).await;
    let mut run = values::run(stand.team(), stand.alice, repository.id);
    change(&mut run);
    insert_run(stand, &run).await;
    run
}

async fn claim(stand: &Stand, lease: Duration) -> Option<Run> {
    stand.ports.runs.claim_run("worker", lease).await.unwrap()
}

async fn now_of(stand: &Stand, id: RunId) -> Run {
    stand.ports.runs.run_unscoped(id).await.unwrap().expect("the run")
}

fn problem() -> RunProblem {
    RunProblem { reason: "MODEL_UNAVAILABLE".into(), message: "try later: ü".into() }
}

/// A claim starts the run; nobody else gets it while the lease holds.
pub async fn a_claimed_run_is_one_workers(stand: Stand) {
    let run = queued(&stand, |_| ()).await;
    let claimed = claim(&stand, LONG).await.expect("a due run");
    assert_eq!(claimed.id, run.id);
    assert_eq!((claimed.state, claimed.phase), (RunState::Running, Phase::Claimed));
    assert_eq!(claimed.attempt, 1);
    assert!(claimed.fence > run.fence);
    let began = claimed.started_at.expect("the time of the first claim");
    assert!(claimed.lease_until.expect("a lease") >= began + LONG);
    assert_eq!(now_of(&stand, run.id).await, claimed, "what is returned is what is stored");
    assert!(claim(&stand, LONG).await.is_none());
    assert!(stand.ports.runs.run_unscoped(RunId::generate()).await.unwrap().is_none());
}

/// Many workers at once: each run is claimed by exactly one.
pub async fn racing_workers_never_share_a_run(stand: Stand) {
    let repository = repository(&stand, stand.team(), stand.alice).await;
    for _ in 0..12 {
        insert_run(&stand, &values::run(stand.team(), stand.alice, repository.id)).await;
    }
    let work = async |number: usize| {
        let mut got = Vec::new();
        while let Some(run) =
            stand.ports.runs.claim_run(&format!("worker-{number}"), LONG).await.unwrap()
        {
            got.push(run.id);
        }
        got
    };
    let got: Vec<RunId> =
        futures::future::join_all((0..6).map(work)).await.into_iter().flatten().collect();
    assert_eq!(got.len(), 12, "lost or doubled");
    assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), 12, "two workers held one run");
}

/// The run that waits longest comes first; what its own times say does not matter.
pub async fn runs_are_claimed_oldest_first(stand: Stand) {
    let mut expected = Vec::new();
    for seconds in [30, 10, 20] {
        expected.push(queued(&stand, |run| run.created_at = at(seconds)).await.id);
    }
    for id in expected {
        assert_eq!(claim(&stand, LONG).await.map(|run| run.id), Some(id));
    }
}

/// After its lease a run is another's; whatever the first worker still tries is refused.
pub async fn an_expired_lease_is_taken_over_and_the_old_fence_loses(stand: Stand) {
    let run = queued(&stand, |_| ()).await;
    let old = claim(&stand, NONE).await.expect("due");
    let new = claim(&stand, LONG).await.expect("taken over");
    assert_eq!((new.id, new.attempt), (run.id, 2));
    assert!(new.fence > old.fence);
    assert_eq!(new.started_at, old.started_at, "the first claim's time stays");

    let runs = &stand.ports.runs;
    assert!(!runs.heartbeat(&old, LONG).await.unwrap());
    assert!(runs.retry_run(&old, NONE, &problem()).await.unwrap().is_none());
    let mut tx = stand.agent_tx().await;
    assert!(tx.hold_run(run.id, old.fence).await.unwrap().is_none());
    assert!(matches!(tx.save_run(&old, None, None).await, Err(StoreError::Stale)));
    drop(tx);
    assert_eq!(now_of(&stand, run.id).await, new, "nothing of the old worker was stored");

    let mut tx = stand.agent_tx().await;
    assert_eq!(tx.hold_run(run.id, new.fence).await.unwrap(), Some(new));
}

/// A worker whose lease has passed can write nothing, even before somebody took over.
pub async fn a_passed_lease_holds_nothing(stand: Stand) {
    let run = queued(&stand, |_| ()).await;
    let claimed = claim(&stand, NONE).await.expect("due");
    let mut tx = stand.agent_tx().await;
    assert!(tx.hold_run(run.id, claimed.fence).await.unwrap().is_none());
    drop(tx);
    // It was nobody else's meanwhile: a sign of life makes it whole again.
    assert!(stand.ports.runs.heartbeat(&claimed, LONG).await.unwrap());
    let mut tx = stand.agent_tx().await;
    assert!(tx.hold_run(run.id, claimed.fence).await.unwrap().is_some());
}

/// A heartbeat moves the end of the lease and leaves a sign of life.
pub async fn a_heartbeat_keeps_the_run(stand: Stand) {
    let run = queued(&stand, |_| ()).await;
    let claimed = claim(&stand, NONE).await.expect("due");
    assert!(stand.ports.runs.heartbeat(&claimed, LONG).await.unwrap());
    assert!(claim(&stand, LONG).await.is_none());
    let alive = now_of(&stand, run.id).await;
    assert_eq!((alive.fence, alive.attempt), (claimed.fence, 1));
    assert!(alive.lease_until > claimed.lease_until);
    assert!(alive.heartbeat_at.is_some());
    let nobodys = Run { id: RunId::generate(), ..claimed };
    assert!(!stand.ports.runs.heartbeat(&nobodys, LONG).await.unwrap());
}

/// What a worker saves is stored; an ended run is nobody's.
pub async fn a_held_run_saves_its_progress_and_its_end(stand: Stand) {
    let run = queued(&stand, |_| ()).await;
    let claimed = claim(&stand, LONG).await.expect("due");
    let planned = Run { phase: Phase::Planned, model_used: "builtin".into(), ..claimed.clone() };
    save(&stand, &planned).await;
    let strange = Run { model_used: "a\0b".into(), ..planned.clone() };
    save(&stand, &strange).await;
    assert_eq!(now_of(&stand, run.id).await.model_used, "a\u{fffd}b");
    save(&stand, &planned).await;
    assert_eq!(now_of(&stand, run.id).await, planned);

    let mut ended = planned;
    ended.state = RunState::Failed;
    ended.phase = Phase::Recorded;
    ended.problem = Some(problem());
    ended.engine_used = "scripted".into();
    ended.ended_at = Some(at(99));
    save(&stand, &ended).await;
    assert_eq!(now_of(&stand, run.id).await, ended);

    let mut tx = stand.agent_tx().await;
    assert!(tx.hold_run(run.id, claimed.fence).await.unwrap().is_none());
    assert!(matches!(tx.save_run(&ended, None, None).await, Err(StoreError::Stale)));
    drop(tx);
    assert!(!stand.ports.runs.heartbeat(&claimed, LONG).await.unwrap());
    assert!(claim(&stand, LONG).await.is_none());
}

/// What a run makes is kept with it: the plan once, the patch as last saved.
pub async fn what_a_run_made_is_kept_with_it(stand: Stand) {
    let run = queued(&stand, |_| ()).await;
    let repository = run.repository.expect("one");
    let mut claimed = claim(&stand, LONG).await.expect("due");
    let plan = Plan { run: Some(run.id), ..values::plan(stand.team(), stand.alice, repository) };
    let mut patch = values::patch(&claimed, repository);
    claimed.plan = Some(plan.id);
    claimed.patch = Some(patch.id);
    let keep = async |patch: &Patch| {
        let mut tx = stand.agent_tx().await;
        tx.hold_run(run.id, claimed.fence).await.unwrap().expect("held");
        tx.save_run(&claimed, Some(&plan), Some(patch)).await.unwrap();
        tx.commit().await.unwrap();
    };
    keep(&patch).await;
    let made = stand.ports.runs.made_by(&claimed).await.unwrap();
    assert_eq!(made, (Some(plan.clone()), Some(patch.clone())));

    patch.state = PatchState::Applied;
    patch.commit = Some(values::object('c'));
    keep(&patch).await;
    let made = stand.ports.runs.made_by(&claimed).await.unwrap();
    let kept = Patch { version: 2, ..patch.clone() };
    assert_eq!(made, (Some(plan.clone()), Some(kept.clone())));

    // Another run may change it only when it names it, as a revert does.
    insert_run(&stand, &values::run(stand.team(), stand.alice, repository)).await;
    let mut revert = claim(&stand, LONG).await.expect("due");
    let taken_back = Patch { state: PatchState::Reverted, reverted_by: Some(revert.id), ..kept };
    let mut tx = stand.agent_tx().await;
    assert!(tx.save_run(&revert, None, Some(&taken_back)).await.is_err());
    assert!(tx.save_run(&revert, Some(&plan), None).await.is_err());
    drop(tx);
    revert.patch = Some(patch.id);
    let mut tx = stand.agent_tx().await;
    tx.save_run(&revert, None, Some(&taken_back)).await.unwrap();
    tx.commit().await.unwrap();
    let (_, made) = stand.ports.runs.made_by(&revert).await.unwrap();
    assert_eq!(made, Some(Patch { version: 3, ..taken_back }));
}

async fn save(stand: &Stand, run: &Run) {
    let mut tx = stand.agent_tx().await;
    tx.hold_run(run.id, run.fence).await.unwrap().expect("held");
    tx.save_run(run, None, None).await.unwrap();
    tx.commit().await.unwrap();
}

/// A retry waits for its time, and the last one ends the run.
pub async fn retries_wait_and_end(stand: Stand) {
    let run = queued(&stand, |run| run.max_attempts = 2).await;
    let runs = &stand.ports.runs;
    let first = claim(&stand, LONG).await.expect("due");
    let state = runs.retry_run(&first, NONE, &problem()).await.unwrap();
    assert_eq!(state, Some(RunState::Queued));
    assert_eq!(now_of(&stand, run.id).await.problem, Some(problem()));
    assert!(runs.retry_run(&first, NONE, &problem()).await.unwrap().is_none());

    let second = claim(&stand, LONG).await.expect("due at once");
    assert_eq!(second.attempt, 2);
    let state = runs.retry_run(&second, NONE, &problem()).await.unwrap();
    assert_eq!(state, Some(RunState::Dead));
    assert!(claim(&stand, LONG).await.is_none());
    let dead = now_of(&stand, run.id).await;
    assert_eq!((dead.state, dead.problem), (RunState::Dead, Some(problem())));
    assert!(dead.ended_at.is_some());

    let later = queued(&stand, |_| ()).await;
    let claimed = claim(&stand, LONG).await.expect("due");
    assert_eq!(claimed.id, later.id);
    runs.retry_run(&claimed, LONG, &problem()).await.unwrap();
    assert!(claim(&stand, LONG).await.is_none(), "not before its time");
}

/// A run that is past its deadline ends, whatever it waits for, and is reported until settled.
pub async fn a_passed_deadline_ends_a_run_loudly(stand: Stand) {
    let run = queued(&stand, |run| run.deadline_at = run.created_at).await;
    assert!(claim(&stand, LONG).await.is_none());
    let ended = now_of(&stand, run.id).await;
    assert_eq!(ended.state, RunState::TimedOut);
    assert!(ended.problem.is_some() && ended.ended_at.is_some());
    assert!(ended.fence > run.fence, "a worker that still ran has lost it");
    reported_once(&stand, run.id, RunState::TimedOut).await;
}

/// Workers that die use up the attempts, and the last end is reported until settled.
pub async fn used_up_attempts_end_a_run_loudly(stand: Stand) {
    let run = queued(&stand, |run| run.max_attempts = 2).await;
    assert!(claim(&stand, NONE).await.is_some());
    assert!(claim(&stand, NONE).await.is_some());
    assert!(claim(&stand, NONE).await.is_none());
    let ended = now_of(&stand, run.id).await;
    assert_eq!((ended.state, ended.attempt), (RunState::Dead, 2));
    assert!(ended.problem.is_some() && ended.ended_at.is_some());
    reported_once(&stand, run.id, RunState::Dead).await;
}

/// An end is handed out under a lease, again when its holder vanished, and never once settled.
async fn reported_once(stand: &Stand, id: RunId, state: RunState) {
    let runs = &stand.ports.runs;
    let vanished = runs.claim_ended("worker", NONE).await.unwrap().expect("an end");
    assert_eq!((vanished.id, vanished.state), (id, state));
    let ended = runs.claim_ended("worker", LONG).await.unwrap().expect("the end again");
    assert_eq!((ended.id, ended.state), (id, state));
    assert!(ended.fence > vanished.fence);
    assert!(runs.claim_ended("worker", LONG).await.unwrap().is_none(), "held by another");
    assert!(!runs.settle_ended(&vanished).await.unwrap());
    assert!(runs.settle_ended(&ended).await.unwrap());
    assert!(!runs.settle_ended(&ended).await.unwrap(), "settled before");
    assert!(runs.claim_ended("worker", LONG).await.unwrap().is_none());
    assert_eq!(now_of(stand, id).await.state, state);
}

/// What a worker ends itself is its own to tell: it is neither reported nor settled.
pub async fn ends_saved_by_workers_are_not_reported(stand: Stand) {
    let runs = &stand.ports.runs;
    for state in [RunState::Failed, RunState::Succeeded, RunState::Superseded] {
        queued(&stand, |_| ()).await;
        let claimed = claim(&stand, LONG).await.expect("due");
        assert!(!runs.settle_ended(&claimed).await.unwrap(), "still live");
        save(&stand, &Run { state, ended_at: Some(at(6)), ..claimed.clone() }).await;
        assert!(runs.claim_ended("other", LONG).await.unwrap().is_none(), "{state:?}");
        assert!(!runs.settle_ended(&claimed).await.unwrap(), "{state:?}");
    }
}

/// A cancelled run is lost to its worker, and only live runs of that item are cancelled.
pub async fn a_stopped_run_is_lost_to_its_worker(stand: Stand) {
    let (running, waiting) = (ordered(&stand).await, ordered(&stand).await);
    let claimed = claim(&stand, LONG).await.expect("due");
    assert_eq!(claimed.id, running.id);
    assert_eq!(claimed.kind, RunKind::Assist);

    let mut tx = stand.workflow_tx().await;
    let item = running.work_item.expect("an item");
    assert_eq!(tx.stop_runs(item).await.unwrap(), [running.id]);
    assert!(tx.stop_runs(item).await.unwrap().is_empty());
    tx.commit().await.unwrap();

    let stopped = now_of(&stand, running.id).await;
    assert_eq!(stopped.state, RunState::Cancelled);
    assert!(stopped.ended_at.is_some() && stopped.fence > claimed.fence);
    assert!(!stand.ports.runs.heartbeat(&claimed, LONG).await.unwrap());
    let mut tx = stand.agent_tx().await;
    assert!(tx.hold_run(running.id, claimed.fence).await.unwrap().is_none());
    assert!(matches!(tx.save_run(&claimed, None, None).await, Err(StoreError::Stale)));
    drop(tx);
    assert!(stand.ports.runs.claim_ended("worker", LONG).await.unwrap().is_none());
    assert_eq!(claim(&stand, LONG).await.map(|run| run.id), Some(waiting.id));
}

/// A workflow's order becomes a queued run with all that was ordered.
pub async fn an_ordered_run_is_queued(stand: Stand) {
    let run = ordered(&stand).await;
    let claimed = claim(&stand, LONG).await.expect("due");
    assert_eq!(claimed.id, run.id);
    assert_eq!(claimed.work_item, run.work_item);
    assert_eq!((claimed.tenant, claimed.principal), (run.tenant, run.principal));
    let RunInput::Assist { stage_id, .. } = &claimed.input else {
        panic!("not an assist: {:?}", claimed.input);
    };
    assert_eq!(stage_id, "intake");
    assert!(claimed.deadline_at > claimed.created_at && claimed.max_attempts > 1);
}

/// Orders a run for a fresh item whose times are the machine's, as a workflow would.
async fn ordered(stand: &Stand) -> Run {
    let workflow = values::workflow(stand.team(), stand.alice);
    let item = values::item(&workflow, stand.alice);
    let order = events::RunOrder { time: outbox::now(), ..values::order(&item) };
    let mut tx = stand.workflow_tx().await;
    let cleared = stand.clear_new::<WorkflowsCreate, _>(stand.alice, workflow);
    assert!(tx.insert_workflow(&cleared).await.unwrap());
    let cleared = stand.clear_new::<ItemsCreate, _>(stand.alice, item.clone());
    tx.insert_item(&cleared, &values::creation(&item), &values::stay(&item)).await.unwrap();
    tx.order_run(&order).await.unwrap();
    tx.commit().await.unwrap();
    now_of(stand, order.run).await
}

/// Figures and unscoped look-ups for the worker itself.
pub async fn workers_see_every_tenant(stand: Stand) {
    let first = queued(&stand, |_| ()).await;
    let theirs = repository(&stand, primitives::Tenant::Team(stand.other), stand.dave).await;
    let count = async |state| {
        let counts = stand.ports.runs.count_runs().await.unwrap();
        counts.into_iter().find(|(of, _)| *of == state).map_or(0, |(_, number)| number)
    };
    assert_eq!(count(RunState::Queued).await, 1);
    assert!(claim(&stand, LONG).await.is_some());
    assert_eq!((count(RunState::Queued).await, count(RunState::Running).await), (0, 1));

    let runs = &stand.ports.runs;
    let all: BTreeSet<RepositoryId> =
        runs.repositories().await.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(all, [theirs.id, first.repository.expect("one")].into());
    assert_eq!(runs.repository_unscoped(theirs.id).await.unwrap(), Some(theirs));
    assert!(runs.repository_unscoped(RepositoryId::generate()).await.unwrap().is_none());
}

/// Times of leases are the database's: a row's own times do not matter to a claim.
pub async fn leases_follow_the_databases_clock(stand: Stand) {
    let run = queued(&stand, |run| run.created_at = at(0)).await;
    let before = outbox::now();
    let claimed = claim(&stand, LONG).await.expect("due");
    let slack = Duration::from_secs(5);
    let is_now = |time: Timestamp| time + slack >= before && time <= outbox::now() + slack;
    assert_eq!(claimed.id, run.id);
    assert!(is_now(claimed.started_at.expect("started")));
    assert!(is_now(claimed.lease_until.expect("a lease") - LONG));
}
