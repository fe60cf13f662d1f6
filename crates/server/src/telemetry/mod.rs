//! Logs, metrics and traces.
//!
//! **Invariant:** no line, label or span attribute holds a prompt, a patch, a token, file
//! contents, or (in labels) a tenant, user or repository. What our own code logs is reviewed;
//! libraries are held at `info` whatever the filter says, because their finer levels print
//! headers and statements.

mod endpoint;
mod fields;
mod logs;
mod metrics;
mod traces;

pub use endpoint::{Endpoint, Probes};
pub use logs::{check_filter, start};
pub use metrics::Metrics;
pub use traces::Traces;
