//! The server: services behind their layers, limits on connections, start and shutdown.

use std::sync::Arc;
use std::time::Duration;

use agent_core::port::engine::Engine;
use agent_core::service::{Applying, Planning, Repositories, Reverting, Runs, Sessions};
use audit::{AuditReader, RefusalSink};
use directory::store::DirectoryStore;
use permissions::Authorizer;
use primitives::Clock;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;
use tower::util::MapResponseLayer;
use workflow_core::service::{Analytics, Items, Reviews, Templates, Triggers, Workflows};

use crate::access::{AccessTableError, Methods};
use crate::call::{Rpc, Shared};
use crate::layer::{Admission, Around, Authentication, Deadlines, Refusals, Trace};
use crate::{GatewayConfig, PageKey, RpcObserver, Verifier};

/// Resets that a peer may have pending or cause before its connection is closed.
const MAX_RESETS: usize = 100;
/// A quiet TCP peer is probed after this long.
const TCP_KEEPALIVE: Duration = Duration::from_mins(1);

/// The domain services that handlers call, and the ports they read without one.
#[derive(Clone)]
pub struct Services {
    pub workflows: Workflows,
    pub templates: Templates,
    pub items: Items,
    pub reviews: Reviews,
    pub triggers: Triggers,
    pub analytics: Analytics,
    pub repositories: Repositories,
    pub sessions: Sessions,
    pub planning: Planning,
    pub applying: Applying,
    pub reverting: Reverting,
    pub runs: Runs,
    /// Who people are.
    pub people: Arc<dyn DirectoryStore>,
    /// What was recorded.
    pub audit: Arc<dyn AuditReader>,
    /// In order of preference; for `ListEngines`.
    pub engines: Vec<Arc<dyn Engine>>,
    /// Name of the configured model, if there is one.
    pub model: Option<String>,
}

/// Everything a gateway is made of.
pub struct Parts {
    pub config: GatewayConfig,
    pub services: Services,
    pub authorizer: Arc<Authorizer>,
    pub verifier: Arc<Verifier>,
    /// Takes records of refusals and of reading the records.
    pub notes: Arc<dyn RefusalSink>,
    pub observer: Arc<dyn RpcObserver>,
    pub clock: Arc<dyn Clock>,
    /// The same on every replica.
    pub page_key: PageKey,
}

/// The gateway cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    AccessTable(#[from] AccessTableError),
    /// The embedded descriptors cannot be served.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serving ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("the gRPC server broke down: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

/// A gRPC server, ready to serve.
pub struct Gateway {
    config: GatewayConfig,
    routes: Routes,
    health: HealthReporter,
    trace: Trace,
    refusals: Refusals,
    authentication: Authentication,
}

impl Gateway {
    /// Puts the server together. Refuses an access table that does not fit the contract.
    pub fn new(parts: Parts) -> Result<Self, GatewayError> {
        let Parts { config, services, authorizer, verifier, notes, observer, clock, page_key } =
            parts;
        let methods = Arc::new(Methods::load()?);
        let authentication =
            Authentication::new(verifier, Arc::clone(&authorizer), config.calls_per_caller);
        let trace = Trace { methods, observer };
        let refusals = Refusals { sink: Arc::clone(&notes), clock: Arc::clone(&clock) };
        let rpc = Rpc(Arc::new(Shared { services, authorizer, notes, clock, page_key }));
        let (health, health_server) = tonic_health::server::health_reporter();
        let mut routes = Routes::builder();
        routes.add_service(health_server);
        crate::rpc::add_services(&mut routes, &rpc, &config);
        if config.reflection {
            add_reflection(&mut routes)?;
        }
        let routes = routes.routes().prepare();
        Ok(Self { config, routes, health, trace, refusals, authentication })
    }

    /// Serves until `shutdown`, then lets open calls finish for the configured time.
    ///
    /// Returns when all connections are closed or that time is over; calls still at work
    /// then go on until the process ends.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let drain = self.config.drain;
        let health = self.health.clone();
        let (stopped, stop) = oneshot::channel::<()>();
        let incoming = TcpIncoming::from(listener)
            .with_nodelay(Some(true))
            .with_keepalive(Some(TCP_KEEPALIVE));
        let layers = tower::ServiceBuilder::new()
            .layer(Around(self.trace))
            .layer(MapResponseLayer::new(api::answers::complete))
            .layer(Around(Deadlines {
                quick: self.config.quick_deadline,
                long: self.config.long_deadline,
            }))
            .layer(Around(self.refusals))
            .layer(Around(Admission::new(self.config.calls_in_flight)))
            .layer(Around(self.authentication))
            .layer(api::limit::MessageLimitLayer::new(self.config.max_request_bytes))
            .into_inner();
        let server = limited(&self.config)
            .layer(layers)
            .add_routes(self.routes)
            .serve_with_incoming_shutdown(incoming, async {
                // An error means that the sender is gone: stop as well.
                let _ = stop.await;
            });
        let mut server = std::pin::pin!(server);
        tokio::select! {
            ended = &mut server => return Ok(ended?),
            () = shutdown => {}
        }
        health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        let _ = stopped.send(());
        if let Ok(ended) = tokio::time::timeout(drain, server).await {
            return Ok(ended?);
        }
        tracing::warn!("some calls were still open when the time to drain was over");
        Ok(())
    }
}

fn limited(config: &GatewayConfig) -> Server {
    // No grace beside the age: with one, tonic cuts connections instead of asking.
    Server::builder()
        .max_concurrent_streams(config.max_streams)
        .http2_max_header_list_size(config.max_header_bytes)
        .http2_keepalive_interval(Some(config.keepalive_interval))
        .http2_keepalive_timeout(Some(config.keepalive_timeout))
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_RESETS))
        .max_connection_age(config.connection_age)
}

/// Both versions: many tools still ask for the older one.
fn add_reflection(routes: &mut RoutesBuilder) -> Result<(), GatewayError> {
    let configured = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(api::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // Tools show the details of errors only if they are told what they are.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    routes.add_service(configured().build_v1()?);
    routes.add_service(configured().build_v1alpha()?);
    Ok(())
}
