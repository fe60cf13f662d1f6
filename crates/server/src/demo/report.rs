//! Steps, checks, and the lines that tell of them.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use tonic::Status;
use tonic_types::StatusExt;

use super::println;

/// Steps 0 to 10.
pub(super) const STEPS: usize = 11;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{what}: expected {expected}, got {got}")]
    Check { what: String, expected: String, got: String },
    #[error("{what}: the call failed with {code:?} {reason}: {message}")]
    Call { what: String, code: tonic::Code, reason: String, message: String },
    #[error("{0}")]
    Other(String),
}

impl From<git2::Error> for Failure {
    fn from(error: git2::Error) -> Self {
        Self::Other(format!("git: {}", error.message()))
    }
}

/// What a step says when it passed; more lines are shown below it, indented.
pub(super) struct Told {
    pub line: String,
    pub below: Vec<String>,
}

impl From<String> for Told {
    fn from(line: String) -> Self {
        Self { line, below: Vec::new() }
    }
}

/// The result of one step.
pub(super) type Done = Result<Told, Failure>;

/// Counts the comparisons of one step.
#[derive(Debug, Default)]
pub(super) struct Checks(u32);

impl Checks {
    pub(super) fn equal<T: PartialEq + Debug>(
        &mut self,
        what: &str,
        got: T,
        expected: T,
    ) -> Result<(), Failure> {
        self.0 += 1;
        if got == expected {
            return Ok(());
        }
        Err(Failure::Check {
            what: what.to_owned(),
            expected: format!("{expected:?}"),
            got: format!("{got:?}"),
        })
    }

    /// `got` is shown when the claim does not hold.
    pub(super) fn holds(
        &mut self,
        claim: &str,
        is_true: bool,
        got: impl Debug,
    ) -> Result<(), Failure> {
        self.0 += 1;
        if is_true {
            return Ok(());
        }
        let got = format!("{got:?}");
        Err(Failure::Check { what: claim.to_owned(), expected: "it holds".into(), got })
    }

    /// The value, which must be there.
    pub(super) fn some<T>(&mut self, what: &str, got: Option<T>) -> Result<T, Failure> {
        self.0 += 1;
        got.ok_or_else(|| Failure::Check {
            what: what.to_owned(),
            expected: "something".into(),
            got: "nothing".into(),
        })
    }

    /// The answer of a call that must succeed.
    pub(super) fn ok<T>(
        &mut self,
        what: &str,
        answer: Result<tonic::Response<T>, Status>,
    ) -> Result<T, Failure> {
        self.0 += 1;
        match answer {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(Failure::Call {
                what: what.to_owned(),
                code: status.code(),
                reason: reason(&status),
                message: status.message().to_owned(),
            }),
        }
    }
}

/// The stable reason of a refusal; empty without one.
pub(super) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// Prints as it goes, and remembers how it went.
pub(super) struct Report {
    began: Instant,
    passed: usize,
    checks: u32,
    is_failed: bool,
}

impl Report {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), passed: 0, checks: 0, is_failed: false }
    }

    /// Tells how a step went. `false` ends the demo: later steps build on it.
    pub(super) fn tell(
        &mut self,
        number: usize,
        checks: &Checks,
        took: Duration,
        done: Done,
    ) -> anyhow::Result<bool> {
        self.checks += checks.0;
        match done {
            Ok(told) => {
                self.passed += 1;
                println(format_args!("PASS {number} {} … {} ms", told.line, took.as_millis()))?;
                for line in told.below {
                    println(format_args!("       {line}"))?;
                }
                Ok(true)
            }
            Err(failure) => {
                self.is_failed = true;
                println(format_args!("FAIL step {number}: {failure}"))?;
                Ok(false)
            }
        }
    }

    /// The closing lines; whether all passed.
    pub(super) fn close(&self) -> anyhow::Result<bool> {
        let is_passed = !self.is_failed && self.passed == STEPS;
        let took = self.began.elapsed().as_secs_f64();
        if is_passed {
            println(format_args!("PASS demo: {STEPS} steps, {} checks, {took:.1} s", self.checks))?;
        } else {
            let passed = self.passed;
            println(format_args!("FAIL demo: {passed} of {STEPS} steps, {took:.1} s"))?;
        }
        let failed = usize::from(!is_passed);
        let left = STEPS.saturating_sub(self.passed + failed);
        if left == 0 {
            println(format_args!("{} passed, {failed} failed", self.passed))?;
        } else {
            println(format_args!("{} passed, {failed} failed, {left} not run", self.passed))?;
        }
        Ok(is_passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_does_not_hold_says_what_was_expected() {
        let mut checks = Checks::default();
        assert!(checks.equal("one", 1, 1).is_ok());
        let failure = checks.equal("state", "OPEN", "CLOSED").unwrap_err();
        assert_eq!(failure.to_string(), "state: expected \"CLOSED\", got \"OPEN\"");
        assert!(checks.holds("it is so", false, ()).is_err());
        assert!(checks.some::<()>("it is there", None).is_err());
        assert_eq!(checks.0, 4);
    }

    #[test]
    fn all_steps_must_pass() {
        let mut report = Report::new();
        let checks = Checks::default();
        for number in 0..STEPS {
            assert!(!report.close().unwrap());
            let told = Ok(Told::from(String::new()));
            assert!(report.tell(number, &checks, Duration::ZERO, told).unwrap());
        }
        assert!(report.close().unwrap());
    }
}
