//! The product from outside: real gRPC over TCP, on SQLite and on Postgres.
//!
//! Each story is two tests, `MODULE::STORY::sqlite` and `MODULE::STORY::postgres`, and its
//! name is the requirement. `guide` holds the scenarios of the product guide alone.

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
mod scene;
mod sessions;
mod templates;
mod tenancy;
