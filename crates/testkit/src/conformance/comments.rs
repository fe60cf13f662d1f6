//! [`CommentStore`](workflow_core::store::CommentStore) and its transaction.

use permissions::{ItemsEdit, Visible};
use primitives::{CommentId, PageRequest, UserId, WorkItemId};
use workflow_core::StoreError;
use workflow_core::model::{Comment, WorkItem};

use super::values::{self, at};
use super::workflows::{item as insert_item, workflow};
use super::{Stand, all_pages};

async fn item(stand: &Stand) -> WorkItem {
    let item = values::item(&workflow(stand).await, stand.alice);
    insert_item(stand, &item).await;
    item
}

fn comment(item: &WorkItem, author: UserId, seconds: i64) -> Comment {
    Comment {
        id: CommentId::generate(),
        tenant: item.tenant,
        item: item.id,
        author,
        text: "Größe ✓\nand more".into(),
        created_at: at(seconds),
        updated_at: at(seconds),
        deleted_at: None,
        version: 1,
    }
}

async fn insert(stand: &Stand, comment: &Comment) {
    let mut tx = stand.workflow_tx().await;
    let row = stand.clear_new::<ItemsEdit, _>(stand.alice, comment.clone());
    tx.insert_comment(&row).await.unwrap();
    tx.commit().await.unwrap();
}

async fn held(stand: &Stand, user: UserId, id: CommentId) -> Option<Visible<Comment>> {
    let mut tx = stand.workflow_tx_of(user).await;
    tx.lock_comment(&stand.scope(user), id).await.unwrap()
}

async fn listed(stand: &Stand, user: UserId, item: WorkItemId) -> Vec<Comment> {
    let store = &stand.ports.workflows;
    let page = store.list_comments(&stand.scope(user), item, PageRequest::first()).await.unwrap();
    page.items.into_iter().map(Visible::into_inner).collect()
}

/// Every column survives the way there and back, before and after a change.
pub async fn rows_come_back_as_they_were_stored(stand: Stand) {
    let item = item(&stand).await;
    let said = comment(&item, stand.bob, 1);
    insert(&stand, &said).await;
    let shown = held(&stand, stand.bob, said.id).await.unwrap();
    assert_eq!(*shown, said);

    let row = stand.clear::<ItemsEdit, _>(stand.bob, shown, |comment| {
        comment.text = String::new();
        comment.updated_at = at(2);
        comment.deleted_at = Some(at(2));
    });
    let mut tx = stand.workflow_tx().await;
    tx.save_comment(&row).await.unwrap();
    tx.commit().await.unwrap();
    let gone = Comment {
        text: String::new(),
        updated_at: at(2),
        deleted_at: Some(at(2)),
        version: 2,
        ..said
    };
    assert_eq!(listed(&stand, stand.alice, item.id).await, [gone]);
}

/// A comment outside a scope reads the same as none at all.
pub async fn foreign_rows_look_absent(stand: Stand) {
    let item = item(&stand).await;
    let said = comment(&item, stand.bob, 1);
    insert(&stand, &said).await;
    for (user, visible) in [(stand.alice, true), (stand.dave, false), (stand.erin, false)] {
        assert_eq!(held(&stand, user, said.id).await.is_some(), visible);
        assert_eq!(listed(&stand, user, item.id).await.len(), usize::from(visible));
    }
}

/// A change of a version that is not the newest saves nothing.
pub async fn a_stale_version_saves_nothing(stand: Stand) {
    let item = item(&stand).await;
    let said = comment(&item, stand.bob, 1);
    insert(&stand, &said).await;
    for (text, saved) in [("first", true), ("second", false)] {
        let shown = stand.scope(stand.bob).show(said.clone()).unwrap();
        let row = stand.clear::<ItemsEdit, _>(stand.bob, shown, |row| row.text = text.into());
        let mut tx = stand.workflow_tx().await;
        let outcome = tx.save_comment(&row).await;
        assert_eq!(outcome.is_ok(), saved, "{outcome:?}");
        match outcome {
            Ok(()) => tx.commit().await.unwrap(),
            Err(error) => assert!(matches!(error, StoreError::Stale), "{error}"),
        }
    }
    assert_eq!(listed(&stand, stand.bob, item.id).await[0].text, "first");
}

/// Pages go from the oldest to the newest, stable while comments are added.
pub async fn comments_are_paged_oldest_first(stand: Stand) {
    let item = item(&stand).await;
    let mut expected = Vec::new();
    for seconds in [3, 1, 1, 2, 1] {
        let said = comment(&item, stand.bob, seconds);
        insert(&stand, &said).await;
        expected.push(said);
    }
    let late = comment(&item, stand.alice, 9);
    expected.push(late.clone());
    expected.sort_by_key(|comment| (comment.created_at, comment.id));
    let other = values::item(&workflow(&stand).await, stand.alice);
    insert_item(&stand, &other).await;
    insert(&stand, &comment(&other, stand.bob, 1)).await;
    let scope = stand.scope(stand.bob);
    let store = &stand.ports.workflows;
    let read = |page| store.list_comments(&scope, item.id, page);
    let rows = all_pages(2, read, async || insert(&stand, &late).await).await;
    let rows: Vec<_> = rows.into_iter().map(Visible::into_inner).collect();
    assert_eq!(rows, expected);
}
