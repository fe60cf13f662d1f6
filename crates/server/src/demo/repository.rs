//! The repository the demo is shown on, read without a trace.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository};
use sha2::{Digest, Sha256};

/// What a repository says of itself, and what must not change.
pub(super) struct Source {
    /// Canonical.
    pub path: PathBuf,
    /// Its parent: the folder set aside for the team.
    pub root: PathBuf,
    /// HEAD, in hex.
    pub commit: String,
    /// The id of HEAD's tree, in hex.
    pub tree: String,
    before: Fingerprint,
}

/// Digests by what they are of, so that a difference names itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(BTreeMap<&'static str, String>);

impl Fingerprint {
    /// What differs; empty when nothing does.
    pub(super) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let differs = |part: &&&'static str| self.0.get(**part) != other.0.get(**part);
        self.0.keys().filter(differs).copied().collect()
    }
}

impl Source {
    /// Opens a repository with at least one commit; the error is for people.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let path = path.canonicalize().map_err(|error| format!("--repo {shown}: {error}"))?;
        let repository = open(&path)?;
        let root =
            path.parent().ok_or(format!("--repo {shown} has no folder above it"))?.to_owned();
        let head = repository.head().and_then(|head| head.peel_to_commit()).map_err(|error| {
            if error.code() == ErrorCode::UnbornBranch {
                format!("--repo {shown} has no commit yet")
            } else {
                format!("--repo {shown}: {}", error.message())
            }
        })?;
        let before = fingerprint(&repository, &path)?;
        let (commit, tree) = (head.id().to_string(), head.tree_id().to_string());
        Ok(Self { path, root, commit, tree, before })
    }

    pub(super) fn repository(&self) -> Result<Repository, String> {
        open(&self.path)
    }

    /// What changed since [`Source::open`].
    pub(super) fn differences(&self) -> Result<Vec<&'static str>, String> {
        Ok(self.before.differences(&fingerprint(&self.repository()?, &self.path)?))
    }
}

fn open(path: &Path) -> Result<Repository, String> {
    Repository::open(path).map_err(|error| {
        let shown = path.display();
        match (error.code(), Repository::discover(path)) {
            (ErrorCode::Owner, _) => {
                format!("{shown} belongs to another user: git refuses to open it")
            }
            (_, Ok(around)) => format!(
                "{shown} is a folder inside a git repository: give {}",
                around.workdir().unwrap_or(around.path()).display()
            ),
            (_, Err(_)) => format!("{shown} is not a git repository: {}", error.message()),
        }
    })
}

fn fingerprint(repository: &Repository, path: &Path) -> Result<Fingerprint, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let git = repository.path();
    let common = repository.commondir();
    let mut parts = BTreeMap::new();
    parts.insert("HEAD", digest(&file(&git.join("HEAD")).map_err(|error| failed(&error))?));
    parts.insert("index", digest(&file(&git.join("index")).map_err(|error| failed(&error))?));
    parts.insert("refs", refs(repository).map_err(|error| failed(&error.message()))?);
    let mut git_folder = Sha256::new();
    walk(common, &[], &mut git_folder).map_err(|error| failed(&error))?;
    parts.insert("git folder", hex(&git_folder.finalize()));
    if let Some(folder) = repository.workdir() {
        let mut work_tree = Sha256::new();
        walk(folder, &[git, common], &mut work_tree).map_err(|error| failed(&error))?;
        parts.insert("work tree", hex(&work_tree.finalize()));
    }
    Ok(Fingerprint(parts))
}

/// A file's bytes; a missing one is empty.
fn file(path: &Path) -> std::io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

fn refs(repository: &Repository) -> Result<String, git2::Error> {
    let mut lines = Vec::new();
    for reference in repository.references()? {
        let reference = reference?;
        let target = reference.target().map(|oid| oid.to_string());
        let symbolic = reference.symbolic_target_bytes().map(String::from_utf8_lossy);
        let name = String::from_utf8_lossy(reference.name_bytes());
        lines.push(format!("{name} {target:?} {symbolic:?}"));
    }
    lines.sort();
    Ok(digest(lines.join("\n").as_bytes()))
}

/// Adds what the file system knows of everything below `folder`. The time of the last change
/// of status moves with every write, and nobody can set it: contents need not be read.
fn walk(folder: &Path, without: &[&Path], into: &mut Sha256) -> std::io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if without.iter().any(|skipped| path == *skipped || path.join("") == *skipped) {
            continue;
        }
        let meta = fs::symlink_metadata(&path)?;
        let known = [
            i64::from(meta.mode()),
            meta.len().cast_signed(),
            meta.ino().cast_signed(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec(),
        ];
        into.update(path.as_os_str().as_encoded_bytes());
        known.iter().for_each(|number| into.update(number.to_le_bytes()));
        if meta.is_dir() {
            walk(&path, without, into)?;
        }
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
pub(super) mod tests {
    use git2::{IndexAddOption, RepositoryInitOptions, Signature};

    use super::*;

    /// A repository with these files in one commit.
    pub(in crate::demo) fn made(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop");
        let mut options = RepositoryInitOptions::new();
        let repository = Repository::init_opts(&path, options.initial_head("main")).unwrap();
        for (name, text) in files {
            let file = path.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let mut index = repository.index().unwrap();
        index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
        index.write().unwrap();
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let person = Signature::now("Reader", "reader@example.org").unwrap();
        repository.commit(Some("HEAD"), &person, &person, "first", &tree, &[]).unwrap();
        let path = path.canonicalize().unwrap();
        (folder, path)
    }

    #[test]
    fn looking_changes_nothing_and_every_change_is_named() {
        let (_folder, path) = made(&[("a.txt", "a\n"), ("d/b.txt", "b\n")]);
        let source = Source::open(&path).unwrap();
        assert_eq!(source.differences().unwrap(), [""; 0]);

        fs::write(path.join("d/b.txt"), "B\n").unwrap();
        assert_eq!(source.differences().unwrap(), ["work tree"]);

        let source = Source::open(&path).unwrap();
        let repository = source.repository().unwrap();
        let head = repository.head().unwrap().peel_to_commit().unwrap();
        repository.branch("other", &head, false).unwrap();
        assert_eq!(source.differences().unwrap(), ["git folder", "refs"]);
    }

    #[test]
    fn what_is_no_repository_with_a_commit_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |path: &Path| Source::open(path).err().unwrap();
        assert!(refusal(&folder.path().join("none")).contains("No such file"));
        assert!(refusal(folder.path()).contains("not a git repository"));
        Repository::init(folder.path().join("empty")).unwrap();
        assert!(refusal(&folder.path().join("empty")).contains("no commit yet"));
        let (_folder, path) = made(&[("d/b.txt", "b\n")]);
        assert!(refusal(&path.join("d")).contains("inside a git repository"));
    }
}
