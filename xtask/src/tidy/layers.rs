//! Who may name whom in `Cargo.toml`: the layer table of docs/architecture.md as data.

use super::Findings;
use super::manifests::{Kind, Locked, Package};

/// One crate's row.
struct Layer {
    name: &'static str,
    /// Our crates it may name, by group.
    may_use: &'static [Group],
    /// Families of foreign crates it must not name: the crate and all `crate-…`.
    must_not_use: &'static [Group],
}

type Group = &'static [&'static str];

const PRIMITIVES: Group = &["primitives"];
const PERMISSIONS: Group = &["permissions"];
const RECORDS: Group = &["audit", "events"];
const DOMAINS: Group = &["workflow-core", "agent-core", "learning", "directory"];
const ADAPTERS: Group = &["storage", "gateway", "worker", "git-workspace", "code-index", "engines"];
const API: Group = &["api"];
const SERVER: Group = &["server"];
const MIGRATIONS: Group = &["migrations"];

const TIERS_0_TO_1: &[Group] = &[PRIMITIVES, PERMISSIONS, RECORDS];
const TIERS_0_TO_2: &[Group] = &[PRIMITIVES, PERMISSIONS, RECORDS, DOMAINS];
const TIERS_0_TO_3: &[Group] =
    &[PRIMITIVES, PERMISSIONS, RECORDS, DOMAINS, ADAPTERS, API, MIGRATIONS];

const DATABASE: Group = &["sea-orm", "sea-query", "sqlx", "rusqlite"];
const RPC: Group = &["tonic"];
const GIT: Group = &["git2"];
const RUNTIME: Group = &["tokio"];

const LAYERS: &[Layer] = &[
    layer("primitives", &[], &[DATABASE, RPC, GIT, RUNTIME]),
    layer("api", &[], &[DATABASE, GIT]),
    layer("permissions", &[PRIMITIVES], &[DATABASE, RPC]),
    layer("audit", &[PRIMITIVES, PERMISSIONS], &[DATABASE, RPC]),
    layer("events", &[PRIMITIVES, PERMISSIONS], &[DATABASE, RPC]),
    layer("workflow-core", TIERS_0_TO_1, &[DATABASE, RPC, GIT]),
    layer("agent-core", TIERS_0_TO_1, &[DATABASE, RPC, GIT]),
    layer("learning", TIERS_0_TO_1, &[DATABASE, RPC, GIT]),
    layer("directory", TIERS_0_TO_1, &[DATABASE, RPC, GIT]),
    layer("migrations", &[], &[RPC]),
    layer("storage", &[PRIMITIVES, PERMISSIONS, RECORDS, DOMAINS, MIGRATIONS], &[RPC]),
    layer("gateway", &[PRIMITIVES, PERMISSIONS, RECORDS, DOMAINS, API], &[DATABASE]),
    layer("worker", TIERS_0_TO_2, &[DATABASE, RPC]),
    layer("git-workspace", TIERS_0_TO_2, &[DATABASE, RPC]),
    layer("code-index", TIERS_0_TO_2, &[DATABASE, RPC]),
    layer("engines", TIERS_0_TO_2, &[DATABASE, RPC, GIT]),
    layer("server", TIERS_0_TO_3, &[]),
    // `World` is the whole server with people in it.
    layer(
        "testkit",
        &[SERVER, PRIMITIVES, PERMISSIONS, RECORDS, DOMAINS, ADAPTERS, API, MIGRATIONS],
        &[],
    ),
    layer(
        "fuzz-targets",
        &[TEST, PRIMITIVES, PERMISSIONS, RECORDS, DOMAINS, ADAPTERS, API],
        &[DATABASE, GIT],
    ),
    layer(
        "e2e",
        &[TEST, FUZZ, PRIMITIVES, PERMISSIONS, RECORDS, DOMAINS, ADAPTERS, API, MIGRATIONS],
        &[],
    ),
];
const TEST: Group = &["server", "testkit"];
const FUZZ: Group = &["fuzz-targets"];

/// The only crate of ours that others may name in their dev-dependencies.
const DEV_CRATE: &str = "testkit";
/// Crates that exist for tests: their dev-dependencies follow their own row.
const TEST_CRATES: &[&str] = &["testkit", "e2e", "fuzz-targets"];

/// Foreign crates that must resolve to one version: two copies are two protocols, two
/// pools or two sets of global state.
const SINGLE: &[&str] = &["tonic", "prost", "sqlx", "sea-orm", "opentelemetry", "libsqlite3-sys"];

