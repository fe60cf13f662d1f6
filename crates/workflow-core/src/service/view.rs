//! What services answer with. Serialisable, because answers are remembered for retries.

use events::{Cause, EventType};
use permissions::{Tenanted, Visible};
use primitives::{
    EventId, RepositoryId, RunId, Tenant, Timestamp, TriggerId, UserId, VisitId, WorkItemId,
    WorkflowId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ApprovalView;
use crate::model::{
    AutoApplyResult, DayFigures, Lengths, LockedItem, Recommendation, Recount, ReservedKey,
    StageFigures, StageId, StageLedger, StageType, Violation, WorkItem,
};

/// An item with the names around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemView {
    pub item: WorkItem,
    pub workflow_name: String,
    /// Of the stage it is at, in the revision it is pinned to.
    pub stage_name: String,
    /// What the workflow's items are called before their number.
    #[serde(default)]
    pub item_key: String,
    /// What it waits for at an APPROVAL stage.
    #[serde(default)]
    pub approval: Option<ApprovalView>,
}

impl ItemView {
    pub(crate) fn of(row: LockedItem) -> Self {
        Self::with(row.item.clone(), &row)
    }

    /// `item` as it became, with the names of the row it was read as.
    pub(crate) fn with(item: WorkItem, row: &LockedItem) -> Self {
        let stage = row.definition.stage(&item.stage);
        Self {
            approval: stage.and_then(|stage| ApprovalView::of(&item, stage)),
            stage_name: stage.map_or_else(String::new, |stage| stage.display_name.clone()),
            workflow_name: row.workflow_name.clone(),
            item_key: row.item_key.clone(),
            item,
        }
    }

    /// For people, as in BUG-142; empty while it has no number.
    pub fn reference(&self) -> String {
        if self.item.number == 0 {
            return String::new();
        }
        format!("{}-{}", self.item_key, self.item.number)
    }

    /// The newest recommendation.
    pub fn recommendation(&self) -> Option<Recommendation> {
        self.reserved(ReservedKey::Recommendation)
    }

    /// Why the agent's last run brought none.
    pub fn recommendation_error(&self) -> Option<String> {
        self.reserved(ReservedKey::RecommendationError)
    }

    /// How the last automatic apply ended.
    pub fn auto_apply_result(&self) -> Option<AutoApplyResult> {
        self.reserved(ReservedKey::AutoApplyResult)
    }

    /// The event that created it.
    pub fn agent_event(&self) -> Option<AgentEvent> {
        self.reserved(ReservedKey::Event)
    }

    fn reserved<T: serde::de::DeserializeOwned>(&self, key: ReservedKey) -> Option<T> {
        let value = self.item.data.get(key.as_str())?;
        serde_json::from_value(value.clone()).ok()
    }
}

/// The event that made a trigger create an item: the value of `data.agent_event`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentEvent {
    pub id: EventId,
    #[serde(rename = "type")]
    pub kind: EventType,
    /// Version of the payload's shape.
    pub version: u32,
    /// The trigger that it met.
    pub trigger: TriggerId,
    pub principal: UserId,
    /// What led to the event itself; `None` for a root event.
    pub cause: Option<Cause>,
    pub payload: Value,
    /// Microseconds since the epoch.
    pub time: Timestamp,
}

/// Which assist run speaks, about which stay of which item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssistRun {
    pub run: RunId,
    pub item: WorkItemId,
    pub visit: VisitId,
}

/// What the agent needs to know about an item at its stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssistBrief {
    /// The item is open and still in the stay the run was ordered for. If not, the run is
    /// superseded and nothing else here matters.
    pub still_here: bool,
    /// It has left that stay because of what this run brought: only the run's end is missing.
    pub was_recorded: bool,
    pub tenant: Tenant,
    pub workflow: WorkflowId,
    pub workflow_name: String,
    pub title: String,
    pub description: String,
    pub stage: StageId,
    pub stage_name: String,
    pub stage_type: StageType,
    /// Empty: the default of the type.
    pub prompt: String,
    /// Empty: the whole repository.
    pub target_path: String,
    /// Empty: the configured model.
    pub model_hint: String,
    /// Who allowed auto-apply; `None` is off.
    pub auto_apply_set_by: Option<UserId>,
    pub repository: Option<RepositoryId>,
    /// The chain of events that led here.
    pub cause: Option<Cause>,
}

