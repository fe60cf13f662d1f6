//! Git as the agent needs it: snapshots to read, patches to compute, commits to record.
//!
//! **Invariant:** the registered repository is only ever read. Everything that is
//! written goes into a bare mirror that the server owns, and every ref update there
//! is a compare-and-swap.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use primitives::{RepositoryId, RunId, Timestamp};

/// A git object id in lower-case hex (40 or 64 digits).
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct ObjectId(String);

impl ObjectId {
    /// Accepts 40 or 64 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (matches!(text.len(), 40 | 64) && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a registered repository lies on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoLocation {
    pub id: RepositoryId,
    /// Canonical path below an operator-listed root of the repository's owner.
    pub path: PathBuf,
}

/// One tracked regular file at a commit. Links and submodules are not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeFile {
    /// Slash-separated, relative, valid UTF-8 (other names are counted in [`Snapshot::skipped`]).
    pub path: String,
    pub blob: ObjectId,
    /// Bytes.
    pub size: u64,
}

/// The tracked files of one commit, sorted by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub commit: ObjectId,
    pub tree: ObjectId,
    pub files: Vec<TreeFile>,
    /// Entries left out, by reason (`symlink`, `submodule`, `invalid_name`, `too_many`).
    pub skipped: BTreeMap<String, u64>,
}

/// One of the newest commits, for the context bundle.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecentCommit {
    pub commit: ObjectId,
    /// First line of the message, at most 200 characters.
    pub subject: String,
    pub author_name: String,
    pub time: Timestamp,
    /// Paths changed against the first parent, at most 50.
    pub paths: Vec<String>,
    /// Unified diff against the first parent, cut at a byte limit on a line boundary.
    pub diff: String,
}

/// A path whose work-tree state differs from HEAD in the registered repository.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StatusEntry {
    pub path: String,
    /// `added`, `modified`, `deleted`, `renamed`, `typechange`, `untracked`, `conflicted`.
    pub change: String,
}

/// An edit of one file: a SEARCH block that must occur exactly once, and what replaces it.
/// An empty `search` creates the file, which must not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SearchReplace {
    pub path: String,
    pub search: String,
    pub replace: String,
}

/// What a patch is made from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchInput {
    /// A unified diff with `a/` and `b/` prefixes or git headers.
    UnifiedDiff(String),
    SearchReplace(Vec<SearchReplace>),
}

/// How one file changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One changed file of a [`TreeChange`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileChange {
    pub path: String,
    pub kind: ChangeKind,
    pub lines_added: u32,
    pub lines_deleted: u32,
}

/// A judged change: the path policy has accepted the *resulting tree*.
///
/// The tree is in the mirror; nothing refers to it until [`Workspace::commit`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TreeChange {
    pub base: ObjectId,
    pub tree: ObjectId,
    /// Canonical unified diff from the base's tree to `tree`, with `a/` and `b/` prefixes.
    pub diff: String,
    pub files: Vec<FileChange>,
    /// Changed paths that always need a human (CI, `.gitattributes`, agent rc files, `.env*`).
    pub protected: Vec<String>,
}

/// A gitless export of a commit's tree, private to one run. Removed on drop.
#[derive(Debug)]
pub struct Checkout {
    pub repository: RepositoryId,
    pub base: ObjectId,
    /// Directory the engine may change.
    pub dir: PathBuf,
    /// Keeps the directory alive; dropping it removes the files.
    pub guard: Box<dyn GuardDebug>,
}

/// Lets [`Checkout`] derive `Debug` around an opaque guard.
pub trait GuardDebug: std::fmt::Debug + Send + Sync {}
impl<T: std::fmt::Debug + Send + Sync> GuardDebug for T {}

/// Everything that makes a commit deterministic: the same run always makes the same commit.
#[derive(Clone, Debug)]
pub struct CommitSpec {
    pub run: RunId,
    /// First parent: the base of the change.
    pub parent: ObjectId,
    pub tree: ObjectId,
    /// Subject and body without trailers; a `Run-Id` trailer is added.
    pub message: String,
    pub author_name: String,
    pub author_email: String,
    /// Author and committer time: the run's start.
    pub time: Timestamp,
}

/// Where a commit is recorded in the mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchUpdate {
    /// Full name, `refs/heads/elohim/<work item or "runs">/<run>`.
    pub branch: String,
    /// The commit the branch must be at (`None`: it must not exist).
    pub expected: Option<ObjectId>,
}

/// A run ref found in a mirror, for reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRef {
    pub run: RunId,
    pub commit: ObjectId,
    /// Branches that hold this very commit at their tip.
    pub branches: Vec<String>,
}

/// Why git could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The path is no git repository, or not one that may be opened. Says why.
    #[error("the repository cannot be used: {0}")]
    Unusable(String),
    /// The repository has no commit yet, or the revision does not exist.
    #[error("no such revision: {0}")]
    NoSuchRevision(String),
    /// The patch text is malformed or does not apply to the base; nothing was changed.
    #[error("the patch does not apply: {0}")]
    DoesNotApply(String),
    /// The resulting tree breaks the path policy; nothing was changed.
    #[error("the patch is refused at {path:?}: {rule}")]
    PathRefused { path: String, rule: &'static str },
    /// More or larger files than a patch may have.
    #[error("the patch is too large: {0}")]
    TooLarge(String),
    /// The patch changes nothing.
    #[error("the patch changes nothing")]
    NoChange,
    /// A ref was not where the caller expected it.
    #[error("the branch moved: {0}")]
    Conflict(String),
    /// Disk or libgit2 failed; the cause is for the log only.
    #[error("git failed: {0}")]
    Internal(String),
}

