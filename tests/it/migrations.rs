//! Items move from older revisions of their workflow to another one.

use std::collections::{BTreeMap, BTreeSet};

use api::agent::RunState;
use api::workflow::{
    Approval, ApproveStageRequest, MigrateWorkItemsRequest, MigrateWorkItemsResponse,
    MigrationResult, Stage, StageType, WorkItem, WorkItemMigration, WorkItemState, WorkItemVerb,
    Workflow,
};
use testkit::world::shapes::{assist, human, item, item_on, stage, workflow};
use testkit::world::{Person, Refused as _, World, migration, refused};
use tonic::Code;

use crate::ledger::verifies;

async fn flow(lead: &Person, stages: impl IntoIterator<Item = Stage>) -> String {
    lead.creates_workflow(workflow("Work", &lead.team, stages)).await.unwrap().name
}

/// Publishes the next revision.
async fn next(lead: &Person, flow: &str, stages: impl IntoIterator<Item = Stage>) -> Workflow {
    let now = lead.sees_workflow(flow).await.unwrap();
    let stages = workflow("", "", stages).stages;
    lead.updates_workflow(Workflow { stages, ..now }, &["stages"]).await.unwrap()
}

fn renamed(stage: Stage) -> Stage {
    Stage { description: "As of now".into(), ..stage }
}

async fn new(person: &Person, flow: &str) -> WorkItem {
    person.creates_item(item(flow, "Something")).await.unwrap()
}

/// The ledger of a workflow holds.
async fn is_sound(lead: &Person, flow: &str) {
    let report = verifies(lead, flow).await.unwrap();
    assert!(report.sound, "{:#?}", report.violations);
}

fn plan(request: &MigrateWorkItemsRequest) -> MigrateWorkItemsRequest {
    MigrateWorkItemsRequest { validate_only: true, ..request.clone() }
}

/// Moved, without a mapping, with a run in the way, in use, runs cancelled.
fn counts(answer: &MigrateWorkItemsResponse) -> [i64; 5] {
    let MigrateWorkItemsResponse { moved, need_mapping, runs_in_progress, in_use, .. } = answer;
    [*moved, *need_mapping, *runs_in_progress, *in_use, answer.runs_cancelled]
}

fn told<'a>(answer: &'a MigrateWorkItemsResponse, item: &WorkItem) -> &'a WorkItemMigration {
    answer.work_items.iter().find(|told| told.work_item == item.name).expect("it was looked at")
}

/// All batches of a migration, from the beginning.
async fn all(person: &Person, request: &MigrateWorkItemsRequest) -> Vec<WorkItemMigration> {
    let mut told = Vec::new();
    let mut request = MigrateWorkItemsRequest { page_token: String::new(), ..request.clone() };
    loop {
        let answer = person.migrates(request.clone()).await.unwrap();
        told.extend(answer.work_items);
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            return told;
        }
    }
}

async fn migrated_times(person: &Person, item: &WorkItem) -> usize {
    let history = person.sees_history(&item.name).await.unwrap();
    history.iter().filter(|moved| moved.verb() == WorkItemVerb::Migrate).count()
}

