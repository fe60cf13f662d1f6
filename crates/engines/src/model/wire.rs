//! The chat completions protocol: what is sent, and what of the answer is believed.
//!
//! Pure functions over JSON. Texts of the endpoint never reach an error: they may quote
//! the prompt or the key.

use agent_core::port::model::{ModelAnswer, ModelError, ModelRequest};
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest model name taken over from an answer, in bytes.
const MAX_REPORTED_NAME: usize = 200;

/// Which parameters an endpoint understands. Starts with what is best for us and gives
/// way one parameter at a time, each at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    /// `json_schema`, else `json_object` with the schema in the prompt.
    schema: bool,
    temperature: bool,
    /// `max_tokens`, else `max_completion_tokens`.
    max_tokens: bool,
}

impl Dialect {
    pub(super) const PREFERRED: Self = Self { schema: true, temperature: true, max_tokens: true };

    /// Gives up the parameter that `complaint`, the body of a refusal, names.
    /// `None` when there is nothing left to give up.
    pub(super) fn without_refused(self, complaint: &[u8]) -> Option<Self> {
        let complaint = String::from_utf8_lossy(complaint);
        let names = |parameter: &str| complaint.contains(parameter);
        if self.schema && (names("response_format") || names("json_schema")) {
            Some(Self { schema: false, ..self })
        } else if self.max_tokens && names("max_completion_tokens") {
            Some(Self { max_tokens: false, ..self })
        } else if self.temperature && names("temperature") {
            Some(Self { temperature: false, ..self })
        } else {
            None
        }
    }

    /// The body of the request.
    pub(super) fn body(self, model: &str, request: &ModelRequest) -> Value {
        let mut body = json!({
            "model": model,
            "messages": [
                { "role": "system", "content": self.system(request) },
                { "role": "user", "content": request.user },
            ],
            "response_format": self.response_format(request),
            "stream": false,
        });
        let limit = if self.max_tokens { "max_tokens" } else { "max_completion_tokens" };
        body[limit] = request.max_tokens.into();
        if self.temperature {
            body["temperature"] = 0.into();
        }
        body
    }

    fn system(self, request: &ModelRequest) -> String {
        if self.schema {
            return request.system.clone();
        }
        // Without the schema parameter the prompt is the only place that can tell it.
        format!(
            "{}\n\nAnswer with one JSON object and nothing else. It must satisfy this JSON Schema:\n{}",
            request.system, request.schema
        )
    }

    fn response_format(self, request: &ModelRequest) -> Value {
        if self.schema {
            json!({
                "type": "json_schema",
                "json_schema": {
                    "name": request.schema_name,
                    "strict": true,
                    "schema": request.schema,
                },
            })
        } else {
            json!({ "type": "json_object" })
        }
    }
}

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    model: Option<String>,
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

/// Reads the answer out of the body of a successful response.
pub(super) fn answer(body: &[u8], asked: &str) -> Result<ModelAnswer, ModelError> {
    let malformed = |what: &str| Err(ModelError::Malformed(what.to_owned()));
    let Ok(completion) = serde_json::from_slice::<Completion>(body) else {
        return malformed(
            "the body is no chat completion; check that model.base_url is an OpenAI-compatible API",
        );
    };
    let Some(choice) = completion.choices.into_iter().next() else {
        return malformed("the completion holds no choice");
    };
    match choice.finish_reason.as_deref() {
        Some("length") => {
            return malformed(
                "the answer was cut at the token limit; ask for less or use a terser model",
            );
        }
        Some("content_filter") => return Err(declined()),
        _ => {}
    }
    if choice.message.refusal.is_some_and(|text| !text.is_empty()) {
        return Err(declined());
    }
    match choice.message.content {
        Some(text) if !text.trim().is_empty() => {
            Ok(ModelAnswer { model: reported(completion.model, asked), text })
        }
        _ => malformed("the completion holds no text"),
    }
}

fn declined() -> ModelError {
    ModelError::Refused(
        "the model declined to answer; rephrase the task or use another model".into(),
    )
}

