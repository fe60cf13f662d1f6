//! Text a caller may set.

/// Limits of one text field; all lengths are in characters.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Path in the request.
    pub field: &'static str,
    /// 0 allows an empty text.
    pub min: usize,
    /// Longest allowed.
    pub max: usize,
    /// Line breaks and tabs are allowed.
    pub multiline: bool,
}

impl Text {
    /// Checks length and control characters (NUL breaks Postgres text), and trims the ends.
    pub fn check(&self, value: &str) -> crate::Checked<String> {
        let value = value.trim();
        let length = value.chars().count();
        if length < self.min || length > self.max {
            let expected = format!("must have {} to {} characters", self.min, self.max);
            return Err(crate::InvalidArgs::new(self.field, expected));
        }
        let allowed =
            |c: char| !c.is_control() || (self.multiline && matches!(c, '\n' | '\r' | '\t'));
        if !value.chars().all(allowed) {
            return Err(crate::InvalidArgs::new(self.field, "must not contain control characters"));
        }
        Ok(value.to_owned())
    }
}

/// The first `max` characters of a text.
pub fn clip(text: &str, max: usize) -> String {
    text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end]).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters_and_controls_are_refused() {
        let title = Text { field: "title", min: 1, max: 3, multiline: false };
        assert_eq!(title.check(" äöü ").unwrap(), "äöü");
        for bad in ["", "   ", "abcd", "a\0b", "a\nb"] {
            assert!(title.check(bad).is_err(), "{bad:?}");
        }
        assert_eq!(clip("äöü", 2), "äö");
    }
}