testkit::on_both! {
    /// What stays at its stage goes on there in whatever state it was: its figures are as they
    /// were, and it follows the routes of the new revision.
    async fn an_item_goes_on_at_the_same_stage(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = flow(&alice, [human("one"), human("two")]).await;
        let pending = new(&bob, &flow).await;
        let claimed = bob.claims(&new(&bob, &flow).await).await.unwrap();
        let started = bob.starts(&bob.claims(&new(&bob, &flow).await).await.unwrap()).await.unwrap();
        let blocked = bob.blocks(&bob.claims(&new(&bob, &flow).await).await.unwrap(), "parts").await.unwrap();
        let closed = bob.cancels(&new(&bob, &flow).await).await.unwrap();
        let before = bob.sees_analytics(&flow).await.unwrap();
        next(&alice, &flow, [renamed(human("one")), human("three")]).await;
        let answer = alice.migrates(migration(&flow, &[])).await.unwrap();
        assert_eq!((answer.target_revision, counts(&answer)), (2, [4, 0, 0, 0, 0]));
        assert_eq!(answer.next_page_token, "");
        for old in [&pending, &claimed, &started, &blocked] {
            let now = bob.sees_item(&old.name).await.unwrap();
            assert_ne!(now.etag, old.etag);
            let WorkItem { etag, update_time, .. } = now.clone();
            let expected = WorkItem { etag, update_time, workflow_revision: 2, ..old.clone() };
            assert_eq!(now, expected);
            let history = bob.sees_history(&old.name).await.unwrap();
            let last = history.last().unwrap();
            assert_eq!((last.verb(), &last.actor), (WorkItemVerb::Migrate, &alice.user));
            assert_eq!((last.from_stage_id.as_str(), last.to_stage_id.as_str()), ("one", "one"));
            assert_eq!((last.from_state(), last.to_state()), (old.state(), old.state()));
            let told = told(&answer, old);
            assert_eq!((told.result(), told.to_stage_id.as_str()), (MigrationResult::Moved, "one"));
        }
        let after = bob.sees_analytics(&flow).await.unwrap();
        assert_eq!(after.stages[0].entered, before.stages[0].entered);
        assert_eq!(after.stages[0].in_stage_now, before.stages[0].in_stage_now);
        assert_eq!(bob.sees_item(&closed.name).await.unwrap(), closed);
        is_sound(&alice, &flow).await;
        assert_eq!(bob.completes(&started).await.unwrap().stage_id, "three");
        let freed = bob.unblocks(&blocked).await.unwrap();
        assert_eq!((freed.state(), &freed.assignee), (WorkItemState::Claimed, &bob.user));
        let opened = alice.reopens(&closed).await.unwrap();
        assert_eq!(opened.workflow_revision, 1);
        is_sound(&alice, &flow).await;
    }

    /// What has no stage any more goes where the mapping says: the old stay ends as left, the
    /// item is nobody's; blocked it stays, and is anybody's then.
    async fn an_item_goes_where_the_mapping_says(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = flow(&alice, [human("one"), human("two")]).await;
        let second = async || bob.does(&new(&bob, &flow).await).await.unwrap();
        let claimed = bob.claims(&second().await).await.unwrap();
        let blocked = bob.blocks(&bob.claims(&second().await).await.unwrap(), "parts").await.unwrap();
        let pending = second().await;
        let first = new(&bob, &flow).await;
        next(&alice, &flow, [human("one"), human("three"), human("four")]).await;
        let before = world.probe().dump().await;
        let bare = migration(&flow, &[]);
        let planned = alice.migrates(plan(&bare)).await.unwrap();
        assert_eq!(counts(&planned), [1, 3, 0, 0, 0]);
        let stages: Vec<_> = planned.stages.iter().map(|stage| {
            (stage.from_stage_id.as_str(), stage.to_stage_id.as_str(), stage.moved, stage.need_mapping)
        }).collect();
        assert_eq!(stages, [("one", "one", 1, 0), ("two", "", 0, 3)]);
        assert!(planned.work_items.is_empty());
        let mapped = migration(&flow, &[("two", "four")]);
        let planned = alice.migrates(plan(&mapped)).await.unwrap();
        assert_eq!((counts(&planned), planned.stages[1].to_stage_id.as_str()), ([4, 0, 0, 0, 0], "four"));
        assert_eq!(world.probe().dump().await, before, "a plan changes nothing");

        let answer = alice.migrates(bare).await.unwrap();
        assert_eq!(counts(&answer), [1, 3, 0, 0, 0]);
        assert_eq!(told(&answer, &first).result(), MigrationResult::Moved);
        assert_eq!(told(&answer, &claimed).result(), MigrationResult::NeedsMapping);
        assert_eq!(bob.sees_item(&claimed.name).await.unwrap(), claimed);
        let answer = alice.migrates(mapped).await.unwrap();
        assert_eq!(counts(&answer), [3, 0, 0, 0, 0]);
        for old in [&claimed, &blocked, &pending] {
            let now = bob.sees_item(&old.name).await.unwrap();
            let state = if old.name == blocked.name { WorkItemState::Blocked } else { WorkItemState::Pending };
            assert_eq!((now.state(), now.stage_id.as_str(), now.workflow_revision), (state, "four", 2));
            assert_eq!((now.assignee.as_str(), now.claim_time), ("", None));
            let history = bob.sees_history(&old.name).await.unwrap();
            let last = history.last().unwrap();
            assert_eq!((last.from_stage_id.as_str(), last.to_stage_id.as_str()), ("two", "four"));
            assert!(last.stage_seconds > 0.0, "{last:?}");
        }
        let figures = alice.sees_analytics(&flow).await.unwrap();
        let of = |id: &str| figures.stages.iter().find(|stage| stage.stage_id == id).expect("a stage");
        assert_eq!((of("two").entered, of("two").left_otherwise, of("two").in_stage_now), (3, 3, 0));
        assert_eq!((of("four").entered, of("four").in_stage_now), (3, 3));
        is_sound(&alice, &flow).await;
        let freed = alice.unblocks(&blocked).await.unwrap();
        assert_eq!(freed.state(), WorkItemState::Pending);
        let held = bob.claims(&pending).await.unwrap();
        // The stage where it was is not there any more; another one is.
        refused(bob.returns(&held, "two").await, Code::FailedPrecondition, "STAGE_NOT_VISITED");
        assert_eq!(bob.returns(&held, "one").await.unwrap().stage_id, "one");
        let over = bob.does(&freed).await.unwrap();
        assert_eq!(alice.reopens(&over).await.unwrap().stage_id, "four");
        is_sound(&alice, &flow).await;
    }

    /// A run goes on at a stage that stays what it is, and else keeps its item where it is,
    /// unless it may be cancelled; where an item comes to the agent, that is ordered.
    async fn a_run_is_not_lost_by_the_way(db: TestDb) {
        let mut world = World::start(db).await;
        let (_, repository) = world.shop().await;
        world.restart_with_worker(false).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = flow(&alice, [assist("think"), human("do")]).await;
        let asked = bob.creates_item(item_on(&flow, "Carts", "", &repository)).await.unwrap();
        let run = asked.live_run.clone();

        next(&alice, &flow, [renamed(assist("think")), human("do")]).await;
        let planned = alice.migrates(plan(&migration(&flow, &[]))).await.unwrap();
        assert_eq!(counts(&planned), [1, 0, 0, 0, 0]);
        assert_eq!(counts(&alice.migrates(migration(&flow, &[])).await.unwrap()), [1, 0, 0, 0, 0]);
        let now = bob.sees_item(&asked.name).await.unwrap();
        assert_eq!((now.live_run.as_str(), now.workflow_revision), (run.as_str(), 2));

        let forcing = |request: MigrateWorkItemsRequest| MigrateWorkItemsRequest { cancel_runs: true, ..request };
        next(&alice, &flow, [human("think"), human("do")]).await;
        let gentle = migration(&flow, &[]);
        assert_eq!(counts(&alice.migrates(plan(&gentle)).await.unwrap()), [0, 0, 1, 0, 0]);
        let answer = alice.migrates(gentle.clone()).await.unwrap();
        assert_eq!(counts(&answer), [0, 0, 1, 0, 0]);
        assert_eq!(told(&answer, &asked).result(), MigrationResult::RunInProgress);
        assert_eq!(bob.sees_item(&asked.name).await.unwrap(), now);
        assert_eq!(counts(&alice.migrates(plan(&forcing(gentle.clone()))).await.unwrap()), [1, 0, 0, 0, 1]);
        assert_eq!(counts(&alice.migrates(forcing(gentle)).await.unwrap()), [1, 0, 0, 0, 1]);
        let now = bob.sees_item(&asked.name).await.unwrap();
        assert_eq!((now.stage_id.as_str(), now.live_run.as_str(), now.workflow_revision), ("think", "", 3));
        assert_eq!(bob.sees_run(&run).await.unwrap().state(), RunState::Cancelled);

        // To other stages of the agent's: from a person, and from a run that is cancelled.
        next(&alice, &flow, [stage("docs", StageType::DocUpdate), human("do")]).await;
        let mapped = migration(&flow, &[("think", "docs")]);
        let answer = alice.migrates(mapped).await.unwrap();
        let ordered = told(&answer, &asked).run.clone();
        let seen = alice.sees_run(&ordered).await.unwrap();
        assert_eq!((seen.state(), &seen.principal), (RunState::Queued, &alice.user));
        next(&alice, &flow, [assist("think"), human("do")]).await;
        let back = forcing(migration(&flow, &[("docs", "think")]));
        let answer = alice.migrates(back).await.unwrap();
        assert_eq!(counts(&answer), [1, 0, 0, 0, 1]);
        let last = told(&answer, &asked).run.clone();
        assert_eq!(alice.sees_run(&ordered).await.unwrap().state(), RunState::Cancelled);
        assert_eq!(bob.sees_item(&asked.name).await.unwrap().live_run, last);
        is_sound(&alice, &flow).await;

        world.restart_with_worker(true).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let advised = bob.awaits_agent(&asked.name).await;
        assert_eq!(advised.recommendation.expect("advice").run, last);
        is_sound(&alice, &flow).await;
    }

    /// The agent waits for what its item waits for, also where it comes by a migration.
    async fn what_waits_for_others_goes_on_waiting(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let people = flow(&alice, [human("do")]).await;
        let first = new(&bob, &people).await;
        let flow = flow(&alice, [human("do")]).await;
        let blocked_by = vec![first.name.clone()];
        let waiting = bob.creates_item(WorkItem { blocked_by, ..item(&flow, "Carts") }).await.unwrap();
        let free = new(&bob, &flow).await;
        next(&alice, &flow, [assist("think")]).await;
        let answer = alice.migrates(migration(&flow, &[("do", "think")])).await.unwrap();
        let run = told(&answer, &waiting).run.clone();
        // There is no repository to advise on: the agent says so as soon as it may.
        bob.awaits_agent(&free.name).await;
        assert_eq!(alice.sees_run(&run).await.unwrap().state(), RunState::Queued);
        bob.does(&first).await.unwrap();
        bob.awaits_agent(&waiting.name).await;
        is_sound(&alice, &flow).await;
    }

    /// Votes stay with an item that stays where it is voted on, and are void where it goes.
    async fn votes_are_of_one_stay(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol] = world.people(["alice", "bob", "carol"]);
        let voted = |id: &str| {
            let approval = Some(Approval { quorum: 2, ..Default::default() });
            Stage { approval, ..stage(id, StageType::Approval) }
        };
        let flow = flow(&alice, [voted("check"), human("do")]).await;
        let made = new(&bob, &flow).await;
        let approve = async |person: &Person| {
            let now = person.sees_item(&made.name).await.unwrap();
            let request = ApproveStageRequest {
                name: made.name.clone(),
                stage_id: now.stage_id,
                content_hash: now.approval.map(|shown| shown.content_hash).unwrap_or_default(),
                ..Default::default()
            };
            person.items().approve_stage(request).await.unwrap().into_inner()
        };
        approve(&carol).await;
        next(&alice, &flow, [renamed(voted("check")), human("do")]).await;
        assert_eq!(counts(&alice.migrates(migration(&flow, &[])).await.unwrap())[0], 1);
        let passed = approve(&alice).await;
        assert_eq!((passed.stage_id.as_str(), passed.workflow_revision), ("do", 2));

        let held = bob.claims(&passed).await.unwrap();
        next(&alice, &flow, [voted("do"), human("end")]).await;
        alice.migrates(migration(&flow, &[])).await.unwrap();
        let now = bob.sees_item(&held.name).await.unwrap();
        assert_eq!((now.state(), now.assignee.as_str()), (WorkItemState::Pending, ""), "it is voted on");
        approve(&carol).await;
        next(&alice, &flow, [voted("other"), human("end")]).await;
        alice.migrates(migration(&flow, &[("do", "other")])).await.unwrap();
        assert_eq!(approve(&alice).await.stage_id, "other", "the vote before is void");
        assert_eq!(approve(&carol).await.stage_id, "end");
        is_sound(&alice, &flow).await;
    }

    /// A migration that was broken off goes on where it was, and moves each item once.
    async fn a_migration_goes_on_after_a_crash(db: TestDb) {
        let mut world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = flow(&alice, [human("one"), human("two")]).await;
        let items: Vec<_> = (0..25).map(|at| item(&flow, &format!("Number {at}"))).collect();
        let made = bob.creates_items(&flow, items).await.unwrap();
        for item in &made[..5] {
            bob.does(item).await.unwrap();
        }
        next(&alice, &flow, [human("one"), human("three")]).await;
        let mut request = MigrateWorkItemsRequest { page_size: 4, ..migration(&flow, &[]) };
        let planned = alice.migrates(plan(&request)).await.unwrap();
        assert_eq!(counts(&planned), [20, 5, 0, 0, 0]);
        let mut seen = BTreeSet::new();
        for _ in 0..3 {
            let answer = alice.migrates(request.clone()).await.unwrap();
            assert_eq!(answer.work_items.len(), 4);
            request.page_token = answer.next_page_token;
            seen.extend(answer.work_items.into_iter().map(|told| told.work_item));
        }
        assert_eq!(seen.len(), 12);
        let other = MigrateWorkItemsRequest { cancel_runs: true, ..request.clone() };
        refused(alice.migrates(other).await, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
        let planned = alice.migrates(plan(&MigrateWorkItemsRequest { page_token: String::new(), ..request.clone() })).await.unwrap();
        assert_eq!(counts(&planned), [13, 5, 0, 0, 0]);

        world.restart_with_worker(true).await;
        let alice = world.person("alice");
        let rest = all(&alice, &request).await;
        let mut results = BTreeMap::new();
        for told in &rest {
            *results.entry(told.result()).or_insert(0) += 1;
        }
        let wanted = [(MigrationResult::Moved, 13), (MigrationResult::NeedsMapping, 5)];
        assert_eq!(results.into_iter().collect::<Vec<_>>(), wanted);
        assert!(rest.is_sorted_by_key(|told| &told.work_item));
        let mapped = MigrateWorkItemsRequest { page_size: 4, ..migration(&flow, &[("two", "three")]) };
        assert_eq!(all(&alice, &mapped).await.len(), 5);
        assert!(all(&alice, &mapped).await.is_empty(), "nothing is left");
        for item in &made {
            assert_eq!(migrated_times(&alice, item).await, 1);
            assert_eq!(alice.sees_item(&item.name).await.unwrap().workflow_revision, 2);
        }
        is_sound(&alice, &flow).await;
    }

    /// A repeated batch has its first answer; each leaves one record.
    async fn a_batch_is_done_once(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = flow(&alice, [human("one")]).await;
        for _ in 0..3 {
            new(&bob, &flow).await;
        }
        next(&alice, &flow, [renamed(human("one"))]).await;
        let request_id = || World::unused("requests/x").replace("requests/", "");
        let request = MigrateWorkItemsRequest { page_size: 2, request_id: request_id(), ..migration(&flow, &[]) };
        let records = world.probe().recorded().await.len();
        let answer = alice.migrates(request.clone()).await.unwrap();
        let again = alice.migrates(request.clone()).await.unwrap();
        assert_eq!(again.work_items, answer.work_items);
        assert!(!again.next_page_token.is_empty());
        let reused = MigrateWorkItemsRequest { page_size: 1, ..request.clone() };
        refused(alice.migrates(reused).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
        let later = MigrateWorkItemsRequest {
            page_token: again.next_page_token,
            request_id: request_id(),
            ..request
        };
        assert_eq!(counts(&alice.migrates(later).await.unwrap()), [1, 0, 0, 0, 0]);
        let recorded = world.probe().recorded().await.split_off(records);
        let actions: Vec<_> = recorded.iter().map(|record| record.action.as_str()).collect();
        assert_eq!(actions, ["workflow.items.migrated"; 2]);
    }

    /// Of two who migrate at once, each moves what the other has not.
    async fn two_migrations_share_the_work(db: TestDb) {
        let world = World::start(db).await;
        let [alice, carol, bob] = world.people(["alice", "carol", "bob"]);
        let flow = flow(&alice, [human("one")]).await;
        let items: Vec<_> = (0..40).map(|at| item(&flow, &format!("Number {at}"))).collect();
        let made = bob.creates_items(&flow, items).await.unwrap();
        next(&alice, &flow, [renamed(human("one"))]).await;
        let request = MigrateWorkItemsRequest { page_size: 7, ..migration(&flow, &[]) };
        let (one, other) = tokio::join!(all(&alice, &request), all(&carol, &request));
        let moved: BTreeSet<_> = one.iter().chain(&other).map(|told| &told.work_item).collect();
        assert_eq!((moved.len(), one.len() + other.len()), (40, 40));
        for item in &made {
            assert_eq!(migrated_times(&alice, item).await, 1);
        }
        is_sound(&alice, &flow).await;
    }

    /// Who may, to where, and what is no migration at all.
    async fn a_migration_is_judged(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, dave] = world.people(["alice", "bob", "dave"]);
        let flow = flow(&alice, [human("one"), human("two")]).await;
        let made = bob.does(&new(&bob, &flow).await).await.unwrap();
        let two = next(&alice, &flow, [human("one"), human("three")]).await;
        let three = next(&alice, &flow, [human("one"), human("four")]).await;
        let before = world.probe().dump_without_audit().await;
        let plain = migration(&flow, &[]);
        refused(bob.migrates(plain.clone()).await, Code::PermissionDenied, "PERMISSION_DENIED");
        refused(dave.migrates(plain.clone()).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
        let to = |target_revision| MigrateWorkItemsRequest { target_revision, ..plain.clone() };
        refused(alice.migrates(to(4)).await, Code::NotFound, "WORKFLOW_REVISION_NOT_FOUND");
        let fields = async |request| {
            let status = alice.migrates(request).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
            status.fields().join(" ")
        };
        assert_eq!(fields(to(-1)).await, "target_revision");
        assert_eq!(fields(migration(&flow, &[("two", "three")])).await, "stage_mappings[0].to_stage_id");
        assert_eq!(fields(migration(&flow, &[("two", "one"), ("two", "four")])).await, "stage_mappings[1].from_stage_id");
        assert_eq!(fields(migration(&flow, &vec![("two", "one"); 1_001])).await, "stage_mappings");
        assert_eq!(fields(MigrateWorkItemsRequest { page_size: -1, ..plain.clone() }).await, "page_size");
        let stale = MigrateWorkItemsRequest { etag: two.etag.clone(), ..plain.clone() };
        refused(alice.migrates(stale).await, Code::Aborted, "ETAG_MISMATCH");
        assert_eq!(world.probe().dump_without_audit().await, before);

        let mapped = MigrateWorkItemsRequest { etag: three.etag, target_revision: 2, ..migration(&flow, &[("two", "three")]) };
        alice.pauses(&flow, "").await.unwrap();
        refused(alice.migrates(mapped.clone()).await, Code::Aborted, "ETAG_MISMATCH");
        let mapped = MigrateWorkItemsRequest { etag: String::new(), ..mapped };
        assert_eq!(counts(&alice.migrates(mapped.clone()).await.unwrap()), [1, 0, 0, 0, 0]);
        let now = bob.sees_item(&made.name).await.unwrap();
        assert_eq!((now.stage_id.as_str(), now.workflow_revision), ("three", 2));
        let down = MigrateWorkItemsRequest { target_revision: 1, ..plain.clone() };
        assert!(alice.migrates(down).await.unwrap().work_items.is_empty(), "there is no way back");
        alice.deletes_workflow(&flow).await.unwrap();
        refused(alice.migrates(plain).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
    }
}
