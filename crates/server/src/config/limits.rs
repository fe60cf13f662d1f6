//! How many calls the gateway takes, and how often.
//!
//! What is left out keeps the gateway's default; what is given must fit: nothing is zero, and
//! no class is shed before one that is dearer.

use std::num::NonZeroU32;
use std::time::Duration;

use gateway::{Class, ClassLimits, GatewayConfig, Limits, StreamLimits};
use serde::Deserialize;

use super::ConfigError;

/// `[gateway.limits]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Open calls of one caller; more are refused.
    pub calls_per_caller: Option<usize>,
    /// Quick calls of one caller at work at one time, and as many long ones. By default three
    /// tenths of the connections to the database.
    pub at_work_per_caller: Option<usize>,
    /// Open streams of one caller.
    pub streams_per_caller: Option<usize>,
    /// Open streams in the whole process.
    pub streams: Option<usize>,
    /// Seconds after which a stream ends on which nothing was sent.
    pub stream_idle: Option<u64>,
    /// Seconds after which any stream ends.
    pub stream_age: Option<u64>,
    /// Seconds after which a connection is asked to close.
    pub connection_age: Option<u64>,
    /// Seconds after which a quiet connection is pinged…
    pub keepalive_interval: Option<u64>,
    /// …and closed when it does not answer.
    pub keepalive_timeout: Option<u64>,
    pub admin: ClassConfig,
    pub read: ClassConfig,
    pub mutation: ClassConfig,
    pub list: ClassConfig,
    pub reflection: ClassConfig,
    pub long: ClassConfig,
}

/// `[gateway.limits.<class>]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassConfig {
    /// Calls of one caller in a second, in the long run.
    pub per_second: Option<NonZeroU32>,
    /// Calls of one caller at once, after a rest.
    pub burst: Option<NonZeroU32>,
    /// Shed while the process has this many calls of any class at work.
    pub shed_at: Option<usize>,
}

impl ClassConfig {
    fn over(self, usual: ClassLimits) -> ClassLimits {
        ClassLimits {
            per_second: self.per_second.unwrap_or(usual.per_second),
            burst: self.burst.unwrap_or(usual.burst),
            shed_at: self.shed_at.unwrap_or(usual.shed_at),
        }
    }
}

impl LimitsConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |text: String| Err(ConfigError::wrong(format!("gateway.limits.{text}")));
        for (key, value) in [
            ("calls_per_caller", self.calls_per_caller),
            ("at_work_per_caller", self.at_work_per_caller),
            ("streams_per_caller", self.streams_per_caller),
            ("streams", self.streams),
        ] {
            if value.is_some_and(|value| !(1..=1_000_000).contains(&value)) {
                return wrong(format!("{key} must be 1 to 1000000"));
            }
        }
        for (key, value) in [
            ("stream_idle", self.stream_idle),
            ("stream_age", self.stream_age),
            ("connection_age", self.connection_age),
            ("keepalive_interval", self.keepalive_interval),
            ("keepalive_timeout", self.keepalive_timeout),
        ] {
            if value.is_some_and(|seconds| !(1..=86_400).contains(&seconds)) {
                return wrong(format!("{key} must be 1 to 86400 seconds"));
            }
        }
        let limits = self.limits(1);
        // In the order in which they are given up, last first.
        for pair in Class::LIMITED.windows(2) {
            let [later, sooner] = pair else { continue };
            let (later, sooner) = (*later, *sooner);
            let (kept, shed) = (limits.of(later).shed_at, limits.of(sooner).shed_at);
            if shed == 0 {
                return wrong(format!("{}.shed_at must not be 0", sooner.name()));
            }
            if kept < shed {
                let (later, sooner) = (later.name(), sooner.name());
                let text = format!("{later}.shed_at is {kept}: below {sooner}.shed_at, {shed}");
                return wrong(text);
            }
        }
        Ok(())
    }

    /// What the gateway is to hold callers to, over so many connections to the database.
    fn limits(&self, connections: u32) -> Limits {
        let usual = Limits::default();
        let share = Limits::share_of(connections);
        Limits {
            calls_per_caller: self.calls_per_caller.unwrap_or(usual.calls_per_caller),
            at_work_per_caller: self.at_work_per_caller.unwrap_or(share),
            admin: self.admin.over(usual.admin),
            read: self.read.over(usual.read),
            mutation: self.mutation.over(usual.mutation),
            list: self.list.over(usual.list),
            reflection: self.reflection.over(usual.reflection),
            long: self.long.over(usual.long),
        }
    }

    /// All of it, over so many connections to the database.
    pub(crate) fn gateway(&self, connections: u32) -> GatewayConfig {
        let usual = GatewayConfig::default();
        let seconds = |given: Option<u64>, usual| given.map_or(usual, Duration::from_secs);
        GatewayConfig {
            limits: self.limits(connections),
            streams: self.streams(),
            connection_age: seconds(self.connection_age, usual.connection_age),
            keepalive_interval: seconds(self.keepalive_interval, usual.keepalive_interval),
            keepalive_timeout: seconds(self.keepalive_timeout, usual.keepalive_timeout),
            ..usual
        }
    }

    /// What streams are to be held to.
    fn streams(&self) -> StreamLimits {
        let usual = StreamLimits::default();
        StreamLimits {
            per_caller: self.streams_per_caller.unwrap_or(usual.per_caller),
            open: self.streams.unwrap_or(usual.open),
            idle: self.stream_idle.map_or(usual.idle, Duration::from_secs),
            age: self.stream_age.map_or(usual.age, Duration::from_secs),
            check: usual.check,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LimitsConfig, String> {
        let config: LimitsConfig = toml(text)?;
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    fn toml(text: &str) -> Result<LimitsConfig, String> {
        let source = config::File::from_str(text, config::FileFormat::Toml);
        let built = config::Config::builder().add_source(source).build();
        built.and_then(config::Config::try_deserialize).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_keeps_its_default() {
        let config = read("calls_per_caller = 9\n[list]\nper_second = 7").unwrap();
        let (limits, usual) = (config.limits(10), Limits::default());
        assert_eq!((limits.calls_per_caller, limits.list.per_second.get()), (9, 7));
        assert_eq!(limits.list.burst, usual.list.burst);
        assert_eq!(limits.long, usual.long);
        assert_eq!(limits.at_work_per_caller, 3, "three tenths of ten connections");
        assert_eq!(config.limits(1).at_work_per_caller, 1);
        let usual = GatewayConfig::default();
        assert_eq!(read("").unwrap().gateway(10), usual, "the defaults fit a pool of ten");
        let short = read("connection_age = 7\nstream_idle = 8").unwrap().gateway(10);
        assert_eq!(short.connection_age, Duration::from_secs(7));
        assert_eq!(short.streams, StreamLimits { idle: Duration::from_secs(8), ..usual.streams });
    }

    #[test]
    fn what_cannot_hold_is_refused() {
        for text in [
            "calls = 1",
            "[lists]\nburst = 1",
            "[list]\nburst = 0",
            "[list]\nrate = 1",
            "calls_per_caller = 0",
            "stream_idle = 0",
            "stream_age = 100000",
            "connection_age = 0",
            "[long]\nshed_at = 0",
            "[long]\nshed_at = 5000",
            "[admin]\nshed_at = 1",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("[long]\nshed_at = 1").is_ok());
    }
}
