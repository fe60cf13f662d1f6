//! What a token says about the groups its subject is in.

use std::collections::BTreeSet;

use super::json::UniqueObject;

/// Groups kept of one token.
const MAX_GROUPS: usize = 100;

/// A claim that is read beside the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupsClaim {
    /// Its name, as in `groups`.
    pub name: String,
    /// The values that mean something here; others are not told.
    pub values: BTreeSet<String>,
}

/// Whom a believed token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// The token's `sub`.
    pub subject: String,
    /// Known values of the configured claim: sorted, each once, 100 at most. Empty when no
    /// claim is configured, or when the claim is neither a text nor a list of texts.
    pub groups: Vec<String>,
}

impl GroupsClaim {
    pub(super) fn of(&self, claims: &UniqueObject) -> Vec<String> {
        let said: BTreeSet<&str> = claims.texts(&self.name).unwrap_or_default();
        let known = self.values.iter().filter(|value| said.contains(value.as_str()));
        known.take(MAX_GROUPS).cloned().collect()
    }
}
