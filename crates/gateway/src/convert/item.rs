//! Work items, their history, and what was asked of them.

use api::workflow as wire;
use primitives::{Checked, InvalidArgs, RepositoryId, UserId, WorkItemId};
use workflow_core::model::{ItemState, Priority, StageId, Transition, Verdict};
use workflow_core::service::{
    AgentEvent, ApprovalView, CompleteInput, DecideInput, Explanation, ItemChanges, ItemInput,
    ItemView, NoteInput, ReturnInput, ReviewInput,
};

use super::faults::Faults;
use super::scalar::{etag, given_time, int, name, optional_time, time, version};
use super::{json, mask, recommendation};

/// An item to create, apart from the names in it.
pub(crate) fn input(
    item: wire::WorkItem,
    repository: Option<RepositoryId>,
    blocked_by: Vec<WorkItemId>,
) -> Checked<ItemInput> {
    let mut faults = Faults::default();
    let input = ItemInput {
        title: item.title,
        description: item.description,
        priority: faults.take(priority(item.priority)),
        tags: item.tags,
        data: faults.take(json::object("work_item.data", item.data)),
        repository,
        external_id: item.external_id,
        blocked_by,
        due_at: faults.take(given_time("work_item.due_time", item.due_time.as_ref())),
    };
    faults.or(input)
}

fn priority(given: i32) -> Checked<Priority> {
    match wire::Priority::try_from(given) {
        Ok(wire::Priority::Unspecified | wire::Priority::Normal) => Ok(Priority::Normal),
        Ok(wire::Priority::Low) => Ok(Priority::Low),
        Ok(wire::Priority::High) => Ok(Priority::High),
        Ok(wire::Priority::Urgent) => Ok(Priority::Urgent),
        Err(_) => Err(InvalidArgs::new("work_item.priority", "is not a known priority")),
    }
}

/// What completes a stage.
pub(crate) fn completion(request: wire::CompleteStageRequest) -> Checked<CompleteInput> {
    let data = json::object("data", request.data)?;
    let stage = StageId(request.stage_id);
    Ok(CompleteInput { stage, data, note: request.note, etag: version(&request.etag) })
}

/// A yes at a stage of approval.
pub(crate) fn yes(request: wire::ApproveStageRequest) -> DecideInput {
    let wire::ApproveStageRequest { stage_id, content_hash: hash, note, etag, .. } = request;
    DecideInput { stage: StageId(stage_id), hash, note, etag: version(&etag) }
}

/// A no at a stage of approval.
pub(crate) fn no(request: wire::RejectStageRequest) -> DecideInput {
    let wire::RejectStageRequest { stage_id, content_hash: hash, note, etag, .. } = request;
    DecideInput { stage: StageId(stage_id), hash, note, etag: version(&etag) }
}

fn approval(view: ApprovalView) -> wire::ApprovalStatus {
    let votes = view
        .votes
        .into_iter()
        .map(|vote| wire::ApprovalVote { user: vote.user.to_string(), time: time(vote.time) });
    wire::ApprovalStatus {
        content_hash: view.hash,
        quorum: int(view.quorum),
        votes: votes.collect(),
        expire_time: optional_time(view.expires_at),
    }
}

/// What is said to a move.
pub(crate) fn said(note: String, etag: &str) -> NoteInput {
    NoteInput { note, etag: version(etag) }
}

pub(crate) fn way_back(request: wire::ReturnWorkItemRequest) -> ReturnInput {
    let stage = StageId(request.stage_id);
    ReturnInput { stage, note: request.note, etag: version(&request.etag) }
}

/// What callers may change of an item.
const CHANGEABLE: [&str; 9] = [
    "title",
    "description",
    "priority",
    "tags",
    "data",
    "repository",
    "external_id",
    "due_time",
    "blocked_by",
];

