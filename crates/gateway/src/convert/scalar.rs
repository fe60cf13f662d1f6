//! Times, numbers, etags, names.

use std::time::Duration;

use primitives::{Checked, Id, InvalidArgs, Kind, Timestamp};
use workflow_core::service::Etag;

/// A point in time on the wire.
#[expect(clippy::unnecessary_wraps, reason = "fields that are messages are optional")]
pub(crate) fn time(time: Timestamp) -> Option<prost_types::Timestamp> {
    let (seconds, nanos) = time.to_seconds_nanos();
    Some(prost_types::Timestamp { seconds, nanos })
}

/// A point in time that may not have come.
pub(crate) fn optional_time(moment: Option<Timestamp>) -> Option<prost_types::Timestamp> {
    moment.and_then(time)
}

/// A point in time that a caller may have given, from 1970 on.
pub(crate) fn given_time(
    field: &str,
    moment: Option<&prost_types::Timestamp>,
) -> Checked<Option<Timestamp>> {
    let Some(moment) = moment else { return Ok(None) };
    let nanos = i64::from(moment.nanos);
    let micros =
        moment.seconds.checked_mul(1_000_000).and_then(|all| all.checked_add(nanos / 1_000));
    match micros {
        Some(micros) if moment.seconds >= 0 && (0..1_000_000_000).contains(&nanos) => {
            Ok(Some(Timestamp::from_micros(micros)))
        }
        _ => Err(InvalidArgs::new(field, "must be a point in time from 1970 on")),
    }
}

/// How long a caller wants to wait; zero when he does not say.
pub(crate) fn wait(field: &str, duration: Option<&prost_types::Duration>) -> Checked<Duration> {
    let Some(duration) = duration else { return Ok(Duration::ZERO) };
    let seconds = u64::try_from(duration.seconds);
    let nanos = u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    match (seconds, nanos) {
        (Ok(seconds), Some(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(InvalidArgs::new(field, "must be a duration that is not negative")),
    }
}

/// A version as an etag: opaque to callers.
pub(crate) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// An etag as a version. A text that is no etag of ours is one that never matches.
pub(crate) fn version(etag: &str) -> Etag {
    if etag.is_empty() {
        return None;
    }
    let text = etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let version = text.and_then(|text| text.parse().ok()).filter(|version| *version > 0);
    // One spelling for each version, as for names.
    let same = version.filter(|version| self::etag(*version) == etag);
    Some(same.unwrap_or(-1))
}

/// A name that may be missing.
pub(crate) fn name<K: Kind>(id: Option<Id<K>>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

/// A number of the domain in the wire's 32 bits; larger ones stay at the end.
pub(crate) fn int(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// The same in 64 bits.
pub(crate) fn long(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn etags_read_back_in_one_spelling() {
        assert_eq!(version(&etag(7)), Some(7));
        assert_eq!(version(""), None);
        for other in ["7", "\"07\"", "\"+7\"", "\"0\"", "\"-7\"", "\"\"", "\"", "W/\"7\"", "\"7\" "]
        {
            assert_eq!(version(other), Some(-1), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_duration_breaks_the_reader(seconds: i64, nanos: i32) {
            let given = prost_types::Duration { seconds, nanos };
            let fits = seconds >= 0 && (0..1_000_000_000).contains(&nanos);
            prop_assert_eq!(wait("wait_timeout", Some(&given)).is_ok(), fits);
        }

        #[test]
        fn times_are_within_a_second(micros: i64) {
            let shown = time(Timestamp::from_micros(micros)).unwrap();
            prop_assert!((0..1_000_000_000).contains(&shown.nanos));
            let whole = i128::from(shown.seconds) * 1_000_000 + i128::from(shown.nanos / 1_000);
            prop_assert_eq!(whole, i128::from(micros));
        }

        #[test]
        fn no_text_breaks_the_etag_reader(text in "\\PC{0,40}") {
            prop_assert!(version(&text).is_none_or(|version| version == -1 || version > 0));
        }
    }
}
