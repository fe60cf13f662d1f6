//! Keys that an issuer publishes: rotated, withdrawn, and published badly.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Ignore, KeySet, KeySetUrl, Rejected, Verifier, VerifierConfig};
use primitives::SystemClock;
use serde_json::{Value, json};
use server::config::load_from;
use server::dev::{AUDIENCE, ISSUER};
use server::wiring::{Identity, Options, Server, StartError};
use testkit::database::{Backend, TestDb, run};
use testkit::world::{Person, Refused as _, Setup, World, eventually, log, refused};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::authority::{Authority, Pair};
use crate::key_server::{KeyServer, Manner};
use crate::signer::Signer;
use crate::streams::Open;

fn variables(keys: &KeyServer) -> Vec<(&'static str, String)> {
    vec![
        ("ELOHIM_IDENTITY__ISSUER", ISSUER.to_owned()),
        ("ELOHIM_IDENTITY__AUDIENCE", AUDIENCE.to_owned()),
        ("ELOHIM_IDENTITY__JWKS_URL", keys.url()),
        ("ELOHIM_IDENTITY__JWKS_REFRESH", "1".to_owned()),
    ]
}

async fn world(db: TestDb, keys: &KeyServer) -> World {
    World::with(db, Setup { variables: variables(keys), ..Setup::default() }).await
}

/// Whether the server believes a token now.
async fn believes(alice: &Person, token: &str) -> bool {
    let me = api::permissions::GetMeRequest {};
    match alice.with_token(token).directory().get_me(me).await {
        Ok(_) => true,
        Err(status) => {
            assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
            assert_eq!(status.reason(), "UNAUTHENTICATED");
            false
        }
    }
}

async fn comes_to_believe(alice: &Person, token: &str, expected: bool) {
    eventually(async || match believes(alice, token).await {
        believed if believed == expected => Ok(()),
        believed => Err(format!("believed: {believed}")),
    })
    .await;
}

/// Waits until the set has been asked for twice more: one whole reading lies between.
async fn is_read_again(keys: &KeyServer) {
    let before = keys.asked();
    eventually(async || match keys.asked() - before {
        0 | 1 => Err("not read again"),
        _ => Ok(()),
    })
    .await;
}

#[test]
fn a_key_is_believed_once_it_is_published_and_until_it_is_withdrawn() {
    run(Backend::Sqlite, async |db| {
        let [old, new] = ["old", "new"].map(Signer::new);
        let keys = KeyServer::start(Manner::Keys(vec![old.jwk()])).await;
        let world = world(db, &keys).await;
        let alice = world.person("alice");
        assert!(believes(&alice, &old.token("alice")).await);
        assert!(!believes(&alice, &new.token("alice")).await);

        keys.behaves(Manner::Keys(vec![old.jwk(), new.jwk()]));
        comes_to_believe(&alice, &new.token("alice"), true).await;
        assert!(believes(&alice, &old.token("alice")).await);

        keys.behaves(Manner::Keys(vec![new.jwk()]));
        let withdrawn = Instant::now();
        comes_to_believe(&alice, &old.token("alice"), false).await;
        assert!(withdrawn.elapsed() < Duration::from_secs(5), "{:?}", withdrawn.elapsed());
        assert!(believes(&alice, &new.token("alice")).await);

        // Another key under the same id: what the old one signed is worth nothing.
        let other = Signer::new("new");
        keys.behaves(Manner::Keys(vec![other.jwk()]));
        comes_to_believe(&alice, &other.token("alice"), true).await;
        assert!(!believes(&alice, &new.token("alice")).await);
    });
}

#[test]
fn an_open_stream_ends_with_the_key_of_its_token() {
    run(Backend::Sqlite, async |db| {
        let [old, new] = ["old", "new"].map(Signer::new);
        let keys = KeyServer::start(Manner::Keys(vec![old.jwk(), new.jwk()])).await;
        let mut variables = variables(&keys);
        variables.push(("ELOHIM_GATEWAY__REFLECTION", "true".to_owned()));
        let world = World::with(db, Setup { variables, ..Setup::default() }).await;
        let alice = world.person("alice");
        let by_old = Open::by(&alice.with_token(&old.token("alice"))).await;
        let mut by_new = Open::by(&alice.with_token(&new.token("alice"))).await;
        keys.behaves(Manner::Keys(vec![new.jwk()]));
        refused::<()>(Err(by_old.ends().await), Code::Unauthenticated, "UNAUTHENTICATED");
        by_new.answers_again().await;
    });
}

