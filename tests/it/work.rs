//! Items for verbs that need one of their own, and a valid request for each of these.

use api::workflow::*;
use prost::Message as _;
use prost_types::FieldMask;
use testkit::world::shapes::{approval, item, item_on, workflow};
use testkit::world::{Person, batch, content_hash};

use crate::scene::Own;

/// By what may be done to them next.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) to_update: WorkItem,
    pub(crate) to_assign: WorkItem,
    pub(crate) to_release: WorkItem,
    pub(crate) to_return: WorkItem,
    pub(crate) to_block: WorkItem,
    pub(crate) to_unblock: WorkItem,
    pub(crate) to_fail: WorkItem,
    pub(crate) to_reopen: WorkItem,
}

/// `flow` begins at a human stage, `advising` at an agent's, which a human one follows.
pub(crate) async fn work(lead: &Person, flow: &str, advising: &str, repository: &str) -> Work {
    let fresh = async |flow: &str| {
        let made = lead.creates_item(item_on(flow, "Carts", "", repository)).await;
        made.expect("an item")
    };
    let held = async || lead.claims(&fresh(flow).await).await.expect("a claim");
    let advised = lead.awaits_agent(&fresh(advising).await.name).await;
    let followed = lead.completes(&advised).await.expect("the agent's stage is completed");
    Work {
        to_update: fresh(flow).await,
        to_assign: fresh(flow).await,
        to_release: held().await,
        to_return: lead.claims(&followed).await.expect("a claim"),
        to_block: held().await,
        to_unblock: lead.blocks(&held().await, "a part is missing").await.expect("a block"),
        to_fail: held().await,
        to_reopen: lead.cancels(&fresh(flow).await).await.expect("a cancellation"),
    }
}

/// Items that wait for the lead's word: somebody else made them.
#[derive(Clone, Debug)]
pub(crate) struct Decisions {
    pub(crate) to_approve: WorkItem,
    pub(crate) to_reject: WorkItem,
}

pub(crate) async fn decisions(lead: &Person, other: &Person) -> Decisions {
    let flow = workflow("Decisions", &lead.team, [approval("may")]);
    let flow = lead.creates_workflow(flow).await.expect("a workflow").name;
    let fresh = async || other.creates_item(item(&flow, "Carts")).await.expect("an item");
    Decisions { to_approve: fresh().await, to_reject: fresh().await }
}

pub(crate) fn approves(item: &WorkItem, request_id: String) -> ApproveStageRequest {
    ApproveStageRequest {
        name: item.name.clone(),
        stage_id: item.stage_id.clone(),
        content_hash: content_hash(item),
        request_id,
        ..Default::default()
    }
}

pub(crate) fn rejects(item: &WorkItem, request_id: String) -> RejectStageRequest {
    RejectStageRequest {
        name: item.name.clone(),
        stage_id: item.stage_id.clone(),
        note: "Too soon".into(),
        request_id,
        ..Default::default()
    }
}

/// A request of the methods that this is for.
pub(crate) fn request(method: &str, own: &Own, request_id: String) -> Option<Vec<u8>> {
    let Work { to_update, to_assign, to_release, to_return, to_block, to_unblock, .. } =
        own.work.clone();
    let name = |item: WorkItem| item.name;
    let bytes = match method {
        "WorkItemService/UpdateWorkItem" => update(to_update, request_id).encode_to_vec(),
        "WorkItemService/AssignWorkItem" => AssignWorkItemRequest {
            name: name(to_assign),
            assignee: own.user.clone(),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "WorkItemService/ReleaseWorkItem" => {
            ReleaseWorkItemRequest { name: name(to_release), request_id, ..Default::default() }
                .encode_to_vec()
        }
        "WorkItemService/ReturnWorkItem" => ReturnWorkItemRequest {
            name: name(to_return),
            stage_id: own.advised.stage_id.clone(),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "WorkItemService/BlockWorkItem" => BlockWorkItemRequest {
            name: name(to_block),
            reason: "a part is missing".into(),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "WorkItemService/UnblockWorkItem" => {
            UnblockWorkItemRequest { name: name(to_unblock), request_id, ..Default::default() }
                .encode_to_vec()
        }
        "WorkItemService/FailWorkItem" => {
            let name = own.work.to_fail.name.clone();
            FailWorkItemRequest { name, request_id, ..Default::default() }.encode_to_vec()
        }
        "WorkItemService/ReopenWorkItem" => {
            let name = own.work.to_reopen.name.clone();
            ReopenWorkItemRequest { name, request_id, ..Default::default() }.encode_to_vec()
        }
        "WorkItemService/ApproveStage" => {
            approves(&own.decisions.to_approve, request_id).encode_to_vec()
        }
        "WorkItemService/RejectStage" => {
            rejects(&own.decisions.to_reject, request_id).encode_to_vec()
        }
        "WorkItemService/ExplainWorkItem" if request_id.is_empty() => {
            ExplainWorkItemRequest { name: own.advised.name.clone() }.encode_to_vec()
        }
        "WorkItemService/BatchCreateWorkItems" => {
            let item = item_on(&own.workflow, "New", "", &own.repository);
            let batch = batch(&own.workflow, [item]);
            BatchCreateWorkItemsRequest { request_id, ..batch }.encode_to_vec()
        }
        _ => return None,
    };
    Some(bytes)
}

pub(crate) fn update(item: WorkItem, request_id: String) -> UpdateWorkItemRequest {
    UpdateWorkItemRequest {
        work_item: Some(WorkItem { title: "Changed".into(), ..item }),
        update_mask: Some(FieldMask { paths: vec!["title".into()] }),
        request_id,
    }
}
