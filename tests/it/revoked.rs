//! Work that waits is done with the rights of the moment it is done, not of the one it was
//! asked for.

use api::agent::apply_request::Change;
use api::agent::{ApplyRequest, PatchState, PlanRequest, RevertPatchRequest, RunState};
use api::workflow::{FiringOutcome, WorkItemState};
use testkit::world::World;
use testkit::world::shapes::{assist, human, item_on, on, workflow};

/// Makes a person a guest of *core*, whatever they were.
async fn demotes(world: &World, person: &str, role: &str) {
    world.assign(person, "core", "guest").await;
    world.revoke(person, "core", role).await;
}

testkit::on_both! {
    /// A change that was asked for while it was allowed is not made when it no longer is.
    async fn a_queued_change_is_not_made(db: TestDb) {
        let mut world = World::start(db).await;
        let (repo, repository) = world.shop().await;
        let flow = workflow("Work", &world.team("core"), [human("do")]);
        let alice = world.person("alice");
        let flow = alice.creates_workflow(flow).await.unwrap().name;
        let made = alice.creates_item(item_on(&flow, "Cart", "", &repository)).await.unwrap();
        world.restart_with_worker(false).await;
        let request = ApplyRequest {
            repository: repository.clone(),
            work_item: made.name.clone(),
            change: Some(Change::UnifiedDiff(repo.diff_adding("README.md", "More."))),
            ..Default::default()
        };
        let bob = world.person("bob");
        let run = bob.agent().apply(request).await.unwrap().into_inner().run.unwrap().name;
        demotes(&world, "bob", "developer").await;
        world.restart_with_worker(true).await;
        world.settles().await;

        let alice = world.person("alice");
        let run = alice.sees_run(&run).await.unwrap();
        assert_eq!((run.state(), run.error.unwrap().reason), (RunState::Failed, "PERMISSION_DENIED".into()));
        let patches = alice.lists_patches(&made.name).await.unwrap();
        assert_eq!(patches.len(), 1);
        assert_eq!((patches[0].state(), patches[0].commit.as_str()), (PatchState::Rejected, ""));
        assert_eq!(world.mirror(&repository).references_glob("refs/heads/elohim/*").unwrap().count(), 0);
    }

    /// The same for taking a change back: it stays applied, and somebody else may try.
    async fn a_queued_revert_is_not_made(db: TestDb) {
        let mut world = World::start(db).await;
        let (repo, repository) = world.shop().await;
        let flow = workflow("Work", &world.team("core"), [human("do")]);
        let alice = world.person("alice");
        let flow = alice.creates_workflow(flow).await.unwrap().name;
        let made = alice.creates_item(item_on(&flow, "Cart", "", &repository)).await.unwrap();
        let request = ApplyRequest {
            repository: repository.clone(),
            work_item: made.name.clone(),
            change: Some(Change::UnifiedDiff(repo.diff_adding("README.md", "More."))),
            ..Default::default()
        };
        let patch = alice.applies(request).await.unwrap().patch.unwrap();
        world.restart_with_worker(false).await;
        let bob = world.person("bob");
        let revert = RevertPatchRequest { name: patch.name.clone(), ..Default::default() };
        let run = bob.patches().revert_patch(revert).await.unwrap().into_inner().name;
        demotes(&world, "bob", "developer").await;
        world.restart_with_worker(true).await;
        world.settles().await;

        let alice = world.person("alice");
        let run = alice.sees_run(&run).await.unwrap();
        assert_eq!((run.state(), run.error.unwrap().reason), (RunState::Failed, "PERMISSION_DENIED".into()));
        let seen = alice.sees_patch(&patch.name).await.unwrap();
        assert_eq!((seen.state(), seen.reverted_by.as_str()), (PatchState::Applied, ""));
        let run = alice.reverts(&patch.name).await.unwrap();
        assert_eq!(run.state(), RunState::Succeeded);
    }

    /// The agent does not work for somebody who may no longer use it; the item says so and
    /// goes on.
    async fn a_queued_assist_is_not_done(db: TestDb) {
        let mut world = World::start(db).await;
        let (_, repository) = world.shop().await;
        world.restart_with_worker(false).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = workflow("Work", &alice.team, [assist("think"), human("do")]);
        let flow = alice.creates_workflow(flow).await.unwrap().name;
        let made = bob.creates_item(item_on(&flow, "Cart", "", &repository)).await.unwrap();
        demotes(&world, "bob", "developer").await;
        world.restart_with_worker(true).await;

        let alice = world.person("alice");
        let seen = alice.awaits_agent(&made.name).await;
        assert!(seen.recommendation_error.starts_with("PERMISSION_DENIED"), "{seen:#?}");
        assert!(seen.recommendation.is_none());
        assert_eq!(seen.state(), WorkItemState::Pending);
        let rerun = alice.reruns_agent(&seen).await.unwrap();
        assert_eq!(alice.awaits_end(&rerun.name).await.state(), RunState::Succeeded);
    }

    /// An event makes no item on behalf of somebody who may no longer make one; the firing
    /// says so.
    async fn a_trigger_does_not_fire(db: TestDb) {
        let mut world = World::start(db).await;
        let (_, repository) = world.shop().await;
        let carol = world.person("carol");
        let listening = workflow("Echo", &carol.team, [human("look")]);
        let listening = on(listening, &["agent.plan.completed"]);
        let listening = carol.creates_workflow(listening).await.unwrap().name;
        let flow = workflow("Work", &carol.team, [human("do")]);
        let flow = carol.creates_workflow(flow).await.unwrap().name;
        let made = carol.creates_item(item_on(&flow, "Cart", "", &repository)).await.unwrap();
        world.restart_with_worker(false).await;
        let request = PlanRequest {
            repository,
            input: "Fix the cart".into(),
            work_item: made.name,
            ..Default::default()
        };
        world.person("bob").plans(request).await.unwrap();
        demotes(&world, "bob", "developer").await;
        world.restart_with_worker(true).await;
        world.settles().await;

        let carol = world.person("carol");
        assert!(carol.lists_items(&listening).await.unwrap().is_empty());
        let firings = carol.sees_firings(&listening).await.unwrap();
        assert_eq!(firings.len(), 1, "{firings:#?}");
        assert_eq!(firings[0].outcome(), FiringOutcome::Refused);
        assert_eq!((firings[0].reason.as_str(), firings[0].work_item.as_str()), ("PERMISSION_DENIED", ""));
    }
}