/// A verifier with this set, kept fresh many times a second.
async fn verifier(keys: &KeyServer) -> Arc<Verifier> {
    let config = VerifierConfig {
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        leeway: Duration::from_secs(30),
        keys: Vec::new(),
        groups: None,
    };
    let url = KeySetUrl::parse(&keys.url()).unwrap();
    let set = KeySet { url, every: Duration::from_millis(20) };
    let verifier = Verifier::with_key_set(config, set, Arc::new(Ignore), Arc::new(SystemClock));
    let verifier = Arc::new(verifier.await.unwrap());
    let kept = Arc::clone(&verifier);
    tokio::spawn(async move { kept.keep_fresh().await });
    verifier
}

#[tokio::test]
async fn a_set_that_is_published_badly_changes_nothing() {
    let [good, new, twice] = ["good", "new", "new"].map(Signer::new);
    let elsewhere = KeyServer::start(Manner::Keys(vec![good.jwk(), new.jwk()])).await;
    let keys = KeyServer::start(Manner::Keys(vec![good.jwk()])).await;
    let verifier = verifier(&keys).await;
    let body = json!({ "keys": [good.jwk(), new.jwk()] }).to_string();
    let length = body.len();
    let answer =
        |line: &str| Manner::Raw(format!("{line}\r\ncontent-length: {length}\r\n\r\n{body}"));
    let to = elsewhere.url();
    let redirect =
        |line: &str| Manner::Raw(format!("{line}\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"));
    let manners = [
        answer("500 Oh"),
        answer("404 No"),
        answer("203 Well"),
        redirect("301 Elsewhere"),
        redirect("302 Elsewhere"),
        redirect("307 Elsewhere"),
        Manner::Raw("garbage".to_owned()),
        Manner::Raw("200 OK\r\ncontent-length: 9\r\n\r\nnot json!".to_owned()),
        Manner::Raw("200 OK\r\ncontent-length: 999999999\r\n\r\n{}".to_owned()),
        Manner::Raw("200 OK\r\ncontent-length: 2\r\n\r\n\u{0}\u{1}".to_owned()),
        Manner::Keys(Vec::new()),
        Manner::Keys(vec![new.jwk(), twice.jwk()]),
        Manner::Keys(vec![json!({ "kty": "oct", "kid": "new", "k": "AAAA" })]),
        Manner::Keys(vec![Value::Null]),
        Manner::Huge(300 * 1024),
        Manner::Trickling,
    ];
    for manner in manners {
        keys.behaves(manner.clone());
        is_read_again(&keys).await;
        let known = verifier.subject(&good.token("alice"));
        assert_eq!(known, Ok("alice".to_owned()), "{manner:?}");
        let unknown = verifier.subject(&new.token("alice"));
        assert_eq!(unknown, Err(Rejected::UnknownKey), "{manner:?}");
    }
    assert_eq!(elsewhere.asked(), 0, "a redirect was followed");
    // What can be read is, also beside keys of kinds that are not used here.
    let strange = json!({ "kty": "EC", "crv": "P-521", "kid": "new", "x": "AA", "y": "AA" });
    keys.behaves(Manner::Keys(vec![strange, good.jwk(), new.jwk()]));
    is_read_again(&keys).await;
    assert!(verifier.subject(&new.token("alice")).is_ok());
}

#[test]
fn a_set_that_cannot_be_read_is_told_and_holds_nobody_up() {
    run(Backend::Sqlite, async |db| {
        let [good, new] = ["good", "new"].map(Signer::new);
        let keys = KeyServer::start(Manner::Keys(vec![good.jwk()])).await;
        let world = world(db, &keys).await;
        let alice = world.person("alice");
        keys.behaves(Manner::Silent);
        let before = keys.asked();
        eventually(async || if keys.asked() > before { Ok(()) } else { Err("not asked") }).await;
        let began = Instant::now();
        for _ in 0..20 {
            assert!(believes(&alice, &good.token("alice")).await);
        }
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());

        keys.behaves(Manner::Keys(vec![good.jwk(), new.jwk()]));
        comes_to_believe(&alice, &new.token("alice"), true).await;
        assert!(log().contains("the key set was not read"));
        let metrics = metrics(&world).await;
        let readings =
            |outcome| format!("elohim_identity_key_readings_total{{outcome=\"{outcome}\"}}");
        assert!(metrics.contains(&readings("FAILED")), "{metrics}");
        assert!(metrics.contains(&readings("OK")), "{metrics}");
    });
}

