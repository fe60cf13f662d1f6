//! Bringing commits into the mirror and reading them there.

use std::fs;

use agent_core::port::workspace::{ObjectId, Workspace as _, WorkspaceError};
use git2::Repository;
use primitives::RepositoryId;

use crate::world::{Entry, World, git_ok, id, oid};

#[tokio::test]
async fn a_snapshot_lists_regular_files_and_counts_the_rest() {
    let world = World::empty();
    let commit = world.commits(&[
        (b"b/deep/x.rs", Entry::File(b"fn x() {}\n")),
        (b"a.txt", Entry::Script(b"hello")),
        (b"link", Entry::Link("a.txt")),
        (b"b/sub", Entry::Submodule),
        (b"bad\xff.txt", Entry::File(b"x")),
        (b"new\nline", Entry::File(b"x")),
    ]);
    let snapshot = world.git.snapshot(&world.repo, None).await.unwrap();
    assert_eq!(snapshot.commit, commit);
    let files: Vec<_> = snapshot.files.iter().map(|f| (f.path.as_str(), f.size)).collect();
    assert_eq!(files, [("a.txt", 5), ("b/deep/x.rs", 10)]);
    let skipped: Vec<_> = snapshot.skipped.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    assert_eq!(skipped, [("invalid_name", 2), ("submodule", 1), ("symlink", 1)]);
    world.mirror_is_sound();
}

#[tokio::test]
async fn revisions_are_names_and_never_expressions() {
    let world = World::with(&[("a", "1\n")]);
    let first = world.base().await;
    let second = world.commits_text(&[("a", "2\n")]);
    let source = world.source();
    let commit = source.find_commit(oid(&first)).unwrap();
    source.branch("old/one", &commit, false).unwrap();
    let who = commit.author();
    source.tag("v1", commit.as_object(), &who, "annotated", false).unwrap();
    source.reference("refs/remotes/origin/x", oid(&second), false, "").unwrap();

    let seen = async |revision: &str| {
        world.git.snapshot(&world.repo, Some(revision)).await.map(|s| s.commit)
    };
    for revision in ["old/one", "refs/heads/old/one", "v1", "refs/tags/v1", first.as_str()] {
        assert_eq!(seen(revision).await.unwrap(), first, "{revision}");
    }
    for revision in ["HEAD", "main", "origin/x", second.as_str()] {
        assert_eq!(seen(revision).await.unwrap(), second, "{revision}");
    }
    let short = &first.as_str()[..10];
    let zeros = "0".repeat(40);
    let sha256 = "1".repeat(64);
    let tree = source.find_commit(oid(&first)).unwrap().tree_id().to_string();
    for revision in [
        "HEAD~1",
        "main^",
        "main^{tree}",
        "v1^{}",
        "main..old/one",
        "HEAD@{0}",
        "@",
        ":/Change",
        ":a",
        "main:a",
        "^main",
        "",
        " ",
        "refs/heads/../heads/main",
        "../x",
        "-x",
        "nope",
        "refs/elohim/x",
        "refs/stash",
        short,
        &zeros,
        &sha256,
        &tree,
        "a\0b",
        "FETCH_HEAD",
    ] {
        let refused = seen(revision).await;
        assert!(matches!(refused, Err(WorkspaceError::NoSuchRevision(_))), "{revision:?}");
    }
}

#[tokio::test]
async fn an_empty_repository_has_nothing_to_show() {
    let world = World::empty();
    let error = world.git.snapshot(&world.repo, None).await.unwrap_err();
    assert_eq!(error.to_string(), "no such revision: the repository has no commit yet");
}

