//! How much can go wrong in a step, as a table of points.
//!
//! | fact | points |
//! |---|---|
//! | 2 to 4 files depend on it | 1 |
//! | 5 or more files depend on it | 2 |
//! | no test covers it | 2 |
//! | it is configuration that every build uses | 2 |
//! | it handles access, money or stored data | 1 |
//! | the task removes or overwrites something | 1 |
//! | it is longer than 600 lines | 1 |
//!
//! 0 or 1 point is low, 2 or 3 are medium, 4 and more are high. Steps that touch documents
//! or tests only, or only read, are low. A test always takes two points away.

use crate::context::identifiers;
use crate::model::Risk;

/// What a step touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touches {
    Code,
    Configuration,
    Tests,
    Documents,
    /// It only reads.
    Nothing,
}

/// The facts a judgement rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskFacts {
    pub touches: Touches,
    /// Files that refer to what is touched.
    pub dependents: usize,
    /// Test files that cover it; tests in the file itself count as one.
    pub tests: usize,
    /// It handles access, money or stored data.
    pub sensitive: bool,
    /// The task removes or overwrites something.
    pub destructive: bool,
    /// Lines of the longest file touched.
    pub lines: usize,
}

/// A risk and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub risk: Risk,
    pub reason: String,
}

const MANY_LINES: usize = 600;

/// Judges one step.
pub fn judge(facts: &RiskFacts) -> Judgement {
    let low = |reason: &str| Judgement { risk: Risk::Low, reason: reason.to_owned() };
    match facts.touches {
        Touches::Documents => return low("touches documents only"),
        Touches::Tests => return low("touches tests only"),
        Touches::Nothing => return low("reads only, changes nothing"),
        Touches::Code | Touches::Configuration => {}
    }
    let rows = rows(facts);
    let points: u32 = rows.iter().map(|(points, _)| points).sum();
    let risk = match points {
        0 | 1 => Risk::Low,
        2 | 3 => Risk::Medium,
        _ => Risk::High,
    };
    let parts: Vec<String> = rows.iter().map(|(p, text)| format!("{text} (+{p})")).collect();
    Judgement { risk, reason: format!("{} = {points} points", parts.join(", ")) }
}

fn rows(facts: &RiskFacts) -> Vec<(u32, String)> {
    let dependents = facts.dependents;
    let mut rows = vec![match dependents {
        0 => (0, "no other file refers to it".to_owned()),
        1 => (0, "1 file refers to it".to_owned()),
        2..=4 => (1, format!("{dependents} files refer to it")),
        _ => (2, format!("{dependents} files refer to it")),
    }];
    if facts.touches == Touches::Configuration {
        rows.push((2, "it configures the build or the program".into()));
    } else {
        rows.push(match facts.tests {
            0 => (2, "no test covers it".into()),
            1 => (0, "1 test file covers it".into()),
            n => (0, format!("{n} test files cover it")),
        });
    }
    if facts.sensitive {
        rows.push((1, "it handles access, money or stored data".into()));
    }
    if facts.destructive {
        rows.push((1, "the task removes or overwrites something".into()));
    }
    if facts.lines > MANY_LINES {
        rows.push((1, format!("it has {} lines", facts.lines)));
    }
    rows
}

const DESTRUCTIVE: &[&str] = &[
    "delete",
    "deletes",
    "remove",
    "removes",
    "drop",
    "truncate",
    "wipe",
    "purge",
    "erase",
    "destroy",
    "overwrite",
    "overwrites",
    "format",
    "reset",
];

const SENSITIVE: &[&str] = &[
    "auth",
    "login",
    "password",
    "session",
    "token",
    "permission",
    "permissions",
    "crypto",
    "security",
    "payment",
    "payments",
    "billing",
    "invoice",
    "refund",
    "ledger",
    "migration",
    "migrations",
    "schema",
    "storage",
    "acl",
    "secret",
    "secrets",
];

/// Whether a task's words ask for something to be taken away.
pub(super) fn is_destructive(text: &str) -> bool {
    identifiers(text).any(|word| DESTRUCTIVE.contains(&word.to_lowercase().as_str()))
}

/// Whether a path's words say access, money or stored data.
pub(super) fn is_sensitive(path: &str) -> bool {
    identifiers(path).flat_map(crate::context::parts).any(|part| SENSITIVE.contains(&part.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: RiskFacts = RiskFacts {
        touches: Touches::Code,
        dependents: 0,
        tests: 1,
        sensitive: false,
        destructive: false,
        lines: 100,
    };

    #[test]
    fn risk_follows_the_table() {
        use Risk::{High, Low, Medium};
        let table = [
            (PLAIN, Low),
            (RiskFacts { tests: 0, ..PLAIN }, Medium),
            (RiskFacts { dependents: 1, tests: 0, ..PLAIN }, Medium),
            (RiskFacts { dependents: 3, ..PLAIN }, Low),
            (RiskFacts { dependents: 3, tests: 0, ..PLAIN }, Medium),
            (RiskFacts { dependents: 5, ..PLAIN }, Medium),
            (RiskFacts { dependents: 5, tests: 0, ..PLAIN }, High),
            (RiskFacts { dependents: 40, tests: 3, ..PLAIN }, Medium),
            (RiskFacts { dependents: 5, sensitive: true, ..PLAIN }, Medium),
            (RiskFacts { dependents: 5, sensitive: true, destructive: true, ..PLAIN }, High),
            (RiskFacts { sensitive: true, ..PLAIN }, Low),
            (RiskFacts { sensitive: true, destructive: true, ..PLAIN }, Medium),
            (RiskFacts { lines: 601, tests: 0, sensitive: true, ..PLAIN }, High),
            (RiskFacts { touches: Touches::Configuration, ..PLAIN }, Medium),
            (RiskFacts { touches: Touches::Configuration, tests: 0, ..PLAIN }, Medium),
            (RiskFacts { touches: Touches::Documents, dependents: 90, tests: 0, ..PLAIN }, Low),
            (RiskFacts { touches: Touches::Tests, dependents: 90, tests: 0, ..PLAIN }, Low),
            (RiskFacts { touches: Touches::Nothing, dependents: 90, tests: 0, ..PLAIN }, Low),
        ];
        for (facts, risk) in table {
            let judged = judge(&facts);
            assert_eq!(judged.risk, risk, "{facts:?}: {}", judged.reason);
        }
    }

    #[test]
    fn a_test_lowers_an_untested_change() {
        for dependents in 0..8 {
            for sensitive in [false, true] {
                let facts = RiskFacts { dependents, sensitive, ..PLAIN };
                let without = judge(&RiskFacts { tests: 0, ..facts }).risk;
                assert!(judge(&facts).risk < without, "{facts:?}");
            }
        }
        let worst = RiskFacts { dependents: 9, sensitive: true, destructive: true, ..PLAIN };
        assert_eq!(judge(&worst).risk, Risk::High, "a test alone does not make everything safe");
    }

    #[test]
    fn reasons_name_every_row() {
        let reason = judge(&RiskFacts { dependents: 5, tests: 0, ..PLAIN }).reason;
        assert_eq!(reason, "5 files refer to it (+2), no test covers it (+2) = 4 points");
    }

    #[test]
    fn words_count_whole() {
        assert!(is_destructive("Please delete old rows") && !is_destructive("undeleted dropout"));
        assert!(is_sensitive("src/auth/mod.rs") && is_sensitive("src/loginForm.ts"));
        assert!(!is_sensitive("src/author.rs"));
    }
}
