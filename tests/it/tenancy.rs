//! For every field that names a resource: somebody else's name is answered as one that does
//! not exist, in every byte.

use std::collections::BTreeSet;

use api::agent::apply_request::Change;
use api::agent::*;
use api::audit::ListAuditEventsRequest;
use api::permissions::Visibility;
use api::workflow::*;
use prost::Message;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldMask, FileDescriptorSet};
use testkit::world::shapes::{human, item, stage, workflow};
use testkit::world::{Person, Refusal, World, batch};
use tonic::Code;

use crate::scene::{Own, belongings};
use crate::tenancy_people::{VISIBLE_TO_ALL_CALLERS, people_fields};
use crate::work;

/// What a field names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Advised,
    Claimable,
    Startable,
    Completable,
    Cancellable,
    Comment,
    SpareComment,
    Updatable,
    Assignable,
    Releasable,
    Returnable,
    Blockable,
    Unblockable,
    Failable,
    Reopenable,
    Approvable,
    Rejectable,
    Patch,
    Plan,
    Repository,
    Run,
    Session,
    SpareSession,
    Holder,
    SpareAssignment,
    SpareMember,
    SpareRole,
    SpareTeam,
    SpareWorkflow,
    Team,
    Template,
    User,
    Workflow,
    ToUpdate,
    ToUndelete,
    ToPause,
    ToResume,
    ToTransfer,
    ToPublish,
    OwnTemplate,
}

impl Kind {
    fn of(self, own: &Own) -> String {
        match self {
            Self::Advised => &own.advised.name,
            Self::Claimable => &own.to_claim.name,
            Self::Startable => &own.to_start.name,
            Self::Completable => &own.to_complete.name,
            Self::Cancellable => &own.to_cancel.name,
            Self::Comment => &own.comment.name,
            Self::SpareComment => &own.spare_comment.name,
            Self::Updatable => &own.work.to_update.name,
            Self::Assignable => &own.work.to_assign.name,
            Self::Releasable => &own.work.to_release.name,
            Self::Returnable => &own.work.to_return.name,
            Self::Blockable => &own.work.to_block.name,
            Self::Unblockable => &own.work.to_unblock.name,
            Self::Failable => &own.work.to_fail.name,
            Self::Reopenable => &own.work.to_reopen.name,
            Self::Approvable => &own.decisions.to_approve.name,
            Self::Rejectable => &own.decisions.to_reject.name,
            Self::Patch => &own.patch,
            Self::Plan => &own.plan,
            Self::Repository => &own.repository,
            Self::Run => &own.run,
            Self::Session => &own.session,
            Self::SpareSession => &own.spare_session,
            Self::Holder => &own.spare.holder,
            Self::SpareAssignment => &own.spare.assignment,
            Self::SpareMember => &own.spare.member,
            Self::SpareRole => &own.spare.role.name,
            Self::SpareTeam => &own.spare.other_team,
            Self::SpareWorkflow => &own.spare_workflow,
            Self::Team => &own.team,
            Self::Template => &own.template,
            Self::User => &own.user,
            Self::Workflow => &own.workflow,
            Self::ToUpdate => &own.flows.to_update.name,
            Self::ToUndelete => &own.flows.to_undelete,
            Self::ToPause => &own.flows.to_pause,
            Self::ToResume => &own.flows.to_resume,
            Self::ToTransfer => &own.flows.to_transfer,
            Self::ToPublish => &own.flows.to_publish,
            Self::OwnTemplate => &own.flows.template,
        }
        .clone()
    }
}

/// One field of one method, and a request with that field set, valid otherwise for the
/// owner of the belongings.
pub(crate) struct Field {
    pub(crate) method: &'static str,
    pub(crate) field: &'static str,
    pub(crate) kind: Kind,
    pub(crate) request: fn(&Own, String) -> Vec<u8>,
}

macro_rules! fields {
    ($($method:literal $field:literal $kind:ident |$own:pat_param, $name:ident| $request:expr;)+) => {
        vec![$(Field {
            method: $method,
            field: $field,
            kind: Kind::$kind,
            request: |$own, $name| $request.encode_to_vec(),
        }),+]
    };
}
pub(crate) use fields;

fn text() -> String {
    "Fix the cart".to_owned()
}

