//! Reading a repository for a task: intents, context bundles, plans.

use std::time::Duration;

use audit::AuditEvent;
use events::{EventRecord, EventType, Once};
use permissions::{CodeUse, Grant};
use primitives::{
    Checked, EventId, InvalidArgs, PlanId, RepositoryId, RunId, SessionId, Tenant, WorkItemId, clip,
};
use serde_json::json;

use super::deps::{AgentDeps, clear, remember, replay};
use super::target::{Target, TargetNames};
use crate::AgentError;
use crate::context::{
    Bundle, Inputs, MAX_BUDGET, MAX_FILE_BYTES, Query, Redactor, build, select_candidates,
};
use crate::model::{Plan, Planner, Repository};
use crate::plan::{BUILTIN, PlanDraft, PlanningTask, RepoFacts, StageFlavour, plan_builtin};
use crate::port::model::ModelError;
use crate::port::workspace::Snapshot;
use crate::prompt::{PROMPT_VERSION, PlanningError, plan_with_model};
use crate::route::{Routing, classify};

/// Characters of a task a caller may send.
const MAX_INPUT_CHARS: usize = 20_000;
/// Newest commits read for a bundle.
const COMMITS: usize = 8;
/// Bytes of each commit's diff read for a bundle.
const DIFF_BYTES: usize = 6_000;
/// Work-tree differences read for a bundle.
const STATUS_ENTRIES: usize = 100;
/// A model's plan and its repair, together.
const MODEL_LIMIT: Duration = Duration::from_secs(280);

/// What a bundle should be about.
#[derive(Clone, Debug, Default)]
pub struct ContextArgs {
    pub input: String,
    /// Empty for HEAD.
    pub revision: String,
    /// Tokens; 0 takes the default.
    pub token_budget: u32,
    /// Empty for the whole repository.
    pub focus_path: String,
    pub open_files: Vec<String>,
}

/// What a plan should be about.
#[derive(Clone, Debug, Default)]
pub struct PlanArgs {
    pub context: ContextArgs,
    /// Model to ask for; empty for the configured one.
    pub model: String,
}

/// A planning task from any side: a person's words or a stage's.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub what: PlanningTask,
    /// Model to ask for; empty for the configured one.
    pub model_hint: String,
    pub context: ContextArgs,
}

/// What was read, and what was made of it.
pub(crate) struct Drafted {
    pub bundle: Bundle,
    pub draft: PlanDraft,
    pub planner: Planner,
    pub model_used: String,
}

/// Under whose name a plan is filed.
pub(crate) struct Filing {
    pub tenant: Tenant,
    pub principal: primitives::UserId,
    pub repository: RepositoryId,
    pub work_item: Option<WorkItemId>,
    pub session: Option<SessionId>,
    pub run: Option<RunId>,
}

/// Routes, builds context, plans.
#[derive(Clone)]
pub struct Planning {
    deps: AgentDeps,
}

impl Planning {
    pub fn new(deps: AgentDeps) -> Self {
        Self { deps }
    }

    /// Tells what a request wants. Stores nothing but the session's activity.
    #[tracing::instrument(name = "agent.route", skip_all, fields(user.id = %grant.user()))]
    pub async fn route(
        &self,
        grant: &Grant<CodeUse>,
        names: TargetNames,
        input: Checked<String>,
    ) -> Result<Routing, AgentError> {
        let (session, repository) = self.deps.session_and_repository(grant, names).await?;
        let input = checked_input(&input?, 1)?;
        let routing = classify(&input);
        self.touch(grant, session.map(|session| session.id)).await?;
        let tenant = repository.map_or(Tenant::Person(grant.user()), |row| row.tenant);
        let now = self.deps.clock.now();
        let event = AuditEvent::by(grant, now, tenant, "agent.route.completed", "");
        let facts = json!({ "intent": routing.intent.name(), "confidence": routing.confidence });
        self.deps.notes.note(event.with(facts));
        Ok(routing)
    }

