//! [`AgentStore`](agent_core::port::store::AgentStore) and its transaction: scoping, versions,
//! uniqueness, pages.

use std::time::Duration;

use agent_core::StoreError;
use agent_core::model::{Patch, PatchState, Plan, Repository, Run, Session, SessionState};
use agent_core::port::store::AgentFilter;
use permissions::{CodeEdit, CodeUse, ItemsCreate, RepositoriesManage, Visible, WorkflowsCreate};
use primitives::{PageRequest, SessionId, Tenant, UserId, WorkItemId};

use super::outbox::now;
use super::values::{self, at};
use super::{Stand, all_pages};

/// One row of each kind, owned by team core but for alice's session.
pub struct Shelf {
    pub repository: Repository,
    pub session: Session,
    pub plan: Plan,
    pub run: Run,
    pub patch: Patch,
    pub item: WorkItemId,
}

/// Stores a [`Shelf`].
pub async fn shelf(stand: &Stand) -> Shelf {
    let item = work_item(stand, stand.team(), stand.alice).await;
    let repository = values::repository(stand.team(), stand.alice);
    let session = Session { work_item: Some(item), ..values::session(stand.alice, repository.id) };
    let plan = Plan {
        work_item: Some(item),
        session: Some(session.id),
        ..values::plan(stand.team(), stand.alice, repository.id)
    };
    let run = Run {
        work_item: Some(item),
        session: Some(session.id),
        plan: Some(plan.id),
        ..values::run(stand.team(), stand.alice, repository.id)
    };
    let patch = values::patch(&run, repository.id);
    let mut tx = stand.agent_tx().await;
    let cleared = stand.clear_new::<RepositoriesManage, _>(stand.alice, repository.clone());
    assert!(tx.insert_repository(&cleared).await.unwrap());
    let cleared = stand.clear_new::<CodeUse, _>(stand.alice, session.clone());
    tx.insert_session(&cleared).await.unwrap();
    let cleared = stand.clear_new::<CodeUse, _>(stand.alice, plan.clone());
    tx.insert_plan(&cleared).await.unwrap();
    let cleared = stand.clear_new::<CodeEdit, _>(stand.alice, run.clone());
    tx.insert_run(&cleared).await.unwrap();
    let cleared = stand.clear_new::<CodeEdit, _>(stand.alice, patch.clone());
    tx.insert_patch(&cleared).await.unwrap();
    tx.commit().await.unwrap();
    Shelf { repository, session, plan, run, patch, item }
}

/// Stores an item in a workflow of its own.
pub async fn work_item(stand: &Stand, tenant: Tenant, user: UserId) -> WorkItemId {
    let workflow = values::workflow(tenant, user);
    let item = values::item(&workflow, user);
    let mut tx = stand.workflow_tx_of(user).await;
    let cleared = stand.clear_new::<WorkflowsCreate, _>(user, workflow);
    assert!(tx.insert_workflow(&cleared).await.unwrap());
    let cleared = stand.clear_new::<ItemsCreate, _>(user, item.clone());
    tx.insert_item(&cleared, &values::creation(&item), &values::stay(&item)).await.unwrap();
    tx.commit().await.unwrap();
    item.id
}

/// Stores a repository of a tenant.
pub async fn repository(stand: &Stand, tenant: Tenant, user: UserId) -> Repository {
    let row = values::repository(tenant, user);
    let mut tx = stand.agent_tx_of(user).await;
    let cleared = stand.clear_new::<RepositoriesManage, _>(user, row.clone());
    assert!(tx.insert_repository(&cleared).await.unwrap());
    tx.commit().await.unwrap();
    row
}

/// Stores a run.
pub async fn insert_run(stand: &Stand, run: &Run) {
    let mut tx = stand.agent_tx_of(run.principal).await;
    let cleared = stand.clear_new::<CodeEdit, _>(run.principal, run.clone());
    tx.insert_run(&cleared).await.unwrap();
    tx.commit().await.unwrap();
}

