//! What comes with the server: templates, and in development the people.

use std::path::PathBuf;

use agent_core::service::Roots;
use directory::service::ClaimRule;
use directory::store::PolicyAdmin;
use permissions::{Authorizer, PolicySource, Seeder};
use primitives::{SystemClock, Tenant, UserId};
use storage::Storage;
use workflow_core::service::Templates;
use workflow_core::{StoreError, WorkflowError};

use super::StartError;
use crate::config::{Owner, Root, TeamMapping};
use crate::dev;

/// How often seeding is tried while others change the policy.
const TRIES: usize = 5;

/// The people of the development world.
pub(super) async fn people(storage: &Storage) -> Result<(), StartError> {
    dev::seed(storage, &SystemClock).await?;
    Ok(())
}

/// Refuses a database in which somebody lives already.
pub(super) async fn nobody_there(storage: &Storage) -> Result<(), StartError> {
    let policy = storage.load_policy().await?;
    if policy.users.is_empty() { Ok(()) } else { Err(StartError::NotEmpty) }
}

/// The templates that come with the server. They are nobody's: their creator has the nil id.
pub(super) async fn templates(
    templates: &Templates,
    authorizer: &Authorizer,
) -> Result<(), StartError> {
    let seeder = Seeder::at_start(UserId::from_uuid(Tenant::Global.id()));
    for _ in 1..TRIES {
        match templates.seed(&seeder, authorizer.epoch()).await {
            Err(WorkflowError::Store(StoreError::PolicyMoved(_))) => authorizer.refresh().await?,
            done => return Ok(done.map(drop)?),
        }
    }
    Ok(templates.seed(&seeder, authorizer.epoch()).await.map(drop)?)
}

/// What tokens stand for, by the ids of teams. A team nobody knows is left out, loudly: one
/// that is made later under its slug counts from the next start on.
pub(super) async fn claim_rules(
    storage: &Storage,
    mappings: &[TeamMapping],
) -> Result<Vec<ClaimRule>, StartError> {
    let mut rules = Vec::new();
    for TeamMapping { value, team, role } in mappings {
        let Some(id) = storage.team_by_slug(team).await? else {
            tracing::warn!(
                team,
                "identity.teams.map names a team that does not exist: restart once it does"
            );
            continue;
        };
        rules.push(ClaimRule { value: value.clone(), team: id, role: role.clone() });
    }
    Ok(rules)
}

/// Folders by the ids of their owners. An owner nobody knows yet is left out, loudly: he may
/// come later, and the server must be able to start before him.
pub(super) async fn roots(
    storage: &Storage,
    authorizer: &Authorizer,
    roots: &[Root],
) -> Result<Roots, StartError> {
    let mut known: Vec<(Tenant, PathBuf)> = Vec::new();
    for root in roots {
        let owner = match &root.owner {
            Owner::Team(slug) => storage.team_by_slug(slug).await?.map(Tenant::Team),
            Owner::User(subject) => {
                authorizer.caller(subject, "start").map(|caller| Tenant::Person(caller.user()))
            }
        };
        let Some(owner) = owner else {
            tracing::warn!(
                owner = ?root.owner,
                "repositories.roots names an owner who does not exist: restart once he does"
            );
            continue;
        };
        // Repositories are compared by their canonical paths.
        let path = root.path.canonicalize().unwrap_or_else(|_| root.path.clone());
        known.push((owner, path));
    }
    Ok(Roots::new(known))
}
