//! Git repositories of people, as they lie on a server's disk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature, Time};

/// A small program with three concerns, their tests and a page of text.
const SHOP: [(&str, &str); 9] = [
    (
        "README.md",
        "# Shop\n\nA small shop: carts, invoices, shipping.\n\nRun `shop serve` to start it.\n",
    ),
    (
        "src/lib.rs",
        "//! A shop.\n\npub mod cart;\npub mod invoice;\npub mod shipping;\npub mod tax;\n",
    ),
    (
        "src/cart.rs",
        "//! Carts.\n\n/// Things to buy.\npub struct Cart {\n    pub prices: Vec<u64>,\n}\n\nimpl Cart {\n    \
         /// What all of it costs.\n    pub fn total(&self) -> u64 {\n        self.prices.iter().sum()\n    }\n\n    \
         /// Takes everything out.\n    pub fn clear(&mut self) {\n        self.prices.clear();\n    }\n}\n",
    ),
    (
        "src/invoice.rs",
        "//! Invoices.\n\nuse crate::cart::Cart;\nuse crate::tax::vat;\n\n/// The amount on an invoice.\n\
         pub fn invoice_amount(cart: &Cart) -> u64 {\n    let net = cart.total();\n    net + vat(net)\n}\n",
    ),
    (
        "src/shipping.rs",
        "//! Parcels.\n\n/// What sending a parcel costs, by weight in grams.\n\
         pub fn postage(grams: u32) -> u64 {\n    if grams > 2_000 { 899 } else { 499 }\n}\n",
    ),
    (
        "src/tax.rs",
        "//! Taxes.\n\n/// Value added tax on a net amount.\npub fn vat(net: u64) -> u64 {\n    net * 19 / 100\n}\n",
    ),
    (
        "tests/cart.rs",
        "use shop::cart::Cart;\n\n#[test]\nfn an_empty_cart_costs_nothing() {\n    \
         assert_eq!(Cart { prices: vec![] }.total(), 0);\n}\n",
    ),
    ("docs/operations.md", "# Operations\n\nHow to run the shop and where its logs are.\n"),
    (".github/workflows/ci.yml", "on: push\njobs: {}\n"),
];

/// A repository with a work tree.
#[derive(Clone, Debug)]
pub struct Repo {
    pub dir: PathBuf,
}

impl Repo {
    /// An empty repository without a commit.
    pub fn init(dir: &Path) -> Self {
        fs::create_dir_all(dir).expect("a folder for the repository");
        Repository::init_opts(dir, RepositoryInitOptions::new().initial_head("main"))
            .expect("a repository");
        Self { dir: dir.to_owned() }
    }

    /// The shop in one commit.
    pub fn shop(dir: &Path) -> Self {
        let repo = Self::init(dir);
        for (path, content) in SHOP {
            repo.write(path, content);
        }
        repo.commit("A shop");
        repo
    }

    /// Writes a file of the work tree, with the folders above it.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.dir.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("a folder");
        }
        fs::write(path, content).expect("a file");
        self
    }

    /// The text of a file of the work tree.
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.dir.join(path)).expect("a text file")
    }

    /// Commits the whole work tree and returns the commit's id.
    pub fn commit(&self, message: &str) -> String {
        let git = self.git();
        let mut index = git.index().expect("an index");
        index.add_all(["*"], IndexAddOption::FORCE, None).expect("files are added");
        index.write().expect("the index is written");
        let tree = index.write_tree().expect("a tree");
        let tree = git.find_tree(tree).expect("the tree just written");
        let head = git.head().ok().and_then(|head| head.peel_to_commit().ok());
        // Fixed, so that the same files give the same commit in every run.
        let who = Signature::new("Ann", "ann@example.org", &Time::new(1_700_000_000, 0));
        let who = who.expect("a signature");
        let parents: Vec<_> = head.iter().collect();
        let made = git.commit(Some("HEAD"), &who, &who, message, &tree, &parents);
        made.expect("a commit").to_string()
    }

    /// The commit that HEAD is at, in hex.
    pub fn head(&self) -> String {
        let git = self.git();
        let commit = git.head().and_then(|head| head.peel_to_commit());
        commit.expect("a commit").id().to_string()
    }

    /// Paths of all files at HEAD.
    pub fn tracked(&self) -> Vec<String> {
        let git = self.git();
        let tree = git.head().and_then(|head| head.peel_to_tree()).expect("a tree");
        files_of(&tree)
    }

    /// The unified diff that changes `path` to `after`; a path that is missing is created.
    pub fn diff(&self, path: &str, after: &str) -> String {
        let before = fs::read(self.dir.join(path)).unwrap_or_default();
        diff_between(path, &before, after.as_bytes(), self.dir.join(path).exists())
    }

    /// The diff that adds a line to the end of a file.
    pub fn diff_adding(&self, path: &str, line: &str) -> String {
        self.diff(path, &format!("{}{line}\n", self.text(path)))
    }

    /// All that lies in the folder, `.git` included: kinds, modes, contents, link targets.
    /// Equal states mean that HEAD, refs, index and work tree are as they were.
    pub fn state(&self) -> BTreeMap<String, String> {
        folder_state(&self.dir)
    }

    pub fn git(&self) -> Repository {
        Repository::open(&self.dir).expect("a repository opens")
    }
}

/// Paths of the files of a tree.
pub fn files_of(tree: &git2::Tree<'_>) -> Vec<String> {
    let mut paths = Vec::new();
    tree.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
        if entry.kind() == Some(git2::ObjectType::Blob) {
            let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
            paths.push(format!("{folder}{name}"));
        }
        git2::TreeWalkResult::Ok
    })
    .expect("a tree can be walked");
    paths
}

fn diff_between(path: &str, before: &[u8], after: &[u8], exists: bool) -> String {
    let file = Path::new(path);
    let patch = git2::Patch::from_buffers(before, Some(file), after, Some(file), None);
    let text = patch.and_then(|mut patch| patch.to_buf()).expect("two texts can be compared");
    let text = text.as_str().expect("texts are UTF-8").to_owned();
    if exists {
        return text;
    }
    let hunks = text.find("@@").map_or("", |at| &text[at..]);
    format!(
        "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n{hunks}"
    )
}

/// All that lies in a folder, byte by byte.
pub fn folder_state(dir: &Path) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    collect(dir, dir, &mut state);
    state
}

fn collect(root: &Path, dir: &Path, state: &mut BTreeMap<String, String>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        let shown = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let meta = fs::symlink_metadata(&path).expect("an entry has metadata");
        let mode = meta.permissions().mode();
        let what = if meta.is_symlink() {
            let target = fs::read_link(&path).expect("a link's target");
            format!("link to {}", target.display())
        } else if meta.is_dir() {
            collect(root, &path, state);
            format!("folder {mode:o}")
        } else {
            let content = fs::read(&path).expect("a file's content");
            format!("file {mode:o} of {} {}", meta.uid(), String::from_utf8_lossy(&content))
        };
        state.insert(shown, what);
    }
}
