//! The keys that are believed now.
//!
//! **Invariant:** a reader sees one whole set; a `kid` stands for one key, and a set in which
//! it would stand for two replaces nothing.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::VerificationKey;

type Keys = HashMap<String, Arc<VerificationKey>>;

/// Two keys have the same `kid`: which of them would it be?
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two keys have the kid {0:?}")]
pub struct DuplicateKid(pub String);

/// Keys by id: those of files for good, those of a key set until the next one.
pub(super) struct Keyring {
    fixed: Keys,
    current: ArcSwap<Keys>,
}

/// What a new set changed, in keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replaced {
    pub(super) believed: usize,
    pub(super) new: usize,
    pub(super) gone: usize,
}

impl Keyring {
    pub(super) fn new(fixed: Vec<VerificationKey>) -> Result<Self, DuplicateKid> {
        let fixed = with(Keys::new(), fixed)?;
        let current = ArcSwap::from_pointee(fixed.clone());
        Ok(Self { fixed, current })
    }

    pub(super) fn find(&self, kid: &str) -> Option<Arc<VerificationKey>> {
        self.current.load().get(kid).cloned()
    }

    pub(super) fn has_fixed(&self) -> bool {
        !self.fixed.is_empty()
    }

    /// Believes these and those of files, and no other any more.
    pub(super) fn replace(&self, fetched: Vec<VerificationKey>) -> Result<Replaced, DuplicateKid> {
        let keys = with(self.fixed.clone(), fetched)?;
        let old = self.current.load();
        let missing = |from: &Keys, of: &Keys| of.keys().filter(|k| !from.contains_key(*k)).count();
        let replaced = Replaced {
            believed: keys.len(),
            new: missing(&old, &keys),
            gone: missing(&keys, &old),
        };
        self.current.store(Arc::new(keys));
        Ok(replaced)
    }
}

fn with(mut keys: Keys, more: Vec<VerificationKey>) -> Result<Keys, DuplicateKid> {
    for key in more {
        if let Some(twice) = keys.insert(key.kid.clone(), Arc::new(key)) {
            return Err(DuplicateKid(twice.kid.clone()));
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use primitives::SystemClock;

    use super::super::TokenIssuer;
    use super::*;

    fn key(kid: &str) -> VerificationKey {
        let issuer = TokenIssuer::generate("us", "elohim", Arc::new(SystemClock));
        VerificationKey { kid: kid.to_owned(), ..issuer.verification_key().unwrap() }
    }

    #[test]
    fn fetched_keys_come_and_go_and_those_of_files_stay() {
        let ring = Keyring::new(vec![key("file")]).unwrap();
        let all = |kids: [&str; 3]| kids.map(|kid| ring.find(kid).is_some());
        let kids = ["file", "a", "b"];
        assert_eq!(all(kids), [true, false, false]);
        let replaced = ring.replace(vec![key("a")]).unwrap();
        assert_eq!(replaced, Replaced { believed: 2, new: 1, gone: 0 });
        assert_eq!(all(kids), [true, true, false]);
        let replaced = ring.replace(vec![key("b")]).unwrap();
        assert_eq!(replaced, Replaced { believed: 2, new: 1, gone: 1 });
        assert_eq!(all(kids), [true, false, true]);
        for twice in [vec![key("a"), key("a")], vec![key("file")]] {
            let kid = twice.last().unwrap().kid.clone();
            assert_eq!(ring.replace(twice), Err(DuplicateKid(kid)));
            assert_eq!(all(kids), [true, false, true]);
        }
    }

    #[test]
    fn a_key_under_a_known_id_takes_the_place_of_the_old_one() {
        let ring = Keyring::new(Vec::new()).unwrap();
        let (old, new) = (key("a"), key("a"));
        ring.replace(vec![old]).unwrap();
        let before = ring.find("a").unwrap();
        let replaced = ring.replace(vec![new]).unwrap();
        assert_eq!(replaced, Replaced { believed: 1, new: 0, gone: 0 });
        assert!(!Arc::ptr_eq(&before, &ring.find("a").unwrap()));
    }
}
