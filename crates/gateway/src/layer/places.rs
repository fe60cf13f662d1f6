//! Bounds what one caller has at work, so that he cannot take what others need.
//!
//! Two bounds. A caller may have `calls_per_caller` calls open at one time; more are refused.
//! Of these only some are *at work*: quick ones and long ones have `at_work_per_caller` turns
//! each, the others wait in order for a turn, no longer than their deadlines. A call that
//! holds a turn may hold one connection to the database, for as long as the database makes it
//! wait; so both kinds together stay below the pool's size, and whatever locks a caller's
//! calls wait for, connections are left for everybody else.
//!
//! **Invariant:** a call whose caller has gone does not begin.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use primitives::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::{HttpRequest, HttpResponse, Next, Wrap, context, refuse};
use crate::class::Class;
use crate::config::Limits;
use crate::context::CallContext;
use crate::status;

/// Calls by caller.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    calls: usize,
    turns: usize,
    taken: Mutex<HashMap<UserId, Taken>>,
}

/// What one caller has. Gone when he has no call left.
#[derive(Debug)]
struct Taken {
    calls: usize,
    quick: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

/// One call's place, given back when it is done.
#[derive(Debug)]
struct Place {
    places: Places,
    user: UserId,
    turns: Arc<Semaphore>,
}

impl Places {
    pub(crate) fn new(limits: &Limits) -> Self {
        let turns = limits.at_work_per_caller.clamp(1, Semaphore::MAX_PERMITS);
        let inner = Inner { calls: limits.calls_per_caller, turns, taken: Mutex::default() };
        Self(Arc::new(inner))
    }

    fn take(&self, user: UserId, class: Class) -> Option<Place> {
        let turns = || Arc::new(Semaphore::new(self.0.turns));
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user =
            taken.entry(user).or_insert_with(|| Taken { calls: 0, quick: turns(), long: turns() });
        if of_user.calls >= self.0.calls {
            return None;
        }
        of_user.calls += 1;
        let turns = if class == Class::Long { &of_user.long } else { &of_user.quick };
        Some(Place { places: self.clone(), user, turns: Arc::clone(turns) })
    }
}

impl Place {
    /// Waits for a turn, as long as somebody waits for the call.
    async fn turn(&self, context: &CallContext) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = match context.deadline() {
            Some(deadline) => timeout_at(deadline, turn).await.ok()?,
            None => turn.await,
        };
        turn.ok().filter(|_| !context.is_abandoned())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut of_user) = taken.entry(self.user) {
            of_user.get_mut().calls -= 1;
            if of_user.get().calls == 0 {
                of_user.remove();
            }
        }
    }
}

impl Wrap for Places {
    async fn wrap<N: Next>(self, request: HttpRequest, next: N) -> HttpResponse {
        let context = context(&request);
        let Some(caller) = context.caller() else { return next.run(request).await };
        let Some(place) = self.take(caller.user(), context.class()) else {
            let text = "you have too many calls at work; wait for some of them";
            return refuse(status::overloaded("TOO_MANY_CALLS", text));
        };
        let Some(turn) = place.turn(&context).await else {
            return refuse(status::deadline_exceeded());
        };
        context.take_turn(turn);
        let response = next.run(request).await;
        context.give_turn_back();
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    fn places(calls: usize, turns: usize) -> Places {
        let limits =
            Limits { calls_per_caller: calls, at_work_per_caller: turns, ..Limits::default() };
        Places::new(&limits)
    }

    #[test]
    fn places_are_given_back_and_counted_by_caller() {
        let places = places(1, 1);
        let (one, two) = (UserId::generate(), UserId::generate());
        let held = places.take(one, Class::Read).unwrap();
        assert!(places.take(one, Class::Long).is_none());
        assert!(places.take(two, Class::Read).is_some());
        drop(held);
        assert!(places.take(one, Class::Read).is_some());
        assert!(places.0.taken.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_call_waits_for_its_turn_until_its_deadline() {
        let places = places(9, 1);
        let user = UserId::generate();
        let context = CallContext::new(None);
        context.set_deadline(Instant::now() + Duration::from_millis(20));
        let first = places.take(user, Class::Read).unwrap();
        let turn = first.turn(&context).await.unwrap();
        let second = places.take(user, Class::List).unwrap();
        assert!(second.turn(&context).await.is_none(), "quick calls share their turns");
        let context = CallContext::new(None);
        let long = places.take(user, Class::Long).unwrap();
        assert!(long.turn(&context).await.is_some(), "long calls have turns of their own");
        drop(turn);
        assert!(second.turn(&context).await.is_some());
        context.abandon();
        assert!(second.turn(&context).await.is_none(), "nobody waits for it any more");
    }
}
