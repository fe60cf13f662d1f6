//! What secrets look like.
//!
//! Each row names the part of the match that is the secret; the rest stays readable. Rows
//! that would also match ordinary code carry a judgement of the matched value.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// One shape of secret.
pub(super) struct Pattern {
    /// Lower snake case, shown in the marker and counted in the bundle.
    pub(super) kind: &'static str,
    pub(super) regex: Regex,
    /// Judges the value; `None` means every match is a secret.
    judge: Option<fn(&str) -> bool>,
}

impl Pattern {
    /// The byte range of the secret in the text, if this match is one: the group `s`, else
    /// the whole match.
    pub(super) fn secret(&self, found: &Captures<'_>) -> Option<(usize, usize)> {
        let value = found.name("s").or_else(|| found.get(0))?;
        let judged = self.judge.is_none_or(|judge| judge(value.as_str()));
        (judged && !value.is_empty() && !is_marker(value.as_str()))
            .then(|| (value.start(), value.end()))
    }
}

fn is_marker(value: &str) -> bool {
    value.starts_with("[redacted:")
}

/// Kind, expression and judgement of one pattern.
type Row = (&'static str, String, Option<fn(&str) -> bool>);

/// Names that mean a secret whatever the value looks like.
const STRONG: &str = r"(?:password|passwd|passphrase|pwd|secret|client[_-]?secret|private[_-]?key|signing[_-]?key|encryption[_-]?key)";
/// Names that mean a secret when the value looks random.
const WEAK: &str = r"(?:token|api[_-]?key|apikey|access[_-]?key|auth[_-]?key|account[_-]?key|credentials?|auth|bearer|salt|dsn|key)";

pub(super) static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let strong = format!(r"(?i)[\w.-]*{STRONG}[\w.-]*");
    let weak = format!(r"(?i)[\w.-]*{WEAK}[\w.-]*");
    let assign = r#"["'\]]?\s*(?::?=>?|:)\s*(?:[\w.&]+\()?[bru]?"#;
    let mut rows: Vec<Row> = fixed();
    for (quote, body) in [('"', r#"[^"\r\n]"#), ('\'', r"[^'\r\n]"), ('`', r"[^`\r\n]")] {
        let value = format!("{quote}(?P<s>{body}{{1,512}}){quote}");
        rows.push(("password", format!("{strong}{assign}{value}"), Some(is_no_placeholder)));
        let phrase = format!(r"(?i)[\w.-]*passphrase[\w.-]*{assign}{value}");
        rows.push(("password", phrase, Some(is_phrase)));
        rows.push(("credential", format!("{weak}{assign}{value}"), Some(looks_random)));
        rows.push(("high_entropy", format!(r"(?:=>?|:)\s*{value}"), Some(is_dense)));
    }
    let bare = r"(?P<s>[^\s'\x22`(){}\[\];,<>]{6,512})";
    let line = r"(?m)^[+\- ]?\s*(?:-\s+)?(?:export\s+|set\s+)?";
    rows.push(("password", format!(r"{line}{strong}\s*[:=]\s*{bare}\s*$"), Some(is_bare_secret)));
    rows.push(("credential", format!(r"{line}{weak}\s*[:=]\s*{bare}\s*$"), Some(looks_random)));
    rows.into_iter()
        .map(|(kind, source, judge)| {
            let regex = Regex::new(&source).expect("the patterns are literals and tested");
            Pattern { kind, regex, judge }
        })
        .collect()
});

