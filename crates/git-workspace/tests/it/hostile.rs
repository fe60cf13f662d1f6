//! Patches that want something else than they say.

use std::fs;

use agent_core::port::workspace::{PatchInput, Workspace as _, WorkspaceError};

use crate::world::{Entry, World};

/// A tree with everything a patch might try to use.
fn prepared() -> World {
    let world = World::empty();
    world.commits(&[
        (b"README.md", Entry::File(b"hello\n")),
        (b"dir/file", Entry::File(b"1\n")),
        (b"out", Entry::Link("/etc")),
        (b"up", Entry::Link("..")),
        (b"git", Entry::Link(".git")),
        (b"to-file", Entry::Link("README.md")),
        (b"module", Entry::Submodule),
        (b"image", Entry::File(b"\x89PNG\0\0")),
        (b"bad\xff", Entry::File(b"x\n")),
    ]);
    world
}

fn creates(path: &str) -> String {
    format!("--- /dev/null\n+++ {path}\n@@ -0,0 +1 @@\n+x\n")
}

fn git_creates(path: &str, mode: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\nnew file mode {mode}\nindex 0000000..1111111\n\
         --- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
    )
}

fn hostile_diffs() -> Vec<String> {
    let mut diffs: Vec<String> = [
        "b/../x",
        "b/dir/../../x",
        "../x",
        "/etc/passwd",
        "b//etc/passwd",
        "b/dir//x",
        "b/./x",
        "b/dir/.",
        "b/dir/",
        "b/..",
        "b/.git/hooks/post-checkout",
        "b/.git",
        "b/.GIT/config",
        "b/.Git/config",
        "b/dir/.git/config",
        "b/.g\u{200c}it/config",
        "b/.git\u{200d}/config",
        "b/\u{feff}.git/config",
        "b/.git /config",
        "b/.git./config",
        "b/.git.../config",
        "b/git~1/config",
        "b/GIT~1/config",
        "b/.git::$INDEX_ALLOCATION/config",
        "b/.git:stream",
        "b/dir\\..\\x",
        "b/.git\\config",
        "b/name:stream",
        "b/name.",
        "b/name ",
        "b/a\u{202e}b",
        // Through what is tracked.
        "b/out/passwd",
        "b/up/x",
        "b/git/config",
        "b/module/x",
        "b/README.md/x",
        "b/to-file/x",
        // Onto what is tracked.
        "b/out",
        "b/git",
        "b/to-file",
        "b/module",
        "b/dir",
        // Twins on other systems.
        "b/readme.md",
        "b/DIR/other",
        "b/Git",
        // Quoted spellings of the same.
        "\"b/..\\057x\"",
        "\"b/\\056\\056/x\"",
        "\"b/.git/config\"",
        "\"b/.\\147it/config\"",
        "\"b/x\\000y\"",
        "\"b/x\\ny\"",
        "\"b/x\\ty\"",
        "\"b/\\377\"",
        "\"b/.g\\342\\200\\214it/x\"",
        "\"/etc/passwd\"",
    ]
    .into_iter()
    .map(creates)
    .collect();
    for mode in ["120000", "160000", "040000", "100600", "100777", "100664", "777", "0100644", ""] {
        diffs.push(git_creates("fine", mode));
    }
    diffs.extend([
        // Links: made, changed, removed, turned from and into files.
        "diff --git a/out b/out\nindex 1..2 120000\n--- a/out\n+++ b/out\n@@ -1 +1 @@\n-/etc\n\\ No newline\n+/root\n\\ No newline\n".into(),
        "--- a/out\n+++ b/out\n@@ -1 +1 @@\n-/etc\n\\ No newline\n+/root\n\\ No newline\n".into(),
        "diff --git a/out b/out\ndeleted file mode 120000\n--- a/out\n+++ /dev/null\n@@ -1 +0,0 @@\n-/etc\n\\ No newline\n".into(),
        "--- a/out\n+++ /dev/null\n@@ -1 +0,0 @@\n-/etc\n\\ No newline\n".into(),
        "diff --git a/README.md b/README.md\nold mode 100644\nnew mode 120000\n".into(),
        "diff --git a/out b/out\nold mode 120000\nnew mode 100644\n".into(),
        "diff --git a/README.md b/README.md\nold mode 100644\nnew mode 100777\n".into(),
        // Submodules.
        "diff --git a/module b/module\nindex 1..2 160000\n--- a/module\n+++ b/module\n@@ -1 +1 @@\n-Subproject commit 1\n+Subproject commit 2\n".into(),
        "--- a/module\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n".into(),
        // A link made first and written through second.
        format!("{}{}", git_creates("trap", "120000"), creates("b/trap/x")),
        // A file and something below it.
        format!("{}{}", creates("b/both"), creates("b/both/x")),
        // Renames.
        "diff --git a/README.md b/.git/config\nsimilarity index 100%\nrename from README.md\nrename to .git/config\n".into(),
        "diff --git a/README.md b/out/x\nsimilarity index 100%\nrename from README.md\nrename to out/x\n".into(),
        "diff --git a/out b/out2\nsimilarity index 100%\nrename from out\nrename to out2\n".into(),
        "diff --git a/README.md b/x\nsimilarity index 100%\nrename from README.md\nrename to ../x\n".into(),
        // The header says one file, the markers another.
        "diff --git a/README.md b/README.md\n--- a/README.md\n+++ b/.git/config\n@@ -1 +1 @@\n-hello\n+x\n".into(),
        "--- a/README.md\n+++ b/dir/file\n@@ -1 +1 @@\n-hello\n+x\n".into(),
        // Binary.
        "diff --git a/image b/image\nindex 1..2 100644\nGIT binary patch\nliteral 1\nIcmZPo000310RR91\n\n".into(),
        "diff --git a/image b/image\nindex 1..2 100644\nBinary files a/image and b/image differ\n".into(),
        "--- a/image\n+++ b/image\n@@ -1 +1 @@\n-x\n+y\n".into(),
        "--- /dev/null\n+++ b/bin\n@@ -0,0 +1 @@\n+a\0b\n".into(),
        "--- \"a/bad\\377\"\n+++ \"b/bad\\377\"\n@@ -1 +1 @@\n-x\n+y\n".into(),
        // Too long.
        creates(&format!("b/{}", "n".repeat(256))),
        creates(&format!("b/{}x", "d/".repeat(100))),
    ]);
    diffs
}