#[test]
fn keys_that_nobody_knows_cause_one_reading_in_a_while() {
    run(Backend::Sqlite, async |db| {
        let good = Signer::new("good");
        let keys = KeyServer::start(Manner::Keys(vec![good.jwk()])).await;
        let variables = variables(&keys).into_iter().map(|(key, value)| match key {
            "ELOHIM_IDENTITY__JWKS_REFRESH" => (key, "86400".to_owned()),
            _ => (key, value),
        });
        let setup = Setup { variables: variables.collect(), ..Setup::default() };
        let world = World::with(db, setup).await;
        let alice = world.person("alice");
        assert_eq!(keys.asked(), 1);
        // The first reading is over for less than the pause: no token causes another one.
        let tokens = (0..200).map(|n| Signer::new(&format!("unknown-{n}")).token("alice"));
        let tokens: Vec<_> = tokens.collect();
        let began = Instant::now();
        let calls = tokens.iter().map(|token| believes(&alice, token));
        assert!(futures::future::join_all(calls).await.iter().all(|believed| !believed));
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        assert_eq!(keys.asked(), 1, "calls caused readings");
        // Later one of them does, for all of them; and it finds the key that is new.
        let new = Signer::new("new");
        keys.behaves(Manner::Keys(vec![good.jwk(), new.jwk()]));
        sleep(Duration::from_secs(11).saturating_sub(began.elapsed())).await;
        let token = new.token("alice");
        let calls = (0..40).map(|_| believes(&alice, &token));
        let believed = futures::future::join_all(calls).await;
        assert!(believed.iter().all(|believed| *believed), "{believed:?}");
        assert_eq!(keys.asked(), 2);
    });
}

#[test]
fn nothing_in_a_token_makes_the_server_ask_elsewhere() {
    run(Backend::Sqlite, async |db| {
        let good = Signer::new("good");
        let keys = KeyServer::start(Manner::Keys(vec![good.jwk()])).await;
        let eve = Signer::new("eve");
        let trap = KeyServer::start(Manner::Keys(vec![eve.jwk()])).await;
        let world = world(db, &keys).await;
        let alice = world.person("alice");
        let claims = crate::signer::claims("alice").to_string();
        for name in ["jku", "x5u", "iss", "jwks_uri", "kid"] {
            for signer in [&eve, &good] {
                let mut header = signer.header();
                header[name] = trap.url().into();
                let token = signer.sign(&header.to_string(), &claims);
                let expected = signer.kid() == "good" && name != "kid";
                assert_eq!(believes(&alice, &token).await, expected, "{name} {}", signer.kid());
            }
        }
        let mut claims = crate::signer::claims("alice");
        claims["iss"] = trap.url().into();
        let token = good.sign(&good.header().to_string(), &claims.to_string());
        assert!(!believes(&alice, &token).await);
        is_read_again(&keys).await;
        assert_eq!(trap.asked(), 0);
    });
}

async fn starts(variables: Vec<(&'static str, String)>) -> Result<Server, StartError> {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec![
        ("ELOHIM_DATA_DIR", folder.path().display().to_string()),
        ("ELOHIM_GATEWAY__LISTEN", "127.0.0.1:0".to_owned()),
        ("ELOHIM_METRICS__LISTEN", "127.0.0.1:0".to_owned()),
    ];
    all.extend(variables);
    let config = load_from(None, all.into_iter().map(|(k, v)| (k.to_owned(), v)))?;
    let identity = Identity::configured(&config)?;
    Server::start(Options { identity: Some(identity), ..Options::new(config) }).await
}

