//! Each kind of reply, and what the caller gets.

use std::time::Duration;

use agent_core::port::model::{Model as _, ModelAnswer, ModelError};
use engines::{ModelLimits, OpenAiModel};
use serde_json::json;
use testkit::model_server::{Reply, ScriptedModel};

use crate::{ANSWER, config, limits, model, request};

/// The error for a reply, and how many requests it took.
async fn error_for(reply: Reply) -> (ModelError, usize) {
    let server = ScriptedModel::start_with(move |_| reply.clone()).await;
    let error = model(&server).complete(&request()).await.expect_err("an error");
    (error, server.requests().len())
}

#[tokio::test]
async fn text_is_handed_over_as_it_is() {
    let plan = json!({ "steps": [ANSWER] });
    let server = ScriptedModel::start([
        Reply::json(&plan),
        Reply::text("not json"),
        Reply::json(&json!({ "wrong": true })),
    ])
    .await;
    let model = model(&server);

    let answer = model.complete(&request()).await.unwrap();
    assert_eq!(answer, ModelAnswer { model: "small".into(), text: plan.to_string() });
    // Judging the text is the caller's: it knows the schema and may ask for a repair.
    assert_eq!(model.complete(&request()).await.unwrap().text, "not json");
    assert_eq!(model.complete(&request()).await.unwrap().text, r#"{"wrong":true}"#);
}

#[tokio::test]
async fn a_refusal_names_its_status_and_is_not_repeated() {
    for (status, advice) in [
        (400, "supports JSON"),
        (401, "model.api_key"),
        (403, "model.api_key"),
        (404, "model.base_url"),
        (413, "larger context"),
        (418, "not accepted"),
    ] {
        let (error, requests) = error_for(Reply::status(status)).await;
        let ModelError::Refused(text) = &error else { panic!("{status}: {error}") };
        assert!(text.contains(&format!("HTTP {status}")) && text.contains(advice), "{text}");
        assert_eq!(requests, 1, "{status}");
    }
}

#[tokio::test]
async fn known_codes_give_better_advice() {
    for (status, code, advice) in [
        (400, "context_length_exceeded", "longer than the model accepts"),
        (404, "model_not_found", "no such model"),
    ] {
        let reply = Reply::error(status, &json!({ "message": ANSWER, "code": code }));
        let (error, _) = error_for(reply).await;
        assert!(matches!(&error, ModelError::Refused(text) if text.contains(advice)), "{error}");
        assert!(!error.to_string().contains(ANSWER), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_completion_is_malformed() {
    for (what, reply) in [
        ("html", Reply::raw(200, "text/html", "<h1>Welcome</h1>")),
        ("an event stream", Reply::raw(200, "text/event-stream", "data: {}\n\n")),
        ("not json", Reply::raw(200, "application/json", "{\"choices\":")),
        ("no choices", Reply::raw(200, "application/json", "{\"choices\":[]}")),
        ("another protocol", Reply::raw(200, "application/json", "{\"content\":\"hi\"}")),
        ("invalid UTF-8", Reply::raw(200, "application/json", vec![0xff, 0xfe])),
        ("deep nesting", Reply::raw(200, "application/json", "[".repeat(100_000))),
        ("nothing", Reply::raw(200, "application/json", "")),
        ("empty text", Reply::text("  ")),
        ("a cut answer", Reply::text("{\"steps\":[").finished_by("length")),
        ("an unknown status", Reply::status(999)),
    ] {
        let (error, requests) = error_for(reply).await;
        assert!(matches!(error, ModelError::Malformed(_)), "{what}: {error}");
        assert_eq!(requests, 1, "{what}");
    }
}

#[tokio::test]
async fn a_completion_under_another_content_type_is_not_believed() {
    let completion = r#"{"choices":[{"message":{"content":"{}"}}]}"#;
    for content_type in ["text/html", "text/event-stream; charset=utf-8"] {
        let (error, _) = error_for(Reply::raw(200, content_type, completion)).await;
        assert!(
            matches!(&error, ModelError::Malformed(text) if text.contains("not JSON")),
            "{content_type}: {error}"
        );
    }
}

#[tokio::test]
async fn a_filtered_answer_is_a_refusal() {
    let (error, _) = error_for(Reply::text("").finished_by("content_filter")).await;
    assert!(matches!(&error, ModelError::Refused(text) if text.contains("declined")), "{error}");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_cut_while_it_arrives() {
    // Reading a terabyte would end in the time-out, which is another error.
    let terabyte = 1 << 40;
    for reply in [Reply::huge(terabyte), Reply::huge_declared(terabyte)] {
        let (error, requests) = error_for(reply).await;
        assert!(
            matches!(&error, ModelError::Malformed(text) if text.contains("larger than 1048576")),
            "{error}"
        );
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn a_huge_refusal_is_a_refusal() {
    let (error, _) = error_for(Reply::raw(400, "application/json", "x".repeat(1 << 20))).await;
    assert!(matches!(&error, ModelError::Refused(text) if text.contains("HTTP 400")), "{error}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_asked_for_again() {
    let (error, requests) = error_for(Reply::truncated()).await;
    assert!(
        matches!(&error, ModelError::Unavailable(text) if text.contains("within the answer")),
        "{error}"
    );
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn a_slow_answer_ends_in_the_time_out() {
    let server = ScriptedModel::start([Reply::text("{}").after(Duration::from_mins(1))]).await;
    let limits = ModelLimits { total_timeout: Duration::from_millis(200), ..limits() };
    let model = OpenAiModel::connect_with(config(server.base_url()), limits).unwrap();

    let error = model.complete(&request()).await.unwrap_err();
    assert!(
        matches!(&error, ModelError::Unavailable(text) if text.contains("no answer within 0.2 s")),
        "{error}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn redirects_are_refused_and_nothing_reaches_the_other_host() {
    let other = ScriptedModel::start([Reply::text("{}")]).await;
    let location = format!("{}/chat/completions", other.base_url());
    for status in [301, 302, 303, 307, 308] {
        let (error, requests) =
            error_for(Reply::status(status).header("location", &location)).await;
        assert!(
            matches!(&error, ModelError::Refused(text) if text.contains("redirects")),
            "{error}"
        );
        assert!(!error.to_string().contains(&other.address().to_string()), "{error}");
        assert_eq!(requests, 1, "{status}");
    }
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn tls_is_not_given_up_for_a_server_without_it() {
    let server = ScriptedModel::start([Reply::text("{}")]).await;
    let base_url = server.base_url().replace("http://", "https://");
    let model = OpenAiModel::connect_with(config(base_url), limits()).unwrap();

    let error = model.complete(&request()).await.unwrap_err();
    assert!(
        matches!(&error, ModelError::Unavailable(text) if text.contains("no connection")),
        "{error}"
    );
    assert_eq!(server.requests().len(), 0);
}
