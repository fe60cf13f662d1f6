//! Copies of the work tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// What the copy's packages have behind their version.
const APART: &str = "-stage-type";

/// A copy in a folder that is removed with it.
pub(super) struct Draft(PathBuf);

impl Draft {
    /// The files git knows, or would if they were added, as they are now.
    pub(super) fn of_the_work_tree() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("elohim-stage-type-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let draft = Self(folder);
        for path in workspace::files()? {
            let to = draft.0.join(&path);
            fs::create_dir_all(to.parent().context("a file has no folder")?)?;
            fs::copy(workspace::root().join(&path), to).with_context(|| path.clone())?;
        }
        Ok(draft)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a folder the same. What is the same already is not written again: by the times
    /// of its files, cargo tells what to build.
    pub(super) fn bring_to(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let wanted = files_below(&self.0)?;
        for path in files_below(folder)?.difference(&wanted) {
            fs::remove_file(folder.join(path))?;
        }
        for path in &wanted {
            let (text, to) = (fs::read(self.0.join(path))?, folder.join(path));
            if fs::read(&to).ok().as_ref() != Some(&text) {
                fs::create_dir_all(to.parent().context("a file has no folder")?)?;
                fs::write(&to, text).with_context(|| to.display().to_string())?;
            }
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever cleans the folder of temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Gives the workspace's packages a version that no other copy has: cargo tells packages apart
/// by name and version, not by where the workspace lies.
pub(super) fn set_apart(folder: &Path) -> Result<()> {
    let (manifest, lock) = (folder.join("Cargo.toml"), folder.join("Cargo.lock"));
    let (was, versions) = (fs::read_to_string(&manifest)?, fs::read_to_string(&lock)?);
    fs::write(manifest, renamed(&was, |section| section.starts_with("[workspace.package]"))?)?;
    let ours = |section: &str| section.starts_with("[[package]]") && !section.contains("\nsource");
    fs::write(lock, renamed(&versions, ours)?)?;
    Ok(())
}

/// Puts [`APART`] behind the version in the sections that are asked for.
fn renamed(text: &str, is_meant: impl Fn(&str) -> bool) -> Result<String> {
    let mut sections: Vec<String> = text.split("\n\n").map(str::to_owned).collect();
    let mut number = 0;
    for section in sections.iter_mut().filter(|section| is_meant(section)) {
        let mut lines: Vec<String> = section.lines().map(str::to_owned).collect();
        for line in lines.iter_mut().filter(|line| line.starts_with("version = \"")) {
            line.truncate(line.trim_end_matches('"').len());
            line.push_str(APART);
            line.push('"');
            number += 1;
        }
        *section = lines.join("\n");
    }
    if number == 0 {
        bail!("no version to set apart");
    }
    let mut text = sections.join("\n\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Relative paths of all files.
fn files_below(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let (mut found, mut open) = (BTreeSet::new(), vec![folder.to_path_buf()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder)?.to_path_buf());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_packages_are_set_apart() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n\
                    [[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"x\"\n";
        let ours =
            |section: &str| section.starts_with("[[package]]") && !section.contains("\nsource");
        let told = renamed(lock, ours).unwrap();
        assert_eq!(told, lock.replacen("1.0.0\"", "1.0.0-stage-type\"", 1));
        assert!(renamed("a\n", ours).is_err());
    }
}
