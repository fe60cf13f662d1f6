//! Takes secrets out of texts before anybody or anything gets to see them.
//!
//! **Invariant:** the result contains none of the known values that are at least
//! [`MIN_KNOWN_CHARS`] long, and has as many lines as the input.

use std::collections::BTreeMap;

use super::patterns::PATTERNS;

/// Shorter known values would blank out ordinary words.
pub const MIN_KNOWN_CHARS: usize = 4;

/// Lines of a known value of several lines count on their own from this length on.
const MIN_KNOWN_LINE_CHARS: usize = 12;

/// How many secrets of which kind were taken out.
pub type RedactionCounts = BTreeMap<String, u32>;

/// Replaces secrets by markers: known values, and what looks like one.
#[derive(Clone, Debug)]
pub struct Redactor {
    known: Vec<String>,
    marker: String,
}

/// A text without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    pub text: String,
    pub counts: RedactionCounts,
}

impl Redactor {
    /// Knows the given values beside the patterns. Values shorter than
    /// [`MIN_KNOWN_CHARS`] are ignored.
    pub fn new(known: &[String]) -> Self {
        let mut values: Vec<String> = Vec::new();
        for value in known {
            values.push(value.trim().to_owned());
            let long = |line: &&str| line.trim().chars().count() >= MIN_KNOWN_LINE_CHARS;
            values.extend(value.lines().filter(long).map(|line| line.trim().to_owned()));
        }
        values.retain(|value| value.chars().count() >= MIN_KNOWN_CHARS);
        values.sort();
        values.dedup();
        let marker = marker_for(&values);
        Self { known: values, marker }
    }

    /// The text without secrets. Line breaks inside a secret are kept, so that line
    /// numbers stay true.
    pub fn redact(&self, text: &str) -> Redacted {
        let mut counts = RedactionCounts::new();
        let by_pattern =
            replace(text, pattern_spans(text), &mut counts, |kind| format!("[redacted:{kind}]"));
        let spans = self.known_spans(&by_pattern);
        let text = replace(&by_pattern, spans, &mut counts, |_| self.marker.clone());
        Redacted { text, counts }
    }

    /// Whether a path would be changed. Patterns are tried only where a part is long and
    /// mixed enough to be a token, because a commit can have many paths.
    pub fn finds_in_path(&self, path: &str) -> bool {
        let token = |part: &str| part.len() >= 16 && part.bytes().any(|b| b.is_ascii_digit());
        self.known.iter().any(|value| path.contains(value.as_str()))
            || (path.split('/').any(token) && self.redact(path).text != path)
    }

    fn known_spans(&self, text: &str) -> Vec<Span> {
        let mut spans = Vec::new();
        for value in &self.known {
            let step = value.chars().next().map_or(1, char::len_utf8);
            let mut from = 0;
            while let Some(at) = text.get(from..).and_then(|rest| rest.find(value.as_str())) {
                let start = from + at;
                spans.push(Span { start, end: start + value.len(), kind: "known_value" });
                from = start + step;
            }
        }
        spans
    }
}

/// Redacts one text; see [`Redactor`].
pub fn redact(text: &str, known: &[String]) -> Redacted {
    Redactor::new(known).redact(text)
}

/// A marker of which no known value shares a character, unless none contains a bracket:
/// otherwise the marker itself could complete a known value.
fn marker_for(known: &[String]) -> String {
    let usual = "[redacted:known_value]";
    let safe = |value: &String| !value.contains(['[', ']']) && !usual.contains(value.as_str());
    if known.iter().all(safe) {
        return usual.to_owned();
    }
    let unused = |c: &char| known.iter().all(|value| !value.contains(*c));
    ('\u{2588}'..='\u{FFFD}').find(unused).map(String::from).unwrap_or_default()
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    kind: &'static str,
}

fn pattern_spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    for pattern in PATTERNS.iter() {
        for found in pattern.regex.captures_iter(text) {
            if let Some((start, end)) = pattern.secret(&found) {
                spans.push(Span { start, end, kind: pattern.kind });
            }
        }
    }
    spans
}

