//! Counts what each caller has open. Forgets callers who have nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use primitives::UserId;

/// Open things by caller.
#[derive(Clone, Debug)]
pub(super) struct Counts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    taken: Mutex<HashMap<UserId, usize>>,
}

/// One of them, given back when dropped.
#[derive(Debug)]
pub(super) struct Taken {
    counts: Counts,
    user: UserId,
}

impl Counts {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Inner { most, taken: Mutex::default() }))
    }

    /// `None` when the caller has as many as he may have.
    pub(super) fn take(&self, user: UserId) -> Option<Taken> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&user).copied().unwrap_or_default();
        if count >= self.0.most {
            return None;
        }
        taken.insert(user, count + 1);
        Some(Taken { counts: self.clone(), user })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut taken = self.counts.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = taken.entry(self.user) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_counted_by_caller_and_given_back() {
        let counts = Counts::new(1);
        let (one, two) = (UserId::generate(), UserId::generate());
        let held = counts.take(one).unwrap();
        assert!(counts.take(one).is_none());
        assert!(counts.take(two).is_some());
        drop(held);
        assert!(counts.take(one).is_some());
        assert!(counts.0.taken.lock().unwrap().is_empty());
    }
}
