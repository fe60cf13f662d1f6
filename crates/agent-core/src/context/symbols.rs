//! Names defined in a file, found line by line.
//!
//! Light on purpose: no parser, one expression per language. A definition spread over lines
//! is found by its first line; a name inside a comment or a string may be found too.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::kind::extension;

/// Names per file at most.
const MAX_SYMBOLS: usize = 400;
/// Longer lines are data.
const MAX_LINE: usize = 300;

/// One definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    pub name: String,
    /// The word that introduces it: `fn`, `class`, `def`, …; `function` when none does.
    pub kind: String,
    /// From 1.
    pub line: u32,
}

struct Language {
    extensions: &'static [&'static str],
    /// Group `k` is the kind (optional), group `n` the name.
    expressions: &'static [&'static str],
}

const LANGUAGES: &[Language] = &[
    Language {
        extensions: &["rs"],
        expressions: &[
            r#"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:(?:async|const|unsafe|default|extern\s+"[^"]*")\s+)*(?P<k>fn|struct|enum|trait|union|mod|type|const|static)\s+(?P<n>[A-Za-z_]\w*)"#,
            r"^\s*(?P<k>macro_rules!)\s+(?P<n>[A-Za-z_]\w*)",
        ],
    },
    Language {
        extensions: &["py", "pyi"],
        expressions: &[
            r"^\s*(?:async\s+)?(?P<k>def|class)\s+(?P<n>[A-Za-z_]\w*)",
            r"^(?P<n>[A-Z][A-Z0-9_]{2,})\s*(?::[^=]+)?=",
        ],
    },
    Language {
        extensions: &["ts", "tsx", "mts", "cts", "js", "jsx", "mjs", "cjs", "vue", "svelte"],
        expressions: &[
            r"^\s*(?:export\s+)?(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?P<k>function|class|interface|type|enum|namespace)\s*\*?\s+(?P<n>[A-Za-z_$][\w$]*)",
            r"^(?:export\s+)?(?P<k>const|let|var)\s+(?P<n>[A-Za-z_$][\w$]*)\s*[:=]",
            r"^\s+(?:(?:public|private|protected|static|async|get|set|override|readonly)\s+)*(?P<n>[a-z_$][\w$]*)\s*\([^)]*\)\s*(?::\s*[^{=]+)?\{\s*$",
        ],
    },
    Language {
        extensions: &["go"],
        expressions: &[
            r"^(?P<k>func)\s+(?:\([^)]*\)\s*)?(?P<n>[A-Za-z_]\w*)",
            r"^(?P<k>type|var|const)\s+(?P<n>[A-Za-z_]\w*)",
        ],
    },
    Language {
        extensions: &["java", "kt", "kts", "scala", "cs", "swift", "dart", "php"],
        expressions: &[
            r"^\s*(?:(?:public|private|protected|internal|static|final|abstract|sealed|open|data|partial|override|async)\s+)*(?P<k>class|interface|enum|record|struct|trait|object|fun|func|function)\s+(?P<n>[A-Za-z_]\w*)",
            r"^\s+(?:(?:public|private|protected|internal|static|final|abstract|virtual|override|synchronized|async)\s+)+[\w<>\[\],.? ]+\s(?P<n>[A-Za-z_]\w*)\s*\(",
        ],
    },
    Language {
        extensions: &["c", "h", "cc", "cpp", "cxx", "hpp", "hh", "m", "mm"],
        expressions: &[
            r"^(?:typedef\s+)?(?P<k>struct|enum|union|class|namespace)\s+(?P<n>[A-Za-z_]\w*)",
            r"^#\s*(?P<k>define)\s+(?P<n>[A-Za-z_]\w*)",
            r"^[A-Za-z_][\w\s*&:<>,]*?[\s*&](?P<n>[A-Za-z_][\w:~]*)\s*\([^;]*$",
        ],
    },
    Language {
        extensions: &["rb", "ex", "exs", "lua", "sh", "bash"],
        expressions: &[
            r"^\s*(?P<k>def|defp|class|module|defmodule|function|local function)\s+(?:self\.)?(?P<n>[A-Za-z_][\w?!.]*)",
            r"^(?P<n>[A-Za-z_]\w*)\s*\(\)\s*\{",
        ],
    },
    Language {
        extensions: &["sql"],
        expressions: &[
            r"(?i)^\s*create\s+(?:or\s+replace\s+)?(?:unique\s+)?(?P<k>table|index|view|function|trigger|type)\s+(?:if\s+not\s+exists\s+)?(?P<n>[A-Za-z_][\w.]*)",
        ],
    },
    Language {
        extensions: &["proto", "graphql"],
        expressions: &[
            r"^\s*(?P<k>message|service|enum|rpc|type|input|interface)\s+(?P<n>[A-Za-z_]\w*)",
        ],
    },
];