/// Replaces the union of the spans; overlapping ones become one marker of the first kind.
fn replace(
    text: &str,
    mut spans: Vec<Span>,
    counts: &mut RedactionCounts,
    marker: impl Fn(&str) -> String,
) -> String {
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for span in merged {
        let (Some(before), Some(secret)) =
            (text.get(from..span.start), text.get(span.start..span.end))
        else {
            continue;
        };
        out.push_str(before);
        out.push_str(&marker(span.kind));
        out.extend(secret.chars().filter(|c| *c == '\n'));
        *counts.entry(span.kind.to_owned()).or_default() += 1;
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<String> {
        redact(text, &[]).counts.into_keys().collect()
    }

    #[test]
    fn secrets_of_every_shape_are_replaced() {
        let table = [
            ("AKIAIOSFODNN7EXAMPLE", "aws_access_key"),
            ("x = ghp_0123456789abcdefghijABCDEFGHIJ012345", "github_token"),
            ("glpat-AbCdEfGhIjKlMnOpQrSt", "gitlab_token"),
            ("xoxb-123456789012-abcdefghijkl", "slack_token"),
            ("sk_live_0123456789abcdefABCDEF", "stripe_key"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "jwt"),
            ("postgres://app:hunter2@db/app", "url_credentials"),
            ("password = \"correct-horse\"", "password"),
            ("  password: hunter22", "password"),
            ("DB_PASSWORD=s3cr3t!x", "password"),
            ("const apiKey = 'a8f5f167f44f4964e6c998dee827110c';", "credential"),
            ("curl -H 'Authorization: Bearer abcdef0123456789abcdef'", "authorization"),
            ("let seed = \"dGhpcyBJcyBhIDEyMyBzZWNyZXQga2V5IQxyZ9\";", "high_entropy"),
            (
                "+-----BEGIN RSA PRIVATE KEY-----\n+MIIE\n+-----END RSA PRIVATE KEY-----",
                "private_key",
            ),
            ("\"client_secret\": \"abc\"", "password"),
            ("passphrase = \"correct horse battery\"", "password"),
            ("login --password hunter2x", "password"),
        ];
        for (text, kind) in table {
            assert!(kinds(text).contains(&kind.to_owned()), "{text} → {:?}", redact(text, &[]));
        }
    }

    #[test]
    fn ordinary_code_is_left_alone() {
        for text in [
            "let password = read_password()?;",
            "self.password = password",
            "pub password: String,",
            "password: str",
            "token: string;",
            "fn token(&self) -> &str {",
            "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "key = \"orders.total\"",
            "password = os.environ[\"DB_PASSWORD\"]",
            "password: ${{ secrets.DB_PASSWORD }}",
            "url = \"https://example.org/a:b@c\"",
            "API_KEY=$API_KEY",
            "sort_key = lambda row: row.date",
        ] {
            assert_eq!(redact(text, &[]).text, text);
        }
    }

    #[test]
    fn line_numbers_stay_true() {
        let text = "a\n-----BEGIN PRIVATE KEY-----\nMIIE\nMIIF\n-----END PRIVATE KEY-----\nb";
        let out = redact(text, &[]).text;
        assert_eq!(out.lines().count(), text.lines().count());
        assert!(out.ends_with("\nb") && !out.contains("MIIE"));
        let cut = redact("-----BEGIN PRIVATE KEY-----\nMIIE", &[]);
        assert_eq!(cut.text, "[redacted:private_key]\n");
    }

    #[test]
    fn known_values_vanish_even_when_they_overlap_or_name_the_marker() {
        let known = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
        let out = redact("xxabcdefyy abcd", &known(&["abcd", "cdef"])).text;
        assert_eq!(out, "xx[redacted:known_value]yy [redacted:known_value]");
        for values in [known(&["redacted"]), known(&["[red"]), known(&["aa]b", "█▉▊▋"])] {
            let out = redact("redacted [red aa]b aa]baa]b █▉▊▋", &values).text;
            assert!(values.iter().all(|v| !out.contains(v)), "{out}");
        }
        assert_eq!(redact("abc", &known(&["abc", ""])).text, "abc");
    }

    #[test]
    fn markers_are_not_redacted_again() {
        let once = redact("password = \"x1y2z3\"", &[]).text;
        let twice = redact(&once, &[]);
        assert_eq!(twice.text, once);
        assert!(twice.counts.is_empty());
    }
}
