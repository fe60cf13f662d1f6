//! Many items made at once: all of them, or none, each as if it were made alone.

use api::agent::RunState;
use api::workflow::{BatchCreateWorkItemsRequest, WorkItem, WorkItemState, Workflow};
use prost_types::Struct;
use serde_json::json;
use testkit::world::shapes::{assist, data, human, item, item_on, workflow};
use testkit::world::{Person, Refused as _, World, batch, refused};
use tonic::{Code, Status};

use crate::ledger::verifies;

async fn one_stage(lead: &Person) -> String {
    let flow = workflow("Big Work", &lead.team, [human("do")]);
    lead.creates_workflow(flow).await.unwrap().name
}

fn many(flow: &str, number: usize) -> Vec<WorkItem> {
    (0..number).map(|at| item(flow, &format!("Number {at}"))).collect()
}

fn titles(items: &[WorkItem]) -> Vec<&str> {
    items.iter().map(|item| item.title.as_str()).collect()
}

testkit::on_both! {
    /// As many as may be come in one call, numbered in their order; each has its record.
    async fn two_hundred_items_are_made_at_once(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = one_stage(&alice).await;
        bob.creates_item(item(&flow, "Alone")).await.unwrap();
        let records = world.probe().recorded().await.len();
        let made = bob.creates_items(&flow, many(&flow, 200)).await.unwrap();
        let wanted = many(&flow, 200);
        assert_eq!(titles(&made), titles(&wanted));
        for (at, item) in made.iter().enumerate() {
            assert_eq!(item.reference, format!("BW-{}", at + 2));
            assert_eq!((item.state(), &item.creator), (WorkItemState::Pending, &bob.user));
            assert_eq!((item.stage_id.as_str(), &item.workflow), ("do", &flow));
        }
        assert_eq!(bob.sees_item(&made[199].name).await.unwrap(), made[199]);
        let recorded = world.probe().recorded().await.split_off(records);
        assert_eq!(recorded.len(), 200);
        assert!(recorded.iter().all(|record| record.action == "work_item.created"));
        bob.creates_item(item(&flow, "Later")).await.unwrap();
        let report = verifies(&alice, &flow).await.unwrap();
        assert_eq!((report.items, &report.violations[..]), (202, &[][..]));
        bob.does(&made[7]).await.unwrap();
    }

    /// What each item says is kept; what it waits for, and its run, are as if made alone.
    async fn each_item_is_as_if_it_were_made_alone(db: TestDb) {
        let mut world = World::start(db).await;
        let (_, repository) = world.shop().await;
        world.restart_with_worker(false).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let people = one_stage(&alice).await;
        let first = bob.creates_item(item(&people, "First")).await.unwrap();
        let advising = workflow("Advice", &alice.team, [assist("think"), human("do")]);
        let advising = alice.creates_workflow(advising).await.unwrap().name;
        let blocked_by = vec![first.name.clone()];
        let said: Struct = data(json!({ "size": 3 }));
        let free = item_on(&advising, "Free", "Carts forget", &repository);
        let free = WorkItem {
            tags: vec!["b".into(), "a".into()],
            data: Some(said.clone()),
            external_id: "X-1".into(),
            ..free
        };
        let waiting = WorkItem { blocked_by: blocked_by.clone(), workflow: String::new(), ..item_on(&advising, "Waiting", "", &repository) };
        let [free, waiting] = bob.creates_items(&advising, [free, waiting]).await.unwrap().try_into().unwrap();
        assert_eq!((&free.tags[..], &free.data), (&["a".to_owned(), "b".to_owned()][..], &Some(said)));
        assert_eq!((free.external_id.as_str(), &waiting.blocked_by), ("X-1", &blocked_by));
        let name = |item: &WorkItem| item.live_run.clone();
        let runs = [name(&free), name(&waiting)];
        for run in &runs {
            let run = bob.sees_run(run).await.unwrap();
            assert_eq!((run.state(), &run.principal, &run.repository), (RunState::Queued, &bob.user, &repository));
        }
        world.restart_with_worker(true).await;
        let bob = world.person("bob");
        bob.awaits_agent(&free.name).await;
        let held = bob.sees_run(&runs[1]).await.unwrap();
        assert_eq!(held.state(), RunState::Queued, "it waits for its item");
        bob.does(&first).await.unwrap();
        bob.awaits_agent(&waiting.name).await;
    }

    /// One that cannot be made keeps all others from being made; faults say which it is.
    async fn one_fault_leaves_nothing(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, dave] = world.people(["alice", "bob", "dave"]);
        let flow = one_stage(&alice).await;
        let other = one_stage(&alice).await;
        let known = WorkItem { external_id: "X-1".into(), ..item(&flow, "Known") };
        let known = bob.creates_item(known).await.unwrap();
        let theirs = dave.creates_item(item(&one_stage(&dave).await, "Theirs")).await.unwrap();
        let before = world.probe().dump_without_audit().await;
        let good = item(&flow, "Good");
        let with = |bad: WorkItem| batch(&flow, [good.clone(), bad]);
        let wrong = async |request, field: &str| {
            let status = bob.creates_batch(request).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
            assert_eq!(status.fields(), [field], "{status:?}");
            status.reason()
        };
        wrong(with(item(&flow, "")), "requests[1].work_item.title").await;
        wrong(with(WorkItem { priority: 9, ..good.clone() }), "requests[1].work_item.priority").await;
        wrong(with(item(&other, "Elsewhere")), "requests[1].work_item.workflow").await;
        let reserved = WorkItem { data: Some(data(json!({ "agent_event": 1 }))), ..good.clone() };
        let reason = wrong(with(reserved), "requests[1].work_item.data.agent_event").await;
        assert_eq!(reason, "RESERVED_KEY");
        let named = WorkItem { external_id: "X-2".into(), ..good.clone() };
        let twice = batch(&flow, [named.clone(), good.clone(), named.clone()]);
        wrong(twice, "requests[2].work_item.external_id").await;
        let mut inner = batch(&flow, [good.clone()]);
        inner.requests[0].request_id = World::unused("x/x").replace("x/", "");
        wrong(inner, "requests[0].request_id").await;
        wrong(batch(&flow, []), "requests").await;
        wrong(batch(&flow, many(&flow, 201)), "requests").await;
        let misspelt = WorkItem { blocked_by: vec!["x".into()], ..good.clone() };
        wrong(with(misspelt), "requests[1].work_item.blocked_by[0]").await;

        let taken = WorkItem { external_id: "X-1".into(), ..good.clone() };
        let status = bob.creates_batch(with(taken)).await;
        let status = refused(status, Code::FailedPrecondition, "EXTERNAL_ID_TAKEN");
        assert!(status.message().starts_with("requests[1]") && status.message().contains(&known.name), "{status:?}");
        for unknown in [theirs.name.clone(), World::unused(&theirs.name)] {
            let waiting = WorkItem { blocked_by: vec![known.name.clone(), unknown], ..good.clone() };
            refused(bob.creates_batch(with(waiting)).await, Code::NotFound, "WORK_ITEM_NOT_FOUND");
        }
        let about = WorkItem { repository: World::unused("repositories/x"), ..good.clone() };
        refused(bob.creates_batch(with(about)).await, Code::NotFound, "REPOSITORY_NOT_FOUND");
        refused(dave.creates_batch(with(good.clone())).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
        assert_eq!(world.probe().dump_without_audit().await, before);
        bob.creates_batch(batch(&flow, [good.clone(), named])).await.unwrap();
    }

    /// What keeps one item out keeps many out.
    async fn a_workflow_takes_many_as_it_takes_one(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, gus] = world.people(["alice", "bob", "gus"]);
        let flow = one_stage(&alice).await;
        let asks = async |person: &Person| person.creates_items(&flow, many(&flow, 2)).await;
        refused(asks(&gus).await, Code::PermissionDenied, "PERMISSION_DENIED");
        alice.pauses(&flow, "").await.unwrap();
        refused(asks(&bob).await, Code::FailedPrecondition, "WORKFLOW_PAUSED");
        let resumed = alice.resumes(&flow, "").await.unwrap();
        let closed = Workflow { allow_manual_creation: Some(false), ..resumed };
        alice.updates_workflow(closed, &["allow_manual_creation"]).await.unwrap();
        refused(asks(&bob).await, Code::FailedPrecondition, "MANUAL_CREATION_OFF");
        alice.deletes_workflow(&flow).await.unwrap();
        refused(asks(&bob).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
    }

    /// A repeated call has the first answer, also when the workflow is gone by then; of many at
    /// once, numbers are given once.
    async fn a_batch_is_made_once(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = one_stage(&alice).await;
        let request_id = World::unused("requests/x").replace("requests/", "");
        let request = BatchCreateWorkItemsRequest { request_id, ..batch(&flow, many(&flow, 3)) };
        let made = bob.creates_batch(request.clone()).await.unwrap();
        assert_eq!(bob.creates_batch(request.clone()).await.unwrap(), made);
        let other = BatchCreateWorkItemsRequest { requests: request.requests[1..].to_vec(), ..request.clone() };
        refused(bob.creates_batch(other).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
        let calls = (0..8).map(|_| bob.creates_items(&flow, many(&flow, 20)));
        let made_at_once: Result<Vec<_>, Status> = futures::future::join_all(calls).await.into_iter().collect();
        let mut numbers = Vec::new();
        for batch in made_at_once.unwrap() {
            let mut of_batch = batch.iter().map(|item| item.reference[3..].parse::<usize>().unwrap());
            let first = of_batch.next().unwrap();
            assert!(of_batch.eq(first + 1..first + 20), "they follow each other");
            numbers.extend(first..first + 20);
        }
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(4..164));
        alice.deletes_workflow(&flow).await.unwrap();
        assert_eq!(bob.creates_batch(request).await.unwrap(), made);
    }
}
