//! [`WorkflowStore`](workflow_core::store::WorkflowStore) and its transaction, as far as they
//! are about workflows, templates, triggers and firings.

use events::{EventRecord, EventType};
use permissions::{ItemsCreate, Visible, WorkflowsCreate, WorkflowsManage};
use primitives::{
    EventId, FiringId, Id, PageRequest, RepositoryId, TemplateId, Tenant, UserId, WorkflowId,
};
use workflow_core::StoreError;
use workflow_core::model::{Firing, FiringOutcome, TemplateSource, Wanted, WorkItem, Workflow};
use workflow_core::store::WorkflowFilter;

use super::agent::{assert_newest_first, repository};
use super::values::{self, at};
use super::{Stand, all_pages};

/// Stores a workflow or template; returns whether it was inserted.
pub async fn insert(stand: &Stand, user: UserId, row: &Workflow) -> bool {
    let mut tx = stand.workflow_tx_of(user).await;
    let cleared = stand.clear_new::<WorkflowsCreate, _>(user, row.clone());
    let inserted = tx.insert_workflow(&cleared).await.unwrap();
    tx.commit().await.unwrap();
    inserted
}

/// Stores a workflow of team core.
pub async fn workflow(stand: &Stand) -> Workflow {
    let row = values::workflow(stand.team(), stand.alice);
    assert!(insert(stand, stand.alice, &row).await);
    row
}

/// Stores an item of a workflow.
pub async fn item(stand: &Stand, item: &WorkItem) {
    let mut tx = stand.workflow_tx_of(item.creator).await;
    let cleared = stand.clear_new::<ItemsCreate, _>(item.creator, item.clone());
    tx.insert_item(&cleared, &values::creation(item), &values::stay(item)).await.unwrap();
    tx.commit().await.unwrap();
}

fn template_id(row: &Workflow) -> TemplateId {
    Id::from_uuid(row.id.as_uuid())
}

fn template(tenant: Tenant, creator: UserId) -> Workflow {
    Workflow { is_template: true, ..values::workflow(tenant, creator) }
}

