//! Whose tokens are believed, and by which keys.
//!
//! **Invariant:** half of it is an error: issuer, audience and a source of keys belong
//! together.

use std::path::PathBuf;
use std::time::Duration;

use gateway::KeySetUrl;
use serde::{Deserialize, Deserializer};

use super::{ConfigError, TeamsClaimConfig};

/// Seconds between two readings of a key set.
const REFRESH: std::ops::RangeInclusive<u64> = 1..=86_400;

/// Whose tokens are accepted. Issuer, audience and keys, or nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// The `iss` of tokens.
    pub issuer: String,
    /// The `aud` of tokens.
    pub audience: String,
    /// Public keys by `kid`.
    pub keys: KeyFiles,
    /// Where the issuer publishes its keys: `https://`, or `http://` on this machine.
    pub jwks_url: String,
    /// Seconds after which they are read again at the latest.
    pub jwks_refresh: u64,
    /// Teams by what tokens say.
    pub teams: TeamsClaimConfig,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: String::new(),
            keys: KeyFiles::default(),
            jwks_url: String::new(),
            jwks_refresh: 300,
            teams: TeamsClaimConfig::default(),
        }
    }
}

impl IdentityConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let has_keys = !self.keys.0.is_empty() || !self.jwks_url.is_empty();
        let given = [!self.issuer.is_empty(), !self.audience.is_empty(), has_keys];
        if given.contains(&true) && given.contains(&false) {
            let text = "identity is incomplete: issuer, audience and keys (or jwks_url) belong \
                        together";
            return Err(ConfigError::wrong(text));
        }
        let mut kids: Vec<_> = self.keys.0.iter().map(|key| &key.kid).collect();
        kids.sort();
        if kids.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(ConfigError::wrong("identity.keys names a kid twice"));
        }
        self.key_set()?;
        if !REFRESH.contains(&self.jwks_refresh) {
            let text = "identity.jwks_refresh must be 1 to 86400 seconds";
            return Err(ConfigError::wrong(text));
        }
        if self.teams.is_on() && self.issuer.is_empty() {
            return Err(ConfigError::wrong("identity.teams is set without identity.issuer"));
        }
        self.teams.check()
    }

    /// Where keys are read from, if that is configured.
    pub(crate) fn key_set(&self) -> Result<Option<KeySetUrl>, ConfigError> {
        if self.jwks_url.is_empty() {
            return Ok(None);
        }
        let url = KeySetUrl::parse(&self.jwks_url);
        url.map(Some).map_err(|error| ConfigError::wrong(format!("identity.jwks_url {error}")))
    }

    pub(crate) fn refresh(&self) -> Duration {
        Duration::from_secs(self.jwks_refresh)
    }
}

/// The one algorithm a key is used with, whatever a token's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    /// Ed25519.
    EdDSA,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RS256,
}

/// One public key in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// As in the token's header.
    pub kid: String,
    pub alg: Algorithm,
    pub path: PathBuf,
}

/// All of them: tables in the file, `KID=ALG:PATH,…` in a variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFiles(pub Vec<KeyFile>);

impl KeyFiles {
    fn parse(text: &str) -> Result<Self, String> {
        let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
        keys.map(KeyFile::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl KeyFile {
    fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?}: expected KID=ALG:PATH, as in k1=EdDSA:/etc/key.pem");
        let (kid, rest) = text.split_once('=').ok_or_else(expected)?;
        let (alg, path) = rest.split_once(':').ok_or_else(expected)?;
        let alg = match alg {
            "EdDSA" => Algorithm::EdDSA,
            "ES256" => Algorithm::ES256,
            "RS256" => Algorithm::RS256,
            _ => return Err(format!("{text:?}: the algorithm is EdDSA, ES256 or RS256")),
        };
        if kid.is_empty() || path.is_empty() {
            return Err(expected());
        }
        Ok(Self { kid: kid.to_owned(), alg, path: path.into() })
    }
}

impl<'de> Deserialize<'de> for KeyFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Keys {
            Line(String),
            Tables(Vec<KeyFile>),
        }
        match Keys::deserialize(deserializer)? {
            Keys::Line(line) => Self::parse(&line).map_err(serde::de::Error::custom),
            Keys::Tables(keys) => Ok(Self(keys)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_names_key_algorithm_and_file() {
        let keys = KeyFiles::parse("a=EdDSA:/k/a.pem,b=RS256:/k/b:c.pem").unwrap();
        let [a, b] = keys.0.as_slice() else { panic!("{keys:?}") };
        assert_eq!((a.kid.as_str(), a.alg), ("a", Algorithm::EdDSA));
        assert_eq!((b.alg, b.path.to_str()), (Algorithm::RS256, Some("/k/b:c.pem")));
    }

    fn checked(jwks_url: &str, issuer: &str, jwks_refresh: u64) -> Result<(), ConfigError> {
        let config = IdentityConfig {
            jwks_url: jwks_url.into(),
            jwks_refresh,
            issuer: issuer.into(),
            audience: issuer.into(),
            ..Default::default()
        };
        config.check()
    }

    #[test]
    fn a_key_set_alone_will_do_and_needs_issuer_and_audience() {
        assert!(checked("https://id.example.org/keys", "us", 300).is_ok());
        assert!(checked("http://127.0.0.1:1/keys", "us", 1).is_ok());
        assert!(checked("https://id.example.org/keys", "", 300).is_err());
        assert!(checked("", "us", 300).is_err());
        assert!(checked("", "", 300).is_ok());
        for url in ["http://id.example.org/keys", "ftp://127.0.0.1/k", "id.example.org", "/etc/k"] {
            assert!(checked(url, "us", 300).is_err(), "{url}");
        }
        for seconds in [0, 86_401, u64::MAX] {
            assert!(checked("https://id.example.org/keys", "us", seconds).is_err(), "{seconds}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["a", "a=EdDSA", "a=HS256:/k", "=EdDSA:/k", "a=EdDSA:", "a=eddsa:/k"] {
            assert!(KeyFiles::parse(text).is_err(), "{text}");
        }
    }
}