/// What became of a run's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// The item shows it (also when it did before).
    Recorded,
    /// The item is closed or has left that stay: nothing changed.
    Superseded,
}

/// Figures of a workflow.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub workflow: WorkflowId,
    pub total: u64,
    pub completed: u64,
    pub in_progress: u64,
    pub cancelled: u64,
    pub failed: u64,
    /// Of completed items.
    pub cycle: Lengths,
    /// The newest revision's stages in order, then older ones that items were at.
    pub stages: Vec<NamedFigures>,
    /// One for each day asked for, in order.
    pub days: Vec<DatedFigures>,
}

/// Figures of a day with its date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatedFigures {
    /// As in `2026-03-29`.
    pub date: String,
    pub figures: DayFigures,
}

/// Whether the ledger of a workflow is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerReport {
    pub workflow: WorkflowId,
    /// By id.
    pub stages: Vec<(StageId, StageLedger)>,
    pub counted: Recount,
    /// Empty when it is sound.
    pub violations: Vec<Violation>,
    /// There are more violations than these.
    pub has_more: bool,
}

/// Figures of a stage with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedFigures {
    pub id: StageId,
    /// In the newest revision; the id for stages it no longer has.
    pub display_name: String,
    pub figures: StageFigures,
}

/// The rows of a page on which the permission holds.
pub(crate) fn admitted<P: permissions::Permission, T: Tenanted>(
    grant: &permissions::Grant<P>,
    page: primitives::Page<Visible<T>>,
) -> primitives::Page<T> {
    let primitives::Page { items, next } = page;
    let items = items.into_iter().filter_map(|row| grant.admit(row).ok());
    primitives::Page { items: items.map(permissions::Admitted::into_inner).collect(), next }
}

#[cfg(test)]
mod tests {
    use primitives::PatchId;
    use serde_json::json;

    use super::*;
    use crate::model::condition::tests::item;
    use crate::model::{Definition, data};

    #[test]
    fn a_remembered_answer_reads_back_as_it_was() {
        let view = ItemView {
            item: item(json!({"a": [1, 2.5, null], "agent_x": {"b": true}})),
            workflow_name: "Bugs".into(),
            item_key: "BUG".into(),
            approval: None,
            stage_name: "Intake".into(),
        };
        let remembered = serde_json::to_value(&view).unwrap();
        assert_eq!(serde_json::from_value::<ItemView>(remembered).unwrap(), view);
    }

    #[test]
    fn reserved_keys_are_typed_and_absent_when_broken() {
        let mut row = item(json!({"agent_recommendation": "nonsense"}));
        let result = AutoApplyResult {
            run: RunId::generate(),
            success: true,
            patch: Some(PatchId::generate()),
            files_changed: vec!["a.rs".into()],
            engine: "scripted".into(),
            summary: String::new(),
            error: String::new(),
            guard: String::new(),
        };
        data::set(&mut row.data, ReservedKey::AutoApplyResult, &result).unwrap();
        let error = "the model is not reachable";
        data::set(&mut row.data, ReservedKey::RecommendationError, &error).unwrap();
        let row = LockedItem {
            item: row,
            definition: Definition {
                stages: Vec::new(),
                triggers: Vec::new(),
                parameters: Vec::new(),
            }
            .into(),
            pauses: crate::model::Pauses::default(),
            workflow_name: String::new(),
            item_key: String::new(),
        };
        let view = ItemView::of(row);
        assert_eq!(view.auto_apply_result(), Some(result));
        assert_eq!(view.recommendation_error().as_deref(), Some(error));
        assert_eq!((view.recommendation(), view.agent_event()), (None, None));
    }
}
