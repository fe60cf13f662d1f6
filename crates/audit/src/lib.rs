//! What happened: one record for each accepted command, each agent read, each refusal.
//!
//! A record is stored as canonical bytes with its leaf hash, and its payload apart from it,
//! bound by a salted HMAC: the payload can be erased later while the record still verifies.

#![warn(missing_docs)]

mod event;
pub mod port;
mod record;

pub use event::{AuditEvent, Outcome};
pub use port::{AuditReader, AuditTrail, RefusalSink};
pub use record::{AuditRecord, SealedRecord};
