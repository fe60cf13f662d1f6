//! A model endpoint on 127.0.0.1 that does what a test tells it, and remembers what it
//! was asked.
//!
//! It speaks real HTTP/1.1, so that time-outs, cut bodies and lost connections are real
//! as well. A request beyond the end of the script is answered with 418, which no client
//! repeats, so that the test fails at the point where it asked too often.

mod reply;
mod request;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use self::reply::Reply;
pub use self::request::RecordedRequest;

use self::reply::ReplyBody;

/// Gives the reply to a request.
type Script = Box<dyn FnMut(&RecordedRequest) -> Reply + Send>;

/// A scripted model endpoint. Dropping it closes the port and every connection.
pub struct ScriptedModel {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<Infallible>,
}

struct State {
    script: Mutex<Script>,
    requests: watch::Sender<Vec<RecordedRequest>>,
}

impl ScriptedModel {
    /// Starts a server that gives these replies, one for each request, in this order.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        Self::start_with(move |_| {
            replies.pop_front().unwrap_or_else(|| {
                Reply::raw(418, "text/plain", "the script of this test has no further reply")
            })
        })
        .await
    }

    /// Starts a server that computes each reply from its request.
    pub async fn start_with(
        script: impl FnMut(&RecordedRequest) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State {
            script: Mutex::new(Box::new(script)),
            requests: watch::Sender::new(Vec::new()),
        });
        let accepting = tokio::spawn(accept(listener, state.clone()));
        Self { address, state, accepting }
    }

    /// What a client is configured with, as in `http://127.0.0.1:40123/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests that arrived whole, in their order, those answered with an error too.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.requests.borrow().clone()
    }

    /// Waits until at least `count` requests have arrived, and returns all that have.
    pub async fn wait_for(&self, count: usize) -> Vec<RecordedRequest> {
        let mut requests = self.state.requests.subscribe();
        let arrived = requests.wait_for(|requests| requests.len() >= count).await;
        arrived.expect("the sender lives in self").clone()
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves every connection until the task is aborted, which ends the connections too.
async fn accept(listener: TcpListener, state: Arc<State>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, state.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(|request| answer(request, state.clone()));
    // A connection that a script or a client broke off is not of interest.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An error makes hyper close the connection without a response.
async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<ReplyBody>, io::Error> {
    let request = RecordedRequest::read(request).await?;
    let reply = {
        let mut script = state.script.lock().unwrap_or_else(PoisonError::into_inner);
        script(&request)
    };
    state.requests.send_modify(|requests| requests.push(request.clone()));
    reply.into_response(&request).await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Sends one request over a bare socket and reads until the server closes.
    async fn call(server: &ScriptedModel, body: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A connection that breaks off is an answer as well.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn the_script_is_followed_and_requests_are_recorded() {
        let server =
            ScriptedModel::start([Reply::json(&serde_json::json!({ "a": 1 })), Reply::status(503)])
                .await;

        let first = call(&server, r#"{"model":"small"}"#).await;
        assert!(first.starts_with("HTTP/1.1 200"), "{first}");
        assert!(first.contains(r#""content":"{\"a\":1}""#), "{first}");
        assert!(first.contains(r#""model":"small""#), "{first}");
        assert!(call(&server, "{}").await.starts_with("HTTP/1.1 503"));
        assert!(call(&server, "not json").await.starts_with("HTTP/1.1 418"));

        let requests = server.requests();
        assert_eq!(requests.len(), 3);
        assert_eq!(requests[0].path, "/v1/chat/completions");
        assert_eq!(requests[0].header("authorization"), Some("Bearer k"));
        assert_eq!(requests[0].model(), Some("small"));
        assert_eq!(requests[2].body, serde_json::Value::Null);
        assert_eq!(requests[2].raw.as_ref(), b"not json");
    }

    #[tokio::test]
    async fn connections_break_where_the_script_says() {
        let server = ScriptedModel::start([Reply::dropped(), Reply::truncated()]).await;

        assert_eq!(call(&server, "{}").await, "");

        let cut = call(&server, "{}").await;
        let (head, body) = cut.split_once("\r\n\r\n").unwrap();
        let promised = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let promised: usize = promised.unwrap().parse().unwrap();
        assert!(!body.is_empty() && body.len() < promised, "{cut}");
    }

    #[tokio::test]
    async fn a_held_reply_waits_for_its_release() {
        let release = Arc::new(tokio::sync::Notify::new());
        let server = ScriptedModel::start([Reply::text("late").held_by(release.clone())]).await;

        let mut answer = Box::pin(call(&server, "{}"));
        tokio::select! {
            early = &mut answer => panic!("answered before the release: {early}"),
            requests = server.wait_for(1) => assert_eq!(requests.len(), 1),
        }
        release.notify_one();
        assert!(answer.await.contains("late"));
    }

    #[tokio::test]
    async fn a_dropped_server_is_gone() {
        let server = ScriptedModel::start([]).await;
        let address = server.address();
        let mut open = TcpStream::connect(address).await.unwrap();
        drop(server);

        let mut rest = Vec::new();
        let _ = open.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
        assert!(TcpStream::connect(address).await.is_err());
    }
}
