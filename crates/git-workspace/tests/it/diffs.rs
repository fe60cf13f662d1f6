//! The canonical diff against the real git, and the whole way of a change.

use std::fs;

use agent_core::port::workspace::{
    BranchUpdate, ChangeKind, PatchInput, Workspace as _, WorkspaceError,
};
use primitives::RunId;

use crate::world::{World, branch, git_ok, oid};

const LONG: &str = "fn one() {\n    1\n}\n\nfn two() {\n    2\n}\n\nfn three() {\n    3\n}\n\n\
                    fn four() {\n    4\n}\n\nfn five() {\n    5\n}\n";

/// Changes the work tree, and returns what `git diff` says about it.
fn by_hand(world: &World, change: impl Fn(&std::path::Path)) -> String {
    change(&world.repo.path);
    git_ok(&world.repo.path, &["add", "-A"], None);
    git_ok(&world.repo.path, &["diff", "--cached", "--no-renames", "HEAD"], None)
}

#[tokio::test]
async fn the_canonical_diff_is_what_git_prints() {
    let world = World::with(&[
        ("src/a.rs", LONG),
        ("gone", "x\ny\n"),
        ("empty", ""),
        ("noeol", "one\ntwo"),
        ("crlf", "one\r\ntwo\r\nthree\r\n"),
        ("with blank", "1\n"),
        ("ä \"quoted\"", "1\n"),
        ("script", "#!/bin/sh\n"),
        ("both", "1\n"),
    ]);
    let diff = by_hand(&world, |path| {
        use std::os::unix::fs::PermissionsExt as _;
        let longer = LONG.replace("    2\n", "    22\n    222\n").replace("    5\n", "    55\n");
        fs::write(path.join("src/a.rs"), longer).unwrap();
        fs::remove_file(path.join("gone")).unwrap();
        fs::remove_file(path.join("empty")).unwrap();
        fs::write(path.join("noeol"), "one\ntwo!").unwrap();
        fs::write(path.join("crlf"), "one\r\n2\r\nthree\r\n").unwrap();
        fs::write(path.join("with blank"), "2\n").unwrap();
        fs::write(path.join("ä \"quoted\""), "2\n").unwrap();
        fs::write(path.join("new"), "x").unwrap();
        fs::write(path.join("new empty"), "").unwrap();
        fs::create_dir(path.join("dir")).unwrap();
        fs::write(path.join("dir/tool"), "#!/bin/sh\n").unwrap();
        fs::write(path.join("both"), "2\n").unwrap();
        for name in ["script", "both", "dir/tool"] {
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
    });
    let change = world.judges(&diff).await.unwrap();
    assert_eq!(change.diff, diff);
    let tree = git_ok(&world.repo.path, &["write-tree"], None);
    assert_eq!(change.tree.as_str(), tree.trim());

    let kinds: Vec<_> =
        change.files.iter().map(|f| (f.path.as_str(), f.kind, f.lines_added)).collect();
    assert!(kinds.contains(&("gone", ChangeKind::Deleted, 0)));
    assert!(kinds.contains(&("new", ChangeKind::Added, 1)));
    assert!(kinds.contains(&("src/a.rs", ChangeKind::Modified, 3)));
    assert_eq!(change.protected, Vec::<String>::new());

    // And back: the real git makes the same tree of our diff.
    let scratch = world.root().join("scratch");
    git_ok(&world.root(), &["clone", "-q", "project", "scratch"], None);
    git_ok(&scratch, &["apply", "--index", "-"], Some(&change.diff));
    assert_eq!(git_ok(&scratch, &["write-tree"], None), tree);
}

#[tokio::test]
async fn a_change_becomes_one_commit_whose_diff_is_the_patch_and_can_be_taken_back() {
    let world = World::with(&[("README.md", "# Hello\n\nSay hi.\n"), ("b", "1\n")]);
    let before = world.registered_state();
    let diff = "diff --git a/README.md b/README.md\nindex 0000000..1111111 100644\n\
                --- a/README.md\n+++ b/README.md\n@@ -1,3 +1,4 @@\n # Hello\n \n Say hi.\n+More.\n";
    let change = world.judges(diff).await.unwrap();
    let run = RunId::generate();
    let commit = world.applies(&change, run).await;

    let shown =
        git_ok(&world.mirror_path(), &["diff", change.base.as_str(), commit.as_str()], None);
    assert_eq!(shown, change.diff);
    let raw = git_ok(&world.mirror_path(), &["cat-file", "commit", commit.as_str()], None);
    let expected = format!(
        "tree {}\nparent {}\nauthor Ann <ann@example.org> 1700000123 +0000\n\
         committer Elohim <agent@elohim.invalid> 1700000123 +0000\n\n\
         Say more\n\nRun-Id: {run}\n",
        change.tree, change.base
    );
    assert_eq!(raw, expected);
    assert_eq!(
        world.git.branch_tip(&world.repo, &branch(run)).await.unwrap(),
        Some(commit.clone())
    );

    // The tip of our branch is a base like any other.
    let tip = world.git.snapshot(&world.repo, Some(commit.as_str())).await.unwrap();
    assert_eq!(tip.tree, change.tree);

    let back = world.git.judge_revert(&world.repo, &commit, &commit).await.unwrap();
    let mirror = world.mirror();
    let base_tree = mirror.find_commit(oid(&change.base)).unwrap().tree_id();
    assert_eq!(oid(&back.tree), base_tree);
    assert_eq!(back.base, commit);
    let undo = RunId::generate();
    let reverted = world.git.commit(&world.repo, &World::spec(&back, undo)).await.unwrap();
    world.git.put_run_ref(&world.repo, undo, &reverted).await.unwrap();
    let update = BranchUpdate { branch: branch(run), expected: Some(commit.clone()) };
    world.git.put_branch(&world.repo, &update, &reverted).await.unwrap();
    assert_eq!(
        world.git.branch_tip(&world.repo, &branch(run)).await.unwrap(),
        Some(reverted.clone())
    );
    let again = world.git.judge_revert(&world.repo, &commit, &reverted).await.unwrap_err();
    assert!(matches!(again, WorkspaceError::Conflict(_)), "{again}");
    world.mirror_is_sound();
    assert_eq!(world.registered_state(), before);
}

#[tokio::test]
async fn a_revert_keeps_what_came_later_elsewhere_and_conflicts_where_it_came() {
    let world = World::with(&[("a", "1\n"), ("b", "1\n"), ("dir/only", "1\n")]);
    let first = world
        .edits(&[("a", "1\n", "2\n"), ("new/file", "", "x\n"), ("dir/only", "1", "2")])
        .await
        .unwrap();
    let applied = world.applies(&first, RunId::generate()).await;

    let on = async |commit, path: &str, search: &str, replace: &str| {
        let edit = agent_core::port::workspace::SearchReplace {
            path: path.to_owned(),
            search: search.to_owned(),
            replace: replace.to_owned(),
        };
        let input = PatchInput::SearchReplace(vec![edit]);
        let change = world.git.judge(&world.repo, &commit, &input).await.unwrap();
        world.applies(&change, RunId::generate()).await
    };
    let elsewhere = on(applied.clone(), "b", "1", "later").await;
    let back = world.git.judge_revert(&world.repo, &applied, &elsewhere).await.unwrap();
    assert_eq!(world.content(&back.tree, "a").unwrap(), b"1\n");
    assert_eq!(world.content(&back.tree, "b").unwrap(), b"later\n");
    assert_eq!(world.content(&back.tree, "new/file"), None);
    assert_eq!(back.files.len(), 3);

    let same = on(applied.clone(), "a", "2", "3").await;
    let error = world.git.judge_revert(&world.repo, &applied, &same).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Conflict(_)));
    assert!(error.to_string().contains("a changed since"), "{error}");

    let base = world.base().await;
    let root = world.git.judge_revert(&world.repo, &base, &applied).await.unwrap_err();
    assert!(matches!(root, WorkspaceError::DoesNotApply(_)));
}

