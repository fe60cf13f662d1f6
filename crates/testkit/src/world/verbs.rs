//! What people do to workflows and items.

use api::agent::Run;
use api::workflow::{ApproveStageRequest, Because, ExplainWorkItemRequest, RejectStageRequest};
use api::workflow::{
    AssignWorkItemRequest, BlockWorkItemRequest, CancelWorkItemRequest, ClaimWorkItemRequest,
    CompleteStageRequest, CreateWorkItemRequest, CreateWorkflowRequest, FailWorkItemRequest,
    GetWorkItemRequest, GetWorkflowAnalyticsRequest, GetWorkflowRequest,
    InstantiateTemplateRequest, ListTemplatesRequest, ListTransitionsRequest,
    ListTriggerFiringsRequest, ListWorkItemsRequest, ReleaseWorkItemRequest, ReopenWorkItemRequest,
    RerunAgentAssistRequest, ReturnWorkItemRequest, ReviewRecommendationRequest,
    StartWorkItemRequest, Template, Transition, TriggerFiring, UnblockWorkItemRequest,
    UpdateWorkItemRequest, Verdict, WorkItem, Workflow, WorkflowAnalytics,
};
use prost_types::{FieldMask, Struct};
use tonic::{Response, Status};

use super::person::Person;
use super::wait::eventually;

type Answer<T> = Result<T, Status>;

impl Person {
    /// Publishes a workflow.
    pub async fn creates_workflow(&self, workflow: Workflow) -> Answer<Workflow> {
        let request = CreateWorkflowRequest { workflow: Some(workflow), ..Default::default() };
        self.workflows().create_workflow(request).await.map(Response::into_inner)
    }

    pub async fn sees_workflow(&self, name: &str) -> Answer<Workflow> {
        let request = GetWorkflowRequest { name: name.to_owned() };
        self.workflows().get_workflow(request).await.map(Response::into_inner)
    }

    /// All templates the person can view.
    pub async fn sees_templates(&self) -> Answer<Vec<Template>> {
        let request = ListTemplatesRequest { page_size: 200, ..Default::default() };
        let answer = self.templates().list_templates(request).await?;
        Ok(answer.into_inner().templates)
    }

    /// The template that is shown under this name.
    ///
    /// # Panics
    ///
    /// When the person sees none.
    pub async fn finds_template(&self, display_name: &str) -> Template {
        let templates = self.sees_templates().await.expect("templates are listed");
        let found = templates.into_iter().find(|template| template.display_name == display_name);
        found.unwrap_or_else(|| panic!("{} sees no template {display_name:?}", self.name))
    }

    /// Makes a workflow of the person's team from a template; personal without a team.
    pub async fn instantiates(&self, template: &str) -> Answer<Workflow> {
        use api::permissions::Visibility;
        let visibility = if self.team.is_empty() { Visibility::Personal } else { Visibility::Team };
        let request = InstantiateTemplateRequest {
            name: template.to_owned(),
            team: self.team.clone(),
            visibility: visibility.into(),
            ..Default::default()
        };
        self.templates().instantiate_template(request).await.map(Response::into_inner)
    }

    pub async fn creates_item(&self, item: WorkItem) -> Answer<WorkItem> {
        let request = CreateWorkItemRequest { work_item: Some(item), ..Default::default() };
        self.items().create_work_item(request).await.map(Response::into_inner)
    }

    pub async fn sees_item(&self, name: &str) -> Answer<WorkItem> {
        let request = GetWorkItemRequest { name: name.to_owned() };
        self.items().get_work_item(request).await.map(Response::into_inner)
    }

    /// Items of one workflow; of all with an empty name.
    pub async fn lists_items(&self, workflow: &str) -> Answer<Vec<WorkItem>> {
        let request = ListWorkItemsRequest {
            workflow: workflow.to_owned(),
            page_size: 200,
            ..Default::default()
        };
        Ok(self.items().list_work_items(request).await?.into_inner().work_items)
    }

