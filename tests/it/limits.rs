//! How many calls are taken, and how often: one caller cannot take what others need, on one
//! server or on several, and what costs most is given up first.

use std::time::{Duration, Instant};

use api::permissions::GetMeRequest;
use api::workflow::{ListWorkflowsRequest, WorkItem};
use futures::future::join_all;
use testkit::database::TestDb;
use testkit::world::shapes::{human, item, workflow};
use testkit::world::{Person, Refused as _, Setup, World, eventually, refused};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

const FULL: Code = Code::ResourceExhausted;

async fn looks(person: &Person) -> Result<(), Status> {
    person.directory().get_me(GetMeRequest {}).await.map(drop)
}

async fn lists(person: &Person) -> Result<(), Status> {
    person.workflows().list_workflows(ListWorkflowsRequest::default()).await.map(drop)
}

/// Many calls of one person, over several connections.
fn many(
    world: &World,
    person: &Person,
    calls: usize,
    new: &WorkItem,
) -> Vec<tokio::task::JoinHandle<Result<WorkItem, Status>>> {
    let lines: Vec<Person> = (0..4).map(|_| person.over(world.another_channel())).collect();
    (0..calls)
        .map(|at| {
            let (line, new) = (lines[at % lines.len()].clone(), new.clone());
            tokio::spawn(async move { line.creates_item(new).await })
        })
        .collect()
}

