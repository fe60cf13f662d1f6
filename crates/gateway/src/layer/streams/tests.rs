//! A stream that is fed by hand, and a caller whose rights change meanwhile.

use async_trait::async_trait;
use audit::{AuditEvent, RefusalSink};
use futures::stream;
use http_body_util::StreamBody;
use permissions::{Key, Level, PolicyData, PolicySource, SourceError, UserRecord};
use primitives::{SystemClock, UserId};
use tonic::Code;
use tonic_types::StatusExt as _;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

use super::*;
use crate::access::{Access, Method, Methods, Side};
use crate::class::Class;
use crate::context::Credential;
use crate::layer::Around;

const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// One person, who may be deactivated.
#[derive(Default)]
struct Source {
    user: Mutex<Option<UserRecord>>,
    epoch: AtomicUsize,
}

#[async_trait]
impl PolicySource for Source {
    async fn stored_epoch(&self) -> Result<i64, SourceError> {
        Ok(i64::try_from(self.epoch.load(Ordering::SeqCst)).unwrap())
    }

    async fn load_policy(&self) -> Result<PolicyData, SourceError> {
        let users = self.user.lock().unwrap().iter().cloned().collect();
        let epoch = i64::try_from(self.epoch.fetch_add(1, Ordering::SeqCst)).unwrap();
        Ok(PolicyData { epoch, users, ..PolicyData::default() })
    }
}

struct Silent;

impl RefusalSink for Silent {
    fn note(&self, _event: AuditEvent) {}
    fn lost(&self) -> u64 {
        0
    }
}

/// Believed until it is told otherwise.
struct Told(Arc<AtomicBool>);

impl Credential for Told {
    fn holds(&self) -> bool {
        !self.0.load(Ordering::SeqCst)
    }
}

struct Stand {
    source: Arc<Source>,
    authorizer: Arc<Authorizer>,
    streams: Streams,
    methods: Methods,
    expired: Arc<AtomicBool>,
}

type Feed = mpsc::UnboundedSender<&'static [u8]>;

impl Stand {
    async fn start(limits: StreamLimits) -> Self {
        let user = UserRecord { active: true, ..UserRecord::person(UserId::generate(), "bob") };
        let source = Arc::new(Source { user: Mutex::new(Some(user)), ..Source::default() });
        let clock = Arc::new(SystemClock);
        let from: Arc<dyn PolicySource> = source.clone();
        let authorizer = Arc::new(Authorizer::start(from, clock.clone()).await.unwrap());
        let refusals = Refusals { sink: Arc::new(Silent), clock };
        let streams = Streams::new(limits, Arc::clone(&authorizer), refusals);
        let (methods, expired) = (Methods::load().unwrap(), Arc::default());
        Self { source, authorizer, streams, methods, expired }
    }

    /// Opens a stream: what the peer gets, and how it is fed.
    async fn opens(&self, path: &str, asked: Option<Duration>) -> (HttpResponse, Feed) {
        self.opens_method(self.methods.find(Side::Tenants, path), asked).await
    }

    async fn opens_method(
        &self,
        method: Option<&'static Method>,
        asked: Option<Duration>,
    ) -> (HttpResponse, Feed) {
        let context = CallContext::new(method);
        if method.is_none_or(|method| method.path != WATCH) {
            context.set_caller(self.authorizer.caller("bob", "test").unwrap());
            context.set_credential(Box::new(Told(Arc::clone(&self.expired))));
        }
        if let Some(asked) = asked {
            context.set_asked_deadline(Instant::now() + asked);
        }
        let (feed, fed) = mpsc::unbounded_channel::<&'static [u8]>();
        let fed = Arc::new(Mutex::new(Some(fed)));
        let service = ServiceBuilder::new().layer(Around(self.streams.clone())).service(
            service_fn(move |_: HttpRequest| {
                let fed = fed.lock().unwrap().take().unwrap();
                let frames = stream::unfold(fed, async |mut fed| {
                    let bytes = fed.recv().await?;
                    Some((Ok::<_, Status>(Frame::data(Bytes::from_static(bytes))), fed))
                });
                let body = Body::new(StreamBody::new(frames));
                async { Ok::<_, std::convert::Infallible>(http::Response::new(body)) }
            }),
        );
        let mut request = http::Request::new(Body::empty());
        request.extensions_mut().insert(Arc::new(context));
        (service.oneshot(request).await.unwrap(), feed)
    }
}

fn quick() -> StreamLimits {
    StreamLimits {
        per_caller: 2,
        open: 8,
        idle: Duration::from_mins(1),
        age: Duration::from_mins(1),
        check: Duration::from_millis(20),
    }
}

