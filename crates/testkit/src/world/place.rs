//! Where a world lies on disk and how a server is told of it.

use std::path::{Path, PathBuf};

use server::dev::DevKey;
use tempfile::TempDir;

use super::Setup;

/// Owners of repository roots: teams by slug, people with `user:`.
const OWNERS: [&str; 5] = ["core", "payments", "user:alice", "user:bob", "user:dave"];

/// Classes of calls that are limited by rate.
const CLASSES: [&str; 6] = ["ADMIN", "READ", "MUTATION", "LIST", "REFLECTION", "LONG"];

/// A rate that no story meets by accident.
fn unhurried(class: &str) -> [(String, String); 2] {
    let key = |what: &str| format!("ELOHIM_GATEWAY__LIMITS__{class}__{what}");
    [(key("PER_SECOND"), "100000".to_owned()), (key("BURST"), "100000".to_owned())]
}

/// A folder that is removed with the world.
#[derive(Debug)]
pub(super) struct Place {
    folder: TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("elohim-world-").tempdir();
        let place = Self { folder: folder.expect("a temporary folder") };
        std::fs::create_dir(place.data_dir()).expect("the data folder");
        for owner in OWNERS {
            std::fs::create_dir_all(place.root_of(owner)).expect("a root");
        }
        place
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The folder set aside for an owner's repositories.
    pub(super) fn root_of(&self, owner: &str) -> PathBuf {
        self.path().join("roots").join(owner.replace(':', "-"))
    }

    /// The key that signs this world's tokens; a server for development has the same.
    pub(super) fn key(&self) -> DevKey {
        DevKey::open_or_create(&self.data_dir()).expect("a signing key")
    }

    /// The environment of a server on this place: the same for one in this process and for
    /// a child.
    pub(super) fn variables(&self, database_url: &str, setup: &Setup) -> Vec<(String, String)> {
        let roots: Vec<_> = OWNERS
            .iter()
            .map(|owner| format!("{owner}={}", self.root_of(owner).display()))
            .collect();
        let mut pairs = vec![
            ("ELOHIM_DATA_DIR", self.data_dir().display().to_string()),
            ("ELOHIM_DATABASE__URL", database_url.to_owned()),
            ("ELOHIM_GATEWAY__LISTEN", "127.0.0.1:0".to_owned()),
            ("ELOHIM_ADMIN__LISTEN", "127.0.0.1:0".to_owned()),
            ("ELOHIM_METRICS__LISTEN", "127.0.0.1:0".to_owned()),
            ("ELOHIM_REPOSITORIES__ROOTS", roots.join(",")),
        ];
        if let Some(size) = setup.pool_size {
            pairs.push(("ELOHIM_DATABASE__POOL_SIZE", size.to_string()));
        }
        if let Some((base_url, name, key)) = &setup.model {
            pairs.push(("ELOHIM_MODEL__BASE_URL", base_url.clone()));
            pairs.push(("ELOHIM_MODEL__NAME", name.clone()));
            pairs.push(("ELOHIM_MODEL__API_KEY", key.clone()));
        }
        let mut variables: Vec<_> =
            pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        if !setup.has_usual_rates {
            variables.extend(CLASSES.into_iter().flat_map(unhurried));
        }
        let own = setup.variables.iter();
        variables.extend(own.map(|(key, value)| ((*key).to_owned(), value.clone())));
        variables
    }
}
