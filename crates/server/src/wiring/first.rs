//! The first founder of an empty database.

use directory::service::{FirstPerson, bootstrap};
use directory::{Team, User};
use primitives::SystemClock;

use super::{StartError, store};
use crate::config::Config;

/// Opens the database, brings it up to date, and writes the first person and team. `None`,
/// with nothing changed, when somebody lives there already.
pub async fn first_person(
    config: &Config,
    first: FirstPerson,
) -> Result<Option<(User, Team)>, StartError> {
    let opened = store::open(config).await?;
    Ok(bootstrap(&opened.storage, &SystemClock, first).await?)
}
