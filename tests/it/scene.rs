//! One team's things, of each kind one, and a valid request for every method about them.

use api::agent::apply_request::Change;
use api::agent::{
    ApplyRequest, BuildContextRequest, CloseSessionRequest, CreateSessionRequest, GetPatchRequest,
    GetRepositoryRequest, GetRunRequest, GetSessionRequest, ListEnginesRequest, ListPatchesRequest,
    ListRepositoriesRequest, ListRunsRequest, ListSessionsRequest, PlanRequest,
    RegisterRepositoryRequest, RevertPatchRequest, RouteRequest, Session,
};
use api::audit::ListAuditEventsRequest;
use api::permissions::Visibility;
use api::workflow::{
    AddCommentRequest, Comment, DeleteCommentRequest, ListCommentsRequest, ListMyWorkRequest,
    ListOverdueRequest, ListQueueRequest, UpdateCommentRequest,
};
use api::workflow::{
    CancelWorkItemRequest, ClaimWorkItemRequest, CompleteStageRequest, CreateWorkItemRequest,
    CreateWorkflowRequest, DeleteWorkflowRequest, GetTemplateRequest, GetWorkItemRequest,
    GetWorkflowAnalyticsRequest, GetWorkflowRequest, InstantiateTemplateRequest,
    ListTemplatesRequest, ListTransitionsRequest, ListTriggerFiringsRequest, ListWorkItemsRequest,
    ListWorkflowsRequest, RerunAgentAssistRequest, ReviewRecommendationRequest,
    StartWorkItemRequest, Verdict, VerifyLedgerRequest, WorkItem,
};
use prost::Message as _;
use prost_types::Duration;
use testkit::world::shapes::{assist, human, item_on, workflow};
use testkit::world::{Person, Repo, World};

use crate::comments;
use crate::flows::{self, Flows};
use crate::spare::{self, Spare};
use crate::work::{self, Decisions, Work};

/// A row of the access table.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    /// As in `elohim.agent.v1.RunService/GetRun`.
    pub(crate) path: String,
    pub(crate) key: String,
    pub(crate) level: String,
    /// Action on success, and on failure where there is one.
    pub(crate) success: String,
    pub(crate) failure: Option<String>,
}

/// All methods for everybody, as the access table beside the protos has them. Those for
/// operators are at another port.
pub(crate) fn methods() -> Vec<Method> {
    let mut table = csv::Reader::from_reader(api::ACCESS_TABLE.as_bytes());
    let rows = table.records().map(|row| row.expect("a row")).filter(|row| &row[0] != "admin");
    let rows = rows.map(|row| {
        let (success, failure) = match row[6].split_once('|') {
            Some((success, failure)) => (success, Some(failure.to_owned())),
            None => (&row[6], None),
        };
        Method {
            path: format!("elohim.{}.v1.{}/{}", &row[0], &row[1], &row[2]),
            key: row[3].to_owned(),
            level: row[4].to_owned(),
            success: success.to_owned(),
            failure,
        }
    });
    rows.collect()
}

/// Names of what a person and their team have.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) user: String,
    pub(crate) team: String,
    pub(crate) repository: String,
    /// Not registered yet.
    pub(crate) path: String,
    pub(crate) workflow: String,
    /// Without items.
    pub(crate) spare_workflow: String,
    pub(crate) template: String,
    /// At an agent stage, with a recommendation.
    pub(crate) advised: WorkItem,
    /// Items at a human stage, by what may be done to them next.
    pub(crate) to_claim: WorkItem,
    pub(crate) to_start: WorkItem,
    pub(crate) to_complete: WorkItem,
    pub(crate) to_cancel: WorkItem,
    /// What the lead said about the advised item.
    pub(crate) comment: Comment,
    pub(crate) spare_comment: Comment,
    pub(crate) session: String,
    pub(crate) spare_session: String,
    pub(crate) run: String,
    pub(crate) plan: String,
    pub(crate) patch: String,
    pub(crate) diff: String,
    pub(crate) spare: Spare,
    pub(crate) work: Work,
    pub(crate) decisions: Decisions,
    pub(crate) flows: Flows,
}

