//! Every method of the contract, under every credential that is none.
//!
//! The answer is the same in every byte: for each method, for each way a credential can be
//! wrong, and whether the request names what exists or what does not.

mod attempts;
mod requests;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use testkit::database::{Backend, TestDb, run};
use testkit::world::{RawCodec, Refusal, Refused as _, Setup, World, panics};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Extensions, Request, Status};

use self::attempts::{Attempt, KINDS};
use self::requests::{existing, request};
use crate::scene::{Own, belongings};
use crate::signer::Signer;

/// Fewer than the streams that one connection may have.
const AT_ONCE: usize = 48;
/// A variation of a kind is tried at every so many-th method.
const STRIDE: usize = 12;

/// Served beside the contract, to those with a credential.
const BESIDE: [&str; 3] = [
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "elohim.nothing.v1.NoService/NoMethod",
];

/// All methods that are served, but liveness.
fn paths(set: &FileDescriptorSet) -> Vec<(String, Option<String>)> {
    let mut paths: Vec<_> =
        BESIDE.iter().map(|path| ((*path).to_owned(), None::<String>)).collect();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("{}.{}/{}", file.package(), service.name(), method.name());
                paths.push((path, Some(method.input_type().to_owned())));
            }
        }
    }
    paths
}

async fn send(
    channel: &Channel,
    path: &str,
    metadata: MetadataMap,
    body: Vec<u8>,
) -> Result<Vec<u8>, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    let path = format!("/{path}").parse::<PathAndQuery>().unwrap();
    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let request = Request::from_parts(metadata, Extensions::default(), body);
    client.unary(request, path, RawCodec).await.map(tonic::Response::into_inner)
}

async fn scene(db: TestDb) -> (World, Own, Signer) {
    let variables = vec![("ELOHIM_GATEWAY__REFLECTION", "true".to_owned())];
    let world = World::with(db, Setup { variables, ..Setup::default() }).await;
    let own = belongings(&world, &world.person("alice"), "core").await;
    let gus = world.person("gus");
    world.policy().set_active(gus.id, false).await.unwrap();
    let signer = Signer::of(&world);
    (world, own, signer)
}

/// Connections for as many calls as this: the client resets those that are refused before
/// their body is sent, and a connection may not have too many of them in a while.
const A_CONNECTION: usize = 500;

/// A connection to each port.
struct Ports {
    tenants: Channel,
    operators: Channel,
}

impl Ports {
    fn of(world: &World) -> Self {
        Self { tenants: world.another_channel(), operators: world.admin_channel() }
    }

    /// The one where a method is served.
    fn serving(&self, path: &str) -> &Channel {
        if path.starts_with("elohim.admin.") { &self.operators } else { &self.tenants }
    }
}

/// One call that must be refused.
struct Call<'a> {
    path: String,
    attempt: &'a Attempt,
    body: Vec<u8>,
}

/// Every method in every kind of way, and some methods in each variation; about what exists
/// and about what does not.
fn calls<'a>(own: &Own, attempts: &'a [Attempt]) -> Vec<Call<'a>> {
    let set = FileDescriptorSet::decode(api::DESCRIPTORS).unwrap();
    let exists = existing(own);
    let one = |collection: &str| exists.get(collection).unwrap_or(&own.user).clone();
    let absent = |collection: &str| World::unused(&format!("{collection}/x"));
    let mut calls = Vec::new();
    for (at, (path, input)) in paths(&set).into_iter().enumerate() {
        let input = input.unwrap_or_default();
        let bodies = [request(&set, &input, &one), request(&set, &input, &absent)];
        for (number, attempt) in attempts.iter().enumerate() {
            if KINDS.contains(&attempt.name.as_str()) || (at + number) % STRIDE == 0 {
                let new = |body: &Vec<u8>| Call { path: path.clone(), attempt, body: body.clone() };
                calls.extend(bodies.iter().map(new));
            }
        }
    }
    calls
}

#[test]
fn every_method_answers_every_credential_that_is_none_alike() {
    run(Backend::Sqlite, async |db| {
        let (world, own, signer) = scene(db).await;
        let attempts = attempts::all(&signer, &own);
        let names: BTreeSet<_> = attempts.iter().map(|attempt| attempt.name.as_str()).collect();
        assert_eq!(names.len(), attempts.len(), "two have one name");
        assert!(KINDS.iter().all(|kind| names.contains(kind)), "{names:#?}");
        let calls = calls(&own, &attempts);
        let kinds: BTreeSet<_> =
            calls.iter().map(|call| (&call.path, &call.attempt.name)).collect();
        assert!(kinds.len() > 2_000, "only {} kinds of calls", kinds.len());

        let path = "elohim.x/Y";
        let reference = send(&world.another_channel(), path, MetadataMap::new(), vec![]).await;
        let reference = Refusal::from(&reference.unwrap_err());
        assert_eq!(
            (reference.code, reference.reason.as_str()),
            (Code::Unauthenticated, "UNAUTHENTICATED")
        );
        let ports: Vec<_> = calls.chunks(A_CONNECTION).map(|_| Ports::of(&world)).collect();
        let answers = stream::iter(calls).enumerate();
        let answers = answers.map(async |(at, Call { path, attempt, body })| {
            let port = ports[at / A_CONNECTION].serving(&path);
            let answer = send(port, &path, attempt.metadata.clone(), body).await;
            let Err(status) = answer else { panic!("{path} was answered: {}", attempt.name) };
            assert_eq!(Refusal::from(&status), reference, "{path} {}", attempt.name);
        });
        answers.buffer_unordered(AT_ONCE).for_each(async |()| ()).await;
        assert_eq!(panics(), Vec::<String>::new());
    });
}

/// The same calls with a good token are let in: it is the credential that was refused.
#[test]
fn a_good_token_is_let_in_by_every_method() {
    run(Backend::Sqlite, async |db| {
        let (world, _, signer) = scene(db).await;
        let set = FileDescriptorSet::decode(api::DESCRIPTORS).unwrap();
        let ports = Ports::of(&world);
        let good = Attempt::token("a good one", &signer.token("alice"));
        let absent = |collection: &str| World::unused(&format!("{collection}/x"));
        for (path, input) in paths(&set) {
            let body = request(&set, &input.unwrap_or_default(), &absent);
            let answer = send(ports.serving(&path), &path, good.metadata.clone(), body);
            // A stream may have nothing to say for a while: then it was let in.
            if let Ok(Err(status)) = tokio::time::timeout(Duration::from_secs(2), answer).await {
                assert_ne!(status.code(), Code::Unauthenticated, "{path} {status:?}");
                let is_known = status.reason() != "METHOD_NOT_FOUND";
                assert!(is_known || path == BESIDE[2], "{path} is served elsewhere");
            }
        }
    });
}

/// Liveness is the one thing that needs none, and a bad one does no harm to it.
#[test]
fn liveness_needs_no_credential() {
    run(Backend::Sqlite, async |db| {
        let (world, own, signer) = scene(db).await;
        let channel = world.another_channel();
        for attempt in attempts::no_tokens(&signer.token("alice"), &own) {
            let answer =
                send(&channel, "grpc.health.v1.Health/Check", attempt.metadata, Vec::new());
            assert_eq!(answer.await.unwrap(), [8, 1], "{}", attempt.name);
        }
    });
}
