//! The registered repository, opened to be read.
//!
//! **Invariant:** nothing here writes to it, follows a link out of it, or lets its (or the
//! user's) configuration choose a file to read or a program to run. Checks come before
//! libgit2 touches anything.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use agent_core::port::workspace::WorkspaceError;
use git2::{ConfigLevel, ErrorCode, Oid, Reference, Repository, RepositoryOpenFlags};
use tempfile::NamedTempFile;

use crate::error::{Result, internal, unusable};
use crate::gitconfig::{self, Setting};
use crate::mirror::only_config;

/// Larger config files are refused.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// More loose objects and refs than this are refused: the repository needs `git gc`.
const MAX_LOOSE_FILES: usize = 1_000_000;

/// An opened registered repository.
pub(crate) struct Source {
    pub(crate) repo: Repository,
    // libgit2 re-reads the file while the handle lives.
    _config: NamedTempFile,
}

/// Where the parts of a repository lie.
pub(crate) struct Layout {
    pub(crate) git_dir: PathBuf,
    pub(crate) bare: bool,
}

/// Opens a vetted repository; `scratch` takes a private file for its configuration.
pub(crate) fn open(path: &Path, scratch: &Path) -> Result<Source> {
    let gone = |_| unusable("its folder is gone");
    if path.canonicalize().map_err(gone)? != path {
        return Err(unusable("its path leads through a symbolic link"));
    }
    let layout = vet_layout(path)?;
    let settings = vet_git_dir(&layout.git_dir)?;
    let repo =
        Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, &[] as &[&std::ffi::OsStr])
            .map_err(|e| open_error(&e))?;
    check_opened(&repo, path, &layout)?;
    let config = reader_config(&settings, scratch)?;
    repo.set_config(&only_config(config.path(), ConfigLevel::Local)?)
        .map_err(internal("configure a reader"))?;
    Ok(Source { repo, _config: config })
}

fn open_error(error: &git2::Error) -> WorkspaceError {
    match error.code() {
        ErrorCode::Owner => unusable(
            "it belongs to another user of this machine; \
             let the server's user own it, or list it as a safe.directory of that user",
        ),
        ErrorCode::NotFound => unusable("it is not a git repository"),
        _ => unusable("git cannot open it"),
    }
}

/// libgit2 must have found exactly what was vetted.
fn check_opened(repo: &Repository, path: &Path, layout: &Layout) -> Result<()> {
    let same = |a: &Path, b: &Path| a.canonicalize().is_ok_and(|a| a == b);
    let work_tree = match repo.workdir() {
        Some(dir) => !layout.bare && same(dir, path),
        None => true,
    };
    let git_dir = same(repo.path(), &layout.git_dir) && same(repo.commondir(), &layout.git_dir);
    if work_tree && git_dir && !repo.is_worktree() {
        Ok(())
    } else {
        Err(unusable("its work tree or git directory lies elsewhere"))
    }
}

/// Only settings that say how work-tree files compare with objects, from a private copy.
fn reader_config(settings: &[Setting], scratch: &Path) -> Result<NamedTempFile> {
    const KEPT: [&str; 7] = [
        "autocrlf",
        "eol",
        "filemode",
        "ignorecase",
        "symlinks",
        "precomposeunicode",
        "trustctime",
    ];
    let doing = "configure a reader";
    let file = NamedTempFile::new_in(scratch).map_err(internal(doing))?;
    let mut config = only_config(file.path(), ConfigLevel::Local)?;
    for setting in settings.iter().filter(|s| s.section == "core") {
        if KEPT.contains(&setting.key.as_str()) {
            let name = format!("core.{}", setting.key);
            let value = setting.value.as_deref().unwrap_or("true");
            config.set_str(&name, value).map_err(internal(doing))?;
        }
    }
    // libgit2 takes its limit for delta candidates from this key: searching deltas for
    // objects that are copied once costs minutes on a large repository.
    let fixed = [
        ("pack.deltaCacheSize", "1"),
        ("core.bigFileThreshold", "1"),
        ("core.attributesFile", "/dev/null"),
        ("core.excludesFile", "/dev/null"),
    ];
    for (name, value) in fixed {
        config.set_str(name, value).map_err(internal(doing))?;
    }
    Ok(file)
}

/// Tells a work tree with its `.git` from a bare repository; refuses everything else.
pub(crate) fn vet_layout(path: &Path) -> Result<Layout> {
    let meta = fs::symlink_metadata(path).map_err(|_| unusable("there is no such folder"))?;
    if !meta.is_dir() {
        return Err(unusable("it is not a folder"));
    }
    let git_dir = path.join(".git");
    match fs::symlink_metadata(&git_dir) {
        Ok(meta) if meta.is_dir() && looks_bare(path) => {
            Err(unusable("it looks like a bare repository and like a work tree"))
        }
        Ok(meta) if meta.is_dir() => Ok(Layout { git_dir, bare: false }),
        Ok(meta) if meta.is_file() => Err(unusable(
            "its .git is a file: it is a linked worktree or a submodule; register the main one",
        )),
        Ok(_) => Err(unusable("its .git is a symbolic link or a special file")),
        Err(_) if path.file_name().is_some_and(|n| n.eq_ignore_ascii_case(".git")) => {
            Err(unusable("it is a .git folder; register the folder above it"))
        }
        Err(_) if looks_bare(path) => Ok(Layout { git_dir: path.to_owned(), bare: true }),
        Err(_) => Err(unusable("it is not a git repository")),
    }
}

fn looks_bare(path: &Path) -> bool {
    ["HEAD", "objects", "refs"].iter().all(|n| fs::symlink_metadata(path.join(n)).is_ok())
}

