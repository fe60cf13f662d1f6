//! Shapes of unified diffs that people and tools write.

use agent_core::port::workspace::WorkspaceError;

use crate::world::{Entry, World};

const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

async fn after(world: &World, path: &str, diff: &str) -> String {
    let change = world.judges(diff).await.unwrap_or_else(|e| panic!("{e}\n{diff}"));
    String::from_utf8(world.content(&change.tree, path).unwrap()).unwrap()
}

#[tokio::test]
async fn headers_are_taken_with_and_without_prefixes_and_time_stamps() {
    let world = World::with(&[("d/f", TEN)]);
    let expected = TEN.replace("2\n", "two\n");
    let body = "@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n";
    for header in [
        "--- a/d/f\n+++ b/d/f\n",
        "--- d/f\n+++ d/f\n",
        "--- a/d/f\t2024-01-01 00:00:00\n+++ b/d/f\t2024-01-01 00:00:00\n",
        "--- a/d/f\r\n+++ b/d/f\r\n",
        "--- \"a/d/f\"\n+++ \"b/d\\057f\"\n",
        "diff --git a/d/f b/d/f\nindex 1..2 100644\n--- a/d/f\n+++ b/d/f\n",
        "diff --git d/f d/f\n--- d/f\n+++ d/f\n",
        "diff --git i/d/f w/d/f\n--- i/d/f\n+++ w/d/f\n",
        "\n\ndiff --git a/d/f b/d/f\n--- a/d/f\n+++ b/d/f\n",
    ] {
        assert_eq!(after(&world, "d/f", &format!("{header}{body}")).await, expected, "{header}");
    }
    let mail = format!(
        "From {} Mon Sep 17 00:00:00 2001\nFrom: A <a@b.c>\nSubject: [PATCH] x\n\n---\n d/f | 2 +-\n\n\
         diff --git a/d/f b/d/f\n--- a/d/f\n+++ b/d/f\n{body}-- \n2.39.5\n\n",
        "1".repeat(40)
    );
    assert_eq!(after(&world, "d/f", &mail).await, expected);
    let unended = format!("--- a/d/f\n+++ b/d/f\n{}", body.trim_end());
    assert_eq!(after(&world, "d/f", &unended).await, expected);
}

#[tokio::test]
async fn hunks_are_found_nearby_when_the_place_is_unique() {
    let world = World::with(&[("f", TEN), ("twice", "a\nb\nc\nx\na\nb\nc\nx\na\nb\nc\n")]);
    let moved = "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n 7\n-8\n+eight\n 9\n";
    assert_eq!(after(&world, "f", moved).await, TEN.replace('8', "eight"));

    // The second hunk moves with the first.
    let both =
        "--- a/twice\n+++ b/twice\n@@ -1,2 +1,2 @@\n-x\n+y\n a\n@@ -2,2 +2,2 @@\n b\n-c\n+d\n";
    let error = world.judges(both).await.unwrap_err();
    assert!(error.to_string().contains("several places"), "{error}");

    let exact = "--- a/twice\n+++ b/twice\n@@ -5,3 +5,3 @@\n a\n-b\n+B\n c\n";
    assert_eq!(after(&world, "twice", exact).await, "a\nb\nc\nx\na\nB\nc\nx\na\nb\nc\n");
}

#[tokio::test]
async fn ends_without_a_newline_are_kept_and_made() {
    let world = World::with(&[("no", "a\nb"), ("yes", "a\nb\n")]);
    let strip = "--- a/yes\n+++ b/yes\n@@ -1,2 +1,2 @@\n a\n-b\n+b\n\\ No newline at end of file\n";
    assert_eq!(after(&world, "yes", strip).await, "a\nb");
    let add = "--- a/no\n+++ b/no\n@@ -1,2 +1,3 @@\n a\n-b\n\\ No newline at end of file\n+b\n+c\n";
    assert_eq!(after(&world, "no", add).await, "a\nb\nc\n");
    let keep = "--- a/no\n+++ b/no\n@@ -1,2 +1,2 @@\n-a\n+A\n b\n\\ No newline at end of file\n";
    assert_eq!(after(&world, "no", keep).await, "A\nb");
}

