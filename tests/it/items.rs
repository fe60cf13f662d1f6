//! What may be done to an item, by whom, and what each refusal is called.

use std::sync::Arc;

use api::agent::RunState;
use api::workflow::{
    Assignment, AssignmentType, ReviewRecommendationRequest, Stage, StageRoute, Verdict, WorkItem,
    WorkItemState, WorkItemVerb,
};
use serde_json::json;
use testkit::model_server::{Reply, ScriptedModel};
use testkit::world::shapes::{self, assist, data, human, item, item_on, on, to, workflow};
use testkit::world::{Person, Refused as _, Setup, World, refused};
use tokio::sync::Notify;
use tonic::Code;

const STATE: Code = Code::FailedPrecondition;

/// An item at the first of two human stages of team *core*.
pub(crate) async fn simple_item(world: &World) -> WorkItem {
    let [alice, bob] = world.people(["alice", "bob"]);
    let flow = workflow("Work", &alice.team, [human("one"), human("two")]);
    let flow = alice.creates_workflow(flow).await.unwrap();
    bob.creates_item(item(&flow.name, "Something")).await.unwrap()
}

testkit::on_both! {
    /// An agent stage that comes first runs the agent at once, under the creator's name.
    async fn an_agent_stage_that_comes_first_runs(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (_, repository) = world.shop().await;
        let flow = workflow("Work", &alice.team, [assist("think"), human("do")]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let new = item_on(&flow.name, "Cart", "The cart is wrong", &repository);
        let made = bob.creates_item(new).await.unwrap();
        assert!(made.live_run.starts_with("runs/"), "{made:#?}");

        let made = bob.awaits_agent(&made.name).await;

        let advice = made.recommendation.expect("a recommendation");
        let run = alice.sees_run(&advice.run).await.unwrap();
        assert_eq!((run.state(), run.principal), (RunState::Succeeded, bob.user));
        assert_eq!(made.live_run, "");
    }

    /// An item that a trigger made at an agent stage runs the agent, on behalf of whoever
    /// caused the event.
    async fn an_item_made_by_a_trigger_runs_the_agent(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (repo, repository) = world.shop().await;
        let flow = workflow("Docs", &alice.team, [assist("think"), human("do")]);
        let flow = alice.creates_workflow(on(flow, &["agent.apply.success"])).await.unwrap();
        let diff = repo.diff_adding("src/cart.rs", "// More.");
        bob.applies_diff(&repository, &diff).await.unwrap();
        world.settles().await;

        let items = alice.lists_items(&flow.name).await.unwrap();
        assert_eq!(items.len(), 1);
        let made = alice.awaits_agent(&items[0].name).await;
        let advice = made.recommendation.expect("a recommendation");
        let run = alice.sees_run(&advice.run).await.unwrap();
        assert_eq!(run.principal, bob.user);
        assert_eq!(run.repository, repository);
    }

    /// A plan that completes may start a workflow whose plan would start it again: the chain
    /// ends by its depth.
    async fn a_loop_of_triggers_ends(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (_, repository) = world.shop().await;
        let flow = workflow("Echo", &alice.team, [assist("think")]);
        let flow = alice.creates_workflow(on(flow, &["agent.plan.completed"])).await.unwrap();
        bob.creates_item(item_on(&flow.name, "Cart", "", &repository)).await.unwrap();
        world.settles().await;

        let items = alice.lists_items(&flow.name).await.unwrap();
        let firings = alice.sees_firings(&flow.name).await.unwrap();
        let refusals: Vec<_> = firings.iter().filter(|firing| firing.work_item.is_empty()).collect();
        assert_eq!(refusals.len(), 1, "{firings:#?}");
        assert_eq!(refusals[0].reason, "DEPTH_EXCEEDED");
        assert_eq!(items.len(), firings.len(), "one by bob, one for each firing but the last");
        assert!(items.len() <= 10, "{} items", items.len());
    }

    /// An item that is cancelled while the agent works keeps nothing of what the agent
    /// brings later.
    async fn an_item_cancelled_during_its_run_keeps_no_result(db: TestDb) {
        let release = Arc::new(Notify::new());
        let answer = json!({ "summary": "late", "steps": [], "risks": [] });
        let model = ScriptedModel::start([Reply::json(&answer).held_by(release.clone())]).await;
        let endpoint = (model.base_url(), "small".to_owned(), "k".to_owned());
        let setup = Setup { model: Some(endpoint), ..Setup::default() };
        let world = World::with(db, setup).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (_, repository) = world.shop().await;
        let flow = workflow("Work", &alice.team, [assist("think"), human("do")]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let made = bob.creates_item(item_on(&flow.name, "Cart", "", &repository)).await.unwrap();
        model.wait_for(1).await;
        refused(bob.completes(&made).await, STATE, "RUN_IN_PROGRESS");
        refused(bob.reruns_agent(&made).await, STATE, "RUN_IN_PROGRESS");

        let cancelled = bob.cancels(&made).await.unwrap();
        assert_eq!(cancelled.state(), WorkItemState::Cancelled);
        release.notify_one();
        world.settles().await;

        let run = bob.awaits_end(&made.live_run).await;
        assert_eq!(run.state(), RunState::Cancelled);
        let seen = bob.sees_item(&made.name).await.unwrap();
        assert_eq!(seen, cancelled);
        assert!(seen.recommendation.is_none() && seen.recommendation_error.is_empty());
        assert_eq!(world.probe().count("select count(*) from plan").await, 0);
    }

    /// Of two who claim at once exactly one succeeds.
    async fn of_many_claims_at_once_one_succeeds(db: TestDb) {
        let world = World::start(db).await;
        let made = simple_item(&world).await;
        let claimants: Vec<Person> = ["alice", "bob", "carol", "mia"]
            .iter()
            .cycle()
            .take(12)
            .map(|name| world.person(name))
            .collect();
        let claims = claimants.iter().map(|person| person.claims(&made));
        let answers = futures::future::join_all(claims).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for answer in lost {
            let status = answer.unwrap_err();
            let known = [(STATE, "ALREADY_CLAIMED"), (Code::Aborted, "CONCURRENT_CHANGE")];
            assert!(known.contains(&(status.code(), status.reason().as_str())), "{status:?}");
        }
        let history = world.person("bob").sees_history(&made.name).await.unwrap();
        let verbs: Vec<_> = history.iter().map(api::workflow::Transition::verb).collect();
        assert_eq!(verbs, [WorkItemVerb::Create, WorkItemVerb::Claim]);
    }

    /// Each thing that cannot be done says why, by its code and reason, and changes nothing.
    async fn what_cannot_be_done_is_named(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia] = world.people(["alice", "bob", "mia"]);
        let made = simple_item(&world).await;
        refused(bob.completes(&made).await, STATE, "ILLEGAL_TRANSITION");
        refused(bob.starts(&made).await, STATE, "ILLEGAL_TRANSITION");
        refused(bob.reruns_agent(&made).await, STATE, "ILLEGAL_TRANSITION");
        let claimed = bob.claims(&made).await.unwrap();
        assert_eq!((claimed.state(), &claimed.assignee), (WorkItemState::Claimed, &bob.user));

        refused(bob.claims(&made).await, STATE, "ALREADY_CLAIMED");
        refused(mia.claims(&made).await, STATE, "ALREADY_CLAIMED");
        refused(mia.completes(&made).await, STATE, "NOT_ASSIGNEE");
        refused(mia.starts(&made).await, STATE, "NOT_ASSIGNEE");
        refused(mia.cancels(&made).await, STATE, "NOT_ASSIGNEE");
        assert_eq!(bob.sees_item(&made.name).await.unwrap(), claimed);

        let started = bob.starts(&made).await.unwrap();
        assert_eq!(started.state(), WorkItemState::InProgress);
        let next = bob.completes(&made).await.unwrap();
        assert_eq!((next.stage_id.as_str(), next.state()), ("two", WorkItemState::Pending));
        assert_eq!(next.assignee, "");
        refused(bob.completes(&made).await, STATE, "STAGE_MISMATCH");

        let alice_claims = alice.claims(&next).await.unwrap();
        let closed = alice.completes(&alice_claims).await.unwrap();
        assert_eq!(closed.state(), WorkItemState::Completed);
        for answer in [
            alice.completes(&alice_claims).await.map(drop),
            alice.claims(&closed).await.map(drop),
            alice.starts(&closed).await.map(drop),
            alice.cancels(&closed).await.map(drop),
            alice.reruns_agent(&closed).await.map(drop),
        ] {
            refused(answer, STATE, "WORK_ITEM_CLOSED");
        }
    }

    /// `workflows.manage` completes and cancels what others claimed.
    async fn a_manager_acts_for_an_assignee(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let made = simple_item(&world).await;
        bob.claims(&made).await.unwrap();
        let next = alice.completes(&made).await.unwrap();
        assert_eq!(next.stage_id, "two");
        bob.claims(&next).await.unwrap();
        assert_eq!(alice.cancels(&next).await.unwrap().state(), WorkItemState::Cancelled);
    }

    /// Data is merged by top-level keys, read by routes, and never holds the server's keys.
    async fn data_is_merged_and_routes_read_it(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let high = StageRoute { condition: "data.severity == \"high\"".into(), ..to("urgent") };
        let triage = Stage { routes: vec![high, to("later")], ..human("triage") };
        let urgent = Stage { routes: vec![to("")], ..human("urgent") };
        let flow = workflow("Triage", &alice.team, [triage, urgent, human("later")]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let first = data(json!({ "severity": "low", "keep": { "a": 1 }, "drop": true }));
        let new = WorkItem { data: Some(first), ..item(&flow.name, "Down") };
        let made = bob.creates_item(new).await.unwrap();
        bob.claims(&made).await.unwrap();

        for key in ["agent_recommendation", "agent_event", "triggered_by", "agent_auto_apply_result"] {
            let change = data(json!({ key: "mine" }));
            let answer = bob.completes_with(&made, Some(change)).await;
            let status = refused(answer, Code::InvalidArgument, "RESERVED_KEY");
            assert_eq!(status.fields(), [format!("data.{key}")]);
        }
        let change = data(json!({ "severity": "high", "drop": null, "new": [1, "two", null] }));
        let moved = bob.completes_with(&made, Some(change)).await.unwrap();

        assert_eq!(moved.stage_id, "urgent");
        let shown = shapes::json(moved.data.as_ref().unwrap());
        let expected = json!({ "severity": "high", "keep": { "a": 1.0 }, "new": [1.0, "two", null] });
        assert_eq!(shown, expected);
        let other = bob.creates_item(item(&flow.name, "Odd")).await.unwrap();
        assert_eq!(bob.does(&other).await.unwrap().stage_id, "later", "a missing key is no match");
    }

    /// Only the role or the person that a stage names may claim there.
    async fn a_stage_may_name_a_role_or_a_person(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia] = world.people(["alice", "bob", "mia"]);
        let role = Assignment { r#type: AssignmentType::Role.into(), role: "developer".into(), ..Default::default() };
        let person = Assignment { r#type: AssignmentType::User.into(), user: mia.user.clone(), ..Default::default() };
        let stages = [
            Stage { assignment: Some(role), ..human("code") },
            Stage { assignment: Some(person), ..human("check") },
        ];
        let flow = alice.creates_workflow(workflow("Roles", &alice.team, stages)).await.unwrap();
        let made = mia.creates_item(item(&flow.name, "Something")).await.unwrap();
        refused(mia.claims(&made).await, STATE, "NOT_ASSIGNEE");
        let next = bob.does(&made).await.unwrap();
        refused(bob.claims(&next).await, STATE, "NOT_ASSIGNEE");
        assert_eq!(mia.does(&next).await.unwrap().state(), WorkItemState::Completed);
    }

    /// A verdict binds to what was read: another hash, a second verdict and an old etag are
    /// refused.
    async fn a_verdict_binds_to_what_was_read(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (_, repository) = world.shop().await;
        let flow = workflow("Work", &alice.team, [assist("think")]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let made = bob.creates_item(item_on(&flow.name, "Cart", "", &repository)).await.unwrap();
        let made = bob.awaits_agent(&made.name).await;
        world.settles().await;
        let request = |hash: &str, etag: &str| ReviewRecommendationRequest {
            name: made.name.clone(),
            recommendation_hash: hash.to_owned(),
            verdict: Verdict::Reject.into(),
            note: "too vague".into(),
            etag: etag.to_owned(),
            ..Default::default()
        };
        let hash = made.recommendation.clone().unwrap().hash;
        let review = async |hash: &str, etag: &str| {
            alice.items().review_recommendation(request(hash, etag)).await
        };

        refused(review(&hash, "").await, Code::InvalidArgument, "INVALID_ARGUMENT");
        refused(review(&"0".repeat(64), &made.etag).await, STATE, "RECOMMENDATION_MISMATCH");
        refused(review(&hash, "W/\"9999\"").await, Code::Aborted, "ETAG_MISMATCH");
        let judged = review(&hash, &made.etag).await.unwrap().into_inner();
        let advice = judged.recommendation.clone().unwrap();
        assert_eq!((advice.reviewer, advice.review_note.as_str()), (alice.user.clone(), "too vague"));
        refused(review(&hash, &judged.etag).await, STATE, "ALREADY_REVIEWED");
    }

    /// Items stay readable and can be finished after their workflow is deleted; new ones
    /// cannot be made.
    async fn items_outlive_their_workflow(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let made = simple_item(&world).await;
        let request = api::workflow::DeleteWorkflowRequest { name: made.workflow.clone(), ..Default::default() };
        refused(bob.workflows().delete_workflow(request.clone()).await, Code::PermissionDenied, "PERMISSION_DENIED");
        let deleted = alice.workflows().delete_workflow(request.clone()).await.unwrap().into_inner();
        assert!(deleted.delete_time.is_some());
        refused(alice.workflows().delete_workflow(request).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
        refused(bob.creates_item(item(&made.workflow, "New")).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
        refused(bob.sees_workflow(&made.workflow).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
        let next = bob.does(&made).await.unwrap();
        assert_eq!(bob.does(&next).await.unwrap().state(), WorkItemState::Completed);
    }

    /// Lists come in pages without gaps or repetitions, and a token fits its own list only.
    async fn lists_come_in_pages(db: TestDb) {
        use api::workflow::ListWorkItemsRequest;
        let world = World::start(db).await;
        let [bob, mia] = world.people(["bob", "mia"]);
        let made = simple_item(&world).await;
        for at in 0..6 {
            bob.creates_item(item(&made.workflow, &format!("Item {at}"))).await.unwrap();
        }
        let request = |page_token: &str, workflow: &str| ListWorkItemsRequest {
            workflow: workflow.to_owned(),
            page_size: 3,
            page_token: page_token.to_owned(),
            ..Default::default()
        };
        let (mut seen, mut token, mut tokens) = (Vec::new(), String::new(), Vec::new());
        loop {
            let page = bob.items().list_work_items(request(&token, &made.workflow)).await.unwrap().into_inner();
            assert!(page.work_items.len() <= 3);
            seen.extend(page.work_items.into_iter().map(|item| item.name));
            if page.next_page_token.is_empty() {
                break;
            }
            token = page.next_page_token;
            tokens.push(token.clone());
        }
        let all: Vec<_> = bob.lists_items(&made.workflow).await.unwrap().into_iter().map(|i| i.name).collect();
        assert_eq!((seen.len(), &seen), (7, &all));
        let foreign = mia.items().list_work_items(request(&tokens[0], &made.workflow)).await;
        let other = bob.items().list_work_items(request(&tokens[0], "")).await;
        let cut = bob.items().list_work_items(request(&tokens[0][1..], &made.workflow)).await;
        for answer in [foreign, other, cut] {
            let status = refused(answer, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
            assert_eq!(status.fields(), ["page_token"]);
        }
    }
}
