//! Counters and durations.
//!
//! **Invariant:** labels are methods, codes, outcomes, states, guards and permission keys:
//! closed sets all of them. Nothing a caller writes becomes a label.

use std::sync::Arc;
use std::time::Duration;

use agent_core::model::RunState;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use tonic::Code;

/// Upper bounds in seconds: answers take milliseconds, planning minutes.
const BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

/// Everything that is counted. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    provider: SdkMeterProvider,
    rpc: Histogram<f64>,
    route: Histogram<f64>,
    plan: Histogram<f64>,
    context: Histogram<f64>,
    apply: Histogram<f64>,
    assist: Counter<u64>,
    auto_apply: Counter<u64>,
    firings: Counter<u64>,
    sessions: Counter<u64>,
    denials: Counter<u64>,
    key_readings: Counter<u64>,
    outbox_pending: Gauge<u64>,
    outbox_oldest: Gauge<f64>,
    runs: Gauge<u64>,
}

impl Metrics {
    /// A registry of its own: several servers may live in one process.
    pub fn new() -> Result<Self, opentelemetry_sdk::error::OTelSdkError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let meter = provider.meter("elohim");
        let inner = Inner {
            rpc: seconds(&meter, "elohim_rpc_duration"),
            route: seconds(&meter, "elohim_agent_route_duration"),
            plan: seconds(&meter, "elohim_agent_plan_duration"),
            context: seconds(&meter, "elohim_agent_context_duration"),
            apply: seconds(&meter, "elohim_agent_apply_duration"),
            assist: meter.u64_counter("elohim_assist_runs").build(),
            auto_apply: meter.u64_counter("elohim_auto_apply").build(),
            firings: meter.u64_counter("elohim_trigger_firings").build(),
            sessions: meter.u64_counter("elohim_sessions").build(),
            denials: meter.u64_counter("elohim_permission_denials").build(),
            key_readings: meter.u64_counter("elohim_identity_key_readings").build(),
            outbox_pending: meter.u64_gauge("elohim_outbox_pending").build(),
            outbox_oldest: meter.f64_gauge("elohim_outbox_oldest_seconds").build(),
            runs: meter.u64_gauge("elohim_runs").build(),
            registry,
            provider,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// A call was answered. `method` is `/package.Service/Method` of the contract.
    fn rpc_ended(&self, method: &str, code: &'static str, took: Duration) {
        let took = took.as_secs_f64();
        let labels = [KeyValue::new("method", method.to_owned()), KeyValue::new("code", code)];
        self.inner.rpc.record(took, &labels);
        let outcome = [KeyValue::new("outcome", outcome(code))];
        match method {
            "/elohim.agent.v1.AgentService/Route" => self.inner.route.record(took, &outcome),
            "/elohim.agent.v1.AgentService/Plan" => self.inner.plan.record(took, &outcome),
            "/elohim.agent.v1.AgentService/BuildContext" => {
                self.inner.context.record(took, &outcome);
            }
            "/elohim.agent.v1.AgentService/Apply" => self.inner.apply.record(took, &outcome),
            "/elohim.agent.v1.SessionService/CreateSession" if code == "OK" => {
                self.inner.sessions.add(1, &[KeyValue::new("event", "created")]);
            }
            "/elohim.agent.v1.SessionService/CloseSession" if code == "OK" => {
                self.inner.sessions.add(1, &[KeyValue::new("event", "closed")]);
            }
            _ => {}
        }
    }

    /// What waits in the database, as it was just read.
    pub fn set_backlog(&self, pending: u64, oldest: Duration) {
        self.inner.outbox_pending.record(pending, &[]);
        self.inner.outbox_oldest.record(oldest.as_secs_f64(), &[]);
    }

    /// Runs by state; states that are not named have none.
    pub fn set_runs(&self, counts: &[(RunState, u64)]) {
        for state in RunState::ALL {
            let found = counts.iter().find(|(counted, _)| counted == state);
            let count = found.map_or(0, |(_, count)| *count);
            self.inner.runs.record(count, &[KeyValue::new("state", state.as_str())]);
        }
    }

    /// The text format of Prometheus.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.inner.registry.gather())
    }

