//! The ports where calls are taken: one for everybody, one for operators.

use std::net::SocketAddr;
use std::sync::Arc;

use gateway::{Edge, Gateway, Incoming, Parts, Tls};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{StartError, edge};
use crate::config::Config;

/// Both addresses; the ports are open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub tenants: SocketAddr,
    pub operators: SocketAddr,
}

type Tasks = Vec<(&'static str, JoinHandle<()>)>;

/// Begins to take calls at both ports, until `stopping` turns true.
pub(super) async fn open(
    config: &Config,
    parts: Parts,
    stopping: &watch::Receiver<bool>,
    tasks: &mut Tasks,
) -> Result<Ports, StartError> {
    let tls = edge::tls(config)?;
    let verifier = Arc::clone(&parts.verifier);
    let Gateway { tenants, operators } = Gateway::new(parts)?;
    // Both before either takes a call: half a server must not have answered anything.
    let (public, tenants_at) = bind(config.gateway.listen, tls.as_ref()).await?;
    let (private, operators_at) = bind(config.admin.listen, tls.as_ref()).await?;
    for (name, edge, listener) in [("gateway", tenants, public), ("admin", operators, private)] {
        let incoming = Incoming::new(listener, tls.clone());
        tasks.push((name, tokio::spawn(serve(edge, incoming, stopping.clone()))));
    }
    tasks.push(("keys", tokio::spawn(edge::keep_keys(verifier, stopping.clone()))));
    if let Some(tls) = tls {
        let fresh = edge::keep_tls(tls, config.gateway.tls.reload(), stopping.clone());
        tasks.push(("tls", tokio::spawn(fresh)));
    }
    Ok(Ports { tenants: tenants_at, operators: operators_at })
}

async fn bind(
    address: SocketAddr,
    tls: Option<&Arc<Tls>>,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |cause| StartError::Listen { address, cause };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    edge::warn_of_clear_text(bound, tls);
    Ok((listener, bound))
}

async fn serve(edge: Edge, incoming: Incoming, mut stopping: watch::Receiver<bool>) {
    let stop = async move {
        // An error means that the server is gone: stop as well.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = edge.serve(incoming, stop).await {
        tracing::error!(%error, "a port ended");
    }
}
