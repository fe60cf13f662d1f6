//! What people do to definitions after they were published.

use api::permissions::Visibility;
use api::workflow::{
    DeleteTemplateRequest, DeleteWorkflowRequest, ExportWorkflowRequest,
    GetWorkflowRevisionRequest, ImportWorkflowRequest, ListStarredWorkflowsRequest,
    ListWorkflowRevisionsRequest, PauseWorkflowRequest, PublishTemplateRequest,
    ResumeWorkflowRequest, StarWorkflowRequest, Template, TemplateParameter,
    TransferWorkflowRequest, UndeleteWorkflowRequest, UnstarWorkflowRequest, UpdateWorkflowRequest,
    Workflow, WorkflowRevision,
};
use prost_types::FieldMask;
use tonic::{Response, Status};

use super::person::Person;

type Answer<T> = Result<T, Status>;

impl Person {
    /// Sends a workflow as it is to become; `paths` are what changes.
    pub async fn updates_workflow(&self, workflow: Workflow, paths: &[&str]) -> Answer<Workflow> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let request = UpdateWorkflowRequest {
            workflow: Some(workflow),
            update_mask: Some(FieldMask { paths }),
            ..Default::default()
        };
        self.workflows().update_workflow(request).await.map(Response::into_inner)
    }

    pub async fn deletes_workflow(&self, name: &str) -> Answer<Workflow> {
        let request = DeleteWorkflowRequest { name: name.to_owned(), ..Default::default() };
        self.workflows().delete_workflow(request).await.map(Response::into_inner)
    }

    pub async fn undeletes_workflow(&self, name: &str) -> Answer<Workflow> {
        let request = UndeleteWorkflowRequest { name: name.to_owned(), ..Default::default() };
        self.workflows().undelete_workflow(request).await.map(Response::into_inner)
    }

    /// One revision by number.
    pub async fn sees_revision(&self, workflow: &str, number: i32) -> Answer<WorkflowRevision> {
        let request = GetWorkflowRevisionRequest { name: format!("{workflow}/revisions/{number}") };
        self.workflows().get_workflow_revision(request).await.map(Response::into_inner)
    }

    /// All revisions, newest first.
    pub async fn sees_revisions(&self, workflow: &str) -> Answer<Vec<WorkflowRevision>> {
        let request = ListWorkflowRevisionsRequest {
            parent: workflow.to_owned(),
            page_size: 200,
            ..Default::default()
        };
        let answer = self.workflows().list_workflow_revisions(request).await?;
        Ok(answer.into_inner().workflow_revisions)
    }

    /// Pauses a stage; the whole workflow with an empty one.
    pub async fn pauses(&self, workflow: &str, stage_id: &str) -> Answer<Workflow> {
        let request = PauseWorkflowRequest {
            name: workflow.to_owned(),
            stage_id: stage_id.to_owned(),
            ..Default::default()
        };
        self.workflows().pause_workflow(request).await.map(Response::into_inner)
    }

    pub async fn resumes(&self, workflow: &str, stage_id: &str) -> Answer<Workflow> {
        let request = ResumeWorkflowRequest {
            name: workflow.to_owned(),
            stage_id: stage_id.to_owned(),
            ..Default::default()
        };
        self.workflows().resume_workflow(request).await.map(Response::into_inner)
    }

    /// The definition as a document.
    pub async fn exports(&self, workflow: &str) -> Answer<String> {
        let request = ExportWorkflowRequest { name: workflow.to_owned() };
        Ok(self.workflows().export_workflow(request).await?.into_inner().document)
    }

    /// Makes a workflow of the person's team from a document; personal without a team.
    pub async fn imports(&self, document: &str) -> Answer<Workflow> {
        let visibility = if self.team.is_empty() { Visibility::Personal } else { Visibility::Team };
        let request = ImportWorkflowRequest {
            document: document.to_owned(),
            visibility: visibility.into(),
            team: self.team.clone(),
            ..Default::default()
        };
        self.workflows().import_workflow(request).await.map(Response::into_inner)
    }

    /// Gives a workflow to a team; with an empty one, takes it.
    pub async fn transfers(&self, workflow: &str, team: &str) -> Answer<Workflow> {
        let visibility = if team.is_empty() { Visibility::Personal } else { Visibility::Team };
        let request = TransferWorkflowRequest {
            name: workflow.to_owned(),
            visibility: visibility.into(),
            team: team.to_owned(),
            ..Default::default()
        };
        self.workflows().transfer_workflow(request).await.map(Response::into_inner)
    }

    /// Publishes a template of the person's team; personal without a team.
    pub async fn publishes(&self, workflow: &str) -> Answer<Template> {
        self.publishes_with(workflow, Vec::new()).await
    }

    pub async fn publishes_with(
        &self,
        workflow: &str,
        parameters: Vec<TemplateParameter>,
    ) -> Answer<Template> {
        let visibility = if self.team.is_empty() { Visibility::Personal } else { Visibility::Team };
        let request = PublishTemplateRequest {
            workflow: workflow.to_owned(),
            visibility: visibility.into(),
            team: self.team.clone(),
            parameters,
            ..Default::default()
        };
        self.templates().publish_template(request).await.map(Response::into_inner)
    }

    /// Publishes the next revision of a template.
    pub async fn republishes(&self, workflow: &str, template: &str) -> Answer<Template> {
        let request = PublishTemplateRequest {
            workflow: workflow.to_owned(),
            template: template.to_owned(),
            ..Default::default()
        };
        self.templates().publish_template(request).await.map(Response::into_inner)
    }

    pub async fn deletes_template(&self, name: &str) -> Answer<Template> {
        let request = DeleteTemplateRequest { name: name.to_owned(), ..Default::default() };
        self.templates().delete_template(request).await.map(Response::into_inner)
    }

    pub async fn stars(&self, workflow: &str) -> Answer<Workflow> {
        let request = StarWorkflowRequest { name: workflow.to_owned(), ..Default::default() };
        self.workflows().star_workflow(request).await.map(Response::into_inner)
    }

    pub async fn unstars(&self, workflow: &str) -> Answer<Workflow> {
        let request = UnstarWorkflowRequest { name: workflow.to_owned(), ..Default::default() };
        self.workflows().unstar_workflow(request).await.map(Response::into_inner)
    }

    /// Names, the newest star first.
    pub async fn sees_starred(&self) -> Answer<Vec<String>> {
        let request = ListStarredWorkflowsRequest {};
        let answer = self.workflows().list_starred_workflows(request).await?;
        Ok(answer.into_inner().workflows.into_iter().map(|flow| flow.name).collect())
    }
}