#[tokio::test]
async fn search_replace_edits_files_in_order_and_all_or_nothing() {
    let world = World::with(&[("a", "one\ntwo\n"), ("crlf", "x\r\ny\r\n")]);
    let change = world
        .edits(&[
            ("a", "one\n", "1\n"),
            ("a", "1\ntwo", "1\n2"),
            ("dir/new.txt", "", "hello\n"),
            ("dir/new.txt", "hello", "bye"),
            ("crlf", "x\r\n", "z\r\n"),
        ])
        .await
        .unwrap();
    assert_eq!(world.content(&change.tree, "a").unwrap(), b"1\n2\n");
    assert_eq!(world.content(&change.tree, "dir/new.txt").unwrap(), b"bye\n");
    assert_eq!(world.content(&change.tree, "crlf").unwrap(), b"z\r\ny\r\n");
    let again = world.git.judge_trees(&world.repo, &change.base, &change.tree).await.unwrap();
    assert_eq!(again, change);

    let refs = world.mirror_refs();
    for bad in [
        ("a", "absent", "x"),
        ("a", "\n", "x"),
        ("a", "", "x"),
        ("nope", "x", "y"),
        ("crlf", "x\ny", "z"),
    ] {
        let error = world.edits(&[("a", "one", "1"), bad]).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::DoesNotApply(_)), "{bad:?}: {error}");
    }
    let same = world.edits(&[("a", "one", "one")]).await.unwrap_err();
    assert!(matches!(same, WorkspaceError::NoChange));
    assert_eq!(world.mirror_refs(), refs);
}

#[tokio::test]
async fn protected_paths_are_named() {
    let world = World::with(&[("a", "1\n"), (".github/workflows/ci.yml", "on: push\n")]);
    let change = world
        .edits(&[
            ("a", "1", "2"),
            (".github/workflows/ci.yml", "push", "[push]"),
            ("sub/AGENTS.md", "", "obey\n"),
            (".env.local", "", "KEY=1\n"),
        ])
        .await
        .unwrap();
    assert_eq!(change.protected, [".env.local", ".github/workflows/ci.yml", "sub/AGENTS.md"]);
}