#[tokio::test]
async fn carriage_returns_and_stripped_blanks_are_respected() {
    let world = World::with(&[("crlf", "a\r\n\r\nb\r\n"), ("gap", "a\n\nb\n")]);
    let crlf = "--- a/crlf\n+++ b/crlf\n@@ -1,3 +1,3 @@\n a\r\n \r\n-b\r\n+B\r\n";
    assert_eq!(after(&world, "crlf", crlf).await, "a\r\n\r\nB\r\n");
    let gap = "--- a/gap\n+++ b/gap\n@@ -1,3 +1,3 @@\n a\n\n-b\n+B\n";
    assert_eq!(after(&world, "gap", gap).await, "a\n\nB\n");
    let wrong = "--- a/crlf\n+++ b/crlf\n@@ -1,3 +1,3 @@\n a\n \n-b\n+B\n";
    assert!(world.judges(wrong).await.is_err());
}

#[tokio::test]
async fn a_rename_is_a_deletion_and_an_addition() {
    let world = World::with(&[("old name", TEN), ("x", "1\n")]);
    let diff = "diff --git a/old name b/dir/new\nsimilarity index 90%\nrename from old name\n\
                rename to dir/new\nindex 1..2 100644\n--- a/old name\t\n+++ b/dir/new\n\
                @@ -1,2 +1,2 @@\n-1\n+one\n 2\n";
    let change = world.judges(diff).await.unwrap();
    assert_eq!(world.content(&change.tree, "old name"), None);
    assert!(world.content(&change.tree, "dir/new").unwrap().starts_with(b"one\n2\n"));
    assert_eq!(change.files.len(), 2);
    let plain = "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n";
    let change = world.judges(plain).await.unwrap();
    assert_eq!(world.content(&change.tree, "y").unwrap(), b"1\n");
}

#[tokio::test]
async fn malformed_patches_are_refused_with_their_line() {
    let world = World::with(&[("f", TEN), ("empty", "")]);
    let refs = {
        world.base().await;
        world.mirror_refs()
    };
    let head = "--- a/f\n+++ b/f\n";
    let git = "diff --git a/f b/f\n";
    for (diff, expected) in [
        (String::new(), "empty"),
        ("\n\n".to_owned(), "empty"),
        ("hello".to_owned(), "line 1: expected"),
        ("--- a/f\n".to_owned(), "line 2: expected `+++`"),
        (head.to_owned(), "line 3: expected `@@"),
        (format!("{head}@@ -1 +1 @\n-1\n+2\n"), "line 3: malformed hunk"),
        (format!("{head}@@ -1,x +1 @@\n-1\n+2\n"), "line 3: malformed hunk"),
        (format!("{head}@@ -0,1 +1 @@\n-1\n+2\n"), "line 3: malformed hunk"),
        (format!("{head}@@ -1,9999999999 +1 @@\n-1\n"), "line 3: malformed hunk"),
        (format!("{head}@@ -1 +1 @@extra\n-1\n+2\n"), "line 3: malformed hunk"),
        (format!("{head}@@ -1,2 +1,2 @@\n-1\n+one\n"), "ends early"),
        (format!("{head}@@ -1,2 +1,1 @@\n-1\n+one\n+two\n"), "counts do not match"),
        (format!("{head}@@ -1,1 +1,1 @@\n-1\n+one\n 2\n"), "line 6: expected"),
        (format!("{head}@@ -1,1 +1,1 @@\n-1\n+one\ntrailing\n"), "line 6: expected"),
        (format!("{head}@@ -1,1 +1,1 @@\n 1\n"), "changes nothing"),
        (format!("{head}@@ -1,1 +1,1 @@\n?1\n"), "starts with"),
        (format!("{head}@@ -1,1 +1,1 @@\n\\ No newline\n-1\n+2\n"), "follows no line"),
        (format!("{head}@@ -1,0 +1,1 @@\n+x\n"), "no context"),
        (format!("{head}@@ -1,2 +1,2 @@\n-one\n+1\n 2\n"), "line 3: f: the hunk does not match"),
        (format!("{head}@@ -10 +10 @@\n-10\n\\ No newline\n+x\n"), "does not match"),
        (format!("{head}@@ -1 +1 @@\n-1\n+x\n\\ No newline\n"), "ends the file before"),
        (
            format!("{head}@@ -10 +10,2 @@\n-10\n+x\n\\ No newline\n+y\n"),
            "a line follows the one without",
        ),
        (format!("{head}@@ -5 +5 @@\n-5\n+x\n@@ -2 +2 @@\n-2\n+y\n"), "does not match"),
        ("--- a/f\n+++ b/g\n@@ -1 +1 @@\n-1\n+2\n".to_owned(), "do not agree"),
        ("--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n-1\n+2\n".to_owned(), "do not agree"),
        (format!("{git}--- a/g\n+++ b/g\n@@ -1 +1 @@\n-1\n+2\n"), "do not agree"),
        (
            format!("{git}new file mode 100644\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n"),
            "do not agree",
        ),
        (format!("{git}rename from f\n"), "do not agree"),
        (format!("{git}copy from f\ncopy to g\n"), "copies"),
        (format!("{git}garbage\n"), "line 2: expected"),
        ("--- \"a/f\n+++ b/f\n".to_owned(), "malformed file name"),
        ("--- a/nope\n+++ b/nope\n@@ -1 +1 @@\n-1\n+2\n".to_owned(), "does not exist"),
        ("--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+1\n".to_owned(), "exists already"),
        ("--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n".to_owned(), "keeps lines"),
        (format!("{git}deleted file mode 100755\n"), "another mode"),
        (format!("{git}deleted file mode 100644\n"), "keeps lines"),
        (format!("{head}@@ -1 +1 @@\n-1\n+x\n{head}@@ -2 +2 @@\n-2\n+y\n"), "twice"),
        (format!("{head}@@ -1 +1 @@\n-1\n+x\n-- \n2.1\nmore\n"), "after the patch's signature"),
        ("From the start\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n".to_owned(), "line 1: expected"),
    ] {
        let error = world.judges(&diff).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::DoesNotApply(_)), "{error}\n{diff}");
        assert!(error.to_string().contains(expected), "{error}\n{diff}");
    }
    let same = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+1\n";
    assert!(matches!(world.judges(same).await, Err(WorkspaceError::NoChange)));
    assert_eq!(world.mirror_refs(), refs);
}

