//! `kill -9` at each named point, and what is there after a restart.

use std::process::Command;

use agent_core::service::Checkpoint;
use api::agent::apply_request::Change;
use api::agent::{ApplyRequest, PatchState, RevertPatchRequest, RunState};
use testkit::database::TestDb;
use testkit::world::shapes::{assist, human, item_on, on, workflow};
use testkit::world::{Repo, World};

/// A change is applied and the server killed on the way: after a restart there is one
/// commit, recorded once, one event and one triggered item.
async fn an_apply_survives(db: TestDb, point: Checkpoint) {
    let mut world = World::in_child(db, Some(point)).await;
    let [alice, bob] = world.people(["alice", "bob"]);
    let (repo, repository) = world.shop().await;
    let before = repo.state();
    let review = workflow("Review", &alice.team, [human("look")]);
    let review = alice.creates_workflow(on(review, &["agent.apply.success"])).await.unwrap().name;
    let request = ApplyRequest {
        repository: repository.clone(),
        change: Some(Change::UnifiedDiff(repo.diff_adding("README.md", "More."))),
        ..Default::default()
    };
    let run = bob.agent().apply(request).await.unwrap().into_inner().run.unwrap().name;

    world.kill_at(point).await;
    let made = commits(&world, &repository, &repo);
    assert!(made <= 1, "{made} commits at {}", point.name());
    world.ends_leases().await;
    world.restart().await;
    world.settles().await;

    let [alice, bob] = world.people(["alice", "bob"]);
    let run = bob.sees_run(&run).await.unwrap();
    assert_eq!(run.state(), RunState::Succeeded, "{run:#?}");
    let patches = bob.lists_patches("").await.unwrap();
    assert_eq!(patches.len(), 1);
    let patch = bob.sees_patch(&patches[0].name).await.unwrap();
    assert_eq!(patch.state(), PatchState::Applied);
    assert_eq!(commits(&world, &repository, &repo), 1);
    let mirror = world.mirror(&repository);
    let tip = mirror.find_reference(&patch.branch).unwrap().peel_to_commit().unwrap();
    assert_eq!(tip.id().to_string(), patch.commit, "recorded is what is committed");
    let branches = mirror.references_glob("refs/heads/elohim/*").unwrap().count();
    assert_eq!(branches, 1);
    let happened = |kind: &str| format!("select count(*) from outbox where event_type = '{kind}'");
    assert_eq!(world.probe().count(&happened("agent.apply.success")).await, 1);
    assert_eq!(world.probe().count(&happened("agent.apply.failure")).await, 0);
    assert_eq!(alice.lists_items(&review).await.unwrap().len(), 1, "triggered once");
    assert_eq!(alice.sees_firings(&review).await.unwrap().len(), 1);
    let records = world.probe().recorded().await;
    let applied = records.iter().filter(|record| record.action == "agent.apply.success").count();
    assert_eq!(applied, 1);
    check_objects(&world, &repository);
    assert_eq!(repo.state(), before, "the registered repository is untouched");
}

/// A change is taken back and the server killed on the way: after a restart it is taken
/// back once, and the branch's tree is the base's.
async fn a_revert_survives(db: TestDb, point: Checkpoint) {
    let mut world = World::in_child(db, None).await;
    let (repo, repository) = world.shop().await;
    let bob = world.person("bob");
    let diff = repo.diff_adding("README.md", "More.");
    let patch = bob.applies_diff(&repository, &diff).await.unwrap().patch.unwrap();
    world.settles().await;
    world.restart_to_hold_at(point);
    let bob = world.person("bob");
    let revert = RevertPatchRequest { name: patch.name.clone(), ..Default::default() };
    let run = bob.patches().revert_patch(revert).await.unwrap().into_inner().name;

    world.kill_at(point).await;
    world.ends_leases().await;
    world.restart().await;
    world.settles().await;

    let bob = world.person("bob");
    assert_eq!(bob.sees_run(&run).await.unwrap().state(), RunState::Succeeded);
    let seen = bob.sees_patch(&patch.name).await.unwrap();
    assert_eq!((seen.state(), &seen.reverted_by), (PatchState::Reverted, &run));
    let mirror = world.mirror(&repository);
    let tip = mirror.find_reference(&patch.branch).unwrap().peel_to_commit().unwrap();
    assert_eq!(tip.parent_id(0).unwrap().to_string(), patch.commit, "one commit over the patch");
    let base = mirror.find_commit(repo.head().parse().unwrap()).unwrap();
    assert_eq!(tip.tree_id(), base.tree_id(), "the tree is the base's");
    let happened = "select count(*) from outbox where event_type = 'agent.patch.reverted'";
    assert_eq!(world.probe().count(happened).await, 1);
    check_objects(&world, &repository);
}

