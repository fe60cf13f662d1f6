//! Help with metadata: what administrators see, what they never see, and the switch that stops
//! the agent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::admin::admin_service_client::AdminServiceClient;
use api::admin::{
    GetSystemOverviewRequest, GetUserRequest, KillSwitch, ListAllRunsRequest,
    ListUserSessionsRequest, ListUserWorkflowsRequest, ListUsersRequest, SetKillSwitchRequest,
};
use api::agent::{PlanRequest, RunState};
use api::audit::AuditEvent;
use testkit::model_server::{Reply, ScriptedModel};
use testkit::world::shapes::{assist, human, item, item_on, workflow};
use testkit::world::{Line, Person, Setup, World, eventually, log, refused};
use tokio::sync::Notify;
use tonic::{Code, Status};

/// Occurs in every field of content that the world has.
const CANARY: &str = "canary7f3a";

fn admin(world: &World, person: &Person) -> AdminServiceClient<Line> {
    person.over(world.admin_channel()).administration()
}

async fn switches(
    world: &World,
    person: &Person,
    team: &str,
    engaged: bool,
) -> Result<KillSwitch, Status> {
    let request = SetKillSwitchRequest {
        team: team.to_owned(),
        engaged,
        reason: if engaged { "an exercise".to_owned() } else { String::new() },
        ..SetKillSwitchRequest::default()
    };
    Ok(admin(world, person).set_kill_switch(request).await?.into_inner())
}

/// What she is on record for as an administrator, newest first.
async fn own_records(erin: &Person) -> Vec<AuditEvent> {
    let mut records = erin.lists_audit("").await.unwrap();
    records.retain(|record| record.action.starts_with("admin."));
    records
}

/// Everything an administrator can be told, as one text.
async fn everything(world: &World, erin: &Person) -> String {
    let mut told = String::new();
    let mut client = admin(world, erin);
    let users = client.list_users(ListUsersRequest::default()).await.unwrap().into_inner();
    told.extend([format!("{users:?}")]);
    for user in users.users {
        let name = user.name;
        let one = client.get_user(GetUserRequest { name: name.clone() }).await.unwrap();
        let request =
            ListUserWorkflowsRequest { user: name.clone(), ..ListUserWorkflowsRequest::default() };
        let workflows = client.list_user_workflows(request).await.unwrap();
        let request = ListUserSessionsRequest { user: name, ..ListUserSessionsRequest::default() };
        let sessions = client.list_user_sessions(request).await.unwrap();
        told.extend([format!("{one:?}{workflows:?}{sessions:?}")]);
    }
    let runs = client.list_all_runs(ListAllRunsRequest::default()).await.unwrap();
    let overview = client.get_system_overview(GetSystemOverviewRequest {}).await.unwrap();
    told.extend([format!("{runs:?}{overview:?}")]);
    told
}

