//! One team's spare definitions, and a valid request for every method that changes one.

use api::permissions::Visibility;
use api::workflow::*;
use prost::Message as _;
use testkit::world::Person;
use testkit::world::shapes::{human, workflow};

use crate::directory::mask;
use crate::scene::{Own, only_valid};

/// A definition that can be published by anybody who may.
pub(crate) const DOCUMENT: &str = "
kind: elohim.workflow/v1
workflow:
  display_name: Imported
  stages:
  - id: do
    display_name: Do it
    type: HUMAN
";

/// What may be changed without being missed.
#[derive(Clone, Debug)]
pub(crate) struct Flows {
    pub(crate) to_update: Workflow,
    pub(crate) to_pause: String,
    /// Paused.
    pub(crate) to_resume: String,
    /// Deleted.
    pub(crate) to_undelete: String,
    /// Without items.
    pub(crate) to_transfer: String,
    pub(crate) to_publish: String,
    /// The lead's own.
    pub(crate) personal: String,
    pub(crate) template: String,
}

pub(crate) async fn flows(lead: &Person) -> Flows {
    let make = async |name: &str| {
        let made = workflow(name, &lead.team, [human("do")]);
        lead.creates_workflow(made).await.unwrap()
    };
    let to_resume = make("To resume").await.name;
    lead.pauses(&to_resume, "").await.unwrap();
    let to_undelete = make("To undelete").await.name;
    lead.deletes_workflow(&to_undelete).await.unwrap();
    Flows {
        to_update: make("To update").await,
        to_pause: make("To pause").await.name,
        to_resume,
        to_undelete,
        to_transfer: make("To transfer").await.name,
        to_publish: make("To publish").await.name,
        personal: lead
            .creates_workflow(workflow("Personal", "", [human("do")]))
            .await
            .unwrap()
            .name,
        template: lead.publishes(&make("Published").await.name).await.unwrap().name,
    }
}

/// An encoded request; `None` when a spoiled one is asked for and there is nothing to spoil.
pub(crate) fn request(
    method: &str,
    own: Own,
    spoiled: bool,
    request_id: String,
    page_size: i32,
) -> Option<Vec<u8>> {
    let (flows, etag) = (own.flows, String::new());
    let bytes = match method {
        "WorkflowService/UpdateWorkflow" => {
            let changed = Workflow { display_name: "Updated".into(), ..flows.to_update };
            let update_mask = mask(&["display_name"]);
            UpdateWorkflowRequest {
                workflow: Some(changed),
                update_mask,
                request_id,
                ..Default::default()
            }
            .encode_to_vec()
        }
        "WorkflowService/MigrateWorkItems" => {
            MigrateWorkItemsRequest { name: own.workflow, request_id, ..Default::default() }
                .encode_to_vec()
        }
        "WorkflowService/UndeleteWorkflow" => {
            UndeleteWorkflowRequest { name: flows.to_undelete, etag, request_id }.encode_to_vec()
        }
        "WorkflowService/GetWorkflowRevision" => {
            let name = format!("{}/revisions/1", own.workflow);
            only_valid(spoiled, &GetWorkflowRevisionRequest { name })?
        }
        "WorkflowService/ListWorkflowRevisions" => {
            ListWorkflowRevisionsRequest { parent: own.workflow, page_size, ..Default::default() }
                .encode_to_vec()
        }
        "WorkflowService/PauseWorkflow" => {
            PauseWorkflowRequest { name: flows.to_pause, request_id, ..Default::default() }
                .encode_to_vec()
        }
        "WorkflowService/ResumeWorkflow" => {
            ResumeWorkflowRequest { name: flows.to_resume, request_id, ..Default::default() }
                .encode_to_vec()
        }
        "WorkflowService/TransferWorkflow" => TransferWorkflowRequest {
            name: flows.to_transfer,
            visibility: Visibility::Personal.into(),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "TemplateService/PublishTemplate" => PublishTemplateRequest {
            workflow: flows.to_publish,
            visibility: Visibility::Team.into(),
            team: own.team,
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "TemplateService/DeleteTemplate" => {
            DeleteTemplateRequest { name: flows.template, request_id, ..Default::default() }
                .encode_to_vec()
        }
        "WorkflowService/ExportWorkflow" => {
            only_valid(spoiled, &ExportWorkflowRequest { name: own.workflow })?
        }
        "WorkflowService/ImportWorkflow" => ImportWorkflowRequest {
            document: DOCUMENT.into(),
            team: own.team,
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "WorkflowService/StarWorkflow" => {
            StarWorkflowRequest { name: own.workflow, request_id }.encode_to_vec()
        }
        "WorkflowService/UnstarWorkflow" => {
            UnstarWorkflowRequest { name: own.workflow, request_id }.encode_to_vec()
        }
        "WorkflowService/ListStarredWorkflows" => {
            only_valid(spoiled, &ListStarredWorkflowsRequest {})?
        }
        other => panic!("{other} has no request: add one here"),
    };
    Some(bytes)
}
