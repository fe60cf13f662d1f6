//! Judges bearer tokens.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use primitives::Clock;

use super::json::UniqueObject;
use super::keyring::Keyring;
use super::keyset::Remote;
use super::{
    DuplicateKid, FetchError, GroupsClaim, Identified, KeySet, KeySetUrl, VerificationKey,
};
use crate::observe::KeyObserver;

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
    /// Keys that stay; their ids are unique. At least one, or a key set.
    pub keys: Vec<VerificationKey>,
    /// Read beside the subject.
    pub groups: Option<GroupsClaim>,
}

/// The configuration is half a verifier; the server must not start.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// A part is missing.
    #[error("identity: {0} is missing")]
    Missing(&'static str),
    /// Clocks further apart than this are broken.
    #[error("identity: the leeway must not be longer than 60 s")]
    Leeway,
    #[error("identity: {0}")]
    Duplicate(#[from] DuplicateKid),
    /// The key set cannot be read, and there is no other key.
    #[error("identity: {url:?}: {cause}")]
    KeySet { url: KeySetUrl, cause: FetchError },
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
    groups: Option<GroupsClaim>,
    keys: Arc<Keyring>,
    /// The key set, and how long until it is read for the second time.
    remote: Option<(Remote, Duration)>,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// With the keys of the configuration alone. Refuses half a configuration.
    pub fn new(config: VerifierConfig, clock: Arc<dyn Clock>) -> Result<Self, VerifierError> {
        if config.keys.is_empty() {
            return Err(VerifierError::Missing("a key"));
        }
        Self::with_ring(config, clock)
    }

    /// With the keys of a key set too, which is read now. If that fails, keys of the
    /// configuration will do until it succeeds. [`Verifier::keep_fresh`] must be at work.
    pub async fn with_key_set(
        config: VerifierConfig,
        set: KeySet,
        observer: Arc<dyn KeyObserver>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, VerifierError> {
        let url = set.url.clone();
        let mut verifier = Self::with_ring(config, clock)?;
        let failed = |cause| VerifierError::KeySet { url, cause };
        let remote = match Remote::new(set, Arc::clone(&verifier.keys), observer) {
            Ok(remote) => remote,
            Err(cause) => return Err(failed(cause)),
        };
        let pause = match remote.refresh().await {
            Ok(pause) => pause,
            Err(_) if verifier.keys.has_fixed() => remote.retry(),
            Err(cause) => return Err(failed(cause)),
        };
        verifier.remote = Some((remote, pause));
        Ok(verifier)
    }

    fn with_ring(config: VerifierConfig, clock: Arc<dyn Clock>) -> Result<Self, VerifierError> {
        if config.issuer.is_empty() {
            return Err(VerifierError::Missing("the issuer"));
        }
        if config.audience.is_empty() {
            return Err(VerifierError::Missing("the audience"));
        }
        if config.leeway > MAX_LEEWAY {
            return Err(VerifierError::Leeway);
        }
        let keys = Arc::new(Keyring::new(config.keys)?);
        let VerifierConfig { issuer, audience, leeway, groups, .. } = config;
        Ok(Self { issuer, audience, leeway, groups, keys, remote: None, clock })
    }

    /// Reads the key set again and again; does not end. Without one there is nothing to do.
    pub async fn keep_fresh(&self) {
        match &self.remote {
            Some((remote, pause)) => remote.keep_fresh(*pause).await,
            None => std::future::pending().await,
        }
    }

    /// The subject of a token that is believed.
    pub fn subject(&self, token: &str) -> Result<String, Rejected> {
        self.judge(token).map(|identified| identified.subject)
    }

    /// Whom a token stands for. Of a key that is not known the key set is asked, now and then.
    pub async fn identify(&self, token: &str) -> Result<Identified, Rejected> {
        match (self.judge(token), &self.remote) {
            (Err(Rejected::UnknownKey), Some((remote, _))) if remote.look_again().await => {
                self.judge(token)
            }
            (judged, _) => judged,
        }
    }

    fn judge(&self, token: &str) -> Result<Identified, Rejected> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejected::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Rejected::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Rejected::Malformed)?;
        if claims.contains('.') {
            return Err(Rejected::Malformed);
        }
        let key = self.key_for(&UniqueObject::decode(header).ok_or(Rejected::Malformed)?)?;
        let verified =
            jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key.key, key.algorithm);
        if !verified.unwrap_or(false) {
            return Err(Rejected::BadSignature);
        }
        self.read(&UniqueObject::decode(claims).ok_or(Rejected::Malformed)?)
    }

    fn key_for(&self, header: &UniqueObject) -> Result<Arc<VerificationKey>, Rejected> {
        if header.has("crit") {
            return Err(Rejected::Critical);
        }
        let kid = header.text("kid").ok_or(Rejected::UnknownKey)?;
        let key = self.keys.find(kid).ok_or(Rejected::UnknownKey)?;
        if header.text("alg") == Some(name(key.algorithm)) {
            Ok(key)
        } else {
            Err(Rejected::WrongAlgorithm)
        }
    }

    fn read(&self, claims: &UniqueObject) -> Result<Identified, Rejected> {
        if claims.text("iss") != Some(&self.issuer) {
            return Err(Rejected::WrongIssuer);
        }
        if !claims.texts("aud").is_some_and(|named| named.contains(self.audience.as_str())) {
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
        let subject = claims.text("sub").ok_or(Rejected::BadSubject)?;
        if !(1..=MAX_SUBJECT_BYTES).contains(&subject.len()) {
            return Err(Rejected::BadSubject);
        }
        let groups = self.groups.as_ref().map(|claim| claim.of(claims)).unwrap_or_default();
        Ok(Identified { subject: subject.to_owned(), groups })
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