/// Every column survives the way there and back.
pub async fn rows_come_back_as_they_were_stored(stand: Stand) {
    let shelf = shelf(&stand).await;
    let store = &stand.ports.agent;
    let scope = stand.scope(stand.alice);

    let repository = store.get_repository(&scope, shelf.repository.id).await.unwrap();
    assert_eq!(*repository.unwrap(), shelf.repository);
    let session = store.get_session(&scope, shelf.session.id).await.unwrap();
    assert_eq!(*session.unwrap(), shelf.session);
    assert_eq!(*store.get_plan(&scope, shelf.plan.id).await.unwrap().unwrap(), shelf.plan);
    let run = store.get_run(&scope, shelf.run.id).await.unwrap().unwrap();
    assert!(run.deadline_at + Duration::from_mins(10) >= now() + values::NEVER);
    assert_eq!(*run, Run { deadline_at: run.deadline_at, ..shelf.run });
    assert_eq!(*store.get_patch(&scope, shelf.patch.id).await.unwrap().unwrap(), shelf.patch);
    let facts = store.get_work_item(&scope, shelf.item).await.unwrap().unwrap();
    assert_eq!((facts.id, facts.tenant), (shelf.item, stand.team()));
    assert_eq!(facts.title, "It breaks when empty");
    assert_eq!(facts.description, "Steps:\n1. empty it");
}

/// Rows of a team are its members'; everybody else reads the same as for no row at all.
pub async fn foreign_rows_look_absent(stand: Stand) {
    let shelf = shelf(&stand).await;

    assert_eq!(seen(&stand, stand.alice, &shelf).await, [true; 6]);
    let [repository, session, rest @ ..] = seen(&stand, stand.bob, &shelf).await;
    assert!(repository && !session, "a session is its owner's alone");
    assert_eq!(rest, [true; 4]);
    assert_eq!(seen(&stand, stand.dave, &shelf).await, [false; 6]);
    assert_eq!(seen(&stand, stand.erin, &shelf).await, [false; 6]);
    assert_eq!(listed(&stand, stand.alice, &shelf).await, [1; 4]);
    assert_eq!(listed(&stand, stand.bob, &shelf).await, [1, 0, 1, 1]);
    assert_eq!(listed(&stand, stand.dave, &shelf).await, [0; 4]);
    assert_eq!(listed(&stand, stand.erin, &shelf).await, [0; 4]);

    for (user, session, patch) in
        [(stand.alice, true, true), (stand.bob, false, true), (stand.dave, false, false)]
    {
        let mut tx = stand.agent_tx_of(user).await;
        let scope = stand.scope(user);
        let locked = tx.lock_session(&scope, shelf.session.id).await.unwrap();
        assert_eq!(locked.is_some(), session);
        let locked = tx.lock_patch(&scope, shelf.patch.id).await.unwrap();
        assert_eq!(locked.is_some(), patch);
    }
}

/// What one person gets of a shelf by name.
async fn seen(stand: &Stand, user: UserId, shelf: &Shelf) -> [bool; 6] {
    let store = &stand.ports.agent;
    let scope = stand.scope(user);
    [
        store.get_repository(&scope, shelf.repository.id).await.unwrap().is_some(),
        store.get_session(&scope, shelf.session.id).await.unwrap().is_some(),
        store.get_plan(&scope, shelf.plan.id).await.unwrap().is_some(),
        store.get_run(&scope, shelf.run.id).await.unwrap().is_some(),
        store.get_patch(&scope, shelf.patch.id).await.unwrap().is_some(),
        store.get_work_item(&scope, shelf.item).await.unwrap().is_some(),
    ]
}

/// How many rows one person's lists have, the last two narrowed to the shelf's item.
async fn listed(stand: &Stand, user: UserId, shelf: &Shelf) -> [usize; 4] {
    let store = &stand.ports.agent;
    let scope = stand.scope(user);
    let page = PageRequest::first();
    let filter = AgentFilter { work_item: Some(shelf.item), ..AgentFilter::default() };
    [
        store.list_repositories(&scope, page).await.unwrap().items.len(),
        store.list_sessions(&scope, false, page).await.unwrap().items.len(),
        store.list_runs(&scope, filter, page).await.unwrap().items.len(),
        store.list_patches(&scope, filter, page).await.unwrap().items.len(),
    ]
}

