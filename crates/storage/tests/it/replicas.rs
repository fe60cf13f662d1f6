//! Two server processes on one database: what one changes holds on the other from its next
//! call on.

use std::sync::Arc;

use directory::store::{DirectoryStore, PolicyAdmin, Reach, StoreError};
use directory::{Holding, TeamRole};
use permissions::{
    AssignmentScope, AssignmentSource, Authorizer, DirectoryWrite, ItemsCreate, Key, Level, Levels,
    PolicySource,
};
use primitives::{PageRequest, RoleAssignmentId, RoleId, SystemClock, Tenant};
use sea_orm::ConnectionTrait;
use testkit::conformance::Stand;
use testkit::conformance::values::at;
use testkit::database::TestDb;
use workflow_core::store::{WorkflowFilter, WorkflowStore};

use super::{connect, open, raw};

/// A second process.
async fn replica(db: &TestDb) -> (storage::Storage, Authorizer) {
    let storage = connect(db).await;
    let authorizer = Authorizer::start(Arc::new(storage.clone()), Arc::new(SystemClock)).await;
    (storage, authorizer.unwrap())
}

async fn make_founder(stand: &Stand) {
    let held = directory::NewAssignment {
        user: stand.erin,
        scope: AssignmentScope::System,
        role: "founder".into(),
        expires_at: None,
    };
    stand.ports.admin.assign(&held, at(0)).await.unwrap();
    stand.authorizer.refresh().await.unwrap();
}

