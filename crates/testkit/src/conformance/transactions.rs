//! What all transactions have in common: they notice a newer policy, and leave nothing
//! behind unless they commit.

use agent_core::StoreError as AgentStoreError;
use agent_core::port::store::AgentFilter;
use permissions::{ItemsCreate, RepositoriesManage, WorkflowsCreate};
use primitives::{PageRequest, WorkItemId};
use workflow_core::StoreError as WorkflowStoreError;

use super::{Stand, values};

/// Rights of an older epoch open no transaction.
pub async fn an_older_epoch_opens_nothing(stand: Stand) {
    let (old, scope) = (stand.epoch(), stand.scope(stand.alice));
    drop(stand.agent_tx().await);
    drop(stand.workflow_tx().await);
    stand.ports.admin.set_may_apply(stand.erin, false).await.unwrap();

    let refused = stand.ports.agent.begin(&scope).await.err();
    let Some(AgentStoreError::PolicyMoved(new)) = refused else {
        panic!("expected a refusal: {refused:?}");
    };
    assert!(new > old);
    let refused = stand.ports.workflows.begin(&scope).await.err();
    assert!(matches!(refused, Some(WorkflowStoreError::PolicyMoved(epoch)) if epoch == new));
    // So do reads: what was revoked is not shown any more.
    let page = PageRequest::first();
    let refused = stand.ports.agent.list_runs(&scope, AgentFilter::default(), page).await.err();
    assert!(matches!(refused, Some(AgentStoreError::PolicyMoved(epoch)) if epoch == new));
    let refused = stand.ports.workflows.get_item(&scope, WorkItemId::generate()).await.err();
    assert!(matches!(refused, Some(WorkflowStoreError::PolicyMoved(epoch)) if epoch == new));

    stand.authorizer.refresh().await.unwrap();
    assert_eq!(stand.epoch(), new);
    drop(stand.agent_tx().await);
    drop(stand.workflow_tx().await);
}

/// A transaction that is dropped leaves nothing, and does not stop the next one.
pub async fn dropped_transactions_leave_nothing(stand: Stand) {
    let repository = values::repository(stand.team(), stand.alice);
    let workflow = values::workflow(stand.team(), stand.alice);
    let item = values::item(&workflow, stand.alice);
    for commits in [false, true] {
        let mut tx = stand.agent_tx().await;
        let cleared = stand.clear_new::<RepositoriesManage, _>(stand.alice, repository.clone());
        assert!(tx.insert_repository(&cleared).await.unwrap());
        if commits {
            tx.commit().await.unwrap();
        } else {
            drop(tx);
        }
        let mut tx = stand.workflow_tx().await;
        let cleared = stand.clear_new::<WorkflowsCreate, _>(stand.alice, workflow.clone());
        assert!(tx.insert_workflow(&cleared).await.unwrap());
        let cleared = stand.clear_new::<ItemsCreate, _>(stand.alice, item.clone());
        tx.insert_item(&cleared, &values::creation(&item), &values::stay(&item)).await.unwrap();
        if commits {
            tx.commit().await.unwrap();
        } else {
            drop(tx);
        }
        let scope = stand.scope(stand.alice);
        let found = stand.ports.agent.get_repository(&scope, repository.id).await.unwrap();
        assert_eq!(found.is_some(), commits);
        let found = stand.ports.workflows.get_item(&scope, item.id).await.unwrap();
        assert_eq!(found.is_some(), commits);
        let found = stand.ports.workflows.get_workflow(&scope, workflow.id).await.unwrap();
        assert_eq!(found.is_some(), commits);
    }
}

/// Many transactions dropped in a row do not use up connections.
pub async fn dropped_transactions_give_their_connection_back(stand: Stand) {
    for _ in 0..50 {
        drop(stand.agent_tx().await);
        drop(stand.workflow_tx().await);
    }
    stand.agent_tx().await.commit().await.unwrap();
    stand.workflow_tx().await.commit().await.unwrap();
}