/// Makes everything for a lead and their team.
pub(crate) async fn belongings(world: &World, lead: &Person, slug: &str) -> Own {
    let repo = Repo::shop(&world.root_of(slug).join("things"));
    let unregistered = Repo::shop(&world.root_of(slug).join("spare"));
    let repository = lead.registers(&repo.dir).await.unwrap().name;
    let flow = workflow("Things", &lead.team, [human("do"), assist("think")]);
    let flow = lead.creates_workflow(flow).await.unwrap().name;
    let advising = workflow("Advice", &lead.team, [assist("think"), human("do")]);
    let advising = lead.creates_workflow(advising).await.unwrap().name;
    let spare_workflow = workflow("Spare", &lead.team, [human("do")]);
    let spare_workflow = lead.creates_workflow(spare_workflow).await.unwrap().name;
    let new = |flow: &str| item_on(flow, "Carts", "Carts forget", &repository);
    let advised = lead.creates_item(new(&advising)).await.unwrap();
    let advised = lead.awaits_agent(&advised.name).await;
    let advice = advised.recommendation.clone().expect("a recommendation");
    let to_claim = lead.creates_item(new(&flow)).await.unwrap();
    let to_start = lead.creates_item(new(&flow)).await.unwrap();
    let to_start = lead.claims(&to_start).await.unwrap();
    let to_complete = lead.creates_item(new(&flow)).await.unwrap();
    let to_complete = lead.claims(&to_complete).await.unwrap();
    let to_cancel = lead.creates_item(new(&flow)).await.unwrap();
    let work = work::work(lead, &flow, &advising, &repository).await;
    let applied = ApplyRequest {
        repository: repository.clone(),
        work_item: advised.name.clone(),
        change: Some(Change::UnifiedDiff(repo.diff_adding("README.md", "More."))),
        ..Default::default()
    };
    let patch = lead.applies(applied).await.unwrap().patch.expect("a patch").name;
    let comment = comments::adds(lead, &advised.name, "One of them").await.unwrap();
    let spare_comment = comments::adds(lead, &advised.name, "Another").await.unwrap();
    let spare = spare::spare(world, lead, slug).await;
    let keeper = world.known_as(&spare.keeper.0, &spare.keeper.1);
    let decisions = work::decisions(lead, &keeper).await;
    world.settles().await;
    Own {
        user: lead.user.clone(),
        team: lead.team.clone(),
        path: unregistered.dir.display().to_string(),
        template: lead.finds_template("Bug Fix + Test").await.name,
        session: lead.opens_session(&repository).await.unwrap().name,
        spare_session: lead.opens_session(&repository).await.unwrap().name,
        run: advice.run,
        plan: advice.plan,
        diff: repo.diff_adding("README.md", "And more."),
        workflow: flow,
        repository,
        spare_workflow,
        advised,
        to_claim,
        to_start,
        to_complete,
        to_cancel,
        comment,
        spare_comment,
        patch,
        spare,
        work,
        decisions,
        flows: flows::flows(lead).await,
    }
}

/// How good a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    Valid,
    /// Names the same things, with an argument that is wrong for whoever gets that far.
    Spoiled,
}

