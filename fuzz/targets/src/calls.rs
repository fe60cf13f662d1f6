//! Calls of a whole server, over the network and down to its database.
//!
//! An input is two bytes that choose a method, one that chooses who calls, and the body. The
//! names that stand for things in a body ([`contract::alias`]) become those of things that
//! are there, so that a kept input means the same on every server.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use api::agent::ApplyRequest;
use api::agent::apply_request::Change;
use testkit::database::TestDb;
use testkit::world::shapes::{assist, human, item_on, workflow};
use testkit::world::{Person, Refused as _, Repo, Setup, World};
use tokio::runtime::Runtime;
use tonic::{Code, Status};

use crate::contract;
use crate::shape::head;

/// Calls between two sets of fresh things.
const FRESH: u32 = 200;
/// Sets of things until everything is made anew: what a server holds grows.
const SETS: u32 = 25;
/// Longer answers than this are only for those who asked to wait.
const PATIENCE: Duration = Duration::from_secs(2);
const PEOPLE: [&str; 5] = ["alice", "bob", "gus", "carol", "erin"];

/// What a caller may be told, whatever he sends.
const ANSWERS: [Code; 9] = [
    Code::InvalidArgument,
    Code::NotFound,
    Code::AlreadyExists,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::Unauthenticated,
    Code::Unimplemented,
];

thread_local! {
    static COURT: RefCell<Option<(Runtime, Court)>> = const { RefCell::new(None) };
}

/// One input.
pub fn run(input: &[u8]) {
    COURT.with_borrow_mut(|court| {
        let (runtime, court) = court.get_or_insert_with(|| {
            // What the world would keep of its log grows without end.
            let silence = tracing::subscriber::NoSubscriber::default();
            let _ = tracing::subscriber::set_global_default(silence);
            let runtime = runtime();
            let court = runtime.block_on(Court::open());
            (runtime, court)
        });
        runtime.block_on(court.hears(input));
    });
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    match builder.worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("a runtime: {error}"),
    }
}

/// A server, and things that can be named.
pub struct Court {
    world: World,
    /// By collection.
    names: BTreeMap<&'static str, String>,
    calls: u32,
    sets: u32,
}

impl Court {
    /// One on SQLite.
    pub async fn open() -> Self {
        Self::on(TestDb::sqlite().await).await
    }

    /// One on this database.
    pub async fn on(db: TestDb) -> Self {
        let setup = Setup { is_without_worker: true, ..Setup::default() };
        let world = World::with(db, setup).await;
        let names = fresh(&world, 0).await.unwrap_or_else(|status| panic!("{status:?}"));
        Self { world, names, calls: 0, sets: 1 }
    }

    /// Makes one call and judges the answer.
    pub async fn hears(&mut self, input: &[u8]) {
        let ([first, second, who], body) = head(input);
        let Some(method) = contract::chosen([first, second]) else { return };
        self.renew().await;
        let name = PEOPLE.get(usize::from(who) % PEOPLE.len()).copied().unwrap_or("alice");
        let caller = self.world.person(name);
        let body = self.meant(body);
        let call = caller.sends(&method.path, body);
        match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok(_)) => {}
            Ok(Err(status)) => judge(&method.path, &status),
            Err(_) => {
                let waits = ["/Apply", "/RevertPatch", "/Plan", "/BuildContext"];
                let may_wait = waits.iter().any(|ending| method.path.ends_with(ending));
                assert!(may_wait, "{} took longer than {PATIENCE:?}", method.path);
            }
        }
    }

    /// New things now and then: calls use them up. A new world when people cannot make them
    /// any more, or after a while.
    async fn renew(&mut self) {
        self.calls += 1;
        if !self.calls.is_multiple_of(FRESH) {
            return;
        }
        self.sets += 1;
        match fresh(&self.world, self.sets).await {
            Ok(names) if self.sets < SETS => self.names = names,
            _ => *self = Box::pin(Self::open()).await,
        }
    }

    /// The body with the names of things that are there. All names of a kind have one length,
    /// so what surrounds them stays right.
    fn meant(&self, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        for (collection, name) in &self.names {
            let alias = contract::alias(collection);
            let places = body.windows(alias.len()).enumerate();
            let places = places.filter(|(_, window)| *window == alias.as_bytes());
            for at in places.map(|(at, _)| at).collect::<Vec<_>>() {
                body.splice(at..at + alias.len(), name.bytes());
            }
        }
        body
    }
}

fn judge(method: &str, status: &Status) {
    assert!(ANSWERS.contains(&status.code()), "{method}: {status:?}");
    let is_named = !status.reason().is_empty() || status.code() == Code::Unimplemented;
    assert!(is_named, "{method}: {status:?} has no reason");
    assert!(status.message().len() < 2_000, "{method}: {} bytes", status.message().len());
}

/// One thing of each kind that a caller can name.
async fn fresh(world: &World, set: u32) -> Result<BTreeMap<&'static str, String>, Status> {
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]);
    let place = world.root_of("core").join(format!("shop-{set}"));
    let repo = Repo::shop(&place);
    let repository = alice.registers(&repo.dir).await?.name;
    let flow = workflow("Things", &alice.team, [human("work"), assist("think"), human("done")]);
    let flow = alice.creates_workflow(flow).await?.name;
    let item = alice.creates_item(item_on(&flow, "Carts", "Carts forget", &repository)).await?;
    let item = alice.claims(&item).await?.name;
    let session = alice.opens_session(&repository).await?.name;
    let plan = alice.plans_task(&repository, "Fix the cart").await?.name;
    let change = Some(Change::UnifiedDiff(repo.diff_adding("README.md", "More.")));
    let request = ApplyRequest { repository: repository.clone(), change, ..Default::default() };
    let run = alice.agent().apply(request).await?.into_inner().run;
    let known = [
        ("users", bob.user),
        ("teams", carol.team.clone()),
        ("workflows", flow),
        ("templates", template(&alice).await?),
        ("workItems", item),
        ("sessions", session),
        ("plans", plan),
        ("runs", run.unwrap_or_default().name),
        ("repositories", repository),
    ];
    Ok(known.into_iter().filter(|(_, name)| !name.is_empty()).collect())
}

async fn template(person: &Person) -> Result<String, Status> {
    let templates = person.sees_templates().await?;
    Ok(templates.into_iter().next().unwrap_or_default().name)
}

/// Every method's requests, by a lead and by an admin.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for method in contract::methods() {
        for (at, body) in method.requests().into_iter().enumerate() {
            let who = if at % 2 == 0 { 3 } else { 0 };
            seeds.push([&method.choice()[..], &[who], &body].concat());
        }
    }
    seeds
}
