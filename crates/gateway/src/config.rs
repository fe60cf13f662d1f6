//! Limits of the edge. All of them are explicit: none is a library's default.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::class::Class;

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
    /// Open connections to one port; more are closed at once.
    pub max_connections: usize,
    /// Concurrent streams of one connection.
    pub max_streams: u32,
    /// A quiet connection is pinged this often…
    pub keepalive_interval: Duration,
    /// …and closed when it does not answer within this time.
    pub keepalive_timeout: Duration,
    /// A connection is asked to close after this time; its calls may finish.
    pub connection_age: Duration,
    /// How many calls, and how often.
    pub limits: Limits,
    /// What streams are held to.
    pub streams: StreamLimits,
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
            max_connections: 8_192,
            max_streams: 100,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            connection_age: Duration::from_mins(30),
            limits: Limits::default(),
            streams: StreamLimits::default(),
            quick_deadline: Duration::from_secs(30),
            long_deadline: Duration::from_mins(5),
            drain: Duration::from_secs(20),
        }
    }
}

/// How many calls are taken at one time, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open calls of one caller, those included that wait for a turn; more are refused.
    pub calls_per_caller: usize,
    /// Quick calls of one caller that are at work at one time, and as many long ones; others
    /// of his wait. Twice this should be less than the connections to the database.
    pub at_work_per_caller: usize,
    pub admin: ClassLimits,
    pub read: ClassLimits,
    pub mutation: ClassLimits,
    pub list: ClassLimits,
    pub reflection: ClassLimits,
    pub long: ClassLimits,
}

/// Limits of one class of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassLimits {
    /// Calls of one caller in a second, in the long run.
    pub per_second: NonZeroU32,
    /// Calls of one caller at once, after a rest.
    pub burst: NonZeroU32,
    /// Shed while the process has this many calls of any class at work.
    pub shed_at: usize,
}

/// What streams are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Open streams of one caller.
    pub per_caller: usize,
    /// Open streams in the whole process.
    pub open: usize,
    /// A stream on which nothing was sent for this long, either way, is ended.
    pub idle: Duration,
    /// A stream is ended after this long.
    pub age: Duration,
    /// The caller's rights are asked again this often.
    pub check: Duration,
}

impl Limits {
    /// What holds for a class. Health is never limited.
    pub fn of(&self, class: Class) -> ClassLimits {
        match class {
            Class::Admin => self.admin,
            Class::Read => self.read,
            Class::Mutation => self.mutation,
            Class::List => self.list,
            Class::Reflection => self.reflection,
            Class::Long => self.long,
            Class::Health => ClassLimits {
                per_second: NonZeroU32::MAX,
                burst: NonZeroU32::MAX,
                shed_at: usize::MAX,
            },
        }
    }

    /// The share of a pool of connections that one caller may hold with calls of one kind:
    /// three tenths, so that both kinds leave four tenths to others.
    pub fn share_of(connections: u32) -> usize {
        usize::try_from(connections * 3 / 10).unwrap_or(usize::MAX).max(1)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_per_caller: 64,
            at_work_per_caller: 3,
            admin: class(20, 60, 1024),
            read: class(100, 200, 960),
            mutation: class(50, 100, 960),
            list: class(40, 80, 512),
            reflection: class(20, 100, 512),
            long: class(5, 20, 512),
        }
    }
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            per_caller: 16,
            open: 512,
            idle: Duration::from_mins(5),
            age: Duration::from_hours(1),
            check: Duration::from_secs(1),
        }
    }
}

const fn class(per_second: u32, burst: u32, shed_at: usize) -> ClassLimits {
    // Both are written above, and are not zero.
    let (Some(per_second), Some(burst)) = (NonZeroU32::new(per_second), NonZeroU32::new(burst))
    else {
        return ClassLimits { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN, shed_at };
    };
    ClassLimits { per_second, burst, shed_at }
}
