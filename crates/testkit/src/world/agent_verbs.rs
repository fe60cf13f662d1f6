//! What people do with the agent.

use api::agent::apply_request::Change;
use api::agent::{
    ApplyRequest, ApplyResponse, BuildContextRequest, CloseSessionRequest, ContextBundle,
    CreateSessionRequest, GetPatchRequest, GetRunRequest, GetSessionRequest, ListPatchesRequest,
    ListRunsRequest, ListSessionsRequest, Patch, Plan, PlanRequest, RegisterRepositoryRequest,
    Repository, RevertPatchRequest, RouteRequest, RouteResponse, Run, RunState, Session,
};
use api::audit::{AuditEvent, ListAuditEventsRequest};
use prost_types::Duration;
use tonic::{Response, Status};

use super::person::Person;
use super::wait::eventually;

type Answer<T> = Result<T, Status>;

/// As long as a test may wait for a run.
const PATIENCE: Duration = Duration { seconds: 30, nanos: 0 };

impl Person {
    /// Registers a repository for the person's team; for the person without one.
    pub async fn registers(&self, path: &std::path::Path) -> Answer<Repository> {
        use api::permissions::Visibility;
        let visibility = if self.team.is_empty() { Visibility::Personal } else { Visibility::Team };
        let request = RegisterRepositoryRequest {
            path: path.display().to_string(),
            team: self.team.clone(),
            visibility: visibility.into(),
            ..Default::default()
        };
        self.repositories().register_repository(request).await.map(Response::into_inner)
    }

    /// Registers a repository as the person's own.
    pub async fn registers_own(&self, path: &std::path::Path) -> Answer<Repository> {
        Self { team: String::new(), ..self.clone() }.registers(path).await
    }

    pub async fn routes(&self, request: RouteRequest) -> Answer<RouteResponse> {
        self.agent().route(request).await.map(Response::into_inner)
    }

    pub async fn builds_context(&self, request: BuildContextRequest) -> Answer<ContextBundle> {
        self.agent().build_context(request).await.map(Response::into_inner)
    }

    pub async fn plans(&self, request: PlanRequest) -> Answer<Plan> {
        self.agent().plan(request).await.map(Response::into_inner)
    }

    /// Plans a task on a repository.
    pub async fn plans_task(&self, repository: &str, input: &str) -> Answer<Plan> {
        self.plans(PlanRequest {
            repository: repository.to_owned(),
            input: input.to_owned(),
            ..Default::default()
        })
        .await
    }

    /// Asks for a change and returns what is known when the run has ended.
    pub async fn applies(&self, request: ApplyRequest) -> Answer<ApplyResponse> {
        let request = ApplyRequest { wait_timeout: Some(PATIENCE), ..request };
        self.agent().apply(request).await.map(Response::into_inner)
    }

    /// Applies a unified diff to a repository.
    pub async fn applies_diff(&self, repository: &str, diff: &str) -> Answer<ApplyResponse> {
        self.applies(ApplyRequest {
            repository: repository.to_owned(),
            change: Some(Change::UnifiedDiff(diff.to_owned())),
            ..Default::default()
        })
        .await
    }

    /// Takes a patch back and returns the run as it ended.
    pub async fn reverts(&self, patch: &str) -> Answer<Run> {
        let request = RevertPatchRequest {
            name: patch.to_owned(),
            wait_timeout: Some(PATIENCE),
            ..Default::default()
        };
        self.patches().revert_patch(request).await.map(Response::into_inner)
    }

    pub async fn sees_patch(&self, name: &str) -> Answer<Patch> {
        let request = GetPatchRequest { name: name.to_owned() };
        self.patches().get_patch(request).await.map(Response::into_inner)
    }

    /// Patches of a work item; all with an empty name.
    pub async fn lists_patches(&self, work_item: &str) -> Answer<Vec<Patch>> {
        let request = ListPatchesRequest {
            work_item: work_item.to_owned(),
            page_size: 200,
            ..Default::default()
        };
        Ok(self.patches().list_patches(request).await?.into_inner().patches)
    }

    pub async fn sees_run(&self, name: &str) -> Answer<Run> {
        let request = GetRunRequest { name: name.to_owned() };
        self.runs().get_run(request).await.map(Response::into_inner)
    }

    /// Runs of a work item; all with an empty name.
    pub async fn lists_runs(&self, work_item: &str) -> Answer<Vec<Run>> {
        let request = ListRunsRequest {
            work_item: work_item.to_owned(),
            page_size: 200,
            ..Default::default()
        };
        Ok(self.runs().list_runs(request).await?.into_inner().runs)
    }

    /// Looks at a run until it is as asked.
    pub async fn awaits_run(&self, name: &str, reached: impl Fn(&Run) -> bool) -> Run {
        eventually(async || {
            let run = self.sees_run(name).await.expect("the run is visible");
            if reached(&run) { Ok(run) } else { Err(format!("{run:#?}")) }
        })
        .await
    }

    /// Waits for the end of a run.
    pub async fn awaits_end(&self, name: &str) -> Run {
        self.awaits_run(name, |run| !matches!(run.state(), RunState::Queued | RunState::Running))
            .await
    }

    pub async fn opens_session(&self, repository: &str) -> Answer<Session> {
        let session = Session { repository: repository.to_owned(), ..Default::default() };
        self.opens(session).await
    }

    pub async fn opens(&self, session: Session) -> Answer<Session> {
        let request = CreateSessionRequest { session: Some(session), ..Default::default() };
        self.sessions().create_session(request).await.map(Response::into_inner)
    }

    pub async fn sees_session(&self, name: &str) -> Answer<Session> {
        let request = GetSessionRequest { name: name.to_owned() };
        self.sessions().get_session(request).await.map(Response::into_inner)
    }

    pub async fn lists_sessions(&self, active_only: bool) -> Answer<Vec<Session>> {
        let request = ListSessionsRequest { active_only, page_size: 200, ..Default::default() };
        Ok(self.sessions().list_sessions(request).await?.into_inner().sessions)
    }

    pub async fn closes_session(&self, name: &str) -> Answer<Session> {
        let request = CloseSessionRequest { name: name.to_owned(), ..Default::default() };
        self.sessions().close_session(request).await.map(Response::into_inner)
    }

    /// All records of a team; of the person with an empty name.
    pub async fn lists_audit(&self, team: &str) -> Answer<Vec<AuditEvent>> {
        let mut events = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListAuditEventsRequest {
                team: team.to_owned(),
                page_size: 200,
                page_token,
                ..Default::default()
            };
            let page = self.audit().list_audit_events(request).await?.into_inner();
            events.extend(page.audit_events);
            if page.next_page_token.is_empty() {
                return Ok(events);
            }
            page_token = page.next_page_token;
        }
    }
}
