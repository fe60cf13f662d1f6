//! Fixture repositories as values.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use agent_core::context::{Bundle, Inputs, Query, Redactor, Selection, build, select_candidates};
use agent_core::plan::{PlanDraft, PlanningTask, RepoFacts, plan_builtin};
use agent_core::port::workspace::{ObjectId, Snapshot, TreeFile};

pub(crate) const FIXTURES: [&str; 3] = ["rust-shop", "py-ledger", "ts-board"];

/// A repository at one commit, with its contents.
#[derive(Debug)]
pub(crate) struct Repo {
    pub(crate) snapshot: Snapshot,
    texts: BTreeMap<String, Option<String>>,
}

/// What one task made of a repository.
pub(crate) struct Planned {
    pub(crate) bundle: Bundle,
    pub(crate) draft: PlanDraft,
}

impl Repo {
    /// A fixture by its folder's name.
    pub(crate) fn fixture(name: &str) -> Self {
        let root = data().join("fixtures").join(name);
        let mut files = BTreeMap::new();
        read_below(&root, &root, &mut files);
        Self::of(files.into_iter().collect())
    }

    /// A repository of these files.
    pub(crate) fn of(files: Vec<(String, Vec<u8>)>) -> Self {
        let commit = ObjectId::parse(&"c0ffee00".repeat(5)).expect("hex");
        let mut tree: Vec<TreeFile> = Vec::new();
        let mut texts = BTreeMap::new();
        for (path, bytes) in files {
            let size = bytes.len() as u64;
            let text = (!bytes.contains(&0)).then(|| String::from_utf8(bytes).ok()).flatten();
            tree.push(TreeFile { path: path.clone(), blob: commit.clone(), size });
            texts.insert(path, text);
        }
        tree.sort_by(|a, b| a.path.cmp(&b.path));
        tree.dedup_by(|a, b| a.path == b.path);
        let snapshot = Snapshot {
            commit: commit.clone(),
            tree: commit,
            files: tree,
            skipped: BTreeMap::new(),
        };
        Self { snapshot, texts }
    }

    /// What the port would answer for a selection.
    pub(crate) fn read(&self, selection: &Selection) -> Vec<Option<String>> {
        selection.files.iter().map(|f| self.texts.get(&f.path).cloned().flatten()).collect()
    }

    /// Builds the bundle and the built-in plan for a task.
    pub(crate) fn plan(&self, task: &PlanningTask, budget: u32) -> Planned {
        let text = task.query_text();
        let query = Query { text: &text, focus: task.focus(), open_files: &[] };
        let redactor = Redactor::new(&[]);
        let selection = select_candidates(&self.snapshot, &query, &redactor);
        let texts = self.read(&selection);
        let inputs = Inputs {
            snapshot: &self.snapshot,
            selection: &selection,
            texts: &texts,
            commits: &[],
            status: &[],
            query,
            budget,
            redactor: &redactor,
        };
        let bundle = build(&inputs);
        let facts = RepoFacts::scan(&inputs, &bundle);
        let draft = plan_builtin(task, &bundle, &facts);
        Planned { bundle, draft }
    }
}

/// The ten texts of a fixture, each with the file that has to change.
pub(crate) fn tasks(name: &str) -> Vec<(String, String)> {
    let path = data().join("fixtures").join(format!("{name}.tsv"));
    let text = fs::read_to_string(path).expect("the texts of the fixture");
    let row = |line: &str| line.split_once('\t').map(|(p, t)| (p.to_owned(), t.to_owned()));
    text.lines().filter_map(row).collect()
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

fn read_below(root: &Path, dir: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).expect("a fixture folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_below(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy();
            files.insert(name.into_owned(), fs::read(&path).expect("a fixture file"));
        }
    }
}
