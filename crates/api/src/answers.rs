//! Gives the refusals that tonic makes by itself the codes and reasons of the contract.
//!
//! tonic answers unknown methods, unknown compressions and broken requests before any of
//! our code runs, without details. The contract promises an `ErrorInfo` on every error, and
//! `INVALID_ARGUMENT` for what the peer got wrong; [`complete`] makes it so.
//!
//! **Invariant:** an answer that carries details, or a status other than an error in its
//! headers, is not touched. Texts of tonic are compared with those of the version in use; the
//! tests run against its real server, so that a change there fails here.

use std::collections::HashMap;
use std::time::Duration;

use http::{HeaderMap, Response};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::refusal::{self, ERROR_DOMAIN};

const DETAILS: &str = "grpc-status-details-bin";

/// Adds what is missing to an answer that is an error by its headers.
///
/// Belongs outside the router, as in `MapResponseLayer::new(answers::complete)`.
pub fn complete<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    if headers.contains_key(DETAILS) {
        return response;
    }
    let Some(status) = Status::from_header_map(headers) else { return response };
    if status.code() == Code::Ok {
        return response;
    }
    replace(headers, &explained(&status));
    response
}

fn replace(headers: &mut HeaderMap, status: &Status) {
    let mut fresh = HeaderMap::new();
    // Only a message that is no header value can fail, and encoding makes every one valid.
    if status.add_header(&mut fresh).is_ok() {
        headers.remove(Status::GRPC_MESSAGE);
        headers.extend(fresh);
    }
}

/// The same refusal as the contract has it.
fn explained(status: &Status) -> Status {
    let text = status.message();
    match status.code() {
        Code::Unimplemented if text.is_empty() => {
            refusal::with_reason(Code::Unimplemented, "METHOD_NOT_FOUND", "no such method")
        }
        Code::Unimplemented if text.starts_with("Content is compressed") => {
            refusal::with_reason(Code::Unimplemented, "COMPRESSION_NOT_SUPPORTED", text)
        }
        Code::ResourceExhausted | Code::OutOfRange if is_about_size(text) => refusal::with_reason(
            Code::ResourceExhausted,
            "MESSAGE_TOO_LARGE",
            "the message is too large once decompressed",
        ),
        Code::Internal if is_about_the_request(text) => refusal::malformed(text),
        Code::ResourceExhausted => overloaded(text),
        code => refusal::with_reason(code, generic_reason(code), text),
    }
}

fn is_about_size(text: &str) -> bool {
    text.starts_with("Error decompressing: size limit")
        || text.starts_with("Error, decoded message length too large")
}

fn is_about_the_request(text: &str) -> bool {
    text == "Missing request message."
        || text == "Unexpected EOF decoding stream."
        || text.starts_with("Error decompressing:")
        || text.starts_with("protocol error: received message")
}

fn overloaded(text: &str) -> Status {
    let mut details = ErrorDetails::with_error_info("OVERLOADED", ERROR_DOMAIN, HashMap::new());
    details.set_retry_info(Some(Duration::from_secs(1)));
    Status::with_error_details(Code::ResourceExhausted, text, details)
}

/// What is left to say when only the code is known.
const fn generic_reason(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
