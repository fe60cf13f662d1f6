//! Callers that go away: their calls finish or vanish, and cost nobody else anything.

use std::time::Duration;

use api::workflow::ListWorkItemsRequest;
use futures::stream::{self, StreamExt as _};
use testkit::database::Backend;
use testkit::world::shapes::{human, item, workflow};
use testkit::world::{Person, Setup, World, eventually};

const CALLS: u64 = 2_000;
/// Calls that share a connection: a server closes one on which too much is cancelled.
const A_LINE: u64 = 50;
const LINES_AT_ONCE: usize = 4;
const AT_ONCE: usize = 10;
const OTHERS: usize = 200;

/// Spread over 0 to 30 ms, the same in every run.
fn patience(at: u64) -> Duration {
    Duration::from_micros(at.wrapping_mul(2_654_435_761) % 30_000)
}

async fn a_page(person: &Person, flow: &str) -> Result<(), tonic::Status> {
    let workflow = flow.to_owned();
    let request = ListWorkItemsRequest { workflow, page_size: 3, ..Default::default() };
    person.items().list_work_items(request).await.map(drop)
}

/// One call of several kinds, given up after a while; `false` when it was in time.
async fn gives_up(person: &Person, flow: &str, at: u64) -> bool {
    let call = async {
        match at % 4 {
            0 => a_page(person, flow).await,
            1 => person.sees_workflow(flow).await.map(drop),
            _ => {
                let made = person.creates_item(item(flow, &format!("Item {at}"))).await?;
                person.claims(&made).await.map(drop)
            }
        }
    };
    tokio::time::timeout(patience(at), call).await.is_err()
}

/// All of them, over many connections; how many were given up.
async fn all_give_up(world: &World, person: &Person, flow: &str) -> usize {
    let lines =
        stream::iter((0..CALLS / A_LINE).map(|line| line * A_LINE)).map(|first| async move {
            let person = person.over(world.another_channel());
            // Once connected, a call reaches the server within any patience. Who has too many
            // calls at work already has to wait.
            eventually(async || {
                person.sees_workflow(flow).await.map_err(|status| status.to_string())
            })
            .await;
            let person = &person;
            let calls = stream::iter(first..first + A_LINE);
            let calls = calls.map(|at| gives_up(person, flow, at)).buffer_unordered(AT_ONCE);
            calls.filter(|given_up| std::future::ready(*given_up)).count().await
        });
    lines.buffer_unordered(LINES_AT_ONCE).fold(0, |sum, count| async move { sum + count }).await
}

testkit::on_both! {
    /// 2,000 calls cancelled after 0 to 30 ms against two connections leave no transaction
    /// open, and 200 calls of somebody else succeed.
    async fn cancelled_calls_leave_no_transaction_open(db: TestDb) {
        let world = World::with(db, Setup { pool_size: Some(2), ..Setup::default() }).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = workflow("Work", &alice.team, [human("one"), human("two")]);
        let flow = alice.creates_workflow(flow).await.unwrap().name;

        let given_up = all_give_up(&world, &bob, &flow).await;
        assert!(given_up > 500, "only {given_up} calls were given up");

        if world.backend() == Backend::Postgres {
            let stuck = "select count(*) from pg_stat_activity where datname = current_database() \
                         and pid <> pg_backend_pid() and state like 'idle in transaction%'";
            eventually(async || match world.probe().count(stuck).await {
                0 => Ok(()),
                open => Err(format!("{open} connections are idle in a transaction")),
            })
            .await;
        }
        let mia = world.person("mia").over(world.another_channel());
        let calls = stream::iter(0..OTHERS).map(|at| {
            let (mia, flow) = (mia.clone(), flow.clone());
            async move {
                let made = mia.creates_item(item(&flow, &format!("After {at}"))).await?;
                mia.sees_item(&made.name).await
            }
        });
        let answers: Vec<_> = calls.buffer_unordered(8).collect().await;
        for answer in answers {
            answer.unwrap();
        }
        let half = "select count(*) from work_item i where \
                    (select count(*) from transition t where t.work_item_id = i.id) \
                    <> case when i.state = 'CLAIMED' then 2 else 1 end";
        assert_eq!(world.probe().count(half).await, 0, "calls were done by halves");
        let recorded = "select count(*) from audit_event where action = 'work_item.created'";
        let made = "select count(*) from work_item";
        assert_eq!(world.probe().count(recorded).await, world.probe().count(made).await);
    }
}
