//! Log lines on standard error.
//!
//! Every line within a request carries the request's span, and with it the request id: our
//! spans stay on down to `info` even where the filter lets only warnings through.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, LevelFilter, ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::Traces;
use super::fields::Plain;
use crate::config::{ConfigError, LogFormat, TelemetryConfig};

/// Crates whose finer levels are reviewed.
const OURS: [&str; 14] = [
    "agent_core",
    "api",
    "audit",
    "directory",
    "elohim",
    "engines",
    "events",
    "gateway",
    "git_workspace",
    "permissions",
    "server",
    "storage",
    "worker",
    "workflow_core",
];

/// Whether a filter can be read.
pub fn check_filter(text: &str) -> Result<(), ParseError> {
    EnvFilter::builder().parse(text).map(drop)
}

/// Starts logging, and sending traces when a collector is configured. Once per process; the
/// returned value must be shut down at the end, or the last spans are lost. Must be called
/// in a tokio runtime when a collector is configured.
pub fn start(config: &TelemetryConfig) -> Result<Traces, ConfigError> {
    let traces = Traces::connect(&config.otlp_endpoint)?;
    let filter = EnvFilter::builder()
        .parse(&config.log_filter)
        .map_err(|error| ConfigError::wrong(format!("telemetry.log_filter: {error}")))?;
    let filter = filter.or(filter_fn(is_our_span)).and(filter_fn(is_reviewed));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(false).fmt_fields(Plain).boxed(),
        LogFormat::Json => lines.json().with_span_list(true).with_current_span(false).boxed(),
    };
    let spans = traces.layer().map(|layer| {
        layer.with_filter(LevelFilter::INFO.and(filter_fn(|meta| is_ours(meta) && meta.is_span())))
    });
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(spans)
        .try_init()
        .map_err(|error| ConfigError::wrong(error.to_string()))?;
    Ok(traces)
}

fn is_ours(meta: &Metadata<'_>) -> bool {
    let root = meta.target().split("::").next().unwrap_or_default();
    OURS.contains(&root)
}

fn is_our_span(meta: &Metadata<'_>) -> bool {
    meta.is_span() && *meta.level() <= Level::INFO && is_ours(meta)
}

fn is_reviewed(meta: &Metadata<'_>) -> bool {
    *meta.level() <= Level::INFO || is_ours(meta)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(filter: &str, work: impl FnOnce()) -> String {
        let lines = Lines::default();
        let filter = EnvFilter::builder().parse(filter).unwrap();
        let filter = filter.or(filter_fn(is_our_span)).and(filter_fn(is_reviewed));
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(lines.clone())
            .with_ansi(false)
            .fmt_fields(Plain)
            .with_filter(filter);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn libraries_never_get_finer_than_info() {
        let text = logged("trace", || {
            tracing::trace!(target: "h2::codec", "authorization: Bearer x");
            tracing::debug!(target: "sqlx::query", "insert …");
            tracing::info!(target: "h2", "coarse");
            tracing::debug!(target: "gateway::auth", "fine");
        });
        assert!(text.contains("coarse") && text.contains("fine"), "{text}");
        assert!(!text.contains("Bearer") && !text.contains("insert"), "{text}");
    }

    #[test]
    fn a_line_shows_what_people_need_and_stays_one_line() {
        let text = logged("info", || {
            let span = tracing::info_span!(target: "gateway", "rpc", otel.name = "n", a = 1);
            let _entered = span.enter();
            tracing::info!(target: "gateway", b = "x\ny", c = "z", "done");
        });
        assert!(text.ends_with("rpc{a=1}: gateway: done b=\"x\\ny\" c=z\n"), "{text}");
    }

    #[test]
    fn a_warning_keeps_the_request_id_of_its_span() {
        let text = logged("warn", || {
            let span = tracing::info_span!(target: "gateway", "rpc", request_id = "r-1");
            let _entered = span.enter();
            tracing::info!(target: "gateway", "quiet");
            tracing::warn!(target: "storage", "slow");
        });
        assert!(text.contains("request_id=r-1") && text.contains("slow"), "{text}");
        assert!(!text.contains("quiet"), "{text}");
    }
}