    /// Builds a bundle. Stores nothing but the session's activity.
    #[tracing::instrument(name = "agent.context", skip_all, fields(user.id = %grant.user()))]
    pub async fn build_context(
        &self,
        grant: &Grant<CodeUse>,
        names: TargetNames,
        args: Checked<ContextArgs>,
    ) -> Result<(Repository, Bundle), AgentError> {
        let target = self.deps.target(grant, names).await?;
        let args = checked_context(args?)?;
        let text = checked_input(&args.input, 1)?;
        let bundle = self.deps.gather(&target.repository, &args, text).await?.bundle;
        self.touch(grant, target.session.as_ref().map(|session| session.id)).await?;
        let now = self.deps.clock.now();
        let repository = &target.repository;
        let event =
            AuditEvent::by(grant, now, repository.tenant, "agent.context.built", repository.id);
        let facts = json!({
            "commit": bundle.commit,
            "hash": bundle.hash,
            "slices": bundle.slices.len(),
            "tokens": bundle.tokens,
        });
        self.deps.notes.note(event.with(facts));
        Ok((target.repository.into_inner(), bundle))
    }

    /// Plans and stores the plan; a session keeps it as its current one.
    #[tracing::instrument(name = "agent.plan", skip_all, fields(user.id = %grant.user()))]
    pub async fn plan(
        &self,
        grant: &Grant<CodeUse>,
        names: TargetNames,
        args: Checked<PlanArgs>,
        once: Option<&Once>,
    ) -> Result<Plan, AgentError> {
        let target = self.deps.target(grant, names).await?;
        if let Some(answer) = self.deps.replayed(&grant.scope(), once).await? {
            return Ok(answer);
        }
        let args = args?;
        let task = task_of(&target, PlanArgs { context: checked_context(args.context)?, ..args })?;
        self.deps.can_ask(&task.model_hint)?;
        let drafted = self.deps.draft(&target.repository, &task).await?;
        let filing = Filing {
            tenant: target.tenant,
            principal: grant.user(),
            repository: target.repository.id,
            work_item: target.item.as_ref().map(|item| item.id),
            session: target.session.as_ref().map(|session| session.id),
            run: None,
        };
        let plan = self.deps.plan_row(filing, drafted);
        self.store(grant, plan, once).await
    }

