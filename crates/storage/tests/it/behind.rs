//! What a migration holds of items that others hold, too.

use permissions::WorkflowsManage;
use primitives::PageRequest;
use testkit::database::Backend;

use super::open;
use super::transactions::workflow_with_item;

testkit::on_both! {
    /// It passes over what somebody else holds, and waits for nobody. SQLite's one writer is
    /// alone.
    async fn an_item_that_is_held_is_passed_over(db: TestDb) {
        let (_storage, stand) = open(&db).await;
        let (workflow, item) = workflow_with_item(&stand).await;
        let scope = stand.scope(stand.alice);
        let mut tx = stand.workflow_tx().await;
        let row = tx.lock_workflow(&scope, workflow.id).await.unwrap().unwrap();
        let row = stand.clear::<WorkflowsManage, _>(stand.alice, row, |row| row.revision += 1);
        tx.publish_revision(&row, stand.alice).await.unwrap();
        tx.commit().await.unwrap();
        let page = PageRequest::first();
        if db.backend() == Backend::Postgres {
            let mut other = stand.workflow_tx().await;
            other.lock_item(&scope, item.id).await.unwrap().unwrap();
            let mut tx = stand.workflow_tx().await;
            let held = tx.hold_items_behind(&scope, workflow.id, row.revision, page).await.unwrap();
            assert_eq!((held.items.len(), held.in_use, held.next), (0, vec![item.id], None));
        }
        let mut tx = stand.workflow_tx().await;
        let held = tx.hold_items_behind(&scope, workflow.id, row.revision, page).await.unwrap();
        assert_eq!((held.items.len(), held.in_use.len()), (1, 0));
    }
}
