//! What an item says: changed without moving it.

use audit::AuditEvent;
use events::Once;
use permissions::{Grant, ItemsEdit};
use primitives::{Checked, RepositoryId, WorkItemId};
use serde_json::json;

use super::create_item::free_external_ids;
use super::item_rules::{open_at, refuse_live_run};
use super::waiting::{refuse_unknown, save_blockers};
use super::{ItemChanges, ItemView, Items, remember, replayed};
use crate::WorkflowError;
use crate::model::{WorkItem, validate};

impl Items {
    /// Changes what the caller names; the item stays where it is, and closed ones stay as they
    /// are. The repository cannot change while the agent is at work on it.
    ///
    /// `repository` is the one that the call names, known also when its input is wrong.
    #[tracing::instrument(
        name = "work_items.update",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn update(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        repository: Option<RepositoryId>,
        input: Checked<ItemChanges>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        let (mut tx, row) = self.hold(grant, id).await?;
        if repository.is_some() && !tx.resolve(&grant.scope(), repository, &[]).await?.repository {
            return Err(WorkflowError::NotFound("REPOSITORY"));
        }
        let named = input.as_ref().ok().and_then(|input| input.blocked_by.as_deref());
        refuse_unknown(tx.as_mut(), row.item.tenant, named.unwrap_or_default()).await?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let changes = validate::changes(input?, &row.item.data)?;
        open_at(&row.item, changes.etag)?;
        let now = self.clock.now();
        let before = &row.item;
        let mut item = changed(before, changes);
        if item.repository != before.repository {
            refuse_live_run(before)?;
        }
        if item.external_id != before.external_id {
            let named: Vec<_> = item.external_id.clone().into_iter().collect();
            free_external_ids(tx.as_mut(), item.tenant, item.workflow, &named).await?;
        }
        let fields = differences(before, &item);
        item.updated_at = now;
        if item.content_hash() != before.content_hash() {
            item.written_by(grant.user());
            // Changed back it is not approved again: by then who voted may be an author.
            item.votes.clear();
        }
        let cleared = row.save_as(item.clone());
        tx.save_item(&cleared).await?;
        if item.blocked_by != before.blocked_by {
            save_blockers(tx.as_mut(), &cleared).await?;
        }
        item.version += 1;
        let event = AuditEvent::by(grant, now, item.tenant, "work_item.updated", id);
        tx.record(vec![event.with(json!({ "fields": fields }))]).await?;
        let view = ItemView::with(item, &row);
        remember(tx.as_mut(), once, &view, now).await?;
        tx.commit().await?;
        Ok(view)
    }
}

fn changed(before: &WorkItem, changes: ItemChanges) -> WorkItem {
    let mut item = before.clone();
    let ItemChanges { title, description, priority, tags, data, repository, .. } = changes;
    item.title = title.unwrap_or(item.title);
    item.description = description.unwrap_or(item.description);
    item.priority = priority.unwrap_or(item.priority);
    item.tags = tags.unwrap_or(item.tags);
    item.data = data.unwrap_or(item.data);
    item.repository = repository.unwrap_or(item.repository);
    item.due_at = changes.due_at.unwrap_or(item.due_at);
    item.blocked_by = changes.blocked_by.unwrap_or(item.blocked_by);
    if let Some(external_id) = changes.external_id {
        item.external_id = Some(external_id).filter(|id| !id.is_empty());
    }
    item
}

/// Names of what changed; no texts.
fn differences(before: &WorkItem, after: &WorkItem) -> Vec<&'static str> {
    let fields = [
        ("title", before.title != after.title),
        ("description", before.description != after.description),
        ("priority", before.priority != after.priority),
        ("tags", before.tags != after.tags),
        ("data", before.data != after.data),
        ("repository", before.repository != after.repository),
        ("external_id", before.external_id != after.external_id),
        ("due_time", before.due_at != after.due_at),
        ("blocked_by", before.blocked_by != after.blocked_by),
    ];
    fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}