    async fn store(
        &self,
        grant: &Grant<CodeUse>,
        plan: Plan,
        once: Option<&Once>,
    ) -> Result<Plan, AgentError> {
        let now = self.deps.clock.now();
        let row = clear(grant, plan)?;
        let mut tx = self.deps.store.begin(&grant.scope()).await?;
        if let Some(answer) = replay(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        tx.insert_plan(&row).await?;
        let id = row.id;
        self.deps
            .touch(tx.as_mut(), grant, row.session, |session| session.current_plan = Some(id))
            .await?;
        let event = AuditEvent::by(grant, now, row.tenant, "agent.plan.generated", row.id);
        tx.record(vec![event.with(plan_facts(&row))]).await?;
        tx.publish(vec![plan_event(&row, None, now)]).await?;
        remember(tx.as_mut(), once, &*row, now).await?;
        tx.commit().await?;
        self.deps.wakeups.wake();
        Ok(row.into_inner())
    }

    async fn touch(&self, grant: &Grant<CodeUse>, id: Option<SessionId>) -> Result<(), AgentError> {
        if id.is_none() {
            return Ok(());
        }
        let mut tx = self.deps.store.begin(&grant.scope()).await?;
        self.deps.touch(tx.as_mut(), grant, id, |_| {}).await?;
        Ok(tx.commit().await?)
    }
}

/// What was read of a repository for a task.
pub(crate) struct Gathered {
    bundle: Bundle,
    snapshot: Snapshot,
    facts: RepoFacts,
    redactor: Redactor,
}

impl AgentDeps {
    /// Reads what a bundle is made of, and builds it.
    pub(crate) async fn gather(
        &self,
        repository: &Repository,
        args: &ContextArgs,
        text: String,
    ) -> Result<Gathered, AgentError> {
        let location = repository.location();
        let revision = Some(args.revision.as_str()).filter(|revision| !revision.is_empty());
        let snapshot = self.workspace.snapshot(&location, revision).await?;
        let redactor = Redactor::new(&self.secrets);
        let args = args.clone();
        let selection = select_candidates(&snapshot, &query(&text, &args), &redactor);
        let blobs: Vec<_> = selection.files.iter().map(|file| file.blob.clone()).collect();
        let texts = self.workspace.read_texts(&location, &blobs, MAX_FILE_BYTES).await?;
        let commits =
            self.workspace.recent_commits(&location, &snapshot.commit, COMMITS, DIFF_BYTES).await?;
        let status = self.workspace.status(&location, STATUS_ENTRIES).await?;
        // Ranking is pure computation over megabytes: not on a thread that serves others.
        let built = tokio::task::spawn_blocking(move || {
            let inputs = Inputs {
                snapshot: &snapshot,
                selection: &selection,
                texts: &texts,
                commits: &commits,
                status: &status,
                query: query(&text, &args),
                budget: args.token_budget,
                redactor: &redactor,
            };
            let bundle = build(&inputs);
            let facts = RepoFacts::scan(&inputs, &bundle);
            Gathered { bundle, snapshot, facts, redactor }
        });
        built.await.map_err(|error| {
            AgentError::Store(crate::StoreError::Internal(format!("building a bundle: {error}")))
        })
    }

    /// Reads the repository for a task and plans, by the model if there is one.
    pub(crate) async fn draft(
        &self,
        repository: &Repository,
        task: &Task,
    ) -> Result<Drafted, AgentError> {
        let words = task.what.query_text();
        let read = self.gather(repository, &task.context, words).await?;
        let model = self.model.as_ref().filter(|_| task.model_hint != BUILTIN);
        let Some(model) = model else {
            let draft = plan_builtin(&task.what, &read.bundle, &read.facts);
            let model_used = BUILTIN.to_owned();
            return Ok(Drafted {
                bundle: read.bundle,
                draft,
                planner: Planner::Builtin,
                model_used,
            });
        };
        let hint = Some(task.model_hint.as_str()).filter(|hint| !hint.is_empty());
        let asked = plan_with_model(
            model.as_ref(),
            hint,
            &task.what,
            &read.bundle,
            &read.snapshot,
            &read.redactor,
        );
        let (draft, model_used) =
            tokio::time::timeout(MODEL_LIMIT, asked).await.map_err(|_| {
                let help = format!("no plan within {} s", MODEL_LIMIT.as_secs());
                PlanningError::Model(ModelError::Unavailable(help))
            })??;
        Ok(Drafted { bundle: read.bundle, draft, planner: Planner::Model, model_used })
    }

    /// Refuses a model that nobody could be asked for. A stage only hints at one: there the
    /// built-in planner plans instead.
    fn can_ask(&self, model: &str) -> Result<(), AgentError> {
        if model.is_empty() || model == BUILTIN || self.model.is_some() {
            return Ok(());
        }
        let help = "this server has no model endpoint; leave `model` empty, or say `builtin`";
        Err(AgentError::wrong_state("MODEL_NOT_CONFIGURED", help))
    }

