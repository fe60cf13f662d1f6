//! Steps 2, 3 and 7: one work item from its creation to the end.

use std::collections::HashSet;

use api::agent::{ListRunsRequest, PlanStep, Run, RunKind, RunState};
use api::workflow::{
    ClaimWorkItemRequest, CompleteStageRequest, CreateWorkItemRequest, GetWorkflowRequest,
    ListTransitionsRequest, RecommendationState, Stage, StartWorkItemRequest, WorkItem,
    WorkItemState, WorkItemVerb, Workflow,
};

use super::setup::is_agent;
use crate::demo::report::{Checks, Done, Failure};
use crate::demo::request_id;
use crate::demo::story::{Story, stage_of};

/// More completions than this mean that the routes go in a circle.
const MAX_COMPLETIONS: usize = 20;

/// bob reports a bug, takes it and completes its first stage.
pub(super) async fn create(story: &mut Story, checks: &mut Checks) -> Done {
    let request =
        CreateWorkItemRequest { work_item: Some(report(story)), request_id: request_id() };
    let made = story.bob.items().create_work_item(request.clone()).await;
    let item = checks.ok("CreateWorkItem", made)?;
    checks.equal("its state", item.state(), WorkItemState::Pending)?;
    checks.equal("its creator", &item.creator, &story.names.bob)?;
    checks.equal("its repository", &item.repository, &story.names.repository)?;
    checks.equal("its revision", item.workflow_revision, 1)?;
    checks.holds("no recommendation yet", item.recommendation.is_none(), ())?;
    let again = story.bob.items().create_work_item(request).await;
    let again = checks.ok("CreateWorkItem, repeated", again)?;
    checks.equal("the same request_id gives", &again.name, &item.name)?;
    story.names.item = item.name.clone();
    story.names.first_stage = item.stage_id.clone();

    let item = claim(story, checks, &item).await?;
    let workflow = workflow(story, checks).await?;
    let done = complete(story, checks, &item).await?;
    let stage = checks.some("its stage", stage_of(&workflow, &done))?;
    checks.holds("an agent stage comes next", is_agent(stage), &stage.display_name)?;
    checks.holds("a run was ordered with it", !done.live_run.is_empty(), &done.live_run)?;
    checks.equal("its state", done.state(), WorkItemState::Pending)?;
    story.names.agent_stage = done.stage_id;
    story.names.assist_run = done.live_run;
    let line = format!("bob created an item, claimed it and completed {}", item.stage_display_name);
    Ok(line.into())
}

fn report(story: &Story) -> WorkItem {
    let about = story.change.path.as_deref().unwrap_or("the code");
    WorkItem {
        workflow: story.names.bug_fix.clone(),
        title: format!("Say in {about} that it was checked"),
        description: format!(
            "Readers cannot tell whether {about} was checked. Expected: a remark says so. \
             Nothing else changes."
        ),
        repository: story.names.repository.clone(),
        ..Default::default()
    }
}

/// The agent plans, and its plan is on the item.
pub(super) async fn assist(story: &mut Story, checks: &mut Checks) -> Done {
    let item = story.item_at_rest(checks).await?;
    checks.equal("the run's error", item.recommendation_error.as_str(), "")?;
    checks.equal("the stage is still", &item.stage_id, &story.names.agent_stage)?;
    checks.equal("the state is still", item.state(), WorkItemState::Pending)?;
    let found = checks.some("the recommendation", item.recommendation.clone())?;
    checks.equal("it was made by", &found.run, &story.names.assist_run)?;
    checks.equal("its state", found.state(), RecommendationState::Pending)?;
    checks.equal("its hash has digits", found.hash.len(), 64)?;
    checks.holds("it has steps", !found.steps.is_empty(), found.steps.len())?;
    files_exist(story, checks, &found.steps)?;
    let data = item.data.unwrap_or_default().fields;
    checks.holds(
        "data.agent_recommendation",
        data.contains_key("agent_recommendation"),
        data.keys(),
    )?;

    let run = only_run(story, checks, &story.names.assist_run).await?;
    checks.equal("the run's kind", run.kind(), RunKind::Assist)?;
    checks.equal("the run's state", run.state(), RunState::Succeeded)?;
    checks.equal("it ran under the name of", &run.principal, &story.names.bob)?;
    checks.holds("it made a plan", !run.plan.is_empty(), &run.plan)?;
    checks.equal("its plan is the item's", &run.plan, &found.plan)?;
    checks.equal("planned by", run.model_used.as_str(), "builtin")?;
    story.names.recommendation_hash = found.hash;
    Ok(format!(
        "agent stage planned {} step(s) for {} min by {}, a run under bob's name",
        found.steps.len(),
        found.estimated_minutes,
        found.model_used,
    )
    .into())
}

/// Nothing in a plan is invented: each path is in HEAD's tree or marked as new.
fn files_exist(story: &Story, checks: &mut Checks, steps: &[PlanStep]) -> Result<(), Failure> {
    let repository = story.source.repository().map_err(Failure::Other)?;
    let tree = repository.find_tree(git2::Oid::from_str(&story.source.tree)?)?;
    let files: Vec<_> = steps.iter().flat_map(|step| &step.files).collect();
    checks.holds("the plan names files", !files.is_empty(), files.len())?;
    for file in files {
        let is_there = tree.get_path(std::path::Path::new(&file.path)).is_ok();
        checks.holds(&format!("{} exists or is new", file.path), is_there != file.is_new, file)?;
    }
    for step in steps {
        let has_reasons = !step.risk_reason.is_empty() && !step.minutes_reason.is_empty();
        checks.holds("each figure has its reason", has_reasons, step)?;
    }
    Ok(())
}

