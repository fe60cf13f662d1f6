//! Names that people choose for teams and roles.
//!
//! **Invariant:** a slug has one spelling (lower-case ASCII), so that no two look alike, and
//! never one that means something to the system.

use permissions::{SYSTEM_ROLES, TEAM_ROLES};
use primitives::{Checked, InvalidArgs};
use serde::{Deserialize, Serialize};

const MIN: usize = 2;
const MAX: usize = 63;
/// What configuration, policies and people could take for something else.
const RESERVED: [&str; 14] = [
    "all",
    "any",
    "anonymous",
    "base",
    "default",
    "everyone",
    "global",
    "me",
    "nobody",
    "none",
    "personal",
    "root",
    "system",
    "user",
];

/// Whether a name in lower case means something to the system already.
pub(super) fn is_reserved(name: &str) -> bool {
    let mut standard = TEAM_ROLES.iter().chain(&SYSTEM_ROLES);
    RESERVED.contains(&name) || name.starts_with("base-") || standard.any(|role| *role == name)
}

/// A short name: `[a-z][a-z0-9-]{1,62}`, not reserved and not the name of a standard role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slug(String);

impl Slug {
    /// Checks the text of `field`.
    pub fn check(field: &str, text: &str) -> Checked<Self> {
        let wrong = |what: &str| Err(InvalidArgs::new(field, what));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(MIN..=MAX).contains(&text.len())
            || !text.starts_with(|c: char| c.is_ascii_lowercase())
            || !text.chars().all(plain)
        {
            return wrong(
                "must be 2 to 63 of a-z, 0-9 and -, beginning with a letter, as in `core`",
            );
        }
        if is_reserved(text) {
            return wrong("is reserved: choose another one");
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_and_no_reserved_words() {
        for good in ["core", "a1", "team-7", &"a".repeat(63)] {
            assert!(Slug::check("slug", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "Core",
            "7a",
            "-a",
            "a_b",
            "a b",
            "cöre",
            "ｃore",
            "core\0",
            &"a".repeat(64),
            "system",
            "global",
            "default",
            "admin",
            "founder",
            "developer",
            "base-personal",
            "user",
        ] {
            assert!(Slug::check("slug", bad).is_err(), "{bad}");
        }
    }
}
