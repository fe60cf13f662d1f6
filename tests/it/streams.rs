//! Streams end: when nothing is sent, when they are old, and when their caller's rights are
//! gone, on every server.

use std::time::{Duration, Instant};

use testkit::world::{Person, Setup, World, refused};
use tonic::{Code, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

/// The bound of the contract, for the guard and the look at the policy together.
const SOON: Duration = Duration::from_secs(5);

/// A stream that stays open as long as `asks` does, and has answered once.
pub(crate) struct Open {
    answers: Streaming<ServerReflectionResponse>,
    asks: tokio::sync::mpsc::UnboundedSender<ServerReflectionRequest>,
}

fn question() -> ServerReflectionRequest {
    ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    }
}

impl Open {
    pub(crate) async fn by(person: &Person) -> Self {
        let (asks, asked) = tokio::sync::mpsc::unbounded_channel();
        asks.send(question()).unwrap();
        let asked = tokio_stream::wrappers::UnboundedReceiverStream::new(asked);
        let answer = ServerReflectionClient::new(person.line()).server_reflection_info(asked).await;
        let mut open = Self { answers: answer.unwrap().into_inner(), asks };
        open.answers.message().await.unwrap().expect("an answer");
        open
    }

    pub(crate) async fn answers_again(&mut self) {
        self.asks.send(question()).unwrap();
        self.answers.message().await.unwrap().expect("an answer");
    }

    /// Waits for the end, and how it came.
    pub(crate) async fn ends(mut self) -> Status {
        let ended = tokio::time::timeout(SOON, self.answers.message()).await;
        ended.expect("it ends within the bound").expect_err("it ends with a status")
    }
}

fn setup(variables: &[(&'static str, &str)]) -> Setup {
    let reflection = ("ELOHIM_GATEWAY__REFLECTION", "true");
    let all = variables.iter().chain([&reflection]);
    Setup {
        variables: all.map(|(key, value)| (*key, (*value).to_owned())).collect(),
        ..Setup::default()
    }
}

testkit::on_both! {
    /// Who is deactivated loses his open streams within five seconds; others keep theirs.
    async fn a_deactivated_callers_stream_ends(db: TestDb) {
        let world = World::with(db, setup(&[])).await;
        let [bob, mia] = world.people(["bob", "mia"]);
        let (bobs, mut mias) = (Open::by(&bob).await, Open::by(&mia).await);
        let began = Instant::now();
        world.deactivate("bob").await;
        refused::<()>(Err(bobs.ends().await), Code::Unauthenticated, "UNAUTHENTICATED");
        assert!(began.elapsed() < SOON);
        mias.answers_again().await;
    }

    /// A stream on which nothing is sent is ended, one on which something is goes on.
    async fn an_idle_stream_ends(db: TestDb) {
        let world = World::with(db, setup(&[("ELOHIM_GATEWAY__LIMITS__STREAM_IDLE", "2")])).await;
        let bob = world.person("bob");
        let (quiet, mut busy) = (Open::by(&bob).await, Open::by(&bob).await);
        let began = Instant::now();
        let ending = tokio::spawn(quiet.ends());
        while began.elapsed() < Duration::from_secs(4) {
            busy.answers_again().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        refused::<()>(Err(ending.await.unwrap()), Code::DeadlineExceeded, "STREAM_IDLE");
        busy.answers_again().await;
    }

    /// Every stream has a greatest age, watching liveness too, and a client may shorten it.
    async fn an_old_stream_ends(db: TestDb) {
        let world = World::with(db, setup(&[("ELOHIM_GATEWAY__LIMITS__STREAM_AGE", "3")])).await;
        let bob = world.person("bob");
        let open = Open::by(&bob).await;
        let mut health = HealthClient::new(world.another_channel());
        let mut watching =
            health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        assert_eq!(watching.message().await.unwrap().unwrap().status, 1);
        let mut short = tonic::Request::new(HealthCheckRequest::default());
        short.metadata_mut().insert("grpc-timeout", "900m".parse().unwrap());
        let began = Instant::now();
        let mut short = health.watch(short).await.unwrap().into_inner();
        short.message().await.unwrap().unwrap();
        let ended = short.message().await.expect_err("it ends");
        assert_eq!(ended.code(), Code::DeadlineExceeded, "{ended:?}");
        assert!(began.elapsed() < Duration::from_millis(2_500), "{:?}", began.elapsed());

        refused::<()>(Err(open.ends().await), Code::Unavailable, "STREAM_EXPIRED");
        let ended = watching.message().await.expect_err("it ends");
        refused::<()>(Err(ended), Code::Unavailable, "STREAM_EXPIRED");
    }

    /// One caller has 16 open streams; what ended makes room.
    async fn open_streams_are_counted(db: TestDb) {
        let world = World::with(db, setup(&[])).await;
        let bob = world.person("bob");
        let mut open = Vec::new();
        for _ in 0..16 {
            open.push(Open::by(&bob).await);
        }
        let asked = tokio_stream::once(question());
        let more = ServerReflectionClient::new(bob.line()).server_reflection_info(asked).await;
        refused(more.map(drop), Code::ResourceExhausted, "TOO_MANY_CALLS");
        drop(open.pop());
        testkit::world::eventually(async || {
            let asked = tokio_stream::once(question());
            let more = ServerReflectionClient::new(bob.line()).server_reflection_info(asked).await;
            more.map(drop).map_err(|status| status.to_string())
        })
        .await;
        Open::by(&world.person("mia")).await;
    }
}

/// A server that nobody calls learns of the change by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_at_another_server_ends() {
    let db = testkit::database::TestDb::postgres().await;
    let world = World::with(db, setup(&[])).await;
    let replica = world.replica().await;
    let bob = world.person("bob").over(replica.channel());
    let open = Open::by(&bob).await;
    let began = Instant::now();
    world.deactivate("bob").await;
    refused::<()>(Err(open.ends().await), Code::Unauthenticated, "UNAUTHENTICATED");
    assert!(began.elapsed() < SOON);
    replica.stop().await;
}
