//! [`DirectoryTx`]: users and teams. Changes are made one after the other, and what changes a
//! right raises the policy epoch.

use audit::AuditEvent;
use audit::port::{AuditFilter, AuditPlace};
use directory::store::{Belongings, DirectoryTx, Reach, StoreError};
use directory::{NewAssignment, Team, User};
use events::{EventRecord, Once};
use permissions::{
    AssignmentScope, Caller, Cleared, DirectoryRead, DirectoryWrite, UserKind, WorkflowsCreate,
};
use primitives::{PageRequest, TeamId, Tenant, UserId};
use serde_json::json;
use workflow_core::model::Workflow;

use super::roles::held;
use super::values::{self, at};
use super::{Stand, agent};

/// Erin as founder, with the rights she has now.
pub(super) async fn founder(stand: &Stand) -> Caller {
    let held = NewAssignment {
        user: stand.erin,
        scope: AssignmentScope::System,
        role: "founder".into(),
        expires_at: None,
    };
    stand.ports.admin.assign(&held, at(0)).await.unwrap();
    current(stand, stand.erin).await
}

/// Somebody with the rights that are stored now.
pub(super) async fn current(stand: &Stand, user: UserId) -> Caller {
    stand.authorizer.refresh().await.unwrap();
    stand.caller(user)
}

/// Clears what the founder changes.
pub(super) fn clear<T>(founder: &Caller, row: T) -> Cleared<T> {
    founder.require::<DirectoryWrite>().unwrap().admit_system().unwrap().clear(row)
}

/// A change of the directory by somebody with the rights that are stored now.
pub(super) async fn change(stand: &Stand, user: UserId) -> Box<dyn DirectoryTx> {
    let caller = current(stand, user).await;
    stand.ports.directory.begin(&caller.scope()).await.unwrap()
}

pub(super) async fn epoch(stand: &Stand) -> i64 {
    stand.ports.policy.stored_epoch().await.unwrap()
}

fn service(name: &str) -> User {
    User {
        id: UserId::generate(),
        subject: None,
        certificate_name: Some(format!("spiffe://example/{name}")),
        display_name: "Größe ✓".into(),
        kind: UserKind::Service,
        active: true,
        may_apply: false,
        created_at: at(10),
        deactivated_at: None,
        away_until: Some(at(9)),
        version: 1,
    }
}

pub(super) fn person(subject: &str) -> User {
    User {
        subject: Some(subject.into()),
        certificate_name: None,
        kind: UserKind::Person,
        may_apply: true,
        ..service(subject)
    }
}

pub(super) fn team(slug: &str) -> Team {
    Team {
        id: TeamId::generate(),
        slug: slug.into(),
        display_name: "Größe ✓".into(),
        created_at: at(10),
        deleted_at: None,
        version: 1,
    }
}

pub(super) async fn add_team(stand: &Stand, row: &Team) {
    let founder = founder(stand).await;
    let mut tx = change(stand, stand.erin).await;
    tx.add_team(clear(&founder, row.clone())).await.unwrap();
    tx.commit().await.unwrap();
}

pub(super) async fn delete_team(stand: &Stand, id: TeamId) {
    let founder = founder(stand).await;
    let mut tx = change(stand, stand.erin).await;
    let mut row = tx.find_team(id).await.unwrap().expect("a team in use");
    row.deleted_at = Some(at(20));
    tx.save_team(clear(&founder, row)).await.unwrap();
    tx.commit().await.unwrap();
}

fn stale<T: std::fmt::Debug>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Stale))
}

