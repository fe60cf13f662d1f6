//! Everything durable, on Postgres and on SQLite: rows, scoped queries, transactions, leases.
//!
//! **Invariant:** entities are private to this crate. Rows of tenants are read through a
//! `Scope` in SQL and shown by that scope on the way out; saves take only cleared rows and
//! notice lost updates by their version. One code path serves both databases; where they
//! differ, `dialect` says how.

mod agent;
mod db;
mod dialect;
mod directory;
mod fault;
mod migrate;
mod queue;
mod records;
mod refusals;
mod retention;
mod row;
mod trail;
mod tx;
mod visibility;
mod wake;
mod workflow;

pub use db::{ConnectError, RunLimits, Storage, StorageOptions};
pub use migrate::MigrateError;
pub use refusals::Refusals;
pub use tx::Tx;
pub use wake::Wake;