/// The fields of an item that the mask names.
pub(crate) fn changes(
    request: wire::UpdateWorkItemRequest,
    repository: Option<RepositoryId>,
    blocked_by: Vec<WorkItemId>,
) -> Checked<ItemChanges> {
    let paths = mask::paths(request.update_mask.as_ref(), &CHANGEABLE)?;
    let item = request.work_item.unwrap_or_default();
    let named = |path: &str| paths.contains(&path);
    let mut faults = Faults::default();
    let due = given_time("work_item.due_time", item.due_time.as_ref());
    let changes = ItemChanges {
        title: named("title").then_some(item.title),
        description: named("description").then_some(item.description),
        priority: named("priority").then(|| faults.take(priority(item.priority))),
        tags: named("tags").then_some(item.tags),
        data: named("data").then(|| faults.take(json::object("work_item.data", item.data))),
        repository: named("repository").then_some(repository),
        external_id: named("external_id").then_some(item.external_id),
        due_at: named("due_time").then(|| faults.take(due)),
        blocked_by: named("blocked_by").then_some(blocked_by),
        etag: version(&item.etag),
    };
    faults.or(changes)
}

pub(crate) fn review(request: wire::ReviewRecommendationRequest) -> Checked<ReviewInput> {
    let verdict = match wire::Verdict::try_from(request.verdict) {
        Ok(wire::Verdict::Accept) => Verdict::Accepted,
        Ok(wire::Verdict::Reject) => Verdict::Rejected,
        Ok(wire::Verdict::Unspecified) | Err(_) => {
            return Err(InvalidArgs::new("verdict", "must be ACCEPT or REJECT"));
        }
    };
    let etag = version(&request.etag);
    Ok(ReviewInput { hash: request.recommendation_hash, verdict, note: request.note, etag })
}

/// The state to list; `None` for all.
pub(crate) fn state_filter(given: i32) -> Checked<Option<ItemState>> {
    use wire::WorkItemState as Wire;
    match Wire::try_from(given) {
        Ok(Wire::Unspecified) => Ok(None),
        Ok(Wire::Pending) => Ok(Some(ItemState::Pending)),
        Ok(Wire::Claimed) => Ok(Some(ItemState::Claimed)),
        Ok(Wire::InProgress) => Ok(Some(ItemState::InProgress)),
        Ok(Wire::Blocked) => Ok(Some(ItemState::Blocked)),
        Ok(Wire::Completed) => Ok(Some(ItemState::Completed)),
        Ok(Wire::Failed) => Ok(Some(ItemState::Failed)),
        Ok(Wire::Cancelled) => Ok(Some(ItemState::Cancelled)),
        Err(_) => Err(InvalidArgs::new("state", "is not a known state")),
    }
}

const fn state(state: ItemState) -> wire::WorkItemState {
    use wire::WorkItemState as Wire;
    match state {
        ItemState::Pending => Wire::Pending,
        ItemState::Claimed => Wire::Claimed,
        ItemState::InProgress => Wire::InProgress,
        ItemState::Blocked => Wire::Blocked,
        ItemState::Completed => Wire::Completed,
        ItemState::Failed => Wire::Failed,
        ItemState::Cancelled => Wire::Cancelled,
    }
}

/// An item as stored.
pub(crate) fn item(view: ItemView) -> wire::WorkItem {
    let event = view.agent_event();
    let recommendation = view.recommendation().map(recommendation::recommendation);
    let auto_apply_result = view.auto_apply_result().map(recommendation::auto_apply);
    let recommendation_error = view.recommendation_error().unwrap_or_default();
    let triggered_by = name(event.as_ref().map(|event| event.trigger));
    let agent_event = event.map(|event| shown_event(event, &view));
    let reference = view.reference();
    let ItemView { item, stage_name, approval: status, .. } = view;
    let priority = match item.priority {
        Priority::Low => wire::Priority::Low,
        Priority::Normal => wire::Priority::Normal,
        Priority::High => wire::Priority::High,
        Priority::Urgent => wire::Priority::Urgent,
    };
    wire::WorkItem {
        name: item.id.to_string(),
        etag: etag(item.version),
        workflow: item.workflow.to_string(),
        workflow_revision: int(item.revision),
        title: item.title,
        description: item.description,
        state: state(item.state).into(),
        stage_id: item.stage.0,
        stage_display_name: stage_name,
        assignee: name::<primitives::User>(item.assignee),
        priority: priority.into(),
        tags: item.tags,
        data: Some(json::shown(&item.data)),
        repository: name(item.repository),
        creator: UserId::to_string(&item.creator),
        claim_time: optional_time(item.claimed_at),
        complete_time: optional_time(item.closed_at),
        create_time: time(item.created_at),
        update_time: time(item.updated_at),
        recommendation,
        recommendation_error,
        auto_apply_result,
        agent_event,
        triggered_by,
        live_run: name(item.live_run),
        reference,
        external_id: item.external_id.unwrap_or_default(),
        due_time: optional_time(item.due_at),
        blocked_by: item.blocked_by.iter().map(WorkItemId::to_string).collect(),
        approval: status.map(approval),
        stage_due_time: optional_time(item.stage_due_at),
        block_reason: item.block.map_or_else(String::new, |block| block.reason),
    }
}

