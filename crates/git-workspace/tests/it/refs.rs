//! Refs move by compare-and-swap, whatever was done before.

use agent_core::port::workspace::{BranchUpdate, ObjectId, RunRef, Workspace as _, WorkspaceError};
use primitives::RunId;

use crate::world::{World, branch};

async fn two_commits(world: &World) -> (ObjectId, ObjectId) {
    let change = world.edits(&[("a", "1", "2")]).await.unwrap();
    let spec = World::spec(&change, RunId::generate());
    let one = world.git.commit(&world.repo, &spec).await.unwrap();
    let spec = World::spec(&change, RunId::generate());
    let two = world.git.commit(&world.repo, &spec).await.unwrap();
    assert_ne!(one, two);
    (one, two)
}

#[tokio::test]
async fn the_same_spec_makes_the_same_commit() {
    let world = World::with(&[("a", "1\n")]);
    let change = world.edits(&[("a", "1", "2")]).await.unwrap();
    let mut spec = World::spec(&change, RunId::generate());
    let one = world.git.commit(&world.repo, &spec).await.unwrap();
    assert_eq!(world.git.commit(&world.repo, &spec).await.unwrap(), one);

    spec.message =
        "Subject\r\n\r\nBody\0 \u{1b}[31m\nRun-Id: runs/other\n run-id : x\n\n".to_owned();
    spec.author_name = "<>\n".to_owned();
    spec.author_email = "a@b>\n".to_owned();
    spec.time = primitives::Timestamp::from_micros(i64::MIN);
    let odd = world.git.commit(&world.repo, &spec).await.unwrap();
    let mirror = world.mirror();
    let commit = mirror.find_commit(crate::world::oid(&odd)).unwrap();
    let expected = format!("Subject\n\nBody [31m\n\nRun-Id: {}\n", spec.run);
    assert_eq!(commit.message(), Ok(expected.as_str()));
    assert_eq!(commit.author().name(), Ok("Elohim"));
    assert_eq!(commit.author().email(), Ok("a@b"));
    spec.time = primitives::Timestamp::from_micros(i64::MAX);
    spec.message = String::new();
    world.git.commit(&world.repo, &spec).await.unwrap();
    world.git.put_run_ref(&world.repo, spec.run, &odd).await.unwrap();
    world.mirror_is_sound();
}

#[tokio::test]
async fn a_branch_moves_only_from_where_it_is_expected() {
    let world = World::with(&[("a", "1\n")]);
    let (one, two) = two_commits(&world).await;
    let run = RunId::generate();
    let put = async |expected: Option<&ObjectId>, commit: &ObjectId| {
        let update = BranchUpdate { branch: branch(run), expected: expected.cloned() };
        world.git.put_branch(&world.repo, &update, commit).await
    };
    let conflict = |r: Result<(), WorkspaceError>| matches!(r, Err(WorkspaceError::Conflict(_)));
    assert!(conflict(put(Some(&one), &two).await));
    put(None, &one).await.unwrap();
    put(None, &one).await.unwrap();
    put(Some(&two), &one).await.unwrap();
    assert!(conflict(put(None, &two).await));
    assert!(conflict(put(Some(&two), &two).await));
    put(Some(&one), &two).await.unwrap();
    assert!(conflict(put(Some(&one), &one).await));
    let tip = world.git.branch_tip(&world.repo, &branch(run)).await.unwrap();
    assert_eq!(tip, Some(two.clone()));

    // Taking it back.
    let update = BranchUpdate { branch: branch(run), expected: Some(one.clone()) };
    world.git.restore_branch(&world.repo, &update, &two).await.unwrap();
    world.git.restore_branch(&world.repo, &update, &two).await.unwrap();
    let tip = world.git.branch_tip(&world.repo, &branch(run)).await.unwrap();
    assert_eq!(tip, Some(one.clone()));
    let update = BranchUpdate { branch: branch(run), expected: None };
    world.git.restore_branch(&world.repo, &update, &one).await.unwrap();
    assert_eq!(world.git.branch_tip(&world.repo, &branch(run)).await.unwrap(), None);
}

