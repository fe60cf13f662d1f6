//! Judges bearer tokens.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use primitives::Clock;

use super::VerificationKey;
use super::json::UniqueObject;

/// Longer tokens are not looked at.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Clocks may differ by this much at most.
const MAX_LEEWAY: Duration = Duration::from_mins(1);
/// Longer subjects stand for nobody.
const MAX_SUBJECT_BYTES: usize = 256;

/// Whose tokens are believed.
#[derive(Clone, Debug)]
pub struct VerifierConfig {
    /// `iss` of believed tokens.
    pub issuer: String,
    /// Must be among the token's `aud`.
    pub audience: String,
    /// At most 60 s.
    pub leeway: Duration,
    /// At least one; ids are unique.
    pub keys: Vec<VerificationKey>,
}

/// The configuration is half a verifier; the server must not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// A part is missing.
    #[error("identity: {0} is missing")]
    Missing(&'static str),
    /// Clocks further apart than this are broken.
    #[error("identity: the leeway must not be longer than 60 s")]
    Leeway,
    /// Which key would it be?
    #[error("identity: two keys have the kid {0:?}")]
    DuplicateKid(String),
}

/// Why a token is not believed. For logs only: callers get one answer for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejected {
    TooLong,
    Malformed,
    UnknownKey,
    WrongAlgorithm,
    /// A header extension that must be understood.
    Critical,
    BadSignature,
    WrongIssuer,
    WrongAudience,
    BadSubject,
    /// `exp` or `nbf` is missing or no whole number of seconds.
    BadTimes,
    Expired,
    NotYetValid,
}

/// Tells whom a token stands for.
pub struct Verifier {
    issuer: String,
    audience: String,
    leeway: Duration,
    keys: HashMap<String, VerificationKey>,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// Refuses half a configuration.
    pub fn new(config: VerifierConfig, clock: Arc<dyn Clock>) -> Result<Self, VerifierError> {
        if config.issuer.is_empty() {
            return Err(VerifierError::Missing("the issuer"));
        }
        if config.audience.is_empty() {
            return Err(VerifierError::Missing("the audience"));
        }
        if config.keys.is_empty() {
            return Err(VerifierError::Missing("a key"));
        }
        if config.leeway > MAX_LEEWAY {
            return Err(VerifierError::Leeway);
        }
        let mut keys = HashMap::new();
        for key in config.keys {
            if let Some(twice) = keys.insert(key.kid.clone(), key) {
                return Err(VerifierError::DuplicateKid(twice.kid));
            }
        }
        let VerifierConfig { issuer, audience, leeway, .. } = config;
        Ok(Self { issuer, audience, leeway, keys, clock })
    }

    /// The subject of a token that is believed.
    pub fn subject(&self, token: &str) -> Result<String, Rejected> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejected::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Rejected::Malformed);
        };
        let key = self.key_for(&UniqueObject::decode(header).ok_or(Rejected::Malformed)?)?;
        let signed = &token[..header.len() + 1 + claims.len()];
        let verified =
            jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key.key, key.algorithm);
        if !verified.unwrap_or(false) {
            return Err(Rejected::BadSignature);
        }
        self.judge(&UniqueObject::decode(claims).ok_or(Rejected::Malformed)?)
    }

    fn key_for(&self, header: &UniqueObject) -> Result<&VerificationKey, Rejected> {
        if header.has("crit") {
            return Err(Rejected::Critical);
        }
        let kid = header.text("kid").ok_or(Rejected::UnknownKey)?;
        let key = self.keys.get(kid).ok_or(Rejected::UnknownKey)?;
        if header.text("alg") == Some(name(key.algorithm)) {
            Ok(key)
        } else {
            Err(Rejected::WrongAlgorithm)
        }
    }

    fn judge(&self, claims: &UniqueObject) -> Result<String, Rejected> {
        if claims.text("iss") != Some(&self.issuer) {
            return Err(Rejected::WrongIssuer);
        }
        if !claims.names("aud", &self.audience) {
            return Err(Rejected::WrongAudience);
        }
        let (Some(exp), Some(nbf)) = (claims.seconds("exp"), claims.seconds("nbf")) else {
            return Err(Rejected::BadTimes);
        };
        let now = u64::try_from(self.clock.now().to_seconds_nanos().0).unwrap_or(0);
        let leeway = self.leeway.as_secs();
        if now >= exp.saturating_add(leeway) {
            return Err(Rejected::Expired);
        }
        if now.saturating_add(leeway) < nbf {
            return Err(Rejected::NotYetValid);
        }
        match claims.text("sub") {
            Some(sub) if (1..=MAX_SUBJECT_BYTES).contains(&sub.len()) => Ok(sub.to_owned()),
            _ => Err(Rejected::BadSubject),
        }
    }
}

/// `alg` as in a token's header.
const fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::EdDSA => "EdDSA",
        Algorithm::ES256 => "ES256",
        Algorithm::RS256 => "RS256",
        // Keys are made for these three only: no token names this.
        _ => "",
    }
}

#[cfg(test)]
#[path = "verifier_tests.rs"]
mod tests;
