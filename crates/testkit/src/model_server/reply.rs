//! What the scripted model answers.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::RecordedRequest;

/// A whole body, or one that ends in an error.
pub(super) type ReplyBody = UnsyncBoxBody<Bytes, io::Error>;

/// Bytes per chunk of a huge body.
const CHUNK: usize = 64 * 1024;

/// One scripted reply.
#[derive(Clone, Debug)]
pub struct Reply {
    kind: Kind,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    delay: Duration,
    held_by: Option<Arc<Notify>>,
}

#[derive(Clone, Debug)]
enum Kind {
    Completion { text: String, model: Option<String>, finish_reason: &'static str },
    Raw { content_type: String, body: Bytes },
    Truncated,
    Huge { bytes: u64, declared: bool },
    Dropped,
}

impl Reply {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            status: StatusCode::OK,
            headers: Vec::new(),
            delay: Duration::ZERO,
            held_by: None,
        }
    }

    /// A completion whose text is this value as JSON: a valid answer, or one that breaks
    /// the schema.
    pub fn json(value: &Value) -> Self {
        Self::text(value.to_string())
    }

    /// A completion with any text, as models give them.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Kind::Completion { text: text.into(), model: None, finish_reason: "stop" })
    }

    /// Any status with the error body that endpoints send with it.
    pub fn status(status: u16) -> Self {
        Self::error(status, &json!({ "message": "scripted failure", "code": null }))
    }

    /// A status with the given `error` object.
    pub fn error(status: u16, error: &Value) -> Self {
        Self::raw(status, "application/json", json!({ "error": error }).to_string())
    }

    /// The refusal of an endpoint that does not know a parameter.
    pub fn refuses(parameter: &str) -> Self {
        let message = format!("Unsupported parameter: '{parameter}' is not supported.");
        Self::error(400, &json!({ "message": message, "param": parameter, "code": null }))
    }

    /// Any body under any content type.
    pub fn raw(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let kind = Kind::Raw { content_type: content_type.to_owned(), body: body.into() };
        let status = StatusCode::from_u16(status).expect("a status from 100 to 999");
        Self { status, ..Self::new(kind) }
    }

    /// A response that breaks off within its body.
    pub fn truncated() -> Self {
        Self::new(Kind::Truncated)
    }

    /// A body of so many bytes, sent in chunks without telling its length beforehand.
    pub fn huge(bytes: u64) -> Self {
        Self::new(Kind::Huge { bytes, declared: false })
    }

    /// As [`huge`](Self::huge), with its length in the header.
    pub fn huge_declared(bytes: u64) -> Self {
        Self::new(Kind::Huge { bytes, declared: true })
    }

    /// No response at all: the connection is closed.
    pub fn dropped() -> Self {
        Self::new(Kind::Dropped)
    }

    /// The reply comes so much later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The reply waits until the test notifies.
    #[must_use]
    pub fn held_by(mut self, release: Arc<Notify>) -> Self {
        self.held_by = Some(release);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = name.parse().expect("a header name");
        self.headers.push((name, value.parse().expect("a header value")));
        self
    }

    /// The model name a completion reports; otherwise the one that was asked for.
    #[must_use]
    pub fn reporting(mut self, name: &str) -> Self {
        if let Kind::Completion { model, .. } = &mut self.kind {
            *model = Some(name.to_owned());
        }
        self
    }

    /// Why a completion ended, such as `length`; otherwise `stop`.
    #[must_use]
    pub fn finished_by(mut self, reason: &'static str) -> Self {
        if let Kind::Completion { finish_reason, .. } = &mut self.kind {
            *finish_reason = reason;
        }
        self
    }

    pub(super) async fn into_response(
        self,
        request: &RecordedRequest,
    ) -> Result<Response<ReplyBody>, io::Error> {
        if let Some(release) = &self.held_by {
            release.notified().await;
        }
        tokio::time::sleep(self.delay).await;

        let mut response = match self.kind {
            Kind::Completion { text, model, finish_reason } => {
                let asked = request.model().unwrap_or_default().to_owned();
                let body = completion(&text, &model.unwrap_or(asked), finish_reason).to_string();
                typed("application/json", whole(body.into()))
            }
            Kind::Raw { content_type, body } => typed(&content_type, whole(body)),
            Kind::Truncated => cut_short(),
            Kind::Huge { bytes, declared } => huge(bytes, declared),
            Kind::Dropped => return Err(io::Error::other("the script drops this connection")),
        };
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers.into_iter().map(|(name, v)| (Some(name), v)));
        Ok(response)
    }
}

fn completion(text: &str, model: &str, finish_reason: &str) -> Value {
    json!({
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": text },
            "finish_reason": finish_reason,
        }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
    })
}

fn typed(content_type: &str, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    let value = HeaderValue::from_str(content_type).expect("a content type");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

fn whole(body: Bytes) -> ReplyBody {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// Promises more than it sends, then fails, so that hyper closes the connection.
fn cut_short() -> Response<ReplyBody> {
    let body = completion("{\"steps\":[]}", "small", "stop").to_string();
    let half = Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2]);
    let frames = stream::once(async move { Ok(Frame::data(half)) }).chain(stream::once(async {
        // The first half is flushed while this is pending.
        tokio::task::yield_now().await;
        Err(io::Error::other("the script cuts this body"))
    }));
    let mut response = typed("application/json", StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
    response
}

/// The beginning of a completion whose text never seems to end.
fn huge(bytes: u64, declared: bool) -> Response<ReplyBody> {
    let opening = br#"{"choices":[{"message":{"content":""#;
    let first = Bytes::from_static(opening);
    let filler = Bytes::from(vec![b'a'; CHUNK]);
    let frames = stream::unfold((bytes, Some(first)), move |(left, first)| {
        let mut chunk = first.unwrap_or_else(|| filler.clone());
        chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - chunk.len() as u64;
        async move { (!chunk.is_empty()).then(|| (Ok(Frame::data(chunk)), (left, None))) }
    });
    let mut response = typed("application/json", StreamBody::new(frames).boxed_unsync());
    if declared {
        response.headers_mut().insert(header::CONTENT_LENGTH, bytes.into());
    }
    response
}
