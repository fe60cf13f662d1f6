//! Builds a tree from another one and a few changed files.
//!
//! **Invariant:** an entry that is a symbolic link or a submodule is neither replaced nor
//! removed nor entered, and a file never takes the place of a folder.

use std::collections::BTreeMap;

use git2::{ObjectType, Oid, Repository, Tree, TreeEntry};

use crate::error::{Result, internal, refused};

pub(crate) const LINK: i32 = 0o120_000;
pub(crate) const PLAIN: i32 = 0o100_644;
pub(crate) const EXECUTABLE: i32 = 0o100_755;

/// What happens to one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Put { blob: Oid, executable: bool },
    Delete,
}

/// A regular file found in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) blob: Oid,
    pub(crate) executable: bool,
}

impl Found {
    pub(crate) fn put(self) -> Op {
        Op::Put { blob: self.blob, executable: self.executable }
    }
}

#[derive(Default)]
struct Node {
    op: Option<Op>,
    below: BTreeMap<String, Node>,
}

/// The file at `path`; an error when the way leads through something that is no folder, or
/// ends at something that is no file.
pub(crate) fn find(repo: &Repository, root: &Tree<'_>, path: &str) -> Result<Option<Found>> {
    let mut tree = root.clone();
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let Some(entry) = tree.get_name_bytes(name.as_bytes()).map(|e| e.to_owned()) else {
            return Ok(None);
        };
        if names.peek().is_none() {
            return file(&entry, path).map(Some);
        }
        match (entry.kind(), entry.filemode()) {
            (Some(ObjectType::Tree), _) => {
                tree = repo.find_tree(entry.id()).map_err(internal("read a tree"))?;
            }
            (_, mode) => return Err(refused(path, below(mode, entry.kind()))),
        }
    }
    Ok(None)
}

fn file(entry: &TreeEntry<'_>, path: &str) -> Result<Found> {
    match (entry.kind(), entry.filemode()) {
        (_, LINK) => Err(refused(path, "the path is a symbolic link")),
        (Some(ObjectType::Blob), mode) => {
            Ok(Found { blob: entry.id(), executable: mode == EXECUTABLE })
        }
        (Some(ObjectType::Tree), _) => Err(refused(path, "the path is a folder")),
        _ => Err(refused(path, "the path is a submodule")),
    }
}

fn below(mode: i32, kind: Option<ObjectType>) -> &'static str {
    match (kind, mode) {
        (_, LINK) => "the path leads through a symbolic link",
        (Some(ObjectType::Commit), _) => "the path leads into a submodule",
        _ => "the path leads through a file",
    }
}

/// Writes the tree that has `ops` applied to `base`.
pub(crate) fn update(
    repo: &Repository,
    base: &Tree<'_>,
    ops: &BTreeMap<String, Op>,
) -> Result<Oid> {
    let mut root = Node::default();
    for (path, op) in ops {
        let node = path
            .split('/')
            .fold(&mut root, |node, name| node.below.entry(name.to_owned()).or_default());
        node.op = Some(*op);
    }
    if let Some(tree) = write(repo, Some(base), &root, "")? {
        return Ok(tree);
    }
    let empty = repo.treebuilder(None).map_err(internal("write a tree"))?;
    empty.write().map_err(internal("write a tree"))
}

/// `None` for a folder that became empty.
fn write(repo: &Repository, base: Option<&Tree<'_>>, node: &Node, at: &str) -> Result<Option<Oid>> {
    let doing = "write a tree";
    let mut builder = repo.treebuilder(base).map_err(internal(doing))?;
    for (name, child) in &node.below {
        let path = if at.is_empty() { name.clone() } else { format!("{at}/{name}") };
        let mut entry = base.and_then(|b| b.get_name_bytes(name.as_bytes()));
        if child.op == Some(Op::Delete) {
            let gone = entry.take().ok_or_else(|| refused(&path, "there is no such file"))?;
            file(&gone, &path)?;
            builder.remove(name.as_str()).map_err(internal(doing))?;
        }
        let mut is_folder = entry.as_ref().is_some_and(|e| e.kind() == Some(ObjectType::Tree));
        if !child.below.is_empty() {
            let folder = match &entry {
                Some(e) if is_folder => Some(repo.find_tree(e.id()).map_err(internal(doing))?),
                Some(e) => return Err(refused(&path, below(e.filemode(), e.kind()))),
                None => None,
            };
            match write(repo, folder.as_ref(), child, &path)? {
                Some(tree) => {
                    is_folder = true;
                    builder.insert(name.as_str(), tree, 0o040_000).map_err(internal(doing))?;
                }
                None if is_folder => {
                    (is_folder, entry) = (false, None);
                    builder.remove(name.as_str()).map_err(internal(doing))?;
                }
                None => {}
            }
        }
        if let Some(Op::Put { blob, executable }) = child.op {
            if is_folder {
                return Err(refused(&path, "the path is a folder"));
            }
            if let Some(entry) = &entry {
                file(entry, &path)?;
            }
            let mode = if executable { EXECUTABLE } else { PLAIN };
            builder
                .insert(name.as_str(), blob, mode)
                .map_err(|_| refused(&path, "git accepts no file of this name"))?;
        }
    }
    if builder.is_empty() {
        return Ok(None);
    }
    builder.write().map(Some).map_err(internal(doing))
}
