//! All layers around a handler that does what its path says.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use audit::{AuditEvent, Outcome, RefusalSink};
use http::{HeaderMap, HeaderName, HeaderValue};
use permissions::{
    Assignment, AssignmentScope, AssignmentSource, Authorizer, CodeEdit, Denied, PolicyData,
    PolicySource, SourceError, UserRecord,
};
use primitives::{Classify as _, SystemClock, TeamId, Tenant, UserId};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

use super::*;
use crate::access::{Methods, Side};
use crate::config::{ClassLimits, Limits, StreamLimits};
use crate::observe::{FinishedCall, RpcObserver};
use crate::{TokenIssuer, Verifier, VerifierConfig, status};

mod bounds;

const GET_ME: &str = "/elohim.permissions.v1.DirectoryService/GetMe";
const PLAN: &str = "/elohim.agent.v1.AgentService/Plan";
const REGISTER: &str = "/elohim.agent.v1.RepositoryService/RegisterRepository";
const GET_ITEM: &str = "/elohim.workflow.v1.WorkItemService/GetWorkItem";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// bob is a developer of one team, and nobody else; the team has its id.
struct People {
    bob: UserId,
    team: TeamId,
    extra: Mutex<Vec<UserRecord>>,
}

#[async_trait]
impl PolicySource for People {
    async fn stored_epoch(&self) -> Result<i64, SourceError> {
        Ok(self.load_policy().await?.epoch)
    }
    async fn load_policy(&self) -> Result<PolicyData, SourceError> {
        let bob = record(self.bob, "bob", true);
        let gone = record(UserId::generate(), "gone", false);
        let extra = self.extra.lock().unwrap().clone();
        let role = "developer".into();
        let scope = AssignmentScope::Team(self.team);
        let held = Assignment {
            user: self.bob,
            scope,
            role,
            expires_at: None,
            source: AssignmentSource::Given,
        };
        Ok(PolicyData {
            epoch: 1 + i64::try_from(extra.len()).unwrap(),
            users: [vec![bob, gone], extra].concat(),
            assignments: vec![held],
            ..PolicyData::default()
        })
    }
}

fn record(user: UserId, subject: &str, active: bool) -> UserRecord {
    UserRecord { active, may_apply: false, ..UserRecord::person(user, subject) }
}

/// Keeps what it is told.
#[derive(Default)]
struct Told {
    records: Mutex<Vec<AuditEvent>>,
    calls: Mutex<Vec<(String, Code, Option<String>)>>,
}

impl RefusalSink for Told {
    fn note(&self, event: AuditEvent) {
        self.records.lock().unwrap().push(event);
    }
    fn lost(&self) -> u64 {
        0
    }
}

impl RpcObserver for Told {
    fn finished(&self, call: &FinishedCall<'_>) {
        let denied = call.denied.map(str::to_owned);
        self.calls.lock().unwrap().push((call.method.to_owned(), call.code, denied));
    }
}

/// Room for so many calls of any class, and of one caller; rates that nobody meets.
fn limits(calls: usize, per_caller: usize) -> Limits {
    let many = NonZeroU32::new(10_000).unwrap();
    let class = ClassLimits { per_second: many, burst: many, shed_at: calls };
    Limits {
        calls_per_caller: per_caller,
        at_work_per_caller: per_caller,
        admin: class,
        read: class,
        mutation: class,
        list: class,
        reflection: class,
        long: class,
    }
}

struct Stand {
    people: Arc<People>,
    told: Arc<Told>,
    issuer: TokenIssuer,
    finished: Arc<AtomicU64>,
    serve: Box<dyn Fn(HttpRequest) -> Answer<HttpResponse> + Send + Sync>,
}

impl Stand {
    async fn start(calls: usize, per_caller: usize) -> Self {
        Self::with(limits(calls, per_caller)).await
    }

