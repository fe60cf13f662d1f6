//! A door for fuzzing: patches judged on trees in memory. No part of the crate's interface.
//!
//! **Invariant:** what is judged here is judged by the code that serves callers; only the
//! place of the objects differs.

use std::collections::BTreeMap;

use agent_core::port::workspace::{ObjectId, PatchInput, TreeChange, WorkspaceError};
use git2::{Mempack, Odb, Oid, Repository, Signature, Time, Tree};
use primitives::RepositoryId;
use tempfile::TempDir;

use crate::error::{Result, internal, to_id, to_oid};
use crate::mirror::Mirrors;
use crate::tree::{EXECUTABLE, LINK, PLAIN};
use crate::{judge, policy};

const SUBMODULE: i32 = 0o160_000;
const FOLDER: i32 = 0o040_000;
/// Written to before the mirror's files.
const PRIORITY: i32 = 1_000;

/// What lies at a path of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    File(Vec<u8>),
    Executable(Vec<u8>),
    Link(Vec<u8>),
    Submodule,
    /// Any other mode that git would show.
    Odd(i32),
}

/// The leaves of a tree by their whole paths.
pub type Files = BTreeMap<Vec<u8>, Entry>;

/// A mirror whose new objects stay in memory.
pub struct Bench {
    mirror: &'static Repository,
    memory: Mempack<'static>,
    _folder: TempDir,
}

impl Bench {
    /// An empty one, as the server would make it.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir().map_err(internal("make a folder"))?;
        let mirror = Mirrors::new(folder.path())?.open(RepositoryId::generate())?;
        // A bench lives about as long as its process.
        let mirror: &'static Repository = Box::leak(Box::new(mirror));
        let odb = mirror.odb().map_err(internal("open the objects"))?;
        let odb: &'static Odb<'static> = Box::leak(Box::new(odb));
        let memory = odb.add_new_mempack_backend(PRIORITY).map_err(internal("use memory"))?;
        Ok(Self { mirror, memory, _folder: folder })
    }

    /// A commit of these files without parents.
    pub fn commit(&self, files: &Files) -> Result<ObjectId> {
        let tree = self.write(files)?;
        let tree = self.mirror.find_tree(tree).map_err(internal("read a tree"))?;
        let at = Time::new(0, 0);
        let who = Signature::new("a", "a@example.org", &at).map_err(internal("sign"))?;
        let made = self.mirror.commit(None, &who, &who, "base", &tree, &[]);
        to_id(made.map_err(internal("write a commit"))?)
    }

    /// As [`agent_core::port::workspace::Workspace::judge`].
    pub fn judge(&self, base: &ObjectId, input: &PatchInput) -> Result<TreeChange> {
        judge::judge(self.mirror, to_oid(base)?, input)
    }

    /// The files of a tree.
    pub fn files(&self, tree: &ObjectId) -> Result<Files> {
        let tree = self.mirror.find_tree(to_oid(tree)?).map_err(internal("read a tree"))?;
        let mut files = Files::new();
        self.read(&tree, &[], &mut files)?;
        Ok(files)
    }

    /// Forgets every object made so far.
    pub fn clear(&self) -> Result<()> {
        self.memory.reset().map_err(internal("forget objects"))
    }

    fn write(&self, files: &Files) -> Result<Oid> {
        let doing = "write a tree";
        let mut builder = self.mirror.treebuilder(None).map_err(internal(doing))?;
        let mut folders: BTreeMap<&[u8], Files> = BTreeMap::new();
        for (path, entry) in files {
            if let Some(slash) = path.iter().position(|byte| *byte == b'/') {
                let (folder, rest) = path.split_at(slash);
                let rest = rest.get(1..).unwrap_or_default().to_vec();
                folders.entry(folder).or_default().insert(rest, entry.clone());
                continue;
            }
            let (content, mode) = match entry {
                Entry::File(content) => (content, PLAIN),
                Entry::Executable(content) => (content, EXECUTABLE),
                Entry::Link(target) => (target, LINK),
                Entry::Submodule | Entry::Odd(_) => {
                    let commit = Oid::from_bytes(&[1; 20]).map_err(internal(doing))?;
                    builder.insert(path, commit, SUBMODULE).map_err(internal(doing))?;
                    continue;
                }
            };
            let blob = self.mirror.blob(content).map_err(internal(doing))?;
            builder.insert(path, blob, mode).map_err(internal(doing))?;
        }
        for (name, below) in folders {
            let tree = self.write(&below)?;
            builder.insert(name, tree, FOLDER).map_err(internal(doing))?;
        }
        builder.write().map_err(internal(doing))
    }

    fn read(&self, tree: &Tree<'_>, above: &[u8], files: &mut Files) -> Result<()> {
        for entry in tree {
            let mut path = above.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend(entry.name_bytes());
            let content = || -> Result<Vec<u8>> {
                let blob = self.mirror.find_blob(entry.id()).map_err(internal("read a blob"))?;
                Ok(blob.content().to_vec())
            };
            let found = match entry.filemode() {
                FOLDER => {
                    let below = self.mirror.find_tree(entry.id());
                    self.read(&below.map_err(internal("read a tree"))?, &path, files)?;
                    continue;
                }
                PLAIN => Entry::File(content()?),
                EXECUTABLE => Entry::Executable(content()?),
                LINK => Entry::Link(content()?),
                SUBMODULE => Entry::Submodule,
                other => Entry::Odd(other),
            };
            files.insert(path, found);
        }
        Ok(())
    }
}

/// The rule that a path breaks, if any.
pub fn check_path(path: &str) -> std::result::Result<(), &'static str> {
    policy::check_path(path)
}

/// Equal for names that some file system holds for the same.
pub fn fold(name: &str) -> String {
    policy::fold(name)
}

/// Whether an error is the server's own fault.
pub fn is_internal(error: &WorkspaceError) -> bool {
    matches!(error, WorkspaceError::Internal(_))
}
