//! The change that the demo applies: the reader's own, or one line added to a text.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use git2::{ObjectType, Repository, TreeWalkMode, TreeWalkResult};

use super::repository::Source;

/// Longer files are passed over: a README or a source file with comments is shorter.
const MAX_BYTES: usize = 512 * 1024;
/// Files looked at before giving up.
const MAX_FILES: usize = 20_000;
/// Lines shown around the added one.
const CONTEXT: usize = 3;

/// A unified diff and what to call it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub diff: String,
    /// One line for people.
    pub about: String,
    /// The first file it changes, if that can be told.
    pub path: Option<String>,
    /// The demo made it: git must write the commit's difference in the very same words.
    pub is_ours: bool,
}

/// The reader's diff.
pub(super) fn read(file: &Path) -> anyhow::Result<Change> {
    let diff = std::fs::read_to_string(file)
        .with_context(|| format!("--patch {}: cannot be read as UTF-8", file.display()))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let about = name.unwrap_or_else(|| "the given patch".into());
    let path = diff.lines().find_map(|line| line.strip_prefix("+++ b/")).map(ToOwned::to_owned);
    Ok(Change { diff, about, path, is_ours: false })
}

/// How a line becomes a remark that changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Remark {
    before: &'static str,
    after: &'static str,
    /// Only in files that have a comment of this kind already.
    needs_comment: bool,
}

const TEXT: &str = "Checked with the elohim demo.";

/// One line added to a README, else to another document, else to a comment.
pub(super) fn choose(source: &Source) -> Result<Change, String> {
    let repository = source.repository()?;
    let mut candidates = candidates(&repository).map_err(|error| error.message().to_owned())?;
    candidates.sort();
    for (_, path, id) in candidates {
        let Ok(blob) = repository.find_blob(id) else { continue };
        let Some(remark) = remark_for(&path) else { continue };
        if let Some(diff) = text_of(blob.content()).and_then(|text| added(&path, text, remark)) {
            let about = format!("one line in {path}");
            return Ok(Change { diff, about, path: Some(path), is_ours: true });
        }
    }
    Err("no README and no commented source file to add a line to: give --patch FILE".into())
}

/// Rank, path and blob of each file that might do.
fn candidates(repository: &Repository) -> Result<Vec<(usize, String, git2::Oid)>, git2::Error> {
    let tree = repository.head()?.peel_to_tree()?;
    let mut found = Vec::new();
    let mut seen = 0;
    tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        seen += 1;
        if seen > MAX_FILES {
            return TreeWalkResult::Abort;
        }
        let is_file = entry.kind() == Some(ObjectType::Blob) && entry.filemode() != 0o120_000;
        if let (true, Ok(name)) = (is_file, entry.name()) {
            let path = format!("{folder}{name}");
            if is_plain(&path)
                && let Some(rank) = rank(&path)
            {
                found.push((rank, path, entry.id()));
            }
        }
        TreeWalkResult::Ok
    })
    .or_else(|error| if seen > MAX_FILES { Ok(()) } else { Err(error) })?;
    Ok(found)
}

/// A name that needs no quoting in a diff, outside folders that tools act on.
fn is_plain(path: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '+');
    path.chars().all(is_plain) && !path.starts_with('.') && !path.contains("/.")
}

/// Lower is better; ties go to the shorter way down and then by name.
fn rank(path: &str) -> Option<usize> {
    let name = path.rsplit('/').next()?.to_ascii_lowercase();
    let depth = path.matches('/').count();
    let kind = match remark_for(path)? {
        _ if name.starts_with("readme") => 0,
        Remark { needs_comment: false, .. } => 1,
        Remark { .. } => 2,
    };
    Some(kind * 100 + depth.min(99))
}

fn remark_for(path: &str) -> Option<Remark> {
    let name = path.rsplit('/').next()?.to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let plain = |before, after| Some(Remark { before, after, needs_comment: false });
    let comment = |before| Some(Remark { before, after: "", needs_comment: true });
    match extension {
        "md" | "markdown" => plain("<!-- ", " -->"),
        "rst" => plain(".. ", ""),
        "adoc" => plain("// ", ""),
        "txt" if name.starts_with("readme") => plain("", ""),
        "" if name == "readme" => plain("", ""),
        "rs" | "c" | "h" | "cc" | "cpp" | "hpp" | "go" | "java" | "js" | "ts" | "kt" | "swift"
        | "scala" | "cs" | "php" => comment("// "),
        "py" | "rb" | "sh" | "pl" | "r" | "ex" | "exs" | "jl" => comment("# "),
        "lua" | "hs" | "sql" => comment("-- "),
        "el" | "clj" | "lisp" | "scm" => comment(";; "),
        _ => None,
    }
}