/// Filters narrow and combine; they never widen.
pub async fn filters_narrow_lists(stand: Stand) {
    let shelf = shelf(&stand).await;
    let elsewhere = repository(&stand, stand.team(), stand.alice).await;
    let other = values::run(stand.team(), stand.alice, elsewhere.id);
    insert_run(&stand, &other).await;
    let store = &stand.ports.agent;
    let scope = stand.scope(stand.alice);
    let page = PageRequest::first();
    let session = Some(shelf.session.id);
    for (work_item, repository, session, expected) in [
        (None, None, None, vec![other.id, shelf.run.id]),
        (Some(shelf.item), None, None, vec![shelf.run.id]),
        (None, Some(elsewhere.id), None, vec![other.id]),
        (Some(shelf.item), Some(elsewhere.id), None, vec![]),
        (None, None, session, vec![shelf.run.id]),
        (Some(shelf.item), None, session, vec![shelf.run.id]),
        (None, Some(elsewhere.id), session, vec![]),
    ] {
        let filter = AgentFilter { work_item, repository, session };
        let page = store.list_runs(&scope, filter, page).await.unwrap();
        assert_eq!(page.items.iter().map(|run| run.id).collect::<Vec<_>>(), expected);
    }
    let filter = AgentFilter { repository: Some(elsewhere.id), ..AgentFilter::default() };
    assert!(store.list_patches(&scope, filter, page).await.unwrap().items.is_empty());
    for (session, expected) in [(shelf.session.id, 1), (SessionId::generate(), 0)] {
        let filter = AgentFilter { session: Some(session), ..AgentFilter::default() };
        let page = store.list_patches(&scope, filter, page).await.unwrap();
        assert_eq!(page.items.len(), expected);
    }
}

/// A tenant registers a path once; another tenant may register the same.
pub async fn a_path_is_registered_once_for_each_tenant(stand: Stand) {
    let first = repository(&stand, stand.team(), stand.alice).await;
    let again =
        Repository { path: first.path.clone(), ..values::repository(stand.team(), stand.alice) };
    let mut tx = stand.agent_tx().await;
    let cleared = stand.clear_new::<RepositoriesManage, _>(stand.alice, again.clone());
    assert!(!tx.insert_repository(&cleared).await.unwrap());
    // The refusal leaves the transaction usable.
    let own = Repository { tenant: Tenant::Person(stand.alice), ..again };
    let cleared = stand.clear_new::<RepositoriesManage, _>(stand.alice, own);
    assert!(tx.insert_repository(&cleared).await.unwrap());
    tx.commit().await.unwrap();
    let scope = stand.scope(stand.alice);
    let page = stand.ports.agent.list_repositories(&scope, PageRequest::first()).await.unwrap();
    assert_eq!(page.items.len(), 2);
}

/// A save conditional on an older version changes nothing.
pub async fn a_stale_version_saves_nothing(stand: Stand) {
    let shelf = shelf(&stand).await;
    let scope = stand.scope(stand.alice);
    let store = &stand.ports.agent;

    let session = store.get_session(&scope, shelf.session.id).await.unwrap().unwrap();
    let closed = stand.clear::<CodeUse, _>(stand.alice, session, |row| {
        row.state = SessionState::Closed;
        row.closed_at = Some(at(9));
        row.last_activity_at = at(9);
    });
    let patch = store.get_patch(&scope, shelf.patch.id).await.unwrap().unwrap();
    let applied = stand.clear::<CodeEdit, _>(stand.alice, patch, |row| {
        row.state = PatchState::Applied;
        row.commit = Some(values::object('c'));
        row.reverted_by = Some(shelf.run.id);
    });
    let mut tx = stand.agent_tx().await;
    tx.save_session(&closed).await.unwrap();
    tx.save_patch(&applied).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = stand.agent_tx().await;
    assert!(matches!(tx.save_session(&closed).await, Err(StoreError::Stale)));
    drop(tx);
    let mut tx = stand.agent_tx().await;
    assert!(matches!(tx.save_patch(&applied).await, Err(StoreError::Stale)));
    drop(tx);

    let session = store.get_session(&scope, shelf.session.id).await.unwrap().unwrap();
    assert_eq!(*session, Session { version: 2, ..closed.into_inner() });
    let patch = store.get_patch(&scope, shelf.patch.id).await.unwrap().unwrap();
    assert_eq!(*patch, Patch { version: 2, ..applied.into_inner() });
}

