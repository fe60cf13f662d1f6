//! Sessions: a person's context over several calls.

use api::agent::{
    ApplyRequest, BuildContextRequest, PlanRequest, RouteRequest, Session, SessionState,
    apply_request::Change,
};
use testkit::world::shapes::{human, item_on, workflow};
use testkit::world::{Repo, World, refused};
use tonic::Code;

fn route(session: &str) -> RouteRequest {
    let input = "Fix the cart".to_owned();
    RouteRequest { input, session: session.to_owned(), ..Default::default() }
}

testkit::on_both! {
    /// The session's repository and newest plan are used where a request names none, and
    /// fields that are given win.
    async fn a_session_carries_repository_and_plan(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let (repo, repository) = world.shop().await;
        let other = Repo::shop(&world.root_of("core").join("other"));
        let other = world.person("carol").registers(&other.dir).await.unwrap().name;
        let session = bob.opens_session(&repository).await.unwrap();
        assert_eq!(session.state(), SessionState::Active);
        assert!(session.current_plan.is_none());

        let input = "The cart's total is wrong".to_owned();
        let request = PlanRequest { input: input.clone(), session: session.name.clone(), ..Default::default() };
        let plan = bob.plans(request).await.unwrap();
        assert_eq!((&plan.repository, &plan.session), (&repository, &session.name));
        let seen = bob.sees_session(&session.name).await.unwrap();
        assert_eq!(seen.current_plan.map(|plan| plan.name), Some(plan.name.clone()));
        let context = BuildContextRequest {
            input: input.clone(),
            session: session.name.clone(),
            repository: other.clone(),
            ..Default::default()
        };
        assert_eq!(bob.builds_context(context).await.unwrap().repository, other);
        let apply = ApplyRequest {
            session: session.name.clone(),
            change: Some(Change::UnifiedDiff(repo.diff_adding("README.md", "More."))),
            ..Default::default()
        };
        let applied = bob.applies(apply).await.unwrap();
        assert_eq!(applied.run.unwrap().session, session.name);
        assert_eq!(applied.patch.unwrap().repository, repository);

        let stateless = PlanRequest { input, repository: repository.clone(), ..Default::default() };
        let stateless = bob.plans(stateless).await.unwrap();
        assert_eq!(stateless.session, "");
        let seen = bob.sees_session(&session.name).await.unwrap();
        assert_eq!(seen.current_plan.map(|plan| plan.name), Some(plan.name));
    }

    /// Each use moves the session's last activity; looking at it does not.
    async fn use_moves_the_last_activity_and_orders_the_list(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let (_, repository) = world.shop().await;
        let first = bob.opens_session(&repository).await.unwrap();
        let second = bob.opens_session(&repository).await.unwrap();
        let names = async || {
            let sessions = bob.lists_sessions(false).await.unwrap();
            sessions.into_iter().map(|session| session.name).collect::<Vec<_>>()
        };
        assert_eq!(names().await, [second.name.clone(), first.name.clone()]);
        let seen = bob.sees_session(&first.name).await.unwrap();
        assert_eq!(seen.last_activity_time, first.last_activity_time);

        bob.routes(route(&first.name)).await.unwrap();

        let seen = bob.sees_session(&first.name).await.unwrap();
        let moved = |session: &Session| session.last_activity_time.map(|time| (time.seconds, time.nanos));
        assert!(moved(&seen) > moved(&first));
        assert_eq!(names().await, [first.name, second.name]);
    }

    /// A closed session stays readable and refuses all work.
    async fn a_closed_session_refuses_work(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let (repo, repository) = world.shop().await;
        let session = bob.opens_session(&repository).await.unwrap().name;
        let closed = bob.closes_session(&session).await.unwrap();
        assert_eq!(closed.state(), SessionState::Closed);
        assert!(closed.close_time.is_some());

        let (input, name) = ("Fix the cart".to_owned(), session.clone());
        let plan = PlanRequest { input: input.clone(), session: name.clone(), ..Default::default() };
        let context = BuildContextRequest { input, session: name.clone(), ..Default::default() };
        let apply = ApplyRequest {
            session: name,
            change: Some(Change::UnifiedDiff(repo.diff_adding("README.md", "More."))),
            ..Default::default()
        };
        for answer in [
            bob.routes(route(&session)).await.map(drop),
            bob.plans(plan).await.map(drop),
            bob.builds_context(context).await.map(drop),
            bob.applies(apply).await.map(drop),
            bob.closes_session(&session).await.map(drop),
        ] {
            refused(answer, Code::FailedPrecondition, "SESSION_CLOSED");
        }
        assert_eq!(bob.sees_session(&session).await.unwrap(), closed);
        assert_eq!(bob.lists_sessions(false).await.unwrap().len(), 1);
        assert!(bob.lists_sessions(true).await.unwrap().is_empty());
    }

    /// A session is there after a restart, with its plan.
    async fn a_session_survives_a_restart(db: TestDb) {
        let mut world = World::start(db).await;
        let bob = world.person("bob");
        let (_, repository) = world.shop().await;
        let session = bob.opens_session(&repository).await.unwrap().name;
        let input = "The cart's total is wrong".to_owned();
        let request = PlanRequest { input, session: session.clone(), ..Default::default() };
        bob.plans(request).await.unwrap();
        let before = bob.sees_session(&session).await.unwrap();

        world.restart().await;

        let bob = world.person("bob");
        assert_eq!(bob.sees_session(&session).await.unwrap(), before);
        bob.routes(route(&session)).await.unwrap();
    }

    /// The repository and the item of a session are looked up anew at each use: who loses
    /// sight of them cannot go on.
    async fn an_attached_item_is_resolved_at_each_use(db: TestDb) {
        let world = World::start(db).await;
        let [alice, mia] = world.people(["alice", "mia"]);
        let (_, repository) = world.shop().await;
        let flow = workflow("Work", &alice.team, [human("do")]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let item = item_on(&flow.name, "Cart", "", &repository);
        let item = mia.creates_item(item).await.unwrap();
        let session = Session {
            repository: repository.clone(),
            work_item: item.name.clone(),
            ..Default::default()
        };
        let session = mia.opens(session).await.unwrap();
        assert_eq!(session.work_item, item.name);
        mia.routes(route(&session.name)).await.unwrap();

        world.revoke("mia", "core", "member").await;

        let status = mia.routes(route(&session.name)).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{status:?}");
    }
}
