//! Definitions after they were published: revisions, pauses, stars.

use permissions::{Visible, WorkflowsCreate, WorkflowsManage};
use primitives::{RunId, Tenant, Timestamp, WorkflowId};
use workflow_core::StoreError;
use workflow_core::model::{Changes, Origin, Pauses, Settings, StageId, Workflow};
use workflow_core::store::{STARS, Star};

use super::values::{self, at};
use super::workflows::{insert, item, workflow};
use super::{Stand, all_pages};

fn renamed(row: &Workflow, number: i64) -> Workflow {
    let mut next = row.clone();
    next.revision = number;
    next.updated_at = at(number);
    next.definition.stages[0].display_name = format!("Stage of {number}");
    next
}

/// Publishes `next` over the row as alice sees it; bob is named as its publisher.
async fn publish(stand: &Stand, next: &Workflow) -> Result<(), StoreError> {
    let scope = stand.scope(stand.alice);
    let mut tx = stand.workflow_tx().await;
    let held = tx.lock_workflow(&scope, next.id).await?.unwrap();
    let cleared = stand.clear::<WorkflowsManage, _>(stand.alice, held, |row| *row = next.clone());
    tx.publish_revision(&cleared, stand.bob).await?;
    tx.commit().await
}

/// A new revision is the workflow's definition, the older ones stay as they were, and its
/// triggers take the place of those before.
pub async fn a_revision_is_published_whole(stand: Stand) {
    let first = workflow(&stand).await;
    let mut next = renamed(&first, 2);
    next.definition.triggers[0].enabled = false;
    next.definition.stages.truncate(1);
    publish(&stand, &next).await.unwrap();
    let stale = publish(&stand, &next).await;
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");

    let store = &stand.ports.workflows;
    let scope = stand.scope(stand.alice);
    let found = store.get_workflow(&scope, first.id).await.unwrap().unwrap().into_inner();
    assert_eq!(found, Workflow { version: 2, ..next.clone() });
    let event = values::event(stand.team(), stand.bob);
    assert!(store.triggers_for(&event, 9).await.unwrap().is_empty(), "its trigger is off");
    let one = store.get_revision(&scope, first.id, 1).await.unwrap().unwrap();
    assert_eq!((&one.definition, &one.changes), (&first.definition, &None));
    assert_eq!((one.published_by, one.published_at), (first.creator, first.updated_at));
    let two = store.get_revision(&scope, first.id, 2).await.unwrap().unwrap();
    assert_eq!(two.changes, Some(Changes::between(&first.definition, &next.definition)));
    assert_eq!((two.published_by, two.published_at), (stand.bob, at(2)));
    assert!(store.get_revision(&scope, first.id, 3).await.unwrap().is_none());
    let dave = stand.scope(stand.dave);
    assert!(store.get_revision(&dave, first.id, 1).await.unwrap().is_none());
}

/// Newest first, in pages that neither lose nor double one that is published meanwhile.
pub async fn revisions_are_paged(stand: Stand) {
    let first = workflow(&stand).await;
    let mut row = first.clone();
    for number in 2..=7 {
        row = Workflow { version: number - 1, ..renamed(&first, number) };
        publish(&stand, &row).await.unwrap();
    }
    let next = Workflow { version: 7, ..renamed(&row, 8) };
    let scope = stand.scope(stand.alice);
    let read = |page| stand.ports.workflows.list_revisions(&scope, first.id, page);
    let between = || async { publish(&stand, &next).await.unwrap() };
    let rows = all_pages(3, read, between).await;
    let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, [7, 6, 5, 4, 3, 2, 1]);
    assert!(rows.iter().take(6).all(|row| row.changes.is_some()));
    let dave = stand.scope(stand.dave);
    let hidden =
        stand.ports.workflows.list_revisions(&dave, first.id, primitives::PageRequest::first());
    assert!(hidden.await.unwrap().items.is_empty());
}

