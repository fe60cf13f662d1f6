//! The one place where an error becomes a gRPC status.
//!
//! **Invariants:** every status carries an `ErrorInfo`; an internal cause goes to the log and
//! never to the caller; details are bounded, because they travel in headers. The same error
//! is the same bytes each time.

use std::collections::BTreeMap;
use std::time::Duration;

use primitives::{Classify, ErrorKind, clip};
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _, pb};

use api::ERROR_DOMAIN;

/// Wrong fields named in one answer, and characters of each text.
const FIELDS: usize = 20;
const FIELD_CHARS: usize = 160;
const TEXT_CHARS: usize = 300;

/// The caller's answer to a failed call.
pub(crate) fn to_status(error: &impl Classify, request_id: &str) -> Status {
    let kind = error.kind();
    if kind == ErrorKind::Internal {
        // The cause may name tables, paths or hosts: it goes to the log, not to the caller.
        tracing::error!(error = error as &dyn std::error::Error, "the call failed");
        return internal(request_id);
    }
    let message = clip(&error.to_string(), TEXT_CHARS);
    let info = ErrorInfo::new(error.reason(), metadata(error));
    let mut details = ErrorDetails::new();
    match kind {
        ErrorKind::InvalidInput => add_fields(&mut details, error),
        ErrorKind::WrongState => {
            details.add_precondition_failure_violation(error.reason(), "", &message);
        }
        ErrorKind::Exhausted | ErrorKind::Unavailable | ErrorKind::PolicyMoved => {
            details.set_retry_info(Some(Duration::from_secs(1)));
        }
        ErrorKind::NotFound
        | ErrorKind::Forbidden
        | ErrorKind::Conflict
        | ErrorKind::TimedOut
        | ErrorKind::Unimplemented
        | ErrorKind::Internal => {}
    }
    explained(code(kind), &message, &info, details)
}

const fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidInput => Code::InvalidArgument,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Forbidden => Code::PermissionDenied,
        ErrorKind::WrongState => Code::FailedPrecondition,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::Exhausted => Code::ResourceExhausted,
        ErrorKind::TimedOut => Code::DeadlineExceeded,
        ErrorKind::Unimplemented => Code::Unimplemented,
        // Asked again once already: the next attempt meets a settled policy.
        ErrorKind::Unavailable | ErrorKind::PolicyMoved => Code::Unavailable,
        ErrorKind::Internal => Code::Internal,
    }
}

/// `google.rpc.ErrorInfo` with its metadata in order: a hash map's order changes with each
/// answer, and equal refusals must be equal bytes.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(btree_map = "string, string", tag = "3")]
    metadata: BTreeMap<String, String>,
}

impl ErrorInfo {
    const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.ErrorInfo";

    fn new(reason: &str, metadata: BTreeMap<String, String>) -> Self {
        Self { reason: reason.to_owned(), domain: ERROR_DOMAIN.to_owned(), metadata }
    }
}

/// A status with an `ErrorInfo` before all other details.
fn explained(code: Code, message: &str, info: &ErrorInfo, others: ErrorDetails) -> Status {
    let others = Status::with_error_details(code, message, others);
    // What was encoded a line above decodes.
    let mut status = pb::Status::decode(others.details()).unwrap_or_default();
    let first = Any { type_url: ErrorInfo::TYPE_URL.to_owned(), value: info.encode_to_vec() };
    status.details.insert(0, first);
    Status::with_details(code, message, status.encode_to_vec().into())
}

fn with_reason(code: Code, reason: &str, message: &str) -> Status {
    let info = ErrorInfo::new(reason, BTreeMap::new());
    explained(code, message, &info, ErrorDetails::new())
}

fn metadata(error: &impl Classify) -> BTreeMap<String, String> {
    let pairs = error.metadata().into_iter();
    pairs.map(|(key, value)| (key.to_owned(), clip(&value, FIELD_CHARS))).collect()
}

fn add_fields(details: &mut ErrorDetails, error: &impl Classify) {
    for fault in error.fields().into_iter().take(FIELDS) {
        let field = clip(&fault.field, FIELD_CHARS);
        details.add_bad_request_violation(field, clip(&fault.description, FIELD_CHARS));
    }
}

/// A bug or a broken machine; the id finds the cause in the log.
pub(crate) fn internal(request_id: &str) -> Status {
    let metadata = [("correlation_id".to_owned(), request_id.to_owned())].into();
    let info = ErrorInfo::new("INTERNAL", metadata);
    explained(Code::Internal, "internal error", &info, ErrorDetails::new())
}

/// The same words for every missing, broken, expired or unknown credential.
pub(crate) fn unauthenticated() -> Status {
    let text = "a valid token is required, as in `authorization: Bearer <JWT>`";
    with_reason(Code::Unauthenticated, "UNAUTHENTICATED", text)
}

