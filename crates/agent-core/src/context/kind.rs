//! What a file is, told from its path alone.
//!
//! **Invariant:** a path for which [`is_secret_file`] holds is named at most; its content is
//! never read, ranked, shown or sent anywhere.

use serde::{Deserialize, Serialize};

/// What a file is for; the order is the order in which kinds are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    Source,
    Test,
    Document,
    /// Configuration, build files, data.
    Other,
}

impl FileKind {
    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Test => "test",
            Self::Document => "document",
            Self::Other => "other",
        }
    }
}

const SOURCE: &[&str] = &[
    "rs", "py", "pyi", "ts", "tsx", "mts", "cts", "js", "jsx", "mjs", "cjs", "go", "java", "kt",
    "kts", "scala", "c", "h", "cc", "cpp", "cxx", "hpp", "hh", "cs", "rb", "php", "swift", "m",
    "mm", "ex", "exs", "erl", "hs", "ml", "clj", "lua", "pl", "r", "jl", "dart", "zig", "vue",
    "svelte", "sql", "proto", "graphql", "sh", "bash", "html", "css", "scss",
];

const DOCUMENT: &[&str] = &["md", "mdx", "rst", "adoc", "txt", "org", "tex"];

const DOCUMENT_NAMES: &[&str] =
    &["readme", "changelog", "changes", "contributing", "license", "authors", "notice", "security"];

const BINARY: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "webp", "ico", "bmp", "tiff", "pdf", "zip", "gz", "tgz", "xz",
    "bz2", "zst", "7z", "rar", "jar", "war", "class", "so", "dll", "dylib", "a", "o", "obj", "exe",
    "bin", "wasm", "woff", "woff2", "ttf", "otf", "eot", "mp3", "mp4", "mov", "avi", "webm", "ogg",
    "wav", "flac", "sqlite", "db", "pyc", "whl", "npz", "npy", "parquet", "psd", "ai", "sketch",
];

const VENDORED_DIRS: &[&str] = &[
    "node_modules",
    "vendor",
    "third_party",
    "third-party",
    "bower_components",
    "site-packages",
    ".venv",
    "venv",
    "dist",
    "__pycache__",
    ".next",
    ".yarn",
    "pods",
];

const GENERATED_NAMES: &[&str] = &[
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "cargo.lock",
    "poetry.lock",
    "pipfile.lock",
    "uv.lock",
    "gemfile.lock",
    "composer.lock",
    "go.sum",
    "flake.lock",
    "packages.lock.json",
    "pubspec.lock",
    "mix.lock",
    "bun.lockb",
    "bun.lock",
];

const GENERATED_ENDS: &[&str] = &[
    ".min.js",
    ".min.css",
    ".map",
    ".pb.go",
    "_pb2.py",
    "_pb2_grpc.py",
    ".pb.rs",
    ".generated.ts",
    ".g.dart",
    ".snap",
    ".svg",
];

const SECRET_NAMES: &[&str] = &[
    ".env",
    ".envrc",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".htpasswd",
    ".git-credentials",
    ".dockercfg",
    ".dockerconfigjson",
    "credentials",
    "credentials.json",
    "credentials.yml",
    "credentials.yaml",
    "secrets.json",
    "secrets.yml",
    "secrets.yaml",
    "secrets.toml",
    "secret.json",
    "secret.yml",
    "secret.yaml",
    "secrets.env",
    "kubeconfig",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "master.key",
    "wallet.dat",
    ".vault_pass",
    ".vault-token",
    "terraform.tfstate",
    "auth.json",
];

const SECRET_ENDS: &[&str] = &[
    ".pem",
    ".key",
    ".p12",
    ".pfx",
    ".jks",
    ".keystore",
    ".kdbx",
    ".ppk",
    ".p8",
    ".tfvars",
    ".tfstate",
    ".tfstate.backup",
    ".agekey",
    ".gpg",
    ".ovpn",
    ".mobileprovision",
];

const SECRET_DIRS: &[&str] = &[".ssh", ".gnupg", ".aws", ".azure", ".gcloud"];

const TEST_DIRS: &[&str] = &[
    "test",
    "tests",
    "testing",
    "__tests__",
    "__mocks__",
    "spec",
    "specs",
    "testdata",
    "fixtures",
    "e2e",
    "benches",
    "bench",
    "benchmarks",
    "integration",
    "cypress",
    "playwright",
];

const DOCUMENT_DIRS: &[&str] = &["docs", "doc", "documentation", "handbook"];

/// Lower-case parts of a path, taken once.
struct Parts {
    name: String,
    dirs: Vec<String>,
}

impl Parts {
    fn of(path: &str) -> Self {
        let lower = path.to_lowercase();
        let mut dirs: Vec<String> = lower.split('/').map(str::to_owned).collect();
        let name = dirs.pop().unwrap_or_default();
        Self { name, dirs }
    }

    fn below(&self, names: &[&str]) -> bool {
        self.dirs.iter().any(|dir| names.contains(&dir.as_str()))
    }
}