fn agent_fields() -> Vec<Field> {
    fields! {
        "agent.v1.AgentService/Route" "repository" Repository |_, name|
            RouteRequest { input: text(), repository: name, ..Default::default() };
        "agent.v1.AgentService/Route" "session" Session |_, name|
            RouteRequest { input: text(), session: name, ..Default::default() };
        "agent.v1.AgentService/BuildContext" "repository" Repository |_, name|
            BuildContextRequest { input: text(), repository: name, ..Default::default() };
        "agent.v1.AgentService/BuildContext" "session" Session |_, name|
            BuildContextRequest { input: text(), session: name, ..Default::default() };
        "agent.v1.AgentService/Plan" "repository" Repository |_, name|
            PlanRequest { input: text(), repository: name, ..Default::default() };
        "agent.v1.AgentService/Plan" "session" Session |_, name|
            PlanRequest { input: text(), session: name, ..Default::default() };
        "agent.v1.AgentService/Plan" "work_item" Advised |own, name|
            PlanRequest { input: text(), repository: own.repository.clone(), work_item: name, ..Default::default() };
        "agent.v1.AgentService/Apply" "repository" Repository |own, name|
            ApplyRequest { repository: name, change: Some(diff(own)), dry_run: true, ..Default::default() };
        "agent.v1.AgentService/Apply" "session" Session |own, name|
            ApplyRequest { session: name, change: Some(diff(own)), dry_run: true, ..Default::default() };
        "agent.v1.AgentService/Apply" "work_item" Advised |own, name|
            ApplyRequest { repository: own.repository.clone(), work_item: name, change: Some(diff(own)), dry_run: true, ..Default::default() };
        "agent.v1.AgentService/Apply" "plan.name" Plan |own, name|
            ApplyRequest {
                repository: own.repository.clone(),
                change: Some(Change::Plan(PlanChange { name, ..Default::default() })),
                ..Default::default()
            };
        "agent.v1.RunService/GetRun" "name" Run |_, name| GetRunRequest { name };
        "agent.v1.RunService/ListRuns" "work_item" Advised |_, name|
            ListRunsRequest { work_item: name, ..Default::default() };
        "agent.v1.RunService/ListRuns" "session" Session |_, name|
            ListRunsRequest { session: name, ..Default::default() };
        "agent.v1.PatchService/GetPatch" "name" Patch |_, name| GetPatchRequest { name };
        "agent.v1.PatchService/ListPatches" "work_item" Advised |_, name|
            ListPatchesRequest { work_item: name, ..Default::default() };
        "agent.v1.PatchService/ListPatches" "repository" Repository |_, name|
            ListPatchesRequest { repository: name, ..Default::default() };
        "agent.v1.PatchService/RevertPatch" "name" Patch |_, name|
            RevertPatchRequest { name, ..Default::default() };
        "agent.v1.SessionService/CreateSession" "session.repository" Repository |_, name|
            CreateSessionRequest {
                session: Some(Session { repository: name, ..Default::default() }),
                ..Default::default()
            };
        "agent.v1.SessionService/CreateSession" "session.work_item" Advised |own, name|
            CreateSessionRequest {
                session: Some(Session { repository: own.repository.clone(), work_item: name, ..Default::default() }),
                ..Default::default()
            };
        "agent.v1.SessionService/GetSession" "name" Session |_, name| GetSessionRequest { name };
        "agent.v1.SessionService/CloseSession" "name" SpareSession |_, name|
            CloseSessionRequest { name, ..Default::default() };
        "agent.v1.RepositoryService/RegisterRepository" "team" Team |own, name|
            RegisterRepositoryRequest { path: own.path.clone(), team: name, ..Default::default() };
        "agent.v1.RepositoryService/GetRepository" "name" Repository |_, name|
            GetRepositoryRequest { name };
        "audit.v1.AuditService/ListAuditEvents" "team" Team |_, name|
            ListAuditEventsRequest { team: name, ..Default::default() };
        "audit.v1.AuditService/ListAuditEvents" "resource" Advised |_, name|
            ListAuditEventsRequest { resource: name, action_prefix: "work_item.".into(), ..Default::default() };
    }
}

fn workflow_fields() -> Vec<Field> {
    flow_fields().into_iter().chain(item_fields()).chain(batch_fields()).collect()
}

