//! What users are known by: token subjects, certificate names, and the names people see.
//!
//! **Invariant:** a subject or certificate name has one spelling and nothing in it that cannot
//! be seen, so that no two accounts look alike by bytes that nobody shows.

use std::collections::BTreeSet;

use permissions::{SYSTEM_ROLES, UserKind};
use primitives::{Checked, InvalidArgs, Text};
use unicode_normalization::is_nfc;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

use super::names::is_reserved;

const MAX_SUBJECT: usize = 256;
const MAX_CERTIFICATE: usize = 256;
const MAX_LABEL: usize = 63;

/// The `sub` of tokens that stand for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(String);

impl Subject {
    /// Checks the text of `field`.
    pub fn check(field: &str, text: &str) -> Checked<Self> {
        let wrong = |what: &str| Err(InvalidArgs::new(field, what));
        if text.is_empty() || text.chars().count() > MAX_SUBJECT {
            return wrong("must have 1 to 256 characters");
        }
        if text.chars().any(is_unseen) || text.trim() != text {
            return wrong("must not contain characters that cannot be seen, nor space at its ends");
        }
        if !is_nfc(text) {
            return wrong("must be in Unicode normalization form C, as the tokens have it");
        }
        if is_reserved(&text.to_lowercase()) {
            return wrong("is reserved: choose another one");
        }
        Ok(Self(text.to_owned()))
    }

    /// `None` for an empty text.
    pub fn optional(field: &str, text: &str) -> Checked<Option<Self>> {
        if text.is_empty() { Ok(None) } else { Self::check(field, text).map(Some) }
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

/// Controls, marks of direction, joiners of no width, private use, every space but the plain
/// one.
fn is_unseen(c: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate,
    };
    match c.general_category() {
        Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | Surrogate => true,
        SpaceSeparator => c != ' ',
        _ => false,
    }
}

/// The name in a client certificate: a URI, or a DNS name in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateName(String);

impl CertificateName {
    /// Checks the text of `field`.
    pub fn check(field: &str, text: &str) -> Checked<Self> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_name = text.split_once("://").map_or_else(|| is_dns(text), is_uri);
        if !(1..=MAX_CERTIFICATE).contains(&text.len()) || !is_plain || !is_name {
            let what = "must be a URI, as in `spiffe://example.org/ci`, or a DNS name in lower \
                        case, as in `ci.example.org`, of at most 256 characters";
            return Err(InvalidArgs::new(field, what));
        }
        if is_reserved(text) {
            return Err(InvalidArgs::new(field, "is reserved: choose another one"));
        }
        Ok(Self(text.to_owned()))
    }

    /// `None` for an empty text.
    pub fn optional(field: &str, text: &str) -> Checked<Option<Self>> {
        if text.is_empty() { Ok(None) } else { Self::check(field, text).map(Some) }
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

fn is_uri((scheme, rest): (&str, &str)) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.chars().all(plain)
        && !rest.is_empty()
}

/// No wildcards: an account is one program.
fn is_dns(text: &str) -> bool {
    text.split('.').all(|label| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=MAX_LABEL).contains(&label.len())
            && label.chars().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// The name people see, of a user or a team.
pub fn display_name(field: &'static str, text: &str) -> Checked<String> {
    Text { field, min: 1, max: 200, multiline: false }.check(text)
}

/// Roles that hold without any team, each once.
pub fn system_roles(field: &str, given: &[String]) -> Checked<BTreeSet<&'static str>> {
    let known = |name: &String| SYSTEM_ROLES.into_iter().find(|role| role == name);
    let found: Option<_> = given.iter().map(known).collect();
    let what = || InvalidArgs::new(field, format!("must be of {}", SYSTEM_ROLES.join(", ")));
    found.ok_or_else(what)
}

/// A person is known by a subject alone, a service account by a subject, a certificate's
/// name, or both.
pub(super) fn is_known_by_enough(
    kind: UserKind,
    subject: Option<&str>,
    certificate_name: Option<&str>,
) -> Checked<()> {
    match (kind, subject, certificate_name) {
        (UserKind::Person, None, _) => Err(InvalidArgs::new("user.subject", "is required")),
        (UserKind::Person, _, Some(_)) => {
            let what = "is for service accounts only";
            Err(InvalidArgs::new("user.certificate_name", what))
        }
        (UserKind::Service, None, None) => {
            let what = "is required unless there is a certificate_name";
            Err(InvalidArgs::new("user.subject", what))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_have_one_spelling_that_can_be_seen() {
        for good in ["alice", "Älice", "auth0|5f7c", "a b", "https://id/alice", &"x".repeat(256)] {
            assert!(Subject::check("s", good).is_ok(), "{good}");
        }
        let unseen = [
            "a\0",
            "a\n",
            "a\u{200b}b",
            "\u{202e}a",
            "a\u{a0}b",
            "\u{feff}a",
            "a\u{2028}",
            "a\u{e000}",
        ];
        let others = ["", " a", "a ", "a\u{308}", &"x".repeat(257)];
        let reserved = ["system", "Global", "DEFAULT", "admin", "root", "founder"];
        for bad in unseen.iter().chain(&others).chain(&reserved) {
            assert!(Subject::check("s", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn certificate_names_are_uris_or_dns_names() {
        for good in ["spiffe://example.org/ci", "https://a", "ci.example.org", "ci", "a-b.c1"] {
            assert!(CertificateName::check("c", good).is_ok(), "{good}");
        }
        let long = format!("a://{}", "x".repeat(256));
        for bad in [
            "",
            "://x",
            "a://",
            "1a://x",
            "A://x",
            "a://x y",
            "a://ü",
            "a://\0",
            "CI.example.org",
            "*.example.org",
            ".a",
            "a.",
            "a..b",
            "-a",
            "a-",
            "a_b",
            "system",
            &long,
            &"a".repeat(64),
        ] {
            assert!(CertificateName::check("c", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn system_roles_are_those_of_the_table() {
        let of = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            system_roles("user.system_roles", &names)
        };
        assert_eq!(of(&["support", "founder", "support"]).unwrap().len(), 2);
        assert!(of(&[]).unwrap().is_empty());
        for bad in ["admin", "", "Founder", "base-personal"] {
            assert_eq!(of(&["founder", bad]).unwrap_err().fields[0].field, "user.system_roles");
        }
    }

    #[test]
    fn persons_have_a_subject_and_programs_one_of_both() {
        use UserKind::{Person, Service};
        assert!(is_known_by_enough(Person, Some("a"), None).is_ok());
        assert!(is_known_by_enough(Person, None, None).is_err());
        assert!(is_known_by_enough(Person, Some("a"), Some("b")).is_err());
        assert!(is_known_by_enough(Service, Some("a"), Some("b")).is_ok());
        assert!(is_known_by_enough(Service, None, Some("b")).is_ok());
        assert!(is_known_by_enough(Service, None, None).is_err());
    }
}
