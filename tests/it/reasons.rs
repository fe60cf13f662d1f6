//! Reasons that need a failing machine, a missing worker, or bad luck; and that every reason
//! of the catalogue is produced somewhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::agent::apply_request::Change;
use api::agent::{ApplyRequest, PlanChange, RevertPatchRequest, RunState};
use api::workflow::{Assignment, AssignmentType, Stage, WorkItemState};
use testkit::engine::{ScriptedEngine, Step};
use testkit::world::shapes::{assist, human, item, item_on, workflow};
use testkit::world::{Person, Refused as _, Setup, World, eventually, log, refused};
use tonic::{Code, Status};

const STATE: Code = Code::FailedPrecondition;

/// Calls of one person at work at once, by the contract's edge limits.
const CALLS_OF_ONE: usize = 64;

fn engine_setup(engine: &ScriptedEngine) -> Setup {
    Setup { engines: vec![Arc::new(engine.clone())], ..Setup::default() }
}

/// Asks an engine to carry out a plan, without waiting.
async fn orders(person: &Person, repository: &str) -> Result<String, Status> {
    let plan = person.plans_task(repository, "Fix the cart").await?.name;
    let request = ApplyRequest {
        repository: repository.to_owned(),
        change: Some(Change::Plan(PlanChange { name: plan, ..Default::default() })),
        ..Default::default()
    };
    Ok(person.agent().apply(request).await?.into_inner().run.expect("a run").name)
}