/// The agent works at a stage and the server is killed on the way: after a restart the item
/// has one recommendation of one plan.
async fn an_assist_survives(db: TestDb, point: Checkpoint) {
    let mut world = World::in_child(db, Some(point)).await;
    let [alice, bob] = world.people(["alice", "bob"]);
    let (_, repository) = world.shop().await;
    let echo = workflow("Echo", &alice.team, [human("look")]);
    let echo = alice.creates_workflow(on(echo, &["agent.plan.completed"])).await.unwrap().name;
    let flow = workflow("Work", &alice.team, [assist("think"), human("do")]);
    let flow = alice.creates_workflow(flow).await.unwrap().name;
    let item = bob.creates_item(item_on(&flow, "Cart", "", &repository)).await.unwrap();

    world.kill_at(point).await;
    world.ends_leases().await;
    world.restart().await;
    world.settles().await;

    let [alice, bob] = world.people(["alice", "bob"]);
    let item = bob.sees_item(&item.name).await.unwrap();
    let advice = item.recommendation.expect("a recommendation");
    let runs = bob.lists_runs(&item.name).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].state(), &runs[0].name), (RunState::Succeeded, &advice.run));
    assert_eq!(world.probe().count("select count(*) from plan").await, 1, "planned once");
    assert_eq!(world.probe().count("select count(*) from recommendation").await, 1);
    assert_eq!(alice.lists_items(&echo).await.unwrap().len(), 1, "triggered once");
}

/// Commit objects in the mirror whose parent is the repository's HEAD.
fn commits(world: &World, repository: &str, repo: &Repo) -> usize {
    let Ok(mirror) = git2::Repository::open_bare(world.mirror_dir(repository)) else { return 0 };
    let base: git2::Oid = repo.head().parse().unwrap();
    let mut found = 0;
    mirror
        .odb()
        .unwrap()
        .foreach(|id| {
            let commit = mirror.find_commit(*id);
            found += usize::from(commit.is_ok_and(|commit| commit.parent_ids().any(|p| p == base)));
            true
        })
        .unwrap();
    found
}

/// A second opinion on the mirror, by git itself.
fn check_objects(world: &World, repository: &str) {
    let checked = Command::new("git")
        .arg("-C")
        .arg(world.mirror_dir(repository))
        .args(["-c", "safe.directory=*", "fsck", "--strict"])
        .output()
        .expect("git is installed");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
    assert!(!said.contains("error") && !said.contains("warning"), "{said}");
}

testkit::on_both! {
    async fn after_claim(db: TestDb) { an_apply_survives(db, Checkpoint::Claimed).await; }
    async fn after_claim_of_an_assist(db: TestDb) { an_assist_survives(db, Checkpoint::Claimed).await; }
    async fn plan_stored(db: TestDb) { an_assist_survives(db, Checkpoint::PlanStored).await; }
    async fn diff_stored(db: TestDb) { an_apply_survives(db, Checkpoint::DiffStored).await; }
    async fn commit_object(db: TestDb) { an_apply_survives(db, Checkpoint::CommitObject).await; }
    async fn run_ref(db: TestDb) { an_apply_survives(db, Checkpoint::RunRef).await; }
    async fn branch_ref(db: TestDb) { an_apply_survives(db, Checkpoint::BranchRef).await; }
    async fn revert_run_ref(db: TestDb) { a_revert_survives(db, Checkpoint::RunRef).await; }
    async fn revert_branch_ref(db: TestDb) { a_revert_survives(db, Checkpoint::BranchRef).await; }
    async fn outbox_row_claimed(db: TestDb) { an_apply_survives(db, Checkpoint::EventClaimed).await; }
}
