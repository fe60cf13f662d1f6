//! Refusals as a caller sees them, to be compared in every byte.

use std::fmt;

use tonic::metadata::KeyAndValueRef;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Headers that differ between any two answers.
const OWN_OF_EACH_ANSWER: [&str; 2] = ["x-request-id", "date"];

/// Everything of a refusal that could tell two of them apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub reason: String,
    pub message: String,
    /// The encoded `google.rpc.Status` details.
    pub details: Vec<u8>,
    /// Headers and trailers in their order, without request id and date.
    pub trailers: Vec<(String, Vec<u8>)>,
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}: {:?}", self.code, self.reason, self.message)?;
        let text = String::from_utf8_lossy(&self.details);
        write!(f, " details {:?} trailers {:?}", text, self.trailers)
    }
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let trailers = status.metadata().iter().map(|entry| match entry {
            KeyAndValueRef::Ascii(key, value) => {
                (key.as_str().to_owned(), value.as_encoded_bytes().to_vec())
            }
            KeyAndValueRef::Binary(key, value) => {
                (key.as_str().to_owned(), value.as_encoded_bytes().to_vec())
            }
        });
        Self {
            code: status.code(),
            reason: status.reason(),
            message: status.message().to_owned(),
            details: status.details().to_vec(),
            trailers: trailers
                .filter(|(key, _)| !OWN_OF_EACH_ANSWER.contains(&key.as_str()))
                .collect(),
        }
    }
}

/// Reads what the contract puts into every refusal.
pub trait Refused {
    /// The reason of its `google.rpc.ErrorInfo`; empty without one.
    fn reason(&self) -> String;

    /// A value of the `ErrorInfo`'s metadata.
    fn fact(&self, key: &str) -> Option<String>;

    /// The request fields it names.
    fn fields(&self) -> Vec<String>;

    /// All that can be compared.
    fn refusal(&self) -> Refusal;
}

impl Refused for Status {
    fn reason(&self) -> String {
        let reason = self.get_details_error_info().map(|info| info.reason).unwrap_or_default();
        observed(&reason);
        reason
    }

    fn fact(&self, key: &str) -> Option<String> {
        self.get_details_error_info()?.metadata.get(key).cloned()
    }

    fn fields(&self) -> Vec<String> {
        let request = self.get_details_bad_request();
        let violations = request.map(|request| request.field_violations).unwrap_or_default();
        violations.into_iter().map(|violation| violation.field).collect()
    }

    fn refusal(&self) -> Refusal {
        Refusal::from(self)
    }
}

/// The variable that names a folder for [`observed`].
const OBSERVED: &str = "ELOHIM_OBSERVED_REASONS";

/// Leaves a file for each reason that a test has looked at: whoever runs all tests compares
/// them with the catalogue.
fn observed(reason: &str) {
    if let Some(folder) = std::env::var_os(OBSERVED)
        && !reason.is_empty()
    {
        // A reason that cannot be noted is missed when they are compared.
        let _ = std::fs::write(std::path::Path::new(&folder).join(reason), "");
    }
}

/// The refusal that an answer must be, with its code and reason.
///
/// # Panics
///
/// When the call was accepted, or refused for another reason.
#[track_caller]
pub fn refused<T: fmt::Debug>(answer: Result<T, Status>, code: Code, reason: &str) -> Status {
    match answer {
        Ok(accepted) => panic!("expected {code:?}/{reason}, but it was accepted: {accepted:?}"),
        Err(status) => {
            let got = (status.code(), status.reason());
            assert_eq!(got, (code, reason.to_owned()), "{status:?}");
            status
        }
    }
}
