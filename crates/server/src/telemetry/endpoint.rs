//! The HTTP port for operators: `/metrics` and `/healthz`.
//!
//! Plain HTTP/1 without authentication: what it shows holds nobody's data. Counts of what
//! waits in the database are read when they are asked for, at most once a second.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_core::port::queue::RunQueue;
use bytes::Bytes;
use events::OutboxQueue;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, watch};

use super::Metrics;

/// Scrapers that may be connected at the same time.
const MAX_CONNECTIONS: usize = 32;
/// How long the database may take to be counted.
const COUNT_TIMEOUT: Duration = Duration::from_secs(2);

/// What is asked when somebody looks.
pub struct Probes {
    pub metrics: Metrics,
    pub runs: Arc<dyn RunQueue>,
    pub outbox: Arc<dyn OutboxQueue>,
    /// Whether calls are taken.
    pub ready: watch::Receiver<bool>,
}

/// The listening port.
pub struct Endpoint {
    listener: TcpListener,
    state: Arc<State>,
}

struct State {
    probes: Probes,
    counted: Mutex<Option<Instant>>,
    connections: Arc<Semaphore>,
}

impl Endpoint {
    /// Takes the port; nothing is answered yet.
    pub async fn bind(address: SocketAddr, probes: Probes) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let state = State { probes, counted: Mutex::new(None), connections };
        Ok(Self { listener, state: Arc::new(state) })
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stop` turns true.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection to the metrics port failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(permit) = self.state.connections.clone().try_acquire_owned() else { continue };
            let state = self.state.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(state.clone(), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(10))
                    .serve_connection(TokioIo::new(stream), service);
                // A scraper that hangs up is its own business.
                let _ = connection.await;
                drop(permit);
            });
        }
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".into()));
    }
    Ok(match request.uri().path() {
        "/healthz" if *state.probes.ready.borrow() => text(StatusCode::OK, "ready\n".into()),
        "/healthz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".into()),
        "/metrics" => {
            count(&state).await;
            match state.probes.metrics.text() {
                Ok(metrics) => text(StatusCode::OK, metrics),
                Err(error) => {
                    tracing::error!(%error, "metrics cannot be written");
                    text(StatusCode::INTERNAL_SERVER_ERROR, "see the log\n".into())
                }
            }
        }
        _ => text(StatusCode::NOT_FOUND, "there are /metrics and /healthz\n".into()),
    })
}

/// Reads the counts again, unless that was just done. On failure the old ones stay.
async fn count(state: &State) {
    let mut counted = state.counted.lock().await;
    if counted.is_some_and(|at| at.elapsed() < Duration::from_secs(1)) {
        return;
    }
    let probes = &state.probes;
    let read = async { tokio::join!(probes.outbox.backlog(), probes.runs.count_runs()) };
    let read = tokio::time::timeout(COUNT_TIMEOUT, read).await;
    *counted = Some(Instant::now());
    let Ok((backlog, runs)) = read else {
        tracing::warn!("counting what waits in the database took too long");
        return;
    };
    match backlog {
        Ok((pending, oldest)) => probes.metrics.set_backlog(pending, oldest),
        Err(error) => tracing::warn!(%error, "the outbox cannot be counted"),
    }
    match runs {
        Ok(counts) => probes.metrics.set_runs(&counts),
        Err(error) => tracing::warn!(%error, "runs cannot be counted"),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
