//! Workflows that somebody wants at hand: a few, and his own affair.
//!
//! **Invariant:** nobody has more than [`STARS`], however many calls meet: each star has a
//! place, and there are no more places.

use events::Once;
use permissions::{Grant, WorkflowsView};
use primitives::{Checked, WorkflowId};

use super::{Workflows, remember};
use crate::WorkflowError;
use crate::model::Workflow;
use crate::store::{STARS, Star};

impl Workflows {
    /// Marks a workflow for the caller. One that is marked already stays where it is.
    #[tracing::instrument(
        name = "workflows.star",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn star(
        &self,
        grant: &Grant<WorkflowsView>,
        id: WorkflowId,
        arguments: Checked<()>,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        let scope = grant.scope();
        let (mut tx, row, answer) = self.hold_live(grant, id, once).await?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
        arguments?;
        let now = self.clock.now();
        let mut stars = tx.stars(&scope).await?;
        if !stars.iter().any(|star| star.workflow == id) {
            if stars.len() >= STARS {
                // What cannot be seen any more takes no place from what can.
                for lost in stars.iter().filter(|star| !star.is_visible) {
                    tx.remove_star(&scope, lost.workflow).await?;
                }
                stars.retain(|star| star.is_visible);
            }
            let taken = |place: &u8| stars.iter().any(|star| star.place == *place);
            let place = (1_u8..).take(STARS).find(|place| !taken(place)).ok_or_else(|| {
                let message = format!("{STARS} workflows have a star; take one away first");
                WorkflowError::wrong_state("STAR_LIMIT", message)
            })?;
            let star = Star { workflow: id, place, time: now, is_visible: true };
            tx.insert_star(&scope, &star).await?;
        }
        let answer = row.into_inner();
        remember(tx.as_mut(), once, &answer, now).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// Takes the caller's mark away, if there is one.
    #[tracing::instrument(
        name = "workflows.unstar",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn unstar(
        &self,
        grant: &Grant<WorkflowsView>,
        id: WorkflowId,
        arguments: Checked<()>,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        let scope = grant.scope();
        let (mut tx, row, answer) = self.hold_live(grant, id, once).await?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
        arguments?;
        tx.remove_star(&scope, id).await?;
        let answer = row.into_inner();
        remember(tx.as_mut(), once, &answer, self.clock.now()).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// The caller's marked workflows that he may view, the newest mark first.
    #[tracing::instrument(
        name = "workflows.list_starred",
        skip_all,
        fields(user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn list_starred(
        &self,
        grant: &Grant<WorkflowsView>,
    ) -> Result<Vec<Workflow>, WorkflowError> {
        let rows = self.store.list_starred(&grant.scope()).await?;
        let shown = rows.into_iter().filter_map(|row| grant.admit(row).ok());
        Ok(shown.map(permissions::Admitted::into_inner).collect())
    }
}
