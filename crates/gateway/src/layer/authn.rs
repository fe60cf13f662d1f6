//! Who calls.
//!
//! **Invariants:** one credential decides alone: the token, whenever anything is sent as
//! `authorization`, else the client's certificate; nothing of a request's body is read before
//! this is known; metadata that merely looks like an identity is not read at all; nothing is
//! spent on a call before its credential is believed.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use permissions::{Authorizer, Caller};
use primitives::UserId;
use tracing::{Span, debug, field, warn};

use super::{HttpRequest, HttpResponse, Next, Wrap, context, refuse};
use crate::access::Access;
use crate::context::{CallContext, Credential};
use crate::identity::Verifier;
use crate::status;
use crate::tls::Peer;

/// Authenticates.
#[derive(Clone)]
pub(crate) struct Authentication {
    verifier: Arc<Verifier>,
    authorizer: Arc<Authorizer>,
}

impl Authentication {
    pub(crate) fn new(verifier: Arc<Verifier>, authorizer: Arc<Authorizer>) -> Self {
        Self { verifier, authorizer }
    }
}

impl Wrap for Authentication {
    async fn wrap<N: Next>(self, mut request: HttpRequest, next: N) -> HttpResponse {
        let context = context(&request);
        let access = context.method().map(|method| method.access);
        if access == Some(Access::Public) {
            return next.run(request).await;
        }
        let peer = request.extensions().get::<Peer>().cloned();
        let Some(caller) = self.caller(request.headers(), peer.as_ref(), &context).await else {
            return refuse(status::unauthenticated());
        };
        let user = caller.user();
        Span::current().record("user.id", field::display(user));
        context.set_caller(caller);
        // A secret that nothing further in has a use for, but the guard of a stream.
        let token = request.headers_mut().remove(header::AUTHORIZATION);
        if context.method().is_some_and(|method| method.streams) {
            context.set_credential(Box::new(Proof { by: self, token, peer, user }));
        }
        next.run(request).await
    }
}

/// What was believed, to be judged again while a stream lives.
struct Proof {
    by: Authentication,
    token: Option<HeaderValue>,
    peer: Option<Peer>,
    user: UserId,
}

impl Credential for Proof {
    fn holds(&self) -> bool {
        let caller = match (&self.token, &self.peer) {
            (Some(header), _) => {
                let subject = token(header).and_then(|token| self.by.verifier.subject(token).ok());
                subject.and_then(|subject| self.by.authorizer.caller(&subject, ""))
            }
            (None, Some(peer)) => {
                peer.certificate().and_then(|shown| self.by.by_names(shown.names(), ""))
            }
            (None, None) => None,
        };
        caller.is_some_and(|caller| caller.user() == self.user)
    }
}

impl Authentication {
    async fn caller(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
        context: &CallContext,
    ) -> Option<Caller> {
        if headers.contains_key(header::AUTHORIZATION) {
            return self.by_token(bearer(headers)?, context).await;
        }
        let names = peer?.certificate()?.names();
        self.known(|| self.by_names(names, context.request_id())).await
    }

    async fn by_token(&self, token: &str, context: &CallContext) -> Option<Caller> {
        let identified = match self.verifier.identify(token).await {
            Ok(identified) => identified,
            Err(why) => {
                debug!(?why, "a token was refused");
                return None;
            }
        };
        context.set_groups(identified.groups);
        self.known(|| self.authorizer.caller(&identified.subject, context.request_id())).await
    }

    /// The one account that a certificate's names stand for.
    fn by_names(&self, names: &[String], request_id: &str) -> Option<Caller> {
        let find = |name: &String| self.authorizer.caller_by_certificate(name, request_id);
        let mut found = names.iter().filter_map(find);
        let first = found.next()?;
        if found.any(|other| other.user() != first.user()) {
            debug!("a certificate stands for more than one account");
            return None;
        }
        Some(first)
    }

    /// Somebody who is not known may have joined through another replica a moment ago. Only
    /// who shows a credential that holds comes this far, so that each costs one statement.
    async fn known(&self, find: impl Fn() -> Option<Caller>) -> Option<Caller> {
        let known = find();
        if known.is_some() {
            return known;
        }
        if let Err(error) = self.authorizer.catch_up().await {
            warn!(%error, "the policy stays as it is");
        }
        find()
    }
}

/// The one bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    token(only)
}

fn token(header: &HeaderValue) -> Option<&str> {
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
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
        odd.insert(header::AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap());
        assert_eq!(bearer(&odd), None);
    }
}
