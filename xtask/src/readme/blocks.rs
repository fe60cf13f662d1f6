//! Reads the fenced code blocks of a Markdown page.

use anyhow::{Result, bail};

/// One block of shell commands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Line of the opening fence, from 1.
    pub(super) line: usize,
    pub(super) marker: Marker,
    /// Ends with a line break.
    pub(super) commands: String,
}

/// What the comment `<!-- ci: … -->` right above a block says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    None,
    Named(String),
    /// Not run; the text says why.
    Skip(String),
}

/// The `sh` and `console` blocks in order; other languages are only checked for an end.
pub(super) fn parse(text: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut marker = Marker::None;
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if let Some(found) = marker_in(line)? {
                marker = found;
            } else if !line.trim().is_empty() {
                marker = Marker::None;
            }
            continue;
        };
        let mut body = Vec::new();
        let mut is_closed = false;
        for (_, line) in lines.by_ref() {
            if line.trim_end() == "```" {
                is_closed = true;
                break;
            }
            body.push(line);
        }
        if !is_closed {
            bail!("the code block at line {} has no end", index + 1);
        }
        let commands = match language.trim() {
            "sh" => Some(joined(body.into_iter())),
            "console" => Some(joined(body.iter().filter_map(|line| line.strip_prefix("$ ")))),
            _ => None,
        };
        let marker = std::mem::replace(&mut marker, Marker::None);
        if let Some(commands) = commands {
            blocks.push(Block { line: index + 1, marker, commands });
        }
    }
    Ok(blocks)
}

/// Replaces every occurrence of a placeholder that stands alone.
pub(super) fn replace_word(text: &str, word: &str, value: &str) -> String {
    // `$PATH`, `${PATH}` and `PATH=` are variables, not placeholders.
    let glues = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '{' | '}');
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(word) {
        let is_alone =
            !before.ends_with(glues) && !after.starts_with(glues) && !after.starts_with('=');
        replaced.push_str(before);
        replaced.push_str(if is_alone { value } else { word });
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

fn marker_in(line: &str) -> Result<Option<Marker>> {
    let comment = line.trim().strip_prefix("<!-- ci:").and_then(|rest| rest.strip_suffix("-->"));
    let Some(comment) = comment.map(str::trim) else { return Ok(None) };
    match comment.split_once(' ').unwrap_or((comment, "")) {
        ("", _) => bail!("a ci comment is empty: {line}"),
        ("skip", "") => bail!("a skipped block gives no reason: {line}"),
        ("skip", reason) => Ok(Some(Marker::Skip(reason.to_owned()))),
        (name, "") => Ok(Some(Marker::Named(name.to_owned()))),
        _ => bail!("a ci comment has one word, or skip and a reason: {line}"),
    }
}

fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shell_blocks_are_taken() {
        let text = "a\n```text\nno\n```\n```sh\nyes\n```\n```console\n$ typed\nprinted\n```\n";
        let commands: Vec<String> =
            parse(text).unwrap().into_iter().map(|block| block.commands).collect();
        assert_eq!(commands, ["yes\n", "typed\n"]);
    }

    #[test]
    fn a_marker_holds_for_the_next_block_unless_text_stands_between() {
        let text = "<!-- ci: test -->\n\n```sh\na\n```\n```sh\nb\n```\n<!-- ci: x -->\ntext\n```sh\nc\n```\n";
        let markers: Vec<Marker> =
            parse(text).unwrap().into_iter().map(|block| block.marker).collect();
        assert_eq!(markers, [Marker::Named("test".into()), Marker::None, Marker::None]);
    }

    #[test]
    fn mistakes_are_errors() {
        for text in ["```sh\na\n", "<!-- ci: skip -->\n", "<!-- ci: -->\n", "<!-- ci: a b -->\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn placeholders_are_whole_words_and_not_variables() {
        let text = "--repo PATH $PATH ${PATH} PATH=x MYPATH PATH/x";
        assert_eq!(
            replace_word(text, "PATH", "'/r'"),
            "--repo '/r' $PATH ${PATH} PATH=x MYPATH '/r'/x"
        );
        assert_eq!(replace_word(text, "REPO", "x"), text);
    }
}
