//! Everything durable, on Postgres and on SQLite: rows, scoped queries, transactions, leases.
//!
//! **Invariant:** entities are private to this crate. Rows of tenants are read through a
//! `Scope` in SQL and shown by that scope on the way out; saves take only cleared rows and
//! notice lost updates by their version. On Postgres every session runs as a role that
//! row-level security binds, and every transaction says whose rows it reaches. One code path
//! serves both databases; where they differ, `dialect` says how.

mod agent;
mod db;
mod dialect;
mod directory;
mod fault;
mod limits;
mod migrate;
mod queue;
mod reach;
mod records;
mod refusals;
mod retention;
mod row;
mod session;
mod trail;
mod tx;
mod visibility;
mod wake;
mod workflow;

pub use db::{ConnectError, RunLimits, Storage, StorageOptions};
pub use dialect::Dialect;
pub use migrate::MigrateError;
pub use refusals::Refusals;
pub use session::SERVER_ROLE;
pub use tx::Tx;
pub use wake::Wake;
