//! Durable work: claims runs and events, and carries them out on behalf of their principals.
//!
//! `reactions` is the only place where two domains meet. Everything claimed is leased on
//! database time and fenced; a worker that loses its lease loses its right to write.

mod lease;
mod reactions;
mod work;

pub use work::{Observer, Settings, Worker, WorkerParts};
