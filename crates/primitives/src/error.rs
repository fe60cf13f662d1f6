//! What all errors have in common.

use std::collections::BTreeMap;

/// The closed set of ways a call can fail; the gateway maps each to one status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request itself is wrong: `INVALID_ARGUMENT`.
    InvalidInput,
    /// Absent or invisible: `NOT_FOUND`.
    NotFound,
    /// Visible, but the permission is missing: `PERMISSION_DENIED`.
    Forbidden,
    /// The state does not allow it now: `FAILED_PRECONDITION`.
    WrongState,
    /// Somebody else was faster: `ABORTED`.
    Conflict,
    /// Limits are used up: `RESOURCE_EXHAUSTED`.
    Exhausted,
    /// Time ran out: `DEADLINE_EXCEEDED`.
    TimedOut,
    /// Not built yet: `UNIMPLEMENTED`.
    Unimplemented,
    /// Try again later: `UNAVAILABLE`.
    Unavailable,
    /// The policy moved under the call: asked again once, else `UNAVAILABLE`.
    PolicyMoved,
    /// A bug or a broken machine: `INTERNAL`, the cause goes to the log only.
    Internal,
}

/// An error that says what it means to a caller.
pub trait Classify: std::error::Error + Send + Sync + 'static {
    /// Which of the closed kinds it is.
    fn kind(&self) -> ErrorKind;

    /// Stable UPPER_SNAKE reason, listed in `docs/errors.md`.
    fn reason(&self) -> &'static str;

    /// The request fields at fault, for [`ErrorKind::InvalidInput`].
    fn fields(&self) -> Vec<FieldError> {
        Vec::new()
    }

    /// Machine-readable details (`permission`, `state`, …); never ids of invisible things.
    fn metadata(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::new()
    }
}

/// One wrong request field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path in the request, as in `workflow.stages[2].routes[0].condition`.
    pub field: String,
    /// What is wrong and what would be right.
    pub description: String,
}

/// Arguments that were refused, with the reason shown to the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct InvalidArgs {
    /// Stable reason, `INVALID_ARGUMENT` unless a special one exists.
    pub reason: &'static str,
    /// At least one.
    pub fields: Vec<FieldError>,
}

/// Arguments parsed before the object is looked up but judged after it:
/// who may not see an object must not learn from his arguments either.
pub type Checked<T> = Result<T, InvalidArgs>;

impl InvalidArgs {
    /// One wrong field with the general reason.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::because("INVALID_ARGUMENT", field, description)
    }

    /// One wrong field with a reason of its own.
    pub fn because(
        reason: &'static str,
        field: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        let fields = vec![FieldError { field: field.into(), description: description.into() }];
        Self { reason, fields }
    }

    /// The same faults, of a part of the request that is at `place`.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        for fault in &mut self.fields {
            fault.field = format!("{place}.{}", fault.field);
        }
        self
    }

    fn text(&self) -> String {
        let parts: Vec<_> =
            self.fields.iter().map(|f| format!("{}: {}", f.field, f.description)).collect();
        parts.join("; ")
    }
}

impl Classify for InvalidArgs {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }
    fn reason(&self) -> &'static str {
        self.reason
    }
    fn fields(&self) -> Vec<FieldError> {
        self.fields.clone()
    }
}
