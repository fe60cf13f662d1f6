//! A language model behind an HTTP endpoint, as the planner needs it.

use async_trait::async_trait;

/// One request for an answer in JSON.
#[derive(Clone, Debug)]
pub struct ModelRequest {
    /// Model name sent to the endpoint; `None` uses the configured one.
    pub model: Option<String>,
    pub system: String,
    pub user: String,
    /// Name of the schema, `[a-z_]+`.
    pub schema_name: &'static str,
    /// JSON Schema of the answer, sent with the request and checked against by the caller.
    pub schema: serde_json::Value,
    /// Upper bound of the answer in tokens.
    pub max_tokens: u32,
}

/// What the model said, not validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelAnswer {
    /// The name the endpoint reports, else the one asked for.
    pub model: String,
    pub text: String,
}

/// Why the model gave no answer. Messages never carry the key, the prompt or the answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Connection, TLS, time-out, or a 5xx after retries.
    #[error("the model endpoint is unavailable: {0}")]
    Unavailable(String),
    /// The endpoint refused the request (4xx): key, model name or parameters.
    #[error("the model endpoint refused the request: {0}")]
    Refused(String),
    /// The response was not what the protocol promises, or too large.
    #[error("the model endpoint answered in an unexpected form: {0}")]
    Malformed(String),
}

/// Answers one request. Implemented by `engines`.
#[async_trait]
pub trait Model: Send + Sync {
    /// The configured model name.
    fn name(&self) -> &str;

    async fn complete(&self, request: &ModelRequest) -> Result<ModelAnswer, ModelError>;
}