/// Why an item is where it is.
pub(crate) fn explanation(known: Explanation) -> wire::ExplainWorkItemResponse {
    let because = known.because.into_iter().map(|because| wire::Because {
        code: because.code.to_owned(),
        message: because.message,
        work_items: because.items.iter().map(WorkItemId::to_string).collect(),
        queue: because.queue,
    });
    wire::ExplainWorkItemResponse {
        because: because.collect(),
        may_claim: known.may_claim,
        work_item: Some(item(known.item)),
    }
}

/// The event of a triggered item; title and repository of the item come from it.
fn shown_event(event: AgentEvent, view: &ItemView) -> wire::AgentEvent {
    wire::AgentEvent {
        name: event.id.to_string(),
        r#type: event.kind.as_str().to_owned(),
        version: int(event.version),
        summary: view.item.title.clone(),
        principal: event.principal.to_string(),
        root_event: name(event.cause.map(|cause| cause.root)),
        parent_event: name(event.cause.map(|cause| cause.parent)),
        depth: event.cause.map_or(0, |cause| cause.depth.into()),
        repository: name(view.item.repository),
        time: time(event.time),
        payload: json::shown_value(&event.payload),
    }
}

/// One move of an item.
pub(crate) fn transition(moved: Transition) -> wire::Transition {
    use wire::WorkItemVerb as Verb;
    let verb = match moved.verb {
        "create" => Verb::Create,
        "claim" => Verb::Claim,
        "start" => Verb::Start,
        "complete_stage" => Verb::CompleteStage,
        "cancel" => Verb::Cancel,
        "release" => Verb::Release,
        "assign" => Verb::Assign,
        "return" => Verb::Return,
        "block" => Verb::Block,
        "unblock" => Verb::Unblock,
        "fail" => Verb::Fail,
        "reopen" => Verb::Reopen,
        "approve" => Verb::Approve,
        "reject" => Verb::Reject,
        "auto_advance" => Verb::AutoAdvance,
        "migrate" => Verb::Migrate,
        _ => Verb::Unspecified,
    };
    wire::Transition {
        name: moved.id.to_string(),
        verb: verb.into(),
        from_stage_id: moved.from.map(|stage| stage.0).unwrap_or_default(),
        to_stage_id: moved.to.map(|stage| stage.0).unwrap_or_default(),
        from_state: moved.from_state.map_or(0, |from| state(from).into()),
        to_state: state(moved.to_state).into(),
        actor: moved.actor.to_string(),
        time: time(moved.time),
        note: moved.note,
        stage_seconds: moved.in_stage.map_or(0.0, |stay| stay.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_back_and_unknown_numbers_are_faults() {
        for known in ItemState::ALL {
            assert_eq!(state_filter(state(known).into()), Ok(Some(known)));
        }
        assert_eq!(state_filter(0), Ok(None));
        for unknown in [-1, 8, i32::MIN, i32::MAX] {
            assert_eq!(state_filter(unknown).unwrap_err().fields[0].field, "state");
            assert_eq!(priority(unknown).unwrap_err().fields[0].field, "work_item.priority");
            let request =
                wire::ReviewRecommendationRequest { verdict: unknown, ..Default::default() };
            assert_eq!(review(request).unwrap_err().fields[0].field, "verdict");
        }
    }
}
