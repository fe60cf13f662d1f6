//! Bearer tokens, and the public keys they are verified with.
//!
//! An input is a byte that says what is done, and the rest of it: a text offered as a token,
//! the header and claims of one (with a NUL between them) that our key signs, what happens to
//! a good one, or a set of keys.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::{TokenIssuer, VerificationKey, Verifier, VerifierConfig};
use primitives::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::shape::{before_nul, head, text};

const NOW: i64 = 1_700_000_000;
const LEEWAY: i64 = 60;
const ISSUER: &str = "us";
const AUDIENCE: &str = "elohim";

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(NOW * 1_000_000)
    }
}

struct Party {
    issuer: TokenIssuer,
    verifier: Verifier,
    /// A good one.
    token: String,
}

static PARTY: LazyLock<Party> = LazyLock::new(|| {
    let Some(issuer) = issuer() else { panic!("the key is a key") };
    let keys = issuer.verification_key().into_iter().collect();
    let (iss, audience) = (ISSUER.to_owned(), AUDIENCE.to_owned());
    let leeway = Duration::from_secs(LEEWAY.unsigned_abs());
    let config = VerifierConfig { issuer: iss, audience, leeway, keys, groups: None };
    let Ok(verifier) = Verifier::new(config, Arc::new(Fixed)) else { panic!("a whole verifier") };
    let token =
        gateway::fuzzing::sign(&issuer, &header(&issuer).to_string(), &claims().to_string());
    assert_eq!(verifier.subject(&token).as_deref(), Ok("bob"), "the good token is not believed");
    Party { issuer, verifier, token }
});

/// Always the same key, so that kept tokens stay signed.
fn issuer() -> Option<TokenIssuer> {
    // The frame of an Ed25519 key in PKCS#8.
    let frame = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let key = STANDARD.encode([&frame[..], &[7; 32]].concat());
    let what = "PRIVATE KEY";
    let pem = format!("-----BEGIN {what}-----\n{key}\n-----END {what}-----\n");
    TokenIssuer::from_pem(&pem, ISSUER, AUDIENCE, Arc::new(Fixed)).ok()
}

fn header(issuer: &TokenIssuer) -> Value {
    json!({ "alg": "EdDSA", "typ": "JWT", "kid": issuer.kid() })
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "bob", "nbf": NOW, "exp": NOW + 600 })
}

/// One input.
pub fn run(input: &[u8]) {
    let ([doing], rest) = head(input);
    match doing % 4 {
        0 => offered(&text(rest)),
        1 => signed(rest),
        2 => changed(rest),
        _ => keys(&text(rest)),
    }
}

/// Only the one token that was given out is believed.
fn offered(token: &str) {
    if PARTY.verifier.subject(token).is_ok() {
        assert_eq!(token, PARTY.token, "nobody signed this");
    }
}

/// What our key signed is believed if it says so, whatever else it says.
fn signed(input: &[u8]) {
    let (header, claims) = before_nul(input);
    let (header, claims) = (text(header), text(claims));
    let token = gateway::fuzzing::sign(&PARTY.issuer, &header, &claims);
    let Ok(subject) = PARTY.verifier.subject(&token) else { return };
    let (header, claims) = (object(&header), object(&claims));
    assert_eq!(header["alg"], "EdDSA");
    assert_eq!(header["kid"], PARTY.issuer.kid());
    assert!(header.get("crit").is_none(), "what must be understood is not");
    assert_eq!(claims["iss"], ISSUER);
    assert!(claims["aud"] == AUDIENCE || claims["aud"][0].is_string(), "{}", claims["aud"]);
    assert_eq!(claims["sub"], subject.as_str());
    assert!(!subject.is_empty() && subject.len() <= 256);
    let (Some(exp), Some(nbf)) = (claims["exp"].as_u64(), claims["nbf"].as_u64()) else {
        panic!("{claims} has no times")
    };
    assert!(exp > (NOW - LEEWAY).unsigned_abs(), "it has expired");
    assert!(nbf <= (NOW + LEEWAY).unsigned_abs(), "it is not yet valid");
}

fn object(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => value,
        other => panic!("{other:?} is no part of a token"),
    }
}

/// A good token with a byte changed, removed or added is not.
fn changed(input: &[u8]) {
    let ([high, low, byte], _) = head(input);
    let mut bytes = PARTY.token.as_bytes().to_vec();
    let at = usize::from(u16::from_be_bytes([high, low]));
    match bytes.get_mut(at) {
        Some(place) if byte != 0 => *place = byte,
        Some(_) => drop(bytes.remove(at)),
        None => bytes.push(byte),
    }
    let changed = text(&bytes);
    let believed = PARTY.verifier.subject(&changed).is_ok();
    assert!(!believed || changed == PARTY.token, "{changed} was changed");
}

/// Keys that can be used have a name, and verify nothing by themselves.
fn keys(given: &str) {
    for key in VerificationKey::from_jwks(given).unwrap_or_default() {
        assert!(!key.kid().is_empty());
    }
    if let Ok(key) = VerificationKey::from_pem("one", given) {
        assert_eq!(key.kid(), "one");
    }
}

/// Good tokens, and each way one can be wrong.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![[b"\0", PARTY.token.as_bytes()].concat()];
    let parts: Vec<&str> = PARTY.token.split('.').collect();
    let none = parts.get(..2).unwrap_or_default().join(".") + ".";
    seeds.extend(["..", none.as_str(), "a.b.c.d"].map(|text| [b"\0", text.as_bytes()].concat()));
    let with = |mut object: Value, name: &str, value: Value| {
        object[name] = value;
        object
    };
    let header = header(&PARTY.issuer);
    let headers = [
        header.clone(),
        with(header.clone(), "alg", json!("none")),
        with(header.clone(), "alg", json!("HS256")),
        with(header.clone(), "kid", json!("../../etc/passwd")),
        with(header.clone(), "crit", json!(["exp"])),
    ];
    let wrong = [
        claims(),
        with(claims(), "aud", json!(["other", AUDIENCE])),
        with(claims(), "aud", json!([AUDIENCE, 1])),
        with(claims(), "exp", json!(NOW - LEEWAY)),
        with(claims(), "exp", json!(1e30)),
        with(claims(), "nbf", json!(NOW + LEEWAY)),
        with(claims(), "nbf", json!("1")),
        with(claims(), "sub", json!("")),
        with(claims(), "groups", json!(["a", {"b": 1}])),
    ];
    let both = |header: &Value, claims: &Value| {
        [b"\x01", header.to_string().as_bytes(), b"\0", claims.to_string().as_bytes()].concat()
    };
    seeds.extend(headers.iter().map(|header| both(header, &claims())));
    seeds.extend(wrong.iter().map(|claims| both(&header, claims)));
    seeds.extend([[2, 0, 5, b'x'], [2, 1, 0, 0], [2, 0xff, 0, b'A']].map(|bytes| bytes.to_vec()));
    let jwks = json!({ "keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty": "EC", "crv": "P-256", "kid": "b", "use": "sig", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kty": "RSA", "kid": "c", "alg": "RS256", "n": "A".repeat(342), "e": "AQAB"},
    ]});
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    seeds.extend([jwks.to_string().as_str(), pem].map(|text| [b"\x03", text.as_bytes()].concat()));
    seeds
}
