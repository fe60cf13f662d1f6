//! Gives each call an id and a span, and tells how it ended.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::Extractor;
use primitives::clip;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tracing::{Instrument as _, Span, field, info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{HttpRequest, HttpResponse, Next, Wrap};
use crate::access::{Methods, Side};
use crate::context::CallContext;
use crate::observe::{FinishedCall, RpcObserver};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters kept of an id that a client sent.
const CLIENT_ID_CHARS: usize = 64;

/// The outermost layer.
#[derive(Clone)]
pub(crate) struct Trace {
    pub(crate) methods: Arc<Methods>,
    /// The port it stands at.
    pub(crate) side: Side,
    pub(crate) observer: Arc<dyn RpcObserver>,
}

impl Wrap for Trace {
    async fn wrap<N: Next>(self, mut request: HttpRequest, next: N) -> HttpResponse {
        let began = Instant::now();
        let context =
            Arc::new(CallContext::new(self.methods.find(self.side, request.uri().path())));
        let span = span_of(&context, request.headers());
        request.extensions_mut().insert(Arc::clone(&context));
        let mut response = next.run(request).instrument(span.clone()).await;
        if let Ok(id) = HeaderValue::from_str(context.request_id()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        span.in_scope(|| self.tell(&context, began.elapsed(), response.headers(), &span));
        response
    }
}

impl Trace {
    fn tell(&self, context: &CallContext, duration: Duration, headers: &HeaderMap, span: &Span) {
        // A unary call that went well has its status in trailers, which are not here yet.
        let status = Status::from_header_map(headers);
        let code = status.as_ref().map_or(Code::Ok, Status::code);
        let denied = status.filter(|_| code == Code::PermissionDenied);
        let info = denied.and_then(|status| status.get_details_error_info());
        let permission = info.as_ref().and_then(|info| info.metadata.get("permission"));
        span.record("rpc.code", field::debug(code));
        info!(code = ?code, ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), "call");
        self.observer.finished(&FinishedCall {
            method: context.path(),
            code,
            duration,
            denied: permission.map(String::as_str),
        });
    }
}

/// The call's span: a child of the caller's, when he sends a W3C `traceparent`.
fn span_of(context: &CallContext, headers: &HeaderMap) -> Span {
    let span = info_span!(
        "rpc",
        otel.name = context.path(),
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.method = context.path(),
        rpc.code = field::Empty,
        request.id = context.request_id(),
        client.request_id = field::Empty,
        user.id = field::Empty,
    );
    if let Some(id) = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()) {
        span.record("client.request_id", clip(id, CLIENT_ID_CHARS));
    }
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Headers(headers))
    });
    // Refused only when the span is not recorded: then there is nothing to hang up.
    let _ = span.set_parent(parent);
    span
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