#[tokio::test]
async fn a_server_without_a_single_key_does_not_start() {
    let keys = KeyServer::start(Manner::Raw("500 Oh\r\n\r\n".to_owned())).await;
    let refused = starts(variables(&keys)).await.err().unwrap();
    assert!(matches!(refused, StartError::Identity(_)), "{refused}");
    assert!(refused.to_string().contains("answered 500"), "{refused}");
    assert_eq!(keys.asked(), 1);
    let gone = KeyServer::start(Manner::Silent).await;
    let nowhere = variables(&gone);
    drop(gone);
    assert!(matches!(starts(nowhere).await.err(), Some(StartError::Identity(_))));
}

#[test]
fn with_a_key_of_a_file_it_starts_and_takes_the_others_when_they_come() {
    run(Backend::Sqlite, async |db| {
        let [file, published] = ["file", "published"].map(Signer::new);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        std::fs::write(&path, pem(&file)).unwrap();
        let keys = KeyServer::start(Manner::Raw("500 Oh\r\n\r\n".to_owned())).await;
        let mut variables = variables(&keys);
        variables.push(("ELOHIM_IDENTITY__KEYS", format!("file=EdDSA:{}", path.display())));
        let world = World::with(db, Setup { variables, ..Setup::default() }).await;
        let alice = world.person("alice");
        assert!(believes(&alice, &file.token("alice")).await);
        assert!(!believes(&alice, &published.token("alice")).await);
        keys.behaves(Manner::Keys(vec![published.jwk()]));
        comes_to_believe(&alice, &published.token("alice"), true).await;
        // A set cannot take the file's name away, nor its key.
        let usurper = Signer::new("file");
        keys.behaves(Manner::Keys(vec![usurper.jwk()]));
        is_read_again(&keys).await;
        assert!(believes(&alice, &file.token("alice")).await);
        assert!(believes(&alice, &published.token("alice")).await);
        assert!(!believes(&alice, &usurper.token("alice")).await);
    });
}

fn pem(signer: &Signer) -> String {
    use base64::Engine as _;
    use ed25519_dalek::pkcs8::EncodePublicKey as _;
    let key = ed25519_dalek::VerifyingKey::from_bytes(&signer.public()).unwrap();
    let der = key.to_public_key_der().unwrap();
    let body = base64::engine::general_purpose::STANDARD.encode(der.as_bytes());
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

pub(crate) async fn metrics(world: &World) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(world.metrics_address()).await.unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// A key set over TLS: whoever signed the server's certificate must be trusted by the system.
#[tokio::test]
async fn a_key_set_is_read_over_tls_from_whom_the_system_trusts() {
    let authority = Authority::new("the issuer's");
    let pair = authority.server();
    let good = Signer::new("good");
    let keys = KeyServer::secure(Manner::Keys(vec![good.jwk()]), acceptor(&pair)).await;
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, &authority.pem).unwrap();
    let others = folder.path().join("others.pem");
    std::fs::write(&others, Authority::new("others").pem).unwrap();
    for (roots, starts) in [(&others, false), (&trusted, true)] {
        let url = format!("https://localhost:{}/keys", keys.port());
        let mut child = Command::new(std::env::var_os("ELOHIM_BIN").expect("the program"))
            .arg("serve")
            .env_clear()
            .env("SSL_CERT_FILE", roots)
            .envs(variables(&keys))
            .env("ELOHIM_IDENTITY__JWKS_URL", url)
            .env("ELOHIM_DATA_DIR", folder.path().join("data"))
            .env("ELOHIM_GATEWAY__LISTEN", "127.0.0.1:0")
            .env("ELOHIM_ADMIN__LISTEN", "127.0.0.1:0")
            .env("ELOHIM_METRICS__LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = said.next_line().await.unwrap();
        assert_eq!(ready.is_some_and(|line| line.starts_with("ready ")), starts);
        if starts {
            child.start_kill().unwrap();
        }
        let ended = child.wait_with_output().await.unwrap();
        let errors = String::from_utf8_lossy(&ended.stderr);
        if !starts {
            assert_eq!(ended.status.code(), Some(1), "{errors}");
            assert!(errors.contains("the key set cannot be reached"), "{errors}");
        }
    }
    assert_eq!(keys.asked(), 1);
}

fn acceptor(pair: &Pair) -> tokio_rustls::TlsAcceptor {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    tokio_rustls::TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}
