//! Approvals: who counts, what a word is bound to, and where a decision leads.

use api::workflow::{
    Approval, Assignment, AssignmentType, ListQueueRequest, Stage, StageType, WorkItem,
    WorkItemState, WorkItemVerb, Workflow,
};
use prost_types::Struct;
use testkit::world::shapes::{approval, assist, data, human, item, item_on, stage, to, workflow};
use testkit::world::{Person, Refused as _, World, refused};
use tonic::Code;

fn wrong<T: std::fmt::Debug>(answer: Result<T, tonic::Status>, reason: &str) {
    refused(answer, Code::FailedPrecondition, reason);
}

fn asks(quorum: i32, roles: &[&str]) -> Approval {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    Approval { quorum, roles, ..Approval::default() }
}

/// `do`, then an approval, then `ship`.
async fn flow(world: &World, asked: Approval) -> Workflow {
    let alice = world.person("alice");
    let gate = Stage { approval: Some(asked), ..approval("may") };
    let flow = workflow("Release", &alice.team, [human("do"), gate, human("ship")]);
    alice.creates_workflow(flow).await.unwrap()
}

/// An item that bob made and worked on, and that waits for the word of others.
async fn waiting(world: &World, flow: &Workflow) -> WorkItem {
    let bob = world.person("bob");
    let made = bob.creates_item(item(&flow.name, "Ship it")).await.unwrap();
    bob.does(&made).await.unwrap()
}

async fn queue(person: &Person, flow: &Workflow) -> usize {
    let request = ListQueueRequest { parent: flow.name.clone(), ..Default::default() };
    person.items().list_queue(request).await.unwrap().into_inner().work_items.len()
}

fn facts(value: i32) -> Struct {
    data(serde_json::json!({ "n": value }))
}

