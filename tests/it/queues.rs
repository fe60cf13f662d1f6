//! What is to be done next: a workflow's queue, one's own work, and what is overdue.

use api::workflow::{
    Assignment, AssignmentType, ListMyWorkRequest, ListOverdueRequest, ListQueueRequest, Priority,
    Stage, WorkItem,
};
use prost_types::Timestamp;
use testkit::world::shapes::{human, item, workflow};
use testkit::world::{Person, World, refused};
use tonic::{Code, Response};

fn of(flow: &str, title: &str, priority: Priority) -> WorkItem {
    WorkItem { priority: priority.into(), ..item(flow, title) }
}

fn due(item: WorkItem, seconds: i64) -> WorkItem {
    WorkItem { due_time: Some(Timestamp { seconds, nanos: 0 }), ..item }
}

fn titles(items: &[WorkItem]) -> Vec<&str> {
    items.iter().map(|item| item.title.as_str()).collect()
}

/// A whole list, in pages of two.
macro_rules! pages {
    ($person:ident.$method:ident($request:ident { $($field:ident),* })) => {{
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = $request {
                $($field: $field.clone(),)*
                page_size: 2,
                page_token,
                ..Default::default()
            };
            let page = $person.items().$method(request).await.map(Response::into_inner).unwrap();
            assert!(page.work_items.len() <= 2);
            found.extend(page.work_items);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break found;
            }
        }
    }};
}

async fn queue(person: &Person, flow: &str, stage_id: &str) -> Vec<WorkItem> {
    let (parent, stage_id) = (flow.to_owned(), stage_id.to_owned());
    pages!(person.list_queue(ListQueueRequest { parent, stage_id }))
}

testkit::on_both! {
    /// A queue has what its reader may claim: higher priorities first, then oldest first.
    async fn a_queue_has_what_one_may_claim(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia, gus, dave] = world.people(["alice", "bob", "mia", "gus", "dave"]);
        let role = Assignment { r#type: AssignmentType::Role.into(), role: "developer".into(), ..Default::default() };
        let person = Assignment { r#type: AssignmentType::User.into(), user: mia.user.clone(), ..Default::default() };
        let stages = [
            human("triage"),
            Stage { assignment: Some(role), ..human("code") },
            Stage { assignment: Some(person), ..human("check") },
        ];
        let flow = alice.creates_workflow(workflow("Work", &alice.team, stages)).await.unwrap().name;
        let new = async |title: &str, priority| alice.creates_item(of(&flow, title, priority)).await.unwrap();
        new("old", Priority::Normal).await;
        new("low", Priority::Low).await;
        let coded = new("code", Priority::High).await;
        let checked = new("check", Priority::Normal).await;
        new("urgent", Priority::Urgent).await;
        let claimed = new("claimed", Priority::Urgent).await;
        new("new", Priority::Normal).await;
        alice.does(&coded).await.unwrap();
        bob.does(&alice.does(&checked).await.unwrap()).await.unwrap();
        alice.claims(&claimed).await.unwrap();

        assert_eq!(titles(&queue(&bob, &flow, "").await), ["urgent", "code", "old", "new", "low"]);
        assert_eq!(titles(&queue(&mia, &flow, "").await), ["urgent", "old", "check", "new", "low"]);
        assert_eq!(titles(&queue(&alice, &flow, "").await), ["urgent", "old", "new", "low"]);
        assert_eq!(titles(&queue(&bob, &flow, "code").await), ["code"]);
        assert!(queue(&mia, &flow, "code").await.is_empty() && queue(&bob, &flow, "?").await.is_empty());
        assert!(queue(&gus, &flow, "").await.is_empty(), "who may claim nothing has no queue");
        let request = ListQueueRequest { parent: flow.clone(), ..Default::default() };
        refused(dave.items().list_queue(request).await, Code::NotFound, "WORKFLOW_NOT_FOUND");

        for waiting in queue(&bob, &flow, "").await {
            bob.claims(&waiting).await.unwrap();
        }
        assert!(queue(&bob, &flow, "").await.is_empty());
    }

    /// What waits for another item is not to be taken up before that one is over.
    async fn what_waits_for_another_is_not_in_the_queue(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let flow = bob.creates_workflow(workflow("Own", "", [human("do")])).await.unwrap().name;
        let first = bob.creates_item(item(&flow, "first")).await.unwrap();
        let waits = WorkItem { blocked_by: vec![first.name.clone()], ..of(&flow, "second", Priority::Urgent) };
        bob.creates_item(waits).await.unwrap();
        assert_eq!(titles(&queue(&bob, &flow, "").await), ["first"]);
        bob.cancels(&first).await.unwrap();
        assert_eq!(titles(&queue(&bob, &flow, "").await), ["second"]);
    }

    /// One's own work is what one has taken up and not finished, of all one's workflows.
    async fn ones_own_work_is_what_one_holds(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let team = alice.creates_workflow(workflow("Work", &alice.team, [human("do")])).await.unwrap().name;
        let own = bob.creates_workflow(workflow("Own", "", [human("do")])).await.unwrap().name;
        let take = async |item: WorkItem| {
            let made = bob.creates_item(item).await.unwrap();
            bob.claims(&made).await.unwrap()
        };
        take(of(&team, "whenever", Priority::Normal)).await;
        take(due(of(&own, "later", Priority::Normal), 2_000_000_000)).await;
        let blocked = take(of(&own, "blocked", Priority::Urgent)).await;
        bob.blocks(&blocked, "waits").await.unwrap();
        let begun = take(due(of(&team, "sooner", Priority::Normal), 1_000_000_000)).await;
        bob.starts(&begun).await.unwrap();
        let done = take(of(&team, "done", Priority::Urgent)).await;
        bob.completes(&done).await.unwrap();
        bob.creates_item(of(&team, "nobody's", Priority::Urgent)).await.unwrap();
        let others = alice.creates_item(of(&team, "hers", Priority::Urgent)).await.unwrap();
        alice.claims(&others).await.unwrap();

        let mine = pages!(bob.list_my_work(ListMyWorkRequest {}));
        assert_eq!(titles(&mine), ["blocked", "sooner", "later", "whenever"]);
        let hers = pages!(alice.list_my_work(ListMyWorkRequest {}));
        assert_eq!(titles(&hers), ["hers"]);
    }

    /// What is open past its time is overdue, most overdue first, whoever has it.
    async fn what_is_open_past_its_time_is_overdue(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, gus, dave] = world.people(["alice", "bob", "gus", "dave"]);
        let flow = alice.creates_workflow(workflow("Work", &alice.team, [human("do")])).await.unwrap().name;
        for (title, time) in [("second", 2_000), ("first", 1_000), ("third", 3_000), ("not yet", 4_000_000_000)] {
            bob.creates_item(due(item(&flow, title), time)).await.unwrap();
        }
        bob.creates_item(item(&flow, "never")).await.unwrap();
        let done = bob.creates_item(due(item(&flow, "done"), 500)).await.unwrap();
        bob.does(&done).await.unwrap();
        let own = bob.creates_workflow(workflow("Own", "", [human("do")])).await.unwrap().name;
        bob.creates_item(due(item(&own, "own"), 1_500)).await.unwrap();

        let seen = pages!(gus.list_overdue(ListOverdueRequest {}));
        assert_eq!(titles(&seen), ["first", "second", "third"]);
        let his = pages!(bob.list_overdue(ListOverdueRequest {}));
        assert_eq!(titles(&his), ["first", "own", "second", "third"]);
        assert!(pages!(dave.list_overdue(ListOverdueRequest {})).is_empty());
    }
}
