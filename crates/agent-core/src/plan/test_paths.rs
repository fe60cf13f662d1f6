//! Where the tests of a file are, by convention, and where a new one would go.

use std::collections::BTreeSet;

use crate::context::{FileKind, extension, file_kind, parent, stem};

/// Stems that name a folder's content rather than a thing.
const GENERIC: &[&str] = &["mod", "lib", "main", "index", "__init__"];

/// What a file is called for its users: its stem, or its folder for `mod.rs` and the like.
pub(super) fn subject(path: &str) -> &str {
    let own = bare_stem(path);
    if !GENERIC.contains(&own) {
        return own;
    }
    let folder = parent(path).rsplit('/').next().unwrap_or_default();
    if folder.is_empty() || folder == "src" { own } else { folder }
}

/// The file name up to its first dot.
fn bare_stem(path: &str) -> &str {
    let stem = stem(path);
    match stem.split_once('.') {
        Some((first, _)) if !first.is_empty() => first,
        _ => stem,
    }
}

/// Whether a test file is named after a source file.
pub(super) fn is_named_after(test: &str, source: &str) -> bool {
    let name = bare_stem(test).to_lowercase();
    let core = ["test_", "tests_"].iter().find_map(|p| name.strip_prefix(p)).unwrap_or(&name);
    let core = ["_tests", "_test", "_spec", "tests", "test", "spec"]
        .iter()
        .find_map(|s| core.strip_suffix(s).filter(|rest| !rest.is_empty()))
        .unwrap_or(core);
    core == subject(source).to_lowercase() && same_family(test, source)
}

/// Whether two files can refer to each other by language.
pub(super) fn same_family(a: &str, b: &str) -> bool {
    family(&extension(a)) == family(&extension(b))
}

fn family(ext: &str) -> &str {
    match ext {
        "ts" | "tsx" | "mts" | "cts" | "js" | "jsx" | "mjs" | "cjs" | "vue" | "svelte" => "js",
        "py" | "pyi" => "py",
        "c" | "h" | "cc" | "cpp" | "cxx" | "hpp" | "hh" | "m" | "mm" => "c",
        "java" | "kt" | "kts" | "scala" => "jvm",
        other => other,
    }
}

/// A path for a new test of `source` that follows the repository's habits and does not
/// exist yet; `None` for a language without a convention known here.
pub(super) fn new_test_path(source: &str, paths: &BTreeSet<String>) -> Option<String> {
    let ext = extension(source);
    let name = subject(source);
    let folder = parent(source);
    let candidates = match family(&ext) {
        "rs" => vec![
            format!("{}tests/{name}.rs", crate_root(folder)),
            format!("{}tests/{name}_test.rs", crate_root(folder)),
        ],
        "py" => python(source, name, paths),
        "js" => script(name, folder, &ext, paths),
        "go" => vec![join(folder, &format!("{}_test.go", bare_stem(source)))],
        "jvm" => {
            vec![join(&folder.replacen("src/main/", "src/test/", 1), &format!("{name}Test.{ext}"))]
        }
        "rb" => vec![format!("spec/{name}_spec.rb")],
        "c" => vec![format!("tests/test_{name}.{ext}")],
        _ => Vec::new(),
    };
    candidates.into_iter().find(|path| !paths.contains(path))
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Everything before the last `src` folder, with a slash at its end.
fn crate_root(folder: &str) -> String {
    let parts: Vec<&str> = folder.split('/').collect();
    match parts.iter().rposition(|part| *part == "src") {
        Some(0) | None => String::new(),
        Some(at) => format!("{}/", parts.get(..at).unwrap_or_default().join("/")),
    }
}

/// In the folder that has tests with the longest path in common, else `tests/`.
fn python(source: &str, name: &str, paths: &BTreeSet<String>) -> Vec<String> {
    let shared =
        |dir: &str| dir.split('/').zip(source.split('/')).take_while(|(a, b)| a == b).count();
    let folder = paths
        .iter()
        .filter(|path| extension(path) == "py" && bare_stem(path).starts_with("test_"))
        .map(|path| parent(path))
        .max_by_key(|dir| (shared(dir), std::cmp::Reverse(dir.len())))
        .unwrap_or("tests");
    vec![join(folder, &format!("test_{name}.py")), join(folder, &format!("test_{name}_more.py"))]
}

/// Beside the file or in `__tests__`, with `.test` or `.spec`, as the repository does.
fn script(name: &str, folder: &str, ext: &str, paths: &BTreeSet<String>) -> Vec<String> {
    let ext = if matches!(ext, "vue" | "svelte") { "ts" } else { ext };
    let tests: Vec<&String> = paths
        .iter()
        .filter(|path| file_kind(path) == FileKind::Test && family(&extension(path)) == "js")
        .collect();
    let has = |part: &str| tests.iter().filter(|path| path.contains(part)).count();
    let infix = if has(".spec.") > has(".test.") { "spec" } else { "test" };
    let file = format!("{name}.{infix}.{ext}");
    let folder_of = |dir: &str| join(folder, dir);
    if has("__tests__/") > tests.len() / 2 {
        return vec![join(&folder_of("__tests__"), &file)];
    }
    let top = tests.iter().filter(|path| path.starts_with("tests/") || path.starts_with("test/"));
    if !tests.is_empty() && top.clone().count() > tests.len() / 2 {
        let dir =
            top.clone().next().map_or("tests", |path| path.split('/').next().unwrap_or("tests"));
        return vec![join(dir, &file), join(folder, &file)];
    }
    vec![join(folder, &file)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_from_test_to_source() {
        for (test, source, expected) in [
            ("tests/cart.rs", "src/cart.rs", true),
            ("tests/test_money.py", "ledger/money.py", true),
            ("src/board.test.tsx", "src/board.ts", true),
            ("pkg/store_test.go", "pkg/store.go", true),
            ("src/test/CartTest.java", "src/main/Cart.java", true),
            ("tests/pricing.rs", "src/pricing/mod.rs", true),
            ("tests/cart.rs", "src/card.rs", false),
            ("tests/test_money.py", "src/money.ts", false),
        ] {
            assert_eq!(is_named_after(test, source), expected, "{test} {source}");
        }
    }

    #[test]
    fn new_tests_follow_the_habits_of_the_repository() {
        let paths = |list: &[&str]| list.iter().map(|p| (*p).to_owned()).collect::<BTreeSet<_>>();
        let new = |source: &str, list: &[&str]| new_test_path(source, &paths(list));
        assert_eq!(new("src/cart.rs", &[]).as_deref(), Some("tests/cart.rs"));
        assert_eq!(new("crates/a/src/x/mod.rs", &[]).as_deref(), Some("crates/a/tests/x.rs"));
        assert_eq!(
            new("app/money.py", &["app/tests/test_a.py"]).as_deref(),
            Some("app/tests/test_money.py")
        );
        assert_eq!(new("src/b.ts", &["src/a.spec.ts"]).as_deref(), Some("src/b.spec.ts"));
        assert_eq!(
            new("src/b.ts", &["src/__tests__/a.test.ts"]).as_deref(),
            Some("src/__tests__/b.test.ts")
        );
        assert_eq!(new("src/cart.rs", &["tests/cart.rs"]).as_deref(), Some("tests/cart_test.rs"));
        assert_eq!(new("notes.xyz", &[]), None);
    }
}
