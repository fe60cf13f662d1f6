//! Ways to come without a credential that is believed.

use hmac::Mac as _;
use serde_json::{Value, json};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use crate::scene::Own;
use crate::signer::{Signer, claims, now, unsigned};

/// The kinds, one of each: tried at every method. All others are variations of them, and are
/// tried at some methods each.
pub(super) const KINDS: [&str; 34] = [
    "nothing",
    "scheme \"Basic \"",
    "two of the same",
    "x-user-id",
    "alg \"RS256\"",
    "alg \"none\"",
    "none, unsigned",
    "HMAC with the raw key",
    "HMAC with its PEM",
    "signed by a stranger",
    "no signature",
    "aud \"other\"",
    "iss \"elohim\"",
    "no exp",
    "no nbf",
    "no iss",
    "no aud",
    "no sub",
    "expired",
    "not yet valid",
    "exp as a text",
    "sub twice",
    "kid \"unknown\"",
    "kid \"\"",
    "kid \"/etc/passwd\"",
    "kid \"https://evil.example.org/key.pem\"",
    "kid \"' or '1'='1\"",
    "kid, very long",
    "a key in jwk, our kid",
    "a key in jku, its kid",
    "a key in x5u, its kid",
    "crit [\"exp\"]",
    "longer than 8 KiB",
    "sub \"gus\"",
];

/// All of them. Of the people, gus is deactivated.
pub(super) fn all(good: &Signer, own: &Own) -> Vec<Attempt> {
    let eve = Signer::new("eve");
    let mut attempts = no_tokens(&good.token("alice"), own);
    attempts.extend(signatures(good, &eve));
    attempts.extend(headers(good, &eve));
    attempts.extend(wrong_claims(good));
    attempts
}

/// One way to come without a credential.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) name: String,
    pub(super) metadata: MetadataMap,
}

