//! A registered repository, and what the agent may know of an item.

use std::path::PathBuf;

use permissions::Tenanted;
use primitives::{RepositoryId, Tenant, Timestamp, UserId, WorkItemId};
use serde::{Deserialize, Serialize};

use crate::port::workspace::RepoLocation;

/// A git repository that a team or a person registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    pub id: RepositoryId,
    pub tenant: Tenant,
    /// Canonical path on the server.
    pub path: PathBuf,
    pub display_name: String,
    /// `None` while it has no commit.
    pub default_branch: Option<String>,
    /// Policy: whether auto-apply may commit for it. Off at registration.
    pub auto_apply_allowed: bool,
    pub creator: UserId,
    pub created_at: Timestamp,
    pub version: i64,
}

impl Repository {
    /// Where git finds it.
    pub fn location(&self) -> RepoLocation {
        RepoLocation { id: self.id, path: self.path.clone() }
    }
}

impl Tenanted for Repository {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}

/// What a session or plan needs of an attached item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkItemFacts {
    pub id: WorkItemId,
    pub tenant: Tenant,
    pub title: String,
    pub description: String,
    pub repository: Option<RepositoryId>,
}

impl Tenanted for WorkItemFacts {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}
