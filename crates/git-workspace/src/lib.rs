//! Git without a git binary: mirrors, trees, patches, commits and refs.
//!
//! **Invariant:** a registered repository is only read. What is written goes to the bare
//! mirror `<data>/repos/<id>.git`, and no path leaves a patch before the policy has judged
//! the tree that results from it. An object in a mirror never lacks what it names, except
//! for the parents of commits listed in the mirror's `shallow` file.

mod blocking;
mod canonical;
mod changes;
mod collect;
mod commit;
mod error;
mod export;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gitconfig;
mod history;
mod import;
mod inspect;
mod judge;
mod listing;
mod mirror;
mod patch;
mod policy;
mod refs;
mod source;
mod stale;
mod status;
mod tree;
mod worktree;

pub use blocking::GitWorkspace;
pub use policy::{
    MAX_CHANGED_LINES, MAX_DIFF_BYTES, MAX_FILE_BYTES, MAX_PATCH_FILES, is_protected,
};
