//! Asks the access table whether a caller may call a method at all.
//!
//! The same for every id, before anything of the request is read. **Invariant:** nobody is
//! refused here, or answered without the database, by rights that another replica has changed.

use std::sync::Arc;

use directory::store::StoreError;
use permissions::{Authorizer, Caller};
use tracing::warn;

use super::{HttpRequest, HttpResponse, Next, Wrap, context, refuse};
use crate::access::Missing;
use crate::context::CallContext;
use crate::error::EdgeError;
use crate::status;

/// Refuses whoever holds a method's permission nowhere, and a method without a row.
#[derive(Clone)]
pub(crate) struct AccessTable {
    pub(crate) authorizer: Arc<Authorizer>,
}

impl Wrap for AccessTable {
    async fn wrap<N: Next>(self, request: HttpRequest, next: N) -> HttpResponse {
        let context = context(&request);
        // No such method: the router says so, to those who have a credential.
        let Some(method) = context.method() else { return next.run(request).await };
        let Some(caller) = context.caller().cloned() else { return next.run(request).await };
        let missing = match method.access.missing(&caller) {
            Some(Missing::Row) => return refuse(status::unlisted()),
            None if !method.unmet => return next.run(request).await,
            known => known,
        };
        let missing = match self.newest(&caller, &context).await {
            Newest::Gone => return refuse(status::unauthenticated()),
            Newest::Unknown if missing.is_none() => {
                let cause = "nobody knows what the caller may do now".to_owned();
                let error = EdgeError::Directory(StoreError::Unavailable(cause));
                return refuse(status::to_status(&error, context.request_id()));
            }
            Newest::Unknown | Newest::Same => missing,
            Newest::Moved(newer) => {
                let missing = method.access.missing(&newer);
                context.renew_caller(newer);
                missing
            }
        };
        match missing {
            Some(Missing::Permission(denied)) => {
                refuse(status::to_status(&denied, context.request_id()))
            }
            _ => next.run(request).await,
        }
    }
}

/// What is stored about a caller's rights.
enum Newest {
    /// What is known here.
    Same,
    Moved(Caller),
    /// He is no active user any more.
    Gone,
    /// The database does not say.
    Unknown,
}

impl AccessTable {
    async fn newest(&self, caller: &Caller, context: &CallContext) -> Newest {
        if let Err(error) = self.authorizer.catch_up().await {
            warn!(%error, "the policy stays as it is");
            return Newest::Unknown;
        }
        if self.authorizer.epoch() == caller.epoch() {
            return Newest::Same;
        }
        let newer = self.authorizer.caller_of(caller.user(), context.request_id());
        newer.map_or(Newest::Gone, Newest::Moved)
    }
}
