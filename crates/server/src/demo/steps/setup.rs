//! Steps 0 and 1: a repository, and two workflows.

use std::collections::HashSet;

use api::agent::{GetRepositoryRequest, RegisterRepositoryRequest};
use api::permissions::{GetMeRequest, Visibility};
use api::workflow::{
    CreateWorkflowRequest, InstantiateTemplateRequest, ListTemplatesRequest, Stage, StageType,
    Template, Trigger, Workflow,
};

use crate::demo::people::Person;
use crate::demo::report::{Checks, Done, Failure};
use crate::demo::request_id;
use crate::demo::story::Story;

/// carol registers the repository for team core.
pub(super) async fn register(story: &mut Story, checks: &mut Checks) -> Done {
    (story.names.alice, _) = whoami(checks, &story.alice, "core", "lead").await?;
    (story.names.bob, _) = whoami(checks, &story.bob, "core", "developer").await?;
    (story.names.carol, story.names.core) = whoami(checks, &story.carol, "core", "admin").await?;
    (story.names.dave, story.names.payments) =
        whoami(checks, &story.dave, "payments", "lead").await?;

    let path = story.source.path.to_str().ok_or_else(|| {
        Failure::Other("the repository's path is not UTF-8, so no request can name it".into())
    })?;
    let request = RegisterRepositoryRequest {
        path: path.to_owned(),
        team: story.names.core.clone(),
        visibility: Visibility::Team.into(),
        request_id: request_id(),
        ..Default::default()
    };
    let mut repositories = story.carol.repositories();
    let made = repositories.register_repository(request.clone()).await;
    let made = checks.ok("RegisterRepository", made)?;
    checks.equal("its path", made.path.as_str(), path)?;
    checks.equal("its team", &made.team, &story.names.core)?;
    checks.equal("its creator", &made.creator, &story.names.carol)?;
    checks.equal("auto-apply", made.policy.unwrap_or_default().auto_apply_allowed, false)?;
    let again = repositories.register_repository(request).await;
    let again = checks.ok("RegisterRepository, repeated", again)?;
    checks.equal("the same request_id gives", &again.name, &made.name)?;
    let get = GetRepositoryRequest { name: made.name.clone() };
    let seen = story.bob.repositories().get_repository(get).await;
    checks.equal("bob sees", checks_name(seen), Some(made.name.clone()))?;
    story.names.repository = made.name;
    Ok(format!("carol registered {} for team core", made.display_name).into())
}

fn checks_name(
    seen: Result<tonic::Response<api::agent::Repository>, tonic::Status>,
) -> Option<String> {
    seen.ok().map(|answer| answer.into_inner().name)
}

/// The names of a person and of the team in which the role is held.
async fn whoami(
    checks: &mut Checks,
    person: &Person,
    slug: &str,
    role: &str,
) -> Result<(String, String), Failure> {
    let me = checks.ok("GetMe", person.directory().get_me(GetMeRequest {}).await)?;
    let held: Vec<_> =
        me.memberships.iter().map(|held| (held.slug.as_str(), &held.roles)).collect();
    checks.equal(
        &format!("{}'s roles", person.name),
        held,
        vec![(slug, &vec![role.to_owned()])],
    )?;
    let team = me.memberships.into_iter().next().map(|held| held.team).unwrap_or_default();
    Ok((me.user, team))
}

/// alice takes a template for her team, and makes a workflow that listens.
pub(super) async fn workflows(story: &mut Story, checks: &mut Checks) -> Done {
    let request = ListTemplatesRequest::default();
    let listed = story.alice.templates().list_templates(request).await;
    let templates = checks.ok("ListTemplates", listed)?.templates;
    let global = templates.iter().filter(|t| t.visibility() == Visibility::Global).count();
    checks.equal("global templates", global, 6)?;
    let template = templates.into_iter().find(|t| t.display_name == "Bug Fix + Test");
    let template = checks.some("the template Bug Fix + Test", template)?;

    let request = InstantiateTemplateRequest {
        name: template.name.clone(),
        team: story.names.core.clone(),
        display_name: "Bug Fix + Test".into(),
        request_id: request_id(),
        ..Default::default()
    };
    let made = story.alice.templates().instantiate_template(request).await;
    let bug_fix = checks.ok("InstantiateTemplate", made)?;
    is_fresh_copy(checks, &template, &bug_fix)?;
    checks.equal("its visibility", bug_fix.visibility(), Visibility::Team)?;
    checks.equal("its team", &bug_fix.team, &story.names.core)?;

    let request = CreateWorkflowRequest {
        workflow: Some(change_review(&story.names.core)),
        request_id: request_id(),
    };
    let made = story.alice.workflows().create_workflow(request).await;
    let review = checks.ok("CreateWorkflow", made)?;
    let trigger = checks.some("its trigger", review.triggers.first())?;
    checks.equal("it listens to", trigger.event_type.as_str(), "agent.apply.success")?;
    checks.equal("it is enabled", trigger.enabled, true)?;

    story.names.trigger = trigger.name.clone();
    story.names.template = template.name;
    let stages: Vec<_> = bug_fix.stages.iter().map(|s| s.display_name.as_str()).collect();
    let line = format!(
        "alice made two team workflows: {}; Change Review on a trigger",
        stages.join(" > ")
    );
    story.names.bug_fix = bug_fix.name;
    story.names.change_review = review.name;
    Ok(line.into())
}

fn is_fresh_copy(checks: &mut Checks, template: &Template, copy: &Workflow) -> Result<(), Failure> {
    let titles = |stages: &[Stage]| -> Vec<_> {
        stages.iter().map(|stage| (stage.display_name.clone(), stage.r#type)).collect()
    };
    checks.equal("its stages", titles(&copy.stages), titles(&template.stages))?;
    checks.equal("its template", &copy.template, &template.name)?;
    let ids = |stages: &[Stage]| -> HashSet<String> {
        stages.iter().map(|stage| stage.stage_id.clone()).collect()
    };
    let (old, new) = (ids(&template.stages), ids(&copy.stages));
    checks.equal("its stage ids are unique", new.len(), copy.stages.len())?;
    checks.holds("its stage ids are its own", old.is_disjoint(&new), &new)?;
    let targets = copy.stages.iter().flat_map(|stage| &stage.routes).map(|r| &r.target_stage_id);
    let strays: Vec<_> = targets.filter(|t| !t.is_empty() && !new.contains(*t)).collect();
    checks.holds("its routes stay inside", strays.is_empty(), &strays)?;
    let agents = copy.stages.iter().filter(|stage| is_agent(stage)).count();
    checks.holds("it has two agent stages", agents >= 2, agents)
}

fn change_review(team: &str) -> Workflow {
    Workflow {
        display_name: "Change Review".into(),
        description: "What the agent committed is looked at by a person.".into(),
        visibility: Visibility::Team.into(),
        team: team.to_owned(),
        stages: vec![Stage {
            stage_id: "review".into(),
            display_name: "Review".into(),
            r#type: StageType::Human.into(),
            ..Default::default()
        }],
        triggers: vec![Trigger {
            event_type: "agent.apply.success".into(),
            enabled: true,
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Whether the agent works at a stage.
pub(super) fn is_agent(stage: &Stage) -> bool {
    matches!(
        stage.r#type(),
        StageType::AgentAssist
            | StageType::CodeReview
            | StageType::TestEnrichment
            | StageType::DocUpdate
    )
}
