//! Tokens for development and tests: a key of our own, and what it signs.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use ed25519_dalek::{Signer as _, SigningKey};
use primitives::Clock;
use rand::RngCore as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::der::PublicKey;
use super::{KeyError, VerificationKey};

/// Signs tokens with an Ed25519 key.
#[derive(Clone)]
pub struct TokenIssuer {
    key: SigningKey,
    issuer: String,
    audience: String,
    clock: Arc<dyn Clock>,
}

impl TokenIssuer {
    /// An issuer with a fresh key.
    pub fn generate(issuer: &str, audience: &str, clock: Arc<dyn Clock>) -> Self {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        Self::with(SigningKey::from_bytes(&secret), issuer, audience, clock)
    }

    /// An issuer whose key was kept as [`TokenIssuer::to_pem`] writes it.
    pub fn from_pem(
        pem: &str,
        issuer: &str,
        audience: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        let key = SigningKey::from_pkcs8_pem(pem).map_err(|_| KeyError::NotPem)?;
        Ok(Self::with(key, issuer, audience, clock))
    }

    fn with(key: SigningKey, issuer: &str, audience: &str, clock: Arc<dyn Clock>) -> Self {
        Self { key, issuer: issuer.to_owned(), audience: audience.to_owned(), clock }
    }

    /// The private key in PKCS#8 PEM. A secret.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let pem = self.key.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::NotPem)?;
        Ok(pem.as_str().to_owned())
    }

    /// What believes these tokens.
    pub fn verification_key(&self) -> Result<VerificationKey, KeyError> {
        VerificationKey::of(&self.kid(), &PublicKey::Ed25519(self.key.verifying_key().as_bytes()))
    }

    /// The key's id: a part of its hash.
    pub fn kid(&self) -> String {
        let hash = Sha256::digest(self.key.verifying_key().as_bytes());
        URL_SAFE_NO_PAD.encode(hash.get(..9).unwrap_or_default())
    }

    /// A token for a subject, valid from now on.
    pub fn issue(&self, subject: &str, valid_for: Duration) -> String {
        let (now, _) = self.clock.now().to_seconds_nanos();
        let end = now.saturating_add(i64::try_from(valid_for.as_secs()).unwrap_or(i64::MAX));
        self.sign(
            &json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.kid() }).to_string(),
            &json!({
                "iss": self.issuer,
                "aud": self.audience,
                "sub": subject,
                "iat": Value::from(now),
                "nbf": Value::from(now),
                "exp": Value::from(end),
            })
            .to_string(),
        )
    }

    /// Signs any two texts as header and claims.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