/// Words that look like a method in front of a block.
const NO_NAMES: &[&str] = &[
    "if",
    "for",
    "while",
    "switch",
    "catch",
    "return",
    "function",
    "else",
    "do",
    "try",
    "with",
    "sizeof",
    "match",
    "new",
    "await",
    "super",
    "constructor",
];

static COMPILED: LazyLock<Vec<(&'static [&'static str], Vec<Regex>)>> = LazyLock::new(|| {
    let compile =
        |source: &&str| Regex::new(source).expect("the expressions are literals and tested");
    LANGUAGES.iter().map(|l| (l.extensions, l.expressions.iter().map(compile).collect())).collect()
});

/// The definitions of a file in their order; empty for a language that is not known.
pub fn definitions(path: &str, text: &str) -> Vec<Symbol> {
    let ext = extension(path);
    let Some((_, expressions)) = COMPILED.iter().find(|(e, _)| e.contains(&ext.as_str())) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for (line, number) in text.lines().zip(1_u32..) {
        if line.len() > MAX_LINE || out.len() >= MAX_SYMBOLS {
            continue;
        }
        let found = expressions.iter().find_map(|e| e.captures(line));
        let Some(found) = found else { continue };
        let name = found.name("n").map_or("", |m| m.as_str());
        if name != "_" && !NO_NAMES.contains(&name) {
            let kind = found.name("k").map_or("function", |m| m.as_str());
            out.push(Symbol { name: name.to_owned(), kind: kind.to_owned(), line: number });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str, text: &str) -> Vec<String> {
        definitions(path, text).into_iter().map(|s| s.name).collect()
    }

    #[test]
    fn definitions_are_found_in_each_language() {
        let table: &[(&str, &str, &[&str])] = &[
            (
                "a.rs",
                "pub(crate) async fn run() {}\nstruct S;\n    const fn x() {}\nlet y = 1;\nmacro_rules! m {",
                &["run", "S", "x", "m"],
            ),
            (
                "a.py",
                "class Ledger:\n    async def post(self):\nMAX_ROWS = 3\nx = 1",
                &["Ledger", "post", "MAX_ROWS"],
            ),
            (
                "a.ts",
                "export default class Board {\n  move(card: Card): void {\n    if (x) {\n  }\nexport const useBoard = () => {",
                &["Board", "move", "useBoard"],
            ),
            (
                "a.go",
                "func (s *Store) Open(x int) error {\ntype Store struct {",
                &["Open", "Store"],
            ),
            ("A.java", "public class Cart {\n    public Money total(int x) {", &["Cart", "total"]),
            (
                "a.c",
                "static int parse_line(char *s)\n{\n#define MAX 3\nstruct row {",
                &["parse_line", "MAX", "row"],
            ),
            ("a.sql", "CREATE TABLE IF NOT EXISTS account (", &["account"]),
            ("a.txt", "fn no()", &[]),
        ];
        for (path, text, expected) in table {
            assert_eq!(names(path, text), *expected, "{path}");
        }
    }

    #[test]
    fn lines_count_from_one_and_long_lines_are_skipped() {
        let text = format!("\nfn a() {{}}\nfn b() {{ {} }}\n", "x".repeat(400));
        let found = definitions("a.rs", &text);
        assert_eq!(found, [Symbol { name: "a".into(), kind: "fn".into(), line: 2 }]);
    }
}
