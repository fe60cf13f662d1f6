//! Workflows, items, templates, triggers, analytics: rules, services and the port to storage.
//!
//! Domain rules live in `model`, use cases in `service`; nothing here knows a database,
//! a wire format or git.

mod error;
pub mod model;
pub mod service;
pub mod store;
pub mod templates;

pub use error::{StoreError, WorkflowError};
