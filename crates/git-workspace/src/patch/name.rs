//! File names in patch headers: quotes, time stamps and prefixes.

use std::iter::Peekable;
use std::str::Bytes;

/// Prefix pairs that git writes: the default, and those of `diff.mnemonicPrefix`.
const PREFIXES: [(&str, &str); 6] =
    [("a/", "b/"), ("i/", "w/"), ("c/", "i/"), ("c/", "w/"), ("o/", "w/"), ("b/", "a/")];

/// Why a name cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadName {
    Malformed,
    NotUtf8,
}

/// The name after `--- ` or `+++ `: quoted, or up to a tab. `None` is `/dev/null`.
pub(crate) fn after_marker(text: &str) -> Result<Option<String>, BadName> {
    if text.starts_with('"') {
        let (name, rest) = unquote(text)?;
        return if rest.is_empty() || rest.starts_with('\t') {
            Ok(Some(name))
        } else {
            Err(BadName::Malformed)
        };
    }
    let name = text.split('\t').next().unwrap_or_default();
    match name {
        "" => Err(BadName::Malformed),
        "/dev/null" => Ok(None),
        name => Ok(Some(name.to_owned())),
    }
}

/// The name after `rename from ` and the like: quoted or as it is.
pub(crate) fn whole(text: &str) -> Result<String, BadName> {
    if !text.starts_with('"') {
        return if text.is_empty() { Err(BadName::Malformed) } else { Ok(text.to_owned()) };
    }
    match unquote(text)? {
        (name, "") => Ok(name),
        _ => Err(BadName::Malformed),
    }
}

/// The two names of a `diff --git` line; `None` where blanks make it ambiguous, as in a
/// rename, whose names stand in lines of their own.
pub(crate) fn git_pair(text: &str) -> Result<Option<(String, String)>, BadName> {
    if text.starts_with('"') {
        let (old, rest) = unquote(text)?;
        let rest = rest.strip_prefix(' ').ok_or(BadName::Malformed)?;
        return Ok(Some((old, whole(rest)?)));
    }
    if let Some((old, quoted)) = text.split_once(" \"") {
        return Ok(Some((old.to_owned(), whole(&format!("\"{quoted}"))?)));
    }
    // Without quotes both names have one length, because their prefixes have.
    let middle = text.len() / 2;
    let halves = text.split_at_checked(middle);
    let pair = halves.and_then(|(old, rest)| Some((old, rest.strip_prefix(' ')?)));
    let equal = pair.filter(|(old, new)| strip_pair(old, new).is_some());
    if let Some((old, new)) = equal {
        return Ok(Some((old.to_owned(), new.to_owned())));
    }
    let mut words = text.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some(old), Some(new), None) if !old.is_empty() && !new.is_empty() => {
            Ok(Some((old.to_owned(), new.to_owned())))
        }
        _ => Ok(None),
    }
}

/// The path that two names of one file mean: both with their prefix, or both without.
pub(crate) fn strip_pair(old: &str, new: &str) -> Option<String> {
    for (a, b) in PREFIXES {
        if let (Some(old), Some(new)) = (old.strip_prefix(a), new.strip_prefix(b))
            && old == new
            && !old.is_empty()
        {
            return Some(old.to_owned());
        }
    }
    (old == new && !old.is_empty()).then(|| old.to_owned())
}

/// The path that a lone name means, when the other side is `/dev/null`.
pub(crate) fn strip_lone(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).filter(|n| !n.is_empty()).unwrap_or(name).to_owned()
}

/// Whether `name` is `path`, bare or below a prefix that git writes.
pub(crate) fn means(name: &str, path: &str) -> bool {
    let prefixed = |p: &str| name.strip_prefix(p) == Some(path);
    name == path || PREFIXES.iter().any(|(a, b)| prefixed(a) || prefixed(b))
}

/// Reads a C-style quoted name and returns it with what follows the quote.
fn unquote(text: &str) -> Result<(String, &str), BadName> {
    let mut rest = text.strip_prefix('"').ok_or(BadName::Malformed)?.bytes().peekable();
    let mut name = Vec::new();
    loop {
        match rest.next().ok_or(BadName::Malformed)? {
            b'"' => break,
            b'\\' => name.push(escape(&mut rest)?),
            byte => name.push(byte),
        }
    }
    let used = text.len() - rest.len();
    let name = String::from_utf8(name).map_err(|_| BadName::NotUtf8)?;
    if name.is_empty() {
        return Err(BadName::Malformed);
    }
    Ok((name, text.get(used..).unwrap_or_default()))
}

fn escape(rest: &mut Peekable<Bytes<'_>>) -> Result<u8, BadName> {
    let first = rest.next().ok_or(BadName::Malformed)?;
    Ok(match first {
        b'a' => 7,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 11,
        b'f' => 12,
        b'r' => b'\r',
        b'"' | b'\\' => first,
        b'0'..=b'3' => {
            let mut value = first - b'0';
            for _ in 0..2 {
                let digit = rest.next().filter(|d| (b'0'..=b'7').contains(d));
                value = value * 8 + (digit.ok_or(BadName::Malformed)? - b'0');
            }
            value
        }
        _ => return Err(BadName::Malformed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_names_are_decoded_and_nothing_else_is() {
        assert_eq!(whole(r#""\303\244\"\\\n""#).unwrap(), "ä\"\\\n");
        assert_eq!(after_marker("\"b/\\141\"\t2024").unwrap().unwrap(), "b/a");
        for bad in [r#"""#, r#""""#, r#""a"#, r#""\8""#, r#""\40""#, r#""\400""#, r#""a"b"#] {
            assert_eq!(whole(bad), Err(BadName::Malformed), "{bad}");
        }
        assert_eq!(whole(r#""\377""#), Err(BadName::NotUtf8));
        assert_eq!(after_marker(""), Err(BadName::Malformed));
    }

    #[test]
    fn the_two_names_of_a_git_header_are_found_in_the_middle() {
        let pair = |text| {
            let (old, new) = git_pair(text).unwrap()?;
            strip_pair(&old, &new)
        };
        assert_eq!(pair("a/x b/x").as_deref(), Some("x"));
        assert_eq!(pair("a/x y b/x y").as_deref(), Some("x y"));
        assert_eq!(pair("x x").as_deref(), Some("x"));
        assert_eq!(pair("b/x b/x").as_deref(), Some("b/x"));
        assert_eq!(pair("i/ä w/ä").as_deref(), Some("ä"));
        assert_eq!(pair(r#""a/\303\244" "b/\303\244""#).as_deref(), Some("ä"));
        assert_eq!(pair("a/x b/y"), None);
        assert_eq!(git_pair("a/x y b/zz z"), Ok(None));
    }
}
