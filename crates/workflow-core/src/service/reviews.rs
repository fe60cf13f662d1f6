//! What people say to the agent's proposals.

use audit::AuditEvent;
use events::Once;
use permissions::{Grant, ItemsEdit};
use primitives::{Checked, InvalidArgs, WorkItemId};
use serde_json::json;

use super::item_rules::refuse_closed;
use super::{ItemView, Items, ReviewInput, expect_version, remember, replayed};
use crate::WorkflowError;
use crate::model::{Recommendation, ReservedKey, Verdict, WorkItem, data, validate};

/// Reviews of recommendations.
#[derive(Clone)]
pub struct Reviews {
    items: Items,
}

impl Reviews {
    pub fn new(items: Items) -> Self {
        Self { items }
    }

    /// Records a verdict on the item's newest recommendation. It binds to the hash, so that
    /// nobody judges what he has not read; the item stays where it is.
    #[tracing::instrument(
        name = "recommendations.review",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn review(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        input: Checked<ReviewInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        let (mut tx, row) = self.items.hold(grant, id).await?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let input = input?;
        let note = judge(&input)?;
        expect_version(input.etag, row.item.version)?;
        refuse_closed(&row.item)?;
        let newest = tx.newest_recommendation(id).await?;
        let newest = newest.filter(|newest| newest.hash == input.hash).ok_or_else(|| {
            let message = "the newest recommendation is not the one that was read";
            WorkflowError::wrong_state("RECOMMENDATION_MISMATCH", message)
        })?;
        if newest.verdict != Verdict::Pending {
            let message = "the recommendation has a verdict already";
            return Err(WorkflowError::wrong_state("ALREADY_REVIEWED", message));
        }

        let now = self.items.clock.now();
        let reviewed = Recommendation {
            verdict: input.verdict,
            reviewer: Some(grant.user()),
            reviewed_at: Some(now),
            review_note: note,
            ..newest
        };
        tx.save_verdict(&row.save_as(reviewed.clone())).await?;
        let mut item = WorkItem { updated_at: now, ..row.item.clone() };
        // After a later run failed, the item shows that instead; the verdict stays on the list.
        if item.data.contains_key(ReservedKey::Recommendation.as_str()) {
            data::set(&mut item.data, ReservedKey::Recommendation, &reviewed)?;
        }
        tx.save_data(&row.save_as(item.clone())).await?;
        item.version += 1;
        let tenant = item.tenant;
        let event = AuditEvent::by(grant, now, tenant, "work_item.recommendation.reviewed", id);
        let event = event.with(json!({
            "recommendation": reviewed.id,
            "hash": reviewed.hash,
            "verdict": reviewed.verdict,
        }));
        tx.record(vec![event]).await?;
        let view = ItemView::with(item, &row);
        remember(tx.as_mut(), once, &view, now).await?;
        tx.commit().await?;
        Ok(view)
    }
}

fn judge(input: &ReviewInput) -> Checked<String> {
    if input.etag.is_none() {
        return Err(InvalidArgs::new("etag", "is required: repeat the etag that was read"));
    }
    if input.verdict == Verdict::Pending {
        return Err(InvalidArgs::new("verdict", "must be ACCEPT or REJECT"));
    }
    validate::note("note", &input.note)
}