/// Access to registered repositories and their mirrors.
#[async_trait]
pub trait Workspace: Send + Sync {
    /// Canonicalises `path` (no symlink may lead out of `root`), checks that it is a
    /// repository that may be opened (ownership included), and returns its canonical path
    /// and the name of its default branch (`None` when it has no commit yet).
    async fn inspect(
        &self,
        root: PathBuf,
        path: PathBuf,
    ) -> Result<(PathBuf, Option<String>), WorkspaceError>;

    /// Brings the commit that `revision` names (`None`: HEAD) into the mirror, and lists it.
    async fn snapshot(
        &self,
        repo: &RepoLocation,
        revision: Option<&str>,
    ) -> Result<Snapshot, WorkspaceError>;

    /// Contents of blobs in the mirror, in the order asked; `None` for a missing or larger
    /// one than `max_bytes`, or a binary one (a NUL byte in the first 8 KiB).
    async fn read_texts(
        &self,
        repo: &RepoLocation,
        blobs: &[ObjectId],
        max_bytes: u64,
    ) -> Result<Vec<Option<String>>, WorkspaceError>;

    /// The newest `limit` commits reachable from `commit`, each diff cut at `diff_bytes`.
    async fn recent_commits(
        &self,
        repo: &RepoLocation,
        commit: &ObjectId,
        limit: usize,
        diff_bytes: usize,
    ) -> Result<Vec<RecentCommit>, WorkspaceError>;

    /// Differences between HEAD, index and work tree, at most `limit`; empty for a bare one.
    async fn status(
        &self,
        repo: &RepoLocation,
        limit: usize,
    ) -> Result<Vec<StatusEntry>, WorkspaceError>;

    /// Applies `input` to the tree of `base` and judges the result. All or nothing.
    async fn judge(
        &self,
        repo: &RepoLocation,
        base: &ObjectId,
        input: &PatchInput,
    ) -> Result<TreeChange, WorkspaceError>;

    /// The change from the tree of commit `base` to `tree`, judged like any other.
    async fn judge_trees(
        &self,
        repo: &RepoLocation,
        base: &ObjectId,
        tree: &ObjectId,
    ) -> Result<TreeChange, WorkspaceError>;

    /// The change that takes `applied` back: its parent's content of every path it changed.
    /// `tip` is the commit to build on; a path that changed since `applied` is a conflict.
    async fn judge_revert(
        &self,
        repo: &RepoLocation,
        applied: &ObjectId,
        tip: &ObjectId,
    ) -> Result<TreeChange, WorkspaceError>;

    /// Writes the files of `base` into a fresh private directory, without `.git`.
    async fn export(
        &self,
        repo: &RepoLocation,
        base: &ObjectId,
    ) -> Result<Checkout, WorkspaceError>;

    /// The difference an engine left in a checkout, read without following links, judged.
    async fn collect(
        &self,
        repo: &RepoLocation,
        checkout: &Checkout,
    ) -> Result<TreeChange, WorkspaceError>;

    /// Writes the commit object only. Deterministic in `spec`.
    async fn commit(
        &self,
        repo: &RepoLocation,
        spec: &CommitSpec,
    ) -> Result<ObjectId, WorkspaceError>;

    /// Creates `refs/elohim/runs/<run>` at `commit`; a no-op when it is there already.
    async fn put_run_ref(
        &self,
        repo: &RepoLocation,
        run: RunId,
        commit: &ObjectId,
    ) -> Result<(), WorkspaceError>;

    /// Moves the branch by compare-and-swap; a no-op when it is at `commit` already.
    async fn put_branch(
        &self,
        repo: &RepoLocation,
        update: &BranchUpdate,
        commit: &ObjectId,
    ) -> Result<(), WorkspaceError>;

    /// Takes a branch update back: from `commit` to `update.expected` (`None` deletes it).
    /// A no-op when the branch is not at `commit`.
    async fn restore_branch(
        &self,
        repo: &RepoLocation,
        update: &BranchUpdate,
        commit: &ObjectId,
    ) -> Result<(), WorkspaceError>;

    /// The commit a branch of the mirror is at.
    async fn branch_tip(
        &self,
        repo: &RepoLocation,
        branch: &str,
    ) -> Result<Option<ObjectId>, WorkspaceError>;

    /// All run refs of the mirror, for reconcile.
    async fn run_refs(&self, repo: &RepoLocation) -> Result<Vec<RunRef>, WorkspaceError>;

    /// Deletes `refs/elohim/runs/<run>` if it is at `commit`.
    async fn drop_run_ref(
        &self,
        repo: &RepoLocation,
        run: RunId,
        commit: &ObjectId,
    ) -> Result<(), WorkspaceError>;
}
