//! Leaves exactly one record of each call that was refused.

use std::sync::Arc;

use audit::{AuditEvent, RefusalSink};
use primitives::Clock;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{HttpRequest, HttpResponse, Next, Wrap, context};
use crate::context::CallContext;

/// Reads answers on their way out.
#[derive(Clone)]
pub(crate) struct Refusals {
    pub(crate) sink: Arc<dyn RefusalSink>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Wrap for Refusals {
    async fn wrap<N: Next>(self, request: HttpRequest, next: N) -> HttpResponse {
        let context = context(&request);
        let response = next.run(request).await;
        if let Some(status) = Status::from_header_map(response.headers()) {
            self.note(&context, &status);
        }
        response
    }
}

impl Refusals {
    /// A call without a known caller is counted and logged only.
    pub(super) fn note(&self, context: &CallContext, status: &Status) {
        let refused = matches!(status.code(), Code::PermissionDenied | Code::NotFound);
        let Some(caller) = context.caller().filter(|_| refused) else { return };
        // What is invisible is filed under the caller: its owner must not learn who looked.
        let tenant = context.refused_in().filter(|_| status.code() == Code::PermissionDenied);
        let event = AuditEvent::refusal(caller, self.clock.now(), tenant, payload(context, status));
        self.sink.note(event);
    }
}

fn payload(context: &CallContext, status: &Status) -> Value {
    let code = if status.code() == Code::NotFound { "NOT_FOUND" } else { "PERMISSION_DENIED" };
    let mut payload = json!({ "method": context.path(), "code": code });
    if let Some(info) = status.get_details_error_info() {
        payload["reason"] = info.reason.into();
        for (key, value) in info.metadata {
            payload[key] = value.into();
        }
    }
    let names = context.names();
    if !names.is_empty() {
        payload["names"] = names.into();
    }
    payload
}