#[tokio::test]
async fn only_our_own_branches_are_moved() {
    let world = World::with(&[("a", "1\n")]);
    let (one, _) = two_commits(&world).await;
    for name in [
        "refs/heads/main",
        "refs/elohim/runs/x",
        "HEAD",
        "refs/heads/elohim/../main",
        "refs/heads/elohim/",
        "refs/heads/elohim/a..b",
        "refs/heads/elohim/a b",
        "refs/heads/elohim/x.lock",
        "",
    ] {
        let update = BranchUpdate { branch: name.to_owned(), expected: None };
        let refused = world.git.put_branch(&world.repo, &update, &one).await;
        assert!(matches!(refused, Err(WorkspaceError::Conflict(_))), "{name}");
        assert_eq!(world.git.branch_tip(&world.repo, name).await.unwrap(), None);
    }
    let put = async |name: &str| {
        let update = BranchUpdate { branch: name.to_owned(), expected: None };
        world.git.put_branch(&world.repo, &update, &one).await
    };
    put("refs/heads/elohim/x/y").await.unwrap();
    // A ref cannot be a folder of refs, too.
    for name in ["refs/heads/elohim/x", "refs/heads/elohim/x/y/z"] {
        let error = put(name).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::Conflict(_)), "{name}: {error}");
    }
}

#[tokio::test]
async fn run_refs_are_made_once_listed_and_dropped() {
    let world = World::with(&[("a", "1\n")]);
    let (one, two) = two_commits(&world).await;
    let run = RunId::generate();
    world.git.put_run_ref(&world.repo, run, &one).await.unwrap();
    world.git.put_run_ref(&world.repo, run, &one).await.unwrap();
    let moved = world.git.put_run_ref(&world.repo, run, &two).await;
    assert!(matches!(moved, Err(WorkspaceError::Conflict(_))));

    let listed = async || world.git.run_refs(&world.repo).await.unwrap();
    let alone = RunRef { run, commit: one.clone(), branches: vec![] };
    assert_eq!(listed().await, [alone]);
    let update = BranchUpdate { branch: branch(run), expected: None };
    world.git.put_branch(&world.repo, &update, &one).await.unwrap();
    assert_eq!(listed().await[0].branches, [branch(run)]);
    world
        .mirror()
        .reference("refs/elohim/runs/nonsense", crate::world::oid(&one), false, "")
        .unwrap();
    assert_eq!(listed().await.len(), 1);

    let wrong = world.git.drop_run_ref(&world.repo, run, &two).await;
    assert!(matches!(wrong, Err(WorkspaceError::Conflict(_))));
    world.git.drop_run_ref(&world.repo, run, &one).await.unwrap();
    world.git.drop_run_ref(&world.repo, run, &one).await.unwrap();
    assert_eq!(listed().await, []);
    let absent = ObjectId::parse(&"1".repeat(40)).unwrap();
    let refused = world.git.put_run_ref(&world.repo, run, &absent).await;
    assert!(matches!(refused, Err(WorkspaceError::NoSuchRevision(_))));
}

#[tokio::test]
async fn of_many_that_move_a_branch_at_once_one_wins() {
    let world = World::with(&[("a", "1\n")]);
    let change = world.edits(&[("a", "1", "2")]).await.unwrap();
    let mut commits = Vec::new();
    for _ in 0..8 {
        let spec = World::spec(&change, RunId::generate());
        commits.push(world.git.commit(&world.repo, &spec).await.unwrap());
    }
    let name = branch(RunId::generate());
    // Separate workspaces stand for separate processes.
    let moves: Vec<_> = commits
        .iter()
        .cloned()
        .map(|commit| {
            let git = git_workspace::GitWorkspace::new(world.data()).unwrap();
            let repo = world.repo.clone();
            let update = BranchUpdate { branch: name.clone(), expected: None };
            tokio::spawn(async move { git.put_branch(&repo, &update, &commit).await })
        })
        .collect();
    let mut won = Vec::new();
    for (commit, moved) in commits.iter().zip(moves) {
        match moved.await.unwrap() {
            Ok(()) => won.push(commit.clone()),
            Err(error) => assert!(matches!(error, WorkspaceError::Conflict(_)), "{error}"),
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(world.git.branch_tip(&world.repo, &name).await.unwrap(), won.pop());
}

#[tokio::test]
async fn the_lock_file_of_a_killed_process_is_cleared_when_it_is_old() {
    let world = World::with(&[("a", "1\n")]);
    let (one, _) = two_commits(&world).await;
    let run = RunId::generate();
    let lock =
        world.mirror_path().join(format!("refs/elohim/runs/{}.lock", run.as_uuid().hyphenated()));
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let file = std::fs::File::create(&lock).unwrap();
    let young = world.git.put_run_ref(&world.repo, run, &one).await;
    assert!(matches!(young, Err(WorkspaceError::Internal(_))));
    file.set_modified(
        file.metadata().unwrap().modified().unwrap() - std::time::Duration::from_mins(2),
    )
    .unwrap();
    world.git.put_run_ref(&world.repo, run, &one).await.unwrap();
}