testkit::on_both! {
    /// The last vote that is needed completes the stage; each counts once.
    async fn a_quorum_lets_an_item_pass(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol, mia] = world.people(["alice", "bob", "carol", "mia"]);
        let flow = flow(&world, asks(2, &[])).await;
        let item = waiting(&world, &flow).await;
        let status = item.approval.as_ref().expect("it waits for approval");
        assert_eq!((item.state(), status.quorum, status.votes.len()), (WorkItemState::Pending, 2, 0));
        assert_eq!((queue(&alice, &flow).await, queue(&mia, &flow).await), (1, 1));
        wrong(alice.claims(&item).await, "ILLEGAL_TRANSITION");
        wrong(alice.assigns_item(&item, &carol).await, "ILLEGAL_TRANSITION");
        wrong(alice.completes(&item).await, "ILLEGAL_TRANSITION");
        wrong(bob.approves(&item).await, "OWN_WORK");

        let once = alice.approves(&item).await.unwrap();
        assert_eq!((once.stage_id.as_str(), once.state()), ("may", WorkItemState::Pending));
        assert_eq!(once.approval.as_ref().unwrap().votes[0].user, alice.user);
        wrong(alice.approves(&once).await, "ALREADY_APPROVED");
        let explained = carol.explains(&once.name).await;
        let said = explained.iter().find(|because| because.code == "AWAITS_APPROVAL").unwrap();
        assert!(said.message.contains("1 of 2"), "{}", said.message);
        let passed = carol.approves(&once).await.unwrap();
        assert_eq!((passed.stage_id.as_str(), passed.approval), ("ship", None));
        wrong(mia.approves(&once).await, "STAGE_MISMATCH");

        let verbs: Vec<_> = bob.sees_history(&item.name).await.unwrap();
        let verbs: Vec<_> = verbs.iter().map(|step| (step.verb(), step.actor.clone())).collect();
        assert_eq!(verbs[3..], [
            (WorkItemVerb::Approve, alice.user.clone()), (WorkItemVerb::Approve, carol.user.clone()),
        ]);
        let figures = alice.sees_analytics(&flow.name).await.unwrap();
        let gate = figures.stages.iter().find(|stage| stage.stage_id == "may").unwrap();
        assert_eq!((gate.entered, gate.completed, gate.in_stage_now), (1, 1, 0));
    }

    /// A word is bound to what was read: when that changes, it counts no more, and who changed
    /// it is an author.
    async fn a_change_voids_what_was_approved(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol, mia] = world.people(["alice", "bob", "carol", "mia"]);
        let flow = flow(&world, asks(2, &[])).await;
        let item = waiting(&world, &flow).await;
        let once = alice.approves(&item).await.unwrap();
        let asked = WorkItem { data: Some(facts(1)), ..once.clone() };
        let changed = mia.updates(asked, &["data"]).await.unwrap();
        assert!(changed.approval.as_ref().unwrap().votes.is_empty(), "{changed:?}");
        wrong(carol.approves(&once).await, "APPROVAL_MISMATCH");
        wrong(carol.rejects(&once, "No").await, "APPROVAL_MISMATCH");
        wrong(mia.approves(&changed).await, "OWN_WORK");
        // What is not part of it does not matter.
        let asked = WorkItem { tags: vec!["soon".into()], ..changed };
        let tagged = mia.updates(asked, &["tags"]).await.unwrap();
        let once = carol.approves(&tagged).await.unwrap();
        let asked = WorkItem { tags: vec![], ..once };
        let tagged = bob.updates(asked, &["tags"]).await.unwrap();
        assert_eq!(tagged.approval.as_ref().unwrap().votes.len(), 1);
        // The word that was given before may be given again.
        let passed = alice.approves(&tagged).await.unwrap();
        assert_eq!(passed.stage_id, "ship");
    }

    /// What is changed and changed back is as it was, but nobody's word counts any more: who
    /// changed it is an author by now.
    async fn a_word_that_is_void_stays_void(db: TestDb) {
        let world = World::start(db).await;
        let [alice, mia] = world.people(["alice", "mia"]);
        let flow = flow(&world, asks(2, &[])).await;
        let item = waiting(&world, &flow).await;
        let once = alice.approves(&item).await.unwrap();
        let asked = WorkItem { title: "Ship that".into(), ..once.clone() };
        let changed = alice.updates(asked, &["title"]).await.unwrap();
        let asked = WorkItem { title: once.title.clone(), ..changed };
        let back = alice.updates(asked, &["title"]).await.unwrap();
        let [before, now] = [&once, &back].map(|item| item.approval.as_ref().unwrap());
        assert_eq!(before.content_hash, now.content_hash);
        assert_eq!((before.votes.len(), now.votes.len()), (1, 0));
        wrong(alice.approves(&back).await, "OWN_WORK");
        let again = mia.approves(&back).await.unwrap();
        assert_eq!(again.stage_id, "may", "one word is not two");
    }

    /// Those decide whom the stage names, and of them people who did not make it.
    async fn only_those_decide_whom_the_stage_names(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol, mia] = world.people(["alice", "bob", "carol", "mia"]);
        let [gus, dave] = world.people(["gus", "dave"]);
        let named = Approval { users: vec![mia.user.clone()], ..asks(1, &["lead"]) };
        let flow = flow(&world, named).await;
        let item = waiting(&world, &flow).await;
        assert_eq!((queue(&alice, &flow).await, queue(&carol, &flow).await), (1, 0));
        wrong(carol.approves(&item).await, "NOT_APPROVER");
        wrong(carol.rejects(&item, "No").await, "NOT_APPROVER");
        refused(gus.approves(&item).await, Code::PermissionDenied, "PERMISSION_DENIED");
        refused(dave.approves(&item).await, Code::NotFound, "WORK_ITEM_NOT_FOUND");
        let passed = mia.approves(&item).await.unwrap();
        assert_eq!(passed.stage_id, "ship");

        let made = alice.creates_item(self::item(&flow.name, "Hers")).await.unwrap();
        let hers = bob.does(&made).await.unwrap();
        wrong(alice.approves(&hers).await, "OWN_WORK");
        wrong(alice.rejects(&hers, "No").await, "OWN_WORK");

        let erin = world.person("erin");
        let program = crate::directory::new_service(&erin, "approver").await;
        let program = world.known_as("approver", &program);
        crate::directory::adds(&carol, &carol.team, &program.user, "lead").await.unwrap();
        wrong(program.approves(&hers).await, "NOT_APPROVER");
    }

    /// Who started the agent does not decide about what it brought; who passed it on may.
    async fn who_started_the_agent_does_not_decide(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol] = world.people(["alice", "bob", "carol"]);
        let (_, repository) = world.shop().await;
        let stages = [human("do"), assist("think"), approval("may")];
        let flow = workflow("Advice", &alice.team, stages);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let made = alice.creates_item(item_on(&flow.name, "Carts", "", &repository)).await.unwrap();
        bob.claims(&made).await.unwrap();
        let begun = bob.completes(&made).await.unwrap();
        let known = bob.awaits_agent(&begun.name).await;
        carol.reruns_agent(&known).await.unwrap();
        let known = bob.awaits_agent(&begun.name).await;
        let mia = world.person("mia");
        let asked = mia.completes(&known).await.unwrap();
        for own in [&alice, &bob, &carol] {
            wrong(own.approves(&asked).await, "OWN_WORK");
        }
        let passed = mia.approves(&asked).await.expect("she only passed it on");
        assert_eq!(passed.state(), WorkItemState::Completed);
    }

    /// A rejection says why, and leads back to where somebody worked, or where the stage says.
    async fn a_rejection_leads_back(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol] = world.people(["alice", "bob", "carol"]);
        let gates = [human("do"), approval("first"), approval("second"), human("ship")];
        let flow = alice.creates_workflow(workflow("Twice", &alice.team, gates)).await.unwrap();
        let item = waiting(&world, &flow).await;
        let status = alice.rejects(&item, " ").await.unwrap_err();
        assert_eq!((status.code(), status.fields()), (Code::InvalidArgument, vec!["note".to_owned()]));
        let second = alice.approves(&item).await.unwrap();
        assert_eq!(second.stage_id, "second");
        let back = carol.rejects(&second, "No tests").await.unwrap();
        assert_eq!((back.stage_id.as_str(), back.state()), ("do", WorkItemState::Pending));
        let last = bob.sees_history(&item.name).await.unwrap().pop().unwrap();
        assert_eq!((last.verb(), last.note.as_str()), (WorkItemVerb::Reject, "No tests"));
        let figures = alice.sees_analytics(&flow.name).await.unwrap();
        let of = |id: &str| figures.stages.iter().find(|stage| stage.stage_id == id).unwrap();
        assert_eq!((of("second").left_otherwise, of("do").entered), (1, 2));

        let named = Approval { reject_stage_id: "rework".into(), ..asks(0, &[]) };
        let gate = Stage { approval: Some(named), routes: vec![to("")], ..approval("may") };
        let stages = [Stage { routes: vec![to("may")], ..human("do") }, gate, human("rework")];
        let flow = alice.creates_workflow(workflow("Named", &alice.team, stages)).await.unwrap();
        let item = waiting(&world, &flow).await;
        let back = alice.rejects(&item, "Again").await.unwrap();
        assert_eq!(back.stage_id, "rework");
    }

    /// Where items need approval to start, the first stage says whose; who is turned away there
    /// has nowhere to go back to.
    async fn items_may_need_approval_to_start(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let guarded = |stages: Vec<Stage>| Workflow {
            require_approval_to_start: true,
            ..workflow("Guarded", &alice.team, stages)
        };
        let status = alice.creates_workflow(guarded(vec![human("do")])).await.unwrap_err();
        assert_eq!(status.fields(), ["workflow.require_approval_to_start"]);
        let flow = alice.creates_workflow(guarded(vec![approval("start"), human("do")])).await;
        let flow = flow.unwrap();
        assert!(flow.require_approval_to_start);
        let fewer = Workflow { stages: vec![human("do")], ..flow.clone() };
        let status = alice.updates_workflow(fewer, &["stages"]).await.unwrap_err();
        assert_eq!(status.fields(), ["workflow.require_approval_to_start"]);
        let made = bob.creates_item(item(&flow.name, "Start")).await.unwrap();
        wrong(bob.claims(&made).await, "ILLEGAL_TRANSITION");
        wrong(bob.approves(&made).await, "OWN_WORK");
        let begun = alice.approves(&made).await.unwrap();
        assert_eq!(begun.stage_id, "do");
        let made = bob.creates_item(item(&flow.name, "Not now")).await.unwrap();
        let over = alice.rejects(&made, "Not this year").await.unwrap();
        assert_eq!(over.state(), WorkItemState::Cancelled);
    }

    /// What nobody let pass in time waits for those it escalates to, or can only be rejected.
    async fn an_approval_expires_and_escalates(db: TestDb) {
        let world = World::start(db).await;
        let [alice, carol, mia] = world.people(["alice", "carol", "mia"]);
        let asked = Approval { expire_minutes: 60, ..asks(2, &["lead", "member"]) };
        let alone = flow(&world, asked.clone()).await;
        let escalated = Approval { escalation_roles: vec!["admin".into()], ..asked };
        let escalated = flow(&world, escalated).await;
        let (stuck, item) = (waiting(&world, &alone).await, waiting(&world, &escalated).await);
        assert!(item.approval.as_ref().unwrap().expire_time.is_some());
        wrong(carol.approves(&item).await, "NOT_APPROVER");
        let once = mia.approves(&item).await.unwrap();
        let earlier = "update work_item set entered_stage_at = entered_stage_at - 3600000000";
        world.probe().changes(earlier).await;
        wrong(alice.approves(&once).await, "NOT_APPROVER");
        let passed = carol.approves(&once).await.unwrap();
        assert_eq!(passed.stage_id, "ship", "what was said in time still counts");
        wrong(alice.approves(&stuck).await, "APPROVAL_EXPIRED");
        assert_eq!(alice.explains(&stuck.name).await[0].code, "APPROVAL_EXPIRED");
        let back = alice.rejects(&stuck, "Too late").await.unwrap();
        assert_eq!(back.stage_id, "do");
    }

    /// Faults of what a stage of approval asks for are named by their fields.
    async fn what_an_approval_asks_for_is_judged(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let judged = async |asked: Approval, stage: Stage| {
            let stage = Stage { approval: Some(asked), ..stage };
            let flow = workflow("Judged", &alice.team, [stage, human("do")]);
            alice.creates_workflow(flow).await.unwrap_err().fields()
        };
        let may = || approval("may");
        let user = |name: &str| vec![name.to_owned()];
        let field = |field: &str| vec![format!("workflow.stages[0].{field}")];
        assert_eq!(judged(asks(21, &[]), may()).await, field("approval.quorum"));
        assert_eq!(judged(asks(-1, &[]), may()).await, field("approval.quorum"));
        let few = Approval { users: user(&alice.user), ..asks(2, &[]) };
        assert_eq!(judged(few, may()).await, field("approval.quorum"));
        assert_eq!(judged(asks(1, &["king"]), may()).await, field("approval.roles[0]"));
        let nobody = Approval { users: user("bob"), ..asks(1, &[]) };
        assert_eq!(judged(nobody, may()).await, field("approval.users[0]"));
        let never = Approval { escalation_roles: user("admin"), ..asks(1, &[]) };
        assert_eq!(judged(never, may()).await, field("approval.expire_minutes"));
        let nowhere = Approval { reject_stage_id: "gone".into(), ..asks(1, &[]) };
        assert_eq!(judged(nowhere, may()).await, field("approval.reject_stage_id"));
        assert_eq!(judged(asks(1, &[]), human("may")).await, field("approval"));
        let claimed = Assignment { r#type: AssignmentType::Role.into(), role: "lead".into(), ..Default::default() };
        let claimed = Stage { assignment: Some(claimed), wip_limit: 2, ..may() };
        let expected = [field("assignment"), field("wip_limit")].concat();
        assert_eq!(judged(asks(1, &[]), claimed).await, expected);
        let own = workflow("Own", "", [may()]);
        assert_eq!(alice.creates_workflow(own).await.unwrap_err().fields(), ["workflow.stages[0].type"]);
        let unknown = Approval { users: user(&world.person("dave").user), ..asks(1, &[]) };
        let stage = Stage { approval: Some(unknown), ..may() };
        let flow = workflow("Judged", &alice.team, [stage]);
        refused(alice.creates_workflow(flow).await, Code::NotFound, "USER_NOT_FOUND");
    }

    /// Of many who decide at once, exactly as many count as are needed.
    async fn many_at_once_make_one_quorum(db: TestDb) {
        let world = World::start(db).await;
        let [alice, carol, mia] = world.people(["alice", "carol", "mia"]);
        let flow = flow(&world, asks(2, &[])).await;
        for _ in 0..6 {
            let item = waiting(&world, &flow).await;
            let all = [&alice, &carol, &mia, &alice, &carol, &mia].map(|who| who.approves(&item));
            let answers = futures::future::join_all(all).await;
            let (given, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
            assert_eq!(given.len(), 2, "{refused:?}");
            let history = alice.sees_history(&item.name).await.unwrap();
            let votes = history.iter().filter(|step| step.verb() == WorkItemVerb::Approve);
            let mut voters: Vec<_> = votes.map(|step| &step.actor).collect();
            voters.sort();
            voters.dedup();
            assert_eq!(voters.len(), 2);
            assert_eq!(alice.sees_item(&item.name).await.unwrap().stage_id, "ship");
        }
    }

    /// At a HYBRID stage the agent proposes, and who claims the item completes it.
    async fn at_a_hybrid_stage_both_work(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (_, repository) = world.shop().await;
        let flow = workflow("Both", &alice.team, [stage("both", StageType::Hybrid)]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let made = alice.creates_item(item_on(&flow.name, "Carts", "", &repository)).await.unwrap();
        assert!(!made.live_run.is_empty());
        let held = bob.claims(&made).await.expect("he begins while the agent does");
        let known = bob.awaits_agent(&held.name).await;
        assert!(known.recommendation.is_some(), "{}", known.recommendation_error);
        assert_eq!(known.assignee, bob.user);
        let free = bob.releases(&known).await.unwrap();
        wrong(bob.completes(&free).await, "ILLEGAL_TRANSITION");
        assert_eq!(bob.explains(&free.name).await[0].code, "UNCLAIMED");
        let over = bob.does(&free).await.unwrap();
        assert_eq!(over.state(), WorkItemState::Completed);
    }

    /// The result of a run completes its stage where the stage asks for that.
    async fn a_result_may_complete_its_stage(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (_, repository) = world.shop().await;
        let with = |condition: &str| Stage { auto_advance: condition.into(), ..assist("think") };
        let flow = async |stage: Stage| {
            let flow = workflow("Advice", &alice.team, [stage, human("do")]);
            alice.creates_workflow(flow).await
        };
        let happy = flow(with("run.outcome == 'SUCCEEDED' && run.steps > 0 && data.go")).await.unwrap();
        let go = |go: bool| Some(data(serde_json::json!({ "go": go })));
        let asked = |go_on: bool, repository: &str| WorkItem {
            data: go(go_on), ..item_on(&happy.name, "Carts", "", repository)
        };
        let made = bob.creates_item(asked(true, &repository)).await.unwrap();
        let moved = alice.awaits_item(&made.name, |item| item.stage_id == "do").await;
        assert!(moved.recommendation.is_some() && moved.live_run.is_empty());
        let last = bob.sees_history(&made.name).await.unwrap().pop().unwrap();
        assert_eq!((last.verb(), &last.actor), (WorkItemVerb::AutoAdvance, &bob.user));
        world.settles().await;
        let run = moved.recommendation.unwrap().run;
        let run = bob.sees_run(&run).await.unwrap();
        assert_eq!(run.state(), api::agent::RunState::Succeeded);

        for (go_on, repository) in [(false, repository.as_str()), (true, "")] {
            let made = bob.creates_item(asked(go_on, repository)).await.unwrap();
            alice.awaits_agent(&made.name).await;
            world.settles().await;
            assert_eq!(alice.sees_item(&made.name).await.unwrap().stage_id, "think");
        }
        // Who blocks it keeps it.
        let failing = flow(with("run.outcome == 'FAILED'")).await.unwrap();
        let made = bob.creates_item(item(&failing.name, "No repository")).await.unwrap();
        let moved = alice.awaits_item(&made.name, |item| item.stage_id == "do").await;
        assert!(moved.recommendation_error.contains("NO_REPOSITORY"), "{moved:?}");

        for (stage, field) in [
            (Stage { auto_advance: "true".into(), ..human("think") }, "auto_advance"),
            (with("runs.x"), "auto_advance"),
            (with("data.matches('a')"), "auto_advance"),
        ] {
            let status = flow(stage).await.unwrap_err();
            assert_eq!(status.fields(), [format!("workflow.stages[0].{field}")]);
        }
        let routed = Stage { routes: vec![
            api::workflow::StageRoute { condition: "run.risks == 0".into(), ..to("do") }, to("do"),
        ], ..assist("think") };
        let status = flow(routed).await.unwrap_err();
        assert_eq!(status.reason(), "INVALID_CONDITION", "routes do not know runs");
    }

    /// What stays at its stage for too long is late.
    async fn an_item_may_be_late_at_its_stage(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let quick = Stage { sla_minutes: 60, ..human("do") };
        let flow = workflow("Quick", &alice.team, [quick, human("ship")]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let made = bob.creates_item(item(&flow.name, "Soon")).await.unwrap();
        let (due, created) = (made.stage_due_time.unwrap(), made.create_time.unwrap());
        assert_eq!(due.seconds - created.seconds, 3600);
        let late = async || {
            let request = api::workflow::ListOverdueRequest::default();
            bob.items().list_overdue(request).await.unwrap().into_inner().work_items.len()
        };
        assert_eq!(late().await, 0);
        let earlier = "update work_item set stage_due_at = 1, overdue_at = 1";
        world.probe().changes(earlier).await;
        assert_eq!(late().await, 1);
        let codes: Vec<_> = bob.explains(&made.name).await.into_iter().map(|said| said.code).collect();
        assert!(codes.contains(&"OVERDUE".to_owned()), "{codes:?}");
        let moved = bob.does(&made).await.unwrap();
        assert_eq!((moved.stage_due_time, late().await), (None, 0));
    }
}
