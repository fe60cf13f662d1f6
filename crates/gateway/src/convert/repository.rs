//! Registered repositories.

use agent_core::model::Repository;
use api::agent as wire;

use super::owner;
use super::scalar::time;

pub(crate) fn repository(repository: Repository) -> wire::Repository {
    let (visibility, team, owner) = owner::shown(repository.tenant);
    wire::Repository {
        name: repository.id.to_string(),
        visibility: visibility.into(),
        team,
        owner,
        display_name: repository.display_name,
        path: repository.path.display().to_string(),
        default_branch: repository.default_branch.unwrap_or_default(),
        policy: Some(wire::RepositoryPolicy { auto_apply_allowed: repository.auto_apply_allowed }),
        creator: repository.creator.to_string(),
        create_time: time(repository.created_at),
    }
}
