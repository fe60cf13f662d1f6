//! Asks the access table whether a caller may call a method at all.
//!
//! The same for every id, before anything of the request is read.

use super::{HttpRequest, HttpResponse, Next, Wrap, context, refuse};
use crate::access::Missing;
use crate::status;

/// Refuses whoever holds a method's permission nowhere, and a method without a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccessTable;

impl Wrap for AccessTable {
    async fn wrap<N: Next>(self, request: HttpRequest, next: N) -> HttpResponse {
        let context = context(&request);
        // No such method: the router says so, to those who have a credential.
        let Some(method) = context.method() else { return next.run(request).await };
        let Some(caller) = context.caller() else { return next.run(request).await };
        match method.access.missing(caller) {
            None => next.run(request).await,
            Some(Missing::Permission(denied)) => {
                refuse(status::to_status(&denied, context.request_id()))
            }
            Some(Missing::Row) => refuse(status::unlisted()),
        }
    }
}
