//! Cuts files that must not be shown out of a unified diff.

use super::kind::{is_generated, is_secret_file, is_vendored};

/// The diff without the sections of secret, vendored and generated files. A section whose
/// path cannot be read is dropped too.
pub(super) fn without_hidden_files(diff: &str) -> String {
    let mut out = String::with_capacity(diff.len());
    let mut section = String::new();
    for line in diff.split_inclusive('\n') {
        if starts_section(line, &section) {
            push_shown(&mut out, &section);
            section.clear();
        }
        section.push_str(line);
    }
    push_shown(&mut out, &section);
    out
}

/// A git header, or the `---` of a diff without git headers.
fn starts_section(line: &str, section: &str) -> bool {
    line.starts_with("diff --git ")
        || (line.starts_with("--- ")
            && !section.starts_with("diff --git ")
            && section.contains("\n@@"))
}

fn push_shown(out: &mut String, section: &str) {
    if section.is_empty() {
        return;
    }
    let paths = header_paths(section);
    let hidden = |p: &String| is_secret_file(p) || is_vendored(p) || is_generated(p);
    if !paths.is_empty() && !paths.iter().any(hidden) {
        out.push_str(section);
    }
}

/// Every path a section's header names.
fn header_paths(section: &str) -> Vec<String> {
    let mut out = Vec::new();
    for line in section.lines().take_while(|line| !line.starts_with("@@")) {
        let plain = ["rename from ", "rename to ", "copy from ", "copy to "];
        if let Some(path) = plain.iter().find_map(|p| line.strip_prefix(p)) {
            out.push(unquoted(path));
        } else if let Some(path) = line.strip_prefix("--- ").or_else(|| line.strip_prefix("+++ ")) {
            out.push(unprefixed(path));
        } else if let Some(both) = line.strip_prefix("diff --git ") {
            out.extend(both_names(both));
        }
    }
    out.retain(|path| path != "/dev/null");
    out
}

/// `a/x b/x`, possibly quoted, possibly with spaces inside: both ends are enough, because
/// what decides is the file name at the end of each.
fn both_names(both: &str) -> Vec<String> {
    let split = both.find(" b/").or_else(|| both.find(" \"b/"));
    match split {
        Some(at) => {
            let (a, b) = both.split_at(at);
            vec![unprefixed(a), unprefixed(b.trim_start())]
        }
        None => vec![unprefixed(both)],
    }
}

fn unprefixed(path: &str) -> String {
    let path = unquoted(path);
    let path = path.split('\t').next().unwrap_or_default();
    let bare = path.strip_prefix("a/").or_else(|| path.strip_prefix("b/")).unwrap_or(path);
    bare.to_owned()
}

fn unquoted(path: &str) -> String {
    path.trim_end_matches(['\r', '\n']).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_secret_files_are_dropped() {
        let diff = "diff --git a/.env b/.env\n--- a/.env\n+++ b/.env\n@@ -1 +1 @@\n-A=1\n+A=2\n\
                    diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-x\n+y\n\
                    diff --git a/k/old.txt b/k/id_rsa\nrename from k/old.txt\nrename to k/id_rsa\n";
        let shown = without_hidden_files(diff);
        assert!(shown.starts_with("diff --git a/src/a.rs") && shown.ends_with("+y\n"));
        assert!(!shown.contains(".env") && !shown.contains("id_rsa"));
    }

    #[test]
    fn quoted_names_and_plain_diffs_are_understood() {
        let quoted =
            "diff --git \"a/t\\303\\266/.env\" \"b/t\\303\\266/.env\"\nnew file mode 100644\n";
        assert_eq!(without_hidden_files(quoted), "");
        let plain = "--- a/x.rs\n+++ b/x.rs\n@@ -1 +1 @@\n-a\n+b\n--- a/server.pem\n+++ b/server.pem\n@@ -1 +1 @@\n-a\n+b\n";
        assert!(!without_hidden_files(plain).contains("pem"));
        assert!(without_hidden_files(plain).contains("x.rs"));
        assert_eq!(without_hidden_files("what is this\n"), "");
        assert_eq!(without_hidden_files(""), "");
    }
}