/// Checks the files of a git directory and returns its settings.
fn vet_git_dir(git_dir: &Path) -> Result<Vec<Setting>> {
    for name in ["objects", "refs"] {
        expect(git_dir, name, Metadata::is_dir, true)?;
    }
    expect(git_dir, "HEAD", Metadata::is_file, true)?;
    for name in ["config", "config.worktree", "packed-refs", "index", "shallow"] {
        expect(git_dir, name, Metadata::is_file, false)?;
    }
    for name in ["info", "logs"] {
        expect(git_dir, name, Metadata::is_dir, false)?;
    }
    for name in ["info/exclude", "info/attributes", "info/grafts"] {
        expect(git_dir, name, Metadata::is_file, false)?;
    }
    for name in ["commondir", "gitdir", "objects/info/alternates", "objects/info/http-alternates"] {
        if fs::symlink_metadata(git_dir.join(name)).is_ok() {
            return Err(unusable(format!("it borrows from another repository ({name})")));
        }
    }
    let mut left = MAX_LOOSE_FILES;
    plain_files_only(&git_dir.join("objects"), &mut left)?;
    plain_files_only(&git_dir.join("refs"), &mut left)?;

    let mut settings = Vec::new();
    for name in ["config", "config.worktree"] {
        let file = git_dir.join(name);
        if let Ok(meta) = fs::symlink_metadata(&file) {
            if meta.len() > MAX_CONFIG_BYTES {
                return Err(unusable("its config is too large"));
            }
            let text = fs::read_to_string(&file)
                .map_err(|_| unusable("its config cannot be read as text"))?;
            let found = gitconfig::scan(&text)?;
            gitconfig::vet(&found)?;
            settings.extend(found);
        }
    }
    Ok(settings)
}

fn expect(dir: &Path, name: &str, kind: fn(&Metadata) -> bool, required: bool) -> Result<()> {
    match fs::symlink_metadata(dir.join(name)) {
        Ok(meta) if kind(&meta) => Ok(()),
        Ok(_) => Err(unusable(format!("its {name} is a link or a special file"))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !required => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(unusable("the server may not read it"))
        }
        Err(_) => Err(unusable("it is not a git repository")),
    }
}

/// No links and no devices below `dir`: reading one could leave the repository or block.
fn plain_files_only(dir: &Path, left: &mut usize) -> Result<()> {
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|_| unusable("the server may not read it"))?;
        for entry in entries {
            let entry = entry.map_err(internal("list a git directory"))?;
            let kind = entry.file_type().map_err(internal("list a git directory"))?;
            *left = left
                .checked_sub(1)
                .ok_or_else(|| unusable("it has too many loose files; run git gc"))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if !kind.is_file() {
                return Err(unusable("a link or a special file is among its objects or refs"));
            }
        }
    }
    Ok(())
}

/// The branch HEAD is on; `HEAD` when it is on none; `None` before the first commit.
pub(crate) fn default_branch(repo: &Repository) -> Result<Option<String>> {
    let head = match repo.head() {
        Ok(head) => head,
        Err(e) if matches!(e.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {
            return Ok(None);
        }
        Err(_) => return Err(unusable("its HEAD cannot be read")),
    };
    head.peel_to_commit().map_err(|_| unusable("its HEAD names no commit"))?;
    if head.is_branch() {
        let name = head.shorthand().map_err(|_| unusable("its branch name is not UTF-8"))?;
        return Ok(Some(name.to_owned()));
    }
    Ok(Some("HEAD".to_owned()))
}

/// The commit that a revision names: `HEAD`, 40 hex digits, a branch, a tag or a full ref
/// name. Expressions such as `a..b`, `x~1` or `:/text` are no revisions here.
pub(crate) fn resolve(repo: &Repository, revision: Option<&str>) -> Result<Oid> {
    let Some(revision) = revision.filter(|r| *r != "HEAD") else {
        return head_commit(repo);
    };
    let missing = || WorkspaceError::NoSuchRevision(revision.chars().take(200).collect());
    if revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit()) {
        let oid = Oid::from_str(revision).map_err(|_| missing())?;
        return repo.find_commit(oid).map(|c| c.id()).map_err(|_| missing());
    }
    let full = ["refs/heads/", "refs/tags/", "refs/remotes/"];
    let names = if full.iter().any(|p| revision.starts_with(p)) {
        vec![revision.to_owned()]
    } else {
        full.iter().map(|prefix| format!("{prefix}{revision}")).collect()
    };
    for name in names.iter().filter(|n| Reference::is_valid_name(n)) {
        if let Ok(reference) = repo.find_reference(name) {
            return reference.peel_to_commit().map(|c| c.id()).map_err(|_| missing());
        }
    }
    Err(missing())
}

fn head_commit(repo: &Repository) -> Result<Oid> {
    let nothing = "the repository has no commit yet";
    match repo.head() {
        Ok(head) => head
            .peel_to_commit()
            .map(|c| c.id())
            .map_err(|_| WorkspaceError::NoSuchRevision("HEAD names no commit".to_owned())),
        Err(e) if matches!(e.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {
            Err(WorkspaceError::NoSuchRevision(nothing.to_owned()))
        }
        Err(_) => Err(unusable("its HEAD cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use git2::ErrorClass;

    use super::*;

    #[test]
    fn an_error_says_what_to_do_and_nothing_of_libgit2() {
        for (code, expected) in [
            (ErrorCode::Owner, "belongs to another user"),
            (ErrorCode::NotFound, "not a git repository"),
            (ErrorCode::GenericError, "git cannot open it"),
        ] {
            let text =
                open_error(&git2::Error::new(code, ErrorClass::Config, "/secret")).to_string();
            assert!(text.contains(expected) && !text.contains("/secret"), "{text}");
        }
    }
}
