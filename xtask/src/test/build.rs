//! Builds everything the tests need and lists the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::SELECTION;
use crate::workspace;

/// The program that crash tests start as a child.
const PROGRAM: &str = "elohim";

/// What one build made.
pub(super) struct Built {
    /// The product's debug binary.
    pub(super) program: PathBuf,
    pub(super) tests: Vec<Test>,
}

/// One test function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    /// `package`, `package::target` or `package::bin/target`, as nextest writes it.
    pub(super) binary: String,
    /// The path of the function inside its binary.
    pub(super) name: String,
    pub(super) is_ignored: bool,
}

impl std::fmt::Display for Test {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.binary, self.name)
    }
}

/// Builds all targets of the workspace and asks each test binary for its tests.
pub(super) fn everything() -> Result<Built> {
    let artifacts = build()?;
    let program = found(&artifacts, "bin", PROGRAM)?;
    let mut tests = Vec::new();
    for artifact in artifacts.iter().filter(|artifact| artifact.is_test) {
        tests.extend(artifact.tests()?);
    }
    tests.sort();
    Ok(Built { program, tests })
}

/// Builds all targets of the workspace; the paths of an example and of the product's program.
pub(crate) fn programs(example: &str) -> Result<(PathBuf, PathBuf)> {
    let artifacts = build()?;
    Ok((found(&artifacts, "example", example)?, found(&artifacts, "bin", PROGRAM)?))
}

fn build() -> Result<Vec<Artifact>> {
    let mut command = workspace::cargo();
    command.arg("build").args(SELECTION);
    command.args(["--all-targets", "--message-format=json-render-diagnostics"]);
    executables(&workspace::output_of(&mut command)?)
}

fn found(artifacts: &[Artifact], kind: &str, name: &str) -> Result<PathBuf> {
    let is_it = |artifact: &&Artifact| {
        !artifact.is_test && artifact.kind == kind && artifact.target == name
    };
    let found = artifacts.iter().find(is_it).map(|artifact| artifact.executable.clone());
    found.with_context(|| format!("the workspace builds no {kind} named {name}"))
}

#[derive(Debug, PartialEq, Eq)]
struct Artifact {
    package: String,
    folder: PathBuf,
    kind: String,
    target: String,
    is_test: bool,
    executable: PathBuf,
}

impl Artifact {
    fn binary_id(&self) -> String {
        let (package, target) = (&self.package, &self.target);
        match self.kind.as_str() {
            "test" => format!("{package}::{target}"),
            "bin" | "example" | "bench" => format!("{package}::{}/{target}", self.kind),
            _ => package.clone(),
        }
    }

    fn tests(&self) -> Result<Vec<Test>> {
        let ignored = test_names(&self.list(&["--ignored"])?);
        let test = |name: String| Test {
            binary: self.binary_id(),
            is_ignored: ignored.contains(&name),
            name,
        };
        Ok(test_names(&self.list(&[])?).into_iter().map(test).collect())
    }

    fn list(&self, options: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder).args(["--list", "--format", "terse"]).args(options);
        workspace::output_of(&mut command)
    }
}

/// Reads `name: test` lines.
fn test_names(listing: &str) -> Vec<String> {
    listing.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Reads the executables out of cargo's messages, one JSON object a line.
fn executables(messages: &str) -> Result<Vec<Artifact>> {
    #[derive(Deserialize)]
    struct Message {
        package_id: Option<String>,
        manifest_path: Option<PathBuf>,
        target: Option<Target>,
        profile: Option<Profile>,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        kind: Vec<String>,
        name: String,
    }
    #[derive(Deserialize)]
    struct Profile {
        test: bool,
    }

    let mut artifacts = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Message =
            serde_json::from_str(line).context("cargo printed an unknown message")?;
        let Message { package_id, manifest_path, target, profile, executable } = message;
        let (Some(id), Some(manifest), Some(target), Some(profile), Some(executable)) =
            (package_id, manifest_path, target, profile, executable)
        else {
            continue;
        };
        let Some(kind) = target.kind.first() else { bail!("a target of {id} has no kind") };
        artifacts.push(Artifact {
            package: package_name(&id).to_owned(),
            folder: manifest.parent().map_or_else(PathBuf::new, Path::to_path_buf),
            kind: kind.clone(),
            target: target.name,
            is_test: profile.test,
            executable,
        });
    }
    Ok(artifacts)
}

/// A package id ends in `#name@version`, or in `/name#version` when the folder has the name.
fn package_name(id: &str) -> &str {
    let (location, fragment) = id.rsplit_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None => location.rsplit('/').next().unwrap_or(location),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_name_comes_from_the_fragment_or_the_folder() {
        assert_eq!(package_name("path+file:///w/tests#e2e@0.1.0"), "e2e");
        assert_eq!(package_name("path+file:///w/crates/server#0.1.0"), "server");
    }

    #[test]
    fn only_messages_with_an_executable_become_artifacts() {
        let messages = r#"{"reason":"build-script-executed","package_id":"path+file:///w/a#0.1.0"}
{"reason":"compiler-artifact","package_id":"path+file:///w/tests#e2e@0.1.0","manifest_path":"/w/tests/Cargo.toml","target":{"kind":["test"],"name":"it"},"profile":{"test":true},"executable":"/t/it-1"}
{"reason":"compiler-artifact","package_id":"path+file:///w/a#0.1.0","manifest_path":"/w/a/Cargo.toml","target":{"kind":["lib"],"name":"a"},"profile":{"test":false},"executable":null}
{"reason":"build-finished","success":true}
"#;
        let artifacts = executables(messages).unwrap();
        assert_eq!(
            artifacts,
            [Artifact {
                package: "e2e".into(),
                folder: "/w/tests".into(),
                kind: "test".into(),
                target: "it".into(),
                is_test: true,
                executable: "/t/it-1".into(),
            }]
        );
        assert_eq!(artifacts[0].binary_id(), "e2e::it");
    }

    #[test]
    fn listings_give_tests_and_leave_benchmarks_out() {
        assert_eq!(test_names("a::b: test\nspeed: bench\n"), ["a::b"]);
    }
}
