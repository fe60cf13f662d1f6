//! The product from outside: real gRPC over TCP, on SQLite and on Postgres.
//!
//! Each story is two tests, `MODULE::STORY::sqlite` and `MODULE::STORY::postgres`, and its
//! name is the requirement. `guide` holds the scenarios of the product guide alone.

#![expect(
    clippy::unwrap_used,
    clippy::large_futures,
    reason = "stories: they stop at what they did not expect, and are told in one piece"
)]

mod analytics;
mod audit;
mod auto_apply;
mod cancelled_calls;
mod crash;
mod every_field;
mod guide;
mod hostile_input;
mod items;
mod model;
mod order_of_checks;
mod patches;
mod plans;
mod reasons;
mod repositories;
mod retries;
mod revoked;
mod scene;
mod sessions;
mod templates;
mod tenancy;
