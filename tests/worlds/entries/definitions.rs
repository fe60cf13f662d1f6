//! `elohim.workflow.v1`: definitions after they were published.

use api::workflow::*;
use prost::Message as _;
use prost_types::FieldMask;

use crate::entry::{Entry, Parts, on};
use crate::things::Kind;

const DOCUMENT: &str = "
kind: elohim.workflow/v1
workflow:
  display_name: Imported
  stages:
  - { id: do, display_name: Do it, type: HUMAN }
";

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "workflow.v1.WorkflowService/UpdateWorkflow",
        &[on(Kind::ToUpdateFlow).unless_over()],
        update,
    ),
    Entry::new("workflow.v1.WorkflowService/UndeleteWorkflow", &[on(Kind::ToUndelete)], |c| {
        UndeleteWorkflowRequest {
            name: c.name(0),
            request_id: c.request_id(),
            ..Default::default()
        }
        .encode_to_vec()
    }),
    Entry::new(
        "workflow.v1.WorkflowService/GetWorkflowRevision",
        &[on(Kind::Workflow).unless_over()],
        |c| {
            GetWorkflowRevisionRequest { name: format!("{}/revisions/1", c.name(0)) }
                .encode_to_vec()
        },
    ),
    Entry::new(
        "workflow.v1.WorkflowService/ListWorkflowRevisions",
        &[on(Kind::Workflow).unless_over()],
        |c| {
            ListWorkflowRevisionsRequest {
                parent: c.name(0),
                page_size: c.page_size(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    Entry::new(
        "workflow.v1.WorkflowService/MigrateWorkItems",
        &[on(Kind::Workflow).unless_over()],
        |c| {
            MigrateWorkItemsRequest {
                name: c.name(0),
                validate_only: c.one_in(3),
                page_size: c.page_size(),
                request_id: c.request_id(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    Entry::new(
        "workflow.v1.WorkflowService/PauseWorkflow",
        &[on(Kind::ToPause).unless_over()],
        |c| {
            PauseWorkflowRequest {
                name: c.name(0),
                request_id: c.request_id(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    Entry::new(
        "workflow.v1.WorkflowService/ResumeWorkflow",
        &[on(Kind::ToResume).unless_over()],
        |c| {
            ResumeWorkflowRequest {
                name: c.name(0),
                request_id: c.request_id(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    Entry::new(
        "workflow.v1.WorkflowService/TransferWorkflow",
        &[on(Kind::ToTransfer).unless_over(), on(Kind::Tenant)],
        |c| {
            let (visibility, team) = c.owner(1);
            TransferWorkflowRequest {
                name: c.name(0),
                visibility,
                team,
                request_id: c.request_id(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    )
    // What belongs there already cannot be given there.
    .certain(|draft| draft.owner(0) != draft.owner(1)),
    Entry::new(
        "workflow.v1.TemplateService/PublishTemplate",
        &[on(Kind::Workflow).unless_over(), on(Kind::Tenant)],
        |c| {
            let (visibility, team) = c.owner(1);
            PublishTemplateRequest {
                workflow: c.name(0),
                visibility,
                team,
                request_id: c.request_id(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    Entry::new("workflow.v1.TemplateService/DeleteTemplate", &[on(Kind::SpareTemplate)], |c| {
        DeleteTemplateRequest { name: c.name(0), request_id: c.request_id(), ..Default::default() }
            .encode_to_vec()
    }),
    Entry::new(
        "workflow.v1.WorkflowService/ExportWorkflow",
        &[on(Kind::Workflow).unless_over()],
        |c| ExportWorkflowRequest { name: c.name(0) }.encode_to_vec(),
    ),
    Entry::new("workflow.v1.WorkflowService/ImportWorkflow", &[on(Kind::Tenant)], |c| {
        let (visibility, team) = c.owner(0);
        ImportWorkflowRequest {
            document: DOCUMENT.into(),
            visibility,
            team,
            validate_only: c.one_in(2),
            request_id: c.request_id(),
        }
        .encode_to_vec()
    }),
    Entry::new(
        "workflow.v1.WorkflowService/StarWorkflow",
        &[on(Kind::ToStar).unless_over()],
        |c| StarWorkflowRequest { name: c.name(0), request_id: c.request_id() }.encode_to_vec(),
    ),
    Entry::new(
        "workflow.v1.WorkflowService/UnstarWorkflow",
        &[on(Kind::Workflow).unless_over()],
        |c| UnstarWorkflowRequest { name: c.name(0), request_id: c.request_id() }.encode_to_vec(),
    ),
    Entry::new("workflow.v1.WorkflowService/ListStarredWorkflows", &[], |_| {
        ListStarredWorkflowsRequest {}.encode_to_vec()
    })
    .never_denied("everybody may look at what is everyone's")
    .never_not_found("it names nothing"),
];

fn update(c: &Parts<'_>) -> Vec<u8> {
    let workflow = Workflow {
        name: c.name(0),
        etag: c.etag(0),
        display_name: "Updated".into(),
        ..Default::default()
    };
    UpdateWorkflowRequest {
        workflow: Some(workflow),
        update_mask: Some(FieldMask { paths: vec!["display_name".into()] }),
        validate_only: c.one_in(2),
        request_id: c.request_id(),
    }
    .encode_to_vec()
}
