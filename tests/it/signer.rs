//! Signs tokens that a server believes, and such as it must not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::{Signer as _, SigningKey};
use primitives::{Clock as _, SystemClock};
use serde_json::{Value, json};
use server::dev::{AUDIENCE, ISSUER};
use testkit::world::World;

/// An Ed25519 key and the `kid` it is known by.
#[derive(Clone)]
pub(crate) struct Signer {
    key: SigningKey,
    kid: String,
}

impl Signer {
    /// A key of its own.
    pub(crate) fn new(kid: &str) -> Self {
        Self { key: SigningKey::from_bytes(&rand::random()), kid: kid.to_owned() }
    }

    /// The key that the world's server believes.
    pub(crate) fn of(world: &World) -> Self {
        let folder = world.data_dir();
        let pem = std::fs::read_to_string(folder.join("dev/signing-key.pem")).unwrap();
        let token = server::dev::DevKey::open(&folder).unwrap();
        let token = token.token("anybody", std::time::Duration::from_mins(1));
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        let kid = header["kid"].as_str().unwrap().to_owned();
        Self { key: SigningKey::from_pkcs8_pem(&pem).unwrap(), kid }
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// 32 bytes.
    pub(crate) fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// The public half as a key of a set.
    pub(crate) fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.public());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.kid, "x": x })
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.kid })
    }

    /// A good token.
    pub(crate) fn token(&self, subject: &str) -> String {
        self.sign(&self.header().to_string(), &claims(subject).to_string())
    }

    /// Any two texts as header and claims.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed = unsigned(header, claims);
        let signature = self.key.sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What is signed.
pub(crate) fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemClock.now().to_seconds_nanos().0
}

/// Claims that are believed for some minutes.
pub(crate) fn claims(subject: &str) -> Value {
    let now = now();
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "nbf": now - 5, "exp": now + 600 })
}