impl Attempt {
    pub(super) fn with(name: impl Into<String>, headers: &[(&'static str, &str)]) -> Self {
        let mut metadata = MetadataMap::new();
        for (key, value) in headers {
            metadata.append(*key, AsciiMetadataValue::try_from(value.as_bytes()).unwrap());
        }
        Self { name: name.into(), metadata }
    }

    pub(super) fn token(name: impl Into<String>, token: &str) -> Self {
        Self::with(name, &[("authorization", &format!("Bearer {token}"))])
    }
}

fn altered(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn lacking(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

/// Without anything that is said to be one, and with what is none by its form.
pub(super) fn no_tokens(good: &str, own: &Own) -> Vec<Attempt> {
    let bearer = format!("Bearer {good}");
    let mut attempts = vec![
        Attempt::with("nothing", &[]),
        Attempt::with("two of the same", &[("authorization", &bearer), ("authorization", &bearer)]),
        Attempt::with(
            "a good and a bad one",
            &[("authorization", &bearer), ("authorization", "x")],
        ),
        Attempt::with(
            "a bad and a good one",
            &[("authorization", "x"), ("authorization", &bearer)],
        ),
        Attempt::with("two in one", &[("authorization", &format!("{bearer}, {bearer}"))]),
        Attempt::with("another header", &[("proxy-authorization", &bearer)]),
        Attempt::with("a cookie", &[("cookie", &format!("authorization={bearer}"))]),
    ];
    for text in
        ["", " ", "Bearer", "Bearer ", "Bearer  ", "Basic YWxpY2U6eA==", "Digest x", "alice"]
    {
        attempts.push(Attempt::with(format!("authorization {text:?}"), &[("authorization", text)]));
    }
    for scheme in ["", "Basic ", "Token ", "JWT ", "Bearer\t", "Bearer  ", "Bearer:", "Bearer \""] {
        let value = format!("{scheme}{good}");
        attempts.push(Attempt::with(format!("scheme {scheme:?}"), &[("authorization", &value)]));
    }
    let mut odd = Attempt::with("bytes that are no text", &[]);
    let bytes = [bearer.as_bytes(), b"\xff"].concat();
    odd.metadata.insert("authorization", AsciiMetadataValue::try_from(bytes.as_slice()).unwrap());
    attempts.push(odd);
    let alice = own.user.as_str();
    let certificate = format!("By=spiffe://x;URI=spiffe://x/{alice};Subject=\"CN=alice\"");
    for (name, value) in [
        ("x-user-id", alice),
        ("x-user", "alice"),
        ("x-subject", "alice"),
        ("x-forwarded-user", "alice"),
        ("x-remote-user", "alice"),
        ("remote-user", "alice"),
        ("x-auth-request-user", "alice"),
        ("x-goog-authenticated-user-id", alice),
        ("x-forwarded-client-cert", certificate.as_str()),
        ("x-ssl-client-s-dn", "CN=alice"),
        ("x-elohim-caller", alice),
        ("x-tenant-id", own.team.as_str()),
        ("forwarded", "for=127.0.0.1;by=127.0.0.1"),
        ("x-forwarded-for", "127.0.0.1"),
    ] {
        attempts.push(Attempt::with(name, &[(name, value)]));
    }
    attempts
}

/// Headers that must not be believed, over claims that would be.
fn headers(good: &Signer, eve: &Signer) -> Vec<Attempt> {
    let claims = claims("alice").to_string();
    let header = good.header();
    let sign = |header: &Value| good.sign(&header.to_string(), &claims);
    let mut attempts = Vec::new();
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("ES256")),
        ("alg", json!("EdDSA ")),
        ("alg", json!("eddsa")),
        ("alg", json!("Ed25519")),
        ("alg", json!("")),
        ("alg", json!(1)),
        ("alg", json!(["EdDSA"])),
        ("alg", Value::Null),
        ("kid", json!("")),
        ("kid", json!("unknown")),
        ("kid", json!(good.kid().to_lowercase())),
        ("kid", json!(format!("{}\0", good.kid()))),
        ("kid", json!(format!(" {}", good.kid()))),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("/etc/passwd")),
        ("kid", json!("dev/signing-key.pem")),
        ("kid", json!("file:///dev/null")),
        ("kid", json!("https://evil.example.org/key.pem")),
        ("kid", json!("' or '1'='1")),
        ("kid", json!("x' union select 'key' --")),
        ("kid", json!("$(id)")),
        ("kid", json!(0)),
        ("kid", json!([good.kid()])),
        ("kid", json!({ "kid": good.kid() })),
        ("kid", Value::Null),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", Value::Null),
    ] {
        let shown: String = value.to_string().chars().take(40).collect();
        attempts.push(Attempt::token(
            format!("{name} {shown}"),
            &sign(&altered(header.clone(), name, value)),
        ));
    }
    let long = altered(header.clone(), "kid", "k".repeat(4_000).into());
    attempts.push(Attempt::token("kid, very long", &sign(&long)));
    for name in ["alg", "kid"] {
        attempts.push(Attempt::token(format!("no {name}"), &sign(&lacking(header.clone(), name))));
    }
    for (name, twice) in [
        ("alg twice", header.to_string().replacen('{', r#"{"alg":"EdDSA","#, 1)),
        ("kid twice", header.to_string().replacen('{', r#"{"kid":"x","#, 1)),
        ("no object", "[]".to_owned()),
        ("no JSON", "x".to_owned()),
    ] {
        attempts.push(Attempt::token(name, &good.sign(&twice, &claims)));
    }
    // Signed by somebody else, who brings the key along.
    let jwk = eve.jwk();
    let url = json!("https://evil.example.org/keys");
    for (name, value) in [
        ("jwk", jwk),
        ("jku", url.clone()),
        ("x5u", url),
        ("x5c", json!(["MIIB"])),
        ("typ", json!("JWT")),
    ] {
        for kid in [good.kid(), eve.kid()] {
            let header = altered(altered(eve.header(), "kid", kid.into()), name, value.clone());
            let token = eve.sign(&header.to_string(), &claims);
            attempts.push(Attempt::token(
                format!(
                    "a key in {name}, {}",
                    if kid == eve.kid() { "its kid" } else { "our kid" }
                ),
                &token,
            ));
        }
    }
    attempts
}

/// Signatures that are none.
fn signatures(good: &Signer, eve: &Signer) -> Vec<Attempt> {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims = claims("alice").to_string();
    let token = good.sign(&good.header().to_string(), &claims);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let eves = good.header().to_string();
    let other = base64.encode(claims.replace("alice", "carol"));
    let mut flipped = base64.decode(signature).unwrap();
    flipped[0] ^= 1;
    let none = altered(good.header(), "alg", "none".into()).to_string();
    let mut attempts = vec![
        Attempt::token("signed by a stranger", &eve.sign(&eves, &claims)),
        Attempt::token("no signature", &format!("{signed}.")),
        Attempt::token("two parts", signed),
        Attempt::token("four parts", &format!("{token}.{signature}")),
        Attempt::token("another payload", &format!("{header}.{other}.{signature}")),
        Attempt::token("one bit", &format!("{signed}.{}", base64.encode(flipped))),
        Attempt::token("half a signature", &format!("{signed}.{}", &signature[..40])),
        Attempt::token("zeros", &format!("{signed}.{}", base64.encode([0; 64]))),
        Attempt::token("padded", &format!("{token}==")),
        Attempt::token("none, unsigned", &format!("{}.", unsigned(&none, &claims))),
        Attempt::token("payload alone", payload),
    ];
    // The public key is no secret: what is signed with it as one is worth nothing.
    let spki = [
        &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..],
        &good.public(),
    ]
    .concat();
    let body = base64::engine::general_purpose::STANDARD.encode(&spki);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    for (name, secret) in [
        ("the raw key", good.public().to_vec()),
        ("its DER", spki),
        ("its PEM", pem.into_bytes()),
        ("its JWK", good.jwk().to_string().into_bytes()),
        ("nothing", Vec::new()),
    ] {
        let header = altered(good.header(), "alg", "HS256".into()).to_string();
        let signed = unsigned(&header, &claims);
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&secret).unwrap();
        mac.update(signed.as_bytes());
        let token = format!("{signed}.{}", base64.encode(mac.finalize().into_bytes()));
        attempts.push(Attempt::token(format!("HMAC with {name}"), &token));
    }
    attempts
}

/// Claims that must not be believed, under a good signature.
fn wrong_claims(good: &Signer) -> Vec<Attempt> {
    let header = good.header().to_string();
    let right = claims("alice");
    let sign = |claims: &Value| good.sign(&header, &claims.to_string());
    let now = now();
    let mut attempts = Vec::new();
    for name in ["exp", "nbf", "iss", "aud", "sub"] {
        attempts.push(Attempt::token(format!("no {name}"), &sign(&lacking(right.clone(), name))));
        for value in [Value::Null, json!(true), json!({}), json!([]), json!([1]), json!("")] {
            let shown = format!("{name} {value}");
            attempts.push(Attempt::token(shown, &sign(&altered(right.clone(), name, value))));
        }
    }
    let soon = now + 600;
    for (name, value) in [
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(i64::MIN)),
        ("exp", json!([soon])),
        ("exp", serde_json::from_str(&format!("{soon}.0")).unwrap()),
        ("exp", serde_json::from_str("1e300").unwrap()),
        ("exp", serde_json::from_str("18446744073709551616").unwrap()),
        ("nbf", json!(u64::MAX)),
        ("nbf", json!("0")),
        ("nbf", json!(-1)),
        ("nbf", json!(0.5)),
        ("iss", json!("elohim")),
        ("iss", json!("elohim-dev ")),
        ("iss", json!("ELOHIM-DEV")),
        ("iss", json!(["elohim-dev"])),
        ("iss", json!(1)),
        ("aud", json!("other")),
        ("aud", json!("elohim-dev")),
        ("aud", json!(["other"])),
        ("aud", json!(["elohim", 1])),
        ("aud", json!({ "elohim": true })),
        ("sub", json!("nobody")),
        ("sub", json!("Alice")),
        ("sub", json!("alice ")),
        ("sub", json!("alice\0")),
        ("sub", json!("al\u{131}ce")),
        ("sub", json!(["alice"])),
        ("sub", json!(7)),
        ("sub", json!("a".repeat(300))),
        ("sub", json!("' or 1=1 --")),
        // Deactivated before the calls.
        ("sub", json!("gus")),
    ] {
        let shown: String = format!("{name} {value}").chars().take(40).collect();
        attempts.push(Attempt::token(shown, &sign(&altered(right.clone(), name, value))));
    }
    for (label, name, value) in [
        ("expired", "exp", json!(now - 90)),
        ("exp as a text", "exp", json!(soon.to_string())),
        ("not yet valid", "nbf", json!(now + 900)),
    ] {
        attempts.push(Attempt::token(label, &sign(&altered(right.clone(), name, value))));
    }
    for (name, extra) in [
        ("sub twice", r#"{"sub":"carol","#.to_owned()),
        ("the same sub twice", r#"{"sub":"alice","#.to_owned()),
        ("exp twice", format!(r#"{{"exp":{},"#, now + 900)),
        ("aud twice", r#"{"aud":"other","#.to_owned()),
        ("sub twice, once escaped", r#"{"\u0073ub":"carol","#.to_owned()),
    ] {
        let text = right.to_string().replacen('{', &extra, 1);
        attempts.push(Attempt::token(name, &good.sign(&header, &text)));
    }
    let padded = altered(right, "padding", "p".repeat(6_300).into());
    let long = sign(&padded);
    assert!((8 * 1024 + 1..9 * 1024).contains(&long.len()), "{}", long.len());
    attempts.push(Attempt::token("longer than 8 KiB", &long));
    attempts
}
