//! Places in a file that deserve a reviewer's or a tester's eye.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

/// Places per kind and file at most.
const MAX_PLACES: usize = 5;
const MAX_LINE: usize = 400;

/// One kind of place, with where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// What a reviewer looks for.
    pub review: String,
    /// What a test tries; empty where a test says nothing.
    pub test: String,
    /// From 1; the first five.
    pub lines: Vec<u32>,
}

struct Row {
    review: &'static str,
    test: &'static str,
    expression: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        review: "aborts on bad input instead of returning an error",
        test: "bad input is refused with an error",
        expression: r"\.unwrap\(\)|\.expect\(|\bpanic!\(|\bunreachable!\(|process\.exit\(|os\.Exit\(|sys\.exit\(",
    },
    Row {
        review: "errors caught too widely or dropped",
        test: "a failure below reaches the caller",
        expression: r"except\s*:|except\s+(?:Base)?Exception\b|catch\s*(?:\([^)]*\))?\s*\{\s*\}|let\s+_\s*=.*\?|\.ok\(\);|_\s*=\s*err\b",
    },
    Row {
        review: "errors raised here: are they the right ones, and tested",
        test: "each error that can be raised",
        expression: r"\bErr\(|\braise\s+\w|\bthrow\s+new\b|errors\.New\(|fmt\.Errorf\(",
    },
    Row {
        review: "text put together into a query or a command",
        test: "quotes and separators in the input",
        expression: r#"(?i)(?:select|insert|update|delete)\s.*(?:\{\}|%s|\$\{|"\s*\+|'\s*\+|format!|f")|\beval\(|\bexec\(|shell=True|innerHTML|dangerouslySetInnerHTML|Command::new|subprocess\."#,
    },
    Row {
        review: "shared state: order of locks, and what happens between check and use",
        test: "two callers at once",
        expression: r"\bMutex\b|\bRwLock\b|\.lock\(\)|\bAtomic\w+|threading\.|synchronized\b|sync\.Mutex|\bunsafe\b|static\s+mut\b",
    },
    Row {
        review: "arithmetic that can round, overflow or divide by zero",
        test: "zero, negative and largest values, and halves",
        expression: r"(?i)\bround\w*\(|as\s+(?:i|u|f)\d+\b|parseFloat|float\(|\bdecimal\b|[\w)]\s*[/%]\s*[\w(]+\s*[;)+\-*]|\* ?100\b",
    },
    Row {
        review: "limits and indices: first, last, empty",
        test: "empty, one, the limit and one more",
        expression: r"\[\w+\s*[-+]\s*1\]|\[0\]|\blen\(|\.length\b|\.len\(\)|\bMAX_\w+|\bLIMIT\b|\.slice\(|\bmin\(|\bmax\(",
    },
    Row {
        review: "dates and time zones",
        test: "ends of months, leap days and a change of clocks",
        expression: r"(?i)\bdatetime\b|\btimedelta\b|new Date\(|Date\.now|chrono::|OffsetDateTime|timezone|time\.Now\(",
    },
    Row {
        review: "access decisions and secrets",
        test: "a person without the right is refused",
        expression: r"(?i)\bpassword\b|\btoken\b|\bpermission|\bis_admin\b|\bisAdmin\b|\brole\b|\bauthori[sz]e",
    },
    Row {
        review: "unfinished work is marked",
        test: "",
        expression: r"\b(?:TODO|FIXME|XXX|HACK)\b",
    },
];

static COMPILED: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let compile =
        |row: &Row| Regex::new(row.expression).expect("the expressions are literals and tested");
    ROWS.iter().map(compile).collect()
});

/// What stands out in a text, in the order of the table.
pub(super) fn signals(text: &str) -> Vec<Signal> {
    let mut out = Vec::new();
    for (row, expression) in ROWS.iter().zip(COMPILED.iter()) {
        let lines: Vec<u32> = text
            .lines()
            .zip(1_u32..)
            .filter(|(line, _)| line.len() <= MAX_LINE && expression.is_match(line))
            .map(|(_, number)| number)
            .take(MAX_PLACES)
            .collect();
        if !lines.is_empty() {
            out.push(Signal { review: row.review.to_owned(), test: row.test.to_owned(), lines });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_with_their_lines() {
        let found = signals("let a = 1;\nlet b = x.unwrap();\n// TODO: later\n");
        let reviews: Vec<_> = found.iter().map(|s| (s.review.as_str(), s.lines.clone())).collect();
        assert_eq!(
            reviews,
            [
                ("aborts on bad input instead of returning an error", vec![2]),
                ("unfinished work is marked", vec![3]),
            ]
        );
        assert!(signals("").is_empty());
    }
}