fn flow_fields() -> Vec<Field> {
    fields! {
        "workflow.v1.WorkflowService/CreateWorkflow" "workflow.team" Team |_, name|
            CreateWorkflowRequest { workflow: Some(workflow("New", &name, [human("do")])), ..Default::default() };
        "workflow.v1.WorkflowService/CreateWorkflow" "workflow.stages.assignment.user" User |own, name|
            CreateWorkflowRequest { workflow: Some(assigned(own, name)), ..Default::default() };
        "workflow.v1.WorkflowService/CreateWorkflow" "workflow.stages.approval.users" User |own, name|
            CreateWorkflowRequest { workflow: Some(decided(own, vec![name], vec![])), ..Default::default() };
        "workflow.v1.WorkflowService/CreateWorkflow" "workflow.stages.approval.escalation_users" User |own, name|
            CreateWorkflowRequest { workflow: Some(decided(own, vec![], vec![name])), ..Default::default() };
        "workflow.v1.WorkflowService/CreateWorkflow" "workflow.stages.assignment.users" User |own, name|
            CreateWorkflowRequest { workflow: Some(in_turn(own, name)), ..Default::default() };
        "workflow.v1.WorkflowService/GetWorkflow" "name" Workflow |_, name| GetWorkflowRequest { name };
        "workflow.v1.WorkflowService/ListWorkflows" "team" Team |_, name|
            ListWorkflowsRequest { team: name, ..Default::default() };
        "workflow.v1.TemplateService/GetTemplate" "name" Template |_, name| GetTemplateRequest { name };
        "workflow.v1.TemplateService/InstantiateTemplate" "name" Template |own, name|
            InstantiateTemplateRequest { name, team: own.team.clone(), validate_only: true, ..Default::default() };
        "workflow.v1.TemplateService/InstantiateTemplate" "team" Team |own, name|
            InstantiateTemplateRequest { name: own.template.clone(), team: name, visibility: Visibility::Team.into(), validate_only: true, ..Default::default() };
    }
}

fn batch_fields() -> Vec<Field> {
    fields! {
        "workflow.v1.WorkItemService/BatchCreateWorkItems" "parent" Workflow |_, name|
            batch(&name, [item("", "New")]);
        "workflow.v1.WorkItemService/BatchCreateWorkItems" "requests.work_item.repository" Repository |own, name|
            batch(&own.workflow, [WorkItem { repository: name, ..item("", "New") }]);
        "workflow.v1.WorkItemService/BatchCreateWorkItems" "requests.work_item.blocked_by" Claimable |own, name|
            batch(&own.workflow, [WorkItem { blocked_by: vec![name], ..item("", "New") }]);
    }
}

