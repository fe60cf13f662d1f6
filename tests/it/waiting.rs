//! What an item waits for: others, and a place at its stage.

use api::agent::RunState;
use api::workflow::{
    Assignment, AssignmentType, ExplainWorkItemRequest, Stage, WorkItem, WorkItemState,
};
use futures::future::join_all;
use testkit::world::shapes::{assist, human, item, item_on, workflow};
use testkit::world::{Person, Refused as _, Repo, World, refused};
use tonic::Code;

fn wrong<T: std::fmt::Debug>(answer: Result<T, tonic::Status>, reason: &str) {
    refused(answer, Code::FailedPrecondition, reason);
}

async fn flow(lead: &Person, stages: impl IntoIterator<Item = Stage>) -> String {
    lead.creates_workflow(workflow("Work", &lead.team, stages)).await.unwrap().name
}

async fn items<const N: usize>(person: &Person, flow: &str) -> [WorkItem; N] {
    let mut made = Vec::new();
    for at in 0..N {
        made.push(person.creates_item(item(flow, &format!("Number {at}"))).await.unwrap());
    }
    made.try_into().expect("as many as asked for")
}

/// Lets `item`, as it is now, wait for others.
async fn waits(who: &Person, item: &WorkItem, on: &[&WorkItem]) -> Result<WorkItem, tonic::Status> {
    let now = who.sees_item(&item.name).await?;
    let blocked_by = on.iter().map(|other| other.name.clone()).collect();
    who.updates(WorkItem { blocked_by, ..now }, &["blocked_by"]).await
}

