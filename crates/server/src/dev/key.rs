//! A signing key that is made where it is missing, and tokens signed with it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateway::{TokenIssuer, VerificationKey};
use primitives::SystemClock;

/// The `iss` of development tokens.
pub const ISSUER: &str = "elohim-dev";
/// Their `aud`.
pub const AUDIENCE: &str = "elohim";

/// The key cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path}: {cause}")]
    File { path: PathBuf, cause: std::io::Error },
    #[error("{0} holds no Ed25519 key in PKCS#8 PEM")]
    Malformed(PathBuf),
    #[error("there is no development key in {0}: start `elohim serve --dev` with it first")]
    Missing(PathBuf),
    #[error(transparent)]
    Key(#[from] gateway::KeyError),
}

/// An Ed25519 key that only this machine has.
pub struct DevKey(TokenIssuer);

impl DevKey {
    /// The folder's key.
    pub fn open(data_dir: &Path) -> Result<Self, KeyError> {
        let path = file(data_dir);
        match fs::read_to_string(&path) {
            Ok(pem) => TokenIssuer::from_pem(&pem, ISSUER, AUDIENCE, Arc::new(SystemClock))
                .map(Self)
                .map_err(|_| KeyError::Malformed(path)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                Err(KeyError::Missing(data_dir.to_owned()))
            }
            Err(cause) => Err(KeyError::File { path, cause }),
        }
    }

    /// The folder's key, made if it has none.
    pub fn open_or_create(data_dir: &Path) -> Result<Self, KeyError> {
        match Self::open(data_dir) {
            Err(KeyError::Missing(_)) => {}
            found => return found,
        }
        let path = file(data_dir);
        let failed = |cause| KeyError::File { path: path.clone(), cause };
        if let Some(folder) = path.parent() {
            private_folder(folder).map_err(failed)?;
        }
        let key = Self(TokenIssuer::generate(ISSUER, AUDIENCE, Arc::new(SystemClock)));
        let pem = key.0.to_pem()?;
        let draft = path.with_extension(format!("new-{}", std::process::id()));
        let mut options = fs::OpenOptions::new();
        let mut out =
            options.write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
        out.write_all(pem.as_bytes()).and_then(|()| out.sync_all()).map_err(failed)?;
        // A link, not a rename: of two first starts at once one key wins for both.
        let linked = fs::hard_link(&draft, &path);
        fs::remove_file(&draft).map_err(failed)?;
        match linked {
            Ok(()) => Ok(key),
            Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => Self::open(data_dir),
            Err(cause) => Err(failed(cause)),
        }
    }

    /// The public half, for the verifier.
    pub fn verification_key(&self) -> Result<VerificationKey, KeyError> {
        Ok(self.0.verification_key()?)
    }

    /// A token for `subject`, good for `life` from now on.
    pub fn token(&self, subject: &str, life: Duration) -> String {
        self.0.issue(subject, life)
    }
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("dev").join("signing-key.pem")
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use gateway::{Verifier, VerifierConfig};

    use super::*;

    #[test]
    fn the_key_is_private_stays_the_same_and_signs_what_its_public_half_verifies() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(DevKey::open(folder.path()), Err(KeyError::Missing(_))));
        let made = DevKey::open_or_create(folder.path()).unwrap();
        let again = DevKey::open_or_create(folder.path()).unwrap();
        let mode = fs::metadata(file(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let config = VerifierConfig {
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            leeway: Duration::ZERO,
            keys: vec![again.verification_key().unwrap()],
            groups: None,
        };
        let verifier = Verifier::new(config, Arc::new(SystemClock)).unwrap();
        let token = made.token("bob", Duration::from_mins(1));
        assert_eq!(verifier.subject(&token), Ok("bob".to_owned()));
    }

    #[test]
    fn a_broken_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("dev")).unwrap();
        fs::write(file(folder.path()), "not a key").unwrap();
        assert!(matches!(DevKey::open_or_create(folder.path()), Err(KeyError::Malformed(_))));
    }
}
