//! Calls over TLS, certificates that are replaced, and clients that show their own.

use std::sync::Arc;
use std::time::Duration;

use api::permissions::GetMeRequest;
use rcgen::SanType;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use testkit::database::{Backend, TestDb, run};
use testkit::world::{Person, Refused as _, Setup, World, eventually, log, refused};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

use crate::authority::{Authority, Files, Pair, dns, uri};
use crate::streams::Open;

async fn world(db: TestDb, variables: Vec<(&'static str, String)>) -> World {
    World::with(db, Setup { variables, ..Setup::default() }).await
}

/// A connection to come, trusting one authority and showing a certificate or none.
fn channel(world: &World, trusted: &Authority, own: Option<&Pair>) -> Channel {
    let trusted = Certificate::from_pem(&trusted.pem);
    let mut tls = ClientTlsConfig::new().ca_certificate(trusted).domain_name("localhost");
    if let Some(own) = own {
        tls = tls.identity(Identity::from_pem(&own.certificate, &own.key));
    }
    let endpoint = Endpoint::from_shared(format!("https://{}", world.address())).unwrap();
    endpoint.tls_config(tls).unwrap().connect_lazy()
}

/// Who the server says that is.
async fn me(person: &Person, channel: &Channel) -> Result<String, Status> {
    let me = person.over(channel.clone()).directory().get_me(GetMeRequest {}).await;
    me.map(|me| me.into_inner().user)
}

fn code(answer: Result<String, Status>) -> Code {
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// Whether no call got through: what a server answers has a reason.
fn is_no_connection(answer: &Result<String, Status>) -> bool {
    answer.as_ref().is_err_and(|status| status.reason().is_empty())
}

#[test]
fn calls_travel_over_tls_and_in_no_other_way() {
    run(Backend::Sqlite, async |db| {
        let authority = Authority::new("one");
        let files = Files::with(&authority.server());
        let world = world(db, files.variables()).await;
        let alice = world.person("alice");
        let good = channel(&world, &authority, None);
        assert_eq!(me(&alice, &good).await.unwrap(), alice.user);
        let stranger = channel(&world, &Authority::new("two"), None);
        assert!(is_no_connection(&me(&alice, &stranger).await));
        assert!(is_no_connection(&me(&alice, &world.another_channel()).await));

        let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
        for version in versions {
            assert!(greets(&world, &authority, version, &[b"h2"]).await, "{version:?}");
            assert!(greets(&world, &authority, version, &[b"http/1.1", b"h2"]).await);
            assert!(!greets(&world, &authority, version, &[b"http/1.1"]).await);
            assert!(!greets(&world, &authority, version, &[]).await);
        }
    });
}

/// Whether HTTP/2 begins on a connection of this kind.
async fn greets(
    world: &World,
    trusted: &Authority,
    version: &'static rustls::SupportedProtocolVersion,
    protocols: &[&[u8]],
) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(world.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let Ok(mut stream) = connector.connect(name, stream).await else { return false };
    // The server speaks first: its settings.
    let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let mut frame = [0; 9];
    let read = timeout(Duration::from_secs(5), stream.read_exact(&mut frame)).await.unwrap();
    // 4 is SETTINGS.
    read.is_ok() && frame[3] == 4
}

#[test]
fn certificates_are_replaced_while_the_server_runs_and_broken_ones_are_not_taken() {
    run(Backend::Sqlite, async |db| {
        let [one, two] = ["one", "two"].map(Authority::new);
        let files = Files::with(&one.server());
        let world = world(db, files.variables()).await;
        let alice = world.person("alice");
        let first = channel(&world, &one, None);
        assert_eq!(me(&alice, &first).await.unwrap(), alice.user);

        files.replace(&two.server());
        let comes = async |authority: &Authority| {
            eventually(async || match me(&alice, &channel(&world, authority, None)).await {
                Ok(_) => Ok(()),
                Err(status) => Err(status),
            })
            .await;
        };
        comes(&two).await;
        let old = channel(&world, &one, None);
        assert!(is_no_connection(&me(&alice, &old).await));
        assert_eq!(code(me(&alice, &first).await), Code::Ok, "an open connection goes on");

        let other = one.server();
        let broken: [&dyn Fn(); 5] = [
            &|| files.write("server.pem", "garbage"),
            &|| files.write("server.pem", &other.certificate),
            &|| files.write("server.key", "garbage"),
            &|| std::fs::remove_file(files.path("server.key")).unwrap(),
            &|| files.write("server.key", &"k".repeat(2 * 1024 * 1024)),
        ];
        for (at, breaks) in broken.iter().enumerate() {
            let said = || log().matches("TLS files changed, and cannot be used").count();
            let before = said();
            breaks();
            eventually(async || if said() > before { Ok(()) } else { Err("not said") }).await;
            sleep(Duration::from_millis(2_300)).await;
            assert_eq!(said(), before + 1, "{at}: said again and again");
            let still = channel(&world, &two, None);
            assert_eq!(code(me(&alice, &still).await), Code::Ok, "{at}");
        }
        files.replace(&other);
        comes(&one).await;
        for secret in ["PRIVATE", &other.key[40..80]] {
            assert!(!log().contains(secret), "a key was logged");
        }
    });
}

#[test]
fn a_server_does_not_start_with_tls_that_cannot_be_used() {
    run(Backend::Sqlite, async |db| {
        let (one, two) = (Authority::new("one").server(), Authority::new("two").server());
        let files = Files::with(&Pair { certificate: one.certificate, key: two.key });
        let place = tempfile::tempdir().unwrap();
        let mut variables = files.variables();
        variables.push(("ELOHIM_DATA_DIR", place.path().display().to_string()));
        variables.push(("ELOHIM_DATABASE__URL", db.url().to_owned()));
        variables.push(("ELOHIM_GATEWAY__LISTEN", "127.0.0.1:0".to_owned()));
        variables.push(("ELOHIM_METRICS__LISTEN", "127.0.0.1:0".to_owned()));
        let variables = variables.into_iter().map(|(key, value)| (key.to_owned(), value));
        let config = server::config::load_from(None, variables).unwrap();
        let key = server::dev::DevKey::open_or_create(place.path()).unwrap();
        let identity = server::wiring::Identity::dev(&key).unwrap();
        let options = server::wiring::Options {
            identity: Some(identity),
            ..server::wiring::Options::new(config)
        };
        let refused = server::wiring::Server::start(options).await.err().unwrap().to_string();
        assert!(refused.contains("gateway.tls"), "{refused}");
    });
}

#[test]
fn clients_that_are_slow_to_shake_hands_hold_nobody_up() {
    run(Backend::Sqlite, async |db| {
        let authority = Authority::new("one");
        let files = Files::with(&authority.server());
        let world = world(db, files.variables()).await;
        let alice = world.person("alice");
        let mut slow = Vec::new();
        for at in 0..200 {
            let mut stream = TcpStream::connect(world.address()).await.unwrap();
            if at % 2 == 0 {
                // The beginning of a handshake, and no more of it.
                stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
            }
            slow.push(stream);
        }
        let began = Instant::now();
        for _ in 0..5 {
            let fresh = channel(&world, &authority, None);
            assert_eq!(me(&alice, &fresh).await.unwrap(), alice.user);
        }
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        // Each has its time, and is closed then.
        for stream in &mut slow {
            let read = timeout(Duration::from_secs(15), stream.read(&mut [0; 64])).await;
            assert!(matches!(read.expect("closed in time"), Ok(0) | Err(_)));
        }
    });
}

/// Lets a certificate's name stand for somebody.
async fn knows(world: &World, person: &str, name: &str) {
    let statement =
        format!("update app_user set certificate_name = '{name}' where subject = '{person}'");
    world.probe().changes(&statement).await;
    // Whatever changes the policy makes it be read again.
    world.policy().set_may_apply(world.person(person).id, true).await.unwrap();
}

#[test]
fn a_certificate_stands_for_the_one_account_that_has_its_name() {
    run(Backend::Sqlite, async |db| {
        let [ours, clients, theirs] = ["ours", "clients", "theirs"].map(Authority::new);
        let files = Files::with(&ours.server());
        let world = world(db, files.variables_with(&clients)).await;
        let [mia, bob, gus] = world.people(["mia", "bob", "gus"]);
        knows(&world, "mia", "spiffe://example.org/mia").await;
        knows(&world, "bob", "spiffe://example.org/bob").await;
        knows(&world, "gus", "ci.example.org").await;
        let nobody = mia.without_token();
        let shown = async |names: &[SanType]| {
            let own = clients.client(names);
            me(&nobody, &channel(&world, &ours, Some(&own))).await
        };
        let [mias, bobs] = ["mia", "bob"].map(|name| uri(&format!("spiffe://example.org/{name}")));
        assert_eq!(shown(std::slice::from_ref(&mias)).await.unwrap(), mia.user);
        assert_eq!(shown(&[dns("CI.example.org")]).await.unwrap(), gus.user);
        assert_eq!(shown(&[dns("ci.example.org"), dns("x.example.org")]).await.unwrap(), gus.user);
        let several = [mias.clone(), uri("spiffe://example.org/x"), uri("https://example.org")];
        assert_eq!(shown(&several).await.unwrap(), mia.user);

        let reference = nobody.over(channel(&world, &ours, None));
        let reference = reference.directory().get_me(GetMeRequest {}).await.unwrap_err().refusal();
        assert_eq!(reference.code, Code::Unauthenticated);
        let too_many: Vec<_> = std::iter::once(mias.clone())
            .chain((0..20).map(|n| uri(&format!("spiffe://example.org/{n}"))))
            .collect();
        let table: [(&str, &[SanType]); 12] = [
            ("no name at all", &[]),
            ("nobody's", &[uri("spiffe://example.org/nobody")]),
            ("two accounts", &[mias.clone(), bobs.clone()]),
            ("a URI comes before DNS names", &[uri("spiffe://x"), dns("ci.example.org")]),
            ("a DNS name is no URI", &[uri("ci.example.org.")]),
            ("another case of a URI", &[uri("spiffe://example.org/MIA")]),
            ("the beginning", &[uri("spiffe://example.org/mi")]),
            ("a wildcard", &[dns("*.example.org")]),
            ("a mail address", &[SanType::Rfc822Name("ci.example.org".try_into().unwrap())]),
            ("an address", &[SanType::IpAddress([127, 0, 0, 1].into())]),
            ("too many names", &too_many),
            ("a name with blanks", &[mias.clone(), uri("spiffe://example.org/ ")]),
        ];
        for (name, names) in table {
            assert_eq!(shown(names).await.unwrap_err().refusal(), reference, "{name}");
        }

        // Who may not sign, or signed for something else, ends the connection.
        let names = std::slice::from_ref(&mias);
        for (name, own) in [
            ("another authority", theirs.client(names)),
            ("the server's authority", ours.client(names)),
            ("expired", clients.client_between(names, -600, -60)),
            ("not yet", clients.client_between(names, 600, 900)),
            ("a server's", clients.server()),
        ] {
            let answer = me(&nobody, &channel(&world, &ours, Some(&own))).await;
            assert!(is_no_connection(&answer), "{name}: {answer:?}");
        }

        // Of two names one is gone: the other is the only active one.
        let both = clients.client(&[mias.clone(), bobs.clone()]);
        let both = channel(&world, &ours, Some(&both));
        assert_eq!(code(me(&nobody, &both).await), Code::Unauthenticated);
        world.policy().set_active(bob.id, false).await.unwrap();
        eventually(async || me(&nobody, &both).await).await;
        assert_eq!(me(&nobody, &both).await.unwrap(), mia.user);
        world.policy().set_active(mia.id, false).await.unwrap();
        let refused = eventually(async || match me(&nobody, &both).await {
            Ok(user) => Err(user),
            Err(status) => Ok(status),
        });
        assert_eq!(refused.await.refusal(), reference);
    });
}

#[test]
fn beside_a_certificate_the_token_decides_alone() {
    run(Backend::Sqlite, async |db| {
        let [ours, clients] = ["ours", "clients"].map(Authority::new);
        let files = Files::with(&ours.server());
        let world = world(db, files.variables_with(&clients)).await;
        let [mia, alice] = world.people(["mia", "alice"]);
        knows(&world, "mia", "spiffe://example.org/mia").await;
        let own = clients.client(&[uri("spiffe://example.org/mia")]);
        let channel = channel(&world, &ours, Some(&own));
        assert_eq!(me(&alice.without_token(), &channel).await.unwrap(), mia.user);
        assert_eq!(me(&alice, &channel).await.unwrap(), alice.user);
        for values in
            [&[""][..], &["x"], &["Bearer x"], &["Basic bWlhOng="], &["x", "y"], &["Bearer"]]
        {
            let mut request = Request::new(GetMeRequest {});
            for value in values {
                let value = AsciiMetadataValue::try_from(*value).unwrap();
                request.metadata_mut().append("authorization", value);
            }
            let person = alice.without_token().over(channel.clone());
            let refused = person.directory().get_me(request).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, "{values:?}");
            assert_eq!(refused.reason(), "UNAUTHENTICATED");
        }
        assert_eq!(me(&alice.without_token(), &channel).await.unwrap(), mia.user);
    });
}

#[test]
fn without_authorities_a_certificate_stands_for_nobody() {
    run(Backend::Sqlite, async |db| {
        let [ours, clients] = ["ours", "clients"].map(Authority::new);
        let files = Files::with(&ours.server());
        let world = world(db, files.variables()).await;
        let mia = world.person("mia");
        knows(&world, "mia", "spiffe://example.org/mia").await;
        let own = clients.client(&[uri("spiffe://example.org/mia")]);
        let channel = channel(&world, &ours, Some(&own));
        assert_eq!(code(me(&mia.without_token(), &channel).await), Code::Unauthenticated);
        assert_eq!(me(&mia, &channel).await.unwrap(), mia.user);
    });
}

#[test]
fn a_certificate_ceases_to_stand_for_anybody_on_an_open_connection() {
    run(Backend::Sqlite, async |db| {
        let [ours, clients, others] = ["ours", "clients", "others"].map(Authority::new);
        let files = Files::with(&ours.server());
        let world = world(db, files.variables_with(&clients)).await;
        let mia = world.person("mia");
        knows(&world, "mia", "spiffe://example.org/mia").await;
        let nobody = mia.without_token();
        let name = uri("spiffe://example.org/mia");
        let own = clients.client(std::slice::from_ref(&name));
        let open = channel(&world, &ours, Some(&own));
        assert_eq!(me(&nobody, &open).await.unwrap(), mia.user);
        let ceases = async |channel: &Channel| {
            let refused = eventually(async || match me(&nobody, channel).await {
                Ok(user) => Err(user),
                Err(status) => Ok(status),
            });
            assert_eq!(refused.await.code(), Code::Unauthenticated);
        };

        // The authority is taken out, and put back.
        files.write("clients.pem", &others.pem);
        ceases(&open).await;
        files.write("clients.pem", &format!("{}{}", others.pem, clients.pem));
        eventually(async || me(&nobody, &open).await).await;

        // It expires.
        let short = clients.client_between(std::slice::from_ref(&name), -5, 4);
        let short = channel(&world, &ours, Some(&short));
        assert_eq!(me(&nobody, &short).await.unwrap(), mia.user);
        ceases(&short).await;

        // The account gets another certificate.
        knows(&world, "mia", "spiffe://example.org/mia-2").await;
        ceases(&open).await;
    });
}

#[test]
fn an_open_stream_ends_with_what_its_certificate_stood_for() {
    run(Backend::Sqlite, async |db| {
        let [ours, clients, others] = ["ours", "clients", "others"].map(Authority::new);
        let files = Files::with(&ours.server());
        let mut variables = files.variables_with(&clients);
        variables.push(("ELOHIM_GATEWAY__REFLECTION", "true".to_owned()));
        let world = world(db, variables).await;
        let mia = world.person("mia");
        knows(&world, "mia", "spiffe://example.org/mia").await;
        let own = clients.client(&[uri("spiffe://example.org/mia")]);
        let nobody = mia.without_token().over(channel(&world, &ours, Some(&own)));
        let over = mia.over(channel(&world, &ours, Some(&own)));
        let (first, mut by_token) = (Open::by(&nobody).await, Open::by(&over).await);
        knows(&world, "mia", "spiffe://example.org/another").await;
        refused::<()>(Err(first.ends().await), Code::Unauthenticated, "UNAUTHENTICATED");
        knows(&world, "mia", "spiffe://example.org/mia").await;
        eventually(async || me(&nobody, &channel(&world, &ours, Some(&own))).await).await;
        let second = Open::by(&nobody).await;
        files.write("clients.pem", &others.pem);
        refused::<()>(Err(second.ends().await), Code::Unauthenticated, "UNAUTHENTICATED");
        by_token.answers_again().await;
    });
}