    pub async fn claims(&self, item: &WorkItem) -> Answer<WorkItem> {
        let request = ClaimWorkItemRequest { name: item.name.clone(), ..Default::default() };
        self.items().claim_work_item(request).await.map(Response::into_inner)
    }

    pub async fn starts(&self, item: &WorkItem) -> Answer<WorkItem> {
        let request = StartWorkItemRequest { name: item.name.clone(), ..Default::default() };
        self.items().start_work_item(request).await.map(Response::into_inner)
    }

    /// Completes the stage that `item` is at as it was last seen.
    pub async fn completes(&self, item: &WorkItem) -> Answer<WorkItem> {
        self.completes_with(item, None).await
    }

    pub async fn completes_with(&self, item: &WorkItem, data: Option<Struct>) -> Answer<WorkItem> {
        let request = CompleteStageRequest {
            name: item.name.clone(),
            stage_id: item.stage_id.clone(),
            data,
            ..Default::default()
        };
        self.items().complete_stage(request).await.map(Response::into_inner)
    }

    /// Claims, then completes.
    pub async fn does(&self, item: &WorkItem) -> Answer<WorkItem> {
        let claimed = self.claims(item).await?;
        self.completes(&claimed).await
    }

    pub async fn cancels(&self, item: &WorkItem) -> Answer<WorkItem> {
        let request = CancelWorkItemRequest { name: item.name.clone(), ..Default::default() };
        self.items().cancel_work_item(request).await.map(Response::into_inner)
    }

    pub async fn releases(&self, item: &WorkItem) -> Answer<WorkItem> {
        let request = ReleaseWorkItemRequest { name: item.name.clone(), ..Default::default() };
        self.items().release_work_item(request).await.map(Response::into_inner)
    }

    /// Makes somebody else responsible.
    pub async fn assigns_item(&self, item: &WorkItem, to: &Self) -> Answer<WorkItem> {
        let (name, assignee) = (item.name.clone(), to.user.clone());
        let request = AssignWorkItemRequest { name, assignee, ..Default::default() };
        self.items().assign_work_item(request).await.map(Response::into_inner)
    }

    pub async fn returns(&self, item: &WorkItem, stage: &str) -> Answer<WorkItem> {
        let (name, stage_id) = (item.name.clone(), stage.to_owned());
        let request = ReturnWorkItemRequest { name, stage_id, ..Default::default() };
        self.items().return_work_item(request).await.map(Response::into_inner)
    }

    pub async fn blocks(&self, item: &WorkItem, reason: &str) -> Answer<WorkItem> {
        let (name, reason) = (item.name.clone(), reason.to_owned());
        let request = BlockWorkItemRequest { name, reason, ..Default::default() };
        self.items().block_work_item(request).await.map(Response::into_inner)
    }

    pub async fn unblocks(&self, item: &WorkItem) -> Answer<WorkItem> {
        let request = UnblockWorkItemRequest { name: item.name.clone(), ..Default::default() };
        self.items().unblock_work_item(request).await.map(Response::into_inner)
    }

    /// Lets an item fail.
    pub async fn fails(&self, item: &WorkItem) -> Answer<WorkItem> {
        let request = FailWorkItemRequest { name: item.name.clone(), ..Default::default() };
        self.items().fail_work_item(request).await.map(Response::into_inner)
    }

    pub async fn reopens(&self, item: &WorkItem) -> Answer<WorkItem> {
        let request = ReopenWorkItemRequest { name: item.name.clone(), ..Default::default() };
        self.items().reopen_work_item(request).await.map(Response::into_inner)
    }

