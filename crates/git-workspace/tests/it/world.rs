//! A repository, a workspace, and verbs on both.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use agent_core::port::workspace::{
    BranchUpdate, CommitSpec, ObjectId, PatchInput, RepoLocation, SearchReplace, TreeChange,
    Workspace as _, WorkspaceError,
};
use git_workspace::GitWorkspace;
use git2::{Oid, Repository, Signature, Time};
use primitives::{RepositoryId, RunId, Timestamp};
use tempfile::TempDir;

pub(crate) type Judged = Result<TreeChange, WorkspaceError>;

pub(crate) struct World {
    dir: TempDir,
    pub(crate) git: GitWorkspace,
    pub(crate) repo: RepoLocation,
}

/// An entry of a fixture tree.
pub(crate) enum Entry<'a> {
    File(&'a [u8]),
    Script(&'a [u8]),
    Link(&'a str),
    Submodule,
}

impl World {
    /// A workspace and an empty repository at `<dir>/root/project`.
    pub(crate) fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().canonicalize().unwrap().join("root/project");
        fs::create_dir_all(&path).unwrap();
        init(&path);
        let git = GitWorkspace::new(dir.path().join("data")).unwrap();
        Self { dir, git, repo: RepoLocation { id: RepositoryId::generate(), path } }
    }

    /// With one commit that has these files, checked out.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let world = Self::empty();
        let entries: Vec<_> =
            files.iter().map(|(p, text)| (p.as_bytes(), Entry::File(text.as_bytes()))).collect();
        world.commits(&entries);
        world
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("root")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn source(&self) -> Repository {
        Repository::open(&self.repo.path).unwrap()
    }

    pub(crate) fn mirror_path(&self) -> PathBuf {
        self.data().join(format!("repos/{}.git", self.repo.id.as_uuid().hyphenated()))
    }

    pub(crate) fn mirror(&self) -> Repository {
        Repository::open_bare(self.mirror_path()).unwrap()
    }

    /// Commits exactly these entries on the current branch and checks them out.
    pub(crate) fn commits(&self, entries: &[(&[u8], Entry<'_>)]) -> ObjectId {
        let repo = self.source();
        let tree = tree(&repo, entries);
        let tree = repo.find_tree(tree).unwrap();
        let parent = repo.head().ok().and_then(|h| h.peel_to_commit().ok());
        let count = parent.as_ref().map_or(0, |p| p.time().seconds() - 1_699_999_999);
        let at = Time::new(1_700_000_000 + count, 60);
        let who = Signature::new("Ann", "ann@example.org", &at).unwrap();
        let message = format!("Change {count}\n\nbody");
        let parents: Vec<_> = parent.iter().collect();
        let oid = repo.commit(Some("HEAD"), &who, &who, &message, &tree, &parents).unwrap();
        let plain = entries.iter().all(|(path, e)| {
            matches!(e, Entry::File(_) | Entry::Script(_)) && std::str::from_utf8(path).is_ok()
        });
        if plain && !repo.is_bare() {
            repo.checkout_head(Some(git2::build::CheckoutBuilder::new().force())).unwrap();
        }
        id(oid)
    }

    /// Commits these text files only.
    pub(crate) fn commits_text(&self, files: &[(&str, &str)]) -> ObjectId {
        let entries: Vec<_> =
            files.iter().map(|(p, text)| (p.as_bytes(), Entry::File(text.as_bytes()))).collect();
        self.commits(&entries)
    }

    pub(crate) async fn base(&self) -> ObjectId {
        self.git.snapshot(&self.repo, None).await.unwrap().commit
    }

    pub(crate) async fn judges(&self, diff: &str) -> Judged {
        let base = self.base().await;
        self.git.judge(&self.repo, &base, &PatchInput::UnifiedDiff(diff.to_owned())).await
    }

    pub(crate) async fn edits(&self, edits: &[(&str, &str, &str)]) -> Judged {
        let base = self.base().await;
        let edit = |(path, search, replace): &(&str, &str, &str)| SearchReplace {
            path: (*path).to_owned(),
            search: (*search).to_owned(),
            replace: (*replace).to_owned(),
        };
        let input = PatchInput::SearchReplace(edits.iter().map(edit).collect());
        self.git.judge(&self.repo, &base, &input).await
    }

    pub(crate) fn spec(change: &TreeChange, run: RunId) -> CommitSpec {
        CommitSpec {
            run,
            parent: change.base.clone(),
            tree: change.tree.clone(),
            message: "Say more".to_owned(),
            author_name: "Ann".to_owned(),
            author_email: "ann@example.org".to_owned(),
            time: Timestamp::from_micros(1_700_000_123_456_789),
        }
    }

    /// Commit, run ref and branch, as an apply does them.
    pub(crate) async fn applies(&self, change: &TreeChange, run: RunId) -> ObjectId {
        let commit = self.git.commit(&self.repo, &Self::spec(change, run)).await.unwrap();
        self.git.put_run_ref(&self.repo, run, &commit).await.unwrap();
        let update = BranchUpdate { branch: branch(run), expected: None };
        self.git.put_branch(&self.repo, &update, &commit).await.unwrap();
        commit
    }

    /// `git fsck --strict` on the mirror, which must succeed.
    pub(crate) fn mirror_is_sound(&self) {
        let (ok, text) = git(&self.mirror_path(), &["fsck", "--strict", "--full"], None);
        assert!(ok, "{text}");
        let complaints =
            text.lines().filter(|l| !l.starts_with("dangling ") && !l.starts_with("notice: "));
        assert_eq!(complaints.collect::<Vec<_>>(), Vec::<&str>::new());
    }

    /// Names and targets of the mirror's refs.
    pub(crate) fn mirror_refs(&self) -> Vec<(String, String)> {
        let mirror = self.mirror();
        let refs = mirror.references().unwrap().map(|r| {
            let r = r.unwrap();
            (r.name().unwrap().to_owned(), r.target().unwrap().to_string())
        });
        let mut refs: Vec<_> = refs.collect();
        refs.sort();
        refs
    }

    /// Everything below the registered repository, `.git` included.
    pub(crate) fn registered_state(&self) -> BTreeMap<PathBuf, String> {
        state(&self.repo.path)
    }

    /// Content of a path in a tree of the mirror.
    pub(crate) fn content(&self, tree: &ObjectId, path: &str) -> Option<Vec<u8>> {
        let mirror = self.mirror();
        let tree = mirror.find_tree(oid(tree)).unwrap();
        let entry = tree.get_path(Path::new(path)).ok()?;
        Some(mirror.find_blob(entry.id()).unwrap().content().to_vec())
    }
}

pub(crate) fn init(path: &Path) {
    let mut options = git2::RepositoryInitOptions::new();
    options.initial_head("main").external_template(false);
    Repository::init_opts(path, &options).unwrap();
}

pub(crate) fn branch(run: RunId) -> String {
    format!("refs/heads/elohim/runs/{}", run.as_uuid().hyphenated())
}

pub(crate) fn id(oid: Oid) -> ObjectId {
    ObjectId::parse(&oid.to_string()).unwrap()
}

pub(crate) fn oid(id: &ObjectId) -> Oid {
    Oid::from_str(id.as_str()).unwrap()
}

/// Writes a tree with these entries, whose paths may be anything.
pub(crate) fn tree(repo: &Repository, entries: &[(&[u8], Entry<'_>)]) -> Oid {
    let mut folders: BTreeMap<Vec<u8>, Vec<(&[u8], &Entry<'_>)>> = BTreeMap::new();
    let mut raw: Vec<(Vec<u8>, &str, Oid)> = Vec::new();
    for (path, entry) in entries {
        if let Some(slash) = path.iter().position(|b| *b == b'/') {
            let (folder, rest) = path.split_at(slash);
            folders.entry(folder.to_vec()).or_default().push((&rest[1..], entry));
            continue;
        }
        let (mode, oid) = match entry {
            Entry::File(content) => ("100644", repo.blob(content).unwrap()),
            Entry::Script(content) => ("100755", repo.blob(content).unwrap()),
            Entry::Link(target) => ("120000", repo.blob(target.as_bytes()).unwrap()),
            Entry::Submodule => ("160000", Oid::from_bytes(&[7; 20]).unwrap()),
        };
        raw.push((path.to_vec(), mode, oid));
    }
    for (name, below) in folders {
        let below: Vec<_> = below.into_iter().map(|(p, e)| (p, e.clone_ref())).collect();
        raw.push((name, "40000", tree(repo, &below)));
    }
    raw.sort_by_key(|(name, mode, _)| {
        let slash: &[u8] = if *mode == "40000" { b"/" } else { b"" };
        [name.as_slice(), slash].concat()
    });
    let mut bytes = Vec::new();
    for (name, mode, oid) in raw {
        bytes.extend([mode.as_bytes(), b" ", &name, b"\0", oid.as_bytes()].concat());
    }
    repo.odb().unwrap().write(git2::ObjectType::Tree, &bytes).unwrap()
}

impl<'a> Entry<'a> {
    fn clone_ref(&self) -> Entry<'a> {
        match self {
            Self::File(content) => Entry::File(content),
            Self::Script(content) => Entry::Script(content),
            Self::Link(target) => Entry::Link(target),
            Self::Submodule => Entry::Submodule,
        }
    }
}

/// Paths below `dir` with kind, mode, times of change and content.
pub(crate) fn state(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let (path, meta) = (entry.path(), entry.metadata().unwrap());
            let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
            let content = if meta.is_dir() {
                folders.push(path.clone());
                String::new()
            } else if meta.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else {
                let bytes = fs::read(&path).unwrap();
                Oid::hash_object(git2::ObjectType::Blob, &bytes).unwrap().to_string()
            };
            let mode = meta.permissions().mode();
            found.insert(path, format!("{mode:o} {times:?} {content}"));
        }
    }
    found
}

/// Runs the git binary without anybody's configuration; its output and errors together.
pub(crate) fn git(dir: &Path, args: &[&str], input: Option<&str>) -> (bool, String) {
    use std::io::Write as _;
    use std::process::Stdio;

    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.unwrap_or_default().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Runs git and expects success; its standard output and errors.
pub(crate) fn git_ok(dir: &Path, args: &[&str], input: Option<&str>) -> String {
    let (ok, text) = git(dir, args, input);
    assert!(ok, "git {args:?}: {text}");
    text
}
