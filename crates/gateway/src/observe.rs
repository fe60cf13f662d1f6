//! What becomes of each call, for whoever counts.

use std::time::Duration;

use tonic::Code;

/// One answered call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinishedCall<'a> {
    /// `/package.Service/Method`, or `unknown`: safe as a label.
    pub method: &'a str,
    /// The answer. A response that breaks off while it is sent still counts as OK.
    pub code: Code,
    /// From the first byte of the request to the head of the answer.
    pub duration: Duration,
    /// Key of the permission that was missing, for PERMISSION_DENIED.
    pub denied: Option<&'a str>,
}

/// Is told of each answered call. Must not block.
pub trait RpcObserver: Send + Sync {
    fn finished(&self, call: &FinishedCall<'_>);
}

/// Is told of each reading of the issuer's key set. Must not block.
pub trait KeyObserver: Send + Sync {
    fn keys_read(&self, succeeded: bool);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignore;

impl RpcObserver for Ignore {
    fn finished(&self, _call: &FinishedCall<'_>) {}
}

impl KeyObserver for Ignore {
    fn keys_read(&self, _succeeded: bool) {}
}
