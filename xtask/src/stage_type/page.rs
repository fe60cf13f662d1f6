//! Reads diffs and the test out of a Markdown page.

use anyhow::{Context, Result, bail};

/// What a page asks to be done.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) patches: Vec<Patch>,
    pub(super) test: Test,
}

/// A block ```` ```diff ````.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Patch {
    /// Line of the opening fence, from 1.
    pub(super) line: usize,
    pub(super) text: String,
}

/// A block ```` ```rust tests/NAME/main.rs ````.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Test {
    /// Line of the opening fence, from 1.
    pub(super) line: usize,
    pub(super) path: String,
    /// Its binary's.
    pub(super) name: String,
    pub(super) text: String,
}

/// Blocks of other languages, and Rust without a path, are only looked at by readers.
pub(super) fn parse(text: &str) -> Result<Page> {
    let (mut patches, mut tests) = (Vec::new(), Vec::new());
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(fence) = line.strip_prefix("```") else { continue };
        let (line, mut block, mut is_closed) = (index + 1, String::new(), false);
        for (_, within) in lines.by_ref() {
            is_closed = within.trim_end() == "```";
            if is_closed {
                break;
            }
            block.push_str(within);
            block.push('\n');
        }
        if !is_closed {
            bail!("the code block at line {line} has no end");
        }
        match fence.trim().split_once(' ').unwrap_or((fence.trim(), "")) {
            ("diff", _) => patches.push(Patch { line, text: block }),
            ("rust", path) if !path.is_empty() => {
                let name =
                    path.strip_prefix("tests/").and_then(|path| path.strip_suffix("/main.rs"));
                let name = name.filter(|name| name.bytes().all(|b| b.is_ascii_lowercase()));
                let name = name.with_context(|| format!("line {line}: not tests/NAME/main.rs"))?;
                tests.push(Test {
                    line,
                    path: path.to_owned(),
                    name: name.to_owned(),
                    text: block,
                });
            }
            _ => {}
        }
    }
    let number = tests.len();
    match (tests.pop(), number) {
        (Some(only), 1) if !patches.is_empty() => Ok(Page { patches, test: only }),
        (_, number) => bail!("{} diffs and {number} tests: want some and one", patches.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: &str = "```rust tests/notice/main.rs\nfn main() {}\n```\n";

    #[test]
    fn diffs_and_the_one_test_are_taken() {
        let text = format!("a\n```text\nno\n```\n```diff\n a\n+b\n```\n```rust\nno\n```\n{TEST}");
        let page = parse(&text).unwrap();
        assert_eq!(page.patches, [Patch { line: 5, text: " a\n+b\n".into() }]);
        let Test { line, path, name, text } = page.test;
        assert_eq!((line, path.as_str(), name.as_str()), (12, "tests/notice/main.rs", "notice"));
        assert_eq!(text, "fn main() {}\n");
    }

    #[test]
    fn mistakes_are_errors() {
        let diff = "```diff\n+a\n```\n";
        for text in [
            "```diff\n+a\n".to_owned(),
            diff.to_owned(),
            TEST.to_owned(),
            format!("{diff}{TEST}{TEST}"),
            format!("{diff}```rust tests/../x/main.rs\n```\n"),
        ] {
            assert!(parse(&text).is_err(), "{text}");
        }
    }
}
