//! A request as the scripted model received it.

use std::io;

use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Incoming};
use serde_json::Value;

/// Larger requests than this are cut off: the code under test bounds its prompts.
const MAX_REQUEST: usize = 16 * 1024 * 1024;

/// What a client sent.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    pub method: Method,
    /// Path and query.
    pub path: String,
    pub headers: HeaderMap,
    /// `Null` if the body is no JSON.
    pub body: Value,
    pub raw: Bytes,
}

impl RecordedRequest {
    pub(super) async fn read(request: Request<Incoming>) -> Result<Self, io::Error> {
        let (head, body) = request.into_parts();
        let raw = Limited::new(body, MAX_REQUEST).collect().await.map_err(io::Error::other)?;
        let raw = raw.to_bytes();
        Ok(Self {
            method: head.method,
            path: head.uri.to_string(),
            headers: head.headers,
            body: serde_json::from_slice(&raw).unwrap_or(Value::Null),
            raw,
        })
    }

    /// A header's value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The model asked for.
    pub fn model(&self) -> Option<&str> {
        self.body["model"].as_str()
    }

    /// All text of the system messages.
    pub fn system(&self) -> String {
        self.content_of("system")
    }

    /// All text of the user messages.
    pub fn user(&self) -> String {
        self.content_of("user")
    }

    /// The JSON schema sent with the request; `None` when it asks for a plain object.
    pub fn schema(&self) -> Option<&Value> {
        self.body.pointer("/response_format/json_schema/schema")
    }

    fn content_of(&self, role: &str) -> String {
        let messages = self.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<&str> = messages
            .iter()
            .filter(|message| message["role"] == role)
            .filter_map(|message| message["content"].as_str())
            .collect();
        texts.join("\n")
    }
}
