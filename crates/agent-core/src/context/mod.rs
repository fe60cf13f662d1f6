//! What the agent gets to see of a repository for one task.
//!
//! Two phases, because contents come from a port: [`select_candidates`] says which blobs to
//! read, [`build`] turns the texts into a [`Bundle`]. Nothing here does I/O; equal inputs
//! give equal bundles.
//!
//! **Invariants:** only tracked files of one commit; secret files are named at most;
//! everything shown went through the [`Redactor`]; the budget is never exceeded; what is
//! left out is counted by reason.

mod build;
mod bundle;
mod diff;
mod kind;
mod patterns;
mod rank;
mod redact;
mod select;
mod slices;
mod symbols;
mod terms;
mod windows;

pub use build::{DEFAULT_BUDGET, Inputs, MAX_BUDGET, build};
pub use bundle::{Bundle, RankedFile, Slice, tokens};
pub use kind::{FileKind, extension, file_kind, is_secret_file, parent, stem};
pub use rank::Document;
pub use redact::{MIN_KNOWN_CHARS, Redacted, RedactionCounts, Redactor, redact};
pub use select::{
    LeftOut, LeftOutFile, LeftOutReason, MAX_FILE_BYTES, MAX_FILES, MAX_NAMED_LEFT_OUT,
    MAX_TOTAL_BYTES, Query, Selection, select_candidates,
};
pub use symbols::{Symbol, definitions};
pub use terms::{QueryTerms, identifiers, parts, stem as word_stem, terms};
