//! What happens when somebody leaves a team, stops being a user, or a team is deleted: what
//! was left behind is given back, stops, or is put away, within seconds and once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::agent::apply_request::Change;
use api::agent::{ApplyRequest, PlanChange, PlanRequest, RunState, SessionState};
use api::permissions::{
    DeactivateUserRequest, DeleteTeamRequest, LeaveTeamRequest, RemoveMemberRequest,
};
use api::workflow::{FiringOutcome, Stage, WorkItem, WorkItemState, WorkItemVerb};
use testkit::database::{Backend, TestDb};
use testkit::engine::{ScriptedEngine, Step};
use testkit::world::shapes::{assist, human, item, item_on, on, workflow};
use testkit::world::{Person, Setup, World, eventually};
use tokio::sync::Notify;

/// How soon running work must have ended after the change was acknowledged.
const SOON: Duration = Duration::from_secs(5);

/// carol takes somebody out of *core*.
async fn removes(world: &World, person: &str) {
    let carol = world.person("carol");
    let user = world.person(person).user;
    let request = RemoveMemberRequest { team: carol.team.clone(), user, ..Default::default() };
    carol.directory().remove_member(request).await.unwrap();
}

/// erin ends somebody's being a user.
async fn deactivates(world: &World, person: &str) {
    let name = world.person(person).user;
    let request = DeactivateUserRequest { name, ..Default::default() };
    world.person("erin").directory().deactivate_user(request).await.unwrap();
}

/// A server with an engine that waits, and one run at a time.
async fn with_slow_engine(db: TestDb) -> (World, ScriptedEngine, Arc<Notify>) {
    let release = Arc::new(Notify::new());
    let engine = ScriptedEngine::new([
        Step::Hold(release.clone()),
        Step::append("src/cart.rs", "// Emptied carts cost nothing.\n"),
    ]);
    let setup = Setup {
        engines: vec![Arc::new(engine.clone())],
        variables: vec![("ELOHIM_WORKER__CONCURRENCY", "1".into())],
        ..Setup::default()
    };
    (World::with(db, setup).await, engine, release)
}

/// Asks an engine to carry out a plan, without waiting; returns the run's name.
async fn orders(person: &Person, repository: &str, work_item: &str) -> String {
    let plan = person.plans_task(repository, "Fix the cart").await.unwrap().name;
    let request = ApplyRequest {
        repository: repository.to_owned(),
        work_item: work_item.to_owned(),
        change: Some(Change::Plan(PlanChange { name: plan, ..Default::default() })),
        ..Default::default()
    };
    person.agent().apply(request).await.unwrap().into_inner().run.unwrap().name
}

/// A plan about an item: an event in the item's tenant.
async fn plans_about(person: &Person, repository: &str, work_item: &str) {
    let request = PlanRequest {
        repository: repository.to_owned(),
        input: "Fix the cart".into(),
        work_item: work_item.to_owned(),
        ..Default::default()
    };
    person.plans(request).await.unwrap();
}

/// A workflow of a team, or of the person alone.
async fn publishes(person: &Person, name: &str, team: &str, stages: Vec<Stage>) -> String {
    person.creates_workflow(workflow(name, team, stages)).await.unwrap().name
}

/// All runs and events are done with, and every end that nobody holds is recorded.
async fn all_is_told(world: &World) {
    world.settles().await;
    let untold = "select count(*) from agent_run where settled_at is null \
                  and state in ('CANCELLED', 'DEAD', 'TIMED_OUT')";
    eventually(async || match world.probe().count(untold).await {
        0 => Ok(()),
        left => Err(format!("{left} ends are not told")),
    })
    .await;
    world.settles().await;
}

/// Branches and run refs of the mirror: what a commit leaves.
fn refs(world: &World, repository: &str) -> usize {
    let mirror = world.mirror(repository);
    ["refs/heads/elohim/*", "refs/elohim/runs/*"]
        .map(|glob| mirror.references_glob(glob).unwrap().count())
        .iter()
        .sum()
}

/// The records of one action: who, and about what.
async fn recorded(world: &World, action: &str) -> Vec<(String, String)> {
    let all = world.probe().recorded().await;
    let of_action = all.into_iter().filter(|record| record.action == action);
    of_action.map(|record| (record.actor, record.resource)).collect()
}