/// Two changes of one session that race: both are kept or one is refused, none is lost.
pub async fn racing_changes_are_not_lost(stand: Stand) {
    let shelf = shelf(&stand).await;
    let scope = stand.scope(stand.alice);
    let change = async |minute: i64| {
        let mut tx = stand.agent_tx().await;
        let row = tx.lock_session(&scope, shelf.session.id).await?.expect("visible");
        let cleared = stand.clear::<CodeUse, _>(stand.alice, row, |row| {
            row.last_activity_at = at(minute * 60);
        });
        tx.save_session(&cleared).await?;
        tx.commit().await
    };
    let results = futures::future::join_all((1..=8).map(change)).await;
    let saved = results.iter().filter(|result| result.is_ok()).count();
    let row = stand.ports.agent.get_session(&scope, shelf.session.id).await.unwrap().unwrap();
    assert_eq!(saved, 8, "a held row makes the others wait: {results:?}");
    assert_eq!(row.version, 9);
}

/// Rows with equal times are neither lost nor doubled over pages, and rows that come in
/// between do not shift them.
pub async fn pages_are_stable(stand: Stand) {
    let repositories = rows_with_equal_times(&stand).await;
    let first = &repositories[0];
    let scope = stand.scope(stand.alice);
    let store = &stand.ports.agent;
    let newer = || async {
        let mut row = values::repository(stand.team(), stand.alice);
        row.created_at = at(1000);
        let mut tx = stand.agent_tx().await;
        let cleared = stand.clear_new::<RepositoriesManage, _>(stand.alice, row.clone());
        assert!(tx.insert_repository(&cleared).await.unwrap());
        let mut run = values::run(stand.team(), stand.alice, row.id);
        run.created_at = at(1000);
        let mut session = values::session(stand.alice, row.id);
        session.last_activity_at = at(1000);
        let mut patch = values::patch(&run, row.id);
        patch.created_at = at(1000);
        tx.insert_session(&stand.clear_new::<CodeUse, _>(stand.alice, session)).await.unwrap();
        tx.insert_run(&stand.clear_new::<CodeEdit, _>(stand.alice, run)).await.unwrap();
        tx.insert_patch(&stand.clear_new::<CodeEdit, _>(stand.alice, patch)).await.unwrap();
        tx.commit().await.unwrap();
    };

    let rows = all_pages(3, |page| store.list_repositories(&scope, page), newer).await;
    let ids: Vec<_> = rows.iter().map(|row| (row.created_at, row.id)).collect();
    assert_newest_first(&ids, 7);
    let rows = all_pages(3, |page| store.list_sessions(&scope, false, page), newer).await;
    let ids: Vec<_> = rows.iter().map(|row| (row.last_activity_at, row.id)).collect();
    assert_newest_first(&ids, 8);
    let filter = AgentFilter { repository: Some(first.id), ..AgentFilter::default() };
    let rows = all_pages(3, |page| store.list_runs(&scope, filter, page), newer).await;
    let ids: Vec<_> = rows.iter().map(|row| (row.created_at, row.id)).collect();
    assert_newest_first(&ids, 7);
    let rows = all_pages(3, |page| store.list_patches(&scope, filter, page), newer).await;
    let ids: Vec<_> = rows.iter().map(|row| (row.created_at, row.id)).collect();
    assert_newest_first(&ids, 7);
}