fn reported(name: Option<String>, asked: &str) -> String {
    name.filter(|name| {
        !name.is_empty() && name.len() <= MAX_REPORTED_NAME && !name.chars().any(char::is_control)
    })
    .unwrap_or_else(|| asked.to_owned())
}

/// Error codes that change what the operator should do. Only these known words are
/// taken over from an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KnownCode {
    ContextTooLong,
    ModelNotFound,
    QuotaUsedUp,
}

impl KnownCode {
    pub(super) fn find(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        match body.get("error")?.get("code")?.as_str()? {
            "context_length_exceeded" => Some(Self::ContextTooLong),
            "model_not_found" => Some(Self::ModelNotFound),
            "insufficient_quota" => Some(Self::QuotaUsedUp),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ModelRequest {
        ModelRequest {
            model: None,
            system: "You plan.".into(),
            user: "Fix the parser".into(),
            schema_name: "plan",
            schema: json!({ "type": "object" }),
            max_tokens: 900,
        }
    }

    #[test]
    fn the_preferred_body_is_exactly_this() {
        assert_eq!(
            Dialect::PREFERRED.body("small", &request()),
            json!({
                "model": "small",
                "messages": [
                    { "role": "system", "content": "You plan." },
                    { "role": "user", "content": "Fix the parser" },
                ],
                "response_format": {
                    "type": "json_schema",
                    "json_schema": { "name": "plan", "strict": true, "schema": { "type": "object" } },
                },
                "stream": false,
                "temperature": 0,
                "max_tokens": 900,
            })
        );
    }

    #[test]
    fn every_parameter_gives_way_once() {
        let complaint = b"response_format, json_schema, max_completion_tokens, temperature";
        let mut dialect = Dialect::PREFERRED;
        let mut steps = 0;
        while let Some(next) = dialect.without_refused(complaint) {
            dialect = next;
            steps += 1;
        }
        assert_eq!(steps, 3);
        let body = dialect.body("small", &request());
        assert_eq!(body["response_format"], json!({ "type": "json_object" }));
        assert_eq!(body["max_completion_tokens"], 900);
        assert!(body.get("max_tokens").is_none() && body.get("temperature").is_none());
        let system = body["messages"][0]["content"].as_str().unwrap();
        assert!(system.starts_with("You plan.") && system.ends_with(r#"{"type":"object"}"#));
    }

    #[test]
    fn another_complaint_changes_nothing() {
        assert_eq!(Dialect::PREFERRED.without_refused(b"{\"error\":\"bad model\"}"), None);
        assert_eq!(Dialect::PREFERRED.without_refused(&[0xff, 0xfe]), None);
    }

    #[test]
    fn only_a_whole_text_answer_is_believed() {
        let of = |body: Value| answer(body.to_string().as_bytes(), "small");
        let choice = |message: Value, finish: &str| json!({ "choices": [{ "message": message, "finish_reason": finish }] });

        let full = of(choice(json!({ "content": "{}" }), "stop")).unwrap();
        assert_eq!(full, ModelAnswer { model: "small".into(), text: "{}".into() });

        for broken in [
            json!({}),
            json!([]),
            json!({ "choices": [] }),
            json!({ "choices": [{}] }),
            choice(json!({}), "stop"),
            choice(json!({ "content": null }), "tool_calls"),
            choice(json!({ "content": " \n" }), "stop"),
            choice(json!({ "content": ["x"] }), "stop"),
            choice(json!({ "content": "{\"a\":" }), "length"),
        ] {
            assert!(matches!(of(broken.clone()), Err(ModelError::Malformed(_))), "{broken}");
        }
        for declined in [
            choice(json!({ "content": null, "refusal": "no" }), "stop"),
            choice(json!({ "content": "" }), "content_filter"),
        ] {
            assert!(matches!(of(declined.clone()), Err(ModelError::Refused(_))), "{declined}");
        }
    }

    #[test]
    fn a_reported_name_is_taken_over_when_it_is_sane() {
        assert_eq!(reported(Some("small-2026".into()), "small"), "small-2026");
        for odd in [String::new(), "a\u{7}".into(), "n".repeat(MAX_REPORTED_NAME + 1)] {
            assert_eq!(reported(Some(odd), "small"), "small");
        }
    }
}
