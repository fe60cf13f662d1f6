//! The product from outside: real gRPC over TCP, on SQLite and on Postgres.
//!
//! Each story is two tests, `MODULE::STORY::sqlite` and `MODULE::STORY::postgres`, and its
//! name is the requirement. `guide` holds the scenarios of the product guide alone.

#![expect(
    clippy::unwrap_used,
    clippy::large_futures,
    reason = "stories: they stop at what they did not expect, and are told in one piece"
)]

mod administration;
mod analytics;
mod approvals;
mod audit;
mod authority;
mod auto_apply;
mod batches;
mod cancelled_calls;
mod claims;
mod comments;
mod connections;
mod corpus;
mod crash;
mod credentials;
mod definitions;
mod departures;
mod directory;
mod documents;
mod every_field;
mod figures;
mod flows;
mod forms;
mod frames;
mod guide;
mod hostile_input;
mod items;
mod key_server;
mod key_sets;
mod ledger;
mod limits;
mod migrations;
mod model;
mod order_of_checks;
mod own_templates;
mod patches;
mod plans;
mod ports;
mod queues;
mod race_of_many;
mod reasons;
mod repositories;
mod retries;
mod revocation;
mod revoked;
mod roles;
mod scene;
mod sessions;
mod signer;
mod spare;
mod streams;
mod teams;
mod templates;
mod tenancy;
mod tenancy_people;
mod tls;
mod turns;
mod verbs;
mod waiting;
mod work;