testkit::on_both! {
    /// A broken database is INTERNAL: the caller gets an id and nothing else, the log has
    /// the cause under that id.
    async fn an_internal_cause_is_in_the_log_alone(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let made = crate::items::simple_item(&world).await;
        world.probe().changes("alter table work_item rename to hidden_items").await;

        let status = refused(bob.sees_item(&made.name).await, Code::Internal, "INTERNAL");

        assert_eq!(status.message(), "internal error");
        let shown = format!("{status:?}");
        assert!(!shown.contains("work_item") && !shown.contains("does not exist"), "{shown}");
        let id = status.fact("correlation_id").expect("an id");
        let header = status.metadata().get("x-request-id").expect("a header");
        assert_eq!(header.to_str().unwrap(), id);
        let lines = log();
        let about = lines.lines().find(|line| line.contains(&id) && line.contains("work_item"));
        assert!(about.is_some(), "the cause is not in the log");
    }

    /// A database that cannot be written to, or drops its connections, is UNAVAILABLE at
    /// worst, and the server comes back with it.
    async fn a_database_that_goes_away_is_unavailable_and_comes_back(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let made = crate::items::simple_item(&world).await;
        for _ in 0..3 {
            world.probe().ends_connections().await;
            if let Err(status) = bob.claims(&made).await {
                let known = [(Code::Unavailable, "DATABASE_UNAVAILABLE"), (STATE, "ALREADY_CLAIMED")];
                assert!(known.contains(&(status.code(), status.reason().as_str())), "{status:?}");
            }
        }
        eventually(async || bob.sees_item(&made.name).await.map_err(|status| status.to_string())).await;
        if world.backend() == testkit::database::Backend::Sqlite {
            world.probe().keeps_from_writing().await;
            let answer = bob.creates_item(item(&made.workflow, "Late")).await;
            refused(answer, Code::Unavailable, "DATABASE_UNAVAILABLE");
            world.probe().lets_write().await;
        }
        bob.creates_item(item(&made.workflow, "Later")).await.unwrap();
    }

    /// One person's calls cannot take all the room: beyond a limit they are refused, others
    /// are served.
    async fn one_person_cannot_take_all_the_room(db: TestDb) {
        let world = World::start(db).await;
        let [bob, mia] = world.people(["bob", "mia"]);
        let made = crate::items::simple_item(&world).await;
        world.probe().keeps_from_writing().await;
        let lines: Vec<Person> = (0..4).map(|_| bob.over(world.another_channel())).collect();
        let calls = (0..CALLS_OF_ONE + 40).map(|at| {
            let (line, new) = (lines[at % 4].clone(), item(&made.workflow, "One of many"));
            tokio::spawn(async move { line.creates_item(new).await })
        });
        let calls: Vec<_> = calls.collect();
        let served = mia.over(world.another_channel());
        let permission = api::permissions::GetMeRequest {};
        eventually(async || {
            let waiting = calls.iter().filter(|call| !call.is_finished()).count();
            if waiting <= CALLS_OF_ONE { Ok(()) } else { Err(format!("{waiting} calls wait")) }
        })
        .await;
        world.probe().lets_write().await;
        served.directory().get_me(permission).await.expect("others are served");

        let mut refusals = 0;
        for call in calls {
            if let Err(status) = call.await.unwrap() {
                let known = [(Code::ResourceExhausted, "TOO_MANY_CALLS"), (Code::Unavailable, "DATABASE_UNAVAILABLE")];
                assert!(known.contains(&(status.code(), status.reason().as_str())), "{status:?}");
                refusals += usize::from(status.code() == Code::ResourceExhausted);
            }
        }
        assert!(refusals >= 40, "only {refusals} calls were refused");
    }

    /// While a revert waits for a worker, another one is refused; later changes on the
    /// branch stand in its way.
    async fn a_patch_is_taken_back_once(db: TestDb) {
        let mut world = World::start(db).await;
        let (repo, repository) = world.shop().await;
        let bob = world.person("bob");
        let applied = bob.applies_diff(&repository, &repo.diff_adding("README.md", "More.")).await;
        let patch = applied.unwrap().patch.unwrap();
        let moved = bob.applies_diff(&repository, &repo.diff_adding("src/tax.rs", "// More.")).await;
        let moved = moved.unwrap().patch.unwrap();
        world.restart_with_worker(false).await;
        let bob = world.person("bob");
        let revert = |name: &str| RevertPatchRequest { name: name.to_owned(), ..Default::default() };

        let queued = bob.patches().revert_patch(revert(&patch.name)).await.unwrap().into_inner();
        assert_eq!(queued.state(), RunState::Queued);
        let second = bob.patches().revert_patch(revert(&patch.name)).await;
        refused(second, STATE, "REVERT_IN_PROGRESS");

        let mirror = world.mirror(&repository);
        commits_over(&mirror, &moved.branch, "src/tax.rs");
        let late = bob.patches().revert_patch(revert(&moved.name)).await;
        refused(late, STATE, "BRANCH_MOVED");
    }

    /// An engine that fails, or is gone when its turn comes, ends the run with its reason.
    async fn an_engine_that_does_not_help_ends_the_run(db: TestDb) {
        let engine = ScriptedEngine::new([Step::fail("no idea")]);
        let mut world = World::with(db, engine_setup(&engine)).await;
        let (_, repository) = world.shop().await;
        let bob = world.person("bob");
        let failed = orders(&bob, &repository).await.unwrap();
        let failed = bob.awaits_end(&failed).await;
        assert_eq!((failed.state(), failed.error.unwrap().reason), (RunState::Failed, "ENGINE_FAILED".into()));

        world.restart_with_worker(false).await;
        let late = orders(&world.person("bob"), &repository).await.unwrap();
        engine.set_problem(Some("uninstalled"));
        world.restart_with_worker(true).await;
        let late = world.person("bob").awaits_end(&late).await;
        assert_eq!((late.state(), late.error.unwrap().reason), (RunState::Failed, "ENGINE_UNAVAILABLE".into()));
        refused(orders(&world.person("bob"), &repository).await, STATE, "NO_PATCH");
        assert_eq!(world.mirror(&repository).references_glob("refs/heads/elohim/*").unwrap().count(), 0);
    }

    /// A run that is not done in its time, or fails at every attempt, ends; its item says why
    /// and goes on.
    async fn a_run_without_an_end_is_ended(db: TestDb) {
        let mut world = World::start(db).await;
        let (_, repository) = world.shop().await;
        world.restart_with_worker(false).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = workflow("Work", &alice.team, [assist("think"), human("do")]);
        let flow = alice.creates_workflow(flow).await.unwrap().name;
        for (change, state, reason) in [
            ("update agent_run set deadline_at = 1 where state = 'QUEUED'", RunState::TimedOut, "RUN_TIMED_OUT"),
            (
                "update agent_run set state = 'RUNNING', attempt = max_attempts, lease_until = 1 where state = 'QUEUED'",
                RunState::Dead,
                "RUN_ATTEMPTS_EXHAUSTED",
            ),
        ] {
            let bob = world.person("bob");
            let made = bob.creates_item(item_on(&flow, "Cart", "", &repository)).await.unwrap();
            world.probe().changes(change).await;
            world.restart_with_worker(true).await;
            let bob = world.person("bob");
            let run = bob.awaits_end(&made.live_run).await;
            assert_eq!(run.state(), state, "{run:#?}");
            let made = bob.awaits_agent(&made.name).await;
            assert!(made.recommendation_error.starts_with(reason), "{made:#?}");
            assert_eq!(made.state(), WorkItemState::Pending);
            assert_eq!(bob.completes(&made).await.unwrap().stage_id, "do");
            world.restart_with_worker(false).await;
        }
        drop(bob);
    }

    /// What does not exist is named by its kind.
    async fn what_does_not_exist_is_named_by_its_kind(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let (_, repository) = world.shop().await;
        let unused = |collection: &str| World::unused(&format!("{collection}/x"));
        let user = Assignment { r#type: AssignmentType::User.into(), user: unused("users"), ..Default::default() };
        let assigned = workflow("New", &alice.team, [Stage { assignment: Some(user), ..human("do") }]);
        let template = api::workflow::GetTemplateRequest { name: unused("templates") };
        let plan = ApplyRequest {
            repository: repository.clone(),
            change: Some(Change::Plan(PlanChange { name: unused("plans"), ..Default::default() })),
            ..Default::default()
        };
        for (answer, reason) in [
            (alice.creates_workflow(assigned).await.map(drop), "USER_NOT_FOUND"),
            (alice.templates().get_template(template).await.map(drop), "TEMPLATE_NOT_FOUND"),
            (alice.applies(plan).await.map(drop), "PLAN_NOT_FOUND"),
            (alice.plans_task(&unused("repositories"), "x").await.map(drop), "REPOSITORY_NOT_FOUND"),
            (alice.sees_run(&unused("runs")).await.map(drop), "RUN_NOT_FOUND"),
            (alice.sees_patch(&unused("patches")).await.map(drop), "PATCH_NOT_FOUND"),
        ] {
            refused(answer, Code::NotFound, reason);
        }
        let answer = alice.sends("elohim.agent.v1.AgentService/Nothing", Vec::new()).await;
        refused(answer, Code::Unimplemented, "METHOD_NOT_FOUND");
    }
}

/// Somebody else commits to a branch of the mirror.
fn commits_over(mirror: &git2::Repository, branch: &str, path: &str) {
    let tip = mirror.find_reference(branch).unwrap().peel_to_commit().unwrap();
    let blob = mirror.blob(b"// Something else.\n").unwrap();
    let mut update = git2::build::TreeUpdateBuilder::new();
    update.upsert(path, blob, git2::FileMode::Blob);
    let tree = update.create_updated(mirror, &tip.tree().unwrap()).unwrap();
    let tree = mirror.find_tree(tree).unwrap();
    let who = git2::Signature::new("Ann", "ann@example.org", &git2::Time::new(1, 0)).unwrap();
    mirror.commit(Some(branch), &who, &who, "Over it", &tree, &[&tip]).unwrap();
}

/// Reasons that these tests cannot bring about, and where they are made.
fn elsewhere() -> Vec<(&'static str, &'static str)> {
    let rows = include_str!("reasons-elsewhere.csv").lines().skip(1);
    rows.map(|row| row.split_once(',').expect("a reason and a place")).collect()
}

/// The catalogue and the tests agree: each reason is in a test, or listed above with the
/// place that has it.
#[test]
fn every_reason_is_in_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tests = text_below(&root.join("tests/it"), "reasons.rs");
    let here = include_str!("reasons.rs").split("fn elsewhere").next().unwrap_or_default();
    let (elsewhere, mut missing) = (elsewhere(), Vec::new());
    for reason in server::docs::REASONS {
        let quoted = format!("\"{}\"", reason.name);
        let inside = format!("\"{}", reason.name);
        let elsewhere = elsewhere.iter().find(|(name, _)| *name == reason.name);
        let is_held = match elsewhere {
            Some((_, place)) => text_below(&root.join(place), "").contains(reason.name),
            None => tests.contains(&inside) || here.contains(&quoted),
        };
        if !is_held {
            missing.push(reason.name);
        }
    }
    assert_eq!(missing, Vec::<&str>::new());
}

/// All Rust sources below a path, in one text.
fn text_below(path: &Path, but: &str) -> String {
    if path.is_file() {
        return std::fs::read_to_string(path).unwrap_or_default();
    }
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let wanted = |entry: &PathBuf| entry.is_dir() || entry.extension().is_some_and(|e| e == "rs");
    let named = |entry: &PathBuf| entry.file_name().is_none_or(|name| name != but);
    entries.iter().filter(|e| wanted(e) && named(e)).map(|entry| text_below(entry, but)).collect()
}
