//! A development server: what it prints, counts and logs, and how it ends.

use std::process::Output;

use api::agent::agent_service_client::AgentServiceClient;
use api::agent::session_service_client::SessionServiceClient;
use api::agent::{GetSessionRequest, RouteRequest};
use tonic::Code;

use super::process::{Process, program, request};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_counted_and_logged_under_its_id_and_the_end_is_orderly() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]);
    assert_eq!(process.said.len(), 5, "one token for each person: {:?}", process.said);
    assert_eq!(process.get("/healthz").0, "HTTP/1.1 200 OK");
    assert_eq!(process.get("/else").0, "HTTP/1.1 404 Not Found");

    let token = process.token("alice");
    let mut agent = AgentServiceClient::connect(process.url()).await.unwrap();
    let input = "a secret wish to fix the crash".to_owned();
    let route = RouteRequest { input, ..Default::default() };
    let answer = agent.route(request(route, &token)).await.unwrap();
    let request_id = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    // erin is in no team and has no `workflows.manage`, but her own things are hers.
    let mut sessions = SessionServiceClient::connect(process.url()).await.unwrap();
    let name = "sessions/018f0000-0000-7000-8000-000000000000".to_owned();
    let absent = sessions.get_session(request(GetSessionRequest { name }, &process.token("erin")));
    assert_eq!(absent.await.unwrap_err().code(), Code::NotFound);

    let (status, metrics) = process.get("/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    for line in [
        "elohim_agent_route_duration_seconds_count{outcome=\"success\"} 1",
        "elohim_rpc_duration_seconds_count{code=\"NOT_FOUND\",method=\"/elohim.agent.v1.SessionService/GetSession\"} 1",
        "elohim_outbox_pending 0",
        "elohim_runs{state=\"QUEUED\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }

    let (status, log) = process.end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains(&request_id), "{log}");
    for secret in [token.as_str(), "secret wish", "PRIVATE KEY"] {
        assert!(!log.contains(secret), "{secret:?} is in the log");
    }
}

#[test]
fn a_second_start_finds_the_same_world_and_a_second_server_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let first = Process::start(folder.path(), &[]);
    let second = program()
        .args(["serve", "--dev"])
        .env("ELOHIM_DATA_DIR", folder.path())
        .env("ELOHIM_GATEWAY__LISTEN", "127.0.0.1:0")
        .env("ELOHIM_ADMIN__LISTEN", "127.0.0.1:0")
        .env("ELOHIM_METRICS__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second).contains("another server uses"), "{second:?}");
    assert_eq!(first.end().0.code(), Some(0));
    let again = Process::start(folder.path(), &[]);
    let issued = issue(folder.path());
    assert!(issued.status.success(), "{issued:?}");
    assert_eq!(again.end().0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issued_token_is_believed_and_log_lines_can_be_json() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[("ELOHIM_TELEMETRY__LOG_FORMAT", "json")]);
    let token = String::from_utf8(issue(folder.path()).stdout).unwrap();
    let mut agent = AgentServiceClient::connect(process.url()).await.unwrap();
    let route = RouteRequest { input: "explain".into(), ..Default::default() };
    let answer = agent.route(request(route, token.trim())).await.unwrap();
    let request_id = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let (_, log) = process.end();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_call = lines.iter().filter(|line| line.to_string().contains(&request_id)).count();
    assert!(of_call >= 1, "{log}");
}

fn issue(data: &std::path::Path) -> Output {
    let mut command = program();
    command.args(["token", "issue", "--user", "bob", "--data-dir"]).arg(data).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
