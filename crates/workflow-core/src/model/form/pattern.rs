//! Patterns of texts: the part of regular expressions that means the same here, in JSON Schema
//! and in browsers.
//!
//! A pattern is read and written anew for an engine whose time is linear in the text; what
//! other engines read otherwise is refused. It must match the whole text.
//!
//! **Invariant:** whatever the text and the pattern, compiling and matching are bounded.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

/// Characters of one pattern.
pub const MAX_CHARS: usize = 500;
/// Bytes of one compiled.
const COMPILED: usize = 1 << 20;
const NESTING: u32 = 30;

/// The end of a line does not match.
const ANY: &str = r"[^\n\r\u{2028}\u{2029}]";
const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Z_a-z";
const SPACE: &str = concat!(
    r"\t\n\x0B\x0C\r \u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}",
    r"\u{202F}\u{205F}\u{3000}\u{FEFF}"
);
/// What a backslash makes literal.
const SYNTAX: &str = r"^$\.*+?()[]{}|/";

/// Compiles a pattern that must match a whole text; the error says what is wrong with it.
pub fn compile(source: &str) -> Result<Regex, String> {
    if source.chars().count() > MAX_CHARS {
        return Err(format!("must not be longer than {MAX_CHARS} characters"));
    }
    let mut reader = Reader { rest: source.chars().peekable(), out: String::from("^(?:") };
    reader.read()?;
    reader.out.push_str(")$");
    RegexBuilder::new(&reader.out)
        .size_limit(COMPILED)
        .dfa_size_limit(COMPILED)
        .nest_limit(NESTING)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "is too large: repeat less".to_owned(),
            _ => "is not a valid pattern".to_owned(),
        })
}

/// The same, for a JSON Schema.
pub fn whole(source: &str) -> String {
    format!("^(?:{source})$")
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

/// What was read last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing that could be repeated.
    Nothing,
    Atom,
    Repeated,
}

/// A part of a class.
enum Member {
    One(char),
    Several(&'static str),
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), String> {
        let (mut last, mut depth) = (Last::Nothing, 0_u32);
        while let Some(c) = self.rest.next() {
            last = match c {
                '*' | '+' | '?' | '{' => self.repetition(c, last)?,
                '(' => {
                    depth += 1;
                    self.open()?;
                    Last::Nothing
                }
                ')' if depth == 0 => return Err("has a ) too many".into()),
                ')' => {
                    depth -= 1;
                    self.out.push(')');
                    Last::Atom
                }
                '|' | '^' | '$' => {
                    self.out.push(c);
                    Last::Nothing
                }
                '.' => self.atom(ANY),
                '[' => self.class()?,
                '\\' => self.escape()?,
                ']' | '}' => return Err(format!("has a single {c}: write \\{c}")),
                literal => {
                    self.literal(literal);
                    Last::Atom
                }
            };
        }
        if depth > 0 { Err("has a ( that is not closed".into()) } else { Ok(()) }
    }

    fn atom(&mut self, text: &str) -> Last {
        self.out.push_str(text);
        Last::Atom
    }

    /// As a number, so that it stands for itself wherever it comes to stand.
    fn literal(&mut self, c: char) {
        // Writing to a text cannot fail.
        let _ = write!(self.out, "\\u{{{:X}}}", u32::from(c));
    }

    fn repetition(&mut self, c: char, last: Last) -> Result<Last, String> {
        if last != Last::Atom {
            return Err(format!("has a {c} with nothing to repeat before it"));
        }
        self.out.push(c);
        if c == '{' {
            self.counts()?;
        }
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        Ok(Last::Repeated)
    }

    /// `{2}`, `{2,}` or `{2,3}`, after the bracket.
    fn counts(&mut self) -> Result<(), String> {
        let wrong = || "must repeat as in {2}, {2,} or {2,3}".to_owned();
        let least = self.count().ok_or_else(wrong)?;
        let mut most = Some(least);
        if self.rest.next_if_eq(&',').is_some() {
            self.out.push(',');
            most = self.count();
        }
        if self.rest.next() != Some('}') || most.is_some_and(|most| most < least) {
            return Err(wrong());
        }
        self.out.push('}');
        Ok(())
    }

    fn count(&mut self) -> Option<u32> {
        let mut digits = String::new();
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        self.out.push_str(&digits);
        digits.parse().ok()
    }

    fn open(&mut self) -> Result<(), String> {
        self.out.push_str("(?:");
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        match self.rest.next() {
            Some(':') => Ok(()),
            _ => Err("must not have groups but (…) and (?:…)".into()),
        }
    }

    fn escape(&mut self) -> Result<Last, String> {
        match self.rest.next() {
            Some('b') => {
                self.out.push_str(r"(?-u:\b)");
                Ok(Last::Nothing)
            }
            Some(c @ ('d' | 'w' | 's')) => {
                let _ = write!(self.out, "[{}]", several(c));
                Ok(Last::Atom)
            }
            Some(c @ ('D' | 'W' | 'S')) => {
                let _ = write!(self.out, "[^{}]", several(c.to_ascii_lowercase()));
                Ok(Last::Atom)
            }
            Some(c) => {
                let c = self.escaped(c)?;
                self.literal(c);
                Ok(Last::Atom)
            }
            None => Err("ends with a single \\".into()),
        }
    }

