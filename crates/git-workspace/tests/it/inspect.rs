//! Which folders may be registered.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use agent_core::port::workspace::{Workspace as _, WorkspaceError};
use git2::Repository;

use crate::world::{World, git_ok, init};

async fn verdict(world: &World, path: impl Into<PathBuf>) -> Result<Option<String>, String> {
    match world.git.inspect(world.root(), path.into()).await {
        Ok((_, branch)) => Ok(branch),
        Err(WorkspaceError::Unusable(why)) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn ordinary_repositories_pass() {
    let world = World::with(&[("a", "1\n")]);
    let (path, branch) = world.git.inspect(world.root(), "project".into()).await.unwrap();
    assert_eq!((path, branch.as_deref()), (world.repo.path.clone(), Some("main")));
    assert_eq!(verdict(&world, &world.repo.path).await, Ok(Some("main".to_owned())));
    assert_eq!(verdict(&world, "./project").await, Ok(Some("main".to_owned())));

    git_ok(&world.root(), &["clone", "-q", "--bare", "project", "bare.git"], None);
    assert_eq!(verdict(&world, "bare.git").await, Ok(Some("main".to_owned())));
    git_ok(&world.repo.path, &["checkout", "-q", "--detach"], None);
    assert_eq!(verdict(&world, "project").await, Ok(Some("HEAD".to_owned())));
    init(&world.root().join("empty"));
    assert_eq!(verdict(&world, "empty").await, Ok(None));
}

#[tokio::test]
async fn the_root_may_lie_behind_a_link_but_the_repository_may_not() {
    let world = World::with(&[("a", "1\n")]);
    let alias = world.data().join("alias");
    symlink(world.root(), &alias).unwrap();
    let (path, _) = world.git.inspect(alias.clone(), alias.join("project")).await.unwrap();
    assert_eq!(path, world.repo.path);

    symlink(&world.repo.path, world.root().join("link")).unwrap();
    assert!(verdict(&world, "link").await.unwrap_err().contains("symbolic link"));
    let outside = world.data().join("outside");
    init(&outside);
    symlink(world.data(), world.root().join("door")).unwrap();
    assert!(verdict(&world, "door/outside").await.unwrap_err().contains("symbolic link"));
    for path in [
        outside.clone(),
        PathBuf::from("../data/outside"),
        PathBuf::from("project/../../data/outside"),
        world.root(),
        PathBuf::from("."),
        PathBuf::from(""),
        PathBuf::from("/"),
    ] {
        assert!(verdict(&world, &path).await.is_err(), "{}", path.display());
    }
}

#[tokio::test]
async fn what_is_no_repository_is_said_to_be_none() {
    let world = World::with(&[("a", "1\n")]);
    fs::create_dir(world.root().join("plain")).unwrap();
    fs::write(world.root().join("file"), "x").unwrap();
    for (path, why) in [
        ("plain", "it is not a git repository"),
        ("file", "it is not a folder"),
        ("absent", "there is no such folder"),
        ("project/.git", "register the folder above"),
        ("project/.git/refs", "it is not a git repository"),
    ] {
        let text = verdict(&world, path).await.unwrap_err();
        assert!(text.contains(why), "{path}: {text}");
    }
    let broken = world.root().join("broken");
    fs::create_dir_all(broken.join(".git")).unwrap();
    assert!(verdict(&world, "broken").await.is_err());
    init(&world.root().join("headless"));
    fs::write(world.root().join("headless/.git/HEAD"), "nonsense").unwrap();
    assert!(verdict(&world, "headless").await.is_err());
}

/// Each trap is set in a fresh repository.
#[tokio::test]
async fn repositories_that_reach_outside_are_refused() {
    type Trap = (&'static str, fn(&Path), &'static str);
    let traps: [Trap; 17] = [
        ("alternates", |p| write(p, ".git/objects/info/alternates", "/x/objects\n"), "borrows"),
        ("http", |p| write(p, ".git/objects/info/http-alternates", "http://x\n"), "borrows"),
        ("commondir", |p| write(p, ".git/commondir", "../../other\n"), "borrows"),
        ("gitdir", |p| write(p, ".git/gitdir", "../../other\n"), "borrows"),
        ("worktree", |p| append(p, "[core]\n\tworktree = /\n"), "core.worktree"),
        ("include", |p| append(p, "[include]\n\tpath = /etc/passwd\n"), "includes"),
        ("includeif", |p| append(p, "[includeIf \"gitdir:/\"] path=/x\n"), "includes"),
        ("promisor", |p| append(p, "[remote \"o\"]\n\tpromisor = true\n"), "partial clone"),
        ("filter", |p| append(p, "[remote \"o\"]\n\tpartialclonefilter = x\n"), "partial clone"),
        ("extension", |p| append(p, "[extensions]\n\tsecret = 1\n"), "extension"),
        ("sha256", |p| append(p, "[extensions]\n\tobjectFormat = sha256\n"), "SHA-1"),
        ("version", |p| append(p, "[core]\n\trepositoryformatversion = 7\n"), "format version"),
        ("malformed", |p| append(p, "[core\n"), "malformed"),
        (
            "worktreeconfig",
            |p| write(p, ".git/config.worktree", "[core]\nworktree=/\n"),
            "core.worktree",
        ),
        ("head", |p| relink(p, ".git/HEAD", "/etc/passwd"), "link or a special"),
        ("objects", |p| relink(p, ".git/objects", "/tmp"), "link or a special"),
        ("ref", |p| link(p, ".git/refs/heads/x", "/etc/passwd"), "among its objects or refs"),
    ];
    for (name, trap, why) in traps {
        let world = World::with(&[("a", "1\n")]);
        trap(&world.repo.path);
        let text = verdict(&world, "project").await.unwrap_err();
        assert!(text.contains(why), "{name}: {text}");
        let error = world.git.snapshot(&world.repo, None).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::Unusable(_)), "{name}: {error}");
        let error = world.git.status(&world.repo, 10).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::Unusable(_)), "{name}: {error}");
    }
}