/// The run with this name, which is the only one at its stage.
async fn only_run(story: &Story, checks: &mut Checks, name: &str) -> Result<Run, Failure> {
    let request = ListRunsRequest { work_item: story.names.item.clone(), ..Default::default() };
    let listed = story.bob.runs().list_runs(request).await;
    let runs = checks.ok("ListRuns", listed)?.runs;
    let run = checks.some("the run", runs.iter().find(|run| run.name == name))?;
    let same_stage = runs
        .iter()
        .filter(|other| other.kind() == RunKind::Assist && other.stage_id == run.stage_id);
    checks.equal("runs at the stage", same_stage.count(), 1)?;
    Ok(run.clone())
}

/// bob takes the item through the stages that are left.
pub(super) async fn finish(story: &mut Story, checks: &mut Checks) -> Done {
    let workflow = workflow(story, checks).await?;
    let mut item = story.item_at_rest(checks).await?;
    let mut agents = HashSet::new();
    let mut passed = Vec::new();
    for _ in 0..MAX_COMPLETIONS {
        if item.state() == WorkItemState::Completed {
            break;
        }
        let stage = checks.some("the item's stage", stage_of(&workflow, &item))?;
        if is_agent(stage) {
            item = story.item_at_rest(checks).await?;
            recommended_here(checks, stage, &item)?;
            agents.insert(stage.stage_id.clone());
        } else {
            item = claim(story, checks, &item).await?;
            item = start(story, checks, &item).await?;
        }
        passed.push(stage.display_name.clone());
        item = complete(story, checks, &item).await?;
    }
    checks.equal("the item's state", item.state(), WorkItemState::Completed)?;
    checks.holds("it has an end", item.complete_time.is_some(), ())?;
    checks.holds("a second agent stage was on the way", agents.len() >= 2, &agents)?;
    let verbs = history(story, checks).await?;
    checks.equal("the history begins with", verbs.first().copied(), Some(WorkItemVerb::Create))?;
    let completions = verbs.iter().filter(|verb| **verb == WorkItemVerb::CompleteStage).count();
    checks.equal("stages completed", completions, passed.len() + 1)?;
    Ok(format!("bob took the item through {} to COMPLETED", passed.join(", ")).into())
}

/// The agent's word on the item is of the stage it is at, and no older one.
fn recommended_here(checks: &mut Checks, stage: &Stage, item: &WorkItem) -> Result<(), Failure> {
    checks.equal("the run's error", item.recommendation_error.as_str(), "")?;
    let found = checks.some("the recommendation", item.recommendation.as_ref())?;
    checks.equal("it was made at", &found.stage_id, &stage.stage_id)
}

async fn workflow(story: &Story, checks: &mut Checks) -> Result<Workflow, Failure> {
    let request = GetWorkflowRequest { name: story.names.bug_fix.clone() };
    checks.ok("GetWorkflow", story.bob.workflows().get_workflow(request).await)
}

async fn claim(story: &Story, checks: &mut Checks, item: &WorkItem) -> Result<WorkItem, Failure> {
    let request = ClaimWorkItemRequest {
        name: item.name.clone(),
        etag: item.etag.clone(),
        request_id: request_id(),
    };
    let claimed = story.bob.items().claim_work_item(request).await;
    let claimed = checks.ok("ClaimWorkItem", claimed)?;
    checks.equal("its state", claimed.state(), WorkItemState::Claimed)?;
    checks.equal("its assignee", &claimed.assignee, &story.names.bob)?;
    Ok(claimed)
}

async fn start(story: &Story, checks: &mut Checks, item: &WorkItem) -> Result<WorkItem, Failure> {
    let request = StartWorkItemRequest {
        name: item.name.clone(),
        etag: item.etag.clone(),
        request_id: request_id(),
    };
    let started = story.bob.items().start_work_item(request).await;
    let started = checks.ok("StartWorkItem", started)?;
    checks.equal("its state", started.state(), WorkItemState::InProgress)?;
    Ok(started)
}

async fn complete(
    story: &Story,
    checks: &mut Checks,
    item: &WorkItem,
) -> Result<WorkItem, Failure> {
    let request = CompleteStageRequest {
        name: item.name.clone(),
        stage_id: item.stage_id.clone(),
        etag: item.etag.clone(),
        request_id: request_id(),
        ..Default::default()
    };
    let done = story.bob.items().complete_stage(request).await;
    let done = checks.ok("CompleteStage", done)?;
    let moved = done.state() == WorkItemState::Completed || done.stage_id != item.stage_id;
    checks.holds("the item moved on", moved, &done.stage_display_name)?;
    Ok(done)
}

async fn history(story: &Story, checks: &mut Checks) -> Result<Vec<WorkItemVerb>, Failure> {
    let request = ListTransitionsRequest { parent: story.names.item.clone(), ..Default::default() };
    let listed = story.bob.items().list_transitions(request).await;
    let transitions = checks.ok("ListTransitions", listed)?.transitions;
    Ok(transitions.iter().map(api::workflow::Transition::verb).collect())
}