/// How a stream ends: what came before, and the status.
async fn end_of(response: HttpResponse) -> (Vec<u8>, Option<Status>) {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.unwrap().into_data() {
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap();
                assert!(body.frame().await.is_none(), "nothing comes after trailers");
                return (bytes, Status::from_header_map(&trailers));
            }
        }
    }
    (bytes, None)
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[tokio::test]
async fn an_idle_or_old_stream_is_ended_and_a_busy_young_one_is_not() {
    let idle = StreamLimits { idle: Duration::from_millis(100), ..quick() };
    let stand = Stand::start(idle).await;
    let (response, feed) = stand.opens(REFLECTION, None).await;
    let feeding = tokio::spawn(async move {
        for _ in 0..10 {
            feed.send(b"x").unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        feed
    });
    let (bytes, status) = end_of(response).await;
    let status = status.unwrap();
    assert_eq!(bytes.len(), 10, "while something is sent it goes on");
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "STREAM_IDLE"));
    let feed = feeding.await.unwrap();
    assert!(feed.send(b"late").is_err(), "the handler's side is gone");

    let old = StreamLimits { age: Duration::from_millis(100), ..quick() };
    let stand = Stand::start(old).await;
    let (response, _feed) = stand.opens(WATCH, None).await;
    let status = end_of(response).await.1.unwrap();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "STREAM_EXPIRED"));
    assert!(status.get_details_retry_info().is_some());
}

#[tokio::test]
async fn a_stream_ends_with_its_callers_deadline_and_with_the_server() {
    let stand = Stand::start(quick()).await;
    let (response, _feed) = stand.opens(WATCH, Some(Duration::from_millis(60))).await;
    let status = end_of(response).await.1.unwrap();
    assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    let (response, _feed) = stand.opens(WATCH, None).await;
    stand.streams.close();
    assert_eq!(reason(&end_of(response).await.1.unwrap()), "STREAM_EXPIRED");
}

#[tokio::test]
async fn a_stream_ends_with_its_callers_rights() {
    let stand = Stand::start(quick()).await;
    let (first, _feed) = stand.opens(REFLECTION, None).await;
    stand.source.user.lock().unwrap().as_mut().unwrap().active = false;
    stand.authorizer.refresh().await.unwrap();
    assert_eq!(end_of(first).await.1.unwrap().code(), Code::Unauthenticated);

    let stand = Stand::start(quick()).await;
    let (first, feed) = stand.opens(REFLECTION, None).await;
    stand.expired.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(100)).await;
    // Nobody read meanwhile: what was waiting is not delivered any more.
    assert!(feed.send(b"secret").is_err());
    let (bytes, status) = end_of(first).await;
    assert_eq!((bytes.as_slice(), status.unwrap().code()), (&b""[..], Code::Unauthenticated));
}

#[tokio::test]
async fn a_stream_ends_with_the_permission_of_its_method() {
    static WATCHES: Method = Method {
        path: "/elohim.agent.v1.S/Watch",
        access: Access::Requires(Key::CodeEdit, Level::Write, None),
        class: Class::List,
        unmet: true,
        streams: true,
    };
    let stand = Stand::start(quick()).await;
    let (first, feed) = stand.opens_method(Some(&WATCHES), None).await;
    feed.send(b"x").unwrap();
    stand.source.user.lock().unwrap().as_mut().unwrap().may_apply = false;
    stand.authorizer.refresh().await.unwrap();
    let (bytes, status) = end_of(first).await;
    let status = status.unwrap();
    assert_eq!((bytes.as_slice(), status.code()), (&b"x"[..], Code::PermissionDenied));
    assert_eq!(status.get_details_error_info().unwrap().metadata["permission"], "code.edit");
}

#[tokio::test]
async fn open_streams_are_counted_until_they_end() {
    let stand = Stand::start(quick()).await;
    let (first, feed) = stand.opens(REFLECTION, None).await;
    let (second, _kept) = stand.opens(REFLECTION, None).await;
    let refused = stand.opens(REFLECTION, None).await.0;
    let refused = Status::from_header_map(refused.headers()).unwrap();
    assert_eq!(reason(&refused), "TOO_MANY_CALLS");
    drop(feed);
    assert!(end_of(first).await.1.is_none(), "it ended by itself");
    drop(second);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (again, _feed) = stand.opens(REFLECTION, None).await;
    assert!(Status::from_header_map(again.headers()).is_none());
    // Nobody's streams are a quarter of all.
    let mut open = Vec::new();
    let refused = loop {
        let (response, feed) = stand.opens(WATCH, None).await;
        match Status::from_header_map(response.headers()) {
            Some(status) => break status,
            None => open.push((response, feed)),
        }
    };
    assert_eq!((open.len(), reason(&refused).as_str()), (1, "OVERLOADED"));
}
