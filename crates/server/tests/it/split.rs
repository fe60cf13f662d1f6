//! Gateway and worker as processes of their own on one Postgres.

use std::time::{Duration, Instant};

use api::agent::RegisterRepositoryRequest;
use api::agent::repository_service_client::RepositoryServiceClient;
use api::permissions::GetMeRequest;
use api::permissions::directory_service_client::DirectoryServiceClient;
use api::workflow::work_item_service_client::WorkItemServiceClient;
use api::workflow::workflow_service_client::WorkflowServiceClient;
use api::workflow::{
    CreateWorkItemRequest, CreateWorkflowRequest, GetWorkItemRequest, Stage, StageType, WorkItem,
    Workflow,
};
use testkit::database::TestDb;

use super::demo::repository;
use super::process::{Process, request};

/// An item whose first stage is the agent's.
async fn item(process: &Process, repository: &str) -> WorkItem {
    let (url, carol) = (process.url(), process.token("carol"));
    let mut directory = DirectoryServiceClient::connect(url.clone()).await.unwrap();
    let me = directory.get_me(request(GetMeRequest {}, &carol)).await.unwrap().into_inner();
    let team = me.memberships[0].team.clone();
    let register = RegisterRepositoryRequest {
        path: repository.to_owned(),
        team: team.clone(),
        ..Default::default()
    };
    let mut repositories = RepositoryServiceClient::connect(url.clone()).await.unwrap();
    let registered = repositories.register_repository(request(register, &carol)).await.unwrap();

    let stage = Stage {
        stage_id: "plan".into(),
        display_name: "Plan".into(),
        r#type: StageType::AgentAssist.into(),
        ..Default::default()
    };
    let workflow =
        Workflow { display_name: "Plans".into(), team, stages: vec![stage], ..Default::default() };
    let create = CreateWorkflowRequest { workflow: Some(workflow), ..Default::default() };
    let mut workflows = WorkflowServiceClient::connect(url.clone()).await.unwrap();
    let workflow = workflows.create_workflow(request(create, &carol)).await.unwrap().into_inner();
    let item = WorkItem {
        workflow: workflow.name,
        title: "The total of a basket is wrong".into(),
        repository: registered.into_inner().name,
        ..Default::default()
    };
    let create = CreateWorkItemRequest { work_item: Some(item), ..Default::default() };
    let mut items = WorkItemServiceClient::connect(url).await.unwrap();
    items.create_work_item(request(create, &carol)).await.unwrap().into_inner()
}

async fn get(process: &Process, item: &WorkItem) -> WorkItem {
    let mut items = WorkItemServiceClient::connect(process.url()).await.unwrap();
    let get = GetWorkItemRequest { name: item.name.clone() };
    items.get_work_item(request(get, &process.token("carol"))).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_takes_on_a_worker_elsewhere_carries_out() {
    let folder = tempfile::tempdir().unwrap();
    let repository = repository(folder.path());
    let database = TestDb::postgres().await;
    let data = folder.path().join("data");
    let root = format!("core={}", folder.path().canonicalize().unwrap().display());
    let variables =
        [("ELOHIM_DATABASE__URL", database.url()), ("ELOHIM_REPOSITORIES__ROOTS", root.as_str())];
    let gateway = Process::spawn(&["serve", "--dev", "--no-worker"], &data, &variables);
    let path = repository.canonicalize().unwrap();
    let item = item(&gateway, path.to_str().unwrap()).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!get(&gateway, &item).await.live_run.is_empty(), "nobody is there to do it");

    let worker = Process::spawn(&["worker"], &data, &variables);
    let began = Instant::now();
    let done = loop {
        let item = get(&gateway, &item).await;
        if item.live_run.is_empty() {
            break item;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{item:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(done.recommendation_error, "");
    assert!(done.recommendation.is_some());
    for process in [worker, gateway] {
        let (status, log) = process.end();
        assert_eq!(status.code(), Some(0), "{log}");
    }
}