/// What is set beside a definition comes back as it was stored.
pub async fn settings_come_back_as_they_were_stored(stand: Stand) {
    let row = workflow(&stand).await;
    let scope = stand.scope(stand.alice);
    let settings = Settings {
        pauses: Pauses { since: Some(at(3)), stages: vec![StageId("assist".into())] },
        allows_manual_creation: false,
        requires_approval_to_start: true,
        origin: None,
    };
    let mut tx = stand.workflow_tx().await;
    let held = tx.lock_workflow(&scope, row.id).await.unwrap().unwrap();
    let changed = stand.clear::<WorkflowsManage, _>(stand.alice, held, |row| {
        row.settings = settings.clone();
    });
    tx.save_workflow(&changed).await.unwrap();
    tx.commit().await.unwrap();
    let store = &stand.ports.workflows;
    let found = store.get_workflow(&scope, row.id).await.unwrap().unwrap();
    assert_eq!(found.settings, settings);
    let piece = values::item(&row, stand.alice);
    item(&stand, &piece).await;
    let held = store.get_item(&scope, piece.id).await.unwrap().unwrap();
    assert_eq!(held.pauses, settings.pauses);
    let blueprint = Workflow {
        is_template: true,
        settings: Settings {
            origin: Some(Origin { workflow: row.id, revision: 1 }),
            ..Settings::default()
        },
        ..values::workflow(stand.team(), stand.alice)
    };
    assert!(insert(&stand, stand.alice, &blueprint).await);
    let id = primitives::TemplateId::from_uuid(blueprint.id.as_uuid());
    let found = store.get_template(&scope, id).await.unwrap().unwrap();
    assert_eq!(found.settings, blueprint.settings);
}

async fn set_pauses(stand: &Stand, id: WorkflowId, pauses: Pauses) {
    let scope = stand.scope(stand.alice);
    let mut tx = stand.workflow_tx().await;
    let held = tx.lock_workflow(&scope, id).await.unwrap().unwrap();
    let tenant = held.tenant;
    let changed = stand.clear::<WorkflowsManage, _>(stand.alice, held, |row| {
        row.settings.pauses = pauses;
    });
    tx.save_workflow(&changed).await.unwrap();
    tx.restart_waiting_runs(tenant, id).await.unwrap();
    tx.commit().await.unwrap();
}

/// A run whose workflow or stage is paused is not claimed, and is when that is over.
pub async fn runs_of_what_is_paused_wait(stand: Stand) {
    let row = workflow(&stand).await;
    let piece = values::item(&row, stand.alice);
    item(&stand, &piece).await;
    let mut tx = stand.workflow_tx().await;
    let order = values::order(&piece);
    tx.order_run(&order).await.unwrap();
    tx.commit().await.unwrap();
    let claim = async || {
        let claimed = stand.ports.runs.claim_run("w", values::NEVER).await.unwrap();
        claimed.map(|run: agent_core::model::Run| -> RunId { run.id })
    };
    let stage = Pauses { since: None, stages: vec![piece.stage.clone()] };
    for pauses in [Pauses { since: Some(at(1)), stages: vec![] }, stage] {
        set_pauses(&stand, row.id, pauses).await;
        assert_eq!(claim().await, None);
    }
    // An id that is part of the item's stage's id is another stage.
    let (part, _) = piece.stage.0.split_at(2);
    let other = Pauses { since: None, stages: vec![StageId(part.into())] };
    set_pauses(&stand, row.id, other).await;
    assert_eq!(claim().await, Some(order.run));
}

async fn star(
    stand: &Stand,
    place: u8,
    workflow: WorkflowId,
    time: Timestamp,
) -> Result<(), StoreError> {
    let scope = stand.scope(stand.alice);
    let mut tx = stand.workflow_tx().await;
    tx.insert_star(&scope, &Star { workflow, place, time, is_visible: true }).await?;
    tx.commit().await
}

