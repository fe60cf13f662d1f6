//! Applying a change somebody asked for: judged at once, committed by a durable run.

use std::time::Duration;

use audit::{AuditEvent, Outcome};
use events::{EventType, Once};
use permissions::{CodeEdit, CodeUse, Grant};
use primitives::{Checked, PatchId, PlanId, RunId, clip};
use serde_json::json;

use super::deps::{AgentDeps, clear, remember, replay};
use super::outcome::{Report, apply_event};
use super::target::{Target, TargetNames};
use crate::AgentError;
use crate::model::{Patch, PatchState, Phase, Plan, PlannedStep, Run, RunInput, RunKind, RunState};
use crate::port::workspace::{ObjectId, PatchInput, TreeChange};

/// Overall time a run may take, attempts included.
const RUN_DEADLINE: Duration = Duration::from_mins(30);
/// Attempts before a run is DEAD.
pub(crate) const MAX_ATTEMPTS: u32 = 5;

/// What to apply.
#[derive(Clone, Debug)]
pub enum ChangeInput {
    /// A plan's steps (or an edited version of them), carried out by an engine.
    Plan { plan: PlanId, steps: Option<Vec<PlannedStep>> },
    /// A unified diff or SEARCH/REPLACE edits.
    Patch(PatchInput),
}

/// How to apply it.
#[derive(Clone, Debug)]
pub struct ApplyArgs {
    pub change: ChangeInput,
    /// The commit the change was made for; another HEAD is stale.
    pub base: Option<ObjectId>,
    /// Commit subject; empty takes the plan's summary or a list of files.
    pub message: String,
    /// Computes the result and stores nothing.
    pub dry_run: bool,
    pub engine: Option<String>,
    pub model: Option<String>,
}

/// The answer to an apply.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Applied {
    /// `None` for a dry run.
    pub run: Option<Run>,
    /// `None` while an engine still has to make it. Unsaved for a dry run.
    pub patch: Option<Patch>,
}

/// Applies changes.
#[derive(Clone)]
pub struct Applying {
    deps: AgentDeps,
}

impl Applying {
    pub fn new(deps: AgentDeps) -> Self {
        Self { deps }
    }

    /// Judges the change now and queues the run that commits it.
    ///
    /// A change that is refused leaves an `agent.apply.failure` record and event, nothing else.
    #[tracing::instrument(name = "agent.apply", skip_all, fields(user.id = %grant.user()))]
    pub async fn apply(
        &self,
        grant: &Grant<CodeEdit>,
        session_grant: &Grant<CodeUse>,
        names: TargetNames,
        plan: Option<PlanId>,
        args: Checked<ApplyArgs>,
        once: Option<&Once>,
    ) -> Result<Applied, AgentError> {
        let named = self.plan(grant, plan).await?;
        // A plan says where it is to be applied, unless the caller does.
        let repository = names.repository.or(named.as_ref().map(|plan| plan.repository));
        let target = self.deps.target(grant, TargetNames { repository, ..names }).await?;
        let plan = match named {
            Some(plan) => Some(plan),
            None => self.plan(grant, default_plan(&target, &args)).await?,
        };
        if let Some(answer) = self.deps.replayed(&grant.scope(), once).await? {
            return Ok(answer);
        }
        let args = args?;
        let prepared = match self.prepare(grant, &target, plan.as_ref(), &args).await {
            Ok(prepared) => prepared,
            Err(error) => return Err(self.refused(grant, &target, error).await),
        };
        if args.dry_run {
            return self.preview(grant, prepared).await;
        }
        self.queue(grant, session_grant, &target, prepared, once).await
    }

    async fn plan(
        &self,
        grant: &Grant<CodeEdit>,
        id: Option<PlanId>,
    ) -> Result<Option<Plan>, AgentError> {
        let Some(id) = id else { return Ok(None) };
        let found = self.deps.store.get_plan(&grant.scope(), id).await?;
        Ok(Some(found.ok_or(AgentError::NotFound("PLAN"))?.into_inner()))
    }