/// Users and teams are read back whole, by whatever names them.
pub async fn rows_come_back_as_they_were_stored(stand: Stand) {
    let founder = founder(&stand).await;
    let (robot, somebody, made) = (service("robot"), person("frank"), team("made"));
    let mut tx = change(&stand, stand.erin).await;
    for user in [&robot, &somebody] {
        tx.add_user(clear(&founder, user.clone())).await.unwrap();
    }
    tx.add_team(clear(&founder, made.clone())).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = change(&stand, stand.erin).await;
    let name = robot.certificate_name.clone().unwrap();
    assert_eq!(tx.find_user_by_certificate(&name).await.unwrap(), Some(robot.clone()));
    assert_eq!(tx.find_user_by_certificate("frank").await.unwrap(), None);
    assert_eq!(tx.find_user_by_subject("frank").await.unwrap(), Some(somebody.clone()));
    assert_eq!(tx.find_user_by_subject(&name).await.unwrap(), None);
    assert_eq!(tx.find_user(robot.id).await.unwrap(), Some(robot.clone()));
    assert_eq!(tx.find_user(UserId::generate()).await.unwrap(), None);
    assert_eq!(tx.find_team(made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(tx.find_team_by_slug("made").await.unwrap(), Some(made.clone()));
    assert_eq!(tx.find_team_by_slug("nobody").await.unwrap(), None);

    let changed = User {
        subject: Some("robot".into()),
        certificate_name: None,
        display_name: "Robot".into(),
        active: false,
        may_apply: true,
        deactivated_at: Some(at(30)),
        ..robot.clone()
    };
    tx.save_user(clear(&founder, changed.clone())).await.unwrap();
    let renamed = Team { slug: "renamed".into(), display_name: "R".into(), ..made.clone() };
    tx.save_team(clear(&founder, renamed.clone())).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = change(&stand, stand.erin).await;
    let expected = User { version: 2, ..changed };
    assert_eq!(tx.find_user(robot.id).await.unwrap(), Some(expected));
    let expected = Team { version: 2, ..renamed };
    assert_eq!(tx.find_team_by_slug("renamed").await.unwrap(), Some(expected));
    assert_eq!(tx.find_team_by_slug("made").await.unwrap(), None);
}

/// What names a user or a team names no other; the slug of a deleted team is free again.
pub async fn names_are_taken_once(stand: Stand) {
    let founder = founder(&stand).await;
    let mut tx = change(&stand, stand.erin).await;
    tx.add_user(clear(&founder, service("robot"))).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = change(&stand, stand.erin).await;
    assert!(stale(&tx.add_user(clear(&founder, service("robot"))).await));
    assert!(tx.commit().await.is_err(), "a failed write cannot be committed around");
    let mut tx = change(&stand, stand.erin).await;
    assert!(stale(&tx.add_user(clear(&founder, person("alice"))).await));
    drop(tx);
    let mut tx = change(&stand, stand.erin).await;
    assert!(stale(&tx.add_team(clear(&founder, team("core"))).await));
    drop(tx);

    delete_team(&stand, stand.core).await;
    let again = team("core");
    add_team(&stand, &again).await;
    let mut tx = change(&stand, stand.erin).await;
    assert_eq!(tx.find_team_by_slug("core").await.unwrap().map(|row| row.id), Some(again.id));
    assert_eq!(tx.find_team(stand.core).await.unwrap(), None);
    drop(tx);
    assert_eq!(stand.ports.admin.team_by_slug("core").await.unwrap(), Some(again.id));
}

/// A save at another version than the stored one changes nothing; what is gone stays gone.
pub async fn a_stale_version_saves_nothing(stand: Stand) {
    let founder = founder(&stand).await;
    let mut tx = change(&stand, stand.erin).await;
    let user = tx.find_user(stand.bob).await.unwrap().unwrap();
    let row = tx.find_team(stand.core).await.unwrap().unwrap();
    for version in [0, 2] {
        let user = User { version, display_name: "X".into(), ..user.clone() };
        assert!(stale(&tx.save_user(clear(&founder, user)).await), "{version}");
        drop(tx);
        tx = change(&stand, stand.erin).await;
        let row = Team { version, display_name: "X".into(), ..row.clone() };
        assert!(stale(&tx.save_team(clear(&founder, row)).await), "{version}");
        drop(tx);
        tx = change(&stand, stand.erin).await;
    }
    assert_eq!(tx.find_user(stand.bob).await.unwrap(), Some(user.clone()));
    assert_eq!(tx.find_team(stand.core).await.unwrap(), Some(row.clone()));
    let nobody = User { id: UserId::generate(), ..user };
    assert!(stale(&tx.save_user(clear(&founder, nobody)).await));
    drop(tx);

    delete_team(&stand, stand.core).await;
    let mut tx = change(&stand, stand.erin).await;
    let back = Team { version: 2, deleted_at: None, ..row };
    assert!(stale(&tx.save_team(clear(&founder, back)).await));
}

type Edit = fn(&mut User);

/// Every column of a user that decides a right raises the epoch, and his name alone does not.
pub async fn what_changes_a_right_raises_the_epoch(stand: Stand) {
    let founder = founder(&stand).await;
    let mut last = epoch(&stand).await;
    let mut rose = async |what: &str, expected: bool| {
        let now = epoch(&stand).await;
        assert_eq!(now - last, i64::from(expected), "{what}");
        last = now;
    };
    let edits: [(&str, bool, Edit); 8] = [
        ("nothing", false, |_| ()),
        ("display_name", false, |user| user.display_name = "Other".into()),
        ("may_apply", true, |user| user.may_apply = false),
        ("subject", true, |user| user.subject = Some("bobby".into())),
        ("certificate_name", true, |user| user.certificate_name = Some("uri:bob".into())),
        ("kind", true, |user| user.kind = UserKind::Service),
        ("active", true, |user| user.active = false),
        ("deactivated_at", false, |user| user.deactivated_at = Some(at(9))),
    ];
    for (what, expected, edit) in edits {
        let mut tx = change(&stand, stand.erin).await;
        let mut user = tx.find_user(stand.bob).await.unwrap().unwrap();
        edit(&mut user);
        tx.save_user(clear(&founder, user)).await.unwrap();
        tx.commit().await.unwrap();
        rose(what, expected).await;
    }

    let made = team("made");
    let mut tx = change(&stand, stand.erin).await;
    tx.add_team(clear(&founder, made.clone())).await.unwrap();
    drop(tx);
    rose("what was dropped", false).await;
    add_team(&stand, &made).await;
    rose("a new team", true).await;
    let mut tx = change(&stand, stand.erin).await;
    let renamed = Team { slug: "renamed".into(), display_name: "R".into(), ..made.clone() };
    tx.save_team(clear(&founder, renamed)).await.unwrap();
    tx.commit().await.unwrap();
    rose("the names of a team", false).await;
    delete_team(&stand, made.id).await;
    rose("the end of a team", true).await;
    let mut tx = change(&stand, stand.erin).await;
    tx.add_user(clear(&founder, person("frank"))).await.unwrap();
    tx.commit().await.unwrap();
    rose("a new user", true).await;
    let mut tx = change(&stand, stand.erin).await;
    tx.find_user(stand.bob).await.unwrap();
    tx.commit().await.unwrap();
    rose("a look", false).await;
}

/// Rights of an older epoch open no change and read nothing.
pub async fn an_older_epoch_opens_nothing(stand: Stand) {
    let founder = founder(&stand).await;
    let grant = founder.require::<DirectoryRead>().unwrap().admit_system().unwrap();
    let carol = stand.caller(stand.carol);
    let manages = carol.require().unwrap().admit_in(stand.team()).unwrap();
    let (scope, reach, page) = (founder.scope(), Reach::of(&founder), PageRequest::first());
    let store = &stand.ports.directory;
    drop(store.begin(&scope).await.unwrap());
    stand.ports.admin.set_may_apply(stand.bob, false).await.unwrap();
    let new = epoch(&stand).await;

    macro_rules! moved {
        ($($read:expr,)*) => {$(
            match $read.await {
                Err(StoreError::PolicyMoved(epoch)) => assert_eq!(epoch, new),
                other => panic!("{}: {:?}", stringify!($read), other.map(drop)),
            }
        )*};
    }
    moved!(
        store.begin(&scope),
        store.person(&founder),
        store.list_users(&scope, &grant, true, page),
        store.get_team(&reach, stand.core),
        store.list_teams(&reach, page),
        store.list_members(&reach, stand.core, at(0), page),
        store.list_roles(&scope, &[stand.core], page),
        store.list_holdings(&carol.scope(), &manages, Default::default(), at(0), page),
    );
}

/// Two that would each leave the team to the other do not both leave it.
pub async fn racing_changes_are_made_one_after_the_other(stand: Stand) {
    let place = AssignmentScope::Team(stand.core);
    let founder = founder(&stand).await;
    let mut admins = Vec::new();
    let mut tx = change(&stand, stand.erin).await;
    for number in 0..6 {
        let user = person(&format!("admin-{number}"));
        tx.add_user(clear(&founder, user.clone())).await.unwrap();
        tx.put_holding(clear(&founder, held(user.id, place, "admin"))).await.unwrap();
        admins.push(user.id);
    }
    tx.commit().await.unwrap();
    stand.authorizer.refresh().await.unwrap();

    // Leaves unless he is the last, as often as the policy moved under him.
    let leave = async |user: UserId| -> (bool, u32) {
        let mut moved = 0;
        loop {
            let caller = stand.authorizer.caller_of(user, "leave").unwrap();
            let mut tx = match stand.ports.directory.begin(&caller.scope()).await {
                Ok(tx) => tx,
                Err(StoreError::PolicyMoved(_)) => {
                    moved += 1;
                    stand.authorizer.refresh().await.unwrap();
                    continue;
                }
                Err(other) => panic!("{other}"),
            };
            let all = tx.holdings_in(place, at(0)).await.unwrap();
            let (mine, others): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|held| held.user == user);
            if !others.iter().any(|held| held.role == "admin".into()) {
                return (false, moved);
            }
            let mine = mine.into_iter().map(|held| caller.give_up(held).unwrap()).collect();
            tx.remove_holdings(mine).await.unwrap();
            tx.commit().await.unwrap();
            return (true, moved);
        }
    };
    let leavers = admins.into_iter().chain([stand.carol]);
    let results = futures::future::join_all(leavers.map(leave)).await;
    assert_eq!(results.iter().filter(|(left, _)| !left).count(), 1, "{results:?}");
    assert!(results.iter().map(|(_, moved)| moved).sum::<u32>() > 0, "nobody met anybody");
}

/// A change that is dropped leaves nothing.
pub async fn dropped_changes_leave_nothing(stand: Stand) {
    let founder = founder(&stand).await;
    let policy = async || {
        let mut policy = stand.ports.policy.load_policy().await.unwrap();
        policy.assignments.sort_by_key(|held| (held.user, held.role.clone()));
        policy
    };
    let before = policy().await;
    for _ in 0..20 {
        let mut tx = change(&stand, stand.erin).await;
        tx.add_user(clear(&founder, person("frank"))).await.unwrap();
        tx.add_team(clear(&founder, team("made"))).await.unwrap();
        tx.record(vec![record(&founder, stand.team())]).await.unwrap();
    }
    assert_eq!(policy().await, before);
    assert!(records(&stand, stand.alice, AuditPlace::Tenant(stand.team())).await.is_empty());
}

async fn add_workflow(stand: &Stand, row: &Workflow) {
    let mut tx = stand.workflow_tx().await;
    let row = stand.clear_new::<WorkflowsCreate, _>(stand.alice, row.clone());
    assert!(tx.insert_workflow(&row).await.unwrap());
    tx.commit().await.unwrap();
}

/// Live objects of a team are counted by whoever ends it, whatever he sees of them.
pub async fn belongings_are_counted_out_of_scope(stand: Stand) {
    let repository = agent::repository(&stand, stand.team(), stand.alice).await;
    agent::repository(&stand, Tenant::Person(stand.alice), stand.alice).await;
    let workflow = || values::workflow(stand.team(), stand.alice);
    add_workflow(&stand, &workflow()).await;
    add_workflow(&stand, &Workflow { is_template: true, seed_key: None, ..workflow() }).await;
    let gone = Workflow { deleted_at: Some(at(1)), seed_key: None, ..workflow() };
    add_workflow(&stand, &gone).await;
    for _ in 0..3 {
        agent::insert_run(&stand, &values::run(stand.team(), stand.alice, repository.id)).await;
    }
    assert!(stand.ports.runs.claim_run("worker", values::NEVER).await.unwrap().is_some());
    let own = values::run(Tenant::Person(stand.alice), stand.alice, repository.id);
    agent::insert_run(&stand, &own).await;

    founder(&stand).await;
    let mut tx = change(&stand, stand.erin).await;
    let of_core = Belongings { workflows: 2, repositories: 1, live_runs: 3 };
    assert_eq!(tx.belongings(stand.core).await.unwrap(), of_core);
    assert_eq!(tx.belongings(stand.other).await.unwrap(), Belongings::default());
    assert_eq!(tx.belongings(stand.core).await.unwrap(), of_core);
    assert_eq!(tx.belongings(TeamId::generate()).await.unwrap(), Belongings::default());
}

fn record(caller: &Caller, tenant: Tenant) -> AuditEvent {
    AuditEvent::of(caller, at(1), tenant, "user.deactivated", "users/1").with(json!({"text": "ü"}))
}

async fn records(stand: &Stand, user: UserId, place: AuditPlace) -> Vec<Tenant> {
    let filter = AuditFilter { place, action_prefix: None, resource: None };
    let scope = current(stand, user).await.scope();
    let page = stand.ports.audit.list_events(&scope, &filter, PageRequest::first()).await.unwrap();
    page.items.into_iter().map(|event| event.tenant).collect()
}

/// What is noted of a change is filed under whoever it is about, and the caller's own rows
/// are reached before and after.
pub async fn a_change_is_told_to_whoever_it_is_about(stand: Stand) {
    let founder = founder(&stand).await;
    let (robot, made) = (service("robot"), team("made"));
    let once = Once::new(stand.erin, "/test", stand.core.as_uuid(), b"body");
    let owners = [
        stand.team(),
        Tenant::Person(stand.bob),
        Tenant::Person(stand.alice),
        Tenant::Person(stand.erin),
        Tenant::Person(robot.id),
        Tenant::Team(made.id),
        Tenant::Global,
    ];
    let mut tx = change(&stand, stand.erin).await;
    assert_eq!(tx.replay(&once).await.unwrap(), None);
    tx.add_team(clear(&founder, made.clone())).await.unwrap();
    tx.add_user(clear(&founder, robot.clone())).await.unwrap();
    let noted = owners.map(|owner| record(&founder, owner));
    tx.record(noted.to_vec()).await.unwrap();
    let told: Vec<EventRecord> =
        owners.iter().map(|owner| values::event(*owner, stand.erin)).collect();
    tx.publish(told.clone()).await.unwrap();
    tx.record(vec![]).await.unwrap();
    tx.publish(vec![]).await.unwrap();
    tx.remember(&once, &json!({"done": true}), at(1)).await.unwrap();
    tx.commit().await.unwrap();

    let team = AuditPlace::Tenant(stand.team());
    assert_eq!(records(&stand, stand.alice, team).await, [stand.team()]);
    let own = Tenant::Person(stand.bob);
    assert_eq!(records(&stand, stand.bob, AuditPlace::Own(stand.bob)).await, [own]);
    // Whoever did it reads all of it.
    let own = records(&stand, stand.erin, AuditPlace::Own(stand.erin)).await;
    assert_eq!(own.len(), owners.len());

    let mut delivered = Vec::new();
    while let Some(claimed) = stand.ports.outbox.claim_event("worker", values::NEVER).await.unwrap()
    {
        delivered.push(claimed.event);
    }
    assert_eq!(delivered.len(), told.len());
    assert!(told.iter().all(|event| delivered.contains(event)));
    let mut tx = change(&stand, stand.erin).await;
    assert_eq!(tx.replay(&once).await.unwrap(), Some(json!({"done": true})));
}
