//! Figures of workflows.

use std::sync::Arc;

use permissions::{AnalyticsRead, Grant};
use primitives::WorkflowId;

use super::{Figures, NamedFigures};
use crate::WorkflowError;
use crate::model::{Definition, StageFigures, StageId, WorkflowFigures};
use crate::store::WorkflowStore;

/// How work flows through workflows.
#[derive(Clone)]
pub struct Analytics {
    store: Arc<dyn WorkflowStore>,
}

impl Analytics {
    pub fn new(store: Arc<dyn WorkflowStore>) -> Self {
        Self { store }
    }

    /// Figures of one workflow over its whole life; a deleted one keeps them.
    #[tracing::instrument(
        name = "analytics.workflow",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn workflow(
        &self,
        grant: &Grant<AnalyticsRead>,
        id: WorkflowId,
    ) -> Result<Figures, WorkflowError> {
        let scope = grant.scope();
        let row = self.store.get_workflow(&scope, id).await?;
        let row = grant.admit(row.ok_or(WorkflowError::NotFound("WORKFLOW"))?)?;
        let figures = self.store.figures(&scope, id).await?;
        Ok(named(id, &row.definition, figures))
    }
}

/// Stages of the newest revision in its order, with or without traffic, then the others.
fn named(workflow: WorkflowId, definition: &Definition, figures: WorkflowFigures) -> Figures {
    let mut seen = figures.stages;
    let mut take = |id: &StageId| {
        let at = seen.iter().position(|(stage, _)| stage == id);
        at.map_or_else(StageFigures::default, |at| seen.swap_remove(at).1)
    };
    let mut stages: Vec<_> = definition
        .stages
        .iter()
        .map(|stage| NamedFigures {
            id: stage.id.clone(),
            display_name: stage.display_name.clone(),
            figures: take(&stage.id),
        })
        .collect();
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    stages.extend(seen.into_iter().map(|(id, figures)| NamedFigures {
        display_name: id.0.clone(),
        id,
        figures,
    }));
    Figures {
        workflow,
        total: figures.total,
        completed: figures.completed,
        in_progress: figures.in_progress,
        cancelled: figures.cancelled,
        failed: figures.failed,
        mean_cycle_seconds: figures.mean_cycle_seconds,
        stages,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::validate::{Place, workflow};
    use crate::model::{RouteInput, StageInput, StageType, WorkflowInput};

    #[test]
    fn stages_come_in_order_with_or_without_traffic_and_old_ones_last() {
        let stage = |id: &str, to: &str| StageInput {
            id: id.into(),
            display_name: id.to_uppercase(),
            kind: Some(StageType::Human),
            routes: vec![RouteInput { target: to.into(), ..RouteInput::default() }],
            ..StageInput::default()
        };
        let asked = WorkflowInput {
            display_name: "x".into(),
            stages: vec![stage("b", "a"), stage("a", "")],
            ..WorkflowInput::default()
        };
        let user = primitives::UserId::generate();
        let (_, definition) = workflow(&asked, Place::Template, user).unwrap();
        let entered = |n| StageFigures { entered: n, ..StageFigures::default() };
        let id = |id: &str| StageId(id.into());
        let stages = vec![(id("z"), entered(1)), (id("a"), entered(2)), (id("old"), entered(3))];
        let figures = WorkflowFigures { total: 9, stages, ..WorkflowFigures::default() };
        let named = named(WorkflowId::generate(), &definition, figures);
        let shown: Vec<_> = named
            .stages
            .iter()
            .map(|stage| (stage.id.0.as_str(), stage.display_name.as_str(), stage.figures.entered))
            .collect();
        assert_eq!(shown, [("b", "B", 0), ("a", "A", 2), ("old", "old", 3), ("z", "z", 1)]);
        assert_eq!(named.total, 9);
    }
}
