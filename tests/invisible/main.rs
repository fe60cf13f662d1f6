//! Whether a call tells somebody, by the time it takes, that what he may not see exists.
//!
//! `cargo xtask invisible [--pairs N]`: asks for what is another team's and for what is nowhere,
//! in turn, through real gRPC, and prints for each kind of object and database the statements
//! that each call executed and the median latencies. The statements must be the same; the gap
//! between the medians is to be below a tenth. The order within a pair alternates, so that
//! whatever drifts on the machine hits both alike.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    clippy::needless_update,
    reason = "a program for people"
)]

use std::time::{Duration, Instant};

use api::agent::{GetPatchRequest, GetRepositoryRequest, GetRunRequest, GetSessionRequest};
use api::permissions::{GetTeamRequest, ListMembersRequest, ListRoleAssignmentsRequest};
use api::workflow::{
    ClaimWorkItemRequest, GetWorkItemRequest, GetWorkflowAnalyticsRequest, GetWorkflowRequest,
    ListTransitionsRequest,
};
use prost::Message as _;
use testkit::database::TestDb;
use testkit::world::shapes::{human, item, workflow};
use testkit::world::{Person, World};

const PAIRS: usize = 1_000;

/// One method asked about one kind of object.
struct Probe {
    method: &'static str,
    invisible: Vec<u8>,
    absent: Vec<u8>,
}

/// Calls of a batch whose statements are counted.
const COUNTED: u32 = 100;

fn median(mut latencies: Vec<Duration>) -> Duration {
    latencies.sort();
    latencies[latencies.len() / 2]
}

macro_rules! probes {
    ($($method:literal: $request:ident { $field:ident } $name:expr;)*) => {
        vec![$({
            let name: String = $name;
            let (collection, _) = name.split_once('/').unwrap();
            let absent = format!("{collection}/{}", uuid::Uuid::from_u128(rand::random()));
            Probe {
                method: $method,
                invisible: $request { $field: name, ..Default::default() }.encode_to_vec(),
                absent: $request { $field: absent, ..Default::default() }.encode_to_vec(),
            }
        },)*]
    };
}

/// What alice and bob of *core* have, and dave of *payments* does not see.
async fn probes(world: &World) -> Vec<Probe> {
    let [alice, bob] = world.people(["alice", "bob"]);
    let (repo, repository) = world.shop().await;
    let flow = workflow("Work", &alice.team, [human("do")]);
    let flow = alice.creates_workflow(flow).await.unwrap().name;
    let work = bob.creates_item(item(&flow, "Something")).await.unwrap().name;
    let session = bob.opens_session(&repository).await.unwrap().name;
    let applied = bob.applies_diff(&repository, &repo.diff_adding("README.md", "More.")).await;
    let run = applied.unwrap().run.unwrap().name;
    let run = bob.awaits_end(&run).await;
    probes! {
        "elohim.workflow.v1.WorkflowService/GetWorkflow": GetWorkflowRequest { name } flow.clone();
        "elohim.workflow.v1.WorkItemService/GetWorkItem": GetWorkItemRequest { name } work.clone();
        "elohim.workflow.v1.WorkItemService/ListTransitions":
            ListTransitionsRequest { parent } work.clone();
        "elohim.workflow.v1.WorkItemService/ClaimWorkItem": ClaimWorkItemRequest { name } work;
        "elohim.workflow.v1.AnalyticsService/GetWorkflowAnalytics":
            GetWorkflowAnalyticsRequest { name } flow;
        "elohim.agent.v1.SessionService/GetSession": GetSessionRequest { name } session;
        "elohim.agent.v1.RepositoryService/GetRepository":
            GetRepositoryRequest { name } repository;
        "elohim.agent.v1.RunService/GetRun": GetRunRequest { name } run.name;
        "elohim.agent.v1.PatchService/GetPatch": GetPatchRequest { name } run.patch;
        "elohim.permissions.v1.DirectoryService/GetTeam":
            GetTeamRequest { name } alice.team.clone();
        "elohim.permissions.v1.DirectoryService/ListMembers":
            ListMembersRequest { team } alice.team.clone();
        "elohim.permissions.v1.PermissionService/ListRoleAssignments":
            ListRoleAssignmentsRequest { team } alice.team;
    }
}

/// One call that must find nothing.
async fn asks(dave: &Person, probe: &Probe, bytes: &[u8]) -> Duration {
    let began = Instant::now();
    let answer = dave.sends(probe.method, bytes.to_vec()).await;
    let latency = began.elapsed();
    let refused = answer.expect_err("something was found");
    assert_eq!(refused.code(), tonic::Code::NotFound, "{}: {refused:?}", probe.method);
    latency
}

/// Statements of one call, the record of the refusal included. What else the server does
/// meanwhile, a look at the policy every second or so, is lost in the division.
async fn statements(world: &World, dave: &Person, probe: &Probe, bytes: &[u8]) -> f64 {
    let before = world.statements();
    for _ in 0..COUNTED {
        asks(dave, probe, bytes).await;
    }
    // Records are written after the answer.
    loop {
        let seen = world.statements();
        tokio::time::sleep(Duration::from_millis(100)).await;
        if world.statements() <= seen + 1 {
            break;
        }
    }
    ((world.statements() - before) as f64 / f64::from(COUNTED) * 2.0).round() / 2.0
}

async fn compare(name: &str, db: TestDb, pairs: usize) -> bool {
    let mut world = World::start(db).await;
    let probes = probes(&world).await;
    world.settles().await;
    world.restart_with_worker(false).await;
    let dave = world.person("dave");
    let mut is_same = true;
    println!("{name}: {pairs} pairs of calls each; invisible / absent");
    for probe in &probes {
        let counts = [
            statements(&world, &dave, probe, &probe.invisible).await,
            statements(&world, &dave, probe, &probe.absent).await,
        ];
        let (mut invisible, mut absent) = (Vec::new(), Vec::new());
        for pair in 0..pairs {
            if pair % 2 == 0 {
                invisible.push(asks(&dave, probe, &probe.invisible).await);
                absent.push(asks(&dave, probe, &probe.absent).await);
            } else {
                absent.push(asks(&dave, probe, &probe.absent).await);
                invisible.push(asks(&dave, probe, &probe.invisible).await);
            }
        }
        let medians = [median(invisible), median(absent)];
        let gap = (medians[0].as_secs_f64() / medians[1].as_secs_f64() - 1.0) * 100.0;
        println!(
            "  {:58} statements {:4.1} / {:4.1}   median {:>9.1?} / {:>9.1?}   gap {gap:+5.1} %",
            probe.method, counts[0], counts[1], medians[0], medians[1],
        );
        is_same &= counts[0] == counts[1];
    }
    is_same
}

fn pairs() -> usize {
    let mut words = std::env::args().skip(1);
    match (words.next().as_deref(), words.next()) {
        (None, _) => PAIRS,
        (Some("--pairs"), Some(count)) => count.parse().expect("a number"),
        _ => panic!("expected --pairs N"),
    }
}

#[tokio::main]
async fn main() {
    let pairs = pairs();
    let mut is_same = compare("sqlite", TestDb::sqlite().await, pairs).await;
    is_same &= compare("postgres", TestDb::postgres().await, pairs).await;
    assert!(is_same, "what is invisible executes other statements than what is absent");
}
