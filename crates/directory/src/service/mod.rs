//! Use cases.
//!
//! Each command is one transaction in one order: begin, read, judge visibility (absent and
//! invisible are the same) and the right, replay, judge arguments, etag, state rules, save,
//! record, publish, remember, commit.

mod administration;
mod admins;
mod assignments;
mod bootstrap;
mod claims;
mod founders;
mod identity;
mod members;
mod names;
mod questions;
mod roles;
mod teams;
mod users;

pub use administration::{Administration, SwitchInput};
pub use assignments::{AssignInput, Assignments, HoldingView};
pub use bootstrap::{FirstPerson, bootstrap};
pub use claims::{ClaimRule, Claims};
pub use identity::{CertificateName, Subject, display_name, system_roles};
pub use members::{MemberInput, Members, Whom};
pub use names::Slug;
pub use questions::{Ground, GroundRole, Question, Questions, Standing};
pub use roles::{RoleChange, RoleInput, RoleView, Roles};
pub use teams::{TeamChange, TeamEnd, TeamInput, Teams};
pub use users::{Change, UserChange, UserInput, Users};

use std::sync::Arc;

use events::Once;
use permissions::{Authorizer, Scope};
use primitives::{Clock, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::DirectoryError;
use crate::store::{DirectoryStore, DirectoryTx, StoreError};

/// What every service here is built on.
#[derive(Clone)]
pub struct DirectoryDeps {
    pub store: Arc<dyn DirectoryStore>,
    pub authorizer: Arc<Authorizer>,
    pub clock: Arc<dyn Clock>,
}

impl DirectoryDeps {
    async fn begin(&self, scope: &Scope) -> Result<Box<dyn DirectoryTx>, DirectoryError> {
        Ok(self.store.begin(scope).await?)
    }
}

/// The answer that an earlier attempt of the same command got.
async fn replayed<T: DeserializeOwned>(
    tx: &mut dyn DirectoryTx,
    once: Option<&Once>,
) -> Result<Option<T>, DirectoryError> {
    let Some(once) = once else { return Ok(None) };
    let Some(answer) = tx.replay(once).await? else { return Ok(None) };
    Ok(Some(serde_json::from_value(answer).map_err(unreadable)?))
}

/// Keeps the answer for later attempts.
async fn remember<T: Serialize + Sync>(
    tx: &mut dyn DirectoryTx,
    once: Option<&Once>,
    answer: &T,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let Some(once) = once else { return Ok(()) };
    tx.remember(once, &serde_json::to_value(answer).map_err(unreadable)?, now).await?;
    Ok(())
}

fn unreadable(error: serde_json::Error) -> DirectoryError {
    StoreError::Internal(format!("a remembered answer: {error}")).into()
}

/// A given etag must be the current version.
fn expect_version(given: Option<i64>, actual: i64) -> Result<(), DirectoryError> {
    match given {
        Some(given) if given != actual => Err(DirectoryError::EtagMismatch),
        _ => Ok(()),
    }
}
