//! Any text, any edit: the diff git prints leads to the same tree, and no bytes panic.

use agent_core::port::workspace::{PatchInput, Workspace as _};
use proptest::prelude::*;

use crate::world::{Entry, World, git_ok, id, tree};

/// Few different lines, so that repeats and ambiguous places are common.
fn text() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec!["a", "b", "", " ", "-x", "+y", "@@ z", "\\ q", "ä\r"]);
    (prop::collection::vec(line, 0..30), any::<bool>()).prop_map(|(lines, end)| {
        let text = lines.join("\n");
        if end && !text.is_empty() { text + "\n" } else { text }
    })
}

fn files() -> impl Strategy<Value = Vec<(String, Option<String>)>> {
    let path = prop::sample::select(vec!["a", "b c", "d/e", "d/f", "ä\"", "g/h/i"]);
    prop::collection::btree_map(path, prop::option::of(text()), 1..6)
        .prop_map(|files| files.into_iter().map(|(p, t)| (p.to_owned(), t)).collect())
}

fn entries(files: &[(String, Option<String>)]) -> Vec<(&[u8], Entry<'_>)> {
    let present = files.iter().filter_map(|(p, t)| Some((p, t.as_ref()?)));
    present.map(|(p, t)| (p.as_bytes(), Entry::File(t.as_bytes()))).collect()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_diff_leads_to_the_tree_it_came_from(
        before in files(),
        after in files(),
        context in 1_u32..5,
    ) {
        let world = World::empty();
        let base = world.commits(&entries(&before));
        let source = world.source();
        let new = source.find_tree(tree(&source, &entries(&after))).unwrap();
        let old = source.find_commit(crate::world::oid(&base)).unwrap().tree().unwrap();
        let trees = [old.id().to_string(), new.id().to_string()];
        let lines = format!("-U{context}");
        let args = ["diff", "--no-renames", &lines, &trees[0], &trees[1]];
        let text = git_ok(&world.repo.path, &args, None);
        prop_assume!(old.id() != new.id());

        let judged = block_on(world.judges(&text));
        let change = judged.map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(&change.tree, &id(new.id()), "{}", text);
        if context == 3 {
            prop_assert_eq!(&change.diff, &text);
        }
        // Our own text leads there as well.
        let again = block_on(world.judges(&change.diff)).unwrap();
        prop_assert_eq!(again, change);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "diff --git a/a b/a\n", "--- a/a\n", "+++ b/a\n", "--- /dev/null\n", "+++ /dev/null\n",
            "@@ -1 +1 @@\n", "@@ -1,2 +1,3 @@\n", "@@ -0,0 +1 @@\n", "@@ -999999999,0 +1 @@ x\n",
            " a\n", "-a\n", "+b\n", "\\ No newline at end of file\n", "\n", "\r\n", "-- \n",
            "new file mode 100644\n", "deleted file mode 100644\n", "index 1..2\n", "old mode 100644\n",
            "new mode 100755\n", "rename from a\n", "rename to b\n", "\"", "\\", "\\303", "ä", "@@ -",
            "From 1111111111111111111111111111111111111111 x\n", "diff --git \"a/\\", " b/", "a/",
        ]), 0..25),
        noise in any::<String>(),
        at in any::<prop::sample::Index>(),
    ) {
        let mut text = pieces.concat();
        let cut = (0..=text.len()).filter(|i| text.is_char_boundary(*i)).collect::<Vec<_>>();
        text.insert_str(*at.get(&cut), &noise);
        WORLD.with(|(world, base)| {
            let input = PatchInput::UnifiedDiff(text.clone());
            // Errors are expected; a panic inside would come back as an internal one.
            if let Err(error) = block_on(world.git.judge(&world.repo, base, &input)) {
                let internal =
                    matches!(error, agent_core::port::workspace::WorkspaceError::Internal(_));
                assert!(!internal, "{error}\n{text:?}");
            }
        });
    }
}

thread_local! {
    static WORLD: (World, agent_core::port::workspace::ObjectId) = {
        let world = World::with(&[("a", "a\nb\na\n"), ("b", "x")]);
        let base = block_on(world.base());
        (world, base)
    };
}