testkit::on_both! {
    /// An item cannot be claimed, or given to anybody, before what it waits for is over.
    async fn an_item_waits_for_others(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = flow(&alice, [human("do")]).await;
        let [first, second, last] = items(&bob, &flow).await;
        let last = waits(&bob, &last, &[&first, &second, &first]).await.unwrap();
        assert_eq!(last.blocked_by.len(), 2);
        let status = bob.claims(&last).await.unwrap_err();
        assert_eq!(status.reason(), "DEPENDENCY_OPEN");
        assert!(status.message().contains(&first.name), "{status:?}");
        wrong(alice.assigns_item(&last, &bob).await, "DEPENDENCY_OPEN");
        bob.does(&first).await.unwrap();
        wrong(bob.claims(&last).await, "DEPENDENCY_OPEN");
        bob.cancels(&second).await.unwrap();
        bob.claims(&last).await.expect("nothing is open any more");
        alice.reopens(&first).await.expect("what was begun goes on");
        bob.completes(&last).await.unwrap();

        let asked = WorkItem { blocked_by: vec![first.name.clone()], ..item(&flow, "New") };
        let made = bob.creates_item(asked).await.unwrap();
        wrong(bob.claims(&made).await, "DEPENDENCY_OPEN");
        waits(&bob, &made, &[]).await.unwrap();
        bob.claims(&made).await.expect("it waits for nothing now");
    }

    /// No item waits for itself, directly or through others.
    async fn circles_are_refused(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = flow(&alice, [human("do")]).await;
        let [a, b, c, d] = items(&bob, &flow).await;
        wrong(waits(&bob, &a, &[&a]).await, "DEPENDENCY_CYCLE");
        waits(&bob, &a, &[&b, &d]).await.unwrap();
        waits(&bob, &b, &[&c]).await.unwrap();
        wrong(waits(&bob, &c, &[&d, &a]).await, "DEPENDENCY_CYCLE");
        assert!(bob.sees_item(&c.name).await.unwrap().blocked_by.is_empty());
        waits(&bob, &c, &[&d]).await.expect("two ways to one item are no circle");
        waits(&bob, &b, &[]).await.unwrap();
        waits(&bob, &c, &[&a]).await.expect("the way back is gone");
        let many = vec![&a; 201];
        assert_eq!(waits(&bob, &d, &many).await.unwrap_err().fields(), ["work_item.blocked_by"]);
    }

    /// Of two who let two items wait for each other at once, one is refused.
    async fn circles_are_refused_also_at_once(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = flow(&alice, [human("do")]).await;
        for _ in 0..10 {
            let [a, b] = items(&bob, &flow).await;
            let (ab, ba) = ([&b], [&a]);
            let (one, other) = tokio::join!(waits(&alice, &a, &ab), waits(&bob, &b, &ba));
            assert_ne!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
            let reason = one.and(other).unwrap_err().reason();
            assert!(["DEPENDENCY_CYCLE", "CONCURRENT_CHANGE"].contains(&reason.as_str()), "{reason}");
        }
    }

    /// The agent begins when what its item waits for is over.
    async fn the_agent_waits_too(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let people = flow(&alice, [human("do")]).await;
        let [first, second] = items(&bob, &people).await;
        let advising = flow(&alice, [human("do"), assist("think")]).await;
        let blocked_by = vec![first.name.clone(), second.name.clone()];
        let held = bob.creates_item(item(&advising, "Carts")).await.unwrap();
        let held = bob.claims(&held).await.unwrap();
        let held = bob.updates(WorkItem { blocked_by, ..held }, &["blocked_by"]).await.unwrap();
        let waiting = bob.completes(&held).await.unwrap();
        let run = waiting.live_run.clone();
        assert!(!run.is_empty());
        let others_are_served = async || {
            let other = bob.creates_item(item(&advising, "Other")).await.unwrap();
            let other = bob.does(&other).await.unwrap();
            bob.awaits_agent(&other.name).await;
        };
        others_are_served().await;
        assert_eq!(bob.sees_run(&run).await.unwrap().state(), RunState::Queued);
        bob.does(&first).await.unwrap();
        others_are_served().await;
        assert_eq!(bob.sees_run(&run).await.unwrap().state(), RunState::Queued);
        bob.does(&second).await.unwrap();
        let known = bob.awaits_agent(&waiting.name).await;
        // There is no repository to advise on, which is what the agent says once it may begin.
        assert!(!known.recommendation_error.is_empty(), "{known:?}");
        assert_eq!(bob.sees_run(&run).await.unwrap().state(), RunState::Failed);
    }

    /// A stage takes so many items in hand, of everybody and of each; what is given back, or
    /// done, makes room.
    async fn a_stage_has_room_for_so_many(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia] = world.people(["alice", "bob", "mia"]);
        let stage = Stage { wip_limit: 3, wip_limit_per_person: 2, ..human("do") };
        let flow = flow(&alice, [stage]).await;
        let [a, b, c, d] = items(&bob, &flow).await;
        let first = bob.claims(&a).await.unwrap();
        bob.claims(&b).await.unwrap();
        wrong(bob.claims(&c).await, "WIP_LIMIT_REACHED");
        wrong(alice.assigns_item(&c, &bob).await, "WIP_LIMIT_REACHED");
        mia.claims(&c).await.unwrap();
        wrong(mia.claims(&d).await, "WIP_LIMIT_REACHED");
        alice.assigns_item(&first, &mia).await.expect("it had its place already");
        wrong(mia.claims(&d).await, "WIP_LIMIT_REACHED");
        let waiting = mia.blocks(&first, "parts").await.unwrap();
        wrong(bob.claims(&d).await, "WIP_LIMIT_REACHED");
        mia.cancels(&waiting).await.expect("its assignee may");
        bob.claims(&d).await.expect("there is room again");
        for (limit, each) in [(-1, 0), (0, -1), (10_001, 0), (0, i32::MIN)] {
            let stage = Stage { wip_limit: limit, wip_limit_per_person: each, ..human("do") };
            let status = alice.creates_workflow(workflow("W", &alice.team, [stage])).await.unwrap_err();
            assert!(status.fields()[0].starts_with("workflow.stages[0].wip_limit"), "{status:?}");
        }
    }

    /// However many claim at once, no stage holds more than it has room for.
    async fn room_is_counted_once(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia, carol] = world.people(["alice", "bob", "mia", "carol"]);
        let stage = Stage { wip_limit: 5, wip_limit_per_person: 2, ..human("do") };
        let flow = flow(&alice, [stage]).await;
        let made: [WorkItem; 12] = items(&bob, &flow).await;
        let people = [&alice, &bob, &mia, &carol];
        let all = made.iter().flat_map(|item| people.map(|person| person.claims(item)));
        let won = join_all(all).await.into_iter().filter_map(Result::ok).count();
        assert_eq!(won, 5);
        let now = alice.lists_items(&flow).await.unwrap();
        for person in people {
            let own = now.iter().filter(|item| item.assignee == person.user).count();
            assert!(own <= 2, "{} has {own}", person.name);
        }
        let held = now.iter().filter(|item| item.state() == WorkItemState::Claimed).count();
        assert_eq!(held, 5);
    }

    /// Whoever looks at an item is told why it is where it is, in codes that stay.
    async fn an_item_is_explained(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, gus] = world.people(["alice", "bob", "gus"]);
        let stage = Stage { wip_limit: 1, ..human("do") };
        let flow = flow(&alice, [stage, assist("think")]).await;
        let [first, second] = items(&bob, &flow).await;
        let says = async |who: &Person, item: &WorkItem| {
            let request = ExplainWorkItemRequest { name: item.name.clone() };
            let known = who.items().explain_work_item(request).await.unwrap().into_inner();
            let codes: Vec<_> = known.because.iter().map(|because| because.code.clone()).collect();
            (codes.join(" "), known.may_claim)
        };
        let told = |codes: &str, may_claim: bool| (codes.to_owned(), may_claim);
        assert_eq!(says(&bob, &first).await, told("UNCLAIMED", true));
        assert_eq!(says(&gus, &first).await, told("UNCLAIMED", false));
        let held = bob.claims(&first).await.unwrap();
        assert_eq!(says(&gus, &held).await, told("CLAIMED", false));
        assert_eq!(says(&bob, &second).await, told("WIP_LIMIT_REACHED UNCLAIMED", false));
        let held = bob.starts(&held).await.unwrap();
        assert_eq!(says(&bob, &held).await, told("IN_PROGRESS", false));
        let past = prost_types::Timestamp { seconds: 1, nanos: 0 };
        let held = bob.updates(WorkItem { due_time: Some(past), ..held }, &["due_time"]).await.unwrap();
        let held = bob.blocks(&held, "parts").await.unwrap();
        assert_eq!(says(&bob, &held).await, told("BLOCKED OVERDUE", false));
        let second = waits(&bob, &second, &[&first]).await.unwrap();
        assert_eq!(says(&bob, &second).await.0, "WIP_LIMIT_REACHED DEPENDENCY_OPEN UNCLAIMED");
        let held = bob.unblocks(&held).await.unwrap();
        let moved = bob.completes(&held).await.unwrap();
        let known = bob.awaits_agent(&moved.name).await;
        // Without a repository.
        assert_eq!(says(&bob, &known).await, told("RUN_FAILED OVERDUE", true));
        let over = bob.completes(&known).await.unwrap();
        assert_eq!(says(&gus, &over).await, told("WORK_ITEM_CLOSED", false));
        assert_eq!(says(&bob, &second).await, told("UNCLAIMED", true));
    }

    /// Also whom an item waits for is said.
    async fn whom_an_item_waits_for_is_said(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let repo = Repo::shop(&world.root_of("core").join("shop"));
        let repository = alice.registers(&repo.dir).await.unwrap().name;
        let role = Assignment { r#type: AssignmentType::Role.into(), role: "lead".into(), ..Default::default() };
        let user = Assignment { r#type: AssignmentType::User.into(), user: bob.user.clone(), ..Default::default() };
        let stages = [
            Stage { assignment: Some(role), ..human("lead") },
            Stage { assignment: Some(user), ..human("bob") },
            assist("think"),
        ];
        let flow = flow(&alice, stages).await;
        let made = alice.creates_item(item_on(&flow, "Carts", "", &repository)).await.unwrap();
        let says = async |who: &Person| {
            let request = ExplainWorkItemRequest { name: made.name.clone() };
            let known = who.items().explain_work_item(request).await.unwrap().into_inner();
            (known.because[0].code.clone(), known.may_claim)
        };
        assert_eq!(says(&bob).await, ("AWAITS_ROLE".to_owned(), false));
        assert_eq!(says(&alice).await, ("AWAITS_ROLE".to_owned(), true));
        let next = alice.does(&made).await.unwrap();
        assert_eq!(says(&alice).await, ("AWAITS_USER".to_owned(), false));
        assert_eq!(says(&bob).await, ("AWAITS_USER".to_owned(), true));
        bob.does(&next).await.unwrap();
        alice.awaits_agent(&made.name).await;
        assert_eq!(says(&bob).await, ("AWAITS_REVIEW".to_owned(), true));
    }
}
