//! The key, the prompt and the answer stay out of everything that is printed.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use agent_core::port::model::Model as _;
use engines::{ModelConfig, OpenAiModel};
use serde_json::json;
use testkit::model_server::{Reply, ScriptedModel};

use crate::{ANSWER, KEY, PROMPT, config, limits, model, request};

/// Everything logged by this process at any level, libraries included.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn of_everything() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Log::default();
            let writer = log.clone();
            tracing_subscriber::fmt()
                .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
                .with_writer(move || writer.clone())
                .init();
            log
        })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no writer panics")).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An endpoint's worst habit: it quotes the request, key included, wherever it can.
fn echo(status: u16) -> Reply {
    let quoted = format!("{KEY} {PROMPT} {ANSWER}");
    Reply::error(status, &json!({ "message": quoted, "code": quoted, "param": quoted }))
        .header("location", &format!("https://example.org/{KEY}"))
        .header("x-request", &quoted)
}

#[tokio::test]
async fn nothing_private_is_in_an_error_or_in_a_log() {
    let log = Log::of_everything();
    let cut = format!("{{\"error\":\"{KEY} {PROMPT} {ANSWER}");
    let replies = [
        Reply::json(&json!({ "steps": [ANSWER] })),
        Reply::text(ANSWER).finished_by("length"),
        Reply::text(ANSWER).reporting(&format!("{KEY}\n")),
        Reply::raw(200, "application/json", cut.clone()),
        Reply::raw(200, &format!("text/{KEY}"), cut),
        Reply::truncated(),
        Reply::dropped(),
        Reply::huge(2 << 20),
        echo(200),
        echo(302),
        echo(400),
        echo(401),
        echo(429),
        echo(500),
        echo(999),
    ];
    let mut errors = 0;
    for reply in replies {
        let server = ScriptedModel::start_with(move |_| reply.clone()).await;
        let model = model(&server);
        if let Err(error) = model.complete(&request()).await {
            errors += 1;
            assert_private(&format!("{error} {error:?}"));
        }
        assert_private(&format!("{model:?}"));
    }
    assert_eq!(errors, 13);

    let log = log.text();
    for heard in ["model.complete", "will retry", "HTTP 401"] {
        assert!(log.contains(heard), "the log must have been listened to: {heard}");
    }
    assert_private(&log);
}

#[test]
fn a_refused_configuration_does_not_quote_itself() {
    for (base_url, key) in [
        (format!("https://user:{KEY}@example.org/v1"), KEY.to_owned()),
        (format!("https://example.org/v1?key={KEY}"), KEY.to_owned()),
        (format!("http://{KEY}.example.org"), KEY.to_owned()),
        ("https://example.org/v1".to_owned(), format!("{KEY}\n")),
    ] {
        let config = ModelConfig { api_key: Some(key.into()), ..config(base_url) };
        let shown = format!("{config:?}");
        let error = OpenAiModel::connect_with(config, limits()).unwrap_err();
        assert_private(&format!("{shown} {error} {error:?}"));
    }
}

fn assert_private(text: &str) {
    for private in [KEY, PROMPT, ANSWER] {
        let at = text.to_ascii_lowercase().find(&private.to_ascii_lowercase());
        let around = at.map(|at| text.get(at.saturating_sub(300)..at + private.len()));
        assert!(at.is_none(), "{private} is shown: {around:?}");
    }
}