fn text_of(bytes: &[u8]) -> Option<&str> {
    let is_text = !bytes.is_empty() && bytes.len() <= MAX_BYTES && !bytes.contains(&0);
    if is_text { std::str::from_utf8(bytes).ok() } else { None }
}

/// The diff that adds the remark; `None` where the file has no place for it.
fn added(path: &str, text: &str, remark: Remark) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let ends_with_break = text.ends_with('\n');
    let at = if remark.needs_comment {
        // After a comment that stands on its own, so that nothing but comments is touched.
        1 + lines.iter().position(|line| line.starts_with(remark.before) && line.ends_with('\n'))?
    } else if ends_with_break {
        lines.len()
    } else {
        // In front of a last line that does not end, so that it stays as it is.
        lines.len().checked_sub(1)?
    };
    let line_end = if lines.first()?.ends_with("\r\n") { "\r\n" } else { "\n" };
    let first = at.saturating_sub(CONTEXT);
    let last = (at + CONTEXT).min(lines.len());
    let (before, after) = (lines.get(first..at)?, lines.get(at..last)?);

    let old_count = last - first;
    let old_start = if old_count == 0 { 0 } else { first + 1 };
    let mut diff = format!("diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n");
    let _ = writeln!(diff, "@@ -{old_start},{old_count} +{},{} @@", first + 1, old_count + 1);
    for line in before {
        push(&mut diff, ' ', line);
    }
    let _ = write!(diff, "+{}{TEXT}{}{line_end}", remark.before, remark.after);
    for line in after {
        push(&mut diff, ' ', line);
    }
    Some(diff)
}

fn push(diff: &mut String, mark: char, line: &str) {
    diff.push(mark);
    diff.push_str(line);
    if !line.ends_with('\n') {
        diff.push_str("\n\\ No newline at end of file\n");
    }
}

#[cfg(test)]
mod tests {
    use git2::Diff;

    use super::super::repository::tests::made;
    use super::*;

    /// What git makes of the diff: the file's new text.
    fn applied(files: &[(&str, &str)]) -> (String, String) {
        let (_folder, path) = made(files);
        let source = Source::open(&path).unwrap();
        let change = choose(&source).unwrap();
        let repository = source.repository().unwrap();
        let tree = repository.head().unwrap().peel_to_tree().unwrap();
        let diff = Diff::from_buffer(change.diff.as_bytes()).unwrap();
        let index = repository.apply_to_tree(&tree, &diff, None).unwrap();
        let path = change.path.unwrap();
        let entry = index.get_path(Path::new(&path), 0).unwrap();
        let text = repository.find_blob(entry.id).unwrap().content().to_vec();
        (path, String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_readme_comes_first_and_every_ending_is_kept() {
        let remark = "<!-- Checked with the elohim demo. -->";
        for (text, expected) in [
            ("# T\n", format!("# T\n{remark}\n")),
            ("# T\r\n\r\nx\r\n", format!("# T\r\n\r\nx\r\n{remark}\r\n")),
            ("# T", format!("{remark}\n# T")),
            ("# T\n\nlast", format!("# T\n\n{remark}\nlast")),
            ("1\n2\n3\n4\n5\n6\n7\n", format!("1\n2\n3\n4\n5\n6\n7\n{remark}\n")),
        ] {
            let files = [("docs/a.md", "x\n"), ("README.md", text), ("a.rs", "// c\n")];
            assert_eq!(applied(&files), ("README.md".into(), expected), "{text:?}");
        }
    }

    #[test]
    fn without_documents_a_comment_gets_a_second_line() {
        let source = "fn a() {}\n// Adds.\nfn b() {}\n";
        let expected = "fn a() {}\n// Adds.\n// Checked with the elohim demo.\nfn b() {}\n";
        assert_eq!(applied(&[("src/a.rs", source)]), ("src/a.rs".into(), expected.into()));
    }

    #[test]
    fn a_repository_without_texts_asks_for_a_patch() {
        let (_folder, path) =
            made(&[("data.bin", "\0"), ("a.rs", "fn a() {}\n"), (".github/README.md", "x\n")]);
        let source = Source::open(&path).unwrap();
        assert!(choose(&source).unwrap_err().contains("--patch"));
    }
}