    /// Changes the fields of an item that `paths` name, at the etag that it shows.
    pub async fn updates(&self, item: WorkItem, paths: &[&str]) -> Answer<WorkItem> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let update_mask = Some(FieldMask { paths });
        let request =
            UpdateWorkItemRequest { work_item: Some(item), update_mask, ..Default::default() };
        self.items().update_work_item(request).await.map(Response::into_inner)
    }

    /// Why an item is where it is.
    ///
    /// # Panics
    ///
    /// When the person does not see it.
    pub async fn explains(&self, name: &str) -> Vec<Because> {
        let request = ExplainWorkItemRequest { name: name.to_owned() };
        let known = self.items().explain_work_item(request).await;
        known.expect("an explanation").into_inner().because
    }

    /// Lets an item pass as it was last seen.
    pub async fn approves(&self, item: &WorkItem) -> Answer<WorkItem> {
        let request = ApproveStageRequest {
            name: item.name.clone(),
            stage_id: item.stage_id.clone(),
            content_hash: content_hash(item),
            ..Default::default()
        };
        self.items().approve_stage(request).await.map(Response::into_inner)
    }

    /// Sends an item back as it was last seen.
    pub async fn rejects(&self, item: &WorkItem, note: &str) -> Answer<WorkItem> {
        let request = RejectStageRequest {
            name: item.name.clone(),
            stage_id: item.stage_id.clone(),
            content_hash: content_hash(item),
            note: note.to_owned(),
            ..Default::default()
        };
        self.items().reject_stage(request).await.map(Response::into_inner)
    }

    /// Gives a verdict on the recommendation that `item` shows.
    pub async fn reviews(&self, item: &WorkItem, verdict: Verdict) -> Answer<WorkItem> {
        let shown = item.recommendation.as_ref();
        let request = ReviewRecommendationRequest {
            name: item.name.clone(),
            recommendation_hash: shown.map(|shown| shown.hash.clone()).unwrap_or_default(),
            verdict: verdict.into(),
            etag: item.etag.clone(),
            ..Default::default()
        };
        self.items().review_recommendation(request).await.map(Response::into_inner)
    }

    pub async fn reruns_agent(&self, item: &WorkItem) -> Answer<Run> {
        let request = RerunAgentAssistRequest { name: item.name.clone(), ..Default::default() };
        self.items().rerun_agent_assist(request).await.map(Response::into_inner)
    }

    pub async fn sees_history(&self, item: &str) -> Answer<Vec<Transition>> {
        let request = ListTransitionsRequest {
            parent: item.to_owned(),
            page_size: 200,
            ..Default::default()
        };
        Ok(self.items().list_transitions(request).await?.into_inner().transitions)
    }

    pub async fn sees_firings(&self, workflow: &str) -> Answer<Vec<TriggerFiring>> {
        let request = ListTriggerFiringsRequest {
            parent: workflow.to_owned(),
            page_size: 200,
            ..Default::default()
        };
        Ok(self.events().list_trigger_firings(request).await?.into_inner().trigger_firings)
    }

    pub async fn sees_analytics(&self, workflow: &str) -> Answer<WorkflowAnalytics> {
        let request =
            GetWorkflowAnalyticsRequest { name: workflow.to_owned(), ..Default::default() };
        self.analytics().get_workflow_analytics(request).await.map(Response::into_inner)
    }

    /// Looks at an item until it is as asked.
    pub async fn awaits_item(&self, name: &str, reached: impl Fn(&WorkItem) -> bool) -> WorkItem {
        eventually(async || {
            let item = self.sees_item(name).await.expect("the item is visible");
            if reached(&item) { Ok(item) } else { Err(format!("{item:#?}")) }
        })
        .await
    }

    /// Waits until the agent has said something about an item: a recommendation or an error.
    pub async fn awaits_agent(&self, name: &str) -> WorkItem {
        self.awaits_item(name, |item| {
            item.live_run.is_empty()
                && (item.recommendation.is_some() || !item.recommendation_error.is_empty())
        })
        .await
    }
}

/// What an approval is bound to; empty where nothing is to be approved.
pub fn content_hash(item: &WorkItem) -> String {
    item.approval.as_ref().map(|approval| approval.content_hash.clone()).unwrap_or_default()
}