    async fn prepare(
        &self,
        grant: &Grant<CodeEdit>,
        target: &Target<CodeEdit>,
        plan: Option<&Plan>,
        args: &ApplyArgs,
    ) -> Result<Prepared, AgentError> {
        if let Some(plan) = plan.filter(|plan| plan.repository != target.repository.id) {
            let help = format!("plan {} was made for another repository", plan.id);
            return Err(AgentError::wrong_state("PLAN_STALE", help));
        }
        let location = target.repository.location();
        let head = self.deps.workspace.snapshot(&location, None).await?.commit;
        let expected = args.base.as_ref().or(plan.map(|plan| &plan.commit));
        if expected.is_some_and(|base| *base != head) {
            let help = "the repository's HEAD moved since; plan again, or make the patch for it";
            return Err(AgentError::wrong_state("PLAN_STALE", help));
        }
        let (input, change, engine) = match &args.change {
            ChangeInput::Patch(patch) => {
                let change = self.deps.workspace.judge(&location, &head, patch).await?;
                let kind = match patch {
                    PatchInput::UnifiedDiff(_) => "diff",
                    PatchInput::SearchReplace(_) => "edits",
                };
                let message = subject(&args.message, plan, &change);
                (
                    RunInput::Change { change: change.clone(), message },
                    Some(change),
                    kind.to_owned(),
                )
            }
            ChangeInput::Plan { steps, .. } => {
                let plan = plan.ok_or(AgentError::NotFound("PLAN"))?;
                let input = self.steps(plan, steps.as_ref(), args, head).await?;
                let RunInput::Steps { engine, .. } = &input else {
                    return Err(AgentError::NotFound("PLAN"));
                };
                let engine = engine.clone();
                (input, None, engine)
            }
        };
        Ok(self.rows(grant, target, plan, input, change, engine))
    }

    /// The work order for an engine; without one a plan cannot become a patch.
    async fn steps(
        &self,
        plan: &Plan,
        edited: Option<&Vec<PlannedStep>>,
        args: &ApplyArgs,
        base: ObjectId,
    ) -> Result<RunInput, AgentError> {
        let named = args.engine.as_deref();
        for engine in &self.deps.engines {
            let wanted = named.is_none_or(|name| name == engine.name());
            if wanted && engine.probe().await.available {
                return Ok(RunInput::Steps {
                    base,
                    instruction: plan.summary.clone(),
                    steps: edited.unwrap_or(&plan.steps).clone(),
                    engine: engine.name().to_owned(),
                    model: args.model.clone(),
                    message: non_empty(&args.message).unwrap_or_else(|| clip(&plan.summary, 72)),
                });
            }
        }
        let help = "no coding engine is available here to carry out a plan; \
                    send a unified diff or SEARCH/REPLACE edits instead (see ListEngines)";
        Err(AgentError::wrong_state("NO_PATCH", help))
    }

    fn rows(
        &self,
        grant: &Grant<CodeEdit>,
        target: &Target<CodeEdit>,
        plan: Option<&Plan>,
        input: RunInput,
        change: Option<TreeChange>,
        engine: String,
    ) -> Prepared {
        let now = self.deps.clock.now();
        let id = RunId::generate();
        let work_item = target.item.as_ref().map(|item| item.id);
        let patch = change.map(|change| Patch {
            id: PatchId::generate(),
            tenant: target.tenant,
            run: id,
            principal: grant.user(),
            repository: target.repository.id,
            work_item,
            plan: plan.map(|plan| plan.id),
            base: change.base,
            tree: change.tree,
            commit: None,
            branch: branch_name(work_item, id),
            diff: change.diff,
            files: change.files,
            state: PatchState::Proposed,
            reverted_by: None,
            engine: engine.clone(),
            summary: summary_of(&input),
            created_at: now,
            version: 1,
        });
        let run = Run {
            id,
            tenant: target.tenant,
            kind: RunKind::Apply,
            state: RunState::Queued,
            phase: Phase::Queued,
            principal: grant.user(),
            work_item,
            session: target.session.as_ref().map(|session| session.id),
            repository: Some(target.repository.id),
            plan: plan.map(|plan| plan.id),
            patch: patch.as_ref().map(|patch| patch.id),
            input,
            cause: None,
            attempt: 0,
            max_attempts: MAX_ATTEMPTS,
            fence: 0,
            lease_until: None,
            heartbeat_at: None,
            deadline_at: now + RUN_DEADLINE,
            problem: None,
            engine_used: engine,
            model_used: String::new(),
            created_at: now,
            started_at: None,
            ended_at: None,
        };
        Prepared { run, patch }
    }

