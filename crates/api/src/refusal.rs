//! The statuses with which a message is turned away before a handler sees it.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The `domain` of every `google.rpc.ErrorInfo` of this contract.
pub const ERROR_DOMAIN: &str = "elohim";

/// `INVALID_ARGUMENT`/`MALFORMED_MESSAGE`: the bytes are not what the method takes.
pub(crate) fn malformed(what: &str) -> Status {
    with_reason(Code::InvalidArgument, "MALFORMED_MESSAGE", what)
}

/// `RESOURCE_EXHAUSTED`/`MESSAGE_TOO_LARGE`: the message has more than `limit` bytes.
pub(crate) fn too_large(limit: usize) -> Status {
    let text = format!("a message may have at most {limit} bytes");
    with_reason(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &text)
}

/// `RESOURCE_EXHAUSTED`/`MESSAGE_TOO_LARGE`: the message has more than `limit` messages and
/// texts in it.
pub(crate) fn too_many_parts(limit: usize) -> Status {
    let text = format!("a message may have at most {limit} messages and texts in it");
    with_reason(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &text)
}

pub(crate) fn with_reason(code: Code, reason: &str, text: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, HashMap::new());
    Status::with_error_details(code, text, details)
}
