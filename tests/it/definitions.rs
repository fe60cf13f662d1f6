//! Definitions change: revisions and what they tell, deletion taken back, pauses, stars.

use api::agent::RunState;
use api::workflow::{
    Stage, StageType, UpdateWorkflowRequest, WorkItemState, Workflow, WorkflowRevision,
};
use testkit::world::shapes::{assist, human, item, item_on, on, stage, to, trigger, workflow};
use testkit::world::{Person, Refused as _, World, refused};
use tonic::Code;

use crate::directory::mask;

const STATE: Code = Code::FailedPrecondition;
const WRONG: Code = Code::InvalidArgument;

async fn two_stages(person: &Person) -> Workflow {
    let flow = workflow("Work", &person.team, [human("one"), human("two")]);
    person.creates_workflow(flow).await.unwrap()
}

/// The changes of the newest revision.
async fn newest_changes(
    person: &Person,
    flow: &Workflow,
) -> api::workflow::WorkflowRevisionChanges {
    let newest = person.sees_revision(&flow.name, flow.revision).await.unwrap();
    newest.changes.expect("a revision before it")
}

testkit::on_both! {
    /// Texts change in place; stages and triggers make a revision, and only if they differ;
    /// items stay on theirs.
    async fn a_revision_is_made_only_when_the_definition_differs(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = two_stages(&alice).await;
        let old = bob.creates_item(item(&flow.name, "Old")).await.unwrap();

        let renamed = Workflow { display_name: "Renamed".into(), icon: "x".into(), ..flow.clone() };
        let named = alice.updates_workflow(renamed, &["display_name"]).await.unwrap();
        assert_eq!((named.display_name.as_str(), named.icon.as_str()), ("Renamed", ""));
        assert_eq!(named.revision, 1);
        assert_ne!(named.etag, flow.etag);
        let same = alice.updates_workflow(named.clone(), &["stages", "triggers"]).await.unwrap();
        assert_eq!((same.revision, &same.stages), (1, &flow.stages));

        let stages = vec![human("one"), Stage { routes: vec![to("")], ..human("three") }];
        let stages = workflow("", "", stages).stages;
        let changed = alice.updates_workflow(Workflow { stages, ..same }, &["stages"]).await.unwrap();
        assert_eq!(changed.revision, 2);
        let new = bob.creates_item(item(&flow.name, "New")).await.unwrap();
        assert_eq!(bob.does(&old).await.unwrap().stage_id, "two");
        assert_eq!(bob.does(&new).await.unwrap().stage_id, "three");
        let seen = bob.sees_workflow(&flow.name).await.unwrap();
        assert_eq!(seen, changed);
    }

    /// Each revision says what it changed; pages go back to the first.
    async fn a_revision_says_what_it_changed(db: TestDb) {
        let world = World::start(db).await;
        let [alice, gus] = world.people(["alice", "gus"]);
        let flow = workflow("Work", &alice.team, [human("a"), human("b"), human("c")]);
        let flow = alice.creates_workflow(on(flow, &["agent.apply.success"])).await.unwrap();
        let first = gus.sees_revision(&flow.name, 1).await.unwrap();
        assert_eq!((first.changes.clone(), first.publisher.clone()), (None, alice.user.clone()));
        assert_eq!(first.name, format!("{}/revisions/1", flow.name));

        let stages = workflow("", "", [human("b"), Stage { display_name: "New".into(), ..human("a") }, human("d")]);
        let next = Workflow { stages: stages.stages, ..flow.clone() };
        let two = alice.updates_workflow(next, &["stages"]).await.unwrap();
        let changes = newest_changes(&gus, &two).await;
        assert_eq!((changes.added_stage_ids, changes.removed_stage_ids), (vec!["d".to_owned()], vec!["c".to_owned()]));
        assert!(changes.stages_reordered);
        assert_eq!(changes.changed_route_stage_ids, ["b", "a"]);
        let [renamed] = &changes.changed_stages[..] else { panic!("one stage") };
        assert_eq!((renamed.stage_id.as_str(), &renamed.fields[..]), ("a", &["display_name".to_owned()][..]));
        assert!(changes.added_triggers.is_empty() && changes.changed_triggers.is_empty());

        let mut triggers = vec![trigger("agent.plan.completed"), trigger("agent.apply.success")];
        triggers[1].enabled = false;
        let three = alice.updates_workflow(Workflow { triggers, ..two.clone() }, &["triggers"]).await.unwrap();
        assert_eq!(three.triggers[1].name, flow.triggers[0].name, "what stays keeps its name");
        let changes = newest_changes(&gus, &three).await;
        assert_eq!(changes.added_triggers, [three.triggers[0].name.clone()]);
        assert_eq!(changes.changed_triggers, [flow.triggers[0].name.clone()]);
        assert!(changes.changed_stages.is_empty() && !changes.stages_reordered);
        let listed = gus.sees_revisions(&flow.name).await.unwrap();
        assert_eq!(listed.iter().map(|shown: &WorkflowRevision| shown.revision).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!((&listed[2], &listed[0].stages), (&first, &two.stages));

        refused(gus.sees_revision(&flow.name, 4).await, Code::NotFound, "WORKFLOW_REVISION_NOT_FOUND");
        for bad in ["0", "x", "-1", "01"] {
            let request = api::workflow::GetWorkflowRevisionRequest { name: format!("{}/revisions/{bad}", flow.name) };
            refused(gus.workflows().get_workflow_revision(request).await, WRONG, "INVALID_ARGUMENT");
        }
    }

    /// A creator changes what he made, but not what acts by itself; others need more.
    async fn a_creator_adjusts_all_but_what_automates(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia] = world.people(["alice", "bob", "mia"]);
        let flow = workflow("Bob's", &bob.team, [assist("think"), human("do")]);
        let flow = bob.creates_workflow(flow).await.unwrap();
        let renamed = bob.updates_workflow(Workflow { display_name: "Mine".into(), ..flow.clone() }, &["display_name"]).await;
        let flow = renamed.unwrap();
        refused(mia.updates_workflow(flow.clone(), &["display_name"]).await, Code::PermissionDenied, "PERMISSION_DENIED");
        let auto = |flow: &Workflow, is_on: bool| {
            let mut flow = flow.clone();
            flow.stages[0].agent_auto_apply = is_on;
            flow
        };
        for path in ["stages", "triggers"] {
            let flow = bob.sees_workflow(&flow.name).await.unwrap();
            let listening = on(flow.clone(), &["agent.apply.success"]);
            let asked = if path == "stages" { auto(&flow, true) } else { listening };
            let status = refused(bob.updates_workflow(asked.clone(), &[path]).await, Code::PermissionDenied, "PERMISSION_DENIED");
            assert_eq!(status.fact("permission").as_deref(), Some("workflows.manage"));
            // What the mask does not name is not asked for.
            let made = bob.updates_workflow(asked, &["icon"]).await.unwrap();
            alice.updates_workflow(made, &["icon"]).await.unwrap();
        }
        let flow = alice.sees_workflow(&flow.name).await.unwrap();
        let flow = alice.updates_workflow(auto(&flow, true), &["stages"]).await.unwrap();
        // Where it may act by itself, what it is told is part of that; elsewhere it is not.
        let mut told = flow.clone();
        told.stages[0].agent_prompt = "Do something else".into();
        refused(bob.updates_workflow(told, &["stages"]).await, Code::PermissionDenied, "PERMISSION_DENIED");
        refused(bob.updates_workflow(auto(&flow, false), &["stages"]).await, Code::PermissionDenied, "PERMISSION_DENIED");
        let mut described = flow.clone();
        described.stages[1].description = "What is left".into();
        let flow = bob.updates_workflow(described, &["stages"]).await.unwrap();
        assert!(flow.stages[0].agent_auto_apply);
    }

    /// An update is judged as a creation is, needs mask and etag, and can be tried out.
    async fn an_update_is_judged_whole(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let flow = two_stages(&alice).await;
        let before = world.probe().dump_without_audit().await;
        let send = async |workflow: Workflow, paths: &[&str], validate_only: bool| {
            let request = UpdateWorkflowRequest {
                workflow: Some(workflow),
                update_mask: (!paths.is_empty()).then(|| mask(paths)).flatten(),
                validate_only,
                ..Default::default()
            };
            alice.workflows().update_workflow(request).await.map(tonic::Response::into_inner)
        };
        refused(send(flow.clone(), &[], false).await, WRONG, "INVALID_ARGUMENT");
        for output in ["name", "revision", "creator", "visibility", "team", "pause_time"] {
            let status = refused(send(flow.clone(), &[output], false).await, WRONG, "INVALID_ARGUMENT");
            assert_eq!(status.fields(), ["update_mask"]);
        }
        let unread = Workflow { etag: String::new(), ..flow.clone() };
        let status = refused(send(unread, &["icon"], false).await, WRONG, "INVALID_ARGUMENT");
        assert_eq!(status.fields(), ["workflow.etag"]);
        let stale = Workflow { etag: "\"9\"".into(), ..flow.clone() };
        refused(send(stale, &["icon"], false).await, Code::Aborted, "ETAG_MISMATCH");
        let endless = Workflow { stages: vec![Stage { routes: vec![to("one")], ..human("one") }], ..flow.clone() };
        refused(send(endless, &["stages"], false).await, WRONG, "INVALID_GRAPH");
        let long = Workflow { display_name: "x".repeat(101), icon: "x".repeat(65), ..flow.clone() };
        let status = refused(send(long, &["display_name", "icon"], false).await, WRONG, "INVALID_ARGUMENT");
        assert_eq!(status.fields(), ["workflow.display_name", "workflow.icon"]);
        let guarded = Workflow { require_approval_to_start: true, ..flow.clone() };
        for answer in [send(guarded.clone(), &["*"], false).await, alice.creates_workflow(guarded).await] {
            let status = refused(answer, WRONG, "INVALID_ARGUMENT");
            assert_eq!(status.fields(), ["workflow.require_approval_to_start"]);
        }

        let tried = Workflow { stages: workflow("", "", [human("only")]).stages, ..flow.clone() };
        let shown = send(tried, &["stages"], true).await.unwrap();
        assert_eq!((shown.revision, shown.stages.len()), (2, 1));
        assert_eq!(world.probe().dump_without_audit().await, before);
        assert_eq!(alice.sees_workflow(&flow.name).await.unwrap(), flow);
    }

    /// Everyone's board takes no agent stage by the back door.
    async fn a_global_workflow_gets_no_agent_stage(db: TestDb) {
        let world = World::start(db).await;
        let [alice, erin] = world.people(["alice", "erin"]);
        let mut flow = workflow("Everyone's", "", [human("do")]);
        flow.visibility = api::permissions::Visibility::Global.into();
        let flow = erin.creates_workflow(flow).await.unwrap();
        let helped = Workflow { stages: workflow("", "", [stage("a", StageType::CodeReview), human("do")]).stages, ..flow.clone() };
        refused(erin.updates_workflow(helped, &["stages"]).await, WRONG, "INVALID_ARGUMENT");
        refused(alice.updates_workflow(flow, &["icon"]).await, Code::PermissionDenied, "PERMISSION_DENIED");
    }

    /// What was deleted comes back as it was, once.
    async fn a_deletion_is_taken_back(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = two_stages(&alice).await;
        refused(alice.undeletes_workflow(&flow.name).await, STATE, "WORKFLOW_NOT_DELETED");
        alice.deletes_workflow(&flow.name).await.unwrap();
        refused(alice.updates_workflow(flow.clone(), &["icon"]).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
        refused(alice.sees_revision(&flow.name, 1).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
        refused(alice.pauses(&flow.name, "").await, Code::NotFound, "WORKFLOW_NOT_FOUND");
        refused(bob.undeletes_workflow(&flow.name).await, Code::PermissionDenied, "PERMISSION_DENIED");
        let back = alice.undeletes_workflow(&flow.name).await.unwrap();
        assert_eq!((back.delete_time, &back.stages), (None, &flow.stages));
        bob.creates_item(item(&flow.name, "New")).await.unwrap();
    }

    /// In what is paused nothing begins; what is there can be looked at and taken back.
    async fn nothing_begins_in_what_is_paused(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = two_stages(&alice).await;
        let make = async |title: &str| bob.creates_item(item(&flow.name, title)).await;
        let (waiting, held) = (make("Waiting").await.unwrap(), make("Held").await.unwrap());
        let held = bob.claims(&held).await.unwrap();
        refused(bob.pauses(&flow.name, "").await, Code::PermissionDenied, "PERMISSION_DENIED");
        refused(alice.resumes(&flow.name, "").await, STATE, "WORKFLOW_NOT_PAUSED");
        let paused = alice.pauses(&flow.name, "").await.unwrap();
        assert!(paused.pause_time.is_some() && paused.paused_stage_ids.is_empty());
        refused(alice.pauses(&flow.name, "").await, STATE, "WORKFLOW_PAUSED");

        refused(make("New").await, STATE, "WORKFLOW_PAUSED");
        refused(bob.claims(&waiting).await, STATE, "WORKFLOW_PAUSED");
        refused(bob.starts(&held).await, STATE, "WORKFLOW_PAUSED");
        refused(bob.completes(&held).await, STATE, "WORKFLOW_PAUSED");
        assert_eq!(bob.sees_item(&held.name).await.unwrap(), held);
        assert_eq!(bob.cancels(&waiting).await.unwrap().state(), WorkItemState::Cancelled);
        alice.updates_workflow(paused.clone(), &["icon"]).await.unwrap();

        let resumed = alice.resumes(&flow.name, "").await.unwrap();
        assert_eq!(resumed.pause_time, None);
        make("New").await.unwrap();
        bob.completes(&held).await.unwrap();
    }

    /// One stage is paused by itself: items come to it and wait there.
    async fn a_stage_is_paused_by_itself(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = two_stages(&alice).await;
        let status = refused(alice.pauses(&flow.name, "three").await, WRONG, "INVALID_ARGUMENT");
        assert_eq!(status.fields(), ["stage_id"]);
        let paused = alice.pauses(&flow.name, "two").await.unwrap();
        assert_eq!((paused.pause_time, paused.paused_stage_ids), (None, vec!["two".to_owned()]));
        refused(alice.pauses(&flow.name, "two").await, STATE, "STAGE_PAUSED");
        let made = bob.creates_item(item(&flow.name, "New")).await.unwrap();
        let made = bob.does(&made).await.unwrap();
        assert_eq!(made.stage_id, "two");
        refused(bob.claims(&made).await, STATE, "STAGE_PAUSED");
        alice.resumes(&flow.name, "two").await.unwrap();
        bob.does(&made).await.unwrap();
    }

    /// A run that waits while its stage is paused is carried out when it is resumed.
    async fn a_waiting_run_is_not_lost(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (_, repository) = world.shop().await;
        let flow = workflow("Work", &alice.team, [assist("think"), human("do")]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        alice.pauses(&flow.name, "think").await.unwrap();
        let made = bob.creates_item(item_on(&flow.name, "Cart", "", &repository)).await.unwrap();
        // Its time goes by meanwhile.
        world.probe().changes("update agent_run set deadline_at = 1, due_at = 1 where state = 'QUEUED'").await;
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        let run = bob.sees_run(&made.live_run).await.unwrap();
        assert_eq!((run.state(), run.attempt), (RunState::Queued, 0));
        alice.resumes(&flow.name, "think").await.unwrap();
        let made = bob.awaits_agent(&made.name).await;
        assert!(made.recommendation.is_some(), "{made:#?}");
    }

    /// Triggers of a paused workflow refuse, and say so; a board may be fed by them alone.
    async fn triggers_feed_boards_that_people_do_not(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (repo, repository) = world.shop().await;
        let mut flow = workflow("Fed", &alice.team, [human("do")]);
        flow.allow_manual_creation = Some(false);
        let flow = alice.creates_workflow(on(flow, &["agent.apply.success"])).await.unwrap();
        assert_eq!(flow.allow_manual_creation, Some(false));
        refused(bob.creates_item(item(&flow.name, "By hand")).await, STATE, "MANUAL_CREATION_OFF");
        bob.applies_diff(&repository, &repo.diff_adding("README.md", "One.")).await.unwrap();
        world.settles().await;
        assert_eq!(alice.lists_items(&flow.name).await.unwrap().len(), 1);
        alice.pauses(&flow.name, "").await.unwrap();
        bob.applies_diff(&repository, &repo.diff_adding("README.md", "Two.")).await.unwrap();
        world.settles().await;
        assert_eq!(alice.lists_items(&flow.name).await.unwrap().len(), 1);
        let firings = alice.sees_firings(&flow.name).await.unwrap();
        assert_eq!(firings[0].reason, "WORKFLOW_PAUSED");
        let resumed = alice.resumes(&flow.name, "").await.unwrap();
        let open = Workflow { allow_manual_creation: None, ..resumed };
        let open = alice.updates_workflow(open, &["allow_manual_creation"]).await.unwrap();
        assert_eq!((open.allow_manual_creation, open.revision), (Some(true), 1));
        bob.creates_item(item(&flow.name, "By hand")).await.unwrap();
    }

    /// Five at most, the newest first, and only what is there to be seen.
    async fn stars_are_few_and_ones_own(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let mut flows = Vec::new();
        for _ in 0..7 {
            flows.push(two_stages(&alice).await.name);
        }
        for flow in &flows[..5] {
            bob.stars(flow).await.unwrap();
        }
        let newest_first = |some: &[String]| some.iter().rev().cloned().collect::<Vec<_>>();
        assert_eq!(bob.sees_starred().await.unwrap(), newest_first(&flows[..5]));
        assert!(alice.sees_starred().await.unwrap().is_empty());
        bob.stars(&flows[0]).await.unwrap();
        refused(bob.stars(&flows[5]).await, STATE, "STAR_LIMIT");
        bob.unstars(&flows[1]).await.unwrap();
        bob.unstars(&flows[1]).await.unwrap();
        bob.stars(&flows[5]).await.unwrap();
        // What is gone is not listed and takes no place, and is there again when it comes back.
        alice.deletes_workflow(&flows[0]).await.unwrap();
        assert_eq!(bob.sees_starred().await.unwrap(), newest_first(&flows[2..6]));
        alice.undeletes_workflow(&flows[0]).await.unwrap();
        assert_eq!(bob.sees_starred().await.unwrap().len(), 5);
        alice.deletes_workflow(&flows[0]).await.unwrap();
        bob.stars(&flows[6]).await.unwrap();
        assert_eq!(bob.sees_starred().await.unwrap(), newest_first(&flows[2..7]));
        world.revoke("bob", "core", "developer").await;
        assert!(bob.sees_starred().await.unwrap().is_empty());
    }

    /// However many calls meet, nobody gets more than five.
    async fn racing_stars_stay_few(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let mut calls = Vec::new();
        for _ in 0..12 {
            let (flow, bob) = (two_stages(&alice).await.name, bob.clone());
            calls.push(tokio::spawn(async move { bob.stars(&flow).await }));
        }
        for call in calls {
            if let Err(status) = call.await.unwrap() {
                let known = [(STATE, "STAR_LIMIT"), (Code::Aborted, "CONCURRENT_CHANGE")];
                assert!(known.contains(&(status.code(), status.reason().as_str())), "{status:?}");
            }
        }
        let stars = bob.sees_starred().await.unwrap().len();
        assert!((1..=5).contains(&stars), "{stars}");
    }

    /// The trail says how much changed, by counts.
    async fn the_trail_of_an_update_has_counts_and_no_texts(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let flow = two_stages(&alice).await;
        let stages = workflow("", "", [Stage { description: "Carts forget".into(), ..human("only") }]).stages;
        alice.updates_workflow(Workflow { stages, display_name: "Secret plan".into(), ..flow.clone() }, &["*"]).await.unwrap();
        let records = world.probe().recorded().await;
        let updated = records.iter().find(|record| record.action == "workflow.updated").expect("a record");
        let told: serde_json::Value = serde_json::from_str(&updated.payload).unwrap();
        let text = told.to_string();
        assert!(text.contains("\"previous_revision\":1") && text.contains("\"revision\":2"), "{text}");
        assert!(!text.contains("Secret") && !text.contains("forget"), "{text}");
    }
}