/// Shapes that need no name beside them.
fn fixed() -> Vec<Row> {
    let rows: &[(&'static str, &str)] = &[
        (
            "private_key",
            r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
        ),
        // The end of a key whose beginning was cut off, as in a diff.
        (
            "private_key",
            r"(?m)(?:^[+\- ]?[A-Za-z0-9+/=]{16,}\r?\n)+[+\- ]?-----END [A-Z0-9 ]*PRIVATE KEY-----",
        ),
        ("aws_access_key", r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ABIA|ACCA)[0-9A-Z]{16}\b"),
        ("github_token", r"\bgh[pousr]_[A-Za-z0-9]{20,255}\b"),
        ("github_token", r"\bgithub_pat_[A-Za-z0-9_]{22,255}\b"),
        ("gitlab_token", r"\bgl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_\-.]{16,}"),
        ("slack_token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("slack_webhook", r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,}"),
        ("stripe_key", r"\b(?:sk|rk|whsec)_(?:(?:live|test)_)?[A-Za-z0-9]{16,}\b"),
        ("google_api_key", r"\bAIza[0-9A-Za-z_-]{35}"),
        ("google_oauth", r"\bGOCSPX-[A-Za-z0-9_-]{20,}"),
        ("model_api_key", r"\bsk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{20,}"),
        ("npm_token", r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("pypi_token", r"\bpypi-[A-Za-z0-9_-]{32,}"),
        ("sendgrid_key", r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
        ("twilio_key", r"\bSK[0-9a-f]{32}\b"),
        ("age_key", r"\bAGE-SECRET-KEY-1[0-9A-Z]{50,}"),
        ("jwt", r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){1,3}"),
        (
            "url_credentials",
            r"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\x22<>]*:(?P<s>[^\s/@'\x22<>]+)@",
        ),
        ("authorization", r"(?i)\b(?:bearer|basic)\s+(?P<s>[A-Za-z0-9._~+/=-]{16,})"),
        ("connection_key", r"(?i)\b(?:AccountKey|SharedAccessKey|sig)=(?P<s>[A-Za-z0-9+/=%]{16,})"),
        (
            "password",
            r"(?i)(?:--password|--passwd|--token|--api-key)[ =](?P<s>[^\s'\x22$][^\s'\x22]{5,})",
        ),
    ];
    let judged = |kind: &str| -> Option<fn(&str) -> bool> {
        match kind {
            "url_credentials" => Some(is_no_placeholder),
            "authorization" => Some(looks_random),
            _ => None,
        }
    };
    rows.iter().map(|(kind, source)| (*kind, (*source).to_owned(), judged(kind))).collect()
}

/// Anything but a reference to where the secret really is.
fn is_no_placeholder(value: &str) -> bool {
    let value = value.trim();
    let reference = value.starts_with("${")
        || value.starts_with("$(")
        || value.starts_with("{{")
        || value.starts_with('<') && value.ends_with('>')
        || value.starts_with('{') && value.ends_with('}')
        || value.starts_with('%') && value.len() <= 4
        || value.starts_with('$') && value[1..].chars().all(|c| c.is_ascii_uppercase() || c == '_');
    !value.is_empty() && !reference && !value.contains(' ')
        || (value.contains(' ') && looks_random(&value.replace(' ', "")))
}

/// Several words: what a passphrase is, and what the label of a password field is too.
fn is_phrase(value: &str) -> bool {
    value.trim().contains(' ') && !value.contains("${") && !value.contains("{{")
}

/// A value without quotes beside a strong name: code such as `password = read_password`
/// has no digits and no punctuation.
fn is_bare_secret(value: &str) -> bool {
    let digit = value.chars().any(|c| c.is_ascii_digit());
    let letter = value.chars().any(char::is_alphabetic);
    let odd = value.chars().any(|c| "!@#$%^&*+/=?~".contains(c));
    is_no_placeholder(value) && (digit && letter || odd) && !value.contains("::")
}

/// Long enough, with digits and letters, and not made of words.
fn looks_random(value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let letters = value.chars().filter(|c| c.is_alphabetic()).count();
    value.len() >= 16
        && !value.contains(char::is_whitespace)
        && is_no_placeholder(value)
        && digits >= 2
        && letters >= 4
        && entropy(value) >= 3.0
        && !is_path_or_url(value)
}

fn is_path_or_url(value: &str) -> bool {
    value.contains("://") || value.starts_with('/') || value.starts_with("./")
}

/// Dense enough to be a key with no name that says so. Hashes in hex are left alone: they
/// are mostly checksums and commits.
fn is_dense(value: &str) -> bool {
    let class = |test: fn(&char) -> bool| value.chars().any(|c| test(&c));
    value.len() >= 32
        && value.len() <= 256
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "+/=_-".contains(c))
        && class(char::is_ascii_uppercase)
        && class(char::is_ascii_lowercase)
        && class(char::is_ascii_digit)
        && !value.starts_with("sha256-")
        && !value.starts_with("sha384-")
        && !value.starts_with("sha512-")
        && entropy(value) >= 4.2
}

/// Bits per character.
fn entropy(value: &str) -> f64 {
    let mut counts = std::collections::BTreeMap::new();
    for c in value.chars() {
        *counts.entry(c).or_insert(0_u32) += 1;
    }
    let total = f64::from(counts.values().sum::<u32>().max(1));
    let share = |n: &u32| f64::from(*n) / total;
    -counts.values().map(|n| share(n) * share(n).log2()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles_and_has_a_snake_case_kind() {
        assert!(PATTERNS.len() > 25);
        for pattern in PATTERNS.iter() {
            assert!(pattern.kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
    }

    #[test]
    fn random_text_is_told_from_words() {
        assert!(looks_random("a8f5f167f44f4964e6c998dee827110c"));
        assert!(!looks_random("application/json"));
        assert!(!looks_random("session_cookie_name"));
        assert!(is_dense("dGhpcyBJcyBhIDEyMyBzZWNyZXQga2V5IQxyZ9"));
        assert!(!is_dense("da39a3ee5e6b4b0d3255bfef95601890afd80709"));
    }
}