testkit::on_both! {
    /// Who has the permission sees metadata of everybody; everybody else is refused, and every
    /// look leaves exactly one record.
    async fn metadata_is_for_administrators_and_on_record(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, erin] = world.people(["alice", "bob", "erin"]);
        let flow = workflow("Team board", &alice.team, [human("do")]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let made = bob.creates_item(item(&flow.name, "Something")).await.unwrap();
        bob.claims(&made).await.unwrap();

        let mut client = admin(&world, &erin);
        let user = GetUserRequest { name: bob.user.clone() };
        let seen = client.get_user(user.clone()).await.unwrap().into_inner();
        assert_eq!((seen.name.as_str(), seen.claimed_item_count, seen.team_count), (bob.user.as_str(), 1, 1));
        assert!(seen.last_active_time.is_some());
        let request =
            ListUserWorkflowsRequest { user: alice.user.clone(), ..ListUserWorkflowsRequest::default() };
        let listed = client.list_user_workflows(request).await.unwrap().into_inner().workflows;
        assert_eq!(listed[0].display_name, "Team board");
        assert_eq!((listed[0].open_items[0].stage_id.as_str(), listed[0].open_items[0].count), ("do", 1));
        let overview = client.get_system_overview(GetSystemOverviewRequest {}).await.unwrap();
        let overview = overview.into_inner();
        assert_eq!(overview.work_items[0].state, "CLAIMED");
        assert!(overview.database_bytes.unwrap() > 10_000 && overview.user_count >= 5);
        assert!(overview.machine.unwrap().memory_total_bytes.unwrap() > 1_000_000);

        let absent = GetUserRequest { name: format!("users/{}", uuid::Uuid::from_u128(rand::random())) };
        refused(client.get_user(absent).await, Code::NotFound, "USER_NOT_FOUND");
        let by_alice = admin(&world, &alice).get_user(user.clone()).await;
        refused(by_alice, Code::PermissionDenied, "PERMISSION_DENIED");
        // Nobody finds it at the port for everybody.
        let elsewhere = erin.administration().get_user(user).await.unwrap_err();
        assert_eq!(elsewhere.code(), Code::Unimplemented);

        let records = own_records(&erin).await;
        let actions: Vec<_> = records.iter().map(|record| record.action.as_str()).collect();
        let expected =
            ["admin.view.device_overview", "admin.view.user_workflows", "admin.view.user"];
        assert_eq!(actions, expected);
    }

    /// No answer, log line, metric or trace of the administration holds content.
    async fn no_content_reaches_an_administrator(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, erin] = world.people(["alice", "bob", "erin"]);
        let (repo, repository) = world.shop().await;
        let mut flow = workflow(&format!("Own {CANARY}"), "", [assist("think"), human("do")]);
        flow.description = CANARY.to_owned();
        flow.tags = vec![CANARY.to_owned()];
        flow.category = CANARY.to_owned();
        flow.stages[0].agent_prompt = format!("Think about {CANARY}");
        flow.stages[1].display_name = CANARY.to_owned();
        flow.visibility = api::permissions::Visibility::Personal.into();
        let own = bob.creates_workflow(flow.clone()).await.unwrap();
        flow.visibility = api::permissions::Visibility::Team.into();
        flow.team = bob.team.clone();
        flow.display_name = "A team's board".to_owned();
        let team = bob.creates_workflow(flow).await.unwrap();
        for flow in [&own.name, &team.name] {
            let mut new = item_on(flow, &format!("Title {CANARY}"), CANARY, &repository);
            new.tags = vec![CANARY.to_owned()];
            new.data = Some(testkit::world::shapes::data(serde_json::json!({ CANARY: CANARY })));
            let made = bob.creates_item(new).await.unwrap();
            let made = bob.awaits_agent(&made.name).await;
            bob.cancels(&made).await.unwrap();
        }
        let session = bob.opens_session(&repository).await.unwrap();
        let task = PlanRequest {
            session: session.name.clone(),
            input: format!("Plan for {CANARY}"),
            ..PlanRequest::default()
        };
        bob.plans(task).await.unwrap();
        bob.applies_diff(&repository, &repo.diff_adding("src/cart.rs", &format!("// {CANARY}")))
            .await
            .unwrap();
        world.settles().await;
        let before = log().len();

        let told = everything(&world, &erin).await;

        assert!(!told.contains(CANARY), "{told}");
        assert!(told.contains(&alice.user) && told.contains(&session.name), "{told}");
        assert!(!log()[before..].contains(CANARY));
        assert!(!crate::key_sets::metrics(&world).await.contains(CANARY));
        let records = own_records(&erin).await;
        assert!(!format!("{records:?}").contains(CANARY));
    }

    /// The switch stops what is at work within seconds; its item tells why and stays usable.
    async fn the_switch_stops_the_agent_and_lets_it_go_on(db: TestDb) {
        let held = Arc::new(Notify::new());
        let model = ScriptedModel::start([Reply::text("{}").held_by(held.clone())]).await;
        let endpoint = (model.base_url(), "scripted".to_owned(), String::new());
        let world = World::with(db, Setup { model: Some(endpoint), ..Setup::default() }).await;
        let [alice, bob, carol, erin] = world.people(["alice", "bob", "carol", "erin"]);
        let (_, repository) = world.shop().await;
        let flow = workflow("Work", &alice.team, [assist("think"), human("do")]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let new = || item_on(&flow.name, "Cart", "The cart is wrong", &repository);
        let first = bob.creates_item(new()).await.unwrap();
        let run = first.live_run.clone();
        eventually(async || match bob.sees_run(&run).await.unwrap().state() {
            RunState::Running => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;

        let by_bob = switches(&world, &bob, &bob.team, true).await;
        refused(by_bob, Code::PermissionDenied, "PERMISSION_DENIED");
        let everywhere = switches(&world, &carol, "", true).await;
        refused(everywhere, Code::PermissionDenied, "PERMISSION_DENIED");
        let without = SetKillSwitchRequest { engaged: true, ..SetKillSwitchRequest::default() };
        let without = admin(&world, &erin).set_kill_switch(without).await;
        refused(without, Code::InvalidArgument, "INVALID_ARGUMENT");

        let began = Instant::now();
        let switch = switches(&world, &carol, &carol.team, true).await.unwrap();
        assert!(switch.engaged && switch.changer == carol.user);
        eventually(async || match bob.sees_run(&run).await.unwrap().state() {
            RunState::Cancelled => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        held.notify_waiters();
        world.settles().await;
        eventually(async || {
            let first = bob.sees_item(&first.name).await.unwrap();
            if first.recommendation_error.is_empty() { Err("nothing".to_owned()) } else { Ok(()) }
        })
        .await;

        let mut client = admin(&world, &erin);
        let overview = client.get_system_overview(GetSystemOverviewRequest {}).await.unwrap();
        let engaged = overview.into_inner().kill_switches;
        assert_eq!(engaged.len(), 1, "{engaged:?}");
        assert_eq!((engaged[0].team.as_str(), engaged[0].reason.as_str()), (carol.team.as_str(), "an exercise"));
        switches(&world, &erin, &carol.team, false).await.unwrap();
        let overview = client.get_system_overview(GetSystemOverviewRequest {}).await.unwrap();
        assert_eq!(overview.into_inner().kill_switches, []);
        let second = bob.creates_item(new()).await.unwrap();
        let again = second.live_run.clone();
        eventually(async || match bob.sees_run(&again).await.unwrap().state() {
            RunState::Queued => Err("nobody has begun".to_owned()),
            _ => Ok(()),
        })
        .await;
    }
}
