//! What is tried again, how often, and how long a call waits.

use std::time::{Duration, Instant};

use agent_core::port::model::{Model as _, ModelError};
use engines::{ModelLimits, OpenAiModel};
use serde_json::json;
use testkit::model_server::{Reply, ScriptedModel};

use crate::{config, limits, model, request};

#[tokio::test]
async fn a_passing_failure_is_overcome() {
    for passing in [Reply::status(429), Reply::status(500), Reply::status(503), Reply::dropped()] {
        let server = ScriptedModel::start([passing.clone(), passing, Reply::text("{}")]).await;
        assert_eq!(model(&server).complete(&request()).await.unwrap().text, "{}");
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_lasting_failure_is_given_up_after_two_repetitions() {
    for (lasting, said) in [
        (Reply::status(429), "HTTP 429"),
        (Reply::status(502), "HTTP 502"),
        (Reply::dropped(), "connection was lost"),
    ] {
        let server = ScriptedModel::start_with(move |_| lasting.clone()).await;
        let error = model(&server).complete(&request()).await.unwrap_err();
        let ModelError::Unavailable(text) = &error else { panic!("{error}") };
        assert!(text.contains(said) && text.contains("3 attempts"), "{text}");
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn repetitions_are_bounded_over_the_whole_call() {
    // Each refused parameter starts a new exchange, which must not bring new repetitions.
    let server = ScriptedModel::start([
        Reply::status(503),
        Reply::refuses("response_format"),
        Reply::status(503),
        Reply::refuses("temperature"),
        Reply::status(503),
    ])
    .await;
    let error = model(&server).complete(&request()).await.unwrap_err();
    assert!(matches!(&error, ModelError::Unavailable(text) if text.contains("503")), "{error}");
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn nobody_listening_is_unavailable_and_says_why() {
    let server = ScriptedModel::start([]).await;
    let gone = server.base_url();
    drop(server);
    let model = OpenAiModel::connect_with(config(gone), limits()).unwrap();

    let error = model.complete(&request()).await.unwrap_err();
    let ModelError::Unavailable(text) = &error else { panic!("{error}") };
    assert!(text.contains("no connection") && text.contains("refused"), "{text}");
    assert!(text.contains("model.base_url") && text.contains("3 attempts"), "{text}");
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let server =
        ScriptedModel::start([Reply::status(429).header("retry-after", "1"), Reply::text("{}")])
            .await;
    let begin = Instant::now();
    model(&server).complete(&request()).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_long_retry_after_ends_the_call_at_once() {
    let server =
        ScriptedModel::start([Reply::status(503).header("retry-after", "3600"), Reply::text("{}")])
            .await;
    let error = model(&server).complete(&request()).await.unwrap_err();
    assert!(
        matches!(&error, ModelError::Unavailable(text) if text.contains("wait 3600 s")),
        "{error}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_used_up_quota_is_not_tried_again() {
    let reply = Reply::error(429, &json!({ "message": "no", "code": "insufficient_quota" }));
    let server = ScriptedModel::start_with(move |_| reply.clone()).await;
    let error = model(&server).complete(&request()).await.unwrap_err();
    assert!(matches!(&error, ModelError::Unavailable(text) if text.contains("quota")), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn waiting_ends_with_the_time_of_the_call() {
    let server =
        ScriptedModel::start_with(|_| Reply::status(503).header("retry-after", "15")).await;
    let limits = ModelLimits { total_timeout: Duration::from_millis(300), ..limits() };
    let model = OpenAiModel::connect_with(config(server.base_url()), limits).unwrap();
    let begin = Instant::now();
    let error = model.complete(&request()).await.unwrap_err();
    assert!(matches!(error, ModelError::Unavailable(_)), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}
