//! Registered repositories.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit::AuditEvent;
use events::Once;
use permissions::{Cleared, CodeUse, Grant, RepositoriesManage, Tenanted};
use primitives::{Checked, InvalidArgs, Page, PageRequest, RepositoryId, Tenant, Text, clip};

use super::deps::{AgentDeps, remember, replay};
use crate::AgentError;
use crate::model::Repository;

/// What people may call a repository.
const DISPLAY_NAME: Text = Text { field: "display_name", min: 0, max: 100, multiline: false };

/// Folders of the server below which repositories may be registered, each for one owner.
#[derive(Clone, Debug, Default)]
pub struct Roots(Vec<(Tenant, PathBuf)>);

impl Roots {
    /// Pairs of owner and absolute folder.
    pub fn new(roots: Vec<(Tenant, PathBuf)>) -> Self {
        Self(roots)
    }

    /// The owner's root that `path` lies below, by its text; symlinks are judged later.
    fn above(&self, tenant: Tenant, path: &Path) -> Option<&Path> {
        let own = self.0.iter().filter(|(owner, _)| *owner == tenant);
        own.map(|(_, root)| root.as_path()).find(|root| path.starts_with(root))
    }

    fn first(&self, tenant: Tenant) -> Option<&Path> {
        self.0.iter().find(|(owner, _)| *owner == tenant).map(|(_, root)| root.as_path())
    }
}

/// What a registration says.
#[derive(Clone, Debug)]
pub struct RegisterArgs {
    /// Absolute, or relative to the owner's first root.
    pub path: String,
    /// Empty takes the folder's name.
    pub display_name: String,
}

/// Registers and shows repositories.
#[derive(Clone)]
pub struct Repositories {
    deps: AgentDeps,
    roots: Arc<Roots>,
}

impl Repositories {
    pub fn new(deps: AgentDeps, roots: Roots) -> Self {
        Self { deps, roots: Arc::new(roots) }
    }

    /// Registers a repository for `tenant`. Nothing of it is copied or changed.
    #[tracing::instrument(name = "repositories.register", skip_all, fields(user.id = %grant.user()))]
    pub async fn register(
        &self,
        grant: &Grant<RepositoriesManage>,
        tenant: Tenant,
        args: Checked<RegisterArgs>,
        once: Option<&Once>,
    ) -> Result<Repository, AgentError> {
        let scope = grant.scope();
        if !scope.sees(tenant) {
            return Err(AgentError::NotFound("TEAM"));
        }
        let admitted = grant.admit_in(tenant)?;
        if let Some(answer) = self.deps.replayed(&scope, once).await? {
            return Ok(answer);
        }
        let row = self.inspected(tenant, args?, grant).await?;
        let row = admitted.create(row);
        self.store(grant, row, once).await
    }

    async fn inspected(
        &self,
        tenant: Tenant,
        args: RegisterArgs,
        grant: &Grant<RepositoriesManage>,
    ) -> Result<Repository, AgentError> {
        let given = DISPLAY_NAME.check(&args.display_name)?;
        let (root, path) = self.place(tenant, &args.path)?;
        let (path, default_branch) = self.deps.workspace.inspect(root, path).await?;
        let display_name = match given.as_str() {
            "" => folder_name(&path),
            _ => given,
        };
        let now = self.deps.clock.now();
        Ok(Repository {
            id: RepositoryId::generate(),
            tenant,
            path,
            display_name,
            default_branch,
            auto_apply_allowed: false,
            creator: grant.user(),
            created_at: now,
            version: 1,
        })
    }

    fn place(&self, tenant: Tenant, path: &str) -> Result<(PathBuf, PathBuf), AgentError> {
        let outside = || {
            let help = "must lie below a folder that the operator listed for this owner \
                        (ELOHIM_REPOSITORIES__ROOTS)";
            InvalidArgs::because("REPOSITORY_OUTSIDE_ROOTS", "path", help)
        };
        if path.is_empty() || path.contains('\0') || path.len() > 4096 {
            return Err(InvalidArgs::new("path", "must have 1 to 4096 bytes and no NUL").into());
        }
        let first = self.roots.first(tenant).ok_or_else(outside)?;
        // `join` keeps an absolute path as it is.
        let path = first.join(path);
        let root = self.roots.above(tenant, &path).ok_or_else(outside)?;
        Ok((root.to_owned(), path))
    }

    async fn store(
        &self,
        grant: &Grant<RepositoriesManage>,
        row: Cleared<Repository>,
        once: Option<&Once>,
    ) -> Result<Repository, AgentError> {
        let now = self.deps.clock.now();
        let mut tx = self.deps.store.begin(&grant.scope()).await?;
        if let Some(answer) = replay(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        if !tx.insert_repository(&row).await? {
            let help = "this path is registered for this owner already";
            return Err(AgentError::wrong_state("REPOSITORY_ALREADY_REGISTERED", help));
        }
        let event = AuditEvent::by(grant, now, row.tenant(), "repository.registered", row.id);
        tx.record(vec![event]).await?;
        remember(tx.as_mut(), once, &*row, now).await?;
        tx.commit().await?;
        Ok(row.into_inner())
    }

    pub async fn get(
        &self,
        grant: &Grant<CodeUse>,
        id: RepositoryId,
    ) -> Result<Repository, AgentError> {
        let found = self.deps.store.get_repository(&grant.scope(), id).await?;
        let row = grant.admit(found.ok_or(AgentError::NotFound("REPOSITORY"))?)?;
        Ok(row.into_inner())
    }

    /// Those on which the caller holds the permission.
    pub async fn list(
        &self,
        grant: &Grant<CodeUse>,
        page: PageRequest,
    ) -> Result<Page<Repository>, AgentError> {
        let page = self.deps.store.list_repositories(&grant.scope(), page).await?;
        Ok(admitted(grant, page))
    }
}

/// A name from the last part of a path, which may hold anything but a slash.
fn folder_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    if name.trim().is_empty() { "repository".into() } else { clip(&name, DISPLAY_NAME.max) }
}

/// The rows of a page that the grant admits; the others stay hidden.
pub(crate) fn admitted<P: permissions::Permission, T: Tenanted>(
    grant: &Grant<P>,
    page: Page<permissions::Visible<T>>,
) -> Page<T> {
    let next = page.next;
    let rows = page.items.into_iter().filter_map(|row| grant.admit(row).ok());
    Page { items: rows.map(permissions::Admitted::into_inner).collect(), next }
}
