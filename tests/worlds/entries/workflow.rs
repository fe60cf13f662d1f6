//! `elohim.workflow.v1`.

use api::workflow::*;
use prost::Message as _;
use prost_types::FieldMask;
use testkit::world::shapes::{human, item, on as reacting, workflow};
use testkit::world::{batch, content_hash};

use crate::entry::{Draft, Entry, Parts, on, seen};
use crate::facts::{Need, Owner};
use crate::things::Kind;

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("workflow.v1.WorkflowService/CreateWorkflow", &[on(Kind::Tenant)], create_workflow)
        .adjusted(|draft| {
            if has_triggers(draft) {
                draft.set_need(0, Need::RowAndBrackets);
            }
            true
        }),
    Entry::new(
        "workflow.v1.WorkflowService/GetWorkflow",
        &[on(Kind::Workflow).unless_over()],
        |c| GetWorkflowRequest { name: c.name(0) }.encode_to_vec(),
    ),
    Entry::new("workflow.v1.WorkflowService/ListWorkflows", &[seen(Kind::Tenant).share(70)], |c| {
        let (visibility, team) = c.owner(0);
        let page_size = c.page_size();
        ListWorkflowsRequest { visibility, team, page_size, ..Default::default() }.encode_to_vec()
    })
    .never_denied("what is not held is left out"),
    Entry::new(
        "workflow.v1.WorkflowService/DeleteWorkflow",
        &[on(Kind::SpareWorkflow).unless_over()],
        |c| {
            DeleteWorkflowRequest {
                name: c.name(0),
                request_id: c.request_id(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    Entry::new("workflow.v1.TemplateService/ListTemplates", &[], |c| {
        ListTemplatesRequest { page_size: c.page_size(), ..Default::default() }.encode_to_vec()
    })
    .never_denied("everybody may look at what is everyone's")
    .never_not_found("it names nothing"),
    Entry::new("workflow.v1.TemplateService/GetTemplate", &[on(Kind::Template)], |c| {
        GetTemplateRequest { name: c.name(0) }.encode_to_vec()
    }),
    Entry::new(
        "workflow.v1.TemplateService/InstantiateTemplate",
        &[seen(Kind::Template).with(Need::Brackets), on(Kind::Tenant)],
        |c| {
            let (visibility, team) = c.owner(1);
            InstantiateTemplateRequest {
                name: c.name(0),
                visibility,
                team,
                validate_only: c.one_in(2),
                request_id: c.request_id(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    )
    // Agent stages are not allowed on everyone's boards.
    .certain(|draft| draft.owner(1) != Some(&Owner::Global)),
    Entry::new(
        "workflow.v1.WorkItemService/CreateWorkItem",
        &[on(Kind::Workflow).unless_over(), seen(Kind::Repository).share(30)],
        |c| {
            let made = WorkItem { repository: c.name(1), ..item(&c.name(0), "New") };
            CreateWorkItemRequest { work_item: Some(made), request_id: c.request_id() }
                .encode_to_vec()
        },
    ),
    Entry::new(
        "workflow.v1.WorkItemService/BatchCreateWorkItems",
        &[on(Kind::Workflow).unless_over(), seen(Kind::Repository).share(30)],
        |c| {
            let named = WorkItem { repository: c.name(1), ..item("", "One") };
            let made = batch(&c.name(0), [named, item(&c.name(0), "Two")]);
            BatchCreateWorkItemsRequest { request_id: c.request_id(), ..made }.encode_to_vec()
        },
    ),
    Entry::new("workflow.v1.WorkItemService/GetWorkItem", &[on(Kind::Item)], |c| {
        GetWorkItemRequest { name: c.name(0) }.encode_to_vec()
    }),
    Entry::new(
        "workflow.v1.WorkItemService/ListWorkItems",
        &[seen(Kind::Workflow).share(70)],
        |c| {
            ListWorkItemsRequest {
                workflow: c.name(0),
                page_size: c.page_size(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    )
    .never_denied("what is not held is left out"),
    Entry::new("workflow.v1.WorkItemService/ClaimWorkItem", &[on(Kind::ToClaim)], |c| {
        ClaimWorkItemRequest { name: c.name(0), request_id: c.request_id(), ..Default::default() }
            .encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/StartWorkItem", &[on(Kind::ToStart)], |c| {
        StartWorkItemRequest { name: c.name(0), request_id: c.request_id(), ..Default::default() }
            .encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/CompleteStage", &[on(Kind::ToComplete)], |c| {
        CompleteStageRequest {
            name: c.name(0),
            stage_id: c.item(0).stage_id,
            request_id: c.request_id(),
            ..Default::default()
        }
        .encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/CancelWorkItem", &[on(Kind::ToCancel)], |c| {
        CancelWorkItemRequest { name: c.name(0), request_id: c.request_id(), ..Default::default() }
            .encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/UpdateWorkItem", &[on(Kind::ToClaim)], |c| {
        let (work_item, request_id) =
            (Some(WorkItem { title: "New".into(), ..c.item(0) }), c.request_id());
        let update_mask = Some(FieldMask { paths: vec!["title".into()] });
        UpdateWorkItemRequest { work_item, update_mask, request_id }.encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/AssignWorkItem", &[on(Kind::ToClaim)], |c| {
        let (name, request_id) = (c.name(0), c.request_id());
        // Its creator works where it is.
        let assignee = c.item(0).creator;
        let assignee =
            if assignee.is_empty() { format!("users/{}", uuid::Uuid::nil()) } else { assignee };
        AssignWorkItemRequest { name, assignee, request_id, ..Default::default() }.encode_to_vec()
    })
    // Two founders need not know each other.
    .adjusted(|draft| draft.owner(0) != Some(&Owner::Global)),
    Entry::new("workflow.v1.WorkItemService/ReleaseWorkItem", &[on(Kind::Held)], |c| {
        let (name, request_id) = (c.name(0), c.request_id());
        ReleaseWorkItemRequest { name, request_id, ..Default::default() }.encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/ReturnWorkItem", &[on(Kind::ToReturn)], |c| {
        let (name, request_id) = (c.name(0), c.request_id());
        let stage_id = "do".to_owned();
        ReturnWorkItemRequest { name, stage_id, request_id, ..Default::default() }.encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/BlockWorkItem", &[on(Kind::Held)], |c| {
        let (name, request_id) = (c.name(0), c.request_id());
        let reason = "a part is missing".to_owned();
        BlockWorkItemRequest { name, reason, request_id, ..Default::default() }.encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/UnblockWorkItem", &[on(Kind::Blocked)], |c| {
        let (name, request_id) = (c.name(0), c.request_id());
        UnblockWorkItemRequest { name, request_id, ..Default::default() }.encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/FailWorkItem", &[on(Kind::Held)], |c| {
        let (name, request_id) = (c.name(0), c.request_id());
        FailWorkItemRequest { name, request_id, ..Default::default() }.encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/ApproveStage", &[on(Kind::ToDecide)], |c| {
        let WorkItem { name, stage_id, .. } = c.item(0);
        let (content_hash, request_id) = (content_hash(&c.item(0)), c.request_id());
        ApproveStageRequest { name, stage_id, content_hash, request_id, ..Default::default() }
            .encode_to_vec()
    })
    .certain(|_| false),
    Entry::new("workflow.v1.WorkItemService/RejectStage", &[on(Kind::ToDecide)], |c| {
        let WorkItem { name, stage_id, .. } = c.item(0);
        let (note, request_id) = ("Too soon".to_owned(), c.request_id());
        RejectStageRequest { name, stage_id, note, request_id, ..Default::default() }
            .encode_to_vec()
    })
    .certain(|_| false),
    Entry::new(
        "workflow.v1.WorkItemService/ReopenWorkItem",
        &[on(Kind::Closed).with(Need::RowAndBrackets)],
        |c| {
            let (name, request_id) = (c.name(0), c.request_id());
            ReopenWorkItemRequest { name, request_id, ..Default::default() }.encode_to_vec()
        },
    ),
    Entry::new("workflow.v1.WorkItemService/ExplainWorkItem", &[on(Kind::Item)], |c| {
        ExplainWorkItemRequest { name: c.name(0) }.encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/ListTransitions", &[on(Kind::Item)], |c| {
        ListTransitionsRequest { parent: c.name(0), page_size: c.page_size(), ..Default::default() }
            .encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/ReviewRecommendation", &[on(Kind::ToReview)], review),
    Entry::new("workflow.v1.WorkItemService/RerunAgentAssist", &[on(Kind::ToRerun)], |c| {
        RerunAgentAssistRequest {
            name: c.name(0),
            request_id: c.request_id(),
            ..Default::default()
        }
        .encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/AddComment", &[on(Kind::Item)], |c| {
        let comment = Comment { text: "Mind the step".into(), ..Default::default() };
        AddCommentRequest { parent: c.name(0), comment: Some(comment), request_id: c.request_id() }
            .encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/ListComments", &[on(Kind::Item)], |c| {
        ListCommentsRequest { parent: c.name(0), page_size: c.page_size(), ..Default::default() }
            .encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/ListQueue", &[on(Kind::Workflow)], |c| {
        ListQueueRequest { parent: c.name(0), page_size: c.page_size(), ..Default::default() }
            .encode_to_vec()
    }),
    Entry::new("workflow.v1.WorkItemService/ListMyWork", &[], |c| {
        ListMyWorkRequest { page_size: c.page_size(), ..Default::default() }.encode_to_vec()
    })
    .never_denied("everybody may look at what is their own")
    .never_not_found("it names nothing"),
    Entry::new("workflow.v1.WorkItemService/ListOverdue", &[], |c| {
        ListOverdueRequest { page_size: c.page_size(), ..Default::default() }.encode_to_vec()
    })
    .never_denied("what is not held is left out")
    .never_not_found("it names nothing"),
    Entry::new(
        "workflow.v1.WorkItemService/UpdateComment",
        &[on(Kind::ToUpdateComment).unless_over()],
        |c| {
            let (name, etag) = (c.name(0), c.etag(0));
            let comment = Comment { name, etag, text: "Rather".into(), ..Default::default() };
            UpdateCommentRequest {
                comment: Some(comment),
                update_mask: Some(prost_types::FieldMask { paths: vec!["text".into()] }),
                request_id: c.request_id(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    Entry::new(
        "workflow.v1.WorkItemService/DeleteComment",
        &[on(Kind::SpareComment).unless_over()],
        |c| {
            DeleteCommentRequest {
                name: c.name(0),
                request_id: c.request_id(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    Entry::new("workflow.v1.EventService/ListTriggerFirings", &[on(Kind::Workflow)], |c| {
        ListTriggerFiringsRequest {
            parent: c.name(0),
            page_size: c.page_size(),
            ..Default::default()
        }
        .encode_to_vec()
    }),
    Entry::new("workflow.v1.AnalyticsService/VerifyLedger", &[on(Kind::Workflow)], |c| {
        VerifyLedgerRequest { name: c.name(0) }.encode_to_vec()
    }),
    Entry::new("workflow.v1.AnalyticsService/GetWorkflowAnalytics", &[on(Kind::Workflow)], |c| {
        GetWorkflowAnalyticsRequest { name: c.name(0), ..Default::default() }.encode_to_vec()
    }),
];

/// One in three definitions reacts to events, which needs what the brackets say.
fn has_triggers(draft: &Draft) -> bool {
    draft.dice.is_multiple_of(3)
}

fn create_workflow(c: &Parts<'_>) -> Vec<u8> {
    let (visibility, team) = c.owner(0);
    let mut made = Workflow { visibility, team, ..workflow("New", "", [human("do")]) };
    if has_triggers(c.draft) {
        made = reacting(made, &["agent.plan.completed"]);
        for trigger in &mut made.triggers {
            trigger.enabled = false;
        }
        return CreateWorkflowRequest { workflow: Some(made), ..Default::default() }
            .encode_to_vec();
    }
    CreateWorkflowRequest { workflow: Some(made), request_id: c.request_id() }.encode_to_vec()
}

fn review(c: &Parts<'_>) -> Vec<u8> {
    let item = c.item(0);
    ReviewRecommendationRequest {
        name: item.name,
        recommendation_hash: item.recommendation.map(|shown| shown.hash).unwrap_or_default(),
        verdict: Verdict::Accept.into(),
        etag: item.etag,
        request_id: c.request_id(),
        ..Default::default()
    }
    .encode_to_vec()
}
