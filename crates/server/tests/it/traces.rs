//! Traces reach a collector, as children of the caller's own.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use api::agent::RouteRequest;
use api::agent::agent_service_client::AgentServiceClient;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;

use super::process::{Process, request};

const TRACE: [u8; 16] = [0xab; 16];

/// Keeps the bytes of every export.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<u8>>>);

impl NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl Service<http::Request<Body>> for Collector {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let kept = self.0.clone();
        Box::pin(async move {
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            kept.lock().unwrap().extend_from_slice(&bytes);
            // An empty message: everything was taken.
            let body = Body::new(http_body_util::Full::from(vec![0_u8; 5]));
            let response = http::Response::builder().header("content-type", "application/grpc");
            Ok(response.header("grpc-status", "0").body(body).unwrap())
        })
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_a_call_are_sent_at_the_latest_at_the_end() {
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder().add_service(collector.clone());
    tokio::spawn(server.serve_with_incoming(incoming));

    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[("ELOHIM_TELEMETRY__OTLP_ENDPOINT", &endpoint)]);
    let mut agent = AgentServiceClient::connect(process.url()).await.unwrap();
    let route = RouteRequest { input: "a secret wish".into(), ..Default::default() };
    let token = process.token("bob");
    let mut request = request(route, &token);
    let parent = format!("00-{}-00f067aa0ba902b7-01", "ab".repeat(16));
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    agent.route(request).await.unwrap();
    let (status, log) = tokio::task::spawn_blocking(|| process.end()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{log}");

    let sent = collector.0.lock().unwrap().clone();
    assert!(holds(&sent, b"/elohim.agent.v1.AgentService/Route"), "{log}");
    assert!(holds(&sent, &TRACE), "the caller's trace goes on");
    assert!(!holds(&sent, b"secret wish"));
    assert!(!holds(&sent, token.as_bytes()));
}
