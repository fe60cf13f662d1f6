//! What the endpoint receives.

use agent_core::port::model::{Model as _, ModelError};
use engines::{ModelConfig, OpenAiModel};
use serde_json::json;
use testkit::model_server::{Reply, ScriptedModel};

use crate::{KEY, config, limits, model, request};

#[tokio::test]
async fn the_body_is_exactly_the_request() {
    let server = ScriptedModel::start([Reply::text("{}")]).await;
    model(&server).complete(&request()).await.unwrap();

    let [received] = server.requests().try_into().unwrap();
    assert_eq!(received.method, "POST");
    assert_eq!(received.path, "/v1/chat/completions");
    assert_eq!(received.header("content-type"), Some("application/json"));
    let asked = request();
    assert_eq!(
        received.body,
        json!({
            "model": "small",
            "messages": [
                { "role": "system", "content": asked.system },
                { "role": "user", "content": asked.user },
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": { "name": "plan", "strict": true, "schema": asked.schema },
            },
            "temperature": 0,
            "max_tokens": 1200,
            "stream": false,
        })
    );
}

#[tokio::test]
async fn the_key_travels_in_the_authorization_header_only() {
    let server = ScriptedModel::start([Reply::text("{}")]).await;
    model(&server).complete(&request()).await.unwrap();

    let [received] = server.requests().try_into().unwrap();
    assert_eq!(received.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let holding: Vec<_> = received
        .headers
        .iter()
        .filter(|(_, value)| value.to_str().unwrap().contains(KEY))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(holding, ["authorization"]);
    assert!(!received.path.contains(KEY));
    assert!(!String::from_utf8(received.raw.to_vec()).unwrap().contains(KEY));
}

#[tokio::test]
async fn without_a_key_no_authorization_is_sent() {
    let server = ScriptedModel::start([Reply::text("{}")]).await;
    let keyless = ModelConfig { api_key: None, ..config(server.base_url()) };
    let model = OpenAiModel::connect_with(keyless, limits()).unwrap();
    model.complete(&request()).await.unwrap();
    assert_eq!(server.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_hint_replaces_the_configured_model() {
    let server = ScriptedModel::start([
        Reply::text("{}"),
        Reply::text("{}"),
        Reply::text("{}").reporting("large-2026-01"),
    ])
    .await;
    let model = model(&server);
    assert_eq!(model.name(), "small");
    let hinted = |name: &str| agent_core::port::model::ModelRequest {
        model: Some(name.into()),
        ..request()
    };

    assert_eq!(model.complete(&request()).await.unwrap().model, "small");
    assert_eq!(model.complete(&hinted("large")).await.unwrap().model, "large");
    assert_eq!(model.complete(&hinted("large")).await.unwrap().model, "large-2026-01");

    let asked: Vec<_> = server.requests().iter().map(|r| r.model().unwrap().to_owned()).collect();
    assert_eq!(asked, ["small", "large", "large"]);
}

#[tokio::test]
async fn an_endpoint_without_schemas_is_asked_once_more_for_an_object() {
    let server =
        ScriptedModel::start([Reply::refuses("response_format"), Reply::text("{\"a\":1}")]).await;
    let answer = model(&server).complete(&request()).await.unwrap();
    assert_eq!(answer.text, "{\"a\":1}");

    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!(first.schema(), Some(&request().schema));
    assert_eq!(second.body["response_format"], json!({ "type": "json_object" }));
    let system = second.system();
    assert!(system.starts_with(&request().system), "{system}");
    assert!(system.contains(&request().schema.to_string()), "{system}");
    assert_eq!(second.user(), first.user());
}

#[tokio::test]
async fn an_endpoint_that_refuses_objects_too_is_an_error() {
    let refusal = || Reply::refuses("response_format");
    let server = ScriptedModel::start([refusal(), refusal(), refusal()]).await;
    let error = model(&server).complete(&request()).await.unwrap_err();
    assert!(matches!(&error, ModelError::Refused(text) if text.contains("HTTP 400")), "{error}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn refused_limits_and_temperature_give_way() {
    let hint = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
    let server = ScriptedModel::start([
        Reply::error(400, &json!({ "message": hint, "code": "unsupported_parameter" })),
        Reply::refuses("temperature"),
        Reply::text("{}"),
    ])
    .await;
    model(&server).complete(&request()).await.unwrap();

    let [_, second, third] = server.requests().try_into().unwrap();
    assert_eq!(second.body["max_completion_tokens"], 1200);
    assert!(second.body.get("max_tokens").is_none());
    assert_eq!(second.body["temperature"], 0);
    assert!(third.body.get("temperature").is_none());
    assert_eq!(third.schema(), Some(&request().schema));
}

#[tokio::test]
async fn a_server_error_that_names_a_parameter_changes_nothing() {
    let server = ScriptedModel::start([
        Reply::error(500, &json!({ "message": "response_format exploded" })),
        Reply::text("{}"),
    ])
    .await;
    model(&server).complete(&request()).await.unwrap();
    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn only_a_bad_request_is_about_parameters() {
    for status in [401, 403, 404, 413] {
        let complaint = json!({ "message": "response_format", "param": "response_format" });
        let reply = Reply::error(status, &complaint);
        let server = ScriptedModel::start_with(move |_| reply.clone()).await;
        let error = model(&server).complete(&request()).await.unwrap_err();
        assert!(matches!(error, ModelError::Refused(_)), "{error}");
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}
