//! People, teams and roles, and the policy made of them.

mod admin;
mod convert;
mod first;
mod metadata;
mod people;
mod policy;
mod query;
mod read;
mod roles;
mod tx;

use directory::store::StoreError;

type Answer<T> = std::result::Result<T, StoreError>;