fn item_fields() -> Vec<Field> {
    fields! {
        "workflow.v1.WorkItemService/CreateWorkItem" "work_item.workflow" Workflow |_, name|
            CreateWorkItemRequest { work_item: Some(item(&name, "New")), ..Default::default() };
        "workflow.v1.WorkItemService/CreateWorkItem" "work_item.repository" Repository |own, name|
            CreateWorkItemRequest {
                work_item: Some(WorkItem { repository: name, ..item(&own.workflow, "New") }),
                ..Default::default()
            };
        "workflow.v1.WorkItemService/GetWorkItem" "name" Advised |_, name| GetWorkItemRequest { name };
        "workflow.v1.WorkItemService/ListWorkItems" "workflow" Workflow |_, name|
            ListWorkItemsRequest { workflow: name, ..Default::default() };
        "workflow.v1.WorkItemService/ListWorkItems" "assignee" User |_, name|
            ListWorkItemsRequest { assignee: name, ..Default::default() };
        "workflow.v1.WorkItemService/ClaimWorkItem" "name" Claimable |_, name|
            ClaimWorkItemRequest { name, ..Default::default() };
        "workflow.v1.WorkItemService/StartWorkItem" "name" Startable |_, name|
            StartWorkItemRequest { name, ..Default::default() };
        "workflow.v1.WorkItemService/CompleteStage" "name" Completable |own, name|
            CompleteStageRequest { name, stage_id: own.to_complete.stage_id.clone(), ..Default::default() };
        "workflow.v1.WorkItemService/CancelWorkItem" "name" Cancellable |_, name|
            CancelWorkItemRequest { name, ..Default::default() };
        "workflow.v1.WorkItemService/UpdateWorkItem" "work_item.name" Updatable |own, name|
            work::update(WorkItem { name, ..own.work.to_update.clone() }, String::new());
        "workflow.v1.WorkItemService/UpdateWorkItem" "work_item.repository" Repository |own, name|
            UpdateWorkItemRequest {
                work_item: Some(WorkItem { repository: name, ..own.work.to_block.clone() }),
                update_mask: Some(FieldMask { paths: vec!["repository".into()] }),
                ..Default::default()
            };
        "workflow.v1.WorkItemService/UpdateWorkItem" "work_item.blocked_by" Claimable |own, name|
            UpdateWorkItemRequest {
                work_item: Some(WorkItem { blocked_by: vec![name], ..own.work.to_unblock.clone() }),
                update_mask: Some(FieldMask { paths: vec!["blocked_by".into()] }),
                ..Default::default()
            };
        "workflow.v1.WorkItemService/CreateWorkItem" "work_item.blocked_by" Claimable |own, name|
            CreateWorkItemRequest {
                work_item: Some(WorkItem { blocked_by: vec![name], ..item(&own.workflow, "New") }),
                ..Default::default()
            };
        "workflow.v1.WorkItemService/ExplainWorkItem" "name" Advised |_, name|
            ExplainWorkItemRequest { name };
        "workflow.v1.WorkItemService/AssignWorkItem" "name" Assignable |own, name|
            AssignWorkItemRequest { name, assignee: own.user.clone(), ..Default::default() };
        "workflow.v1.WorkItemService/AssignWorkItem" "assignee" User |own, name|
            AssignWorkItemRequest { name: own.work.to_release.name.clone(), assignee: name, ..Default::default() };
        "workflow.v1.WorkItemService/ReleaseWorkItem" "name" Releasable |_, name|
            ReleaseWorkItemRequest { name, ..Default::default() };
        "workflow.v1.WorkItemService/ReturnWorkItem" "name" Returnable |own, name|
            ReturnWorkItemRequest { name, stage_id: own.advised.stage_id.clone(), ..Default::default() };
        "workflow.v1.WorkItemService/BlockWorkItem" "name" Blockable |_, name|
            BlockWorkItemRequest { name, reason: "Parts".into(), ..Default::default() };
        "workflow.v1.WorkItemService/UnblockWorkItem" "name" Unblockable |_, name|
            UnblockWorkItemRequest { name, ..Default::default() };
        "workflow.v1.WorkItemService/FailWorkItem" "name" Failable |_, name|
            FailWorkItemRequest { name, ..Default::default() };
        "workflow.v1.WorkItemService/ReopenWorkItem" "name" Reopenable |_, name|
            ReopenWorkItemRequest { name, ..Default::default() };
        "workflow.v1.WorkItemService/ApproveStage" "name" Approvable |own, name|
            ApproveStageRequest { name, ..work::approves(&own.decisions.to_approve, String::new()) };
        "workflow.v1.WorkItemService/RejectStage" "name" Rejectable |own, name|
            RejectStageRequest { name, ..work::rejects(&own.decisions.to_reject, String::new()) };
        "workflow.v1.WorkItemService/ListTransitions" "parent" Advised |_, name|
            ListTransitionsRequest { parent: name, ..Default::default() };
        "workflow.v1.WorkItemService/ReviewRecommendation" "name" Advised |own, name|
            ReviewRecommendationRequest {
                name,
                recommendation_hash: own.advised.recommendation.clone().map(|r| r.hash).unwrap_or_default(),
                verdict: Verdict::Accept.into(),
                etag: own.advised.etag.clone(),
                ..Default::default()
            };
        "workflow.v1.WorkItemService/RerunAgentAssist" "name" Advised |_, name|
            RerunAgentAssistRequest { name, ..Default::default() };
        "workflow.v1.WorkItemService/AddComment" "parent" Advised |_, name|
            AddCommentRequest { parent: name, comment: Some(said("")), ..Default::default() };
        "workflow.v1.WorkItemService/ListComments" "parent" Advised |_, name|
            ListCommentsRequest { parent: name, ..Default::default() };
        "workflow.v1.WorkItemService/ListQueue" "parent" Workflow |_, name|
            ListQueueRequest { parent: name, ..Default::default() };
        "workflow.v1.WorkItemService/UpdateComment" "comment.name" Comment |own, name|
            UpdateCommentRequest {
                comment: Some(Comment { name, ..said(&own.comment.etag) }),
                update_mask: crate::directory::mask(&["*"]),
                validate_only: true,
                ..Default::default()
            };
        "workflow.v1.WorkItemService/DeleteComment" "name" SpareComment |_, name|
            DeleteCommentRequest { name, ..Default::default() };
        "workflow.v1.EventService/ListTriggerFirings" "parent" Workflow |_, name|
            ListTriggerFiringsRequest { parent: name, ..Default::default() };
        "workflow.v1.AnalyticsService/GetWorkflowAnalytics" "name" Workflow |_, name|
            GetWorkflowAnalyticsRequest { name, ..Default::default() };
        "workflow.v1.AnalyticsService/VerifyLedger" "name" Workflow |_, name|
            VerifyLedgerRequest { name };
        "workflow.v1.WorkflowService/DeleteWorkflow" "name" SpareWorkflow |_, name|
            DeleteWorkflowRequest { name, ..Default::default() };
    }
}

