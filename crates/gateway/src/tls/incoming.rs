//! Takes connections and brings them to where HTTP/2 begins.
//!
//! **Invariants:** a client that is slow to shake hands keeps nobody else from connecting,
//! and has [`HANDSHAKE`] time; at most [`HANDSHAKES`] go on at once; a failing accept does not
//! end the listener; the port is closed as soon as nobody takes connections any more.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::server::TcpIncoming;
use tracing::{debug, warn};

use super::files::HTTP2;
use super::{ClientCertificate, Connection, Tls};

/// Time for one handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes that go on at once; further clients wait in the system's queue.
const HANDSHAKES: usize = 512;
/// Connections that are ready and not taken yet.
const READY: usize = 64;
/// A quiet TCP peer is probed after this long.
const TCP_KEEPALIVE: Duration = Duration::from_mins(1);
/// Before the next try, when connections cannot be accepted: too many open files, as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections to one listener, each ready for HTTP/2.
pub struct Incoming(mpsc::Receiver<Connection>);

impl Incoming {
    /// Begins to accept: over TLS, or in clear text. Must be called in a runtime.
    pub fn new(listener: TcpListener, tls: Option<Arc<Tls>>) -> Self {
        let (ready, taken) = mpsc::channel(READY);
        let tcp = TcpIncoming::from(listener)
            .with_nodelay(Some(true))
            .with_keepalive(Some(TCP_KEEPALIVE));
        tokio::spawn(accept(tcp, tls, ready));
        Self(taken)
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|taken| taken.map(Ok))
    }
}

async fn accept(mut tcp: TcpIncoming, tls: Option<Arc<Tls>>, ready: mpsc::Sender<Connection>) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    // Dropped at the end, and with it all handshakes.
    let mut handshakes = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = ready.closed() => return,
            Some(_) = handshakes.join_next() => continue,
            accepted = tcp.next() => accepted,
        };
        let stream = match accepted {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => {
                if !is_of_the_peer(&error) {
                    warn!(%error, "connections cannot be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
            None => return,
        };
        let Some(tls) = &tls else {
            if ready.send(Connection::clear(stream)).await.is_err() {
                return;
            }
            continue;
        };
        let place = tokio::select! {
            () = ready.closed() => return,
            Ok(place) = Arc::clone(&places).acquire_owned() => place,
        };
        let (tls, ready) = (Arc::clone(tls), ready.clone());
        handshakes.spawn(async move {
            let _place = place;
            match timeout(HANDSHAKE, handshake(tls, stream)).await {
                // An error means that nobody takes connections any more.
                Ok(Ok(connection)) => drop(ready.send(connection).await),
                Ok(Err(error)) => debug!(%error, "a client did not get through the handshake"),
                Err(_) => debug!("a client was too slow in its handshake"),
            }
        });
    }
}

async fn handshake(tls: Arc<Tls>, stream: TcpStream) -> io::Result<Connection> {
    let acceptor = TlsAcceptor::from(Arc::clone(&tls.material.load().server));
    let stream = acceptor.accept(stream).await?;
    let (_, session) = stream.get_ref();
    if session.alpn_protocol() != Some(HTTP2) {
        return Err(io::Error::other("the client did not ask for HTTP/2"));
    }
    let shown = session.peer_certificates().unwrap_or_default();
    let chain = shown.iter().cloned().map(CertificateDer::into_owned).collect();
    Ok(Connection::secure(stream, ClientCertificate::new(tls, chain)))
}

/// The peer was gone before it was accepted.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock)
}
