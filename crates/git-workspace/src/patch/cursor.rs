//! The lines of a patch text, with their numbers.

use agent_core::port::workspace::WorkspaceError;

use crate::error::does_not_apply;

/// Walks over lines without their `\n`.
pub(crate) struct Cursor<'a> {
    lines: std::iter::Peekable<std::iter::Enumerate<std::str::Split<'a, char>>>,
    line: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let mut lines = text.split('\n').enumerate().peekable();
        if text.is_empty() {
            lines.next();
        }
        Self { lines, line: 0 }
    }

    pub(crate) fn peek(&mut self) -> Option<&'a str> {
        self.lines.peek().map(|(_, line)| *line)
    }

    pub(crate) fn next(&mut self) -> Option<&'a str> {
        let (index, line) = self.lines.next()?;
        self.line = index + 1;
        Some(line)
    }

    /// Takes the next line if it starts with `prefix`, and returns what follows, without the
    /// carriage return a header may end in.
    pub(crate) fn take(&mut self, prefix: &str) -> Option<&'a str> {
        let rest = self.peek()?.strip_prefix(prefix)?;
        self.next();
        Some(rest.strip_suffix('\r').unwrap_or(rest))
    }

    /// Number of the line taken last, from 1.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// Number of the next line, from 1.
    pub(crate) fn next_line(&mut self) -> usize {
        self.lines.peek().map_or(self.line + 1, |(index, _)| index + 1)
    }

    /// An error at the line taken last.
    pub(crate) fn malformed(&self, what: &str) -> WorkspaceError {
        does_not_apply(format!("line {}: {what}", self.line))
    }

    /// An error at the next line.
    pub(crate) fn malformed_next(&mut self, what: &str) -> WorkspaceError {
        does_not_apply(format!("line {}: {what}", self.next_line()))
    }
}