testkit::on_both! {
    async fn a_revocation_is_noticed_by_the_other_process(db: TestDb) {
        let (_, stand) = open(&db).await;
        make_founder(&stand).await;
        let (other, authorizer) = replica(&db).await;
        let place = AssignmentScope::Team(stand.core);
        let filter = WorkflowFilter::default();
        for round in 0..20 {
            // Here he is let in…
            let founder = stand.caller(stand.erin);
            let grant = founder.require::<DirectoryWrite>().unwrap().admit_system().unwrap();
            let mut tx = stand.ports.directory.begin(&founder.scope()).await.unwrap();
            let held = Holding {
                id: RoleAssignmentId::generate(),
                user: stand.dave,
                scope: place,
                role: "lead".into(),
                source: AssignmentSource::Given,
                creator: Some(stand.erin),
                created_at: at(round),
                expires_at: None,
            };
            let held = tx.put_holding(grant.clear(held)).await.unwrap();
            tx.commit().await.unwrap();
            stand.authorizer.refresh().await.unwrap();

            // …and there it is known by the next call.
            let old = authorizer.caller("dave", "there").unwrap();
            assert!(!old.holds::<ItemsCreate>(stand.team()));
            authorizer.catch_up().await.unwrap();
            let dave = authorizer.caller("dave", "there").unwrap();
            assert!(dave.holds::<ItemsCreate>(stand.team()));
            let page = PageRequest::first();
            other.list_workflows(&dave.scope(), false, &filter, page).await.unwrap();

            // Revoked here, his older rights open nothing there.
            let founder = stand.caller(stand.erin);
            let grant = founder.require::<DirectoryWrite>().unwrap().admit_system().unwrap();
            let mut tx = stand.ports.directory.begin(&founder.scope()).await.unwrap();
            tx.remove_holdings(vec![grant.clear(held)]).await.unwrap();
            tx.commit().await.unwrap();
            stand.authorizer.refresh().await.unwrap();

            let scope = dave.scope();
            let read = other.list_workflows(&scope, false, &filter, page).await;
            assert!(matches!(read, Err(workflow_core::StoreError::PolicyMoved(_))), "{round}");
            let write = WorkflowStore::begin(&other, &scope).await;
            assert!(matches!(write, Err(workflow_core::StoreError::PolicyMoved(_))), "{round}");
            let write = DirectoryStore::begin(&other, &scope).await;
            assert!(matches!(write, Err(StoreError::PolicyMoved(_))), "{round}");
            let read = other.get_team(&Reach::of(&dave), stand.core).await;
            assert!(matches!(read, Err(StoreError::PolicyMoved(_))), "{round}");

            assert_eq!(other.stored_epoch().await.unwrap(), stand.epoch());
            authorizer.catch_up().await.unwrap();
            assert_eq!(authorizer.epoch(), stand.epoch());
            let dave = authorizer.caller("dave", "there").unwrap();
            assert!(!dave.holds::<ItemsCreate>(stand.team()));
            let seen = other.get_team(&Reach::of(&dave), stand.core).await.unwrap();
            assert_eq!(seen, None);
        }
    }

    /// Changes through two processes are made one after the other, too.
    async fn changes_of_two_processes_are_serial(db: TestDb) {
        let (_, stand) = open(&db).await;
        make_founder(&stand).await;
        let (other, authorizer) = replica(&db).await;
        let founder = stand.caller(stand.erin);
        let mut first = stand.ports.directory.begin(&founder.scope()).await.unwrap();

        let second = tokio::spawn(async move {
            let founder = authorizer.caller("erin", "there").unwrap();
            let moved = match DirectoryStore::begin(&other, &founder.scope()).await {
                Err(StoreError::PolicyMoved(epoch)) => epoch,
                Err(error) => panic!("{error}"),
                Ok(_) => panic!("the first change was not waited for"),
            };
            authorizer.catch_up().await.unwrap();
            let founder = authorizer.caller("erin", "there").unwrap();
            let mut tx = DirectoryStore::begin(&other, &founder.scope()).await.unwrap();
            let bob = tx.find_user_by_subject("bob").await.unwrap().unwrap();
            (moved, bob)
        });
        // Long enough for the other side to be waiting.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert!(!second.is_finished(), "the second change did not wait");
        let grant = founder.require::<DirectoryWrite>().unwrap().admit_system().unwrap();
        let mut bob = first.find_user(stand.bob).await.unwrap().unwrap();
        bob.may_apply = false;
        first.save_user(grant.clear(bob)).await.unwrap();
        first.commit().await.unwrap();

        let (moved, bob) = second.await.unwrap();
        assert_eq!(moved, founder.epoch() + 1);
        assert!(!bob.may_apply, "what came before is seen");
        stand.authorizer.refresh().await.unwrap();
        let own = Tenant::Person(stand.bob);
        assert!(!stand.caller(stand.bob).holds::<permissions::CodeEdit>(own));
    }

    /// What changes no right lets the next one through without a new look at the policy.
    async fn a_new_name_moves_no_policy(db: TestDb) {
        let (_, stand) = open(&db).await;
        make_founder(&stand).await;
        let founder = stand.caller(stand.erin);
        let grant = founder.require::<DirectoryWrite>().unwrap().admit_system().unwrap();
        for round in 0..3 {
            let mut tx = stand.ports.directory.begin(&founder.scope()).await.unwrap();
            let mut bob = tx.find_user(stand.bob).await.unwrap().unwrap();
            assert_eq!(bob.version, round + 1);
            bob.display_name = format!("Bob {round}");
            tx.save_user(grant.clear(bob)).await.unwrap();
            tx.commit().await.unwrap();
        }
        let admin: &dyn PolicyAdmin = stand.ports.admin.as_ref();
        admin.set_may_apply(stand.bob, true).await.unwrap();
        let moved = stand.ports.directory.begin(&founder.scope()).await.err();
        assert!(matches!(moved, Some(StoreError::PolicyMoved(_))));
    }

    /// A newer process may know more keys: what a role grants of the others still holds here.
    async fn keys_of_a_newer_version_grant_nothing_here(db: TestDb) {
        let (storage, stand) = open(&db).await;
        make_founder(&stand).await;
        let founder = stand.caller(stand.erin);
        let grant = founder.require::<DirectoryWrite>().unwrap().admit_system().unwrap();
        let role = TeamRole {
            id: RoleId::generate(),
            team: stand.core,
            slug: "newer".into(),
            display_name: "Newer".into(),
            levels: Levels::NONE.with(Key::CodeUse, Level::Write),
            created_at: at(0),
            version: 1,
        };
        let mut tx = stand.ports.directory.begin(&founder.scope()).await.unwrap();
        tx.add_role(grant.clear(role.clone())).await.unwrap();
        tx.commit().await.unwrap();
        let newer = r#"update custom_role
            set levels = '{"code.use": "WRITE", "moon.land": "ADMIN"}' where slug = 'newer'"#;
        raw(&db).await.execute_unprepared(newer).await.unwrap();

        let policy = storage.load_policy().await.unwrap();
        assert_eq!(policy.roles.len(), 1);
        assert_eq!(policy.roles[0].levels, role.levels);
        // To change it here would lose what is not understood.
        let mut tx = stand.ports.directory.begin(&founder.scope()).await.unwrap();
        assert!(matches!(tx.find_role(role.id).await, Err(StoreError::Internal(_))));
    }
}
