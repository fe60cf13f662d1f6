//! What every call passes on its way to a handler and back, outside in:
//! trace and request id, deadline (and a task of its own), record of refusals, load shedding,
//! authentication, rates, places, roles by claims, the access table, guards of streams,
//! message limits.
//!
//! **Invariant:** what is cheap to judge comes before what is not: nothing is written, asked
//! or awaited for a call without a credential, nor for one above its caller's rate.

mod access;
mod admission;
mod authn;
mod claims;
mod deadline;
mod per_caller;
mod places;
mod rates;
mod refusals;
mod streams;
mod trace;

pub(crate) use access::AccessTable;
pub(crate) use admission::Admission;
pub(crate) use authn::Authentication;
pub(crate) use claims::FollowClaims;
pub(crate) use deadline::Deadlines;
pub(crate) use places::Places;
pub(crate) use rates::Rates;
pub(crate) use refusals::Refusals;
pub(crate) use streams::Streams;
pub(crate) use trace::Trace;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::context::CallContext;

pub(crate) type HttpRequest = http::Request<Body>;
pub(crate) type HttpResponse = http::Response<Body>;
type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One layer: gets the request and what comes after it, and makes the answer.
pub(crate) trait Wrap: Clone + Send + Sync + 'static {
    fn wrap<N: Next>(
        self,
        request: HttpRequest,
        next: N,
    ) -> impl Future<Output = HttpResponse> + Send;
}

/// What comes after a layer.
pub(crate) trait Next: Send + 'static {
    fn run(self, request: HttpRequest) -> Answer<HttpResponse>;
}

impl<S> Next for S
where
    S: Service<HttpRequest, Response = HttpResponse, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    fn run(mut self, request: HttpRequest) -> Answer<HttpResponse> {
        Box::pin(async move {
            match self.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    }
}

/// Makes a tower layer of a [`Wrap`].
#[derive(Clone, Debug)]
pub(crate) struct Around<W>(pub(crate) W);

impl<W: Clone, S> Layer<S> for Around<W> {
    type Service = Wrapped<W, S>;

    fn layer(&self, inner: S) -> Wrapped<W, S> {
        Wrapped { wrap: self.0.clone(), inner }
    }
}

/// A service behind one layer.
#[derive(Clone, Debug)]
pub(crate) struct Wrapped<W, S> {
    wrap: W,
    inner: S,
}

impl<W, S> Service<HttpRequest> for Wrapped<W, S>
where
    W: Wrap,
    S: Service<HttpRequest, Response = HttpResponse, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = Answer<Result<HttpResponse, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        // The clone may not be ready; the one that was asked is.
        let fresh = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, fresh);
        let wrap = self.wrap.clone();
        Box::pin(async move { Ok(wrap.wrap(request, ready).await) })
    }
}

/// The call a request belongs to. The trace layer is outermost, so there is one.
fn context(request: &HttpRequest) -> Arc<CallContext> {
    let known = request.extensions().get::<Arc<CallContext>>().cloned();
    known.unwrap_or_else(|| Arc::new(CallContext::new(None)))
}

/// An answer without a body.
fn refuse(status: Status) -> HttpResponse {
    status.into_http()
}

#[cfg(test)]
mod tests;
