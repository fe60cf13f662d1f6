//! Whose tokens are believed.

use std::sync::Arc;
use std::time::Duration;

use gateway::{KeyObserver, KeySet, VerificationKey, Verifier, VerifierConfig, VerifierError};
use primitives::Clock;

use crate::config::{Config, ConfigError, KeyFile};
use crate::dev::{AUDIENCE, DevKey, ISSUER, KeyError};

/// Clocks of issuer and server may differ this much.
const LEEWAY: Duration = Duration::from_secs(30);

/// An issuer and its public keys.
pub struct Identity {
    config: VerifierConfig,
    key_set: Option<KeySet>,
}

impl Identity {
    /// The development key and no other.
    pub fn dev(key: &DevKey) -> Result<Self, KeyError> {
        let config = VerifierConfig {
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            leeway: LEEWAY,
            keys: vec![key.verification_key()?],
            groups: None,
        };
        Ok(Self { config, key_set: None })
    }

    /// What the configuration names; key files are read now, a key set when the server starts.
    pub fn configured(config: &Config) -> Result<Self, ConfigError> {
        config.require_identity()?;
        let identity = &config.identity;
        let key_set = identity.key_set()?.map(|url| KeySet { url, every: identity.refresh() });
        let config = VerifierConfig {
            issuer: identity.issuer.clone(),
            audience: identity.audience.clone(),
            leeway: LEEWAY,
            keys: identity.keys.0.iter().map(key).collect::<Result<_, _>>()?,
            groups: identity.teams.groups(),
        };
        Ok(Self { config, key_set })
    }

    /// Reads the key set, if there is one. [`Verifier::keep_fresh`] is the caller's.
    pub(super) async fn verifier(
        self,
        observer: Arc<dyn KeyObserver>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Verifier>, VerifierError> {
        let verifier = match self.key_set {
            Some(set) => Verifier::with_key_set(self.config, set, observer, clock).await?,
            None => Verifier::new(self.config, clock)?,
        };
        Ok(Arc::new(verifier))
    }
}

fn key(file: &KeyFile) -> Result<VerificationKey, ConfigError> {
    let shown = file.path.display();
    let wrong = |what: String| ConfigError::wrong(format!("identity.keys: {shown}: {what}"));
    let pem = std::fs::read_to_string(&file.path).map_err(|error| wrong(error.to_string()))?;
    let key =
        VerificationKey::from_pem(&file.kid, &pem).map_err(|error| wrong(error.to_string()))?;
    // The key decides its algorithm; what was written down must be the same.
    let expected = format!("VerificationKey({}, {:?})", file.kid, file.alg);
    if format!("{key:?}") != expected {
        return Err(wrong(format!("is no key for {:?}", file.alg)));
    }
    Ok(key)
}