const fn layer(
    name: &'static str,
    may_use: &'static [Group],
    must_not_use: &'static [Group],
) -> Layer {
    Layer { name, may_use, must_not_use }
}

/// Compares every package of ours with its row, and the lock with [`SINGLE`].
pub(super) fn check(ours: &[Package], lock: &[Locked], findings: &mut Findings) {
    let names: Vec<&str> = ours.iter().map(|package| package.name.as_str()).collect();
    for package in ours {
        match LAYERS.iter().find(|layer| layer.name == package.name) {
            Some(layer) => check_package(package, layer, &names, findings),
            None => findings.problem(format!("{} has no row in the layer table", package.name)),
        }
    }
    for name in SINGLE {
        let copies = lock.iter().filter(|locked| locked.name == *name);
        let versions: Vec<&str> = copies.map(|locked| locked.version.as_str()).collect();
        if versions.len() > 1 {
            let versions = versions.join(", ");
            findings.problem(format!("{name} must have one version, the lock has {versions}"));
        }
    }
}

fn check_package(package: &Package, layer: &Layer, ours: &[&str], findings: &mut Findings) {
    let name = &package.name;
    for dependency in &package.dependencies {
        let used = dependency.name.as_str();
        if ours.contains(&used) {
            let is_dev = dependency.kind == Kind::Dev && !TEST_CRATES.contains(&name.as_str());
            let is_in_row = layer.may_use.iter().any(|group| group.contains(&used));
            let is_allowed = if is_dev { used == DEV_CRATE } else { is_in_row };
            if !is_allowed {
                let kind = if is_dev { "dev-dependencies" } else { "dependencies" };
                findings.problem(format!("{name} must not name {used} in its {kind}"));
            }
        } else if let Some(family) =
            layer.must_not_use.iter().copied().flatten().find(|family| is_of_family(used, family))
        {
            findings.problem(format!("{name} must not use {used}: its layer is free of {family}"));
        }
    }
}

fn is_of_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::super::manifests::Dependency;
    use super::*;

    fn package(name: &str, dependencies: &[(&str, Kind)]) -> Package {
        let dependency = |&(name, kind): &(&str, Kind)| Dependency { name: name.to_owned(), kind };
        Package::with(name, dependencies.iter().map(dependency).collect())
    }

    fn problems(packages: &[Package]) -> Vec<String> {
        let mut findings = Findings::default();
        check(packages, &[], &mut findings);
        findings.problems
    }

    #[test]
    fn arrows_point_down_and_never_sideways() {
        let storage = || package("storage", &[]);
        let tree = [
            package("primitives", &[]),
            package("workflow-core", &[("primitives", Kind::Normal)]),
            storage(),
            package("worker", &[("workflow-core", Kind::Normal)]),
        ];
        assert_eq!(problems(&tree), [""; 0]);
        let sideways = [storage(), package("worker", &[("storage", Kind::Normal)])];
        assert_eq!(problems(&sideways), ["worker must not name storage in its dependencies"]);
        let build = [storage(), package("primitives", &[("storage", Kind::Build)])];
        assert_eq!(problems(&build), ["primitives must not name storage in its dependencies"]);
    }

    #[test]
    fn tests_of_a_crate_name_testkit_only() {
        let all = [
            package("testkit", &[]),
            package("gateway", &[]),
            package("storage", &[("testkit", Kind::Dev), ("gateway", Kind::Dev)]),
            package("e2e", &[("testkit", Kind::Dev), ("gateway", Kind::Dev)]),
        ];
        assert_eq!(problems(&all), ["storage must not name gateway in its dev-dependencies"]);
    }

    #[test]
    fn a_family_is_the_crate_and_what_starts_with_its_name() {
        let worker = package(
            "worker",
            &[("tonic-types", Kind::Normal), ("sea-orm", Kind::Dev), ("tonics", Kind::Normal)],
        );
        assert_eq!(
            problems(&[worker]),
            [
                "worker must not use tonic-types: its layer is free of tonic",
                "worker must not use sea-orm: its layer is free of sea-orm",
            ]
        );
    }

    #[test]
    fn unknown_crates_and_second_copies_are_found() {
        let locked = |version: &str| Locked { name: "prost".into(), version: version.into() };
        let mut findings = Findings::default();
        let lock = [locked("0.13.0"), locked("0.14.6")];
        check(&[package("utils", &[])], &lock, &mut findings);
        assert_eq!(
            findings.problems,
            [
                "utils has no row in the layer table",
                "prost must have one version, the lock has 0.13.0, 0.14.6",
            ]
        );
    }
}
