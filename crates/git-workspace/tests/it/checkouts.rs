//! Checkouts: written, changed by an engine, read back.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use agent_core::port::workspace::{
    ChangeKind, Checkout, TreeChange, Workspace as _, WorkspaceError,
};
use git_workspace::GitWorkspace;

use crate::world::{Entry, World};

fn prepared() -> World {
    let world = World::empty();
    world.commits(&[
        (b"README.md", Entry::File(b"hello\n")),
        (b"src/deep/er/x.rs", Entry::File(b"fn x() {}\n")),
        (b"src/y.rs", Entry::File(b"fn y() {}\n")),
        (b"tool", Entry::Script(b"#!/bin/sh\n")),
        (b"link", Entry::Link("/etc/passwd")),
        (b"src/up", Entry::Link("../..")),
        (b"module", Entry::Submodule),
        (b"image", Entry::File(b"\x89PNG\0\0")),
        (b"bad\xff", Entry::File(b"x\n")),
        (b".gitignore", Entry::File(b"target/\n*.log\n")),
        (b"keep.log", Entry::File(b"tracked although ignored\n")),
    ]);
    world
}

async fn exported(world: &World) -> Checkout {
    let base = world.base().await;
    world.git.export(&world.repo, &base).await.unwrap()
}

async fn collected(
    world: &World,
    change: impl FnOnce(&Path),
) -> Result<TreeChange, WorkspaceError> {
    let checkout = exported(world).await;
    change(&checkout.dir);
    world.git.collect(&world.repo, &checkout).await
}

#[tokio::test]
async fn an_export_has_the_files_and_nothing_of_git() {
    let world = prepared();
    let before = world.registered_state();
    let checkout = exported(&world).await;
    let dir = checkout.dir.clone();
    assert!(dir.starts_with(world.data().canonicalize().unwrap().join("checkouts")));
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let mut names: Vec<_> = crate::world::state(&dir)
        .into_keys()
        .filter(|p| !p.is_dir())
        .map(|p| p.strip_prefix(&dir).unwrap().to_owned())
        .collect();
    names.sort();
    let expected =
        [".gitignore", "README.md", "image", "keep.log", "src/deep/er/x.rs", "src/y.rs", "tool"];
    assert_eq!(names, expected.map(PathBuf::from));
    assert_eq!(fs::read(dir.join("image")).unwrap(), b"\x89PNG\0\0");
    assert_ne!(fs::metadata(dir.join("tool")).unwrap().permissions().mode() & 0o100, 0);
    assert_eq!(fs::metadata(dir.join("README.md")).unwrap().permissions().mode() & 0o111, 0);

    let unchanged = world.git.collect(&world.repo, &checkout).await;
    assert!(matches!(unchanged, Err(WorkspaceError::NoChange)));
    drop(checkout);
    assert!(!dir.exists());
    assert_eq!(fs::read_dir(world.data().join("checkouts")).unwrap().count(), 0);
    assert_eq!(world.registered_state(), before);
}

