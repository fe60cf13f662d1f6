//! The workspace against real repositories, built fresh for each test.
//!
//! The git binary appears here as a second opinion only: it checks mirrors and applies the
//! diffs that the crate computed.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod checkouts;
mod diffs;
mod hostile;
mod hunks;
mod inspect;
mod refs;
mod roundtrip;
mod snapshots;
mod world;