    async fn with(limits: Limits) -> Self {
        let (bob, team) = (UserId::generate(), TeamId::generate());
        let people = Arc::new(People { bob, team, extra: Mutex::default() });
        let clock = Arc::new(SystemClock);
        let source: Arc<dyn PolicySource> = people.clone();
        let authorizer = Arc::new(Authorizer::start(source, clock.clone()).await.unwrap());
        let issuer = TokenIssuer::generate("us", "elohim", clock.clone());
        let keys = vec![issuer.verification_key().unwrap()];
        let config = VerifierConfig {
            issuer: "us".into(),
            audience: "elohim".into(),
            leeway: Duration::from_mins(1),
            keys,
            groups: None,
        };
        let verifier = Arc::new(Verifier::new(config, clock.clone()).unwrap());
        let told = Arc::new(Told::default());
        let finished = Arc::new(AtomicU64::new(0));
        let methods = Arc::new(Methods::load().unwrap());
        let refusals = Refusals { sink: told.clone(), clock };
        let streams =
            Streams::new(StreamLimits::default(), Arc::clone(&authorizer), refusals.clone());
        let limits = Arc::new(limits);
        let done = Arc::clone(&finished);
        let service = ServiceBuilder::new()
            .layer(Around(Trace { methods, side: Side::Tenants, observer: told.clone() }))
            .layer(Around(Deadlines {
                quick: Duration::from_millis(300),
                long: Duration::from_mins(1),
            }))
            .layer(Around(refusals))
            .layer(Around(Admission::new(Arc::clone(&limits))))
            .layer(Around(Authentication::new(verifier, Arc::clone(&authorizer))))
            .layer(Around(Rates::new(&limits, None)))
            .layer(Around(Places::new(&limits)))
            .layer(Around(AccessTable { authorizer }))
            .layer(Around(streams))
            .service(service_fn(move |request| behave(request, team, Arc::clone(&done))));
        let serve = move |request| -> Answer<HttpResponse> {
            let service = service.clone();
            Box::pin(async move { service.oneshot(request).await.unwrap() })
        };
        Self { people, told, issuer, finished, serve: Box::new(serve) }
    }

    fn token(&self, subject: &str) -> String {
        format!("Bearer {}", self.issuer.issue(subject, Duration::from_mins(1)))
    }