/// An encoded request about somebody's belongings. `None` when a spoiled one is asked for
/// and the method has no argument beside names.
pub(crate) fn request(method: &str, own: &Own, quality: Quality) -> Option<Vec<u8>> {
    let spoiled = quality == Quality::Spoiled;
    let request_id = if spoiled { "not a uuid" } else { "" }.to_owned();
    let page_size = if spoiled { -1 } else { 0 };
    let own = own.clone();
    let (_, method) = method.rsplit_once('.').expect("a method's path");
    let bytes = match method {
        "AgentService/Route" => RouteRequest {
            input: if spoiled { String::new() } else { "Fix the cart".into() },
            repository: own.repository,
            ..Default::default()
        }
        .encode_to_vec(),
        "AgentService/BuildContext" => BuildContextRequest {
            input: "Fix the cart".into(),
            repository: own.repository,
            token_budget: page_size,
            ..Default::default()
        }
        .encode_to_vec(),
        "AgentService/Plan" => PlanRequest {
            input: "Fix the cart".into(),
            repository: own.repository,
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "AgentService/Apply" => ApplyRequest {
            repository: own.repository,
            change: Some(Change::UnifiedDiff(own.diff)),
            wait_timeout: Some(Duration { seconds: 20, nanos: 0 }),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "AgentService/ListEngines" => only_valid(spoiled, &ListEnginesRequest {})?,
        "RunService/GetRun" => only_valid(spoiled, &GetRunRequest { name: own.run })?,
        "RunService/ListRuns" => {
            ListRunsRequest { work_item: own.advised.name, page_size, ..Default::default() }
                .encode_to_vec()
        }
        "PatchService/GetPatch" => only_valid(spoiled, &GetPatchRequest { name: own.patch })?,
        "PatchService/ListPatches" => {
            ListPatchesRequest { repository: own.repository, page_size, ..Default::default() }
                .encode_to_vec()
        }
        "PatchService/RevertPatch" => RevertPatchRequest {
            name: own.patch,
            wait_timeout: Some(Duration { seconds: 20, nanos: 0 }),
            request_id,
        }
        .encode_to_vec(),
        "SessionService/CreateSession" => {
            let session = Session { repository: own.repository, ..Default::default() };
            CreateSessionRequest { session: Some(session), request_id }.encode_to_vec()
        }
        "SessionService/GetSession" => {
            only_valid(spoiled, &GetSessionRequest { name: own.session })?
        }
        "SessionService/ListSessions" => {
            ListSessionsRequest { page_size, ..Default::default() }.encode_to_vec()
        }
        "SessionService/CloseSession" => {
            CloseSessionRequest { name: own.spare_session, request_id }.encode_to_vec()
        }
        "RepositoryService/RegisterRepository" => RegisterRepositoryRequest {
            path: own.path,
            team: own.team,
            visibility: Visibility::Team.into(),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "RepositoryService/GetRepository" => {
            only_valid(spoiled, &GetRepositoryRequest { name: own.repository })?
        }
        "RepositoryService/ListRepositories" => {
            ListRepositoriesRequest { page_size, ..Default::default() }.encode_to_vec()
        }
        "AuditService/ListAuditEvents" => {
            ListAuditEventsRequest { team: own.team, page_size, ..Default::default() }
                .encode_to_vec()
        }
        other
            if other.starts_with("PermissionService/")
                || other.starts_with("DirectoryService/") =>
        {
            return spare::request(other, own, quality);
        }
        other => return workflow_request(other, own, spoiled, request_id, page_size),
    };
    Some(bytes)
}

fn workflow_request(
    method: &str,
    own: Own,
    spoiled: bool,
    request_id: String,
    page_size: i32,
) -> Option<Vec<u8>> {
    let etag = String::new();
    if let Some(bytes) = work::request(method, &own, request_id.clone()) {
        return Some(bytes);
    }
    let bytes = match method {
        "WorkflowService/CreateWorkflow" => {
            let flow = workflow("New", &own.team, [human("do")]);
            CreateWorkflowRequest { workflow: Some(flow), request_id }.encode_to_vec()
        }
        "WorkflowService/GetWorkflow" => {
            only_valid(spoiled, &GetWorkflowRequest { name: own.workflow })?
        }
        "WorkflowService/ListWorkflows" => {
            ListWorkflowsRequest { team: own.team, page_size, ..Default::default() }.encode_to_vec()
        }
        "WorkflowService/DeleteWorkflow" => {
            DeleteWorkflowRequest { name: own.spare_workflow, etag, request_id }.encode_to_vec()
        }
        "TemplateService/ListTemplates" => {
            ListTemplatesRequest { page_size, ..Default::default() }.encode_to_vec()
        }
        "TemplateService/GetTemplate" => {
            only_valid(spoiled, &GetTemplateRequest { name: own.template })?
        }
        "TemplateService/InstantiateTemplate" => InstantiateTemplateRequest {
            name: own.template,
            team: own.team,
            visibility: Visibility::Team.into(),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "WorkItemService/CreateWorkItem" => {
            let item = item_on(&own.workflow, "New", "", &own.repository);
            CreateWorkItemRequest { work_item: Some(item), request_id }.encode_to_vec()
        }
        "WorkItemService/GetWorkItem" => {
            only_valid(spoiled, &GetWorkItemRequest { name: own.advised.name })?
        }
        // It has no argument beside the name.
        "WorkItemService/ExplainWorkItem" => return None,
        "WorkItemService/ListWorkItems" => {
            ListWorkItemsRequest { workflow: own.workflow, page_size, ..Default::default() }
                .encode_to_vec()
        }
        "WorkItemService/ClaimWorkItem" => {
            ClaimWorkItemRequest { name: own.to_claim.name, etag, request_id }.encode_to_vec()
        }
        "WorkItemService/StartWorkItem" => {
            StartWorkItemRequest { name: own.to_start.name, etag, request_id }.encode_to_vec()
        }
        "WorkItemService/CompleteStage" => CompleteStageRequest {
            name: own.to_complete.name,
            stage_id: own.to_complete.stage_id,
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "WorkItemService/CancelWorkItem" => {
            CancelWorkItemRequest { name: own.to_cancel.name, request_id, ..Default::default() }
                .encode_to_vec()
        }
        "WorkItemService/ListTransitions" => {
            ListTransitionsRequest { parent: own.advised.name, page_size, ..Default::default() }
                .encode_to_vec()
        }
        "WorkItemService/ReviewRecommendation" => ReviewRecommendationRequest {
            name: own.advised.name,
            recommendation_hash: own.advised.recommendation.map(|r| r.hash).unwrap_or_default(),
            verdict: Verdict::Accept.into(),
            etag: own.advised.etag,
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "WorkItemService/RerunAgentAssist" => {
            RerunAgentAssistRequest { name: own.advised.name, etag, request_id }.encode_to_vec()
        }
        "EventService/ListTriggerFirings" => {
            ListTriggerFiringsRequest { parent: own.workflow, page_size, ..Default::default() }
                .encode_to_vec()
        }
        "AnalyticsService/GetWorkflowAnalytics" => {
            let time_zone = if spoiled { "Mars/Base" } else { "" }.to_owned();
            let start_time = spoiled.then(prost_types::Timestamp::default);
            let name = own.workflow;
            GetWorkflowAnalyticsRequest { name, start_time, time_zone, ..Default::default() }
                .encode_to_vec()
        }
        other => return line_request(other, own, spoiled, request_id, page_size),
    };
    Some(bytes)
}

/// Requests about a line of work: what is said, what waits, and whether it adds up.
fn line_request(
    method: &str,
    own: Own,
    spoiled: bool,
    request_id: String,
    page_size: i32,
) -> Option<Vec<u8>> {
    let etag = String::new();
    let bytes = match method {
        "WorkItemService/AddComment" => {
            let comment = Some(Comment { text: "And this".into(), ..Default::default() });
            AddCommentRequest { parent: own.advised.name, comment, request_id }.encode_to_vec()
        }
        "WorkItemService/ListComments" => {
            ListCommentsRequest { parent: own.advised.name, page_size, ..Default::default() }
                .encode_to_vec()
        }
        "WorkItemService/ListQueue" => {
            ListQueueRequest { parent: own.workflow, page_size, ..Default::default() }
                .encode_to_vec()
        }
        "WorkItemService/ListMyWork" => {
            ListMyWorkRequest { page_size, ..Default::default() }.encode_to_vec()
        }
        "WorkItemService/ListOverdue" => {
            ListOverdueRequest { page_size, ..Default::default() }.encode_to_vec()
        }
        "WorkItemService/UpdateComment" => UpdateCommentRequest {
            comment: Some(Comment { text: "Rather this".into(), ..own.comment }),
            update_mask: crate::directory::mask(&["text"]),
            request_id,
            ..Default::default()
        }
        .encode_to_vec(),
        "WorkItemService/DeleteComment" => {
            DeleteCommentRequest { name: own.spare_comment.name, etag, request_id }.encode_to_vec()
        }
        "AnalyticsService/VerifyLedger" => {
            only_valid(spoiled, &VerifyLedgerRequest { name: own.workflow })?
        }
        other => return flows::request(other, own, spoiled, request_id, page_size),
    };
    Some(bytes)
}

pub(crate) fn only_valid(spoiled: bool, request: &impl prost::Message) -> Option<Vec<u8>> {
    (!spoiled).then(|| request.encode_to_vec())
}
