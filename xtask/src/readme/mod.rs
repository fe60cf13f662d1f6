//! Runs the commands that README.md shows.
//!
//! **Invariant:** what a reader copies is what runs: blocks are taken from the file as
//! they stand, in order, in one shell that stops at the first failure.

mod blocks;

use std::fmt::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{exit_code, workspace};
use blocks::{Block, Marker};

const FILE: &str = "README.md";
const USAGE: &str = "\
usage: cargo xtask readme [--print] [all | rest | MARKER] [--set WORD=VALUE]…

Runs the sh and console blocks of README.md: all of them, those below `<!-- ci: MARKER -->`,
or those without a marker (rest). A block below `<!-- ci: skip REASON -->` is never run.
--set replaces a placeholder that a reader would replace, such as PATH in `--repo PATH`.";

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    is_print: bool,
    selection: Option<String>,
    replacements: Vec<(String, String)>,
}

/// `cargo xtask readme …`; the exit code is the shell's.
pub(crate) fn run(words: &[String]) -> Result<u8> {
    let request = parse(words)?;
    let text = std::fs::read_to_string(workspace::root().join(FILE))
        .with_context(|| format!("cannot read {FILE}"))?;
    let script = script(&text, &request)?;
    if request.is_print {
        print!("{script}");
        return Ok(0);
    }
    execute(&script)
}

fn parse(words: &[String]) -> Result<Request> {
    let mut request = Request::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--print" => request.is_print = true,
            "--set" => {
                let pair = words.next().and_then(|pair| pair.split_once('='));
                let (placeholder, value) = pair.context(USAGE)?;
                request.replacements.push((placeholder.to_owned(), value.to_owned()));
            }
            name if !name.starts_with('-') && request.selection.is_none() => {
                request.selection = Some(name.to_owned());
            }
            _ => bail!(USAGE),
        }
    }
    Ok(request)
}

/// The selected blocks as one bash script that announces each block by its line.
fn script(text: &str, request: &Request) -> Result<String> {
    let selection = request.selection.as_deref().unwrap_or("all");
    let is_selected = |block: &Block| match (&block.marker, selection) {
        (Marker::Skip(_), _) => false,
        (_, "all") => true,
        (Marker::None, "rest") => true,
        (Marker::Named(name), wanted) => name == wanted,
        (Marker::None, _) => false,
    };
    let blocks = blocks::parse(text)?;
    let selected: Vec<&Block> = blocks.iter().filter(|block| is_selected(block)).collect();
    if selected.is_empty() && selection != "rest" {
        bail!("{FILE} has no runnable block for {selection:?}");
    }
    let mut script = String::new();
    for block in selected {
        let _ = writeln!(script, "printf '%s\\n' '--- {FILE} line {}' >&2", block.line);
        script += &block.commands;
    }
    for (placeholder, value) in &request.replacements {
        script = blocks::replace_word(&script, placeholder, &quoted(value));
    }
    Ok(script)
}

/// Runs the script in a process group of its own, which is ended with the script: a
/// server that a block leaves in the background does not outlive it.
fn execute(script: &str) -> Result<u8> {
    let mut command = Command::new("bash");
    workspace::clear_cargo_variables(&mut command);
    let mut shell = command
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start bash")?;
    let status = shell.wait()?;
    let group = format!("-{}", shell.id());
    // Fails when nothing is left in the group, which is the usual case.
    let _ = Command::new("kill")
        .args(["-TERM", "--", &group])
        .stderr(Stdio::null())
        .status()
        .context("cannot start kill")?;
    Ok(exit_code(status))
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "\
# Name
<!-- ci: demo -->

```sh
run --repo PATH
```
```sh
echo rest
```
<!-- ci: skip needs a cluster -->
```sh
false
```
";

    fn request(words: &[&str]) -> Request {
        parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_marker_selects_its_blocks_and_placeholders_are_quoted() {
        let request = request(&["demo", "--set", "PATH=/tmp/it's"]);
        let expected = "printf '%s\\n' '--- README.md line 4' >&2\nrun --repo '/tmp/it'\\''s'\n";
        assert_eq!(script(README, &request).unwrap(), expected);
    }

    #[test]
    fn all_is_everything_but_the_skipped_and_rest_the_unmarked() {
        let all = script(README, &request(&[])).unwrap();
        assert!(all.contains("run --repo") && all.contains("echo rest"));
        assert!(!all.contains("false"));
        let rest = script(README, &request(&["rest"])).unwrap();
        assert_eq!(rest, "printf '%s\\n' '--- README.md line 7' >&2\necho rest\n");
    }

    #[test]
    fn an_unknown_marker_or_a_lone_option_is_an_error() {
        assert!(script(README, &request(&["tset"])).is_err());
        assert!(parse(&["--set".to_owned()]).is_err());
    }

    #[test]
    fn a_failing_line_fails_and_the_background_ends() {
        assert_eq!(execute("false\ntrue\n").unwrap(), 1);
        assert_eq!(execute("false | true\n").unwrap(), 1);
        let began = std::time::Instant::now();
        assert_eq!(execute("sleep 60 &\n").unwrap(), 0);
        assert!(began.elapsed().as_secs() < 30);
    }
}
