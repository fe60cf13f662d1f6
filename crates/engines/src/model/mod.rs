//! A client for endpoints that speak the chat completions protocol.
//!
//! **Invariant:** one call makes at most `1 + max_retries` attempts plus one for each
//! parameter the endpoint refuses (three), ends within `total_timeout`, holds at most
//! `max_response_bytes` of an answer and talks to the configured host only: redirects
//! are not followed and proxies of the environment are ignored.

mod config;
mod failure;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use agent_core::port::model::{Model, ModelAnswer, ModelError, ModelRequest};
use async_trait::async_trait;
use rand::Rng as _;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect, retry};

use self::config::Target;
use self::wire::{Dialect, KnownCode};

pub use self::config::{ModelConfig, ModelConfigError, ModelLimits};

/// How much of a refusal is read, in bytes.
const MAX_REFUSAL: usize = 64 * 1024;

/// A model behind an OpenAI-compatible endpoint.
///
/// Connect-level failures, 429 and 5xx are tried again, a few times and with growing
/// waits; `Retry-After` in seconds is honoured. An endpoint that refuses
/// `response_format: json_schema` is asked once more with `json_object`, and one that
/// refuses `max_tokens` or `temperature` with what it wants instead.
pub struct OpenAiModel {
    client: Client,
    target: Target,
    limits: ModelLimits,
}

impl fmt::Debug for OpenAiModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiModel")
            .field("url", &self.target.url.as_str())
            .field("name", &self.target.name)
            .finish_non_exhaustive()
    }
}

impl OpenAiModel {
    /// Checks the configuration and prepares the client. Sends nothing.
    pub fn connect(config: ModelConfig) -> Result<Self, ModelConfigError> {
        Self::connect_with(config, ModelLimits::default())
    }

    /// As [`connect`](Self::connect), with other bounds.
    pub fn connect_with(
        config: ModelConfig,
        limits: ModelLimits,
    ) -> Result<Self, ModelConfigError> {
        let target = Target::new(config)?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls(&target)?)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .https_only(target.is_https())
            .connect_timeout(limits.connect_timeout)
            .user_agent(concat!("elohim/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ModelConfigError::Tls(error.to_string()))?;
        Ok(Self { client, target, limits })
    }

    /// Asks, and asks again without what the endpoint refuses.
    async fn converse(&self, request: &ModelRequest) -> Result<ModelAnswer, ModelError> {
        let model = request.model.as_deref().unwrap_or(&self.target.name);
        let mut dialect = Dialect::PREFERRED;
        let mut attempts = Attempts::new(&self.limits);
        loop {
            let body = dialect.body(model, request).to_string();
            let reply = self.exchange(body, &mut attempts).await?;
            if reply.status.is_success() {
                return wire::answer(&reply.body, model);
            }
            let bad_request =
                matches!(reply.status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY);
            match dialect.without_refused(&reply.body).filter(|_| bad_request) {
                Some(next) => {
                    tracing::debug!(dialect = ?next, "the model endpoint refused a parameter");
                    dialect = next;
                }
                None => return Err(failure::of_status(reply.status, KnownCode::find(&reply.body))),
            }
        }
    }

    /// One response that no repetition would change.
    async fn exchange(
        &self,
        body: String,
        attempts: &mut Attempts<'_>,
    ) -> Result<Reply, ModelError> {
        loop {
            let (error, asked) = match self.send(body.clone()).await {
                Ok(response) => {
                    let asked = retry_after(response.headers());
                    let reply = self.read(response).await?;
                    let code = KnownCode::find(&reply.body);
                    if !failure::is_transient(reply.status, code) {
                        return Ok(reply);
                    }
                    (failure::of_status(reply.status, code), asked)
                }
                Err(error) if error.is_builder() => return Err(failure::of_transport(&error)),
                Err(error) => (failure::of_transport(&error), None),
            };
            attempts.pause(error, asked).await?;
        }
    }

    async fn send(&self, body: String) -> Result<Response, reqwest::Error> {
        let mut request = self
            .client
            .post(self.target.url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(value) = self.target.authorization() {
            request = request.header(AUTHORIZATION, value);
        }
        request.send().await
    }

    async fn read(&self, response: Response) -> Result<Reply, ModelError> {
        let status = response.status();
        if !status.is_success() {
            // What explains a refusal is welcome, not needed.
            let body = read_at_most(response, MAX_REFUSAL).await.unwrap_or_default();
            return Ok(Reply { status, body });
        }
        if !may_be_json(response.headers()) {
            return Err(ModelError::Malformed(format!(
                "HTTP {} with a body that is not JSON; check model.base_url",
                status.as_u16()
            )));
        }
        let limit = self.limits.max_response_bytes;
        match read_at_most(response, limit).await {
            Ok(body) => Ok(Reply { status, body }),
            Err(Unread::TooLarge) => Err(ModelError::Malformed(format!(
                "the answer is larger than {limit} bytes; check model.base_url"
            ))),
            Err(Unread::BrokenOff) => Err(failure::broken_off()),
        }
    }
}

#[async_trait]
impl Model for OpenAiModel {
    fn name(&self) -> &str {
        &self.target.name
    }

    #[tracing::instrument(
        name = "model.complete",
        skip_all,
        fields(model.schema = request.schema_name),
        err(level = "debug")
    )]
    async fn complete(&self, request: &ModelRequest) -> Result<ModelAnswer, ModelError> {
        let limit = self.limits.total_timeout;
        match tokio::time::timeout(limit, self.converse(request)).await {
            Ok(result) => result,
            Err(_) => Err(ModelError::Unavailable(format!(
                "no answer within {} s; use a faster model or ask for less",
                limit.as_secs_f32()
            ))),
        }
    }
}