/// A call that is held by the database, once the server has room for it.
fn held(person: &Person, new: &WorkItem) -> tokio::task::JoinHandle<Result<WorkItem, Status>> {
    let (person, new) = (person.clone(), new.clone());
    tokio::spawn(async move {
        loop {
            match person.creates_item(new.clone()).await {
                Err(status) if status.reason() == "OVERLOADED" => {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
                answer => return answer,
            }
        }
    })
}

testkit::on_both! {
    /// A caller makes a burst of reads at once; the next are refused for as long as the answer
    /// says. Others, and other kinds of calls, are not concerned.
    async fn a_caller_who_calls_too_often_is_told_to_wait(db: TestDb) {
        // A tenth of what is usual: a slow machine must be able to call too often.
        let variables = vec![
            ("ELOHIM_GATEWAY__LIMITS__READ__PER_SECOND", "10".to_owned()),
            ("ELOHIM_GATEWAY__LIMITS__READ__BURST", "20".to_owned()),
        ];
        let world = World::with(db, Setup { variables, ..Setup::default() }).await;
        let [bob, mia] = world.people(["bob", "mia"]);
        let began = Instant::now();
        let mut served = 0;
        let status = loop {
            let answers = join_all((0..25).map(|_| looks(&bob))).await;
            let refusal = answers.into_iter().filter_map(|answer| { served += u32::from(answer.is_ok()); answer.err() }).last();
            match refusal {
                Some(status) => break status,
                None => assert!(began.elapsed() < Duration::from_mins(1), "{served} calls were served"),
            }
        };
        let seconds = began.elapsed().as_secs() + 1;
        assert!(served >= 20, "{served}");
        assert!(u64::from(served) <= 20 + 10 * seconds, "{served} in {seconds} s");
        let status = refused::<()>(Err(status), FULL, "RATE_LIMITED");
        let wait = status.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert!(wait > Duration::ZERO && wait < Duration::from_secs(1), "{wait:?}");
        looks(&mia).await.expect("others have rates of their own");
        lists(&bob).await.expect("and so have other kinds of calls");
        tokio::time::sleep(wait + Duration::from_millis(50)).await;
        looks(&bob).await.expect("after the wait he may call again");
    }

    /// Who works as people and their tools do meets no limit of a server as it comes.
    async fn usual_work_meets_no_limit(db: TestDb) {
        let world = World::with(db, Setup { has_usual_rates: true, ..Setup::default() }).await;
        let bob = world.person("bob");
        let flow = workflow("Work", &bob.team, [human("do")]);
        let flow = world.person("alice").creates_workflow(flow).await.unwrap().name;
        for round in 0..5 {
            let title = format!("Item {round}");
            let made = join_all((0..8).map(|_| bob.creates_item(item(&flow, &title)))).await;
            let looked = join_all((0..30).map(|_| looks(&bob))).await;
            let listed = join_all((0..12).map(|_| lists(&bob))).await;
            for made in made {
                bob.claims(&made.unwrap()).await.unwrap();
            }
            looked.into_iter().chain(listed).for_each(|answer| answer.unwrap());
        }
    }

    /// While one caller's calls wait for the database, they are few: everybody else is served.
    async fn a_greedy_caller_makes_nobody_elses_call_fail(db: TestDb) {
        let world = World::with(db, Setup { is_without_worker: true, ..Setup::default() }).await;
        let [alice, bob, mia] = world.people(["alice", "bob", "mia"]);
        let made = crate::items::simple_item(&world).await;
        world.probe().keeps_from_writing().await;
        let calls = many(&world, &bob, 200, &item(&made.workflow, "One of many"));
        // Those beyond what he may have open are refused at once, the others wait.
        eventually(async || {
            let waiting = calls.iter().filter(|call| !call.is_finished()).count();
            if waiting <= 64 { Ok(()) } else { Err(format!("{waiting} calls wait")) }
        })
        .await;
        let others = [mia.over(world.another_channel()), alice.over(world.another_channel())];
        for _ in 0..25 {
            for other in &others {
                looks(other).await.expect("others are served");
                other.sees_item(&made.name).await.expect("others are served");
                lists(other).await.expect("others are served");
            }
        }
        if world.backend() == testkit::database::Backend::Postgres {
            // On SQLite there is one writer, and it is kept from everybody.
            let flow = workflow("Meanwhile", &alice.team, [human("do")]);
            others[1].creates_workflow(flow).await.expect("others are served");
        }
        world.probe().lets_write().await;
        let mut refusals = 0;
        for call in calls {
            if let Err(status) = call.await.unwrap() {
                let known = [(FULL, "TOO_MANY_CALLS"), (Code::Unavailable, "DATABASE_UNAVAILABLE")];
                assert!(known.contains(&(status.code(), status.reason().as_str())), "{status:?}");
                refusals += usize::from(status.code() == FULL);
            }
        }
        assert!(refusals >= 200 - 64, "only {refusals} calls were refused");
    }

    /// Under load lists go first, then changes and reads; operators and liveness stay.
    async fn what_costs_most_is_given_up_first(db: TestDb) {
        let limits = [("LONG", 1), ("REFLECTION", 2), ("LIST", 2), ("MUTATION", 3), ("READ", 3), ("ADMIN", 8)];
        let key = |class: &str| -> &'static str {
            format!("ELOHIM_GATEWAY__LIMITS__{class}__SHED_AT").leak()
        };
        let variables = limits.map(|(class, at)| (key(class), at.to_string())).to_vec();
        let setup = Setup { variables, is_without_worker: true, ..Setup::default() };
        let world = World::with(db, setup).await;
        let [alice, bob, erin] = world.people(["alice", "bob", "erin"]);
        let made = crate::items::simple_item(&world).await;
        world.probe().keeps_from_writing().await;
        let new = item(&made.workflow, "Held");
        let plan = |person: Person| async move {
            let plan = person.plans_task(&World::unused("repositories/x"), "x").await;
            plan.map(drop).unwrap_err()
        };
        let mut taken = vec![held(&bob, &new)];
        eventually(async || match plan(alice.clone()).await {
            status if status.reason() == "OVERLOADED" => Ok(()),
            status => Err(status.to_string()),
        })
        .await;
        lists(&alice).await.expect("a list is served beside one call");
        taken.push(held(&bob, &new));
        let status = eventually(async || match lists(&alice).await {
            Err(status) if status.reason() == "OVERLOADED" => Ok(status),
            answer => Err(format!("{answer:?}")),
        })
        .await;
        assert!(status.get_details_retry_info().is_some());
        looks(&alice).await.expect("a read is served beside two calls");
        taken.push(held(&bob, &new));
        eventually(async || match looks(&alice).await {
            Err(status) if status.reason() == "OVERLOADED" => Ok(()),
            answer => Err(format!("{answer:?}")),
        })
        .await;
        let overview = "elohim.admin.v1.AdminService/GetSystemOverview";
        let answer = erin.over(world.admin_channel()).sends(overview, Vec::new()).await;
        assert!(!answer.is_err_and(|status| status.code() == FULL), "operators are served");
        let mut health = tonic_health::pb::health_client::HealthClient::new(world.another_channel());
        health.check(tonic_health::pb::HealthCheckRequest::default()).await.expect("it lives");
        world.probe().lets_write().await;
        for call in taken {
            // A writer that was waited for too long is an outage.
            if let Err(status) = call.await.unwrap() {
                assert_eq!(status.reason(), "DATABASE_UNAVAILABLE", "{status:?}");
            }
        }
        looks(&alice).await.expect("the load is gone");
    }
}

