//! Asks a running server which methods work.

use bytes::{Buf, BufMut, Bytes};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};

use super::contract::Service;
use crate::config::{Config, loopback};
use crate::demo::people::Person;
use crate::dev::DevKey;
use crate::wiring::{Identity, Options, Server};

/// What one method answered.
pub(super) struct Answer {
    pub path: String,
    pub is_implemented: bool,
}

/// Calls every method with an empty request, as somebody with many rights.
pub(super) async fn ask(services: &[Service]) -> anyhow::Result<Vec<Answer>> {
    let folder = tempfile::Builder::new().prefix("elohim-docs-").tempdir()?;
    let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
    config.gateway.listen = loopback(0);
    config.admin.listen = loopback(0);
    config.metrics.listen = loopback(0);
    let key = DevKey::open_or_create(&config.data_dir)?;
    let identity = Some(Identity::dev(&key)?);
    let server = Server::start(Options { identity, is_dev: true, ..Options::new(config) }).await?;
    let token = key.token("carol", std::time::Duration::from_hours(1));
    let carol = Person::new("carol", token.clone(), server.grpc())?;
    let at_admin = Person::new("carol", token, server.admin())?;
    let mut answers = Vec::new();
    for service in services {
        for method in &service.methods {
            let path = format!("/{}/{}", service.name, method.name);
            // Each at the port where it is served.
            let is_for_operators = service.name.starts_with("elohim.admin.");
            let whom = if is_for_operators { &at_admin } else { &carol };
            let is_implemented = call(whom, &path).await?;
            answers.push(Answer { path, is_implemented });
        }
    }
    server.stop().await;
    Ok(answers)
}

async fn call(person: &Person, path: &str) -> anyhow::Result<bool> {
    let mut client = tonic::client::Grpc::new(person.calls());
    client.ready().await?;
    let path = http::uri::PathAndQuery::try_from(path)?;
    let answer: Result<tonic::Response<Bytes>, Status> =
        client.unary(Request::new(()), path, Raw).await;
    match answer {
        Ok(_) => Ok(true),
        // The server cannot be asked: nothing can be said of the method.
        Err(status) if matches!(status.code(), Code::Unauthenticated | Code::Unavailable) => {
            Err(status.into())
        }
        Err(status) => Ok(status.code() != Code::Unimplemented),
    }
}

/// Sends nothing and keeps what comes as it is.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = ();
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = ();
    type Error = Status;

    fn encode(&mut self, _item: (), into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&[]);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
