//! The world for development and the demo: a key, people, teams.
//!
//! **Invariant:** whoever can read the data folder can be anybody in this world; it exists
//! only behind loopback addresses.

mod key;
mod people;

pub use key::{AUDIENCE, DevKey, ISSUER, KeyError};
pub use people::{PEOPLE, PersonSpec, Role, SeedError, TEAMS, TeamSpec, World, seed};