    /// Nothing is counted afterwards.
    pub fn shut_down(&self) {
        if let Err(error) = self.inner.provider.shutdown() {
            tracing::warn!(%error, "metrics did not shut down");
        }
    }
}

impl gateway::RpcObserver for Metrics {
    fn finished(&self, call: &gateway::FinishedCall<'_>) {
        self.rpc_ended(call.method, code_name(call.code), call.duration);
        if let Some(permission) = call.denied {
            self.inner.denials.add(1, &[KeyValue::new("permission", permission.to_owned())]);
        }
    }
}

impl gateway::KeyObserver for Metrics {
    fn keys_read(&self, succeeded: bool) {
        let outcome = if succeeded { "OK" } else { "FAILED" };
        self.inner.key_readings.add(1, &[KeyValue::new("outcome", outcome)]);
    }
}

impl worker::Observer for Metrics {
    fn assist_ended(&self, outcome: &'static str) {
        self.inner.assist.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    fn auto_apply_ended(&self, outcome: &'static str, guard: &'static str) {
        let labels = [KeyValue::new("outcome", outcome), KeyValue::new("guard", guard)];
        self.inner.auto_apply.add(1, &labels);
    }

    fn trigger_fired(&self, outcome: &'static str) {
        self.inner.firings.add(1, &[KeyValue::new("outcome", outcome)]);
    }
}

fn seconds(meter: &Meter, name: &'static str) -> Histogram<f64> {
    meter.f64_histogram(name).with_unit("s").with_boundaries(BOUNDS.to_vec()).build()
}

/// As in the contract.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn outcome(code: &str) -> &'static str {
    match code {
        "OK" => "success",
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "UNAVAILABLE" | "DEADLINE_EXCEEDED" => "failure",
        _ => "refused",
    }
}

#[cfg(test)]
mod tests {
    use gateway::RpcObserver as _;
    use worker::Observer as _;

    use super::*;

    #[test]
    fn the_names_are_those_of_the_contract() {
        let metrics = Metrics::new().unwrap();
        let took = Duration::from_millis(3);
        for method in ["Route", "Plan", "BuildContext", "Apply"] {
            metrics.rpc_ended(&format!("/elohim.agent.v1.AgentService/{method}"), "OK", took);
        }
        metrics.rpc_ended("/elohim.agent.v1.SessionService/CreateSession", "OK", took);
        metrics.finished(&gateway::FinishedCall {
            method: "/elohim.agent.v1.AgentService/Apply",
            code: Code::PermissionDenied,
            duration: took,
            denied: Some("code.edit"),
        });
        metrics.assist_ended("success");
        metrics.auto_apply_ended("failure", "kill_switch");
        metrics.trigger_fired("fired");
        metrics.set_backlog(3, Duration::from_millis(1500));
        metrics.set_runs(&[(RunState::Queued, 2)]);
        let text = metrics.text().unwrap();
        for line in [
            "elohim_rpc_duration_seconds_count{code=\"OK\",method=\"/elohim.agent.v1.AgentService/Plan\"} 1",
            "elohim_agent_route_duration_seconds_count{outcome=\"success\"} 1",
            "elohim_agent_plan_duration_seconds_count{outcome=\"success\"} 1",
            "elohim_agent_context_duration_seconds_count{outcome=\"success\"} 1",
            "elohim_agent_apply_duration_seconds_count{outcome=\"success\"} 1",
            "elohim_agent_apply_duration_seconds_count{outcome=\"refused\"} 1",
            "elohim_permission_denials_total{permission=\"code.edit\"} 1",
            "elohim_assist_runs_total{outcome=\"success\"} 1",
            "elohim_auto_apply_total{guard=\"kill_switch\",outcome=\"failure\"} 1",
            "elohim_trigger_firings_total{outcome=\"fired\"} 1",
            "elohim_sessions_total{event=\"created\"} 1",
            "elohim_outbox_pending 3",
            "elohim_outbox_oldest_seconds 1.5",
            "elohim_runs{state=\"QUEUED\"} 2",
            "elohim_runs{state=\"DEAD\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