#[tokio::test]
async fn limits_hold() {
    let long = "x\n".repeat(3_000);
    let big = "y".repeat((1 << 20) + 1);
    let world = World::with(&[("long", &long), ("big", &big), ("f", "1\n")]);
    let file = |n: usize| format!("--- /dev/null\n+++ b/n{n}\n@@ -0,0 +1 @@\n+x\n");
    let many: String = (0..201).map(file).collect();
    let lines = format!("--- /dev/null\n+++ b/n\n@@ -0,0 +1,4001 @@\n{}", "+x\n".repeat(4001));
    let wide = format!("--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+{big}\n");
    let text = format!("--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+{}\n", "z".repeat(4 << 20));
    let edit = "--- a/big\n+++ b/big\n@@ -1 +1 @@\n-y\n+z\n".to_owned();
    for diff in [many, lines, wide, text, edit] {
        let error = world.judges(&diff).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::TooLarge(_)), "{error}");
    }
    // Few words, many lines: the tree is judged, not the patch.
    let half = &long[..long.len() - 2];
    let error = world.edits(&[("long", &long, &"z\n".repeat(3_000))]).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::TooLarge(_)), "{error}");
    assert!(world.edits(&[("long", &long, half)]).await.is_ok());
    let edits = vec![("f", "1", "2"); 501];
    assert!(matches!(world.edits(&edits).await, Err(WorkspaceError::TooLarge(_))));
}

#[tokio::test]
async fn text_that_is_not_utf8_is_left_alone_but_does_not_stop_other_edits() {
    let world = World::empty();
    let latin = b"caf\xe9\n1\n2\n3\n4\n5\n6\n7\n8\n";
    world.commits(&[(b"latin", Entry::File(latin)), (b"a", Entry::File(b"1\n"))]);
    let far = "--- a/latin\n+++ b/latin\n@@ -8,2 +8,2 @@\n 7\n-8\n+eight\n";
    let change = world.judges(far).await.unwrap();
    assert!(world.content(&change.tree, "latin").unwrap().starts_with(b"caf\xe9\n"));
    let near = "--- a/latin\n+++ b/latin\n@@ -2,2 +2,2 @@\n-1\n+one\n 2\n";
    let error = world.judges(near).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::PathRefused { .. }), "{error}");
    assert!(world.edits(&[("latin", "8", "9"), ("a", "1", "2")]).await.is_err());
}
