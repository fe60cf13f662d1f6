//! What the listeners share: TLS and the keys of tokens, kept as they should be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Tls, Verifier};
use tokio::sync::watch;

use crate::config::{Config, ConfigError};

/// Reads the files of `gateway.tls`, if it is configured. [`Tls::keep_fresh`] is the caller's.
pub(super) fn tls(config: &Config) -> Result<Option<Arc<Tls>>, ConfigError> {
    let Some(files) = config.gateway.tls.files() else { return Ok(None) };
    let tls = Tls::load(files);
    tls.map(Arc::new).map(Some).map_err(|error| ConfigError::wrong(format!("gateway.tls: {error}")))
}

/// Looks at the files of TLS until the server ends.
pub(super) async fn keep_tls(tls: Arc<Tls>, every: Duration, stopping: watch::Receiver<bool>) {
    until_stopped(tls.keep_fresh(every), stopping).await;
}

/// Reads the issuer's key set until the server ends.
pub(super) async fn keep_keys(verifier: Arc<Verifier>, stopping: watch::Receiver<bool>) {
    until_stopped(verifier.keep_fresh(), stopping).await;
}

async fn until_stopped(work: impl Future<Output = ()>, mut stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = work => {}
        // An error means that the server is gone: stop as well.
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

/// Says loudly that tokens can be read on the way; a proxy may terminate TLS, so it is allowed.
pub(super) fn warn_of_clear_text(address: SocketAddr, tls: Option<&Arc<Tls>>) {
    if tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "calls are taken in clear text from other machines: tokens and code can be read on \
             the way. Set gateway.tls, or let a proxy on this machine terminate TLS"
        );
    }
}
