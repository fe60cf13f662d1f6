//! The database, opened and brought up to date.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;

use secrecy::ExposeSecret;
use storage::{ConnectError, Storage, StorageOptions};

use super::StartError;
use crate::config::{Config, ConfigError};

/// An open database; on SQLite, the folder's lock with it.
pub(super) struct Opened {
    pub storage: Storage,
    /// Freed by the kernel, whatever becomes of this process.
    _lock: Option<File>,
}

/// Makes the data folder if it is missing, connects, migrates; on Postgres, makes sure that
/// row-level security binds the server.
pub(super) async fn open(config: &Config) -> Result<Opened, StartError> {
    let folder = &config.data_dir;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| ConfigError::wrong(format!("data_dir {}: {error}", folder.display())))?;
    let lock = if config.is_embedded() { Some(lock(config)?) } else { None };
    let mut options = StorageOptions::default();
    if let Some(size) = config.database.pool_size {
        options.pool_size = size;
    }
    let url = config.database_url();
    let storage = Storage::connect(url.expose_secret(), options).await.map_err(refused)?;
    match config.migration_url() {
        Some(owner) => storage.migrate_as(owner.expose_secret()).await?,
        None => storage.migrate().await?,
    };
    storage.require_bound().await?;
    Ok(Opened { storage, _lock: lock })
}

/// A URL that cannot be one is a wrong value; everything else may pass.
fn refused(error: ConnectError) -> StartError {
    match error {
        ConnectError::Url | ConnectError::InMemory => {
            ConfigError::wrong(format!("database.url: {error}")).into()
        }
        ConnectError::Folder { .. } | ConnectError::Unbound { .. } | ConnectError::Refused(_) => {
            error.into()
        }
    }
}

/// SQLite belongs to one process: a second one would work on the same runs unawares.
fn lock(config: &Config) -> Result<File, StartError> {
    let path = config.data_dir.join("server.lock");
    let failed = |error: std::io::Error| {
        StartError::from(ConfigError::wrong(format!("{}: {error}", path.display())))
    };
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse(config.data_dir.clone())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
