//! One port: services behind their layers, limits on connections, start and shutdown.

use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};
use tokio_stream::StreamExt as _;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::server::HealthReporter;
use tower::util::MapResponseLayer;

use crate::access::Side;
use crate::flood::Counted;
use crate::layer::{
    AccessTable, Admission, Around, Authentication, Deadlines, FollowClaims, Places, Rates,
    Refusals, Streams, Trace,
};
use crate::{GatewayConfig, Incoming};

/// Resets that a peer may have pending or cause before its connection is closed.
const MAX_RESETS: usize = 100;

/// Serving ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("the gRPC server broke down: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

/// What a call passes, outside in.
#[derive(Clone)]
pub(crate) struct Layers {
    pub(crate) trace: Trace,
    pub(crate) deadlines: Deadlines,
    pub(crate) refusals: Refusals,
    pub(crate) admission: Admission,
    pub(crate) authentication: Authentication,
    pub(crate) rates: Rates,
    pub(crate) claims: FollowClaims,
    pub(crate) access: AccessTable,
    pub(crate) streams: Streams,
    pub(crate) places: Places,
}

impl Layers {
    /// The same at another port: counts are shared.
    pub(crate) fn at(mut self, side: Side) -> Self {
        self.trace.side = side;
        self
    }
}

/// One port of a gateway, ready to serve.
pub struct Edge {
    pub(crate) config: GatewayConfig,
    pub(crate) routes: Routes,
    pub(crate) health: HealthReporter,
    pub(crate) layers: Layers,
}

impl Edge {
    /// Serves these connections until `shutdown`, then ends streams and lets open calls finish
    /// for the configured time.
    ///
    /// Returns when all connections are closed or that time is over; calls still at work
    /// then go on until the process ends.
    pub async fn serve(
        self,
        incoming: Incoming,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let Self { config, routes, health, layers } = self;
        let streams = layers.streams.clone();
        let (stopped, stop) = oneshot::channel::<()>();
        let layers = tower::ServiceBuilder::new()
            .layer(Around(layers.trace))
            .layer(MapResponseLayer::new(api::answers::complete))
            .layer(Around(layers.deadlines))
            .layer(Around(layers.refusals))
            .layer(Around(layers.admission))
            .layer(Around(layers.authentication))
            .layer(Around(layers.rates))
            // From here on the database may be asked.
            .layer(Around(layers.places))
            .layer(Around(layers.claims))
            .layer(Around(layers.access))
            .layer(Around(layers.streams))
            .layer(api::limit::MessageLimitLayer::new(config.max_request_bytes))
            .into_inner();
        let places = Arc::new(Semaphore::new(config.max_connections));
        let incoming = incoming.filter_map(move |connection| {
            // Without a place it is closed: whoever waits inside could wait for ever.
            let place = Arc::clone(&places).try_acquire_owned().ok()?;
            Some(connection.map(|io| Counted::new(io, place)))
        });
        let server = limited(&config)
            .layer(layers)
            .add_routes(routes)
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
        streams.close();
        let _ = stopped.send(());
        if let Ok(ended) = tokio::time::timeout(config.drain, server).await {
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
