//! What cargo says about the packages, and what their manifests must say.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Findings;
use crate::workspace;

/// A package of the workspace.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    manifest: PathBuf,
    /// As declared, foreign ones included.
    pub(super) dependencies: Vec<Dependency>,
}

impl Package {
    #[cfg(test)]
    pub(super) fn with(name: &str, dependencies: Vec<Dependency>) -> Self {
        Self { name: name.to_owned(), manifest: PathBuf::new(), dependencies }
    }
}

#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// One resolved package of `Cargo.lock`.
#[derive(Debug, Deserialize)]
pub(super) struct Locked {
    pub(super) name: String,
    pub(super) version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Dev,
    Build,
}

/// Generated code trips the lints, so this crate alone may leave them.
const WITHOUT_LINTS: &[&str] = &["api"];

/// The packages of the workspace.
pub(super) fn packages() -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<RawPackage>,
    }
    #[derive(Deserialize)]
    struct RawPackage {
        name: String,
        manifest_path: PathBuf,
        dependencies: Vec<RawDependency>,
    }
    #[derive(Deserialize)]
    struct RawDependency {
        name: String,
        kind: Option<String>,
    }

    let mut command = workspace::cargo();
    command.args(["metadata", "--format-version", "1", "--locked", "--no-deps"]);
    let metadata: Metadata = serde_json::from_str(&workspace::output_of(&mut command)?)
        .context("cargo metadata printed something unknown")?;
    let dependency = |raw: RawDependency| Dependency {
        name: raw.name,
        kind: match raw.kind.as_deref() {
            Some("dev") => Kind::Dev,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        },
    };
    let package = |raw: RawPackage| Package {
        name: raw.name,
        manifest: raw.manifest_path,
        dependencies: raw.dependencies.into_iter().map(dependency).collect(),
    };
    Ok(metadata.packages.into_iter().map(package).collect())
}

/// What `Cargo.lock` resolves to. Read from the file: asking cargo would download the
/// crates of every other platform.
pub(super) fn lock() -> Result<Vec<Locked>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    let text = fs::read_to_string(workspace::root().join("Cargo.lock"))
        .context("cannot read Cargo.lock")?;
    Ok(toml::from_str::<Lock>(&text).context("Cargo.lock is malformed")?.package)
}

/// Every crate of ours takes the workspace's lints.
pub(super) fn check(packages: &[Package], findings: &mut Findings) -> Result<()> {
    for Package { name, manifest, .. } in packages {
        let text = fs::read_to_string(manifest)
            .with_context(|| format!("cannot read {}", manifest.display()))?;
        if !takes_lints(&text)? && !WITHOUT_LINTS.contains(&name.as_str()) {
            findings.problem(format!("{name} lacks [lints] workspace = true"));
        }
    }
    Ok(())
}

fn takes_lints(manifest: &str) -> Result<bool> {
    let manifest: toml::Table = toml::from_str(manifest).context("a manifest is malformed")?;
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    Ok(lints.and_then(toml::Value::as_bool) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lints_are_taken_in_either_spelling() {
        assert!(takes_lints("[lints]\nworkspace = true\n").unwrap());
        assert!(takes_lints("lints.workspace = true\n").unwrap());
        assert!(!takes_lints("[lints.clippy]\nall = 'warn'\n").unwrap());
        assert!(!takes_lints("[package]\nname = 'x'\n").unwrap());
        assert!(takes_lints("[lints").is_err());
    }
}
