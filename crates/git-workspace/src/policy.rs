//! Which paths and contents a change may touch.
//!
//! Judged is the resulting tree, never the text of a patch. A path must mean the same file
//! on every system that may ever check the tree out: Linux, macOS (HFS+ and APFS) and
//! Windows (NTFS).

/// Longest path, in bytes.
pub(crate) const MAX_PATH_BYTES: usize = 4096;
/// Longest component of a path, in bytes.
const MAX_COMPONENT_BYTES: usize = 255;
/// Deepest path that a change may touch.
const MAX_COMPONENTS: usize = 60;
/// Files one change may touch.
pub const MAX_PATCH_FILES: usize = 200;
/// Largest file that a change may produce or edit, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// Largest diff and largest patch text, in bytes.
pub const MAX_DIFF_BYTES: usize = 4 << 20;
/// Most lines added and removed by one change.
pub const MAX_CHANGED_LINES: usize = 4_000;

/// Like git: a NUL byte near the start.
pub(crate) fn is_binary(content: &[u8]) -> bool {
    content.iter().take(8 << 10).any(|b| *b == 0)
}

/// The rule that a path breaks, if any.
pub(crate) fn check_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("the path is empty");
    }
    if path.len() > MAX_PATH_BYTES {
        return Err("the path is too long");
    }
    if path.starts_with('/') {
        return Err("the path is absolute");
    }
    if path.split('/').count() > MAX_COMPONENTS {
        return Err("the path is too deep");
    }
    path.split('/').try_for_each(check_component)
}

fn check_component(name: &str) -> Result<(), &'static str> {
    match name {
        "" => return Err("the path has an empty component"),
        "." | ".." => return Err("the path has a dot component"),
        _ => {}
    }
    if name.len() > MAX_COMPONENT_BYTES {
        return Err("a component of the path is too long");
    }
    if is_git_dir(name) {
        return Err("the path enters a .git folder");
    }
    if name.chars().any(char::is_control) {
        return Err("the path has a control character");
    }
    if name.chars().any(is_invisible) {
        return Err("the path has an invisible character");
    }
    if name.contains('\\') {
        return Err("the path has a backslash");
    }
    if name.contains(':') {
        return Err("the path has a colon");
    }
    if name.ends_with(['.', ' ']) {
        return Err("a component of the path ends in a dot or a blank");
    }
    Ok(())
}

/// Names that some file system takes for `.git`: other case, ignored code points (HFS+),
/// trailing dots, blanks and streams, short names (NTFS).
fn is_git_dir(name: &str) -> bool {
    let folded = fold(name);
    let stem = folded.split(':').next().unwrap_or_default();
    let stem = stem.trim_end_matches(['.', ' ']);
    let short = stem
        .strip_prefix("git~")
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    stem == ".git" || short
}

/// Equal for names that a case-insensitive file system holds for the same.
pub(crate) fn fold(name: &str) -> String {
    // Both ways, because some letters have an upper case only in common (ı and i, ſ and s).
    let visible = name.chars().filter(|c| !is_invisible(*c));
    visible.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Code points that HFS+ ignores, and those that reorder the text around them.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A name of an existing tree that can be shown and written out safely.
pub(crate) fn is_listable(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= MAX_COMPONENT_BYTES
        && !name.contains('/')
        && !name.chars().any(char::is_control)
        && !is_git_dir(name)
}

/// Whether a human must always look at a change of this path: it steers CI, git, editors
/// or coding agents, or it usually holds secrets.
pub fn is_protected(path: &str) -> bool {
    const FOLDERS: [&str; 23] = [
        ".github",
        ".gitlab",
        ".gitea",
        ".forgejo",
        ".circleci",
        ".buildkite",
        ".woodpecker",
        ".teamcity",
        ".ci",
        ".husky",
        ".githooks",
        ".devcontainer",
        ".vscode",
        ".idea",
        ".codex",
        ".continue",
        ".claude",
        ".cursor",
        ".windsurf",
        ".gemini",
        ".roo",
        ".agents",
        ".clinerules",
    ];
    const FILES: [&str; 27] = [
        "jenkinsfile",
        "azure-pipelines.yml",
        "azure-pipelines.yaml",
        ".gitlab-ci.yml",
        ".gitlab-ci.yaml",
        ".travis.yml",
        ".drone.yml",
        ".woodpecker.yml",
        ".cirrus.yml",
        "appveyor.yml",
        ".appveyor.yml",
        "bitbucket-pipelines.yml",
        "cloudbuild.yaml",
        ".pre-commit-config.yaml",
        ".gitattributes",
        ".gitmodules",
        ".gitconfig",
        "codeowners",
        "agents.md",
        "agents.override.md",
        "claude.md",
        "claude.local.md",
        "gemini.md",
        "copilot-instructions.md",
        ".cursorrules",
        ".windsurfrules",
        ".mcp.json",
    ];
    const PREFIXES: [&str; 5] = [".env", ".aider", ".codex", ".continue", ".claude"];
    let folded: Vec<String> = path.split('/').map(fold).collect();
    let Some((file, folders)) = folded.split_last() else { return false };
    folders.iter().any(|f| FOLDERS.contains(&f.as_str()))
        || FILES.contains(&file.as_str())
        || FOLDERS.contains(&file.as_str())
        || folded.iter().any(|name| PREFIXES.iter().any(|p| name.starts_with(p)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_mean_something_else_somewhere_are_refused() {
        let long_name = "n".repeat(256);
        let long_path = "d/".repeat(2048) + "f";
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a/./b",
            "a//b",
            "a/",
            ".git/config",
            "a/.git",
            ".GIT/config",
            ".gIt",
            ".g\u{200c}it/config",
            "\u{feff}.git/x",
            ".git./x",
            ".git /x",
            ".git::$INDEX_ALLOCATION/x",
            ".git:x",
            "git~1/config",
            "GIT~1",
            "git~12",
            "a:b",
            "a\\b",
            "..\\x",
            "a\nb",
            "a\0b",
            "a\u{7f}",
            "a\u{9b}b",
            "x.",
            "x ",
            "dir /x",
            "a\u{202e}b",
            &long_name,
            &long_path,
        ] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ordinary_paths_pass() {
        for good in [
            "a",
            "src/main.rs",
            ".gitignore",
            ".github/x",
            "git~x",
            "a b/c d",
            "ä/ö",
            "...x",
            "git",
        ] {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn protected_paths_are_found_in_any_case_and_depth() {
        for path in [
            ".github/workflows/x.yml",
            ".GitHub/x",
            "sub/.gitattributes",
            ".gitmodules",
            ".env",
            "app/.env.production",
            "AGENTS.md",
            "docs/Claude.md",
            ".cursorrules",
            ".aider.conf.yml",
            ".codex/config.toml",
            ".continue/config.json",
            ".claude/settings.json",
            ".cursor/rules/a.mdc",
            "CODEOWNERS",
            "docs/CODEOWNERS",
            "Jenkinsfile",
            "azure-pipelines.yml",
            ".gitlab-ci.yml",
            ".circleci/config.yml",
        ] {
            assert!(is_protected(path), "{path}");
        }
        for path in ["src/main.rs", "github/x", "environment.md", "README.md", ".gitignore"] {
            assert!(!is_protected(path), "{path}");
        }
    }
}
