//! [`DirectoryStore`](directory::store::DirectoryStore),
//! [`PolicyAdmin`](directory::store::PolicyAdmin) and
//! [`PolicySource`](permissions::PolicySource): people, and the epoch that tells of changes.

use audit::AuditEvent;
use directory::{NewAssignment, SeedTeam, SeedUser};
use permissions::{AssignmentScope, CodeEdit, ItemsCreate, Permission, Role};
use primitives::{TeamId, Tenant, UserId};

use super::directory::{change, clear, current, delete_team, founder, person, team};
use super::roles::{held, team_role};
use super::values::{at, never};
use super::{Stand, agent};

async fn stored_epoch(stand: &Stand) -> i64 {
    stand.ports.policy.load_policy().await.unwrap().epoch
}

/// Seeding twice is seeding once.
pub async fn seeding_is_idempotent(stand: Stand) {
    let admin = &stand.ports.admin;
    let again =
        SeedUser { id: UserId::generate(), subject: "alice".into(), display_name: "A".into() };
    let before = stored_epoch(&stand).await;
    assert_eq!(admin.ensure_user(&again, at(1)).await.unwrap(), stand.alice);
    let again = SeedTeam { id: TeamId::generate(), slug: "core".into(), display_name: "C".into() };
    assert_eq!(admin.ensure_team(&again, at(1)).await.unwrap(), stand.core);
    assert_eq!(admin.team_by_slug("core").await.unwrap(), Some(stand.core));
    assert_eq!(admin.team_by_slug("nobody").await.unwrap(), None);
    let held = lead_of(&stand, stand.alice);
    admin.assign(&held, at(1)).await.unwrap();
    let policy = stand.ports.policy.load_policy().await.unwrap();
    assert_eq!(
        policy.users.iter().filter(|user| user.subject.as_deref() == Some("alice")).count(),
        1
    );
    assert_eq!(policy.assignments.iter().filter(|held| held.user == stand.alice).count(), 1);
    assert!(policy.epoch >= before);
}

fn lead_of(stand: &Stand, user: UserId) -> NewAssignment {
    let scope = AssignmentScope::Team(stand.core);
    NewAssignment { user, scope, role: "lead".into(), expires_at: None }
}

/// Each person is told of himself and his teams only.
pub async fn a_person_sees_himself_and_his_teams(stand: Stand) {
    let person = async |user| {
        let caller = stand.caller(user);
        stand.ports.directory.person(&caller).await.unwrap().expect("himself")
    };
    let alice = person(stand.alice).await;
    assert_eq!((alice.user.id, alice.user.subject.as_str()), (stand.alice, "alice"));
    assert_eq!(alice.user.display_name, "ALICE");
    assert!(alice.user.may_apply);
    let teams: Vec<_> = alice.teams.iter().map(|team| (team.id, team.slug.as_str())).collect();
    assert_eq!(teams, [(stand.core, "core")]);
    let dave = person(stand.dave).await;
    let teams: Vec<_> = dave.teams.iter().map(|team| team.display_name.as_str()).collect();
    assert_eq!(teams, ["OTHER"]);
    assert!(person(stand.erin).await.teams.is_empty());
}

/// What an administrator changes raises the epoch and holds after the next refresh.
pub async fn every_change_raises_the_epoch(stand: Stand) {
    let admin = &stand.ports.admin;
    let team = stand.team();
    let repository = agent::repository(&stand, team, stand.alice).await;
    let mut last = stored_epoch(&stand).await;
    let mut raised = async |what: &str| {
        let epoch = stored_epoch(&stand).await;
        assert!(epoch > last, "{what} did not raise the epoch");
        last = epoch;
        stand.authorizer.refresh().await.unwrap();
        assert_eq!(stand.epoch(), epoch);
    };

    admin.assign(&lead_of(&stand, stand.erin), at(1)).await.unwrap();
    raised("assign").await;
    assert!(holds::<ItemsCreate>(&stand, stand.erin, team));
    admin.revoke(stand.erin, AssignmentScope::Team(stand.core), "lead").await.unwrap();
    raised("revoke").await;
    assert!(!holds::<ItemsCreate>(&stand, stand.erin, team));

    let own = Tenant::Person(stand.erin);
    assert!(holds::<CodeEdit>(&stand, stand.erin, own));
    admin.set_may_apply(stand.erin, false).await.unwrap();
    raised("set_may_apply").await;
    assert!(!holds::<CodeEdit>(&stand, stand.erin, own));

    admin.set_active(stand.erin, false).await.unwrap();
    raised("set_active").await;
    assert!(stand.authorizer.caller_of(stand.erin, "conformance").is_none());
    admin.set_kill_switch(team, true, at(2)).await.unwrap();
    raised("set_kill_switch").await;
    admin.set_auto_apply_allowed(repository.id, true).await.unwrap();
    raised("set_auto_apply_allowed").await;
}