#[tokio::test]
async fn hostile_patches_are_refused_whole() {
    let world = prepared();
    let base = world.base().await;
    let (refs, registered) = (world.mirror_refs(), world.registered_state());
    let outside = fs::read("/etc/passwd").unwrap();
    let harmless = "--- a/dir/file\n+++ b/dir/file\n@@ -1 +1 @@\n-1\n+2\n";
    let positive = PatchInput::UnifiedDiff(harmless.to_owned());
    assert!(world.git.judge(&world.repo, &base, &positive).await.is_ok());

    for diff in hostile_diffs() {
        for text in [diff.clone(), format!("{harmless}{diff}"), format!("{diff}{harmless}")] {
            let input = PatchInput::UnifiedDiff(text.clone());
            let error = world.git.judge(&world.repo, &base, &input).await.unwrap_err();
            let plain = matches!(
                error,
                WorkspaceError::PathRefused { .. } | WorkspaceError::DoesNotApply(_)
            );
            assert!(plain, "{error}\n{text}");
        }
    }
    assert_eq!(world.mirror_refs(), refs);
    assert_eq!(world.registered_state(), registered);
    assert_eq!(fs::read("/etc/passwd").unwrap(), outside);
    world.mirror_is_sound_but_for_the_fixture();
}

#[tokio::test]
async fn hostile_edits_are_refused_whole() {
    let world = prepared();
    let refs = {
        world.base().await;
        world.mirror_refs()
    };
    for path in [
        "../x",
        "/etc/x",
        ".git/config",
        ".GIT/x",
        "out/x",
        "up/x",
        "git/config",
        "module/x",
        "out",
        "dir",
        "a\\b",
        "a:b",
        "a.",
        "readme.md",
        "",
        "dir/../x",
        "a\nb",
        "README.md/x",
        "git~1/x",
    ] {
        let error = world.edits(&[("dir/file", "1", "2"), (path, "", "x\n")]).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::PathRefused { .. }), "{path:?}: {error}");
    }
    for (path, search) in [("image", "PNG"), ("out", "/etc"), ("to-file", "README")] {
        let error = world.edits(&[(path, search, "x")]).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::PathRefused { .. }), "{path:?}: {error}");
    }
    assert_eq!(world.mirror_refs(), refs);
}

/// The work tree is not written here, but whoever lands the patch there would follow the link.
#[tokio::test]
async fn a_path_through_an_untracked_link_of_the_work_tree_is_refused() {
    let world = World::with(&[("a", "1\n")]);
    let target = world.root().join("elsewhere");
    fs::create_dir(&target).unwrap();
    std::os::unix::fs::symlink(&target, world.repo.path.join("link")).unwrap();
    let before = world.registered_state();
    let error = world.edits(&[("a", "1", "2"), ("link/x", "", "new\n")]).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::PathRefused { .. }), "{error}");
    assert_eq!(world.registered_state(), before);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
}

impl World {
    /// The fixture has a tree with `.git`-like links that a strict check complains about,
    /// as it does in the registered repository itself.
    fn mirror_is_sound_but_for_the_fixture(&self) {
        let (_, text) = crate::world::git(&self.mirror_path(), &["fsck", "--strict"], None);
        for line in text.lines() {
            let known = ["dangling ", "notice: "].iter().any(|p| line.starts_with(p));
            assert!(known, "{line}");
        }
    }
}
