//! The port, with git's blocking work on threads of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_core::port::workspace::{
    BranchUpdate, Checkout, CommitSpec, ObjectId, PatchInput, RecentCommit, RepoLocation, RunRef,
    Snapshot, StatusEntry, TreeChange, Workspace, WorkspaceError,
};
use async_trait::async_trait;
use git2::Repository;
use primitives::{RepositoryId, RunId};

use crate::error::{Result, internal, to_oid};
use crate::export::Checkouts;
use crate::mirror::{Lock, Mirrors, private_dir};
use crate::{
    collect, commit, history, import, inspect, judge, listing, refs, source, stale, status,
    worktree,
};

/// Git on this machine: mirrors below `<data>/repos`, checkouts below `<data>/checkouts`.
///
/// Cheap to clone. Several processes may share one data directory.
#[derive(Clone, Debug)]
pub struct GitWorkspace {
    store: Arc<Store>,
}

#[derive(Debug)]
struct Store {
    mirrors: Mirrors,
    checkouts: Checkouts,
    /// Private files that live as long as one operation.
    scratch: PathBuf,
}

impl GitWorkspace {
    /// Creates the folders and removes the checkouts of processes that ended.
    pub fn new(data_dir: impl AsRef<Path>) -> Result<Self> {
        private_dir(data_dir.as_ref())?;
        let data_dir =
            data_dir.as_ref().canonicalize().map_err(internal("find the data folder"))?;
        let scratch = data_dir.join("scratch");
        private_dir(&scratch)?;
        stale::remove(&scratch, |_| true);
        let mirrors = Mirrors::new(&data_dir)?;
        let checkouts = Checkouts::new(&data_dir)?;
        Ok(Self { store: Arc::new(Store { mirrors, checkouts, scratch }) })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.map_err(internal("run git"))?
    }

    async fn in_mirror<T: Send + 'static>(
        &self,
        repo: &RepoLocation,
        work: impl FnOnce(&Repository) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let id = repo.id;
        self.blocking(move |store| work(&store.mirrors.open(id)?)).await
    }

    async fn moving_refs<T: Send + 'static>(
        &self,
        repo: &RepoLocation,
        work: impl FnOnce(&Repository) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let id = repo.id;
        let locked = move |store: &Store| {
            let mirror = store.mirrors.open(id)?;
            let _lock = store.mirrors.lock(id, Lock::Refs)?;
            work(&mirror)
        };
        self.blocking(locked).await
    }
}

impl Store {
    fn snapshot(&self, repo: &RepoLocation, revision: Option<&str>) -> Result<Snapshot> {
        let mirror = self.mirrors.open(repo.id)?;
        if let Some(known) = revision.and_then(ObjectId::parse) {
            let oid = to_oid(&known)?;
            if import::is_complete(&mirror, oid) {
                return listing::snapshot(&mirror, oid);
            }
        }
        let oid = self.bring(repo.id, &repo.path, revision, &mirror)?;
        // Opened again: the import may have changed where the mirror's history ends.
        listing::snapshot(&self.mirrors.open(repo.id)?, oid)
    }

    fn bring(
        &self,
        id: RepositoryId,
        path: &Path,
        revision: Option<&str>,
        mirror: &Repository,
    ) -> Result<git2::Oid> {
        let source = source::open(path, &self.scratch)?;
        let oid = match source::resolve(&source.repo, revision) {
            Ok(oid) => oid,
            Err(error) => return ours(mirror, revision).ok_or(error),
        };
        if !import::is_complete(mirror, oid) {
            let _lock = self.mirrors.lock(id, Lock::Import)?;
            import::bring(&source.repo, mirror, oid)?;
        }
        Ok(oid)
    }
}

/// A commit that a run made is in the mirror only.
fn ours(mirror: &Repository, revision: Option<&str>) -> Option<git2::Oid> {
    let oid = to_oid(&ObjectId::parse(revision?)?).ok()?;
    mirror.find_commit(oid).ok().map(|commit| commit.id())
}

#[async_trait]
impl Workspace for GitWorkspace {
    async fn inspect(
        &self,
        root: PathBuf,
        path: PathBuf,
    ) -> std::result::Result<(PathBuf, Option<String>), WorkspaceError> {
        self.blocking(move |store| inspect::inspect(&root, &path, &store.scratch)).await
    }

    async fn snapshot(&self, repo: &RepoLocation, revision: Option<&str>) -> Result<Snapshot> {
        let (repo, revision) = (repo.clone(), revision.map(str::to_owned));
        self.blocking(move |store| store.snapshot(&repo, revision.as_deref())).await
    }

    async fn read_texts(
        &self,
        repo: &RepoLocation,
        blobs: &[ObjectId],
        max_bytes: u64,
    ) -> Result<Vec<Option<String>>> {
        let blobs = blobs.iter().map(to_oid).collect::<Result<Vec<_>>>()?;
        self.in_mirror(repo, move |mirror| listing::texts(mirror, &blobs, max_bytes)).await
    }

