//! Links between the pages of the project lead somewhere.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use super::Findings;
use crate::workspace;

/// Checks the relative links of every Markdown page: the target is part of a fresh clone,
/// and an anchor names a heading of the page it points into.
pub(super) fn check(files: &[String], findings: &mut Findings) -> Result<()> {
    let known: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    for page in files.iter().filter(|file| is_page(file)) {
        for link in links(&read(page)?) {
            if let Some(complaint) = complaint(page, &link, &known)? {
                findings.problem(complaint);
            }
        }
    }
    Ok(())
}

fn complaint(page: &str, link: &str, known: &BTreeSet<&str>) -> Result<Option<String>> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let Some(target) = resolve(page, path) else {
        return Ok(Some(format!("{page} links to {link}, which is outside the project")));
    };
    let is_folder = known
        .iter()
        .any(|file| file.strip_prefix(target.as_str()).is_some_and(|rest| rest.starts_with('/')));
    if !known.contains(target.as_str()) && !is_folder && !target.is_empty() {
        return Ok(Some(format!("{page} links to {link}, which does not exist")));
    }
    if anchor.is_empty() || !is_page(&target) || headings(&read(&target)?).contains(anchor) {
        return Ok(None);
    }
    Ok(Some(format!("{page} links to {link}, but {target} has no such heading")))
}

fn read(page: &str) -> Result<String> {
    fs::read_to_string(workspace::root().join(page)).with_context(|| format!("cannot read {page}"))
}

fn is_page(file: &str) -> bool {
    std::path::Path::new(file).extension().is_some_and(|ending| ending == "md")
}

/// The target as a path from the root; `None` if it leaves the project.
fn resolve(page: &str, path: &str) -> Option<String> {
    if path.is_empty() {
        return Some(page.to_owned());
    }
    let mut parts: Vec<&str> = match path.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => {
            page.rsplit_once('/').map_or_else(Vec::new, |(folder, _)| folder.split('/').collect())
        }
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Lines that are not inside a fenced code block.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The relative targets of `[text](target)` and `[name]: target`.
fn links(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(text) {
        let line = without_code_spans(line);
        for rest in line.split("](").skip(1) {
            let end = rest.find([')', ' ']).unwrap_or(rest.len());
            targets.push(rest[..end].to_owned());
        }
        if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            targets.extend(target.split_whitespace().next().map(str::to_owned));
        }
    }
    targets.retain(|target| !target.contains("://") && !target.starts_with("mailto:"));
    targets
}

/// Text between backticks is not Markdown.
fn without_code_spans(line: &str) -> String {
    if !line.matches('`').count().is_multiple_of(2) {
        return line.to_owned();
    }
    line.split('`').step_by(2).collect()
}

/// The anchors that renderers give to the headings of a page.
fn headings(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in prose(text).filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let anchor: String = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut numbered = anchor.clone();
        let mut copies = 0;
        while !anchors.insert(numbered) {
            copies += 1;
            numbered = format!("{anchor}-{copies}");
        }
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_prose_only() {
        let text = "[a](b.md) and [c](https://x.y/z) `[d](e)`\n```\n[f](g)\n```\n[h]: i.md \"t\"\n[j](k.md \"t\")\n";
        assert_eq!(links(text), ["b.md", "i.md", "k.md"]);
    }

    #[test]
    fn targets_are_resolved_from_the_page() {
        assert_eq!(resolve("docs/adr/a.md", "../ci.md").as_deref(), Some("docs/ci.md"));
        assert_eq!(resolve("README.md", "docs/./ci.md").as_deref(), Some("docs/ci.md"));
        assert_eq!(resolve("docs/a.md", "/LICENSE").as_deref(), Some("LICENSE"));
        assert_eq!(resolve("docs/a.md", "../../x"), None);
        assert_eq!(resolve("docs/a.md", "").as_deref(), Some("docs/a.md"));
    }

    #[test]
    fn headings_become_anchors() {
        let anchors = headings("# A `b`, c!\n## Two\n## Two\n```\n# no\n```\n");
        let expected = ["a-b-c", "two", "two-1"];
        assert_eq!(anchors.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_missing_file_is_named_and_a_folder_is_a_target() {
        let known = BTreeSet::from(["docs/ci.md", "proto/x.proto"]);
        assert_eq!(complaint("docs/ci.md", "../proto", &known).unwrap(), None);
        assert_eq!(
            complaint("docs/ci.md", "gone.md", &known).unwrap().unwrap(),
            "docs/ci.md links to gone.md, which does not exist"
        );
    }
}