#[tokio::test]
async fn the_second_snapshot_copies_nothing_and_a_later_one_only_what_is_new() {
    let world = World::with(&[("a", "1\n"), ("b", "1\n")]);
    let packs = || {
        let dir = world.mirror_path().join("objects/pack");
        let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name());
        names.filter(|n| n.to_string_lossy().ends_with(".pack")).count()
    };
    let first = world.git.snapshot(&world.repo, None).await.unwrap();
    assert_eq!(packs(), 1);
    assert_eq!(world.git.snapshot(&world.repo, None).await.unwrap(), first);
    assert_eq!(packs(), 1);

    let second = world.commits_text(&[("a", "2\n"), ("b", "1\n")]);
    world.base().await;
    let listing = git_ok(&world.mirror_path(), &["count-objects", "-v"], None);
    assert!(listing.contains("in-pack: 6\npacks: 2\n"), "{listing}");

    // With the commit there, the registered repository is not needed any more.
    fs::remove_dir_all(&world.repo.path).unwrap();
    let again = world.git.snapshot(&world.repo, Some(second.as_str())).await.unwrap();
    assert_eq!(again.commit, second);
    let gone = world.git.snapshot(&world.repo, None).await.unwrap_err();
    assert!(matches!(gone, WorkspaceError::Unusable(_)));
    world.mirror_is_sound();
}

#[tokio::test]
async fn an_import_that_died_in_the_middle_is_made_good() {
    let world = World::with(&[("a", "1\n")]);
    let base = world.base().await;
    // Dead after the pack and before the marker.
    let mirror = world.mirror();
    mirror.find_reference(&format!("refs/elohim/base/{base}")).unwrap().delete().unwrap();
    assert_eq!(world.base().await, base);
    assert_eq!(world.mirror_refs(), [(format!("refs/elohim/base/{base}"), base.to_string())]);

    // Dead while the pack was written: no object is there, an unfinished file is.
    let other = RepositoryId::generate();
    let repo = agent_core::port::workspace::RepoLocation { id: other, ..world.repo.clone() };
    let path = world.data().join(format!("repos/{}.git", other.as_uuid().hyphenated()));
    assert_eq!(world.git.run_refs(&repo).await.unwrap(), []);
    let unfinished = path.join("objects/pack/pack_git2_1a2b3c");
    fs::write(&unfinished, b"PACK\0").unwrap();
    let yesterday = fs::metadata(&unfinished).unwrap().modified().unwrap()
        - std::time::Duration::from_hours(25);
    fs::File::options().write(true).open(&unfinished).unwrap().set_modified(yesterday).unwrap();
    fs::write(path.join("shallow.new"), b"half").unwrap();
    // Written before the pack that did not come.
    fs::write(path.join("shallow"), format!("{}\n", "1".repeat(40))).unwrap();
    assert_eq!(world.git.snapshot(&repo, None).await.unwrap().commit, base);
    assert!(!unfinished.exists());
    git_ok(&path, &["fsck", "--strict"], None);
}

#[tokio::test]
async fn history_is_copied_up_to_a_limit_and_the_mirror_knows_where_it_ends() {
    let world = World::with(&[("a", "0\n")]);
    for n in 1..=300 {
        let source = world.source();
        let parent = source.head().unwrap().peel_to_commit().unwrap();
        let content = format!("{n}\n");
        let tree = crate::world::tree(&source, &[(b"a", Entry::File(content.as_bytes()))]);
        let at = git2::Time::new(1_700_000_000 + n, 0);
        let who = git2::Signature::new("Ann", "a@b.c", &at).unwrap();
        let tree = source.find_tree(tree).unwrap();
        source.commit(Some("HEAD"), &who, &who, &format!("{n}"), &tree, &[&parent]).unwrap();
    }
    let base = world.base().await;
    world.mirror_is_sound();
    let all = world.git.recent_commits(&world.repo, &base, 1000, 10_000).await.unwrap();
    assert_eq!(all.len(), 256);
    assert!(all[254].diff.contains("-45\n+46\n"), "{}", all[254].diff);
    // The parent of the last one stayed behind: no diff is better than a wrong one.
    assert_eq!((all[255].diff.as_str(), all[255].paths.len()), ("", 0));

    let next = world.commits_text(&[("a", "next\n")]);
    assert_eq!(world.base().await, next);
    let all = world.git.recent_commits(&world.repo, &next, 1000, 10).await.unwrap();
    assert_eq!(all.len(), 257);
    world.mirror_is_sound();

    // An old commit, older than all that is in the mirror.
    let source = world.source();
    let mut walk = source.revwalk().unwrap();
    walk.push_head().unwrap();
    let oldest = id(walk.last().unwrap().unwrap());
    world.git.snapshot(&world.repo, Some(oldest.as_str())).await.unwrap();
    world.mirror_is_sound();
}