fn write(path: &Path, name: &str, text: &str) {
    fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
    fs::write(path.join(name), text).unwrap();
}

fn append(path: &Path, text: &str) {
    let config = path.join(".git/config");
    let before = fs::read_to_string(&config).unwrap();
    fs::write(config, format!("{before}{text}")).unwrap();
}

fn link(path: &Path, name: &str, target: &str) {
    symlink(target, path.join(name)).unwrap();
}

fn relink(path: &Path, name: &str, target: &str) {
    fs::rename(path.join(name), path.join(".git/moved")).unwrap();
    symlink(target, path.join(name)).unwrap();
}

#[tokio::test]
async fn a_pipe_in_a_repository_does_not_hang_the_server() {
    let world = World::with(&[("a", "1\n")]);
    for name in ["index", "packed-refs", "refs/heads/pipe", "info/exclude", "shallow"] {
        let path = world.repo.path.join(".git").join(name);
        let _ = fs::remove_file(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(verdict(&world, "project").await.is_err(), "{name}");
        fs::remove_file(&path).unwrap();
    }
}

/// Programs that a repository's owner may configure are none that the server runs.
#[tokio::test]
async fn nothing_that_a_repository_configures_is_run() {
    use std::os::unix::fs::PermissionsExt as _;

    let world = World::with(&[("a", "1\n"), (".gitattributes", "* filter=x diff=x merge=x\n")]);
    let canary = world.root().join("canary");
    let script = world.root().join("script");
    fs::write(&script, format!("#!/bin/sh\ntouch {}\ncat\n", canary.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let hooks = world.repo.path.join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    for hook in ["post-checkout", "pre-commit", "reference-transaction", "post-index-change"] {
        fs::copy(&script, hooks.join(hook)).unwrap();
    }
    let run = script.display();
    append(
        &world.repo.path,
        &format!(
            "[core]\n\tfsmonitor = {run}\n\thooksPath = {}\n\tsshCommand = {run}\n\
             [filter \"x\"]\n\tclean = {run}\n\tsmudge = {run}\n\tprocess = {run}\n\
             \trequired = true\n[diff \"x\"]\n\tcommand = {run}\n\ttextconv = {run}\n\
             [diff]\n\texternal = {run}\n[uploadpack]\n\tpackObjectsHook = {run}\n",
            hooks.display()
        ),
    );
    let before = world.registered_state();
    fs::write(world.repo.path.join("a"), "2\n").unwrap();
    let status = world.git.status(&world.repo, 10).await.unwrap();
    assert_eq!(status.len(), 1);
    fs::write(world.repo.path.join("a"), "1\n").unwrap();

    assert_eq!(verdict(&world, "project").await, Ok(Some("main".to_owned())));
    let base = world.base().await;
    world.git.recent_commits(&world.repo, &base, 10, 1000).await.unwrap();
    let checkout = world.git.export(&world.repo, &base).await.unwrap();
    fs::write(checkout.dir.join("a"), "2\n").unwrap();
    let change = world.git.collect(&world.repo, &checkout).await.unwrap();
    assert!(change.diff.contains("-1\n+2\n"), "{}", change.diff);
    world.applies(&change, primitives::RunId::generate()).await;
    assert!(!canary.exists());

    // The trap works: the real git walks into it.
    fs::write(world.repo.path.join("a"), "3\n").unwrap();
    crate::world::git(&world.repo.path, &["status"], None);
    assert!(canary.exists());
    assert_eq!(before.len(), world.registered_state().len());
}

#[tokio::test]
async fn linked_worktrees_and_submodules_are_named_as_what_they_are() {
    let world = World::with(&[("a", "1\n")]);
    git_ok(&world.repo.path, &["worktree", "add", "-q", "../linked", "-b", "other"], None);
    assert!(verdict(&world, "linked").await.unwrap_err().contains("linked worktree"));
    assert!(verdict(&world, "project").await.is_ok());
}

#[tokio::test]
async fn a_bare_repository_that_came_with_a_commit_is_refused() {
    let world = World::with(&[("a", "1\n")]);
    Repository::init_bare(world.repo.path.join("vendored/evil.git")).unwrap();
    let text = verdict(&world, "project/vendored/evil.git").await.unwrap_err();
    assert!(text.contains("inside another"), "{text}");
    // And one that is both at once.
    let both = world.root().join("both");
    Repository::init_bare(&both).unwrap();
    init(&both);
    assert!(verdict(&world, "both").await.unwrap_err().contains("and like a work tree"));
}

/// Only root can give a folder away; for others the mapping of the error is tested inside.
#[tokio::test]
async fn somebody_elses_repository_is_refused() {
    let world = World::with(&[("a", "1\n")]);
    if std::os::unix::fs::chown(&world.repo.path, Some(65_534), None).is_err() {
        assert_eq!(verdict(&world, "project").await, Ok(Some("main".to_owned())));
        return;
    }
    let text = verdict(&world, "project").await.unwrap_err();
    assert!(text.contains("belongs to another user"), "{text}");
    let error = world.git.snapshot(&world.repo, None).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Unusable(_)), "{error}");
}
