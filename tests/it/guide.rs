//! The scenarios of the product guide, one story each.

use std::sync::Arc;

use api::agent::{
    ApplyRequest, BuildContextRequest, PlanRequest, Risk, RouteRequest, RunState,
    apply_request::Change,
};
use api::workflow::{FiringOutcome, RecommendationState, Stage, Verdict, WorkItemState};
use testkit::engine::{ScriptedEngine, Step};
use testkit::world::shapes::{assist, human, item_on, json, on, workflow};
use testkit::world::{Refused as _, Setup, World, refused};
use tonic::Code;

testkit::on_both! {
    /// Everybody sees the shipped templates; a workflow made from one for a team is seen by
    /// that team alone and leaves the template as it was.
    async fn template_to_team_workflow(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, dave] = world.people(["alice", "bob", "dave"]);
        let template = alice.finds_template("Bug Fix + Test").await;

        let made = alice.instantiates(&template.name).await.unwrap();

        assert_eq!(made.team, alice.team);
        assert_eq!(made.template, template.name);
        let shape = |stages: &[Stage]| -> Vec<_> {
            stages.iter().map(|s| (s.display_name.clone(), s.r#type, s.agent_prompt.clone(), s.routes.len())).collect()
        };
        assert_eq!(shape(&made.stages), shape(&template.stages));
        assert!(made.stages.iter().all(|stage| template.stages.iter().all(|other| other.stage_id != stage.stage_id)));
        assert_eq!(bob.sees_workflow(&made.name).await.unwrap(), made);
        assert_eq!(dave.finds_template("Bug Fix + Test").await, template);
        let foreign = dave.sees_workflow(&made.name).await.unwrap_err();
        let absent = dave.sees_workflow(&World::unused(&made.name)).await.unwrap_err();
        assert_eq!(foreign.refusal(), absent.refusal());
        assert_eq!((foreign.code(), foreign.reason()), (Code::NotFound, "WORKFLOW_NOT_FOUND".into()));

        let second = alice.instantiates(&template.name).await.unwrap();
        assert_ne!(second.name, made.name);
    }

    /// An item that comes to an agent stage gets a recommendation, a person gives a verdict,
    /// and the item goes on to its end through a second agent stage.
    async fn assist_flow(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (_, repository) = world.shop().await;
        let template = alice.finds_template("Bug Fix + Test").await;
        let flow = alice.instantiates(&template.name).await.unwrap();
        let description = "The total of a cart is wrong after it was cleared.";
        let created = item_on(&flow.name, "Cart total is wrong", description, &repository);
        let item = bob.creates_item(created).await.unwrap();
        assert!(item.recommendation.is_none(), "a human stage asks no agent");

        let item = bob.does(&item).await.unwrap();
        let diagnosis = &flow.stages[1].stage_id;
        assert_eq!((&item.stage_id, item.stage_display_name.as_str()), (diagnosis, "Agent Diagnosis"));
        assert_eq!(item.state(), WorkItemState::Pending);
        let item = bob.awaits_agent(&item.name).await;
        let advice = item.recommendation.clone().expect("a recommendation");

        assert_eq!(item.recommendation_error, "");
        assert_eq!(advice.model_used, "builtin");
        assert_eq!(advice.state(), RecommendationState::Pending);
        assert!(!advice.steps.is_empty() && !advice.plan_summary.is_empty());
        for step in &advice.steps {
            assert_ne!(step.risk(), Risk::Unspecified);
            assert!(!step.risk_reason.is_empty() && !step.minutes_reason.is_empty());
            assert!(step.estimated_minutes > 0);
        }
        let named = advice.steps.iter().flat_map(|step| &step.files);
        assert!(named.clone().any(|file| file.path == "src/cart.rs"), "{advice:#?}");
        let total: i32 = advice.steps.iter().map(|step| step.estimated_minutes).sum();
        assert_eq!(advice.estimated_minutes, total);
        let shown = json(item.data.as_ref().expect("data"));
        assert_eq!(shown["agent_recommendation"]["hash"], advice.hash);
        assert!(item.auto_apply_result.is_none(), "the stage is advisory");
        let run = bob.sees_run(&advice.run).await.unwrap();
        assert_eq!((run.state(), run.principal), (RunState::Succeeded, bob.user.clone()));

        let item = alice.reviews(&item, Verdict::Accept).await.unwrap();
        let judged = item.recommendation.clone().unwrap();
        assert_eq!(judged.state(), RecommendationState::Accepted);
        assert_eq!(judged.reviewer, alice.user);
        assert_eq!(&item.stage_id, diagnosis, "a verdict does not move the item");

        let item = bob.completes(&item).await.unwrap();
        assert_eq!(item.stage_display_name, "Agent Test Suggestions");
        let item = bob.awaits_item(&item.name, |item| {
            item.live_run.is_empty()
                && item.recommendation.as_ref().is_some_and(|newest| newest.name != advice.name)
        })
        .await;
        assert_eq!(item.recommendation.as_ref().unwrap().stage_id, item.stage_id);
        let item = bob.completes(&item).await.unwrap();
        let item = bob.does(&item).await.unwrap();
        assert_eq!(item.state(), WorkItemState::Completed);

        let figures = alice.sees_analytics(&flow.name).await.unwrap();
        assert_eq!((figures.total, figures.completed, figures.in_progress), (1, 1, 0));
        assert!(figures.stages.iter().all(|stage| (stage.entered, stage.completed) == (1, 1)));
    }

    /// A stage that allows it lets an engine's change become a commit in the mirror; the
    /// registered repository is untouched.
    async fn auto_apply(db: TestDb) {
        let engine = ScriptedEngine::new([
            Step::append("src/cart.rs", "// Emptied carts cost nothing.\n"),
            Step::claim("noted"),
        ]);
        let setup = Setup { engines: vec![Arc::new(engine.clone())], ..Setup::default() };
        let world = World::with(db, setup).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (repo, repository) = world.shop().await;
        world.allow_auto_apply(&repository, true).await;
        let before = repo.state();
        let stage = Stage { agent_auto_apply: true, ..assist("fix") };
        let flow = workflow("Fixing", &alice.team, [human("intake"), stage]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let created = item_on(&flow.name, "Cart", "Empty carts", &repository);
        let item = bob.creates_item(created).await.unwrap();

        let item = bob.does(&item).await.unwrap();
        let item = bob.awaits_item(&item.name, |item| item.auto_apply_result.is_some()).await;
        world.settles().await;

        let result = item.auto_apply_result.clone().unwrap();
        assert!(result.success, "{result:?}");
        assert!(item.recommendation.is_some());
        assert_eq!(result.files_changed, ["src/cart.rs"]);
        assert_eq!(result.engine_used, testkit::engine::NAME);
        assert_eq!(engine.runs().ended, 1);
        let patch = bob.sees_patch(&result.patch).await.unwrap();
        assert!(patch.branch.starts_with("refs/heads/elohim/"), "{}", patch.branch);
        let mirror = world.mirror(&repository);
        let tip = mirror.find_reference(&patch.branch).unwrap().peel_to_commit().unwrap();
        assert_eq!(tip.id().to_string(), patch.commit);
        assert_eq!(tip.parent_id(0).unwrap().to_string(), repo.head());
        assert_eq!(repo.state(), before);
    }

    /// A change that was applied makes exactly one item in a workflow that listens, with the
    /// event in its data.
    async fn trigger(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (repo, repository) = world.shop().await;
        let review = workflow("Change Review", &alice.team, [human("look"), human("merge")]);
        let review = alice.creates_workflow(on(review, &["agent.apply.success"])).await.unwrap();

        let diff = repo.diff_adding("README.md", "More.");
        let applied = bob.applies_diff(&repository, &diff).await.unwrap();
        world.settles().await;

        let items = alice.lists_items(&review.name).await.unwrap();
        assert_eq!(items.len(), 1, "{items:#?}");
        let item = alice.sees_item(&items[0].name).await.unwrap();
        assert_eq!((item.stage_id.as_str(), item.state()), ("look", WorkItemState::Pending));
        assert_eq!(item.creator, bob.user, "on behalf of whoever caused the event");
        assert_eq!(item.repository, repository);
        let event = item.agent_event.clone().expect("the event");
        assert_eq!(event.r#type, "agent.apply.success");
        assert_eq!(event.principal, bob.user);
        let payload = json(event.payload.as_ref().expect("a payload"));
        assert_eq!(payload["files"], serde_json::json!(["README.md"]));
        assert_eq!(payload["patch"], applied.patch.unwrap().name);
        assert_eq!(item.triggered_by, review.triggers[0].name);
        let data = json(item.data.as_ref().expect("data"));
        assert_eq!(data["agent_event"]["id"], event.name);
        let firings = alice.sees_firings(&review.name).await.unwrap();
        assert_eq!(firings.len(), 1);
        assert_eq!(firings[0].outcome(), FiringOutcome::Fired);
        assert_eq!(firings[0].work_item, item.name);
    }

    /// One event reaches each workflow that listens, once, and no other.
    async fn several_workflows_on_one_event(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, dave] = world.people(["alice", "bob", "dave"]);
        let (repo, repository) = world.shop().await;
        let listening = async |person: &testkit::world::Person, name: &str, kinds: &[&str]| {
            let flow = workflow(name, &person.team, [human("look")]);
            person.creates_workflow(on(flow, kinds)).await.unwrap().name
        };
        let first = listening(&alice, "Review", &["agent.apply.success"]).await;
        let second = listening(&alice, "Security", &["agent.apply.success"]).await;
        let own = on(workflow("Mine", "", [human("look")]), &["agent.apply.success"]);
        let own = bob.creates_workflow(own).await.unwrap().name;
        let deaf = listening(&alice, "Failures", &["agent.apply.failure"]).await;
        let foreign = listening(&dave, "Elsewhere", &["agent.apply.success"]).await;

        let diff = repo.diff_adding("README.md", "More.");
        bob.applies_diff(&repository, &diff).await.unwrap();
        world.settles().await;

        for (person, flow, expected) in [
            (&alice, &first, 1),
            (&alice, &second, 1),
            (&bob, &own, 1),
            (&alice, &deaf, 0),
            (&dave, &foreign, 0),
        ] {
            let items = person.lists_items(flow).await.unwrap();
            assert_eq!(items.len(), expected, "{flow}: {items:#?}");
        }
        let everything = world.probe().count("select count(*) from work_item").await;
        assert_eq!(everything, 3);
    }

    /// What is personal is its owner's alone: workflow, item, recommendation, run, plan.
    async fn personal_privacy(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (_, repository) = world.shop().await;
        let flow = workflow("My own", "", [assist("think")]);
        let flow = bob.creates_workflow(flow).await.unwrap();
        let created = item_on(&flow.name, "Shipping", "Postage is too low", &repository);
        let item = bob.creates_item(created).await.unwrap();
        let item = bob.awaits_agent(&item.name).await;
        let advice = item.recommendation.clone().expect("a recommendation");

        for (foreign, kind) in [
            (alice.sees_workflow(&flow.name).await.map(drop), "WORKFLOW_NOT_FOUND"),
            (alice.sees_item(&item.name).await.map(drop), "WORK_ITEM_NOT_FOUND"),
            (alice.sees_history(&item.name).await.map(drop), "WORK_ITEM_NOT_FOUND"),
            (alice.sees_run(&advice.run).await.map(drop), "RUN_NOT_FOUND"),
            (alice.sees_analytics(&flow.name).await.map(drop), "WORKFLOW_NOT_FOUND"),
            (alice.claims(&item).await.map(drop), "WORK_ITEM_NOT_FOUND"),
        ] {
            refused(foreign, Code::NotFound, kind);
        }
        assert!(alice.lists_items("").await.unwrap().is_empty());
        assert!(alice.lists_runs("").await.unwrap().is_empty());
        assert_eq!(bob.lists_items("").await.unwrap().len(), 1);
    }

    /// When the agent cannot help, the item says why, stays at its stage and goes on.
    async fn agent_failure_leaves_the_item_usable(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (repo, repository) = world.shop().await;
        let stages = [human("intake"), assist("think"), human("do")];
        let flow = alice.creates_workflow(workflow("Work", &alice.team, stages)).await.unwrap();
        let new = item_on(&flow.name, "Tax", "The tax is wrong", &repository);
        let item = bob.creates_item(new).await.unwrap();
        let moved_away = repo.dir.with_extension("away");
        std::fs::rename(&repo.dir, &moved_away).unwrap();

        let item = bob.does(&item).await.unwrap();
        let item = bob.awaits_agent(&item.name).await;
        assert!(item.recommendation_error.starts_with("REPOSITORY_UNUSABLE"), "{item:#?}");
        assert!(item.recommendation.is_none());
        assert_eq!((item.stage_id.as_str(), item.state()), ("think", WorkItemState::Pending));
        let shown = json(item.data.as_ref().expect("data"));
        assert_eq!(shown["agent_recommendation_error"], item.recommendation_error);

        std::fs::rename(&moved_away, &repo.dir).unwrap();
        let rerun = alice.reruns_agent(&item).await.unwrap();
        assert_eq!(rerun.principal, alice.user, "a rerun is under the caller's name");
        let item = bob.awaits_item(&item.name, |item| {
            item.recommendation.is_some() && item.live_run.is_empty()
        })
        .await;
        assert_eq!(item.recommendation_error, "", "cleared by the success");

        let item = bob.completes(&item).await.unwrap();
        assert_eq!(item.stage_id, "do");
        assert_eq!(bob.does(&item).await.unwrap().state(), WorkItemState::Completed);
    }

    /// A session is its owner's alone, also within a team: to anyone else it does not exist.
    async fn foreign_session_refused(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol] = world.people(["alice", "bob", "carol"]);
        let (repo, repository) = world.shop().await;
        let session = bob.opens_session(&repository).await.unwrap().name;
        let diff = repo.diff_adding("README.md", "More.");

        for stranger in [&alice, &carol] {
            for name in [session.clone(), World::unused(&session)] {
                let (input, session) = ("Fix the cart".to_owned(), name.clone());
                let route = RouteRequest { input: input.clone(), session: session.clone(), ..Default::default() };
                let context = BuildContextRequest { input: input.clone(), session: session.clone(), ..Default::default() };
                let plan = PlanRequest { input, session: session.clone(), ..Default::default() };
                let apply = ApplyRequest {
                    session,
                    change: Some(Change::UnifiedDiff(diff.clone())),
                    ..Default::default()
                };
                for answer in [
                    stranger.routes(route).await.map(drop),
                    stranger.builds_context(context).await.map(drop),
                    stranger.plans(plan).await.map(drop),
                    stranger.applies(apply).await.map(drop),
                    stranger.sees_session(&name).await.map(drop),
                    stranger.closes_session(&name).await.map(drop),
                ] {
                    refused(answer, Code::NotFound, "SESSION_NOT_FOUND");
                }
            }
            assert!(stranger.lists_sessions(false).await.unwrap().is_empty());
        }
        let route = RouteRequest {
            input: "Fix the cart".into(),
            session: session.clone(),
            ..Default::default()
        };
        bob.routes(route).await.unwrap();
        assert_eq!(bob.lists_sessions(true).await.unwrap().len(), 1);
    }
}