/// In the contract but not in the access table.
pub(crate) fn unlisted() -> Status {
    with_reason(Code::PermissionDenied, "PERMISSION_DENIED", "nobody may call this method")
}

/// The caller's own time, or the server's, is over.
pub(crate) fn deadline_exceeded() -> Status {
    let text = "the call took longer than its deadline; what it began may still be done";
    with_reason(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", text)
}

/// Too many calls at work.
pub(crate) fn overloaded(reason: &str, text: &str) -> Status {
    exhausted(reason, text, Duration::from_secs(1))
}

/// The caller may make no more such calls for `wait`.
pub(crate) fn rate_limited(wait: Duration) -> Status {
    let text = "you make such calls too often; wait as long as RetryInfo says";
    exhausted("RATE_LIMITED", text, wait)
}

/// Nothing was sent on a stream for too long.
pub(crate) fn stream_idle() -> Status {
    let text = "nothing was sent on the stream for too long; open it again";
    with_reason(Code::DeadlineExceeded, "STREAM_IDLE", text)
}

/// A stream has lived as long as streams may.
pub(crate) fn stream_expired() -> Status {
    let text = "the stream has lived as long as streams may; open it again";
    let mut details = ErrorDetails::new();
    details.set_retry_info(Some(Duration::ZERO));
    let info = ErrorInfo::new("STREAM_EXPIRED", BTreeMap::new());
    explained(Code::Unavailable, text, &info, details)
}

fn exhausted(reason: &str, text: &str, wait: Duration) -> Status {
    let mut details = ErrorDetails::new();
    details.set_retry_info(Some(wait));
    let info = ErrorInfo::new(reason, BTreeMap::new());
    explained(Code::ResourceExhausted, text, &info, details)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use permissions::{CodeEdit, Denied};
    use primitives::{FieldError, InvalidArgs};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("about table user_account on db-1")]
    struct Odd(ErrorKind);

    impl Classify for Odd {
        fn kind(&self) -> ErrorKind {
            self.0
        }
        fn reason(&self) -> &'static str {
            "ODD"
        }
        fn metadata(&self) -> BTreeMap<&'static str, String> {
            [("long", "x".repeat(10_000))].into()
        }
    }

    #[test]
    fn every_kind_has_its_code_and_an_error_info() {
        use ErrorKind::*;
        let table = [
            (InvalidInput, Code::InvalidArgument),
            (NotFound, Code::NotFound),
            (Forbidden, Code::PermissionDenied),
            (WrongState, Code::FailedPrecondition),
            (Conflict, Code::Aborted),
            (Exhausted, Code::ResourceExhausted),
            (TimedOut, Code::DeadlineExceeded),
            (Unimplemented, Code::Unimplemented),
            (Unavailable, Code::Unavailable),
            (PolicyMoved, Code::Unavailable),
        ];
        for (kind, expected) in table {
            let status = to_status(&Odd(kind), "r");
            assert_eq!(status.code(), expected, "{kind:?}");
            let info = status.get_details_error_info().unwrap();
            assert_eq!((info.reason.as_str(), info.domain.as_str()), ("ODD", "elohim"));
            assert_eq!(info.metadata["long"].len(), FIELD_CHARS);
            let retry = matches!(kind, Exhausted | Unavailable | PolicyMoved);
            assert_eq!(status.get_details_retry_info().is_some(), retry, "{kind:?}");
            let violated = status.get_details_precondition_failure().is_some();
            assert_eq!(violated, kind == WrongState, "{kind:?}");
        }
    }

    #[test]
    fn an_internal_cause_stays_inside() {
        let status = to_status(&Odd(ErrorKind::Internal), "abc");
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "INTERNAL");
        assert_eq!(info.metadata, [("correlation_id".to_owned(), "abc".to_owned())].into());
        assert!(!format!("{status:?}").contains("user_account"));
    }

    #[test]
    fn wrong_fields_are_named_and_bounded() {
        let field = |at| FieldError { field: format!("f[{at}]"), description: "y".repeat(9_999) };
        let args = InvalidArgs { reason: "RESERVED_KEY", fields: (0..500).map(field).collect() };
        let status = to_status(&args, "r");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations.len(), FIELDS);
        assert_eq!(violations[0].field, "f[0]");
        assert!(status.details().len() + status.message().len() < 8 * 1024);
    }

    #[test]
    fn a_refusal_names_the_permission_and_nothing_else() {
        let status = to_status(&Denied::of::<CodeEdit>(None), "r");
        let info = status.get_details_error_info().unwrap();
        let expected = [("permission", "code.edit"), ("level", "WRITE")];
        let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(info.metadata, expected);
        let again = to_status(&Denied::of::<CodeEdit>(None), "another");
        assert_eq!(again.details(), status.details(), "equal refusals are equal bytes");
    }
}
