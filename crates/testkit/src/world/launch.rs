//! The server inside this process, put together as the binary does it.

use std::net::SocketAddr;

use server::config::load_from;
use server::dev::DevKey;
use server::wiring::{Identity, Options, Server};

use super::Setup;

/// A running server.
pub(super) struct Launched(Server);

impl Launched {
    pub(super) async fn start(
        variables: Vec<(String, String)>,
        key: &DevKey,
        setup: &Setup,
    ) -> Self {
        let config = load_from(None, variables).expect("the configuration is right");
        let identity = if config.identity.issuer.is_empty() {
            Identity::dev(key).expect("an identity")
        } else {
            Identity::configured(&config).expect("the identity is right")
        };
        let options = Options {
            identity: Some(identity),
            engines: setup.engines.clone(),
            has_worker: !setup.is_without_worker,
            ..Options::new(config)
        };
        Self(Server::start(options).await.expect("the server starts"))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.grpc()
    }

    pub(super) fn metrics_address(&self) -> SocketAddr {
        self.0.metrics()
    }

    pub(super) fn statements(&self) -> u64 {
        self.0.statements()
    }

    pub(super) fn admin(&self) -> SocketAddr {
        self.0.admin()
    }

    pub(super) async fn stop(self) {
        self.0.stop().await;
    }
}
