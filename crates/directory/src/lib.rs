//! People, service accounts, teams, and the roles held in them.
//!
//! **Invariants:** nobody hands on a level that he does not hold in the same place; whatever
//! changes a right raises the policy epoch in its own transaction, so that it holds from the
//! next call on, on every replica; all such changes are made one after the other, so that a
//! rule about the whole (the last admin) cannot be slipped past by two at once.

mod error;
pub mod metadata;
mod model;
pub mod service;
pub mod store;

pub use error::DirectoryError;
pub use model::{
    Holding, Member, NewAssignment, Person, SeedTeam, SeedUser, Team, TeamCard, TeamRole, User,
    UserCard, UserView,
};