/// A response, read to its end.
struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

/// Counts the attempts of one call and waits between them.
struct Attempts<'a> {
    limits: &'a ModelLimits,
    retries: u32,
}

impl<'a> Attempts<'a> {
    fn new(limits: &'a ModelLimits) -> Self {
        Self { limits, retries: 0 }
    }

    /// Waits for the next attempt, or returns `error` when there is none.
    async fn pause(
        &mut self,
        error: ModelError,
        asked: Option<Duration>,
    ) -> Result<(), ModelError> {
        if self.retries >= self.limits.max_retries {
            let note = format!("gave up after {} attempts", self.retries + 1);
            return Err(failure::with_note(error, &note));
        }
        let longest = self.limits.max_retry_after;
        if let Some(asked) = asked.filter(|asked| *asked > longest) {
            let note = format!("the endpoint asks to wait {} s", asked.as_secs());
            return Err(failure::with_note(error, &note));
        }
        let backoff = self.limits.backoff.saturating_mul(1 << self.retries.min(16)).min(longest);
        // Half to full, so that clients that failed together do not return together.
        let jittered = backoff.mul_f64(rand::rng().random_range(0.5..=1.0));
        let wait = jittered.max(asked.unwrap_or_default());
        self.retries += 1;
        tracing::warn!(%error, retry = self.retries, wait_ms = wait.as_millis(), "model call failed, will retry");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// TLS with the ring provider and the roots of the operating system (`SSL_CERT_FILE` and
/// `SSL_CERT_DIR` override them). Given explicitly, because the process-wide default
/// provider belongs to the binary and may not be set yet.
fn tls(target: &Target) -> Result<rustls::ClientConfig, ModelConfigError> {
    let failed = |error: rustls::Error| ModelConfigError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let mut config = if target.is_https() {
        let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(failed)?;
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth()
    } else {
        // A loopback endpoint must work on a machine without a certificate store.
        builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Why a body is not here.
enum Unread {
    TooLarge,
    BrokenOff,
}

/// Reads a body, and stops as soon as it is larger than `limit`.
async fn read_at_most(mut response: Response, limit: usize) -> Result<Vec<u8>, Unread> {
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(Unread::TooLarge);
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => return Err(Unread::TooLarge),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(_) => return Err(Unread::BrokenOff),
        }
    }
}

/// Whether the content type is JSON, or not told.
fn may_be_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// `Retry-After` in seconds. Its other form, a date, is ignored: it needs a wall clock
/// that agrees with the endpoint's, and back-off does as well.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: reqwest::header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn json_is_told_from_other_content() {
        assert!(may_be_json(&HeaderMap::new()));
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/x+json"] {
            assert!(may_be_json(&headers(CONTENT_TYPE, json)), "{json}");
        }
        for other in ["text/html", "text/event-stream", "application/jsonlines", ""] {
            assert!(!may_be_json(&headers(CONTENT_TYPE, other)), "{other}");
        }
    }

    #[test]
    fn retry_after_is_a_number_of_seconds() {
        assert_eq!(retry_after(&headers(RETRY_AFTER, " 7 ")), Some(Duration::from_secs(7)));
        for odd in ["", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "99999999999999999999999"] {
            assert_eq!(retry_after(&headers(RETRY_AFTER, odd)), None, "{odd}");
        }
    }
}