    async fn call(&self, path: &str, headers: &[(&'static str, &str)]) -> Option<Status> {
        Status::from_header_map(self.answer(path, headers).await.headers())
    }

    async fn answer(&self, path: &str, headers: &[(&'static str, &str)]) -> HttpResponse {
        let mut request = http::Request::new(Body::empty());
        *request.uri_mut() = path.parse().unwrap();
        for (name, value) in headers {
            let name = HeaderName::from_static(name);
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        (self.serve)(request).await
    }

    fn records(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut *self.told.records.lock().unwrap())
    }
}

/// What a handler can do, chosen by a header.
async fn behave(
    request: HttpRequest,
    team: TeamId,
    finished: Arc<AtomicU64>,
) -> Result<HttpResponse, Infallible> {
    assert!(!request.headers().contains_key("authorization"), "a secret came through");
    let context = context(&request);
    let wanted = request.headers().get("x-behave").map(|v| v.to_str().unwrap().to_owned());
    let refusal = match wanted.as_deref() {
        Some("panic") => panic!("on purpose"),
        Some("sleep") => {
            tokio::time::sleep(Duration::from_millis(600)).await;
            None
        }
        Some("absent") => {
            context.keep_name("workItems/somebody's\n");
            Some(Status::not_found("work item not found"))
        }
        Some("visible") => {
            context.refuse_in(Tenant::Team(team));
            let denied = Denied::of::<CodeEdit>(Some(Tenant::Team(team)));
            Some(status::to_status(&denied, "r"))
        }
        _ => None,
    };
    finished.fetch_add(1, Ordering::SeqCst);
    Ok(refusal.map_or_else(|| http::Response::new(Body::empty()), super::refuse))
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[tokio::test]
async fn every_broken_credential_gets_the_same_answer() {
    let stand = Stand::start(10, 10).await;
    let good = stand.token("bob");
    assert!(stand.call(GET_ME, &[("authorization", &good)]).await.is_none());
    let stranger = TokenIssuer::generate("us", "elohim", Arc::new(SystemClock));
    let foreign = format!("Bearer {}", stranger.issue("bob", Duration::from_mins(1)));
    let expired = format!("Bearer {}", stand.issuer.issue("bob", Duration::ZERO));
    let bare = good.trim_start_matches("Bearer ");
    let table: Vec<Vec<(&'static str, &str)>> = vec![
        vec![],
        vec![("authorization", "")],
        vec![("authorization", bare)],
        vec![("authorization", "Basic Ym9iOmJvYg==")],
        vec![("authorization", "Bearer x.y.z")],
        vec![("authorization", &foreign)],
        vec![("authorization", &good), ("authorization", &good)],
        vec![("x-user-id", "bob"), ("x-forwarded-user", "bob")],
    ];
    let mut answers = BTreeSet::new();
    for headers in &table {
        for path in [GET_ME, GET_ITEM, "/elohim.agent.v1.AgentService/Fly"] {
            let status = stand.call(path, headers).await.unwrap();
            assert_eq!(status.code(), Code::Unauthenticated, "{headers:?}");
            answers.insert((status.message().to_owned(), status.details().to_vec()));
        }
    }
    for subject in ["gone", "nobody", ""] {
        let token = stand.token(subject);
        let status = stand.call(GET_ME, &[("authorization", &token)]).await.unwrap();
        answers.insert((status.message().to_owned(), status.details().to_vec()));
    }
    assert_eq!(answers.len(), 1);
    // The leeway is a minute: this one still counts as fresh.
    assert!(stand.call(GET_ME, &[("authorization", &expired)]).await.is_none());
    assert!(stand.records().is_empty(), "nobody is known, so nothing is filed");
}

#[tokio::test]
async fn liveness_needs_no_credential_and_unknown_paths_do() {
    let stand = Stand::start(10, 10).await;
    assert!(stand.call(HEALTH, &[]).await.is_none());
    let token = stand.token("bob");
    assert!(
        stand.call("/a.B/C", &[("authorization", &token)]).await.is_none(),
        "the router's turn"
    );
    let calls = stand.told.calls.lock().unwrap().clone();
    let methods: Vec<_> = calls.iter().map(|(method, _, _)| method.as_str()).collect();
    assert_eq!(methods, [HEALTH, "unknown"]);
}

#[tokio::test]
async fn a_permission_held_nowhere_is_refused_before_the_handler() {
    let stand = Stand::start(10, 10).await;
    let carol = UserId::generate();
    let token = stand.token("bob");
    // On his own things everybody may register: take a key that is system-wide only.
    assert!(stand.call(REGISTER, &[("authorization", &token)]).await.is_none());
    assert_eq!(stand.finished.load(Ordering::SeqCst), 1);
    stand.people.extra.lock().unwrap().push(record(carol, "carol", true));
    let carols = stand.token("carol");
    assert!(stand.call(PLAN, &[("authorization", &carols)]).await.is_none());
    // Without `may_apply` and without a team, nobody edits code anywhere.
    let path = "/elohim.agent.v1.AgentService/Apply";
    let refused = stand.call(path, &[("authorization", &carols)]).await.unwrap();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::PermissionDenied, "PERMISSION_DENIED")
    );
    assert_eq!(stand.finished.load(Ordering::SeqCst), 2, "the handler was not reached");
    let [record] = stand.records().try_into().unwrap();
    assert_eq!(record.tenant, Tenant::Person(carol));
    assert_eq!(record.payload["permission"], "code.edit");
    assert_eq!(record.payload["method"], path);
    let last = stand.told.calls.lock().unwrap().last().cloned().unwrap();
    assert_eq!(last, (path.to_owned(), Code::PermissionDenied, Some("code.edit".to_owned())));
}

#[tokio::test]
async fn each_refusal_leaves_one_record_under_whom_it_belongs_to() {
    let stand = Stand::start(10, 10).await;
    let token = stand.token("bob");
    let call = |behaviour: &'static str| {
        let token = token.clone();
        let stand = &stand;
        async move {
            let headers = [("authorization", token.as_str()), ("x-behave", behaviour)];
            stand.call(GET_ITEM, &headers).await
        }
    };
    assert!(call("fine").await.is_none());
    assert!(stand.records().is_empty());

    assert_eq!(call("absent").await.unwrap().code(), Code::NotFound);
    let [record] = stand.records().try_into().unwrap();
    assert_eq!((record.action, record.outcome), ("permission.check.denied", Outcome::Denied));
    assert_eq!(record.tenant, Tenant::Person(stand.people.bob));
    assert_eq!(record.payload["code"], "NOT_FOUND");
    assert_eq!(record.payload["names"], serde_json::json!(["workItems/somebody's\u{fffd}"]));

    assert_eq!(call("visible").await.unwrap().code(), Code::PermissionDenied);
    let [record] = stand.records().try_into().unwrap();
    assert_eq!(record.tenant, Tenant::Team(stand.people.team));
    assert_eq!(record.payload["permission"], "code.edit");
    assert_eq!(record.payload["level"], "WRITE");
}

#[tokio::test]
async fn a_panic_answers_with_the_id_of_the_response_and_nothing_else() {
    let stand = Stand::start(10, 10).await;
    let token = stand.token("bob");
    let headers = [
        ("authorization", token.as_str()),
        ("x-behave", "panic"),
        ("x-request-id", "chosen-by-the-client"),
    ];
    let answer = stand.answer(GET_ITEM, &headers).await;
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    let info = status.get_details_error_info().unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap();
    assert_eq!(info.metadata["correlation_id"], id);
    assert_eq!(id.len(), 32);
    // The place it held is free again.
    let many = futures::future::join_all((0..10).map(|_| stand.call(GET_ITEM, &headers[..1])));
    assert!(many.await.iter().all(Option::is_none));
}

#[tokio::test]
async fn the_ids_of_answers_differ_and_are_the_servers_own() {
    let stand = Stand::start(10, 10).await;
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let answer = stand.answer(HEALTH, &[("x-request-id", "mine")]).await;
        let all: Vec<_> = answer.headers().get_all("x-request-id").iter().collect();
        let [only] = all[..] else { panic!("{all:?}") };
        ids.insert(only.to_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 3);
    assert!(!ids.contains("mine"));
    let empty = HeaderMap::new();
    assert!(Status::from_header_map(&empty).is_none());
    assert_eq!(Denied::of::<CodeEdit>(None).reason(), "PERMISSION_DENIED");
}
