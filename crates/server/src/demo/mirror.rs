//! The server's mirror, looked at from outside with git's own eyes.

use std::path::{Path, PathBuf};

use git2::{Diff, DiffFormat, Oid, Repository};

use super::story::bare;

/// A mirror, opened for reading.
pub(super) struct Mirror {
    repository: Repository,
    path: PathBuf,
}

impl Mirror {
    pub(super) fn open(data_dir: &Path, repository: &str) -> Result<Self, git2::Error> {
        let path = data_dir.join("repos").join(format!("{}.git", bare(repository)));
        Ok(Self { repository: Repository::open_bare(&path)?, path })
    }

    /// The commit a branch is at, in hex; `None` when there is no such branch.
    pub(super) fn tip(&self, branch: &str) -> Option<String> {
        self.repository.find_reference(branch).ok()?.target().map(|oid| oid.to_string())
    }

    pub(super) fn tree(&self, commit: &str) -> Result<String, git2::Error> {
        Ok(self.repository.find_commit(Oid::from_str(commit)?)?.tree_id().to_string())
    }

    pub(super) fn parents(&self, commit: &str) -> Result<Vec<String>, git2::Error> {
        let commit = self.repository.find_commit(Oid::from_str(commit)?)?;
        Ok(commit.parent_ids().map(|oid| oid.to_string()).collect())
    }

    /// Branches of runs, in full.
    pub(super) fn branches(&self) -> Result<Vec<String>, git2::Error> {
        let mut names = Vec::new();
        for reference in self.repository.references_glob("refs/heads/elohim/*")? {
            names.push(String::from_utf8_lossy(reference?.name_bytes()).into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// The commit's difference from its first parent, as git writes it.
    pub(super) fn diff(&self, commit: &str) -> Result<String, git2::Error> {
        let commit = self.repository.find_commit(Oid::from_str(commit)?)?;
        let (old, new) = (commit.parent(0)?.tree()?, commit.tree()?);
        let diff = self.repository.diff_tree_to_tree(Some(&old), Some(&new), None)?;
        let mut text = Vec::new();
        diff.print(DiffFormat::Patch, |_, _, line| {
            if matches!(line.origin(), '+' | '-' | ' ') {
                text.push(u8::try_from(line.origin()).unwrap_or(b'?'));
            }
            text.extend_from_slice(line.content());
            true
        })?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The tree that git itself makes of `patch` on top of `base`; `None` when git cannot
    /// read the patch. Written to a folder of its own: the mirror is only read.
    pub(super) fn tree_after(
        &self,
        base: &str,
        patch: &str,
    ) -> Result<Option<String>, git2::Error> {
        let Ok(diff) = Diff::from_buffer(patch.as_bytes()) else { return Ok(None) };
        let folder = tempfile::tempdir()
            .map_err(|error| git2::Error::from_str(&format!("no temporary folder: {error}")))?;
        let scratch = Repository::init_bare(folder.path())?;
        let objects = self.path.join("objects");
        let objects =
            objects.to_str().ok_or_else(|| git2::Error::from_str("an odd data folder"))?;
        scratch.odb()?.add_disk_alternate(objects)?;
        let tree = scratch.find_commit(Oid::from_str(base)?)?.tree()?;
        let Ok(mut index) = scratch.apply_to_tree(&tree, &diff, None) else { return Ok(None) };
        Ok(Some(index.write_tree_to(&scratch)?.to_string()))
    }
}

/// The added and removed lines of a diff, by file: what it does, without how it is laid out.
pub(super) fn changed_lines(diff: &str) -> Vec<String> {
    let is_change = |line: &&str| line.starts_with(['+', '-']);
    diff.lines().filter(is_change).map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

/// The hunks of a diff of one file, without the heading that git guesses for each.
pub(super) fn hunks(diff: &str) -> Vec<&str> {
    let lines = diff.lines().skip_while(|line| !line.starts_with("@@"));
    lines.map(|line| line.strip_suffix(heading(line)).unwrap_or(line)).collect()
}

/// What follows the second `@@` of a hunk's first line.
fn heading(line: &str) -> &str {
    let numbers = line.strip_prefix("@@ ").and_then(|rest| rest.split_once(" @@"));
    numbers.map_or("", |(_, heading)| heading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hunk_is_compared_without_its_heading() {
        let with = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,2 +1,3 @@ fn a() {\n x\n+y\n z\n";
        let without = "--- a/a\n+++ b/a\n@@ -1,2 +1,3 @@\n x\n+y\n z\n";
        assert_eq!(hunks(with), hunks(without));
        assert_eq!(hunks(with), ["@@ -1,2 +1,3 @@", " x", "+y", " z"]);
        assert_ne!(hunks(with), hunks(&without.replace("+y", "+w")));
    }
}
