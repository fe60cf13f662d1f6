//! The first user of an empty database.

use async_trait::async_trait;
use audit::{AuditEvent, AuditTrail as _};
use directory::store::{FirstSteps, StoreError};
use directory::{Holding, Team, User};
use primitives::Tenant;
use sea_orm::ConnectionTrait as _;

use super::tx::DirectoryWrite;
use super::{Answer, query};
use crate::Storage;
use crate::fault::Result;
use crate::reach::Reach;

/// Whether nobody lives there, active or not.
async fn is_empty(write: &DirectoryWrite) -> Result<bool> {
    let anybody = query::users().limit(1).to_owned();
    Ok(write.tx.open.query_one(&anybody).await?.is_none())
}

#[async_trait]
impl FirstSteps for Storage {
    async fn first_steps(
        &self,
        user: &User,
        team: &Team,
        roles: &[Holding],
        records: Vec<AuditEvent>,
    ) -> Answer<bool> {
        // Holds the policy, so that two who come at once come one after the other.
        let reach = Reach::of_tenant(Tenant::Person(user.id));
        let mut write = DirectoryWrite::begin_first(self, reach).await?;
        if !is_empty(&write).await? {
            return Ok(false);
        }
        write.insert_user(user).await?;
        write.insert_team(team).await?;
        for held in roles {
            write.put(held).await?;
        }
        write.record(records).await.map_err(StoreError::from)?;
        write.finish().await?;
        Ok(true)
    }
}
