//! The model client against a scripted endpoint.

mod replies;
mod requests;
mod retries;
mod secrets;

use std::time::Duration;

use agent_core::port::model::ModelRequest;
use engines::{ModelConfig, ModelLimits, OpenAiModel};
use serde_json::json;
use testkit::model_server::ScriptedModel;

/// What must show up in one header and nowhere else.
pub(crate) const KEY: &str = "sk-Zx81-never-print-this";
/// Parts of the request and of answers that must show up in no error and no log.
pub(crate) const PROMPT: &str = "the-prompt-is-private";
pub(crate) const ANSWER: &str = "the-answer-is-private";

pub(crate) fn config(base_url: String) -> ModelConfig {
    ModelConfig { base_url, name: "small".into(), api_key: Some(KEY.into()) }
}

/// Bounds that make failures quick.
pub(crate) fn limits() -> ModelLimits {
    ModelLimits {
        connect_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(20),
        backoff: Duration::from_millis(1),
        ..ModelLimits::default()
    }
}

pub(crate) fn model(server: &ScriptedModel) -> OpenAiModel {
    OpenAiModel::connect_with(config(server.base_url()), limits()).expect("a valid configuration")
}

pub(crate) fn request() -> ModelRequest {
    ModelRequest {
        model: None,
        system: format!("You plan. {PROMPT}"),
        user: format!("Title: fix the parser. {PROMPT}"),
        schema_name: "plan",
        schema: json!({
            "type": "object",
            "properties": { "steps": { "type": "array" } },
            "required": ["steps"],
            "additionalProperties": false,
        }),
        max_tokens: 1200,
    }
}