fn holds<P: Permission>(stand: &Stand, user: UserId, tenant: Tenant) -> bool {
    stand.caller(user).holds::<P>(tenant)
}

/// Assignments are read back with their scope and their end.
pub async fn assignments_come_back_as_they_were_given(stand: Stand) {
    let given = NewAssignment {
        user: stand.erin,
        scope: AssignmentScope::System,
        role: "support".into(),
        expires_at: Some(never()),
    };
    stand.ports.admin.assign(&given, at(1)).await.unwrap();
    let policy = stand.ports.policy.load_policy().await.unwrap();
    let held: Vec<_> = policy.assignments.iter().filter(|held| held.user == stand.erin).collect();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].scope, held[0].role.stored()), (given.scope, "support".to_owned()));
    assert_eq!(held[0].expires_at, given.expires_at);
    let erin = policy.users.iter().find(|user| user.user == stand.erin).unwrap();
    assert_eq!((erin.subject.as_deref(), erin.active, erin.may_apply), (Some("erin"), true, true));
}

/// Of a deleted team nothing is left in anybody's rights, and nothing is shown.
pub async fn a_deleted_team_grants_nothing(stand: Stand) {
    let founder = founder(&stand).await;
    let own = team_role(stand.core, "reviewer");
    let core = AssignmentScope::Team(stand.core);
    let reviews = held(stand.dave, core, Role::Custom(own.id));
    let mut tx = change(&stand, stand.erin).await;
    tx.add_role(clear(&founder, own.clone())).await.unwrap();
    tx.put_holding(clear(&founder, reviews)).await.unwrap();
    tx.commit().await.unwrap();
    stand.authorizer.refresh().await.unwrap();
    let alice = stand.caller(stand.alice);
    assert!(alice.holds::<ItemsCreate>(stand.team()));
    let policy = stand.ports.policy.load_policy().await.unwrap();
    assert_eq!(policy.roles.len(), 1);

    delete_team(&stand, stand.core).await;
    let alice = current(&stand, stand.alice).await;
    assert!(alice.teams().is_empty());
    assert!(!alice.holds::<ItemsCreate>(stand.team()));
    let policy = stand.ports.policy.load_policy().await.unwrap();
    assert!(policy.assignments.iter().all(|held| held.scope != core));
    assert!(policy.assignments.iter().any(|held| held.scope == AssignmentScope::System));
    assert!(policy.roles.is_empty());
    assert_eq!(policy.users.len(), 5, "people stay");
    let shown = stand.ports.directory.person(&alice).await.unwrap().unwrap();
    assert!(shown.teams.is_empty());
    let dave = current(&stand, stand.dave).await;
    let shown = stand.ports.directory.person(&dave).await.unwrap().unwrap();
    assert_eq!(shown.teams.len(), 1, "other teams stay");
}

/// Nobody becomes a founder by himself where anybody lives, even if nobody is active any more.
pub async fn an_inhabited_database_gets_no_founder(stand: Stand) {
    for user in [stand.alice, stand.bob, stand.carol, stand.dave, stand.erin] {
        stand.ports.admin.set_active(user, false).await.unwrap();
    }
    let before = stand.ports.policy.load_policy().await.unwrap();
    let user = person("mallory");
    let team = team("mallorys");
    let founds = held(user.id, AssignmentScope::System, "founder");
    let tenant = Tenant::Person(user.id);
    let noted = AuditEvent::on_behalf(user.id, at(1), tenant, "user.created", user.id, "first");
    let first = &stand.ports.first;
    assert!(!first.first_steps(&user, &team, &[founds], vec![noted]).await.unwrap());
    let after = stand.ports.policy.load_policy().await.unwrap();
    assert_eq!((after.epoch, after.users.len()), (before.epoch, before.users.len()));
    assert_eq!(after.assignments.len(), before.assignments.len());
    assert_eq!(stand.ports.admin.team_by_slug("mallorys").await.unwrap(), None);
}