    /// The character that `\c` stands for.
    fn escaped(&mut self, c: char) -> Result<char, String> {
        match c {
            't' => Ok('\t'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            'x' => self.hex(2),
            'u' => self.hex(4),
            c if SYNTAX.contains(c) => Ok(c),
            c => Err(format!("has \\{c}, which is not available")),
        }
    }

    fn hex(&mut self, digits: usize) -> Result<char, String> {
        let mut value = 0;
        for _ in 0..digits {
            let digit = self.rest.next().and_then(|c| c.to_digit(16));
            value = value * 16 + digit.ok_or("must have \\xHH or \\uHHHH in full")?;
        }
        char::from_u32(value).ok_or_else(|| "has a \\uHHHH that is no character".into())
    }

    fn class(&mut self) -> Result<Last, String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        if self.rest.peek() == Some(&']') {
            return Err("has an empty class []".into());
        }
        loop {
            let member = self.member()?;
            match member {
                None => break,
                Some(Member::Several(members)) => {
                    self.out.push_str(members);
                    if self.rest.peek() == Some(&'-') && self.after() != Some(']') {
                        return Err("has a range with several ends".into());
                    }
                }
                Some(Member::One(from)) => self.range(from)?,
            }
        }
        self.out.push(']');
        Ok(Last::Atom)
    }

    /// The character after the next one.
    fn after(&self) -> Option<char> {
        self.rest.clone().nth(1)
    }

    fn range(&mut self, from: char) -> Result<(), String> {
        self.literal(from);
        if self.rest.peek() != Some(&'-') || self.after() == Some(']') {
            return Ok(());
        }
        self.rest.next();
        match self.member()? {
            Some(Member::One(to)) if from <= to => {
                self.out.push('-');
                self.literal(to);
                Ok(())
            }
            _ => Err("has a range whose ends are not in order".into()),
        }
    }

    /// The next member of a class; `None` at its end.
    fn member(&mut self) -> Result<Option<Member>, String> {
        match self.rest.next() {
            None => Err("has a [ that is not closed".into()),
            Some(']') => Ok(None),
            Some('[') => Err("has a [ in a class: write \\[".into()),
            Some('\\') => match self.rest.next() {
                Some('-') => Ok(Some(Member::One('-'))),
                Some(c @ ('d' | 'w' | 's')) => Ok(Some(Member::Several(several(c)))),
                Some(c) => Ok(Some(Member::One(self.escaped(c)?))),
                None => Err("ends with a single \\".into()),
            },
            Some(c) => Ok(Some(Member::One(c))),
        }
    }
}

const fn several(c: char) -> &'static str {
    match c {
        'd' => DIGIT,
        'w' => WORD,
        _ => SPACE,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_matches_whole_texts() {
        for (source, fitting, other) in [
            ("a|b", &["a", "b"][..], &["ab", "", "xa"][..]),
            ("[A-Z]{2}-[0-9]+", &["AB-1"], &["AB-", "ab-1", "AB-1\n"]),
            (r"\d+", &["12"], &["٣", "a"]),
            (r"\w", &["_", "a"], &["ü", "-"]),
            (r"[\w-]+", &["a-b"], &["a b"]),
            (r"[a\-z]", &["a", "-", "z"], &["b"]),
            (r"[-a]", &["-", "a"], &["b"]),
            ("[^a&&b]", &["c"], &["&", "a"]),
            ("(ab)?c", &["abc", "c"], &["ab"]),
            (r"a\.b", &["a.b"], &["axb"]),
            (r"\u00fc.", &["üx"], &["ü\n"]),
            ("# x", &["# x"], &["#x"]),
            (r"\bab\b", &["ab"], &["abc"]),
            ("", &[""], &["a"]),
        ] {
            let pattern = compile(source).unwrap();
            assert!(fitting.iter().all(|text| pattern.is_match(text)), "{source}");
            assert!(!other.iter().any(|text| pattern.is_match(text)), "{source}");
        }
    }

    #[test]
    fn what_other_engines_read_otherwise_is_refused() {
        for source in [
            "(?i)a",
            "(?=a)",
            "(?<n>a)",
            "(?P<n>a)",
            r"(a)\1",
            r"\A",
            r"\p{L}",
            r"\B",
            "a**",
            "a++",
            "*a",
            "a{,3}",
            "a{3,1}",
            "a{",
            "a}",
            "a]",
            "[]",
            "[^]",
            "[a",
            "[[:alpha:]]",
            "[z-a]",
            r"[\d-z]",
            "(a",
            "a)",
            r"\",
            r"\u12",
            r"\ud800",
            "^*",
            r"[\D]",
            r"\-",
            "((((a{100}){100}){100}){100})",
            &"(".repeat(200),
            &"a".repeat(501),
        ] {
            assert!(compile(source).is_err(), "{source}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(source in r"[a-c\[\](){}|*+?.\\^$,0-9dwsux:&~-]{0,30}|\PC{0,30}") {
            let _ = compile(&source);
        }
    }
}
