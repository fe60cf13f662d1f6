//! Every way a token can be wrong, each beside the one that is right.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use primitives::{Clock, Timestamp};
use serde_json::{Value, json};

use super::super::{KeyError, TokenIssuer, VerificationKey};
use super::*;

const NOW: i64 = 1_700_000_000;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(NOW * 1_000_000)
    }
}

fn issuer() -> TokenIssuer {
    TokenIssuer::generate("us", "elohim", Arc::new(Fixed))
}

fn config(keys: Vec<VerificationKey>) -> VerifierConfig {
    let (issuer, audience) = ("us".to_owned(), "elohim".to_owned());
    VerifierConfig { issuer, audience, leeway: Duration::from_mins(1), keys, groups: None }
}

fn verifier(issuer: &TokenIssuer) -> Verifier {
    let keys = vec![issuer.verification_key().unwrap()];
    Verifier::new(config(keys), Arc::new(Fixed)).unwrap()
}

fn header(issuer: &TokenIssuer) -> Value {
    json!({ "alg": "EdDSA", "typ": "JWT", "kid": issuer.kid() })
}

fn claims() -> Value {
    json!({ "iss": "us", "aud": "elohim", "sub": "bob", "nbf": NOW, "exp": NOW + 600 })
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

#[test]
fn an_issued_token_is_believed_also_after_the_key_was_kept_and_read() {
    let first = issuer();
    let token = first.issue("bob", Duration::from_mins(10));
    assert_eq!(verifier(&first).subject(&token), Ok("bob".to_owned()));
    let again =
        TokenIssuer::from_pem(&first.to_pem().unwrap(), "us", "elohim", Arc::new(Fixed)).unwrap();
    assert_eq!(verifier(&again).subject(&token), Ok("bob".to_owned()));
}

#[test]
fn each_wrong_claim_is_refused() {
    use Rejected::*;
    let issuer = issuer();
    let verifier = verifier(&issuer);
    let table = [
        (claims(), None),
        (with(claims(), "aud", json!(["other", "elohim"])), None),
        (with(claims(), "exp", json!(NOW - 59)), None),
        (with(claims(), "nbf", json!(NOW + 60)), None),
        (with(claims(), "exp", json!(NOW - 60)), Some(Expired)),
        (with(claims(), "exp", json!(0)), Some(Expired)),
        (with(claims(), "nbf", json!(NOW + 61)), Some(NotYetValid)),
        (with(claims(), "nbf", json!(u64::MAX)), Some(NotYetValid)),
        (without(claims(), "exp"), Some(BadTimes)),
        (without(claims(), "nbf"), Some(BadTimes)),
        (with(claims(), "exp", json!("1800000000")), Some(BadTimes)),
        (with(claims(), "exp", json!(1.8e9)), Some(BadTimes)),
        (with(claims(), "exp", json!(-1)), Some(BadTimes)),
        (with(claims(), "exp", json!(true)), Some(BadTimes)),
        (with(claims(), "exp", json!([NOW + 600])), Some(BadTimes)),
        (with(claims(), "nbf", Value::Null), Some(BadTimes)),
        (without(claims(), "iss"), Some(WrongIssuer)),
        (with(claims(), "iss", json!("them")), Some(WrongIssuer)),
        (with(claims(), "iss", json!(["us"])), Some(WrongIssuer)),
        (without(claims(), "aud"), Some(WrongAudience)),
        (with(claims(), "aud", json!("other")), Some(WrongAudience)),
        (with(claims(), "aud", json!(["elohim", 1])), Some(WrongAudience)),
        (without(claims(), "sub"), Some(BadSubject)),
        (with(claims(), "sub", json!("")), Some(BadSubject)),
        (with(claims(), "sub", json!(7)), Some(BadSubject)),
        (with(claims(), "sub", json!("x".repeat(257))), Some(BadSubject)),
    ];
    for (claims, expected) in table {
        let token = issuer.sign(&header(&issuer).to_string(), &claims.to_string());
        assert_eq!(verifier.subject(&token).err(), expected, "{claims}");
    }
}

#[test]
fn each_wrong_header_is_refused() {
    use Rejected::*;
    let issuer = issuer();
    let verifier = verifier(&issuer);
    let header = header(&issuer);
    let table = [
        (with(header.clone(), "jku", json!("https://evil.example/keys")), None),
        (with(header.clone(), "jwk", json!({ "kty": "OKP" })), None),
        (without(header.clone(), "typ"), None),
        (without(header.clone(), "kid"), Some(UnknownKey)),
        (with(header.clone(), "kid", json!("../../etc/passwd")), Some(UnknownKey)),
        (with(header.clone(), "kid", json!("' or 1=1 --")), Some(UnknownKey)),
        (with(header.clone(), "kid", json!(1)), Some(UnknownKey)),
        (without(header.clone(), "alg"), Some(WrongAlgorithm)),
        (with(header.clone(), "alg", json!("none")), Some(WrongAlgorithm)),
        (with(header.clone(), "alg", json!("")), Some(WrongAlgorithm)),
        (with(header.clone(), "alg", json!("HS256")), Some(WrongAlgorithm)),
        (with(header.clone(), "alg", json!("eddsa")), Some(WrongAlgorithm)),
        (with(header.clone(), "crit", json!(["b64"])), Some(Critical)),
    ];
    for (header, expected) in table {
        let token = issuer.sign(&header.to_string(), &claims().to_string());
        assert_eq!(verifier.subject(&token).err(), expected, "{header}");
    }
}

#[test]
fn repeated_names_and_broken_forms_are_refused() {
    use Rejected::*;
    let issuer = issuer();
    let verifier = verifier(&issuer);
    let sign = |header: &str, claims: &str| issuer.sign(header, claims);
    let (header, claims) = (header(&issuer).to_string(), claims().to_string());
    let good = sign(&header, &claims);
    assert!(verifier.subject(&good).is_ok());

    let twice = claims.replacen('{', r#"{"sub":"alice","#, 1);
    assert_eq!(verifier.subject(&sign(&header, &twice)), Err(Malformed));
    let twice = header.replacen('{', r#"{"alg":"none","#, 1);
    assert_eq!(verifier.subject(&sign(&twice, &claims)), Err(Malformed));
    assert_eq!(verifier.subject(&sign(&header, "[]")), Err(Malformed));
    assert_eq!(verifier.subject(&sign(&header, "")), Err(Malformed));
    assert_eq!(verifier.subject(&sign(&header, &format!("{claims} x"))), Err(Malformed));
    for broken in ["", ".", "..", "...", "a.b", &format!("{good}.a"), &format!(" {good}")] {
        assert_eq!(verifier.subject(broken), Err(Malformed), "{broken:?}");
    }
    let long = format!("{good}{}", "A".repeat(8 * 1024));
    assert_eq!(verifier.subject(&long), Err(TooLong));
}

#[test]
fn a_changed_or_foreign_signature_is_refused() {
    let (issuer, stranger) = (issuer(), issuer());
    let verifier = verifier(&issuer);
    let (header, claims) = (header(&issuer).to_string(), claims().to_string());
    let foreign = stranger.sign(&header, &claims);
    assert_eq!(verifier.subject(&foreign), Err(Rejected::BadSignature));

    let good = issuer.sign(&header, &claims);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(claims.replace("bob", "eve"));
    let swapped = format!("{}.{other}.{signature}", signed.split_once('.').unwrap().0);
    assert_eq!(verifier.subject(&swapped), Err(Rejected::BadSignature));
    for bad in ["", "AA", "!!", &signature[1..]] {
        let token = format!("{signed}.{bad}");
        assert_eq!(verifier.subject(&token), Err(Rejected::BadSignature), "{bad:?}");
    }
}

#[test]
fn half_a_verifier_is_refused() {
    use VerifierError::*;
    let key = || issuer().verification_key().unwrap();
    let refused = |config| Verifier::new(config, Arc::new(Fixed)).err();
    assert!(refused(config(vec![key()])).is_none());
    assert!(matches!(refused(config(vec![])), Some(Missing("a key"))));
    let nameless = VerifierConfig { issuer: String::new(), ..config(vec![key()]) };
    assert!(matches!(refused(nameless), Some(Missing("the issuer"))));
    let deaf = VerifierConfig { audience: String::new(), ..config(vec![key()]) };
    assert!(matches!(refused(deaf), Some(Missing("the audience"))));
    let patient = VerifierConfig { leeway: Duration::from_secs(61), ..config(vec![key()]) };
    assert!(matches!(refused(patient), Some(Leeway)));
    let one = key();
    let kid = one.kid().to_owned();
    let twice = refused(config(vec![one.clone(), one]));
    assert!(matches!(twice, Some(Duplicate(DuplicateKid(named))) if named == kid));
}

#[test]
fn known_groups_are_told_sorted_and_once_and_only_from_lists_of_texts() {
    let issuer = issuer();
    let keys = vec![issuer.verification_key().unwrap()];
    let values = ["a", "b", "z"].map(str::to_owned).into();
    let groups = Some(GroupsClaim { name: "groups".to_owned(), values });
    let verifier = Verifier::new(VerifierConfig { groups, ..config(keys) }, Arc::new(Fixed));
    let verifier = verifier.unwrap();
    let told = |value: Value| {
        let claims = with(claims(), "groups", value);
        let token = issuer.sign(&header(&issuer).to_string(), &claims.to_string());
        verifier.judge(&token).unwrap().groups
    };
    let none: [&str; 0] = [];
    assert_eq!(told(json!(["z", "x", "a", "z", "A"])), ["a", "z"]);
    assert_eq!(told(json!("b")), ["b"]);
    assert_eq!(told(json!("a b")), none);
    for odd in [Value::Null, json!(1), json!({ "a": "b" }), json!(["a", 1]), json!([["a"]])] {
        assert_eq!(told(odd), none);
    }
    let token = issuer.issue("bob", Duration::from_mins(1));
    assert_eq!(verifier.judge(&token).unwrap().groups, none);
    let deaf = self::verifier(&issuer);
    let claims = with(claims(), "groups", json!(["a"]));
    let token = issuer.sign(&header(&issuer).to_string(), &claims.to_string());
    assert_eq!(deaf.judge(&token).unwrap().groups, none);
}

#[test]
fn of_too_many_groups_the_first_hundred_are_told() {
    let issuer = issuer();
    let keys = vec![issuer.verification_key().unwrap()];
    let values: std::collections::BTreeSet<_> = (0..150).map(|n| format!("g{n:03}")).collect();
    let claims = with(claims(), "groups", json!(values));
    let groups = Some(GroupsClaim { name: "groups".to_owned(), values });
    let verifier = Verifier::new(VerifierConfig { groups, ..config(keys) }, Arc::new(Fixed));
    let token = issuer.sign(&header(&issuer).to_string(), &claims.to_string());
    let told = verifier.unwrap().judge(&token).unwrap().groups;
    assert_eq!(told.len(), 100);
    assert_eq!(told.last().map(String::as_str), Some("g099"));
}

/// Public keys and one token of each kind, made with another implementation: the tokens say
/// what [`claims`] says, under the kid `k`.
mod foreign {
    include!("foreign_tokens.rs");
}

#[test]
fn tokens_of_all_three_algorithms_are_believed_under_their_own_key_only() {
    let keys = [foreign::ED25519, foreign::P256, foreign::RSA];
    for (at, (pem, token)) in keys.iter().enumerate() {
        for (other, (other_pem, _)) in keys.iter().enumerate() {
            let key = VerificationKey::from_pem("k", other_pem).unwrap();
            let verifier = Verifier::new(config(vec![key]), Arc::new(Fixed)).unwrap();
            let expected =
                if at == other { Ok("bob".to_owned()) } else { Err(Rejected::WrongAlgorithm) };
            assert_eq!(verifier.subject(token), expected, "token {at}, key {other}: {pem}");
        }
    }
}

#[test]
fn a_key_set_gives_the_same_keys_and_leaves_out_others() {
    let keys = VerificationKey::from_jwks(foreign::JWKS).unwrap();
    let kids: Vec<_> = keys.iter().map(VerificationKey::kid).collect();
    assert_eq!(kids, ["ed", "ec", "rsa"]);
    for (key, (_, token)) in keys.into_iter().zip([foreign::ED25519, foreign::P256, foreign::RSA]) {
        let key = VerificationKey { kid: "k".into(), ..key };
        let verifier = Verifier::new(config(vec![key]), Arc::new(Fixed)).unwrap();
        assert_eq!(verifier.subject(token), Ok("bob".to_owned()));
    }
}

#[test]
fn broken_keys_are_refused_when_they_are_read() {
    let refused = |pem: &str| VerificationKey::from_pem("k", pem).err();
    assert_eq!(refused(""), Some(KeyError::NotPem));
    assert_eq!(refused(&foreign::P256.0.replace("PUBLIC", "PRIVATE")), Some(KeyError::NotPem));
    assert_eq!(refused(foreign::RSA_1024), Some(KeyError::Unsupported));
    let pem = |der: &[u8]| {
        let body = STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    };
    for (good, _) in [foreign::ED25519, foreign::P256, foreign::RSA] {
        let body: String = good.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).unwrap();
        assert_eq!(refused(&pem(&der)), None);
        for length in 0..der.len() {
            assert_eq!(refused(&pem(&der[..length])), Some(KeyError::Unsupported), "{length}");
        }
        assert_eq!(VerificationKey::from_pem("", &pem(&der)).err(), Some(KeyError::NoKid));
    }
    for json in ["", "[]", "{}", r#"{"keys":[{}]}"#] {
        assert!(matches!(VerificationKey::from_jwks(json), Err(KeyError::NotJwks(_))), "{json}");
    }
    let none = r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"a"}]}"#;
    assert_eq!(VerificationKey::from_jwks(none).err(), Some(KeyError::NoKey));
}