/// A person's id as records have it.
fn actor(person: &Person) -> String {
    person.id.as_uuid().simple().to_string()
}

/// Everything that is stored, but for deliveries and what calls cost.
async fn stored(world: &World) -> std::collections::BTreeMap<String, Vec<String>> {
    let mut tables = world.probe().dump().await;
    tables.retain(|name, _| !["outbox", "rate_limit"].contains(&name.as_str()));
    tables
}

/// Delivers an event again that was delivered before.
async fn delivers_again(world: &World, event_type: &str) {
    let again = format!(
        "update outbox set state = 'PENDING', finished_at = null, due_at = 1 \
         where event_type = '{event_type}'"
    );
    world.probe().changes(&again).await;
    world.settles().await;
}

fn is_nobodys(item: &WorkItem) -> bool {
    item.state() == WorkItemState::Pending && item.assignee.is_empty()
}

testkit::on_both! {
    /// What a member had claimed is anybody's again, says why, and only that: others' items
    /// and his own stay. A second delivery of the event changes nothing.
    async fn what_a_member_held_is_given_back(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol, mia] = world.people(["alice", "bob", "carol", "mia"]);
        let flow = publishes(&alice, "Work", &alice.team, vec![human("do"), human("check")]).await;
        let own = publishes(&bob, "Mine", "", vec![human("do")]).await;
        let claimed = bob.creates_item(item(&flow, "Claimed")).await.unwrap();
        bob.claims(&claimed).await.unwrap();
        let begun = bob.creates_item(item(&flow, "Begun")).await.unwrap();
        bob.starts(&bob.claims(&begun).await.unwrap()).await.unwrap();
        let hers = alice.creates_item(item(&flow, "Hers")).await.unwrap();
        alice.claims(&hers).await.unwrap();
        let mine = bob.creates_item(item(&own, "Mine")).await.unwrap();
        bob.claims(&mine).await.unwrap();

        removes(&world, "bob").await;
        all_is_told(&world).await;

        for given_back in [&claimed, &begun] {
            let seen = alice.sees_item(&given_back.name).await.unwrap();
            assert!(is_nobodys(&seen), "{seen:#?}");
            assert_eq!(seen.stage_id, "do");
            let history = alice.sees_history(&given_back.name).await.unwrap();
            let last = history.last().unwrap();
            assert_eq!(last.verb(), WorkItemVerb::Release);
            assert_eq!((&last.actor, last.note.as_str()), (&carol.user, "left the team"));
        }
        assert_eq!(alice.sees_item(&hers.name).await.unwrap().assignee, alice.user);
        assert_eq!(bob.sees_item(&mine.name).await.unwrap().assignee, bob.user);
        let mut released = recorded(&world, "work_item.released").await;
        released.sort();
        let mut expected = [&claimed, &begun].map(|item| (actor(&carol), item.name.clone()));
        expected.sort();
        assert_eq!(released, expected);
        mia.claims(&claimed).await.unwrap();

        let before = stored(&world).await;
        delivers_again(&world, "directory.member.left").await;
        assert_eq!(stored(&world).await, before);
    }

    /// He may as well leave by himself, and come back before the server knew that he left:
    /// what he took up since then stays his.
    async fn who_came_back_keeps_what_he_took_up(db: TestDb) {
        let mut world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = publishes(&alice, "Work", &alice.team, vec![human("do")]).await;
        let before = bob.creates_item(item(&flow, "Before")).await.unwrap();
        bob.claims(&before).await.unwrap();
        world.restart_with_worker(false).await;
        let bob = world.person("bob");
        let request = LeaveTeamRequest { team: bob.team.clone(), ..Default::default() };
        bob.directory().leave_team(request).await.unwrap();
        world.assign("bob", "core", "developer").await;
        let since = bob.creates_item(item(&flow, "Since")).await.unwrap();
        bob.claims(&since).await.unwrap();

        world.restart_with_worker(true).await;
        all_is_told(&world).await;

        let bob = world.person("bob");
        assert!(is_nobodys(&bob.sees_item(&before.name).await.unwrap()));
        assert_eq!(bob.sees_item(&since.name).await.unwrap().assignee, bob.user);
        assert_eq!(recorded(&world, "work_item.released").await, [(actor(&bob), before.name)]);
    }

    /// A queued run of his never begins, on a team's item or on its repository; the item says
    /// so and goes on. Others' runs are not touched.
    async fn a_queued_run_never_begins(db: TestDb) {
        let (world, engine, release) = with_slow_engine(db).await;
        let [alice, bob, carol] = world.people(["alice", "bob", "carol"]);
        let (_, repository) = world.shop().await;
        let flow = publishes(&alice, "Work", &alice.team, vec![assist("think"), human("do")]).await;
        let hers = orders(&alice, &repository, "").await;
        engine.started().await;
        let thinking = item_on(&flow, "Cart", "", &repository);
        let thinking = bob.creates_item(thinking).await.unwrap();
        let beside = orders(&bob, &repository, "").await;

        removes(&world, "bob").await;
        let seen = alice.awaits_agent(&thinking.name).await;
        let begun = "select count(*) from agent_run where state = 'CANCELLED' and attempt > 0";
        assert_eq!(world.probe().count(begun).await, 0);
        release.notify_one();
        all_is_told(&world).await;

        assert!(seen.recommendation_error.starts_with("PRINCIPAL_LEFT"), "{seen:#?}");
        let runs = alice.lists_runs(&thinking.name).await.unwrap();
        assert_eq!(runs.len(), 1);
        let beside = bob.sees_run(&beside).await.unwrap();
        for run in [&runs[0], &beside] {
            let reason = run.error.as_ref().unwrap().reason.as_str();
            assert_eq!((run.state(), reason), (RunState::Cancelled, "PRINCIPAL_LEFT"));
        }
        let mut cancelled = recorded(&world, "agent.run.cancelled").await;
        cancelled.sort();
        let mut expected = [&runs[0], &beside].map(|run| (actor(&carol), run.name.clone()));
        expected.sort();
        assert_eq!(cancelled, expected);
        assert_eq!(alice.sees_run(&hers).await.unwrap().state(), RunState::Succeeded);
        assert_eq!(engine.runs().started, 1);
        let rerun = alice.reruns_agent(&seen).await.unwrap();
        assert_eq!(alice.awaits_end(&rerun.name).await.state(), RunState::Succeeded);
        let seen = alice.sees_item(&thinking.name).await.unwrap();
        assert!(seen.recommendation_error.is_empty());
        assert_eq!(alice.completes(&seen).await.unwrap().stage_id, "do");
    }

    /// Work that runs for him ends within 5 s and leaves no commit, though the engine never
    /// comes back; the item says so and goes on.
    async fn running_work_stops_soon(db: TestDb) {
        let (world, engine, _) = with_slow_engine(db).await;
        let [alice, bob, carol] = world.people(["alice", "bob", "carol"]);
        let (_, repository) = world.shop().await;
        world.allow_auto_apply(&repository, true).await;
        let stage = Stage { agent_auto_apply: true, ..assist("fix") };
        let flow = publishes(&carol, "Fixing", &carol.team, vec![stage, human("done")]).await;
        let fixing = item_on(&flow, "Cart", "Empty carts", &repository);
        let fixing = bob.creates_item(fixing).await.unwrap();
        engine.started().await;

        removes(&world, "bob").await;
        let since = Instant::now();
        let stopped = engine.when(|runs| runs.stopped == 1);
        tokio::time::timeout(SOON, stopped).await.expect("the engine is stopped");
        let after = since.elapsed();
        assert!(after < SOON, "stopped after {after:?}");
        all_is_told(&world).await;

        let seen = alice.sees_item(&fixing.name).await.unwrap();
        assert!(seen.recommendation_error.starts_with("PRINCIPAL_LEFT"), "{seen:#?}");
        let runs = alice.lists_runs(&fixing.name).await.unwrap();
        assert_eq!((runs.len(), runs[0].state()), (1, RunState::Cancelled));
        assert_eq!(refs(&world, &repository), 0);
        assert!(alice.lists_patches(&fixing.name).await.unwrap().is_empty());
        assert_eq!(alice.completes(&seen).await.unwrap().stage_id, "done");
        let before = stored(&world).await;
        delivers_again(&world, "directory.member.left").await;
        assert_eq!(stored(&world).await, before);
    }

    /// A trigger stops with whoever set it, says so, and goes on when that person is back.
    async fn a_trigger_stops_with_whoever_set_it(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol] = world.people(["alice", "bob", "carol"]);
        let (_, repository) = world.shop().await;
        let echo = on(workflow("Echo", &alice.team, [human("look")]), &["agent.plan.completed"]);
        let echo = alice.creates_workflow(echo).await.unwrap().name;
        let flow = publishes(&carol, "Work", &carol.team, vec![human("do")]).await;
        let made = bob.creates_item(item_on(&flow, "Cart", "", &repository)).await.unwrap().name;
        let echoed = async || {
            plans_about(&bob, &repository, &made).await;
            world.settles().await;
            carol.lists_items(&echo).await.unwrap().len()
        };
        assert_eq!(echoed().await, 1);
        removes(&world, "alice").await;
        assert_eq!(echoed().await, 1);
        let firings = carol.sees_firings(&echo).await.unwrap();
        assert_eq!(firings.len(), 2);
        assert_eq!((firings[0].outcome(), firings[0].reason.as_str()), (FiringOutcome::Refused, "SETTER_LEFT"));
        world.assign("alice", "core", "lead").await;
        assert_eq!(echoed().await, 2);
    }

    /// Who is no longer a user leaves nothing at work, anywhere: items are given back, runs
    /// stop, what was personal is put away, sessions are closed, triggers are silent.
    async fn who_is_deactivated_leaves_nothing_at_work(db: TestDb) {
        let (mut world, _, _) = with_slow_engine(db).await;
        let [alice, bob, erin] = world.people(["alice", "bob", "erin"]);
        let (_, repository) = world.shop().await;
        world.assign("bob", "payments", "member").await;
        let flow = publishes(&alice, "Work", &alice.team, vec![human("do")]).await;
        let theirs = world.person("dave");
        let theirs = publishes(&theirs, "Theirs", &theirs.team, vec![human("do")]).await;
        let own = on(workflow("Mine", "", [human("do")]), &["agent.plan.completed"]);
        let own = bob.creates_workflow(own).await.unwrap().name;
        let mut held = Vec::new();
        for flow in [&flow, &theirs, &own] {
            let made = bob.creates_item(item_on(flow, "Held", "", &repository)).await.unwrap();
            held.push(bob.claims(&made).await.unwrap().name);
        }
        let session = bob.opens_session(&repository).await.unwrap().name;
        let hers = alice.opens_session(&repository).await.unwrap().name;
        let items = world.probe().count("select count(*) from work_item").await;
        world.restart_with_worker(false).await;
        let bob = world.person("bob");
        // On their way when he goes.
        plans_about(&bob, &repository, &held[0]).await;
        let run = orders(&bob, &repository, "").await;

        deactivates(&world, "bob").await;
        world.restart_with_worker(true).await;
        all_is_told(&world).await;

        let [alice, dave] = world.people(["alice", "dave"]);
        assert!(is_nobodys(&alice.sees_item(&held[0]).await.unwrap()));
        let seen = dave.sees_item(&held[1]).await.unwrap();
        assert!(is_nobodys(&seen));
        assert_eq!(dave.sees_history(&held[1]).await.unwrap().last().unwrap().note, "deactivated");
        let probe = world.probe();
        let number = async |query: &str| probe.count(&format!("select count(*) from {query}")).await;
        assert_eq!(number("work_item where assignee_id is not null").await, 0);
        assert_eq!(number("work_item").await, items, "no trigger made one");
        assert_eq!(number("workflow where deleted_at is not null").await, 1);
        assert_eq!(number("workflow where deleted_at is null and display_name = 'Mine'").await, 0);
        assert_eq!(number("session where state = 'CLOSED'").await, 1);
        let open = alice.sees_session(&hers).await.unwrap();
        assert_eq!(open.state(), SessionState::Active);
        assert_eq!(number("agent_run where state = 'CANCELLED' and problem_reason = 'PRINCIPAL_LEFT'").await, 1);
        assert_eq!(refs(&world, &repository), 0);

        let by_erin = |names: &[&String]| {
            let mut rows: Vec<_> = names.iter().map(|name| (actor(&erin), (*name).clone())).collect();
            rows.sort();
            rows
        };
        for (action, names) in [
            ("work_item.released", held.iter().collect::<Vec<_>>()),
            ("workflow.deleted", vec![&own]),
            ("agent.session.closed", vec![&session]),
            ("agent.run.cancelled", vec![&run]),
        ] {
            let mut rows = recorded(&world, action).await;
            rows.sort();
            assert_eq!(rows, by_erin(&names), "{action}");
        }
        let before = stored(&world).await;
        delivers_again(&world, "directory.user.deactivated").await;
        assert_eq!(stored(&world).await, before);
    }

    /// A deleted team's workflows are put away and its runs stop, also those on its
    /// repositories; items stay as they were, and other teams are not touched.
    async fn a_deleted_team_leaves_nothing_at_work(db: TestDb) {
        let (world, engine, _) = with_slow_engine(db).await;
        let [alice, bob, dave, erin] = world.people(["alice", "bob", "dave", "erin"]);
        let (_, repository) = world.shop().await;
        let flow = publishes(&alice, "Work", &alice.team, vec![assist("think"), human("do")]).await;
        let theirs = publishes(&dave, "Theirs", &dave.team, vec![human("do")]).await;
        let hers = orders(&alice, &repository, "").await;
        engine.started().await;
        bob.creates_item(item_on(&flow, "Cart", "", &repository)).await.unwrap();

        let request = DeleteTeamRequest { name: alice.team.clone(), force: true, ..Default::default() };
        erin.directory().delete_team(request).await.unwrap();
        let stopped = engine.when(|runs| runs.stopped == 1);
        tokio::time::timeout(SOON, stopped).await.expect("the engine is stopped");
        all_is_told(&world).await;

        let run = alice.sees_run(&hers).await.unwrap();
        assert_eq!((run.state(), run.error.unwrap().reason.as_str()), (RunState::Cancelled, "TEAM_DELETED"));
        let probe = world.probe();
        let number = async |query: &str| probe.count(&format!("select count(*) from {query}")).await;
        assert_eq!(number("agent_run where problem_reason = 'TEAM_DELETED'").await, 2);
        assert_eq!(number("workflow where deleted_at is not null").await, 1);
        assert_eq!(number("work_item where state = 'PENDING'").await, 1, "it stays as it was");
        dave.sees_workflow(&theirs).await.unwrap();
        assert_eq!(recorded(&world, "workflow.deleted").await, [(actor(&erin), flow)]);
        assert_eq!(refs(&world, &repository), 0);
    }

    /// When the server stumbles on the way, what was done is not done again, and the rest
    /// follows.
    async fn a_reaction_goes_on_where_it_broke_off(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = publishes(&alice, "Work", &alice.team, vec![human("do")]).await;
        for title in ["First", "Stone", "Last"] {
            let made = bob.creates_item(item(&flow, title)).await.unwrap();
            bob.claims(&made).await.unwrap();
        }
        let (lay, lift) = match world.backend() {
            Backend::Sqlite => (
                "create trigger stumble before update on work_item when new.title = 'Stone' \
                 begin select raise(abort, 'stumbled'); end",
                "drop trigger stumble",
            ),
            Backend::Postgres => (
                "create function stumble() returns trigger language plpgsql as \
                 $$ begin if new.title = 'Stone' then raise 'stumbled'; end if; return new; end $$; \
                 create trigger stumble before update on work_item \
                 for each row execute function stumble()",
                "drop trigger stumble on work_item",
            ),
        };
        world.probe().changes(lay).await;
        removes(&world, "bob").await;
        let tried = "select count(*) from outbox where event_type = 'directory.member.left' \
                     and problem is not null";
        eventually(async || match world.probe().count(tried).await {
            0 => Err("not yet"),
            _ => Ok(()),
        })
        .await;
        let held = alice.lists_items(&flow).await.unwrap();
        let held: Vec<_> = held.iter().filter(|item| !is_nobodys(item)).map(|item| item.title.as_str()).collect();
        assert_eq!(held, ["Last", "Stone"], "newest first");
        world.probe().changes(lift).await;
        all_is_told(&world).await;

        assert!(alice.lists_items(&flow).await.unwrap().iter().all(is_nobodys));
        let released = "select count(*) from transition where verb = 'release'";
        assert_eq!(world.probe().count(released).await, 3);
        assert_eq!(recorded(&world, "work_item.released").await.len(), 3);
    }
}
