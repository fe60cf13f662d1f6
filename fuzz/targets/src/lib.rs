//! What the fuzzer feeds, as ordinary functions: each takes bytes and panics when one of its
//! properties does not hold.
//!
//! **Invariant:** the fuzzer and the regression test run the same functions, so that an input
//! that was found once is tried with every test run. A target keeps nothing from one input to
//! the next that could change its verdict.

#[cfg(feature = "world")]
pub mod calls;
pub mod conditions;
pub mod contract;
pub mod data;
pub mod definitions;
pub mod messages;
pub mod names;
pub mod page_tokens;
pub mod patches;
mod prepare;
mod shape;
pub mod tokens;

pub use prepare::prepare;

/// One thing to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Of the binary in `fuzz/fuzz_targets` and of the folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Panics when a property does not hold.
    pub run: fn(&[u8]),
    /// Realistic inputs, most of them valid.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    #[cfg(feature = "world")]
    Target { name: "calls", run: calls::run, seeds: calls::seeds },
    Target { name: "conditions", run: conditions::run, seeds: conditions::seeds },
    Target { name: "data", run: data::run, seeds: data::seeds },
    Target { name: "definitions", run: definitions::run, seeds: definitions::seeds },
    Target { name: "messages", run: messages::run, seeds: messages::seeds },
    Target { name: "names", run: names::run, seeds: names::seeds },
    Target { name: "page_tokens", run: page_tokens::run, seeds: page_tokens::seeds },
    Target { name: "patches", run: patches::run, seeds: patches::seeds },
    Target { name: "tokens", run: tokens::run, seeds: tokens::seeds },
];

/// A target by its name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|target| target.name == name).copied()
}
