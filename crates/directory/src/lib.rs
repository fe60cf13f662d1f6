//! People and teams.
//!
//! In this version people arrive by seeding only; the service answers who the caller is.

mod model;
pub mod store;

pub use model::{NewAssignment, Person, SeedTeam, SeedUser, TeamCard, UserCard};
