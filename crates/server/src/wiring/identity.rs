//! Whose tokens are believed.

use std::sync::Arc;
use std::time::Duration;

use gateway::{VerificationKey, Verifier, VerifierConfig};
use primitives::Clock;

use crate::config::{Config, ConfigError};
use crate::dev::{AUDIENCE, DevKey, ISSUER, KeyError};

/// Clocks of issuer and server may differ this much.
const LEEWAY: Duration = Duration::from_secs(30);

/// An issuer and its public keys.
pub struct Identity(VerifierConfig);

impl Identity {
    /// The development key and no other.
    pub fn dev(key: &DevKey) -> Result<Self, KeyError> {
        Ok(Self(VerifierConfig {
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            leeway: LEEWAY,
            keys: vec![key.verification_key()?],
        }))
    }

    /// What the configuration names; key files are read now.
    pub fn configured(config: &Config) -> Result<Self, ConfigError> {
        config.require_identity()?;
        let mut keys = Vec::new();
        for key in &config.identity.keys.0 {
            let shown = key.path.display();
            let pem = std::fs::read_to_string(&key.path)
                .map_err(|error| ConfigError::wrong(format!("identity.keys: {shown}: {error}")))?;
            let read = VerificationKey::from_pem(&key.kid, &pem)
                .map_err(|error| ConfigError::wrong(format!("identity.keys: {shown}: {error}")))?;
            // The key decides its algorithm; what was written down must be the same.
            let expected = format!("VerificationKey({}, {:?})", key.kid, key.alg);
            if format!("{read:?}") != expected {
                let text = format!("identity.keys: {shown} is no key for {:?}", key.alg);
                return Err(ConfigError::wrong(text));
            }
            keys.push(read);
        }
        Ok(Self(VerifierConfig {
            issuer: config.identity.issuer.clone(),
            audience: config.identity.audience.clone(),
            leeway: LEEWAY,
            keys,
        }))
    }

    pub(super) fn verifier(self, clock: Arc<dyn Clock>) -> Result<Arc<Verifier>, ConfigError> {
        let verifier = Verifier::new(self.0, clock);
        verifier.map(Arc::new).map_err(|error| ConfigError::wrong(error.to_string()))
    }
}
