//! The verbs of an item: what each leads to, who may, and what is refused.

use api::permissions::LeaveTeamRequest;
use api::workflow::{Transition, WorkItem, WorkItemState, WorkItemVerb, Workflow};
use testkit::world::shapes::{assist, data, human, item, workflow};
use testkit::world::{Person, Refused as _, World, refused};
use tonic::Code;

async fn scene(world: &World) -> (Person, Person, Person, WorkItem) {
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]);
    let flow = workflow("Bug fixes", &alice.team, [human("do"), human("check")]);
    let flow = alice.creates_workflow(flow).await.unwrap();
    let made = alice.creates_item(item(&flow.name, "Carts forget")).await.unwrap();
    (alice, bob, carol, made)
}

async fn history(person: &Person, item: &WorkItem) -> Vec<Transition> {
    person.sees_history(&item.name).await.unwrap()
}

fn wrong<T: std::fmt::Debug>(answer: Result<T, tonic::Status>, reason: &str) {
    refused(answer, Code::FailedPrecondition, reason);
}

testkit::on_both! {
    /// Who gives an item back leaves it to anybody.
    async fn release_gives_an_item_back(db: TestDb) {
        let world = World::start(db).await;
        let (alice, bob, _, made) = scene(&world).await;
        wrong(bob.releases(&made).await, "ILLEGAL_TRANSITION");
        let held = bob.claims(&made).await.unwrap();
        let mia = world.person("mia");
        wrong(mia.releases(&held).await, "NOT_ASSIGNEE");
        let free = bob.releases(&held).await.unwrap();
        assert_eq!((free.state(), free.assignee.as_str()), (WorkItemState::Pending, ""));
        assert_eq!(free.claim_time, None);
        let held = bob.claims(&free).await.unwrap();
        let held = bob.starts(&held).await.unwrap();
        let free = alice.releases(&held).await.expect("a lead takes it back");
        assert_eq!(free.state(), WorkItemState::Pending);
        let verbs: Vec<_> = history(&bob, &free).await.iter().map(|step| step.verb().as_str_name()).collect();
        let expected = ["CREATE", "CLAIM", "RELEASE", "CLAIM", "START", "RELEASE"];
        let expected = expected.map(|verb| format!("WORK_ITEM_VERB_{verb}"));
        assert_eq!(verbs, expected);
    }

    /// Who is made responsible must be known, and able to work on the item.
    async fn assignment_is_for_those_who_can_work_on_it(db: TestDb) {
        let world = World::start(db).await;
        let (alice, bob, _, made) = scene(&world).await;
        let [gus, dave] = world.people(["gus", "dave"]);
        refused(bob.assigns_item(&made, &bob).await, Code::PermissionDenied, "PERMISSION_DENIED");
        refused(alice.assigns_item(&made, &dave).await, Code::NotFound, "USER_NOT_FOUND");
        wrong(alice.assigns_item(&made, &gus).await, "ASSIGNEE_NOT_ALLOWED");
        let held = alice.assigns_item(&made, &bob).await.unwrap();
        assert_eq!((held.state(), &held.assignee), (WorkItemState::Claimed, &bob.user));
        let begun = bob.starts(&held).await.unwrap();
        let held = alice.assigns_item(&begun, &alice).await.unwrap();
        assert_eq!((held.state(), &held.assignee), (WorkItemState::Claimed, &alice.user));
        let last = history(&alice, &held).await.pop().unwrap();
        assert_eq!((last.verb(), &last.actor), (WorkItemVerb::Assign, &alice.user));
    }

    /// An item goes back only to where it was, and starts anew there.
    async fn return_leads_to_where_it_was(db: TestDb) {
        let world = World::start(db).await;
        let (alice, bob, _, made) = scene(&world).await;
        let held = bob.claims(&made).await.unwrap();
        for nowhere in ["check", "do", "unknown", ""] {
            wrong(bob.returns(&held, nowhere).await, "STAGE_NOT_VISITED");
        }
        let moved = bob.completes(&held).await.unwrap();
        wrong(bob.returns(&moved, "do").await, "ILLEGAL_TRANSITION");
        let held = alice.claims(&moved).await.unwrap();
        wrong(bob.returns(&held, "do").await, "NOT_ASSIGNEE");
        let back = alice.returns(&held, "do").await.unwrap();
        assert_eq!((back.state(), back.stage_id.as_str()), (WorkItemState::Pending, "do"));
        let last = history(&bob, &back).await.pop().unwrap();
        assert_eq!(last.verb(), WorkItemVerb::Return);
        assert_eq!((last.from_stage_id.as_str(), last.to_stage_id.as_str()), ("check", "do"));
        let figures = bob.sees_analytics(&back.workflow).await.unwrap();
        let of = |id: &str| figures.stages.iter().find(|stage| stage.stage_id == id).unwrap();
        assert_eq!((of("do").entered, of("do").completed, of("do").in_stage_now), (2, 1, 1));
        assert_eq!((of("check").left_otherwise, of("check").completed), (1, 0));
    }

    /// An agent stage that an item comes back to begins a run, and anybody may send it back.
    async fn return_to_an_agent_stage_orders_a_run(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = workflow("Advice", &alice.team, [assist("think"), human("do"), assist("check")]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let made = alice.creates_item(item(&flow.name, "Carts")).await.unwrap();
        let known = alice.awaits_agent(&made.name).await;
        let next = bob.completes(&known).await.unwrap();
        let held = bob.claims(&next).await.unwrap();
        let back = bob.returns(&held, "think").await.unwrap();
        assert!(!back.live_run.is_empty(), "{back:?}");
        wrong(bob.returns(&back, "do").await, "RUN_IN_PROGRESS");
        let known = alice.awaits_agent(&back.name).await;
        let again = bob.returns(&known, "do").await.expect("nobody has to claim it there");
        assert_eq!((again.stage_id.as_str(), again.live_run.as_str()), ("do", ""));
    }

    /// What waits keeps its assignee, and comes back as it was.
    async fn a_blocked_item_comes_back_as_it_was(db: TestDb) {
        let world = World::start(db).await;
        let (alice, bob, _, made) = scene(&world).await;
        wrong(bob.blocks(&made, "parts").await, "NOT_ASSIGNEE");
        let waiting = alice.blocks(&made, "parts").await.expect("a lead may");
        assert_eq!((waiting.state(), waiting.block_reason.as_str()), (WorkItemState::Blocked, "parts"));
        wrong(bob.claims(&waiting).await, "ILLEGAL_TRANSITION");
        wrong(alice.blocks(&waiting, "more").await, "ILLEGAL_TRANSITION");
        let free = alice.unblocks(&waiting).await.unwrap();
        assert_eq!((free.state(), free.block_reason.as_str()), (WorkItemState::Pending, ""));
        wrong(alice.unblocks(&free).await, "ILLEGAL_TRANSITION");

        let held = bob.claims(&free).await.unwrap();
        let begun = bob.starts(&held).await.unwrap();
        refused(bob.blocks(&begun, " ").await, Code::InvalidArgument, "INVALID_ARGUMENT");
        let waiting = bob.blocks(&begun, "parts").await.unwrap();
        assert_eq!(waiting.assignee, bob.user);
        for refused in [bob.completes(&waiting).await, bob.starts(&waiting).await, bob.releases(&waiting).await] {
            wrong(refused, "ILLEGAL_TRANSITION");
        }
        let again = bob.unblocks(&waiting).await.unwrap();
        assert_eq!((again.state(), &again.assignee), (WorkItemState::InProgress, &bob.user));
        assert_eq!(again.claim_time, begun.claim_time);
    }

    /// Who leaves while his item waits does not hold it when it goes on.
    async fn a_blocked_item_of_somebody_gone_is_anybodys(db: TestDb) {
        let world = World::start(db).await;
        let (alice, bob, _, made) = scene(&world).await;
        let held = bob.claims(&made).await.unwrap();
        let waiting = bob.blocks(&held, "parts").await.unwrap();
        let team = LeaveTeamRequest { team: bob.team.clone(), ..Default::default() };
        bob.directory().leave_team(team).await.unwrap();
        world.settles().await;
        let now = alice.sees_item(&waiting.name).await.unwrap();
        assert_eq!((now.state(), now.assignee.as_str()), (WorkItemState::Blocked, ""));
        let free = alice.unblocks(&now).await.unwrap();
        assert_eq!(free.state(), WorkItemState::Pending);
    }

    /// What is closed may be opened again, by those who manage, where it was last.
    async fn closed_items_are_opened_again(db: TestDb) {
        let world = World::start(db).await;
        let (alice, bob, _, made) = scene(&world).await;
        let ends = async |item: &WorkItem, how: usize| match how {
            0 => bob.fails(item).await,
            1 => bob.cancels(item).await,
            _ => {
                let moved = bob.completes(item).await.unwrap();
                bob.does(&moved).await
            }
        };
        wrong(alice.reopens(&made).await, "ILLEGAL_TRANSITION");
        let mut made = made;
        let expected = [WorkItemState::Failed, WorkItemState::Cancelled, WorkItemState::Completed];
        for (how, state) in expected.into_iter().enumerate() {
            let held = bob.claims(&made).await.unwrap();
            let over = ends(&held, how).await.unwrap();
            assert_eq!(over.state(), state);
            assert!(over.complete_time.is_some());
            wrong(bob.fails(&over).await, "WORK_ITEM_CLOSED");
            refused(bob.reopens(&over).await, Code::PermissionDenied, "PERMISSION_DENIED");
            let open = alice.reopens(&over).await.unwrap();
            assert_eq!((open.state(), &open.stage_id), (WorkItemState::Pending, &over.stage_id));
            assert_eq!((open.assignee.as_str(), open.complete_time), ("", None));
            let last = history(&bob, &over).await.pop().unwrap();
            assert_eq!((last.verb(), last.from_stage_id.as_str()), (WorkItemVerb::Reopen, ""));
            made = alice.sees_item(&over.name).await.unwrap();
        }
        let figures = bob.sees_analytics(&made.workflow).await.unwrap();
        assert_eq!((figures.total, figures.in_progress, figures.completed), (1, 1, 0));
    }

    /// Items are numbered in the order in which they are made, within their workflow.
    async fn items_have_numbers(db: TestDb) {
        let world = World::start(db).await;
        let (alice, bob, _, made) = scene(&world).await;
        assert_eq!(made.reference, "BF-1");
        let again = bob.creates_item(item(&made.workflow, "More")).await.unwrap();
        assert_eq!(again.reference, "BF-2");
        let flow = workflow("Bugs", &alice.team, [human("do")]);
        let asked = Workflow { item_key: "PAY2".into(), ..flow.clone() };
        let other = alice.creates_workflow(asked).await.unwrap();
        assert_eq!(other.item_key, "PAY2");
        let made = bob.creates_item(item(&other.name, "Pay")).await.unwrap();
        assert_eq!(made.reference, "PAY2-1");
        for bad in ["pay", "2PAY", "P-1", "ABCDEFGHIJK", "Ä"] {
            let asked = Workflow { item_key: bad.into(), ..flow.clone() };
            let status = alice.creates_workflow(asked).await.unwrap_err();
            assert_eq!(status.fields(), ["workflow.item_key"], "{bad}");
        }
        let (name, count) = (&other.name, 12);
        let all = (0..count).map(|_| bob.creates_item(item(name, "At once")));
        let all = futures::future::join_all(all).await;
        let mut numbers: Vec<_> = all.into_iter().map(|made| made.unwrap().reference).collect();
        numbers.sort_by_key(|reference| reference[5..].parse::<u32>().unwrap());
        let expected: Vec<_> = (2..=count + 1).map(|number| format!("PAY2-{number}")).collect();
        assert_eq!(numbers, expected);
    }

    /// Another system's name for an item is there once in a workflow.
    async fn external_ids_are_unique_in_their_workflow(db: TestDb) {
        let world = World::start(db).await;
        let (alice, bob, _, made) = scene(&world).await;
        let known = |flow: &str| WorkItem { external_id: "JIRA-7".into(), ..item(flow, "Known") };
        let first = bob.creates_item(known(&made.workflow)).await.unwrap();
        assert_eq!(first.external_id, "JIRA-7");
        let status = bob.creates_item(known(&made.workflow)).await.unwrap_err();
        assert_eq!(status.reason(), "EXTERNAL_ID_TAKEN");
        assert!(status.message().contains(&first.name), "{status:?}");
        let asked = WorkItem { external_id: "JIRA-7".into(), ..made.clone() };
        wrong(bob.updates(asked, &["external_id"]).await, "EXTERNAL_ID_TAKEN");
        let flow = alice.creates_workflow(workflow("Other", &alice.team, [human("do")])).await;
        bob.creates_item(known(&flow.unwrap().name)).await.expect("another workflow");
        let none = WorkItem { external_id: String::new(), ..first };
        bob.updates(none, &["external_id"]).await.unwrap();
        bob.creates_item(known(&made.workflow)).await.expect("it is free again");
    }

    /// Only what the mask names changes, at the etag that was read.
    async fn an_update_changes_what_it_names(db: TestDb) {
        let world = World::start(db).await;
        let (alice, bob, _, made) = scene(&world).await;
        let facts = data(serde_json::json!({"a": 1, "b": 2}));
        let asked = WorkItem { data: Some(facts), ..made.clone() };
        let changed = bob.updates(asked, &["data"]).await.unwrap();
        let due = prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 };
        let asked = WorkItem {
            title: "New".into(),
            description: "ignored".into(),
            tags: vec!["b".into(), "a".into(), "a".into()],
            due_time: Some(due),
            data: Some(data(serde_json::json!({"b": 3}))),
            etag: changed.etag.clone(),
            ..made.clone()
        };
        let paths = ["title", "tags", "due_time", "data"];
        let changed = bob.updates(asked.clone(), &paths).await.unwrap();
        assert_eq!((changed.title.as_str(), &changed.description), ("New", &made.description));
        assert_eq!((changed.tags.clone(), changed.due_time), (vec!["a".to_owned(), "b".into()], Some(due)));
        assert_eq!(changed.data, Some(data(serde_json::json!({"b": 3}))));
        assert_eq!((changed.state(), &changed.stage_id), (made.state(), &made.stage_id));
        refused(bob.updates(asked.clone(), &paths).await, Code::Aborted, "ETAG_MISMATCH");
        let none = WorkItem { etag: String::new(), ..asked.clone() };
        assert_eq!(bob.updates(none, &paths).await.unwrap_err().fields(), ["work_item.etag"]);
        let fresh = WorkItem { etag: changed.etag.clone(), ..asked };
        for path in ["state", "stage_id", "creator", "workflow", "", "reference", "data.b"] {
            let status = bob.updates(fresh.clone(), &[path]).await.unwrap_err();
            assert_eq!(status.fields(), ["update_mask"], "{path}");
        }
        let reserved = data(serde_json::json!({"agent_event": 1}));
        let reserved = WorkItem { data: Some(reserved), ..fresh.clone() };
        refused(bob.updates(reserved, &["data"]).await, Code::InvalidArgument, "RESERVED_KEY");
        let over = alice.cancels(&changed).await.unwrap();
        wrong(bob.updates(WorkItem { etag: over.etag, ..fresh }, &["title"]).await, "WORK_ITEM_CLOSED");
    }
}