fn definition_fields() -> Vec<Field> {
    fields! {
        "workflow.v1.WorkflowService/UpdateWorkflow" "workflow.name" ToUpdate |own, name|
            update(Workflow { name, ..own.flows.to_update.clone() }, "display_name");
        "workflow.v1.WorkflowService/UpdateWorkflow" "workflow.stages.assignment.user" User |own, name|
            update(Workflow { stages: assigned(own, name).stages, ..own.flows.to_update.clone() }, "stages");
        "workflow.v1.WorkflowService/UpdateWorkflow" "workflow.stages.approval.users" User |own, name|
            update(Workflow { stages: decided(own, vec![name], vec![]).stages, ..own.flows.to_update.clone() }, "stages");
        "workflow.v1.WorkflowService/UpdateWorkflow" "workflow.stages.approval.escalation_users" User |own, name|
            update(Workflow { stages: decided(own, vec![], vec![name]).stages, ..own.flows.to_update.clone() }, "stages");
        "workflow.v1.WorkflowService/UpdateWorkflow" "workflow.stages.assignment.users" User |own, name|
            update(Workflow { stages: in_turn(own, name).stages, ..own.flows.to_update.clone() }, "stages");
        "workflow.v1.WorkflowService/UndeleteWorkflow" "name" ToUndelete |_, name|
            UndeleteWorkflowRequest { name, ..Default::default() };
        "workflow.v1.WorkflowService/GetWorkflowRevision" "name" Workflow |_, name|
            GetWorkflowRevisionRequest { name: format!("{name}/revisions/1") };
        "workflow.v1.WorkflowService/ListWorkflowRevisions" "parent" Workflow |_, name|
            ListWorkflowRevisionsRequest { parent: name, ..Default::default() };
        "workflow.v1.WorkflowService/PauseWorkflow" "name" ToPause |_, name|
            PauseWorkflowRequest { name, ..Default::default() };
        "workflow.v1.WorkflowService/ResumeWorkflow" "name" ToResume |_, name|
            ResumeWorkflowRequest { name, ..Default::default() };
        "workflow.v1.WorkflowService/TransferWorkflow" "team" Team |own, name|
            TransferWorkflowRequest { name: own.flows.personal.clone(), team: name, ..Default::default() };
        "workflow.v1.WorkflowService/MigrateWorkItems" "name" Workflow |_, name|
            MigrateWorkItemsRequest { name, validate_only: true, ..Default::default() };
        "workflow.v1.WorkflowService/TransferWorkflow" "name" ToTransfer |_, name|
            TransferWorkflowRequest { name, visibility: Visibility::Personal.into(), ..Default::default() };
        "workflow.v1.TemplateService/PublishTemplate" "workflow" ToPublish |own, name|
            PublishTemplateRequest { workflow: name, team: own.team.clone(), ..Default::default() };
        "workflow.v1.TemplateService/PublishTemplate" "team" Team |own, name|
            PublishTemplateRequest { workflow: own.flows.to_publish.clone(), team: name, ..Default::default() };
        "workflow.v1.TemplateService/PublishTemplate" "template" OwnTemplate |own, name|
            PublishTemplateRequest { workflow: own.flows.to_publish.clone(), template: name, ..Default::default() };
        "workflow.v1.TemplateService/DeleteTemplate" "name" OwnTemplate |_, name|
            DeleteTemplateRequest { name, ..Default::default() };
        "workflow.v1.WorkflowService/ExportWorkflow" "name" Workflow |_, name|
            ExportWorkflowRequest { name };
        "workflow.v1.WorkflowService/ImportWorkflow" "team" Team |_, name|
            ImportWorkflowRequest { document: crate::flows::DOCUMENT.into(), team: name, validate_only: true, ..Default::default() };
        "workflow.v1.WorkflowService/StarWorkflow" "name" Workflow |_, name|
            StarWorkflowRequest { name, ..Default::default() };
        "workflow.v1.WorkflowService/UnstarWorkflow" "name" Workflow |_, name|
            UnstarWorkflowRequest { name, ..Default::default() };
    }
}