#[tokio::test]
async fn a_shallow_clone_is_as_good_as_a_whole_one() {
    let world = World::with(&[("a", "1\n")]);
    world.commits_text(&[("a", "2\n")]);
    let tip = world.commits_text(&[("a", "3\n")]);
    let url = format!("file://{}", world.repo.path.display());
    git_ok(&world.root(), &["clone", "-q", "--depth=1", &url, "shallow"], None);
    let repo = agent_core::port::workspace::RepoLocation {
        id: RepositoryId::generate(),
        path: world.root().join("shallow"),
    };
    assert_eq!(world.git.snapshot(&repo, None).await.unwrap().commit, tip);
    let recent = world.git.recent_commits(&repo, &tip, 10, 1000).await.unwrap();
    assert_eq!(recent.len(), 1);
    let mirror = world.data().join(format!("repos/{}.git", repo.id.as_uuid().hyphenated()));
    git_ok(&mirror, &["fsck", "--strict"], None);
}

#[tokio::test]
async fn many_snapshots_at_once_agree() {
    let world = World::with(&[("a", "1\n")]);
    let snapshots = (0..8).map(|_| {
        let (git, repo) = (world.git.clone(), world.repo.clone());
        tokio::spawn(async move { git.snapshot(&repo, None).await.unwrap() })
    });
    let mut seen = Vec::new();
    for snapshot in snapshots.collect::<Vec<_>>() {
        seen.push(snapshot.await.unwrap());
    }
    seen.dedup();
    assert_eq!(seen.len(), 1);
    world.mirror_is_sound();
}

