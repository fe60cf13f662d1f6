//! SEARCH/REPLACE edits of one file.

use crate::error::{Result, does_not_apply};

/// Replaces the only occurrence of `search`.
pub(crate) fn replace_once(path: &str, content: &str, search: &str, by: &str) -> Result<String> {
    let fails = |what: &str| does_not_apply(format!("{path}: the SEARCH block {what}"));
    let start = content.find(search).ok_or_else(|| fails("does not occur in the file"))?;
    // Occurrences may overlap, so the second look begins one character later.
    let width = search.chars().next().map_or(0, char::len_utf8);
    let rest = content.get(start + width..).unwrap_or_default();
    if width == 0 || rest.contains(search) {
        return Err(fails("occurs more than once in the file"));
    }
    let (before, rest) = content.split_at(start);
    let after = rest.strip_prefix(search).unwrap_or_default();
    Ok([before, by, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_occurrence_is_replaced() {
        assert_eq!(replace_once("p", "one two", "two", "2").unwrap(), "one 2");
        assert_eq!(replace_once("p", "äb", "ä", "").unwrap(), "b");
        for (content, search) in [("aaa", "aa"), ("x x", "x"), ("x", "y"), ("", "a"), ("x", "")] {
            assert!(replace_once("p", content, search, "z").is_err(), "{content} {search}");
        }
    }
}