/// Seven rows of each kind, the first five with one and the same time.
async fn rows_with_equal_times(stand: &Stand) -> Vec<Repository> {
    let mut repositories = Vec::new();
    let mut tx = stand.agent_tx().await;
    for number in 0..7 {
        let time = at(number.max(4));
        let mut repository = values::repository(stand.team(), stand.alice);
        repository.created_at = time;
        repositories.push(repository.clone());
        let first = repositories[0].id;
        let mut session = values::session(stand.alice, first);
        session.last_activity_at = time;
        let mut run = values::run(stand.team(), stand.alice, first);
        run.created_at = time;
        let patch = values::patch(&run, first);
        let cleared = stand.clear_new::<RepositoriesManage, _>(stand.alice, repository);
        assert!(tx.insert_repository(&cleared).await.unwrap());
        tx.insert_session(&stand.clear_new::<CodeUse, _>(stand.alice, session)).await.unwrap();
        tx.insert_run(&stand.clear_new::<CodeEdit, _>(stand.alice, run)).await.unwrap();
        tx.insert_patch(&stand.clear_new::<CodeEdit, _>(stand.alice, patch)).await.unwrap();
    }
    tx.commit().await.unwrap();
    repositories
}

pub(super) fn assert_newest_first<K: Ord + std::fmt::Debug>(keys: &[K], expected: usize) {
    assert_eq!(keys.len(), expected, "lost or doubled: {keys:?}");
    assert!(keys.windows(2).all(|pair| pair[0] > pair[1]), "not newest first: {keys:?}");
}

/// `active_only` leaves closed sessions out.
pub async fn closed_sessions_can_be_left_out(stand: Stand) {
    let shelf = shelf(&stand).await;
    let scope = stand.scope(stand.alice);
    let mut tx = stand.agent_tx().await;
    let row = tx.lock_session(&scope, shelf.session.id).await.unwrap().unwrap();
    let closed = stand.clear::<CodeUse, _>(stand.alice, row, |row| {
        row.state = SessionState::Closed;
        row.closed_at = Some(at(1));
    });
    tx.save_session(&closed).await.unwrap();
    tx.commit().await.unwrap();
    let list = async |active_only| -> Vec<Visible<Session>> {
        let page = PageRequest::first();
        stand.ports.agent.list_sessions(&scope, active_only, page).await.unwrap().items
    };
    assert_eq!(list(false).await.len(), 1);
    assert!(list(true).await.is_empty());
}

/// The global switch stops everybody, a team's switch that team only.
pub async fn kill_switches_stop_their_tenants(stand: Stand) {
    let other = Tenant::Team(stand.other);
    let stopped = async || {
        [
            stand.ports.agent.kill_switch(stand.team()).await.unwrap(),
            stand.ports.agent.kill_switch(other).await.unwrap(),
            stand.ports.agent.kill_switch(Tenant::Person(stand.erin)).await.unwrap(),
        ]
    };
    let set = async |tenant, on| {
        stand.ports.admin.set_kill_switch(tenant, on, at(0)).await.unwrap();
    };
    assert_eq!(stopped().await, [false; 3]);
    set(stand.team(), true).await;
    assert_eq!(stopped().await, [true, false, false]);
    set(stand.team(), false).await;
    set(Tenant::Global, true).await;
    assert_eq!(stopped().await, [true; 3]);
    set(Tenant::Global, false).await;
    assert_eq!(stopped().await, [false; 3]);
}

/// An operator's word about a repository is read with it.
pub async fn auto_apply_of_a_repository_can_be_allowed(stand: Stand) {
    let row = repository(&stand, stand.team(), stand.alice).await;
    for allowed in [true, false] {
        stand.ports.admin.set_auto_apply_allowed(row.id, allowed).await.unwrap();
        stand.authorizer.refresh().await.unwrap();
        let scope = stand.scope(stand.alice);
        let read = stand.ports.agent.get_repository(&scope, row.id).await.unwrap().unwrap();
        assert_eq!(read.auto_apply_allowed, allowed);
    }
}
