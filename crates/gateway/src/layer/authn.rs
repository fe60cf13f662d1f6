//! Who calls, and whether he may call this method at all.
//!
//! **Invariants:** nothing of a request's body is read before this is known; metadata that
//! merely looks like an identity is not read at all; a method without a row is refused.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, header};
use permissions::{Authorizer, Caller, Denied};
use primitives::UserId;
use tokio::time::Instant;
use tonic::Status;
use tracing::{Span, debug, field, warn};

use super::{HttpRequest, HttpResponse, Next, Wrap, context, refuse};
use crate::access::Access;
use crate::context::CallContext;
use crate::identity::Verifier;
use crate::status;

/// A subject that is not known yet makes the policy be read again, this often at most.
const REFRESH_PAUSE: Duration = Duration::from_secs(1);

/// Authenticates, then asks the access table.
#[derive(Clone)]
pub(crate) struct Authentication {
    verifier: Arc<Verifier>,
    authorizer: Arc<Authorizer>,
    places: Arc<Places>,
    refreshed: Arc<Mutex<Option<Instant>>>,
}

impl Authentication {
    /// `calls_per_caller` at work at one time.
    pub(crate) fn new(
        verifier: Arc<Verifier>,
        authorizer: Arc<Authorizer>,
        calls_per_caller: usize,
    ) -> Self {
        let places = Arc::new(Places { limit: calls_per_caller, taken: Mutex::default() });
        Self { verifier, authorizer, places, refreshed: Arc::default() }
    }
}

impl Wrap for Authentication {
    async fn wrap<N: Next>(self, mut request: HttpRequest, next: N) -> HttpResponse {
        let context = context(&request);
        let access = context.method().map(|method| method.access);
        if access == Some(Access::Public) {
            return next.run(request).await;
        }
        let Some(caller) = self.caller(request.headers(), &context).await else {
            return refuse(status::unauthenticated());
        };
        Span::current().record("user.id", field::display(caller.user()));
        context.set_caller(caller.clone());
        if let Err(refusal) = may_call(access, &caller, &context) {
            return refuse(refusal);
        }
        let Some(_place) = Places::take(&self.places, caller.user()) else {
            let text = "you have too many calls at work; wait for some of them";
            return refuse(status::overloaded("TOO_MANY_CALLS", text));
        };
        // A secret that nothing further in has a use for.
        request.headers_mut().remove(header::AUTHORIZATION);
        next.run(request).await
    }
}

impl Authentication {
    async fn caller(&self, headers: &HeaderMap, context: &CallContext) -> Option<Caller> {
        let subject = match self.verifier.subject(bearer(headers)?) {
            Ok(subject) => subject,
            Err(why) => {
                debug!(?why, "a token was refused");
                return None;
            }
        };
        let known = self.authorizer.caller(&subject, context.request_id());
        if known.is_some() || !self.may_refresh() {
            return known;
        }
        // He may have joined through another replica a moment ago.
        if let Err(error) = self.authorizer.refresh().await {
            warn!(%error, "the policy stays as it is");
        }
        self.authorizer.caller(&subject, context.request_id())
    }

    fn may_refresh(&self) -> bool {
        let mut last = self.refreshed.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= REFRESH_PAUSE);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// The one bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The same for every id, before anything of the request is read.
fn may_call(access: Option<Access>, caller: &Caller, context: &CallContext) -> Result<(), Status> {
    match access {
        // No such method: the router says so, to those who have a credential.
        None | Some(Access::Public | Access::AnyUser) => Ok(()),
        Some(Access::Requires(key, level)) if caller.holds_somewhere(key, level) => Ok(()),
        Some(Access::Requires(key, level)) => {
            let denied = Denied { key, level, tenant: None };
            Err(status::to_status(&denied, context.request_id()))
        }
        Some(Access::Unlisted) => Err(status::unlisted()),
    }
}

/// Calls at work by caller.
#[derive(Debug)]
struct Places {
    limit: usize,
    taken: Mutex<HashMap<UserId, usize>>,
}

/// One place, given back when the call is done.
#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    user: UserId,
}

impl Places {
    fn take(places: &Arc<Self>, user: UserId) -> Option<Place> {
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(user).or_default();
        if *count >= places.limit {
            return None;
        }
        *count += 1;
        Some(Place { places: Arc::clone(places), user })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut place) = taken.entry(self.user) {
            *place.get_mut() -= 1;
            if *place.get() == 0 {
                place.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let pairs = values.iter().map(|v| (header::AUTHORIZATION, v.parse().unwrap()));
        let mut map = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            map.append(name, value);
        });
        map
    }

    #[test]
    fn exactly_one_bearer_token_is_taken() {
        assert_eq!(bearer(&headers(&["Bearer a.b.c"])), Some("a.b.c"));
        assert_eq!(bearer(&headers(&["bearer a.b.c"])), Some("a.b.c"));
        for none in [&[][..], &["Basic a"], &["a.b.c"], &["Bearer"], &["Bearer a", "Bearer a"]] {
            assert_eq!(bearer(&headers(none)), None, "{none:?}");
        }
        let mut odd = HeaderMap::new();
        odd.insert(header::AUTHORIZATION, http::HeaderValue::from_bytes(b"Bearer \xff").unwrap());
        assert_eq!(bearer(&odd), None);
    }

    #[test]
    fn places_are_given_back_and_counted_by_caller() {
        let places = Arc::new(Places { limit: 1, taken: Mutex::default() });
        let (one, two) = (UserId::generate(), UserId::generate());
        let held = Places::take(&places, one).unwrap();
        assert!(Places::take(&places, one).is_none());
        assert!(Places::take(&places, two).is_some());
        drop(held);
        assert!(Places::take(&places, one).is_some());
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
