//! Limits of the edge. All of them are explicit: none is a library's default.

use std::time::Duration;

/// What the edge allows. The defaults are those of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Serves reflection, to authenticated callers.
    pub reflection: bool,
    /// Bytes of one request message.
    pub max_request_bytes: usize,
    /// Bytes of one response message.
    pub max_response_bytes: usize,
    /// Bytes of one header list.
    pub max_header_bytes: u32,
    /// Concurrent streams of one connection.
    pub max_streams: u32,
    /// A quiet connection is pinged this often…
    pub keepalive_interval: Duration,
    /// …and closed when it does not answer within this time.
    pub keepalive_timeout: Duration,
    /// A connection is asked to close after this time; its calls may finish.
    pub connection_age: Duration,
    /// Calls at work in the whole process; more are shed.
    pub calls_in_flight: usize,
    /// Calls at work for one caller; more are refused.
    pub calls_per_caller: usize,
    /// A call is given up after this long.
    pub quick_deadline: Duration,
    /// The same for calls that may ask a model or wait for a run.
    pub long_deadline: Duration,
    /// At shutdown, open calls are waited for this long.
    pub drain: Duration,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            reflection: false,
            max_request_bytes: api::limit::MAX_REQUEST_BYTES,
            max_response_bytes: api::limit::MAX_RESPONSE_BYTES,
            max_header_bytes: 16 * 1024,
            max_streams: 100,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            connection_age: Duration::from_mins(30),
            calls_in_flight: 1_024,
            calls_per_caller: 256,
            quick_deadline: Duration::from_secs(30),
            long_deadline: Duration::from_mins(5),
            drain: Duration::from_secs(20),
        }
    }
}
