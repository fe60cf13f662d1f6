//! The server-owned bare repositories that everything is written to.
//!
//! **Invariant:** a mirror reads no configuration but its own file, which is written here.
//! A mirror appears whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use agent_core::port::workspace::WorkspaceError;
use git2::{Config, ConfigLevel, Repository, RepositoryInitOptions, RepositoryOpenFlags};
use primitives::RepositoryId;

use crate::error::{Result, internal};
use crate::stale;

/// What a git binary finds that somebody points at a mirror.
const CONFIG: &str = "[core]\n\
    \trepositoryformatversion = 0\n\
    \tfilemode = true\n\
    \tbare = true\n\
    \thooksPath = /dev/null\n\
    [gc]\n\
    \tauto = 0\n";

/// What this crate uses instead. Objects and refs reach the disk before their names do.
const OWN_CONFIG: &str = "[core]\n\
    \trepositoryformatversion = 0\n\
    \tfilemode = true\n\
    \tbare = true\n\
    \tlogAllRefUpdates = false\n\
    \tfsyncObjectFiles = true\n\
    \tattributesFile = /dev/null\n\
    \texcludesFile = /dev/null\n";

const OWN_CONFIG_FILE: &str = "elohim.config";

/// How the names of mirrors begin that are not whole yet.
const DRAFT: &str = ".new-";

/// What a lock protects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock {
    /// Bringing objects in, and the `shallow` file.
    Import,
    /// Moving refs.
    Refs,
}

/// The data directory's `repos` folder.
#[derive(Debug)]
pub(crate) struct Mirrors {
    repos: PathBuf,
}

impl Mirrors {
    pub(crate) fn new(data_dir: &Path) -> Result<Self> {
        let repos = data_dir.join("repos");
        private_dir(&repos)?;
        stale::remove(&repos, |name| name.starts_with(DRAFT));
        Ok(Self { repos })
    }

    fn path(&self, id: RepositoryId) -> PathBuf {
        self.repos.join(format!("{}.git", id.as_uuid().hyphenated()))
    }

    /// The mirror, created when it does not exist yet.
    pub(crate) fn open(&self, id: RepositoryId) -> Result<Repository> {
        let path = self.path(id);
        if !path.is_dir() {
            self.create(&path)?;
        }
        open_mirror(&path)
    }

    /// Held until the file is dropped, across processes; freed by the kernel after a crash.
    pub(crate) fn lock(&self, id: RepositoryId, lock: Lock) -> Result<File> {
        let name = match lock {
            Lock::Import => "elohim-import.lock",
            Lock::Refs => "elohim-refs.lock",
        };
        let path = self.path(id).join(name);
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        let file = options.open(path).map_err(internal("open a mirror's lock"))?;
        file.lock().map_err(internal("lock a mirror"))?;
        Ok(file)
    }

    fn create(&self, path: &Path) -> Result<()> {
        let draft = tempfile::Builder::new()
            .prefix(DRAFT)
            .tempdir_in(&self.repos)
            .map_err(internal("create a mirror"))?;
        let mut options = RepositoryInitOptions::new();
        options.bare(true).no_reinit(true).external_template(false).initial_head("main");
        Repository::init_opts(draft.path(), &options).map_err(internal("create a mirror"))?;
        write_synced(&draft.path().join("config"), CONFIG.as_bytes())?;
        write_synced(&draft.path().join(OWN_CONFIG_FILE), OWN_CONFIG.as_bytes())?;
        let draft = draft.keep();
        match fs::rename(&draft, path) {
            Ok(()) => Ok(()),
            // Another process was faster: its mirror is as good as this one.
            Err(_) if path.is_dir() => {
                fs::remove_dir_all(&draft).map_err(internal("remove a spare mirror"))
            }
            Err(error) => Err(internal("create a mirror")(error)),
        }
    }
}

fn open_mirror(path: &Path) -> Result<Repository> {
    let flags =
        RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
    let repo = Repository::open_ext(path, flags, &[] as &[&std::ffi::OsStr])
        .map_err(internal("open a mirror"))?;
    let config = only_config(&path.join(OWN_CONFIG_FILE), ConfigLevel::Local)?;
    repo.set_config(&config).map_err(internal("configure a mirror"))?;
    Ok(repo)
}

/// A configuration that consists of one file: the machine's and the user's do not count.
pub(crate) fn only_config(file: &Path, level: ConfigLevel) -> Result<Config> {
    let mut config = Config::new().map_err(internal("read a config"))?;
    config.add_file(file, level, false).map_err(internal("read a config"))?;
    Ok(config)
}

/// Creates a directory only this user may enter, if it does not exist.
pub(crate) fn private_dir(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(internal("create a data directory"))
}

pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let doing = "write a file of a mirror";
    let mut file = File::create(path).map_err(internal(doing))?;
    file.write_all(bytes).map_err(internal(doing))?;
    file.sync_all().map_err(internal(doing))
}

/// The tree of a commit that is in the mirror.
pub(crate) fn tree_of(mirror: &Repository, commit: git2::Oid) -> Result<git2::Tree<'_>> {
    let missing = |_| WorkspaceError::NoSuchRevision(commit.to_string());
    let commit = mirror.find_commit(commit).map_err(missing)?;
    commit.tree().map_err(internal("read a tree"))
}