/// The lower-case extension without its dot; empty when there is none.
pub fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((stem, ext)) if !stem.is_empty() => ext.to_lowercase(),
        _ => String::new(),
    }
}

/// The file name without directory and last extension.
pub fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// The directory of a path, without a slash at its end; empty for the top.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// What the file is for.
pub fn file_kind(path: &str) -> FileKind {
    let parts = Parts::of(path);
    let ext = extension(path);
    let source = SOURCE.contains(&ext.as_str());
    if source && is_test(&parts) {
        return FileKind::Test;
    }
    let first_word = parts.name.split('.').next().unwrap_or_default();
    let documents = DOCUMENT.contains(&ext.as_str()) && !parts.name.starts_with("requirements");
    if documents || (!source && DOCUMENT_NAMES.contains(&first_word)) {
        return FileKind::Document;
    }
    if source && parts.below(DOCUMENT_DIRS) {
        return FileKind::Document;
    }
    if source { FileKind::Source } else { FileKind::Other }
}

fn is_test(parts: &Parts) -> bool {
    let name = parts.name.as_str();
    let stem = name.split('.').next().unwrap_or(name);
    let by_name = stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem.ends_with("_tests")
        || stem.ends_with("_spec")
        || matches!(stem, "conftest" | "tests" | "test")
        || name.contains(".test.")
        || name.contains(".spec.")
        || name.contains(".cy.")
        || ((name.ends_with("test.java") || name.ends_with("tests.java"))
            || name.ends_with("test.kt")
            || name.ends_with("tests.cs"));
    by_name || parts.below(TEST_DIRS)
}

/// Somebody else's code, kept in the tree.
pub(super) fn is_vendored(path: &str) -> bool {
    Parts::of(path).below(VENDORED_DIRS)
}

/// Lock files and other output of tools.
pub(super) fn is_generated(path: &str) -> bool {
    let name = Parts::of(path).name;
    GENERATED_NAMES.contains(&name.as_str()) || GENERATED_ENDS.iter().any(|end| name.ends_with(end))
}

/// Not text, by its extension.
pub(super) fn is_binary(path: &str) -> bool {
    BINARY.contains(&extension(path).as_str())
}

/// A file whose whole purpose is to hold secrets.
pub fn is_secret_file(path: &str) -> bool {
    let parts = Parts::of(path);
    let (name, ext) = (parts.name.as_str(), extension(path));
    let key_copy = ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"]
        .iter()
        .any(|key| name.starts_with(key) && ext != "pub");
    let service_account = ext == "json"
        && (name.starts_with("service-account") || name.starts_with("service_account"));
    SECRET_NAMES.contains(&name)
        || name.starts_with(".env.")
        || ext == "env"
        || SECRET_ENDS.iter().any(|end| name.ends_with(end))
        || key_copy
        || service_account
        || parts.below(SECRET_DIRS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_names_and_folders() {
        use FileKind::{Document, Other, Source, Test};
        let table = [
            ("src/cart.rs", Source),
            ("src/contest.rs", Source),
            ("src/latest/price.py", Source),
            ("tests/cart.rs", Test),
            ("pkg/cart_test.go", Test),
            ("ledger/test_money.py", Test),
            ("src/board.test.tsx", Test),
            ("src/__tests__/board.ts", Test),
            ("CartTest.java", Test),
            ("README", Document),
            ("docs/setup.md", Document),
            ("requirements.txt", Other),
            ("Cargo.toml", Other),
            ("", Other),
        ];
        for (path, kind) in table {
            assert_eq!(file_kind(path), kind, "{path}");
        }
    }

    #[test]
    fn files_made_for_secrets_are_known() {
        for path in [
            ".env",
            "deploy/.env.production",
            "a/prod.env",
            "certs/server.PEM",
            "id_rsa",
            "home/id_ed25519_work",
            "x/.ssh/config",
            "infra/prod.tfvars",
            ".npmrc",
            "service-account-prod.json",
            "config/credentials.json",
        ] {
            assert!(is_secret_file(path), "{path}");
        }
        for path in ["src/environment.rs", "keys.rs", "id_rsa.pub", "src/key.ts", "docs/env.md"] {
            assert!(!is_secret_file(path), "{path}");
        }
    }

    #[test]
    fn vendored_generated_and_binary_are_told_apart() {
        assert!(is_vendored("web/node_modules/a/index.js") && !is_vendored("src/vendors.rs"));
        assert!(is_generated("Cargo.lock") && is_generated("a/app.min.js"));
        assert!(is_binary("logo.PNG") && !is_binary("png") && !is_generated("src/lock.rs"));
    }

    #[test]
    fn stems_and_folders() {
        assert_eq!((stem("a/b.test.ts"), parent("a/b.test.ts")), ("b.test", "a"));
        assert_eq!((stem(".env"), parent("x")), (".env", ""));
        assert_eq!(extension("a.b/C.RS"), "rs");
    }
}
