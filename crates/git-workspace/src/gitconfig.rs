//! Reads a repository's `config` before libgit2 does.
//!
//! **Invariant:** what this scanner does not understand is malformed, never skipped: a
//! directive that reaches outside of the repository cannot hide from it.

use std::iter::Peekable;
use std::str::Chars;

use crate::error::{Result, unusable};

/// One `key = value` of a config file. Section and key are in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) section: String,
    pub(crate) key: String,
    /// `None` for a key without `=`, which means true.
    pub(crate) value: Option<String>,
}

impl Setting {
    fn is_true(&self) -> bool {
        self.value.as_deref().is_none_or(|v| {
            !matches!(v.to_ascii_lowercase().as_str(), "" | "false" | "no" | "off" | "0")
        })
    }
}

/// Refuses directives that read files elsewhere, move the work tree, or change the format.
pub(crate) fn vet(settings: &[Setting]) -> Result<()> {
    for setting in settings {
        let value = setting.value.as_deref().unwrap_or("true");
        match (setting.section.as_str(), setting.key.as_str()) {
            ("include" | "includeif", _) => {
                return Err(unusable("its config includes other files"));
            }
            ("core", "worktree") => {
                return Err(unusable("its config moves the work tree (core.worktree)"));
            }
            ("core", "repositoryformatversion") if !matches!(value, "0" | "1") => {
                return Err(unusable("its repository format version is unknown"));
            }
            ("extensions", key) => vet_extension(key, value)?,
            ("remote", "promisor") if setting.is_true() => {
                return Err(unusable("it is a partial clone: objects may be missing"));
            }
            ("remote", "partialclonefilter") => {
                return Err(unusable("it is a partial clone: objects may be missing"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn vet_extension(key: &str, value: &str) -> Result<()> {
    match key {
        "noop" | "preciousobjects" | "worktreeconfig" => Ok(()),
        "objectformat" if value.eq_ignore_ascii_case("sha1") => Ok(()),
        "refstorage" if value.eq_ignore_ascii_case("files") => Ok(()),
        "objectformat" => Err(unusable("its object format is not SHA-1")),
        "partialclone" => Err(unusable("it is a partial clone: objects may be missing")),
        _ => Err(unusable(format!("its extension {:?} is not supported", clip(key)))),
    }
}

fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

/// All settings in order, or what is wrong and where.
pub(crate) fn scan(text: &str) -> Result<Vec<Setting>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut scanner = Scanner { rest: text.chars().peekable(), line: 1 };
    let mut settings = Vec::new();
    let mut section = None;
    while let Some(c) = scanner.next() {
        match c {
            c if c.is_whitespace() => {}
            '#' | ';' => scanner.skip_line(),
            '[' => section = Some(scanner.section()?),
            c if c.is_ascii_alphabetic() => {
                let section = section.clone().ok_or_else(|| scanner.malformed())?;
                settings.push(scanner.setting(section, c)?);
            }
            _ => return Err(scanner.malformed()),
        }
    }
    Ok(settings)
}

struct Scanner<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\r' && self.rest.peek() == Some(&'\n') {
            return self.next();
        }
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn malformed(&self) -> agent_core::port::workspace::WorkspaceError {
        unusable(format!("its config is malformed at line {}", self.line))
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
    }

    /// After `[`: the lower-case section name; what follows a dot or a blank is its subsection.
    fn section(&mut self) -> Result<String> {
        let mut name = String::new();
        loop {
            match self.next() {
                Some(']') => break,
                Some(' ' | '\t') => {
                    self.subsection()?;
                    break;
                }
                Some(c) if c.is_ascii_alphanumeric() || c == '-' || c == '.' => {
                    name.push(c.to_ascii_lowercase());
                }
                _ => return Err(self.malformed()),
            }
        }
        let base = name.split('.').next().unwrap_or_default();
        if base.is_empty() {
            return Err(self.malformed());
        }
        Ok(base.to_owned())
    }

    fn subsection(&mut self) -> Result<()> {
        while self.rest.peek().is_some_and(|c| matches!(c, ' ' | '\t')) {
            self.next();
        }
        if self.next() != Some('"') {
            return Err(self.malformed());
        }
        loop {
            match self.next() {
                Some('"') => break,
                Some('\\') if self.next().is_some_and(|c| c != '\n') => {}
                Some('\n' | '\\') | None => return Err(self.malformed()),
                Some(_) => {}
            }
        }
        if self.next() == Some(']') { Ok(()) } else { Err(self.malformed()) }
    }

    fn setting(&mut self, section: String, first: char) -> Result<Setting> {
        let mut key = String::from(first.to_ascii_lowercase());
        while let Some(&c) = self.rest.peek() {
            if !c.is_ascii_alphanumeric() && c != '-' {
                break;
            }
            key.push(c.to_ascii_lowercase());
            self.next();
        }
        while self.rest.peek().is_some_and(|c| matches!(c, ' ' | '\t')) {
            self.next();
        }
        let value = match self.next() {
            None | Some('\n') => None,
            Some('#' | ';') => {
                self.skip_line();
                None
            }
            Some('=') => Some(self.value()?),
            Some(_) => return Err(self.malformed()),
        };
        Ok(Setting { section, key, value })
    }

    fn value(&mut self) -> Result<String> {
        let mut value = String::new();
        let mut quoted = false;
        loop {
            match self.next() {
                None | Some('\n') if quoted => return Err(self.malformed()),
                None | Some('\n') => break,
                Some('"') => quoted = !quoted,
                Some('#' | ';') if !quoted => {
                    self.skip_line();
                    break;
                }
                Some('\\') => match self.next() {
                    Some('\n') => {}
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some('b') => value.push('\u{8}'),
                    Some(c @ ('"' | '\\')) => value.push(c),
                    _ => return Err(self.malformed()),
                },
                Some(c) => value.push(c),
            }
        }
        Ok(value.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> std::result::Result<(), String> {
        scan(text).and_then(|s| vet(&s)).map_err(|e| e.to_string())
    }

    #[test]
    fn an_ordinary_config_passes() {
        let text = "[core]\n\trepositoryformatversion = 0\r\n\tbare = false ; why\n\
                    [remote \"origin\"]\n\turl = \"https://x/y#z\"\n\tfetch = +refs/*:refs/*\n\
                    [branch \"a\\\"b\"] merge = x\n[user]name=\\\nme\n[alias]\n st\n";
        let settings = scan(text).unwrap();
        assert_eq!(settings.len(), 7);
        assert_eq!(settings[2].value.as_deref(), Some("https://x/y#z"));
        assert_eq!(settings[5].value.as_deref(), Some("me"));
        assert_eq!(settings[6].value, None);
        assert_eq!(verdict(text), Ok(()));
    }

    #[test]
    fn directives_that_reach_outside_are_found_in_any_spelling() {
        for bad in [
            "[include]\npath=/etc/passwd",
            "[core]bare=false\n[InClUdE] path = x",
            "[core][include]path=x",
            "[includeIf \"gitdir:/x\"]\npath=y",
            "[include.x]\npath=y",
            "\u{feff}[core]\nworktree=/",
            "[core]\n a = b \\\n\n WorkTree = /x",
            "[extensions]\nobjectformat=sha256",
            "[extensions]\npartialClone = origin",
            "[extensions]\nrefStorage = reftable",
            "[extensions]\nwhatever = 1",
            "[remote \"x\"]\npromisor",
            "[remote \"x\"]\npartialclonefilter = blob:none",
            "[core]\nrepositoryformatversion = 2",
            "garbage",
            "key = value",
            "[core\nbare = false",
            "[core]\nx = \"open",
            "[core]\nx = \\q",
            "[\"x\"]\na=b",
        ] {
            assert!(verdict(bad).is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]a-z.\"\\\\=#; \r\n\t\u{feff}ä-]{0,60}") {
            let _ = scan(&text).and_then(|found| vet(&found));
        }
    }
}