#[tokio::test]
async fn what_an_engine_did_is_collected() {
    let world = prepared();
    let change = collected(&world, |dir| {
        fs::write(dir.join("README.md"), "bye\n").unwrap();
        fs::remove_dir_all(dir.join("src/deep")).unwrap();
        fs::create_dir_all(dir.join("new/dir")).unwrap();
        fs::write(dir.join("new/dir/f"), "x\n").unwrap();
        fs::create_dir_all(dir.join("empty/dir")).unwrap();
        fs::set_permissions(dir.join("tool"), fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(dir.join("src/y.rs"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.join("keep.log"), "changed\n").unwrap();
        // Build products, with what is refused elsewhere.
        fs::create_dir_all(dir.join("target/x")).unwrap();
        symlink("/", dir.join("target/x/root")).unwrap();
        fs::write(dir.join("target/big"), vec![0; 3 << 20]).unwrap();
        fs::write(dir.join("debug.log"), "noise").unwrap();
        symlink("/", dir.join("link.log")).unwrap();
    })
    .await
    .unwrap();
    let files: Vec<_> = change.files.iter().map(|f| (f.path.as_str(), f.kind)).collect();
    let expected = [
        ("README.md", ChangeKind::Modified),
        ("keep.log", ChangeKind::Modified),
        ("new/dir/f", ChangeKind::Added),
        ("src/deep/er/x.rs", ChangeKind::Deleted),
        ("src/y.rs", ChangeKind::Modified),
        ("tool", ChangeKind::Modified),
    ];
    assert_eq!(files, expected);
    assert!(change.diff.contains("old mode 100755\nnew mode 100644\n"));
    // Links, submodules and odd names of the base are as they were.
    let mirror = world.mirror();
    let tree = mirror.find_tree(crate::world::oid(&change.tree)).unwrap();
    for name in [&b"link"[..], b"module", b"bad\xff"] {
        assert!(tree.get_name_bytes(name).is_some());
    }
}

#[tokio::test]
async fn a_file_may_become_a_folder_and_a_folder_a_file() {
    let world = prepared();
    let change = collected(&world, |dir| {
        fs::remove_file(dir.join("README.md")).unwrap();
        fs::create_dir(dir.join("README.md")).unwrap();
        fs::write(dir.join("README.md/part"), "x\n").unwrap();
        fs::remove_dir_all(dir.join("src/deep")).unwrap();
        fs::write(dir.join("src/deep"), "x\n").unwrap();
    })
    .await
    .unwrap();
    assert_eq!(world.content(&change.tree, "README.md/part").unwrap(), b"x\n");
    assert_eq!(world.content(&change.tree, "src/deep").unwrap(), b"x\n");
}

#[tokio::test]
async fn what_an_engine_may_not_leave_is_refused() {
    type Trick = (&'static str, fn(&Path));
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "secret\n").unwrap();
    let world = prepared();
    let refs = {
        world.base().await;
        world.mirror_refs()
    };
    let tricks: [Trick; 18] = [
        ("link", |d| symlink("/etc/passwd", d.join("new")).unwrap()),
        ("link for a file", |d| {
            fs::remove_file(d.join("README.md")).unwrap();
            symlink("/etc/passwd", d.join("README.md")).unwrap();
        }),
        ("link for a folder", |d| {
            fs::remove_dir_all(d.join("src")).unwrap();
            symlink("/etc", d.join("src")).unwrap();
        }),
        ("file for a tracked link", |d| fs::write(d.join("link"), "x\n").unwrap()),
        ("below a tracked link", |d| {
            fs::create_dir(d.join("link")).unwrap();
            fs::write(d.join("link/x"), "x\n").unwrap();
        }),
        ("in a submodule", |d| {
            fs::create_dir(d.join("module")).unwrap();
            fs::write(d.join("module/x"), "x\n").unwrap();
        }),
        ("pipe", |d| pipe(&d.join("pipe"))),
        ("pipe for .gitignore", |d| {
            fs::remove_file(d.join(".gitignore")).unwrap();
            pipe(&d.join(".gitignore"));
        }),
        ("socket", |d| {
            std::os::unix::net::UnixListener::bind(d.join("s")).unwrap();
        }),
        ("git", |d| fs::create_dir(d.join(".git")).unwrap()),
        ("nested git", |d| {
            fs::create_dir_all(d.join("src/.GIT")).unwrap();
            fs::write(d.join("src/.GIT/config"), "[core]\n").unwrap();
        }),
        ("git file", |d| fs::write(d.join(".git"), "gitdir: /x").unwrap()),
        ("twin", |d| fs::write(d.join("readme.md"), "x\n").unwrap()),
        ("windows", |d| fs::write(d.join("a:b"), "x\n").unwrap()),
        ("control", |d| fs::write(d.join("a\nb"), "x\n").unwrap()),
        ("binary", |d| fs::write(d.join("image"), b"\x89PNG\0x").unwrap()),
        ("new binary", |d| fs::write(d.join("new"), b"a\0").unwrap()),
        ("not utf-8", |d| {
            use std::os::unix::ffi::OsStrExt as _;
            fs::write(d.join(std::ffi::OsStr::from_bytes(b"x\xff")), "x\n").unwrap();
        }),
    ];
    for (name, trick) in tricks {
        let error = collected(&world, trick).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::PathRefused { .. }), "{name}: {error}");
        assert!(!format!("{error:?}").contains("root:"), "{name}");
    }
    let outside = secret.path().to_owned();
    let linked = collected(&world, |d| {
        fs::hard_link(&outside, d.join("hard")).or_else(|_| fs::write(d.join("a:b"), "x")).unwrap();
    })
    .await
    .unwrap_err();
    assert!(matches!(linked, WorkspaceError::PathRefused { .. }), "{linked}");
    for (name, size, count) in [("large", (1 << 20) + 1, 1), ("many", 1, 201)] {
        let error = collected(&world, |d| {
            for n in 0..count {
                fs::write(d.join(format!("f{n}")), "x".repeat(size)).unwrap();
            }
        })
        .await
        .unwrap_err();
        assert!(matches!(error, WorkspaceError::TooLarge(_)), "{name}: {error}");
    }
    assert_eq!(world.mirror_refs(), refs);
}

fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn checkouts_of_dead_processes_are_removed_and_live_ones_are_not() {
    let world = World::with(&[("a", "1\n")]);
    let live = exported(&world).await;
    let stale = world.data().join("checkouts/0123456789abcdef");
    fs::create_dir_all(stale.join("locked")).unwrap();
    fs::write(stale.join("locked/file"), "x").unwrap();
    fs::write(stale.with_extension("lock"), "").unwrap();
    let lockless = world.data().join("checkouts/fedcba");
    fs::create_dir(&lockless).unwrap();
    let again = GitWorkspace::new(world.data()).unwrap();
    assert!(!stale.exists() && !stale.with_extension("lock").exists() && !lockless.exists());
    assert!(live.dir.join("a").exists());
    drop(again);
    assert!(live.dir.join("a").exists());
}

#[tokio::test]
async fn a_checkout_is_removed_even_if_its_rights_were_taken_away() {
    let world = World::with(&[("d/a", "1\n")]);
    let checkout = exported(&world).await;
    let dir = checkout.dir.clone();
    fs::set_permissions(dir.join("d"), fs::Permissions::from_mode(0o000)).unwrap();
    drop(checkout);
    assert!(!dir.exists());
}