fn update(workflow: Workflow, path: &str) -> UpdateWorkflowRequest {
    UpdateWorkflowRequest {
        workflow: Some(workflow),
        update_mask: crate::directory::mask(&[path]),
        validate_only: true,
        ..Default::default()
    }
}

fn diff(own: &Own) -> Change {
    Change::UnifiedDiff(own.diff.clone())
}

fn said(etag: &str) -> Comment {
    Comment { text: text(), etag: etag.to_owned(), ..Default::default() }
}

fn assigned(own: &Own, user: String) -> Workflow {
    let assignment = Assignment { r#type: AssignmentType::User.into(), user, ..Default::default() };
    let stage = Stage { assignment: Some(assignment), ..human("do") };
    workflow("New", &own.team, [stage])
}

fn decided(own: &Own, users: Vec<String>, escalation_users: Vec<String>) -> Workflow {
    let asked = Approval { users, escalation_users, expire_minutes: 5, ..Default::default() };
    let stage = Stage { approval: Some(asked), ..stage("may", StageType::Approval) };
    workflow("New", &own.team, [stage])
}

fn in_turn(own: &Own, user: String) -> Workflow {
    let users = vec![user];
    let assignment =
        Assignment { r#type: AssignmentType::RoundRobin.into(), users, ..Default::default() };
    let stage = Stage { assignment: Some(assignment), ..human("do") };
    workflow("New", &own.team, [stage])
}

/// What a caller gets, in every byte.
async fn outcome(person: &Person, field: &Field, body: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let method = format!("elohim.{}", field.method);
    person.sends(&method, body).await.map_err(|status| Refusal::from(&status))
}

testkit::on_both! {
    /// Foreign and random names get the same answer; one's own gets another one.
    async fn foreign_names_are_answered_as_random_ones(db: TestDb) {
        let world = World::start(db).await;
        let [alice, dave] = world.people(["alice", "dave"]);
        let mut foreign = belongings(&world, &alice, "core").await;
        let mut own = belongings(&world, &dave, "payments").await;
        for (own, person) in [(&mut foreign, &alice), (&mut own, &dave)] {
            own.template = team_template(&world, person).await;
        }
        // So that nothing is refused for want of a right that dave holds nowhere.
        world.assign("dave", "payments", "admin").await;
        let people = people_fields();
        for field in agent_fields().iter().chain(&workflow_fields()).chain(&definition_fields()).chain(&people) {
            let shown = format!("{} {}", field.method, field.field);
            let theirs = field.kind.of(&foreign);
            let random = World::unused(&theirs);
            let theirs = outcome(&dave, field, (field.request)(&own, theirs)).await;
            let random = outcome(&dave, field, (field.request)(&own, random)).await;
            assert_eq!(theirs, random, "{shown}");
            match &theirs {
                Err(refusal) => {
                    assert_eq!(refusal.code, Code::NotFound, "{shown}: {refusal:?}");
                    assert!(refusal.reason.ends_with("_NOT_FOUND"), "{shown}: {refusal:?}");
                }
                // A filter by name finds nothing.
                Ok(answer) => assert!(answer.is_empty(), "{shown}: {answer:?}"),
            }
            let mine = outcome(&dave, field, (field.request)(&own, field.kind.of(&own))).await;
            let state = Code::FailedPrecondition;
            let is_found = mine.as_ref().map_or_else(|refusal| refusal.code == state, |_| true);
            assert!(is_found, "{shown}: one's own name gives {mine:?}");
            assert_ne!(mine, random, "{shown}");
        }
    }

    /// What is one person's stays hidden from their own team too.
    async fn what_is_personal_is_hidden_from_the_team(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let mut own = belongings(&world, &alice, "core").await;
        let flow = alice.creates_workflow(workflow("Own", "", [human("do")])).await.unwrap();
        let private = alice.creates_item(item(&flow.name, "Own")).await.unwrap();
        own.workflow = flow.name;
        own.advised = private;
        for field in agent_fields().iter().chain(&workflow_fields()).chain(&definition_fields()) {
            if !matches!(field.kind, Kind::Workflow | Kind::Advised | Kind::Session) {
                continue;
            }
            let theirs = field.kind.of(&own);
            let random = World::unused(&theirs);
            let theirs = outcome(&bob, field, (field.request)(&own, theirs)).await;
            let random = outcome(&bob, field, (field.request)(&own, random)).await;
            assert_eq!(theirs, random, "{} {}", field.method, field.field);
        }
    }
}

/// A template of the person's team. No method makes one yet.
async fn team_template(world: &World, person: &Person) -> String {
    let marker = format!("Blueprint of {}", person.name);
    let made = workflow(&marker, &person.team, [human("do")]);
    let made = person.creates_workflow(made).await.unwrap().name;
    let statement =
        format!("update workflow set is_template = true where display_name = '{marker}'");
    world.probe().changes(&statement).await;
    made.replace("workflows/", "templates/")
}

/// Fields of a resource that no mask may name, or that only repeat another field.
const NEVER_READ: [&str; 2] = [
    "workflow.v1.WorkItemService/UpdateWorkItem work_item.workflow",
    "workflow.v1.WorkItemService/BatchCreateWorkItems requests.work_item.workflow",
];

/// The table above has every request field that the protos describe as a resource's name.
#[test]
fn every_field_that_names_a_resource_is_tried() {
    let set = FileDescriptorSet::decode(api::DESCRIPTORS).expect("descriptors");
    let mut described = BTreeSet::new();
    // Nothing is invisible to operators, who have a port of their own.
    let for_all = |package: &str| package.starts_with("elohim.") && package != "elohim.admin.v1";
    for file in set.file.iter().filter(|file| for_all(file.package())) {
        for service in &file.service {
            for method in &service.method {
                let package = file.package().trim_start_matches("elohim.");
                let path = format!("{package}.{}/{}", service.name(), method.name());
                let mut found = Vec::new();
                collect(&set, method.input_type(), "", &mut found);
                described.extend(found.into_iter().map(|field| format!("{path} {field}")));
            }
        }
    }
    let fields = agent_fields().into_iter().chain(workflow_fields()).chain(people_fields());
    let fields = fields.chain(definition_fields());
    let mut tried: BTreeSet<_> =
        fields.map(|field| format!("{} {}", field.method, field.field)).collect();
    tried.extend(VISIBLE_TO_ALL_CALLERS.map(str::to_owned));
    tried.extend(NEVER_READ.map(str::to_owned));
    assert!(described.len() > 30, "{described:#?}");
    assert_eq!(
        described.difference(&tried).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "not tried"
    );
}

/// Paths of the fields of a request that hold `collection/{uuid}` and are the caller's to set.
fn collect(set: &FileDescriptorSet, message: &str, above: &str, found: &mut Vec<String>) {
    let Some((comments, descriptor)) = message_of(set, message) else { return };
    for (at, field) in descriptor.field.iter().enumerate() {
        let comment = comments.get(at).map_or("", String::as_str);
        if comment.contains("Output only") {
            continue;
        }
        let path = if above.is_empty() {
            field.name().to_owned()
        } else {
            format!("{above}.{}", field.name())
        };
        match field.r#type() {
            Type::String if comment.contains("/{uuid}`") => found.push(path),
            Type::Message if field.type_name().starts_with(".elohim.") => {
                collect(set, field.type_name(), &path, found);
            }
            _ => {}
        }
    }
}

/// A message with the comments of its fields.
fn message_of<'a>(
    set: &'a FileDescriptorSet,
    name: &str,
) -> Option<(Vec<String>, &'a DescriptorProto)> {
    for file in &set.file {
        for (at, message) in file.message_type.iter().enumerate() {
            if format!(".{}.{}", file.package(), message.name()) != name {
                continue;
            }
            let locations = file.source_code_info.as_ref().map_or(&[][..], |info| &info.location);
            let comment = |field: usize| {
                let path = [4, i32::try_from(at).ok()?, 2, i32::try_from(field).ok()?];
                let location = locations.iter().find(|location| location.path == path)?;
                Some(location.leading_comments().to_owned())
            };
            let comments = (0..message.field.len()).map(|field| comment(field).unwrap_or_default());
            return Some((comments.collect(), message));
        }
    }
    None
}
