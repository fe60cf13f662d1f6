//! Changes of the directory, within one transaction.

use async_trait::async_trait;
use directory::store::{Belongings, DirectoryTx, RoleTx, StoreError};
use directory::{Holding, Team, TeamRole, User};
use permissions::{AssignmentScope, Cleared};
use primitives::{RoleAssignmentId, RoleId, TeamId, Timestamp, UserId};

use crate::Tx;

type Answer<T> = std::result::Result<T, StoreError>;

fn missing<T>() -> Answer<T> {
    Err(StoreError::Internal("not built yet".into()))
}

#[async_trait]
impl DirectoryTx for Tx {
    async fn find_user(&mut self, _: UserId) -> Answer<Option<User>> {
        missing()
    }
    async fn find_user_by_subject(&mut self, _: &str) -> Answer<Option<User>> {
        missing()
    }
    async fn find_user_by_certificate(&mut self, _: &str) -> Answer<Option<User>> {
        missing()
    }
    async fn add_user(&mut self, _: Cleared<User>) -> Answer<()> {
        missing()
    }
    async fn save_user(&mut self, _: Cleared<User>) -> Answer<()> {
        missing()
    }
    async fn find_team(&mut self, _: TeamId) -> Answer<Option<Team>> {
        missing()
    }
    async fn find_team_by_slug(&mut self, _: &str) -> Answer<Option<Team>> {
        missing()
    }
    async fn add_team(&mut self, _: Cleared<Team>) -> Answer<()> {
        missing()
    }
    async fn save_team(&mut self, _: Cleared<Team>) -> Answer<()> {
        missing()
    }
    async fn belongings(&mut self, _: TeamId) -> Answer<Belongings> {
        missing()
    }
    async fn commit(self: Box<Self>) -> Answer<()> {
        missing()
    }
}

#[async_trait]
impl RoleTx for Tx {
    async fn find_role(&mut self, _: RoleId) -> Answer<Option<TeamRole>> {
        missing()
    }
    async fn roles_of(&mut self, _: TeamId) -> Answer<Vec<TeamRole>> {
        missing()
    }
    async fn add_role(&mut self, _: Cleared<TeamRole>) -> Answer<()> {
        missing()
    }
    async fn save_role(&mut self, _: Cleared<TeamRole>) -> Answer<()> {
        missing()
    }
    async fn remove_role(&mut self, _: Cleared<TeamRole>) -> Answer<()> {
        missing()
    }
    async fn find_holding(&mut self, _: RoleAssignmentId) -> Answer<Option<Holding>> {
        missing()
    }
    async fn holdings_in(&mut self, _: AssignmentScope, _: Timestamp) -> Answer<Vec<Holding>> {
        missing()
    }
    async fn holdings_of(&mut self, _: UserId) -> Answer<Vec<Holding>> {
        missing()
    }
    async fn put_holding(&mut self, _: Cleared<Holding>) -> Answer<Holding> {
        missing()
    }
    async fn remove_holdings(&mut self, _: Vec<Cleared<Holding>>) -> Answer<()> {
        missing()
    }
}