    async fn recent_commits(
        &self,
        repo: &RepoLocation,
        commit: &ObjectId,
        limit: usize,
        diff_bytes: usize,
    ) -> Result<Vec<RecentCommit>> {
        let commit = to_oid(commit)?;
        self.in_mirror(repo, move |m| history::recent(m, commit, limit, diff_bytes)).await
    }

    async fn status(&self, repo: &RepoLocation, limit: usize) -> Result<Vec<StatusEntry>> {
        let path = repo.path.clone();
        self.blocking(move |store| {
            status::status(&source::open(&path, &store.scratch)?.repo, limit)
        })
        .await
    }

    async fn judge(
        &self,
        repo: &RepoLocation,
        base: &ObjectId,
        input: &PatchInput,
    ) -> Result<TreeChange> {
        let (base, input, root) = (to_oid(base)?, input.clone(), repo.path.clone());
        let judged = move |mirror: &Repository| {
            worktree::refuse_links(&root, judge::judge(mirror, base, &input)?)
        };
        self.in_mirror(repo, judged).await
    }

    async fn judge_trees(
        &self,
        repo: &RepoLocation,
        base: &ObjectId,
        tree: &ObjectId,
    ) -> Result<TreeChange> {
        let (base, tree) = (to_oid(base)?, to_oid(tree)?);
        self.in_mirror(repo, move |mirror| judge::judge_tree(mirror, base, tree)).await
    }

    async fn judge_revert(
        &self,
        repo: &RepoLocation,
        applied: &ObjectId,
        tip: &ObjectId,
    ) -> Result<TreeChange> {
        let (applied, tip) = (to_oid(applied)?, to_oid(tip)?);
        self.in_mirror(repo, move |mirror| judge::judge_revert(mirror, applied, tip)).await
    }

    async fn export(&self, repo: &RepoLocation, base: &ObjectId) -> Result<Checkout> {
        let (id, oid) = (repo.id, to_oid(base)?);
        let (dir, guard) = self
            .blocking(move |store| store.checkouts.export(&store.mirrors.open(id)?, oid))
            .await?;
        Ok(Checkout { repository: id, base: base.clone(), dir, guard: Box::new(guard) })
    }

    async fn collect(&self, repo: &RepoLocation, checkout: &Checkout) -> Result<TreeChange> {
        if checkout.repository != repo.id {
            return Err(internal("collect")("the checkout belongs to another repository"));
        }
        let (base, dir) = (to_oid(&checkout.base)?, checkout.dir.clone());
        let root = repo.path.clone();
        let collected = move |mirror: &Repository| {
            worktree::refuse_links(&root, collect::collect(mirror, base, &dir)?)
        };
        self.in_mirror(repo, collected).await
    }

    async fn commit(&self, repo: &RepoLocation, spec: &CommitSpec) -> Result<ObjectId> {
        let spec = spec.clone();
        self.in_mirror(repo, move |mirror| commit::commit(mirror, &spec)).await
    }

    async fn put_run_ref(&self, repo: &RepoLocation, run: RunId, commit: &ObjectId) -> Result<()> {
        let commit = to_oid(commit)?;
        self.moving_refs(repo, move |mirror| refs::put_run_ref(mirror, run, commit)).await
    }

    async fn put_branch(
        &self,
        repo: &RepoLocation,
        update: &BranchUpdate,
        commit: &ObjectId,
    ) -> Result<()> {
        let (update, commit) = (update.clone(), to_oid(commit)?);
        self.moving_refs(repo, move |mirror| refs::put_branch(mirror, &update, commit)).await
    }

    async fn restore_branch(
        &self,
        repo: &RepoLocation,
        update: &BranchUpdate,
        commit: &ObjectId,
    ) -> Result<()> {
        let (update, commit) = (update.clone(), to_oid(commit)?);
        self.moving_refs(repo, move |mirror| refs::restore_branch(mirror, &update, commit)).await
    }

    async fn branch_tip(&self, repo: &RepoLocation, branch: &str) -> Result<Option<ObjectId>> {
        let branch = branch.to_owned();
        self.in_mirror(repo, move |mirror| refs::branch_tip(mirror, &branch)).await
    }

    async fn run_refs(&self, repo: &RepoLocation) -> Result<Vec<RunRef>> {
        self.in_mirror(repo, refs::run_refs).await
    }

    async fn drop_run_ref(&self, repo: &RepoLocation, run: RunId, commit: &ObjectId) -> Result<()> {
        let commit = to_oid(commit)?;
        self.moving_refs(repo, move |mirror| refs::drop_run_ref(mirror, run, commit)).await
    }
}
