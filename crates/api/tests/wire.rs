//! What a peer gets for bytes that are not a request, from tonic's own server with the
//! layers of this crate around it.

use api::agent::run_service_client::RunServiceClient;
use api::agent::run_service_server::{RunService, RunServiceServer};
use api::agent::{GetRunRequest, ListRunsRequest, ListRunsResponse, Run};
use api::limit::{MAX_REQUEST_BYTES, MessageLimitLayer};
use http_body_util::Full;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;
use tower::util::MapResponseLayer;
use tower::{Layer as _, ServiceExt as _};

const GET_RUN: &str = "/elohim.agent.v1.RunService/GetRun";

/// Answers with the name it was asked for.
struct Echo;

#[tonic::async_trait]
impl RunService for Echo {
    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<Run>, Status> {
        match request.into_inner().name.as_str() {
            "bare" => Err(Status::data_loss("no details")),
            name => Ok(Response::new(Run { name: name.into(), ..Run::default() })),
        }
    }

    async fn list_runs(
        &self,
        _: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        let limited = tonic_types::ErrorDetails::with_retry_info(None);
        Err(Status::with_error_details(Code::ResourceExhausted, "later", limited))
    }
}

fn server() -> RunServiceServer<Echo> {
    RunServiceServer::new(Echo)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MAX_REQUEST_BYTES)
}

/// Sends a body as it is and returns the status, if the answer is an error.
async fn post(path: &str, encoding: &str, body: Vec<u8>) -> Option<Status> {
    let request = http::Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("grpc-encoding", encoding)
        .body(Body::new(Full::new(bytes::Bytes::from(body))))
        .expect("a request");
    let routes = MessageLimitLayer::new(MAX_REQUEST_BYTES).layer(Routes::new(server()));
    let service = MapResponseLayer::new(api::answers::complete).layer(routes);
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc");
    Status::from_header_map(response.headers()).filter(|status| status.code() != Code::Ok)
}

async fn refusal(path: &str, encoding: &str, body: Vec<u8>) -> (Code, String) {
    let status = post(path, encoding, body).await.expect("must be refused");
    let info = status.get_details_error_info().expect("must have an ErrorInfo");
    assert_eq!(info.domain, api::ERROR_DOMAIN);
    assert!(!status.message().is_empty());
    (status.code(), info.reason)
}

fn framed(flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    [&[flags][..], &length.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn a_message_is_answered() {
    // Field 1, three bytes.
    assert!(post(GET_RUN, "identity", framed(0, b"\x0a\x03abc")).await.is_none());
}

#[tokio::test]
async fn what_is_no_message_is_malformed() {
    let malformed = (Code::InvalidArgument, "MALFORMED_MESSAGE".to_owned());
    let not_utf8 = framed(0, b"\x0a\x02\xff\xfe");
    let cut_inside = framed(0, b"\x0a\x7fabc");
    let cut_outside = framed(0, b"\x0a\x03abc").split_last().unwrap().1.to_vec();
    let wrong_wire_type = framed(0, b"\x08\x01");
    let endless_varint = framed(0, &[0xff; 64]);
    let bodies = [
        ("not utf-8", not_utf8),
        ("cut inside", cut_inside),
        ("cut outside", cut_outside),
        ("wrong wire type", wrong_wire_type),
        ("endless varint", endless_varint),
        ("unknown flags", framed(9, b"")),
        ("compressed without encoding", framed(1, b"")),
        ("nothing", Vec::new()),
    ];
    for (what, body) in bodies {
        assert_eq!(refusal(GET_RUN, "identity", body).await, malformed, "{what}");
    }
    assert_eq!(refusal(GET_RUN, "gzip", framed(1, b"no gzip")).await, malformed);
}

#[tokio::test]
async fn what_tonic_refuses_has_reasons() {
    let body = || framed(0, b"\x0a\x03abc");
    let answer = refusal("/elohim.agent.v1.RunService/Nothing", "identity", body()).await;
    assert_eq!(answer, (Code::Unimplemented, "METHOD_NOT_FOUND".to_owned()));
    let answer = refusal("/nowhere", "identity", body()).await;
    assert_eq!(answer, (Code::Unimplemented, "METHOD_NOT_FOUND".to_owned()));
    let answer = refusal(GET_RUN, "br", body()).await;
    assert_eq!(answer, (Code::Unimplemented, "COMPRESSION_NOT_SUPPORTED".to_owned()));
    let answer = refusal(GET_RUN, "identity", framed(0, b"\x0a\x04bare")).await;
    assert_eq!(answer, (Code::DataLoss, "DATA_LOSS".to_owned()));
}

#[tokio::test]
async fn answers_with_details_are_not_touched() {
    let path = "/elohim.agent.v1.RunService/ListRuns";
    let status = post(path, "identity", framed(0, b"")).await.unwrap();
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "later"));
    assert!(status.get_details_error_info().is_none());
    assert!(status.get_details_retry_info().is_some());
}

#[tokio::test]
async fn too_large_is_refused_by_the_declared_length_alone() {
    let too_large = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned());
    for declared in [u32::try_from(MAX_REQUEST_BYTES).unwrap() + 1, u32::MAX] {
        let prefix = [&[0][..], &declared.to_be_bytes()].concat();
        assert_eq!(refusal(GET_RUN, "identity", prefix).await, too_large);
    }
}

async fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let serving = Server::builder()
        .layer(MapResponseLayer::new(api::answers::complete))
        .layer(MessageLimitLayer::new(MAX_REQUEST_BYTES))
        .add_service(server())
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(serving);
    address
}

#[tokio::test]
async fn over_a_connection_a_client_reads_the_refusal_and_goes_on() {
    let mut client = RunServiceClient::connect(start().await)
        .await
        .unwrap()
        .max_encoding_message_size(usize::MAX);
    // The name, its tag and its length of four bytes fill the limit exactly.
    let longest = "x".repeat(MAX_REQUEST_BYTES - 5);

    let refused = client.get_run(GetRunRequest { name: "y".repeat(20 << 20) }).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert_eq!(refused.get_details_error_info().unwrap().reason, "MESSAGE_TOO_LARGE");

    let mut client = client.max_decoding_message_size(usize::MAX);
    let run = client.get_run(GetRunRequest { name: longest.clone() }).await.unwrap();
    assert!(run.into_inner().name == longest);
    let refused = client.get_run(GetRunRequest { name: longest + "x" }).await.unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn a_message_that_grows_when_decompressed_is_too_large() {
    let mut client = RunServiceClient::connect(start().await)
        .await
        .unwrap()
        .send_compressed(CompressionEncoding::Gzip)
        .max_encoding_message_size(usize::MAX);
    let refused = client.get_run(GetRunRequest { name: "z".repeat(64 << 20) }).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert_eq!(refused.get_details_error_info().unwrap().reason, "MESSAGE_TOO_LARGE");
}