/// Every column survives the way there and back; a template is no workflow.
pub async fn rows_come_back_as_they_were_stored(stand: Stand) {
    let store = &stand.ports.workflows;
    let scope = stand.scope(stand.alice);
    let source = TemplateSource { template: TemplateId::generate(), revision: 3, newest: None };
    let plain = Workflow { source: Some(source), ..values::workflow(stand.team(), stand.alice) };
    let blueprint = Workflow {
        seed_key: Some("bug-fix".into()),
        ..template(Tenant::Person(stand.alice), stand.alice)
    };
    assert!(insert(&stand, stand.alice, &plain).await);
    assert!(insert(&stand, stand.alice, &blueprint).await);

    assert_eq!(*store.get_workflow(&scope, plain.id).await.unwrap().unwrap(), plain);
    assert_eq!(
        *store.get_template(&scope, template_id(&blueprint)).await.unwrap().unwrap(),
        blueprint
    );
    assert!(store.get_template(&scope, template_id(&plain)).await.unwrap().is_none());
    assert!(store.get_workflow(&scope, blueprint.id).await.unwrap().is_none());
    let names = async |templates| {
        let filter = WorkflowFilter::default();
        let page = PageRequest::first();
        let page = store.list_workflows(&scope, templates, &filter, page).await.unwrap();
        page.items.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(names(false).await, [plain.id]);
    assert_eq!(names(true).await, [blueprint.id]);
    let mut tx = stand.workflow_tx().await;
    assert_eq!(*tx.lock_workflow(&scope, plain.id).await.unwrap().unwrap(), plain);
}

/// Rows of a team are its members'; everybody else reads the same as for no row at all.
pub async fn foreign_rows_look_absent(stand: Stand) {
    let shared = workflow(&stand).await;
    let blueprint = template(stand.team(), stand.alice);
    assert!(insert(&stand, stand.alice, &blueprint).await);
    let own = values::workflow(Tenant::Person(stand.alice), stand.alice);
    assert!(insert(&stand, stand.alice, &own).await);
    let piece = values::item(&shared, stand.alice);
    item(&stand, &piece).await;
    let firing = fired(&shared, &piece);
    fire(&stand, &firing).await;

    for (user, team, person) in [
        (stand.alice, true, true),
        (stand.bob, true, false),
        (stand.dave, false, false),
        (stand.erin, false, false),
    ] {
        let seen = seen(&stand, user, &shared, template_id(&blueprint), own.id).await;
        assert_eq!(seen, [team, team, team, team, team, person], "{user}");
    }
}

/// The workflow by name, locked, its figures, its firings; the template; the personal one.
async fn seen(
    stand: &Stand,
    user: UserId,
    shared: &Workflow,
    template: TemplateId,
    own: WorkflowId,
) -> [bool; 6] {
    let store = &stand.ports.workflows;
    let scope = stand.scope(user);
    let page = PageRequest::first();
    let listed =
        store.list_workflows(&scope, false, &WorkflowFilter::default(), page).await.unwrap();
    let by_name = store.get_workflow(&scope, shared.id).await.unwrap().is_some();
    assert_eq!(listed.items.iter().any(|row| row.id == shared.id), by_name);
    let mut tx = stand.workflow_tx_of(user).await;
    let locked = tx.lock_workflow(&scope, shared.id).await.unwrap().is_some();
    drop(tx);
    [
        by_name,
        locked,
        store.figures(&scope, shared.id, &Wanted::WHOLE).await.unwrap().total == 1,
        !store.list_firings(&scope, shared.id, page).await.unwrap().items.is_empty(),
        store.get_template(&scope, template).await.unwrap().is_some(),
        store.get_workflow(&scope, own).await.unwrap().is_some(),
    ]
}

/// Seeding by key inserts once for each tenant.
pub async fn a_seed_key_is_taken_once_for_each_tenant(stand: Stand) {
    let seeded =
        |tenant| Workflow { seed_key: Some("bug-fix".into()), ..template(tenant, stand.alice) };
    assert!(insert(&stand, stand.alice, &seeded(stand.team())).await);
    assert!(!insert(&stand, stand.alice, &seeded(stand.team())).await);
    assert!(insert(&stand, stand.alice, &seeded(Tenant::Person(stand.alice))).await);
    // Rows without a key do not meet.
    assert!(insert(&stand, stand.alice, &template(stand.team(), stand.alice)).await);
    assert!(insert(&stand, stand.alice, &template(stand.team(), stand.alice)).await);
    let scope = stand.scope(stand.alice);
    let filter = WorkflowFilter::default();
    let page = PageRequest::first();
    let page = stand.ports.workflows.list_workflows(&scope, true, &filter, page).await.unwrap();
    assert_eq!(page.items.len(), 4);
}

/// A save keeps the definition, raises the version, and loses to a faster one.
pub async fn a_stale_version_saves_nothing(stand: Stand) {
    let row = workflow(&stand).await;
    let scope = stand.scope(stand.alice);
    let store = &stand.ports.workflows;
    let found = store.get_workflow(&scope, row.id).await.unwrap().unwrap();
    let deleted = stand.clear::<WorkflowsManage, _>(stand.alice, found, |row| {
        row.display_name = "Renamed".into();
        row.tags = vec![];
        row.updated_at = at(7);
        row.deleted_at = Some(at(7));
    });
    let mut tx = stand.workflow_tx().await;
    tx.save_workflow(&deleted).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = stand.workflow_tx().await;
    assert!(matches!(tx.save_workflow(&deleted).await, Err(StoreError::Stale)));
    drop(tx);

    let expected = Workflow { version: 2, ..deleted.into_inner() };
    assert_eq!(*store.get_workflow(&scope, row.id).await.unwrap().unwrap(), expected);
    let mut tx = stand.workflow_tx().await;
    assert_eq!(*tx.lock_workflow(&scope, row.id).await.unwrap().unwrap(), expected);
    drop(tx);
    let filter = WorkflowFilter::default();
    let page = PageRequest::first();
    let page = store.list_workflows(&scope, false, &filter, page).await.unwrap();
    assert!(page.items.is_empty(), "deleted ones are left out");
}

/// Filters narrow and combine; pages neither lose nor double rows with equal times.
pub async fn lists_are_narrowed_and_paged(stand: Stand) {
    let own = Tenant::Person(stand.alice);
    for number in 0..7 {
        let mut row = values::workflow(stand.team(), stand.alice);
        row.created_at = at(number.max(4));
        assert!(insert(&stand, stand.alice, &row).await);
    }
    let docs = Workflow { category: "docs".into(), ..values::workflow(own, stand.alice) };
    assert!(insert(&stand, stand.alice, &docs).await);
    let scope = stand.scope(stand.alice);
    let store = &stand.ports.workflows;
    let number = async |tenant, category: Option<&str>| {
        let filter =
            WorkflowFilter { tenant, category: category.map(Into::into), with_agent_stage: false };
        let page = PageRequest::first();
        store.list_workflows(&scope, false, &filter, page).await.unwrap().items.len()
    };
    assert_eq!(number(None, None).await, 8);
    assert_eq!(number(Some(own), None).await, 1);
    assert_eq!(number(None, Some("engineering")).await, 7);
    assert_eq!(number(Some(own), Some("engineering")).await, 0);
    assert_eq!(number(Some(Tenant::Team(stand.other)), None).await, 0, "not a way around");

    let filter = WorkflowFilter { tenant: Some(stand.team()), ..WorkflowFilter::default() };
    let newer = || async {
        let row = Workflow { created_at: at(1000), ..values::workflow(stand.team(), stand.alice) };
        assert!(insert(&stand, stand.alice, &row).await);
    };
    let read = |page| store.list_workflows(&scope, false, &filter, page);
    let rows = all_pages(3, read, newer).await;
    let keys: Vec<_> = rows.iter().map(|row| (row.created_at, row.id)).collect();
    assert_newest_first(&keys, 7);
}

/// An event reaches enabled triggers of live workflows of its tenant, and the personal ones
/// of whoever caused it.
pub async fn events_reach_their_tenant_and_their_causer(stand: Stand) {
    let reached = workflow(&stand).await;
    let own = values::workflow(Tenant::Person(stand.bob), stand.bob);
    assert!(insert(&stand, stand.bob, &own).await);
    for (user, tenant) in [
        (stand.alice, Tenant::Person(stand.alice)),
        (stand.dave, Tenant::Team(stand.other)),
        (stand.dave, Tenant::Person(stand.dave)),
    ] {
        assert!(insert(&stand, user, &values::workflow(tenant, user)).await);
    }
    let mut off = values::workflow(stand.team(), stand.alice);
    off.definition.triggers[0].enabled = false;
    let mut elsewhere = values::workflow(stand.team(), stand.alice);
    elsewhere.definition.triggers[0].event_type = EventType::PlanCompleted;
    let gone = Workflow { deleted_at: Some(at(1)), ..values::workflow(stand.team(), stand.alice) };
    let blueprint = template(stand.team(), stand.alice);
    for row in [&off, &elsewhere, &gone, &blueprint] {
        assert!(insert(&stand, stand.alice, row).await);
    }

    let store = &stand.ports.workflows;
    let event = values::event(stand.team(), stand.bob);
    let found = async |event: &EventRecord, limit| {
        let matches = store.triggers_for(event, limit).await.unwrap();
        let triggers: Vec<_> = matches.iter().map(|found| found.trigger).collect();
        assert!(triggers.is_sorted());
        matches.into_iter().map(|found| found.workflow).collect::<Vec<_>>()
    };
    let mut both = [reached.id, own.id];
    let trigger = |row: &Workflow| row.definition.triggers[0].id;
    if trigger(&own) < trigger(&reached) {
        both.reverse();
    }
    assert_eq!(found(&event, 100).await, both);
    assert_eq!(found(&event, 1).await, both[..1]);
    let quiet = EventRecord { kind: EventType::PatchReverted, ..event };
    assert!(found(&quiet, 100).await.is_empty());
}

fn fired(workflow: &Workflow, item: &WorkItem) -> Firing {
    Firing {
        id: FiringId::generate(),
        tenant: workflow.tenant,
        workflow: workflow.id,
        trigger: workflow.definition.triggers[0].id,
        event: EventId::generate(),
        event_type: EventType::ApplySuccess,
        outcome: FiringOutcome::Fired,
        reason: String::new(),
        work_item: Some(item.id),
        time: at(3),
    }
}

async fn fire(stand: &Stand, firing: &Firing) {
    let mut tx = stand.workflow_tx().await;
    assert!(tx.insert_firing(firing).await.unwrap());
    tx.commit().await.unwrap();
}

/// One event meets one trigger once, however often it is delivered.
pub async fn an_event_fires_a_trigger_once(stand: Stand) {
    let row = workflow(&stand).await;
    let piece = values::item(&row, stand.alice);
    item(&stand, &piece).await;
    let first = fired(&row, &piece);
    fire(&stand, &first).await;
    let again = Firing { id: FiringId::generate(), ..first.clone() };
    let mut tx = stand.workflow_tx().await;
    assert!(!tx.insert_firing(&again).await.unwrap());
    // The refusal leaves the transaction usable.
    let refused = Firing {
        id: FiringId::generate(),
        event: EventId::generate(),
        outcome: FiringOutcome::Refused,
        reason: "DEPTH_EXCEEDED".into(),
        work_item: None,
        time: at(4),
        ..first.clone()
    };
    assert!(tx.insert_firing(&refused).await.unwrap());
    tx.commit().await.unwrap();
    let scope = stand.scope(stand.alice);
    let page = PageRequest::first();
    let page = stand.ports.workflows.list_firings(&scope, row.id, page).await.unwrap();
    let rows: Vec<Firing> = page.items.into_iter().map(Visible::into_inner).collect();
    assert_eq!(rows, [refused, first]);
}

/// Two deliveries that race: one records the firing, the other is told.
pub async fn racing_firings_record_one(stand: Stand) {
    let row = workflow(&stand).await;
    let piece = values::item(&row, stand.alice);
    item(&stand, &piece).await;
    let firing = fired(&row, &piece);
    let race = async |_: usize| {
        let mut tx = stand.workflow_tx().await;
        let firing = Firing { id: FiringId::generate(), ..firing.clone() };
        let inserted = tx.insert_firing(&firing).await.unwrap_or(false);
        inserted && tx.commit().await.is_ok()
    };
    let results = futures::future::join_all((0..6).map(race)).await;
    assert_eq!(results.iter().filter(|won| **won).count(), 1, "{results:?}");
}

/// Pages of firings neither lose nor double rows with equal times.
pub async fn firings_are_paged(stand: Stand) {
    let row = workflow(&stand).await;
    let piece = values::item(&row, stand.alice);
    item(&stand, &piece).await;
    for number in 0..7 {
        fire(&stand, &Firing { time: at(number.max(4)), ..fired(&row, &piece) }).await;
    }
    let scope = stand.scope(stand.alice);
    let read = |page| stand.ports.workflows.list_firings(&scope, row.id, page);
    let rows = all_pages(3, read, || async {}).await;
    let keys: Vec<_> = rows.iter().map(|row| (row.time, row.id)).collect();
    assert_newest_first(&keys, 7);
}

/// Ids named in a request are resolved in the caller's scope.
pub async fn named_ids_resolve_in_scope_only(stand: Stand) {
    let ours = repository(&stand, stand.team(), stand.alice).await;
    let theirs = repository(&stand, Tenant::Team(stand.other), stand.dave).await;
    let scope = stand.scope(stand.alice);
    let mut tx = stand.workflow_tx().await;
    for (repository, expected) in
        [(Some(ours.id), true), (Some(theirs.id), false), (Some(RepositoryId::generate()), false)]
    {
        let resolved = tx.resolve(&scope, repository, &[]).await.unwrap();
        assert_eq!((resolved.repository, resolved.users), (expected, true));
    }
    for (users, expected) in [
        (vec![stand.alice, stand.bob], true),
        (vec![stand.bob, stand.bob], true),
        (vec![stand.dave], false),
        (vec![stand.bob, stand.dave], false),
        (vec![UserId::generate()], false),
    ] {
        let resolved = tx.resolve(&scope, None, &users).await.unwrap();
        assert_eq!((resolved.repository, resolved.users), (true, expected), "{users:?}");
    }
    drop(tx);
    stand.ports.admin.set_active(stand.bob, false).await.unwrap();
    stand.authorizer.refresh().await.unwrap();
    let mut tx = stand.workflow_tx().await;
    let scope = stand.scope(stand.alice);
    assert!(!tx.resolve(&scope, None, &[stand.bob]).await.unwrap().users, "inactive");
}