/// Stars are listed newest first, as long as their workflow is there to be seen.
pub async fn stars_are_personal_and_few(stand: Stand) {
    let scope = stand.scope(stand.alice);
    let store = &stand.ports.workflows;
    let (one, two) = (workflow(&stand).await, workflow(&stand).await);
    let foreign = values::workflow(Tenant::Team(stand.other), stand.dave);
    assert!(insert(&stand, stand.dave, &foreign).await);
    star(&stand, 1, one.id, at(1)).await.unwrap();
    star(&stand, 2, two.id, at(2)).await.unwrap();
    star(&stand, 3, foreign.id, at(3)).await.unwrap();
    for (place, workflow) in [(1, WorkflowId::generate()), (4, one.id)] {
        let taken = star(&stand, place, workflow, at(4)).await;
        assert!(matches!(taken, Err(StoreError::Stale)), "{taken:?}");
    }
    let beyond = u8::try_from(STARS).unwrap() + 1;
    assert!(star(&stand, beyond, WorkflowId::generate(), at(4)).await.is_err());

    let listed = async |user| {
        let rows = store.list_starred(&stand.scope(user)).await.unwrap();
        rows.into_iter().map(|row: Visible<Workflow>| row.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(stand.alice).await, [two.id, one.id]);
    assert!(listed(stand.bob).await.is_empty(), "alice's alone");
    let mut tx = stand.workflow_tx().await;
    let held: Vec<_> = tx.stars(&scope).await.unwrap();
    let held: Vec<_> = held.iter().map(|star| (star.workflow, star.is_visible)).collect();
    assert_eq!(held, [(one.id, true), (two.id, true), (foreign.id, false)]);
    tx.remove_star(&scope, two.id).await.unwrap();
    tx.remove_star(&scope, two.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(listed(stand.alice).await, [one.id]);
}

/// The newest revision of the template that a workflow came from is told to who sees it.
pub async fn a_newer_template_is_told_where_it_is_seen(stand: Stand) {
    use workflow_core::model::TemplateSource;
    let blueprint = Workflow {
        is_template: true,
        revision: 4,
        ..values::workflow(Tenant::Person(stand.alice), stand.alice)
    };
    assert!(insert(&stand, stand.alice, &blueprint).await);
    let template = primitives::TemplateId::from_uuid(blueprint.id.as_uuid());
    let source = Some(TemplateSource { template, revision: 1, newest: None });
    let made = Workflow { source, ..values::workflow(stand.team(), stand.alice) };
    let mut tx = stand.workflow_tx().await;
    let cleared = stand.clear_new::<WorkflowsCreate, _>(stand.alice, made.clone());
    assert!(tx.insert_workflow(&cleared).await.unwrap());
    tx.commit().await.unwrap();
    for (user, newest) in [(stand.alice, Some(4)), (stand.bob, None)] {
        let found = stand.ports.workflows.get_workflow(&stand.scope(user), made.id).await.unwrap();
        assert_eq!(found.unwrap().source.unwrap().newest, newest);
    }
}

/// A workflow without items goes to another owner with all that hangs on it, or not at all.
pub async fn a_workflow_goes_to_another_owner_whole(stand: Stand) {
    use permissions::WorkflowsOwn;
    let first = workflow(&stand).await;
    let next = renamed(&first, 2);
    publish(&stand, &next).await.unwrap();
    let scope = stand.scope(stand.carol);
    let own = Tenant::Person(stand.carol);
    let give = async |version: i64| {
        let moved = Workflow { tenant: own, updated_at: at(9), version, ..next.clone() };
        let cleared = stand.clear_new::<WorkflowsOwn, _>(stand.carol, moved);
        let mut tx = stand.workflow_tx_of(stand.carol).await;
        assert!(tx.lock_workflow(&scope, first.id).await.unwrap().is_some());
        assert!(!tx.has_items(stand.team(), first.id).await.unwrap());
        tx.move_workflow(stand.team(), &cleared).await?;
        tx.commit().await
    };
    let stale = give(1).await;
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    give(2).await.unwrap();
    let store = &stand.ports.workflows;
    assert!(store.get_workflow(&stand.scope(stand.alice), first.id).await.unwrap().is_none());
    let found = store.get_workflow(&scope, first.id).await.unwrap().unwrap();
    assert_eq!((found.tenant, found.version, found.updated_at), (own, 3, at(9)));
    assert_eq!(found.definition, next.definition);
    let page = primitives::PageRequest::first();
    let revisions = store.list_revisions(&scope, first.id, page).await.unwrap().items;
    assert!(revisions.len() == 2 && revisions.iter().all(|row| row.tenant == own));
    let event = values::event(own, stand.carol);
    assert_eq!(store.triggers_for(&event, 9).await.unwrap().len(), 1);

    let used = workflow(&stand).await;
    item(&stand, &values::item(&used, stand.alice)).await;
    let mut tx = stand.workflow_tx().await;
    assert!(tx.has_items(stand.team(), used.id).await.unwrap());
}

/// The filter finds those whose newest definition has a stage of the agent's.
pub async fn templates_with_an_agent_stage_are_found(stand: Stand) {
    use workflow_core::store::WorkflowFilter;
    let with = workflow(&stand).await;
    let mut without = values::workflow(stand.team(), stand.alice);
    without.definition.stages.retain(|stage| !stage.kind.runs_agent());
    assert!(insert(&stand, stand.alice, &without).await);
    let mut lost = Workflow { revision: 2, ..workflow(&stand).await };
    lost.definition.stages.retain(|stage| !stage.kind.runs_agent());
    publish(&stand, &lost).await.unwrap();
    let filter = WorkflowFilter { with_agent_stage: true, ..WorkflowFilter::default() };
    let scope = stand.scope(stand.alice);
    let page = primitives::PageRequest::first();
    let found = stand.ports.workflows.list_workflows(&scope, false, &filter, page).await.unwrap();
    assert_eq!(found.items.iter().map(|row| row.id).collect::<Vec<_>>(), [with.id]);
}
