//! Store ports stay small, and the suite that both databases pass exercises every method.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use super::Findings;
use crate::workspace;

/// Crates whose port files are read: `port….rs`, `store….rs`, and what lies in a folder
/// `port/` or `store/`.
const PORT_CRATES: &[&str] =
    &["workflow-core", "agent-core", "learning", "directory", "audit", "events", "permissions"];
/// Port traits that live in a file with another name.
const OTHER_PORT_FILES: &[&str] = &["crates/permissions/src/policy.rs"];
/// Ports of engines, models and git: doubles or the real thing stand behind them, no database.
const NOT_STORES: &[&str] = &[
    "crates/agent-core/src/port/engine.rs",
    "crates/agent-core/src/port/model.rs",
    "crates/agent-core/src/port/workspace.rs",
];
/// Traits among the ports that no database implements.
const NOT_STORED: &[(&str, &str)] =
    &[("Wakeups", "a signal within one process"), ("RefusalSink", "a bounded queue in memory")];
/// Methods of one port; a port that needs more serves more than one aggregate.
const MOST_METHODS: usize = 15;
const SUITE: &str = "crates/testkit/src/conformance";

/// A method of a port.
#[derive(Debug, PartialEq, Eq)]
struct Method {
    port: String,
    name: String,
}

/// Looks for every port method in the suite's code.
pub(super) fn check(files: &[String], findings: &mut Findings) -> Result<()> {
    let mut calls = BTreeSet::new();
    for file in files.iter().filter(|file| is_suite(file)) {
        calls.extend(called_names(&read(file)?));
    }
    for file in files.iter().filter(|file| is_port_file(file)) {
        let methods = methods(&read(file)?);
        check_size(file, &methods, findings);
        for Method { port, name } in methods {
            let is_stored = !NOT_STORED.iter().any(|(other, _)| *other == port);
            if is_stored && !calls.contains(&name) {
                findings.problem(format!("{SUITE} never calls {port}::{name} ({file})"));
            }
        }
    }
    Ok(())
}

fn check_size(file: &str, methods: &[Method], findings: &mut Findings) {
    let ports: BTreeSet<&str> = methods.iter().map(|method| method.port.as_str()).collect();
    for port in ports {
        let count = methods.iter().filter(|method| method.port == port).count();
        if count > MOST_METHODS {
            findings.problem(format!(
                "{port} has {count} methods, a port has at most {MOST_METHODS} ({file})"
            ));
        }
    }
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(workspace::root().join(file)).with_context(|| format!("cannot read {file}"))
}

fn is_rust(file: &str) -> bool {
    std::path::Path::new(file).extension().is_some_and(|ending| ending == "rs")
}

fn is_suite(file: &str) -> bool {
    let rest = file.strip_prefix(SUITE);
    is_rust(file) && rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn is_port_file(file: &str) -> bool {
    if NOT_STORES.contains(&file) || !is_rust(file) {
        return false;
    }
    let in_crate = |name: &&str| file.starts_with(&format!("crates/{name}/src/"));
    let name = file.rsplit('/').next().unwrap_or(file);
    let is_named_so = name.starts_with("port") || name.starts_with("store");
    let is_in_folder = file.contains("/port/") || file.contains("/store/");
    OTHER_PORT_FILES.contains(&file)
        || (PORT_CRATES.iter().any(in_crate) && (is_named_so || is_in_folder))
}

/// The methods of `#[async_trait] pub trait …` items. Relies on rustfmt: an item's closing
/// brace stands at the start of a line, a method's signature starts with four spaces.
fn methods(text: &str) -> Vec<Method> {
    let mut methods = Vec::new();
    let mut port = None;
    let mut is_async = false;
    for line in text.lines() {
        if line.starts_with("#[async_trait") {
            is_async = true;
        } else if let Some(rest) = line.strip_prefix("pub trait ") {
            port = is_async.then(|| identifier(rest).to_owned());
            is_async = false;
        } else if line.starts_with('}') {
            port = None;
        } else if let Some(port) = &port {
            let signature = line.strip_prefix("    ").unwrap_or_default();
            let signature = signature.strip_prefix("async ").unwrap_or(signature);
            if let Some(name) = signature.strip_prefix("fn ") {
                methods.push(Method { port: port.clone(), name: identifier(name).to_owned() });
            }
        }
    }
    methods
}

/// Names that are called as `.name(` or `::name(` outside comments.
fn called_names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default();
        for (position, _) in code.match_indices('(') {
            let before = &code[..position];
            let start = before.rfind(|c: char| !is_part_of_name(c)).map_or(0, |at| at + 1);
            let (receiver, name) = before.split_at(start);
            if !name.is_empty() && (receiver.ends_with('.') || receiver.ends_with("::")) {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

fn identifier(text: &str) -> &str {
    text.split(|c| !is_part_of_name(c)).next().unwrap_or_default()
}

fn is_part_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: &str = "\
#[async_trait]
pub trait WorkflowTx: AuditTrail + Send {
    /// Loads `fn not_this(`.
    async fn lock_item(
        &mut self,
        id: WorkItemId,
    ) -> Result<Option<WorkItem>, StoreError>;

    fn epoch(&self) -> i64;
}

pub trait Tenanted {
    fn tenant(&self) -> Tenant;
}
";

    #[test]
    fn methods_of_async_ports_are_read() {
        let names: Vec<String> =
            methods(PORT).into_iter().map(|m| format!("{}::{}", m.port, m.name)).collect();
        assert_eq!(names, ["WorkflowTx::lock_item", "WorkflowTx::epoch"]);
    }

    #[test]
    fn a_port_that_grew_too_large_is_found() {
        let method = |index: usize| Method { port: "Store".into(), name: format!("m{index}") };
        let mut findings = Findings::default();
        let sixteen: Vec<Method> = (0..16).map(method).collect();
        check_size("store.rs", &sixteen[..15], &mut findings);
        assert_eq!(findings.problems, [""; 0]);
        check_size("store.rs", &sixteen, &mut findings);
        assert_eq!(findings.problems.len(), 1);
    }

    #[test]
    fn a_call_counts_and_a_mention_does_not() {
        let text = "tx.lock_item(&scope, id).await; // tx.save(x)\nlet epoch = 1;\nStore::begin(&s)\n.commit()\n";
        let names: Vec<String> = called_names(text).into_iter().collect();
        assert_eq!(names, ["begin", "commit", "lock_item"]);
    }

    #[test]
    fn port_files_are_found_by_name_and_place() {
        for file in [
            "crates/workflow-core/src/store.rs",
            "crates/agent-core/src/port/store.rs",
            "crates/events/src/port.rs",
            "crates/permissions/src/policy.rs",
        ] {
            assert!(is_port_file(file), "{file}");
        }
        for file in [
            "crates/agent-core/src/port/engine.rs",
            "crates/storage/src/store.rs",
            "crates/workflow-core/src/model/item.rs",
            "crates/events/src/port.md",
        ] {
            assert!(!is_port_file(file), "{file}");
        }
        assert!(is_suite("crates/testkit/src/conformance/items.rs"));
        assert!(is_suite("crates/testkit/src/conformance.rs"));
        assert!(!is_suite("crates/testkit/src/world.rs"));
    }
}
