//! Whether what is recorded of a workflow agrees with itself.

use permissions::{AnalyticsRead, Grant};
use primitives::WorkflowId;

use super::{Analytics, LedgerReport};
use crate::WorkflowError;

/// An answer names so many violations.
const SHOWN: usize = 100;

impl Analytics {
    /// Counts transitions, stays, items and figures against each other, and changes nothing.
    #[tracing::instrument(
        name = "analytics.verify_ledger",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn verify_ledger(
        &self,
        grant: &Grant<AnalyticsRead>,
        id: WorkflowId,
    ) -> Result<LedgerReport, WorkflowError> {
        let scope = grant.scope();
        let row = self.store.get_workflow(&scope, id).await?;
        grant.admit(row.ok_or(WorkflowError::NotFound("WORKFLOW"))?)?;
        // One more than is shown, so that it is known when some are left out.
        let most = u32::try_from(SHOWN).unwrap_or(u32::MAX).saturating_add(1);
        let ledger = self.store.ledger(&scope, id, most).await?;
        let (stages, counted) = (ledger.stages.clone(), ledger.recount);
        let mut violations = ledger.violations();
        let has_more = violations.len() > SHOWN;
        violations.truncate(SHOWN);
        if !violations.is_empty() {
            tracing::error!(workflow.id = %id, found = violations.len(), "the ledger is broken");
        }
        Ok(LedgerReport { workflow: id, stages, counted, violations, has_more })
    }
}