/// What turns are for: with as many of them as calls, one caller holds every connection, and
/// the others' calls fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_turns_one_caller_holds_every_connection() {
    let variables = vec![("ELOHIM_GATEWAY__LIMITS__AT_WORK_PER_CALLER", "64".to_owned())];
    let setup = Setup { variables, is_without_worker: true, ..Setup::default() };
    let world = World::with(TestDb::postgres().await, setup).await;
    let [bob, mia] = world.people(["bob", "mia"]);
    let made = crate::items::simple_item(&world).await;
    world.probe().keeps_from_writing().await;
    let calls = many(&world, &bob, 60, &item(&made.workflow, "One of many"));
    let answer = eventually(async || match looks(&mia).await {
        Ok(()) => Err("a connection is free"),
        Err(status) => Ok(status),
    });
    refused::<()>(Err(answer.await), Code::Unavailable, "DATABASE_UNAVAILABLE");
    world.probe().lets_write().await;
    join_all(calls).await;
}

/// Two servers on one database hold a caller to one limit, with the slack that is stated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_share_a_callers_rate() {
    // Slow enough that a busy machine can call more often.
    const PER_SECOND: u32 = 4;
    const BURST: u32 = 16;
    let variables = vec![
        ("ELOHIM_GATEWAY__LIMITS__LIST__PER_SECOND", PER_SECOND.to_string()),
        ("ELOHIM_GATEWAY__LIMITS__LIST__BURST", BURST.to_string()),
    ];
    let setup = Setup { variables, ..Setup::default() };
    let world = World::with(TestDb::postgres().await, setup).await;
    let replica = world.replica().await;
    let bob = world.person("bob");
    let began = Instant::now();
    let calls = async |person: Person| {
        let (mut served, mut refusals) = (0_u32, 0_u32);
        // Both want more than there is, for a while.
        while began.elapsed() < Duration::from_secs(4) || refusals < 5 {
            let so_far = format!("{served} calls, {refusals} refusals");
            assert!(began.elapsed() < Duration::from_mins(1), "{so_far}");
            match lists(&person).await {
                Ok(()) => served += 1,
                Err(status) => {
                    refused::<()>(Err(status), FULL, "RATE_LIMITED");
                    refusals += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
        served
    };
    let (here, there) =
        tokio::join!(calls(bob.over(world.another_channel())), calls(bob.over(replica.channel())),);
    let (sum, seconds) = (f64::from(here + there), began.elapsed().as_secs_f64());
    let limit = f64::from(BURST) + seconds * f64::from(PER_SECOND);
    // One sixteenth for the second server, and a batch of a quarter second for each.
    let most = limit * (1.0 + 1.0 / 16.0) + 2.0 * f64::from(PER_SECOND / 4) + 2.0;
    assert!(sum <= most, "{here} + {there} calls in {seconds} s, at most {most}");
    assert!(sum >= 0.7 * limit, "{here} + {there} calls in {seconds} s, the limit is {limit}");
    replica.stop().await;
}
