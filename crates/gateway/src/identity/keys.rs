//! Public keys that tokens may be signed with.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::der::{self, PublicKey};

/// Shorter RSA keys can be broken, longer ones cost every caller time.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A key with the one algorithm it is used with.
#[derive(Clone)]
pub struct VerificationKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl std::fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerificationKey({}, {:?})", self.kid, self.algorithm)
    }
}

/// A key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a PEM `PUBLIC KEY`.
    #[error("expected a PEM block `PUBLIC KEY`")]
    NotPem,
    /// Not an Ed25519, P-256 or RSA key of 2,048 bits or more.
    #[error("expected a public key of Ed25519, P-256, or RSA of 2048 to 8192 bits")]
    Unsupported,
    /// Not a set of JSON Web Keys.
    #[error("expected a JSON Web Key Set: {0}")]
    NotJwks(String),
    /// A set without a single usable key.
    #[error("the JSON Web Key Set has no key that can be used")]
    NoKey,
    /// The key's `kid` is missing or empty.
    #[error("a key needs a kid")]
    NoKid,
}

impl VerificationKey {
    /// A PEM `PUBLIC KEY`: Ed25519 (EdDSA), P-256 (ES256) or RSA (RS256).
    pub fn from_pem(kid: &str, pem: &str) -> Result<Self, KeyError> {
        let spki = pem_block(pem).ok_or(KeyError::NotPem)?;
        Self::of(kid, &der::public_key(&spki).ok_or(KeyError::Unsupported)?)
    }

    /// All usable keys of a JSON Web Key Set; keys of other kinds or uses are left out.
    pub fn from_jwks(json: &str) -> Result<Vec<Self>, KeyError> {
        let set: JwkSet =
            serde_json::from_str(json).map_err(|error| KeyError::NotJwks(error.to_string()))?;
        let usable: Vec<_> = set.keys.iter().filter_map(Jwk::key).collect();
        if usable.is_empty() { Err(KeyError::NoKey) } else { Ok(usable) }
    }

    /// The id that tokens name it by.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn of(kid: &str, key: &PublicKey<'_>) -> Result<Self, KeyError> {
        if kid.is_empty() {
            return Err(KeyError::NoKid);
        }
        let (algorithm, key) = match key {
            PublicKey::Ed25519(bytes) => (Algorithm::EdDSA, DecodingKey::from_ed_der(bytes)),
            PublicKey::P256(point) => (Algorithm::ES256, DecodingKey::from_ec_der(point)),
            PublicKey::Rsa { modulus, exponent } if RSA_BYTES.contains(&modulus.len()) => {
                (Algorithm::RS256, DecodingKey::from_rsa_raw_components(modulus, exponent))
            }
            PublicKey::Rsa { .. } => return Err(KeyError::Unsupported),
        };
        // Points off the curve are found here rather than at the first call.
        jsonwebtoken::crypto::verify("", b"", &key, algorithm)
            .map_err(|_| KeyError::Unsupported)?;
        Ok(Self { kid: kid.to_owned(), algorithm, key })
    }
}

fn pem_block(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN PUBLIC KEY-----")?;
    let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body).ok()
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Jwk {
    fn key(&self) -> Option<VerificationKey> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let part = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let kid = self.kid.as_deref()?;
        let made = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => {
                let x = part(&self.x).filter(|x| x.len() == 32)?;
                VerificationKey::of(kid, &PublicKey::Ed25519(&x))
            }
            ("EC", Some("P-256")) => {
                let half = |text| part(text).filter(|half| half.len() == 32);
                let point = [vec![4], half(&self.x)?, half(&self.y)?].concat();
                VerificationKey::of(kid, &PublicKey::P256(&point))
            }
            ("RSA", _) => {
                let (modulus, exponent) = (part(&self.n)?, part(&self.e)?);
                let key = PublicKey::Rsa { modulus: &modulus, exponent: &exponent };
                VerificationKey::of(kid, &key)
            }
            _ => return None,
        };
        let key = made.ok()?;
        let stated = self.alg.as_deref().is_none_or(|alg| alg == format!("{:?}", key.algorithm));
        stated.then_some(key)
    }
}
