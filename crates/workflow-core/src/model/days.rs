//! Local days of a time zone: which day a moment falls on, and what the days are called.
//!
//! The zones come with the program, so that every process answers alike, whatever its machine
//! has installed.

use std::sync::LazyLock;

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use primitives::{Checked, InvalidArgs, Timestamp};

use super::Period;

/// A period touches no more days than this.
const MOST: i64 = 400;
/// No zone changes its offset so often in as many days.
const MOST_CHANGES: usize = 100;
const MICROS_PER_DAY: i64 = 86_400_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// Longer names are no zones.
const LONGEST_NAME: usize = 64;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The days that a period touches in some zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Days {
    /// Days since 1970-01-01.
    pub first: i64,
    pub last: i64,
    /// What to add to a moment for local time.
    pub offset: Offset,
}

/// Local time minus UTC in microseconds, as it changes over a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    /// At the beginning.
    pub at_first: i64,
    /// From each of these times on, in order.
    pub changes: Vec<(Timestamp, i64)>,
}

impl Offset {
    /// The local day of a moment of the period, counted from 1970-01-01.
    pub fn day_of(&self, moment: Timestamp) -> i64 {
        let passed = self.changes.iter().take_while(|(from, _)| *from <= moment);
        let offset = passed.last().map_or(self.at_first, |(_, offset)| *offset);
        moment.as_micros().saturating_add(offset).div_euclid(MICROS_PER_DAY)
    }
}

impl Days {
    /// The days of `period` in the zone of that name.
    pub fn of(zone: &str, period: Period) -> Checked<Self> {
        let zone = find(zone)?;
        let too_far = || InvalidArgs::new("end_time", "must be before the year 9999");
        let start = moment(period.start).ok_or_else(too_far)?;
        let end = moment(period.end).ok_or_else(too_far)?;
        let micros = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * MICROS_PER_SECOND;
        // Cut off: a period with more changes has more days than are allowed, too.
        let changes = zone.following(start).take(MOST_CHANGES);
        let changes = changes.take_while(|change| change.timestamp() < end).map(|change| {
            let from = Timestamp::from_micros(change.timestamp().as_microsecond());
            (from, micros(change.offset()))
        });
        let changes = changes.collect();
        let offset = Offset { at_first: micros(zone.to_offset(start)), changes };
        let first = offset.day_of(period.start);
        let before_end = period.end.as_micros().saturating_sub(1);
        let last = offset.day_of(Timestamp::from_micros(before_end));
        if last.saturating_sub(first) >= MOST {
            let text = format!("must not be more than {MOST} days after start_time");
            return Err(InvalidArgs::new("end_time", text));
        }
        Ok(Self { first, last, offset })
    }
}

/// A day's date, as in `2026-03-29`; `None` far out of the calendar.
pub fn date(day: i64) -> Option<String> {
    let epoch = Date::constant(1970, 1, 1);
    let date = epoch.checked_add(jiff::Span::new().try_days(day).ok()?).ok()?;
    Some(date.to_string())
}

fn find(name: &str) -> Checked<TimeZone> {
    let unknown = || InvalidArgs::new("time_zone", "is not a known IANA time zone");
    if name.len() > LONGEST_NAME {
        return Err(unknown());
    }
    ZONES.get(name).map_err(|_| unknown())
}

fn moment(time: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(time.as_micros()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    fn days(zone: &str, start: &str, end: &str) -> Days {
        Days::of(zone, Period { start: at(start), end: at(end) }).unwrap()
    }

    #[test]
    fn days_have_23_hours_when_clocks_go_forward() {
        let days = days("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-30T22:00:00Z");
        assert_eq!(
            [days.first, days.last].map(date),
            ["2026-03-29", "2026-03-30"].map(|d| Some(d.into()))
        );
        let day = |text: &str| date(days.offset.day_of(at(text))).unwrap();
        assert_eq!(day("2026-03-28T23:00:00Z"), "2026-03-29");
        assert_eq!(day("2026-03-29T21:59:59.999999Z"), "2026-03-29");
        assert_eq!(day("2026-03-29T22:00:00Z"), "2026-03-30");
    }

    #[test]
    fn a_period_ends_before_its_end() {
        let one = days("UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        assert_eq!(one.first, one.last);
        let two = days("UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00.000001Z");
        assert_eq!(two.first + 1, two.last);
        let year = Period { start: at("2025-01-01T00:00:00Z"), end: at("2026-02-05T00:00:00Z") };
        let whole = Days::of("UTC", year).unwrap();
        assert_eq!(whole.last - whole.first + 1, MOST);
        let more = Period { end: at("2026-02-05T00:00:00.000001Z"), ..year };
        assert_eq!(Days::of("UTC", more).unwrap_err().fields[0].field, "end_time");
    }

    #[test]
    fn zones_are_known_by_their_names_only() {
        let period = Period { start: at("2026-01-01T00:00:00Z"), end: at("2026-01-02T00:00:00Z") };
        for bad in ["", "Europe/Atlantis", "../../etc/passwd", "CET+1;drop", &"x".repeat(1_000)] {
            let refused = Days::of(bad, period).unwrap_err();
            assert_eq!(refused.fields[0].field, "time_zone", "{bad}");
        }
        assert!(Days::of("America/St_Johns", period).is_ok());
        for far in [Period::ALWAYS, Period { end: Period::ALWAYS.end, ..period }] {
            assert_eq!(Days::of("Asia/Tokyo", far).unwrap_err().fields[0].field, "end_time");
        }
    }

    proptest! {
        /// The day is the one that the calendar of the zone shows.
        #[test]
        fn a_day_is_the_calendars(
            zone in prop::sample::select(vec![
                "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
                "Pacific/Chatham", "Africa/Casablanca", "America/Sao_Paulo", "UTC",
            ]),
            start in 0_i64..4_000_000_000, length in 1_i64..34_000_000, part in 0.0..1.0_f64,
        ) {
            let micros = |seconds: i64| Timestamp::from_micros(seconds * MICROS_PER_SECOND);
            let period = Period { start: micros(start), end: micros(start + length) };
            let days = Days::of(zone, period).unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any moment will do")]
            let moment = start + (length as f64 * part) as i64;
            let day = days.offset.day_of(micros(moment));
            let zoned = jiff::Timestamp::from_second(moment).unwrap().to_zoned(ZONES.get(zone).unwrap());
            prop_assert_eq!(date(day), Some(zoned.date().to_string()));
            prop_assert!((days.first..=days.last).contains(&day));
        }
    }
}