    async fn queue(
        &self,
        grant: &Grant<CodeEdit>,
        session_grant: &Grant<CodeUse>,
        target: &Target<CodeEdit>,
        prepared: Prepared,
        once: Option<&Once>,
    ) -> Result<Applied, AgentError> {
        let now = self.deps.clock.now();
        let run = clear(grant, prepared.run)?;
        let patch = prepared.patch.map(|patch| clear(grant, patch)).transpose()?;
        let mut tx = self.deps.store.begin(&grant.scope()).await?;
        if let Some(answer) = replay(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let session = target.session.as_ref().map(|session| session.id);
        self.deps.touch(tx.as_mut(), session_grant, session, |_| {}).await?;
        tx.insert_run(&run).await?;
        if let Some(patch) = &patch {
            tx.insert_patch(patch).await?;
        }
        let answer = Applied { run: Some((*run).clone()), patch: patch.map(|p| (*p).clone()) };
        remember(tx.as_mut(), once, &answer, now).await?;
        tx.commit().await?;
        self.deps.wakeups.wake();
        Ok(answer)
    }

    async fn preview(
        &self,
        grant: &Grant<CodeEdit>,
        prepared: Prepared,
    ) -> Result<Applied, AgentError> {
        let Some(patch) = prepared.patch else {
            let help =
                "a dry run needs a diff or edits: an engine's result is known only after it ran";
            return Err(AgentError::wrong_state("NO_PATCH", help));
        };
        let event = AuditEvent::by(
            grant,
            self.deps.clock.now(),
            patch.tenant,
            "agent.apply.success",
            patch.repository,
        )
        .with(json!({ "dry_run": true, "files_changed": patch.files.len() }));
        let mut tx = self.deps.store.begin(&grant.scope()).await?;
        tx.record(vec![event]).await?;
        tx.commit().await?;
        Ok(Applied { run: None, patch: Some(patch) })
    }

    /// Records that a change was refused. The refusal itself is what the caller gets, even
    /// when recording fails: that is logged, for nothing was changed that it would explain.
    async fn refused(
        &self,
        grant: &Grant<CodeEdit>,
        target: &Target<CodeEdit>,
        error: AgentError,
    ) -> AgentError {
        use primitives::Classify;
        let now = self.deps.clock.now();
        let report = Report {
            principal: grant.user(),
            tenant: event_tenant(target),
            repository: target.repository.id,
            work_item: target.item.as_ref().map(|item| item.id),
            reason: Some(error.reason()),
            ..Report::default_for(grant.user(), target.repository.id)
        };
        let audit =
            AuditEvent::by(grant, now, report.tenant, "agent.apply.failure", target.repository.id)
                .ended(Outcome::Failure)
                .with(json!({ "reason": error.reason() }));
        let event = apply_event(EventType::ApplyFailure, &report, None, now);
        let written = async {
            let mut tx = self.deps.store.begin(&grant.scope()).await?;
            tx.record(vec![audit]).await?;
            tx.publish(vec![event]).await?;
            tx.commit().await?;
            Ok::<_, AgentError>(())
        };
        if let Err(problem) = written.await {
            tracing::error!(error = %problem, "a refused apply could not be recorded");
        }
        self.deps.wakeups.wake();
        error
    }
}

struct Prepared {
    run: Run,
    patch: Option<Patch>,
}

/// Steps without a plan's name belong to the session's current plan.
fn default_plan(target: &Target<CodeEdit>, args: &Checked<ApplyArgs>) -> Option<PlanId> {
    match args {
        Ok(ApplyArgs { change: ChangeInput::Patch(_), .. }) | Err(_) => None,
        Ok(_) => target.session.as_ref().and_then(|session| session.current_plan),
    }
}

/// Events about a repository belong to the item's owner, else to the repository's.
fn event_tenant(target: &Target<CodeEdit>) -> primitives::Tenant {
    target.item.as_ref().map_or(target.repository.tenant, |item| item.tenant)
}

/// `refs/heads/elohim/<work item or "runs">/<run>`.
pub(crate) fn branch_name(work_item: Option<primitives::WorkItemId>, run: RunId) -> String {
    let folder = work_item.map_or_else(|| "runs".to_owned(), |item| item.as_uuid().to_string());
    format!("refs/heads/elohim/{folder}/{}", run.as_uuid())
}

fn non_empty(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn subject(message: &str, plan: Option<&Plan>, change: &TreeChange) -> String {
    non_empty(message).or(plan.map(|plan| clip(&plan.summary, 72))).unwrap_or_else(|| match change
        .files
        .as_slice()
    {
        [only] => format!("Change {}", clip(&only.path, 60)),
        files => format!("Change {} files", files.len()),
    })
}

fn summary_of(input: &RunInput) -> String {
    match input {
        RunInput::Change { message, .. } | RunInput::Steps { message, .. } => message.clone(),
        RunInput::Assist { .. } | RunInput::Revert { .. } => String::new(),
    }
}