    /// The row of a drafted plan.
    pub(crate) fn plan_row(&self, filing: Filing, drafted: Drafted) -> Plan {
        let Drafted { bundle, draft, planner, model_used } = drafted;
        Plan {
            id: PlanId::generate(),
            tenant: filing.tenant,
            principal: filing.principal,
            repository: filing.repository,
            work_item: filing.work_item,
            session: filing.session,
            run: filing.run,
            commit: bundle.commit,
            bundle_hash: bundle.hash,
            planner,
            model_used,
            prompt_version: match planner {
                Planner::Builtin => String::new(),
                Planner::Model => PROMPT_VERSION.to_owned(),
            },
            summary: draft.summary,
            steps: draft.steps,
            risks: draft.risks,
            requires_confirmation: draft.requires_confirmation,
            estimated_minutes: draft.estimated_minutes,
            estimate_reason: draft.estimate_reason,
            created_at: self.clock.now(),
        }
    }
}

fn query<'a>(text: &'a str, args: &'a ContextArgs) -> Query<'a> {
    Query { text, focus: Some(&args.focus_path), open_files: &args.open_files }
}

/// A person's words, or the attached item's when there are none.
fn task_of(target: &Target<CodeUse>, args: PlanArgs) -> Result<Task, AgentError> {
    let item = target.item.as_ref();
    let title = item.map(|item| item.title.clone()).unwrap_or_default();
    let description = item.map(|item| item.description.clone()).unwrap_or_default();
    if args.context.input.trim().is_empty() && title.is_empty() {
        return Err(InvalidArgs::new("input", "say what to plan, or name a work item").into());
    }
    let description = match args.context.input.trim() {
        "" => description,
        input if description.is_empty() => input.to_owned(),
        input => format!("{input}\n\n{description}"),
    };
    let what = PlanningTask {
        flavour: StageFlavour::Assist,
        stage_prompt: String::new(),
        title,
        description,
        target_path: args.context.focus_path.clone(),
    };
    Ok(Task { what, model_hint: args.model, context: args.context })
}

fn checked_input(input: &str, min: usize) -> Checked<String> {
    let rule = primitives::Text { field: "input", min, max: MAX_INPUT_CHARS, multiline: true };
    rule.check(input)
}

fn checked_context(args: ContextArgs) -> Checked<ContextArgs> {
    if args.token_budget > MAX_BUDGET {
        let help = format!("must be at most {MAX_BUDGET}; 0 takes the default");
        return Err(InvalidArgs::new("token_budget", help));
    }
    if args.open_files.len() > 100 || args.open_files.iter().any(|path| path.len() > 4096) {
        return Err(InvalidArgs::new("open_files", "at most 100 paths of at most 4096 bytes"));
    }
    let path = primitives::Text { field: "focus_path", min: 0, max: 1024, multiline: false };
    let revision = primitives::Text { field: "revision", min: 0, max: 255, multiline: false };
    Ok(ContextArgs {
        input: checked_input(&args.input, 0)?,
        focus_path: path.check(&args.focus_path)?,
        revision: revision.check(&args.revision)?,
        ..args
    })
}

/// Figures of a plan, for audit records.
pub(crate) fn plan_facts(plan: &Plan) -> serde_json::Value {
    json!({
        "repository": plan.repository,
        "work_item": plan.work_item,
        "session": plan.session,
        "run": plan.run,
        "planner": plan.planner.as_str(),
        "model_used": plan.model_used,
        "num_steps": plan.steps.len(),
        "risks_count": plan.risks.len(),
        "estimated_time_min": plan.estimated_minutes,
    })
}

/// The event of a finished plan. Carries no contents.
pub(crate) fn plan_event(
    plan: &Plan,
    cause: Option<events::Cause>,
    time: primitives::Timestamp,
) -> EventRecord {
    let mut payload = plan_facts(plan);
    payload["plan"] = json!(plan.id);
    let summary = plan.summary.replace(['\n', '\r', '\t'], " ");
    EventRecord {
        id: EventId::generate(),
        kind: EventType::PlanCompleted,
        version: 1,
        tenant: plan.tenant,
        principal: plan.principal,
        cause,
        summary: format!("Plan made: {}", clip(summary.trim(), 150)),
        repository: Some(plan.repository),
        payload,
        time,
    }
}
