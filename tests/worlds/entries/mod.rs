//! The entries of all methods.

mod agent;
mod definitions;
mod office;
mod people;
mod workflow;

use crate::entry::Entry;

/// One for each method of the contract.
pub(crate) fn all() -> Vec<&'static Entry> {
    let tables =
        [agent::ENTRIES, workflow::ENTRIES, definitions::ENTRIES, people::ENTRIES, office::ENTRIES];
    tables.into_iter().flatten().collect()
}
