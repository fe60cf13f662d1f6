//! Finds the Postgres server programs, or has Debian install them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::owner::is_root;
use crate::workspace;

const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";
const WHAT_TO_INSTALL: &str =
    "Postgres is missing: install the server programs (Debian: apt-get install postgresql)";

/// The folder with `initdb` and `postgres`: the newest of Debian's versions, else what
/// `pg_config` names, else the PATH. As root, a missing Postgres is installed.
pub(crate) fn find_or_install() -> Result<PathBuf> {
    if let Some(found) = find() {
        return Ok(found);
    }
    if !is_root()? || !workspace::is_on_path("apt-get") {
        bail!(WHAT_TO_INSTALL);
    }
    install().context(WHAT_TO_INSTALL)?;
    find().context(WHAT_TO_INSTALL)
}

fn find() -> Option<PathBuf> {
    newest_version(Path::new(DEBIAN_VERSIONS)).or_else(named_by_pg_config).or_else(|| {
        workspace::find_on_path("postgres")
            .and_then(|program| program.canonicalize().ok())
            .and_then(|program| program.parent().map(Path::to_path_buf))
            .filter(|folder| is_complete(folder))
    })
}

fn newest_version(versions: &Path) -> Option<PathBuf> {
    fs::read_dir(versions)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| is_complete(folder))
        .max()
        .map(|(_, folder)| folder)
}

fn named_by_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    is_complete(&folder).then_some(folder)
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file())
}

fn install() -> Result<()> {
    eprintln!("Postgres is missing: installing it with apt-get");
    // Without this, the package makes and starts a cluster of its own on port 5432.
    let settings = Path::new("/etc/postgresql-common/createcluster.conf");
    if !settings.exists() {
        fs::create_dir_all("/etc/postgresql-common")?;
        fs::write(settings, "create_main_cluster = false\n")?;
    }
    apt_get(&["update", "-qq"])?;
    // `--force-confold` and ucf's variable keep the file above without a question.
    apt_get(&[
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        "-o",
        "Dpkg::Options::=--force-confold",
        "postgresql",
    ])
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    workspace::clear_cargo_variables(&mut command);
    let status = command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("UCF_FORCE_CONFFOLD", "1")
        .stdin(std::process::Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context("cannot start apt-get")?;
    if !status.success() {
        bail!("apt-get {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_complete_version_wins_by_number() {
        let versions = std::env::temp_dir().join(format!("xtask-versions-{}", std::process::id()));
        for (version, is_whole) in [("9", true), ("15", true), ("17", false), ("old", true)] {
            let folder = versions.join(version).join("bin");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("initdb"), "").unwrap();
            if is_whole {
                fs::write(folder.join("postgres"), "").unwrap();
            }
        }
        let newest = newest_version(&versions);
        fs::remove_dir_all(&versions).unwrap();
        assert_eq!(newest, Some(versions.join("15/bin")));
    }
}
