//! How long a step takes: a rule of thumb whose parts are shown.

use crate::model::PlannedStep;

/// Parts of an estimate in minutes, each with its reason.
#[derive(Default)]
pub(super) struct Estimate {
    minutes: u32,
    parts: Vec<String>,
}

impl Estimate {
    /// Starts with the minutes that every step of its kind takes.
    pub(super) fn base(minutes: u32, what: &str) -> Self {
        Self { minutes, parts: vec![format!("{minutes} for {what}")] }
    }

    /// Adds `each` minutes for every one of `count`, at most `most`; `what` is the word for
    /// one and for several.
    pub(super) fn per(mut self, each: u32, count: usize, most: u32, what: [&str; 2]) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let minutes = each.saturating_mul(count).min(most);
        if minutes > 0 {
            self.minutes += minutes;
            let [one, several] = what;
            let what = if count == 1 { one } else { several };
            self.parts.push(format!("{minutes} for {count} {what}"));
        }
        self
    }

    /// Adds a minute for every `lines_a_minute` lines to read, at most `most`.
    pub(super) fn reading(mut self, lines: usize, lines_a_minute: usize, most: u32) -> Self {
        let minutes = u32::try_from(lines / lines_a_minute.max(1)).unwrap_or(most).min(most);
        if minutes > 0 {
            self.minutes += minutes;
            self.parts.push(format!("{minutes} for reading {lines} lines"));
        }
        self
    }

    pub(super) fn finish(self) -> (u32, String) {
        (self.minutes, self.parts.join(" + "))
    }
}

/// The sum over all steps, with its reason.
pub(super) fn total(steps: &[PlannedStep]) -> (u32, String) {
    let minutes = steps.iter().fold(0_u32, |sum, step| sum.saturating_add(step.minutes));
    let parts: Vec<String> = steps.iter().map(|step| step.minutes.to_string()).collect();
    let reason = format!(
        "{} minutes over {} step(s); a rule of thumb from file sizes, references and tests, \
         not a measurement",
        parts.join(" + "),
        steps.len(),
    );
    (minutes, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_are_named() {
        let (minutes, reason) = Estimate::base(10, "the change")
            .per(2, 30, 20, ["dependent", "dependents"])
            .reading(90, 40, 15)
            .finish();
        assert_eq!(minutes, 32);
        assert_eq!(reason, "10 for the change + 20 for 30 dependents + 2 for reading 90 lines");
    }
}