#[tokio::test]
async fn texts_are_read_and_binaries_are_not() {
    let world = World::empty();
    world.commits(&[
        (b"bin", Entry::File(b"a\0b")),
        (b"latin", Entry::File(b"caf\xe9")),
        (b"long", Entry::File(&[b'x'; 100])),
        (b"text", Entry::File("ä\r\n".as_bytes())),
    ]);
    let snapshot = world.git.snapshot(&world.repo, None).await.unwrap();
    let mut blobs: Vec<ObjectId> = snapshot.files.iter().map(|f| f.blob.clone()).collect();
    blobs.push(ObjectId::parse(&"0".repeat(40)).unwrap());
    blobs.push(snapshot.commit.clone());
    let texts = world.git.read_texts(&world.repo, &blobs, 99).await.unwrap();
    let expected = [None, Some("caf\u{fffd}"), None, Some("ä\r\n"), None, None];
    assert_eq!(texts.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn recent_commits_show_what_changed() {
    let world = World::with(&[("a", "1\n"), ("b", "1\n")]);
    let tip = world.commits_text(&[("a", "1\nlonger\nand longer\n"), ("c", "1\n")]);
    world.base().await;
    let recent = world.git.recent_commits(&world.repo, &tip, 5, 100_000).await.unwrap();
    assert_eq!(recent.len(), 2);
    assert_eq!(recent[0].paths, ["a", "b", "c"]);
    assert_eq!(recent[0].author_name, "Ann");
    assert!(recent[0].subject.starts_with("Change "), "{}", recent[0].subject);
    assert!(recent[0].diff.contains("+and longer\n"));
    assert_eq!(recent[1].paths, ["a", "b"]);
    for limit in [0, 1, 20, 60, 100, 150] {
        let cut = world.git.recent_commits(&world.repo, &tip, 1, limit).await.unwrap();
        let diff = &cut[0].diff;
        assert!(diff.len() <= limit && recent[0].diff.starts_with(diff.as_str()), "{limit}");
        assert!(diff.is_empty() || diff.ends_with('\n'));
    }
}

#[tokio::test]
async fn status_tells_what_differs_and_changes_nothing() {
    let world = World::with(&[("a", "1\n"), ("b", "1\n"), ("c", "1\n")]);
    let path = &world.repo.path;
    fs::write(path.join("a"), "2\n").unwrap();
    fs::remove_file(path.join("b")).unwrap();
    fs::write(path.join("new"), "x").unwrap();
    fs::write(path.join("staged"), "x").unwrap();
    let source = world.source();
    let mut index = source.index().unwrap();
    index.add_path(std::path::Path::new("staged")).unwrap();
    index.write().unwrap();
    let before = world.registered_state();
    let status = world.git.status(&world.repo, 10).await.unwrap();
    let seen: Vec<_> = status.iter().map(|s| (s.path.as_str(), s.change.as_str())).collect();
    let expected = [("a", "modified"), ("b", "deleted"), ("new", "untracked"), ("staged", "added")];
    assert_eq!(seen, expected);
    assert_eq!(world.git.status(&world.repo, 1).await.unwrap().len(), 1);
    assert_eq!(world.registered_state(), before);
}

#[tokio::test]
async fn a_few_objects_that_describe_billions_of_paths_do_not_stop_the_server() {
    let world = World::empty();
    let source = world.source();
    let mut tree = crate::world::tree(&source, &[(b"f", Entry::File(b"x"))]);
    for _ in 0..12 {
        let mut builder = source.treebuilder(None).unwrap();
        for n in 0..10 {
            builder.insert(format!("d{n}"), tree, 0o040_000).unwrap();
        }
        tree = builder.write().unwrap();
    }
    let tree = source.find_tree(tree).unwrap();
    let who = git2::Signature::new("A", "a@b.c", &git2::Time::new(1, 0)).unwrap();
    source.commit(Some("HEAD"), &who, &who, "bomb", &tree, &[]).unwrap();
    let snapshot = world.git.snapshot(&world.repo, None).await.unwrap();
    assert_eq!(snapshot.skipped.get("too_many"), Some(&1));
}

#[tokio::test]
async fn a_malformed_tree_does_not_confuse_an_export() {
    let world = World::empty();
    let source = world.source();
    let odb = source.odb().unwrap();
    let blob = source.blob(b"x\n").unwrap();
    let below = crate::world::tree(&source, &[(b"f", Entry::File(b"x"))]);
    let entry = |mode: &[u8], name: &[u8], oid: git2::Oid| {
        [mode, b" ", name, b"\0", oid.as_bytes()].concat()
    };
    let bytes = [
        entry(b"100644", b"..", blob),
        entry(b"100644", b".git", blob),
        entry(b"40000", b".GIT", below),
        entry(b"100644", b"a", blob),
        entry(b"40000", b"a", below),
        entry(b"100644", b"a/../../b", blob),
        entry(b"100666", b"odd", blob),
    ]
    .concat();
    let tree = odb.write(git2::ObjectType::Tree, &bytes).unwrap();
    let tree = source.find_tree(tree).unwrap();
    let who = git2::Signature::new("A", "a@b.c", &git2::Time::new(1, 0)).unwrap();
    source.commit(Some("HEAD"), &who, &who, "odd", &tree, &[]).unwrap();

    let snapshot = world.git.snapshot(&world.repo, None).await.unwrap();
    let files: Vec<_> = snapshot.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(files, ["a", "odd"]);
    let checkout = world.git.export(&world.repo, &snapshot.commit).await.unwrap();
    let names = fs::read_dir(&checkout.dir).unwrap().count();
    assert_eq!(names, 2);
    let unchanged = world.git.collect(&world.repo, &checkout).await;
    assert!(matches!(unchanged, Err(WorkspaceError::NoChange)));
}

#[tokio::test]
async fn a_bare_repository_is_read_like_any_other() {
    let world = World::with(&[("a", "1\n")]);
    git_ok(&world.root(), &["clone", "-q", "--bare", "project", "bare.git"], None);
    let repo = agent_core::port::workspace::RepoLocation {
        id: RepositoryId::generate(),
        path: world.root().join("bare.git"),
    };
    let snapshot = world.git.snapshot(&repo, None).await.unwrap();
    assert_eq!(snapshot.files.len(), 1);
    assert_eq!(world.git.status(&repo, 10).await.unwrap(), []);
    assert!(Repository::open_bare(&repo.path).unwrap().is_bare());
}
