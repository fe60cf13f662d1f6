//! Rows of the agent as domain values, and back.

use agent_core::model::{
    Patch, PatchState, Phase, Plan, Planner, Repository, Run, RunInput, RunKind, RunProblem,
    RunState, Session, SessionState, WorkItemFacts,
};
use agent_core::port::workspace::ObjectId;
use primitives::{Id, Tenant, Timestamp};
use uuid::Uuid;

use crate::fault::{Fault, Result};
use crate::row::agent::{agent_run, patch, plan, repository, session};
use crate::row::item::work_item;
use crate::row::{
    broken, from_json, from_json_opt, known, micros, narrow, tenant, time, to_json, to_json_opt,
};

/// Reads a row; what this version does not understand is an error.
pub(crate) trait FromRow<M>: Sized {
    fn from_row(row: M) -> Result<Self>;
}

/// Writes a row with all its columns.
pub(crate) trait ToRow<M> {
    fn to_row(&self) -> Result<M>;
}

fn id<K>(uuid: Option<Uuid>) -> Option<Id<K>> {
    uuid.map(Id::from_uuid)
}

fn uuid<K>(id: Option<Id<K>>) -> Option<Uuid> {
    id.map(|id| id.as_uuid())
}

fn object(column: &str, text: &str) -> Result<ObjectId> {
    known(column, text, ObjectId::parse)
}

/// What models and engines say may hold NUL, which Postgres text does not take. Nothing is
/// compared with these texts, so it is shown as what it is: not a character.
fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl FromRow<repository::Model> for Repository {
    fn from_row(row: repository::Model) -> Result<Self> {
        Ok(Self {
            id: Id::from_uuid(row.id),
            tenant: tenant(&row.tenant_kind, row.tenant_id)?,
            path: row.path.into(),
            display_name: row.display_name,
            default_branch: row.default_branch,
            auto_apply_allowed: row.auto_apply_allowed,
            creator: Id::from_uuid(row.creator_id),
            created_at: Timestamp::from_micros(row.created_at),
            version: row.version,
        })
    }
}

impl ToRow<repository::Model> for Repository {
    fn to_row(&self) -> Result<repository::Model> {
        let path = self.path.to_str();
        let path = path.ok_or_else(|| Fault::Internal("a path is not valid UTF-8".into()))?;
        Ok(repository::Model {
            id: self.id.as_uuid(),
            tenant_kind: self.tenant.kind().as_str().into(),
            tenant_id: self.tenant.id(),
            path: path.into(),
            display_name: self.display_name.clone(),
            default_branch: self.default_branch.clone(),
            auto_apply_allowed: self.auto_apply_allowed,
            creator_id: self.creator.as_uuid(),
            created_at: self.created_at.as_micros(),
            version: self.version,
        })
    }
}

impl FromRow<session::Model> for Session {
    fn from_row(row: session::Model) -> Result<Self> {
        let Tenant::Person(owner) = tenant(&row.tenant_kind, row.tenant_id)? else {
            return Err(broken("tenant_kind", &row.tenant_kind));
        };
        Ok(Self {
            id: Id::from_uuid(row.id),
            owner,
            repository: Id::from_uuid(row.repository_id),
            work_item: id(row.work_item_id),
            current_plan: id(row.current_plan_id),
            state: known("state", &row.state, SessionState::parse)?,
            created_at: Timestamp::from_micros(row.created_at),
            last_activity_at: Timestamp::from_micros(row.last_activity_at),
            closed_at: time(row.closed_at),
            version: row.version,
        })
    }
}

impl ToRow<session::Model> for Session {
    fn to_row(&self) -> Result<session::Model> {
        let tenant = Tenant::Person(self.owner);
        Ok(session::Model {
            id: self.id.as_uuid(),
            tenant_kind: tenant.kind().as_str().into(),
            tenant_id: tenant.id(),
            repository_id: self.repository.as_uuid(),
            work_item_id: uuid(self.work_item),
            current_plan_id: uuid(self.current_plan),
            state: self.state.as_str().into(),
            created_at: self.created_at.as_micros(),
            last_activity_at: self.last_activity_at.as_micros(),
            closed_at: micros(self.closed_at),
            version: self.version,
        })
    }
}

impl FromRow<plan::Model> for Plan {
    fn from_row(row: plan::Model) -> Result<Self> {
        Ok(Self {
            id: Id::from_uuid(row.id),
            tenant: tenant(&row.tenant_kind, row.tenant_id)?,
            principal: Id::from_uuid(row.principal_id),
            repository: Id::from_uuid(row.repository_id),
            work_item: id(row.work_item_id),
            session: id(row.session_id),
            run: id(row.run_id),
            commit: object("commit_oid", &row.commit_oid)?,
            bundle_hash: row.bundle_hash,
            planner: known("planner", &row.planner, Planner::parse)?,
            model_used: row.model_used,
            prompt_version: row.prompt_version,
            summary: row.summary,
            steps: from_json("steps", &row.steps)?,
            risks: from_json("risks", &row.risks)?,
            requires_confirmation: row.requires_confirmation,
            estimated_minutes: narrow("estimated_minutes", row.estimated_minutes)?,
            estimate_reason: row.estimate_reason,
            created_at: Timestamp::from_micros(row.created_at),
        })
    }
}

impl ToRow<plan::Model> for Plan {
    fn to_row(&self) -> Result<plan::Model> {
        Ok(plan::Model {
            id: self.id.as_uuid(),
            tenant_kind: self.tenant.kind().as_str().into(),
            tenant_id: self.tenant.id(),
            principal_id: self.principal.as_uuid(),
            repository_id: self.repository.as_uuid(),
            work_item_id: uuid(self.work_item),
            session_id: uuid(self.session),
            run_id: uuid(self.run),
            commit_oid: self.commit.as_str().into(),
            bundle_hash: self.bundle_hash.clone(),
            planner: self.planner.as_str().into(),
            model_used: plain(&self.model_used),
            prompt_version: self.prompt_version.clone(),
            summary: plain(&self.summary),
            steps: to_json(&self.steps)?,
            risks: to_json(&self.risks)?,
            requires_confirmation: self.requires_confirmation,
            estimated_minutes: self.estimated_minutes.into(),
            estimate_reason: plain(&self.estimate_reason),
            created_at: self.created_at.as_micros(),
        })
    }
}

impl FromRow<agent_run::Model> for Run {
    fn from_row(row: agent_run::Model) -> Result<Self> {
        let problem = row.problem_reason.zip(row.problem_message);
        Ok(Self {
            id: Id::from_uuid(row.id),
            tenant: tenant(&row.tenant_kind, row.tenant_id)?,
            kind: known("kind", &row.kind, RunKind::parse)?,
            state: known("state", &row.state, RunState::parse)?,
            phase: known("phase", &row.phase, Phase::parse)?,
            principal: Id::from_uuid(row.principal_id),
            work_item: id(row.work_item_id),
            session: id(row.session_id),
            repository: id(row.repository_id),
            plan: id(row.plan_id),
            patch: id(row.patch_id),
            input: from_json("input", &row.input)?,
            cause: from_json_opt("cause", row.cause.as_deref())?,
            attempt: narrow("attempt", row.attempt)?,
            max_attempts: narrow("max_attempts", row.max_attempts)?,
            fence: row.fence,
            lease_until: time(row.lease_until),
            heartbeat_at: time(row.heartbeat_at),
            deadline_at: Timestamp::from_micros(row.deadline_at),
            problem: problem.map(|(reason, message)| RunProblem { reason, message }),
            engine_used: row.engine_used,
            model_used: row.model_used,
            created_at: Timestamp::from_micros(row.created_at),
            started_at: time(row.started_at),
            ended_at: time(row.ended_at),
        })
    }
}

impl ToRow<agent_run::Model> for Run {
    fn to_row(&self) -> Result<agent_run::Model> {
        let visit = match &self.input {
            RunInput::Assist { visit, .. } => Some(*visit),
            RunInput::Change { .. } | RunInput::Steps { .. } | RunInput::Revert { .. } => None,
        };
        Ok(agent_run::Model {
            id: self.id.as_uuid(),
            tenant_kind: self.tenant.kind().as_str().into(),
            tenant_id: self.tenant.id(),
            kind: self.kind.as_str().into(),
            state: self.state.as_str().into(),
            phase: self.phase.as_str().into(),
            principal_id: self.principal.as_uuid(),
            work_item_id: uuid(self.work_item),
            visit_id: uuid(visit),
            session_id: uuid(self.session),
            repository_id: uuid(self.repository),
            plan_id: uuid(self.plan),
            patch_id: uuid(self.patch),
            input: to_json(&self.input)?,
            cause: to_json_opt(self.cause.as_ref())?,
            attempt: narrow("attempt", self.attempt)?,
            max_attempts: narrow("max_attempts", self.max_attempts)?,
            fence: self.fence,
            due_at: self.created_at.as_micros(),
            lease_until: micros(self.lease_until),
            heartbeat_at: micros(self.heartbeat_at),
            worker: None,
            deadline_at: self.deadline_at.as_micros(),
            problem_reason: self.problem.as_ref().map(|problem| problem.reason.clone()),
            problem_message: self.problem.as_ref().map(|problem| plain(&problem.message)),
            engine_used: plain(&self.engine_used),
            model_used: plain(&self.model_used),
            created_at: self.created_at.as_micros(),
            started_at: micros(self.started_at),
            ended_at: micros(self.ended_at),
            settled_at: None,
        })
    }
}

impl FromRow<patch::Model> for Patch {
    fn from_row(row: patch::Model) -> Result<Self> {
        let commit = row.commit_oid.as_deref().map(|text| object("commit_oid", text));
        Ok(Self {
            id: Id::from_uuid(row.id),
            tenant: tenant(&row.tenant_kind, row.tenant_id)?,
            run: Id::from_uuid(row.run_id),
            principal: Id::from_uuid(row.principal_id),
            repository: Id::from_uuid(row.repository_id),
            work_item: id(row.work_item_id),
            plan: id(row.plan_id),
            base: object("base_oid", &row.base_oid)?,
            tree: object("tree_oid", &row.tree_oid)?,
            commit: commit.transpose()?,
            branch: row.branch,
            diff: from_json("diff", &row.diff)?,
            files: from_json("files", &row.files)?,
            state: known("state", &row.state, PatchState::parse)?,
            reverted_by: id(row.reverted_by),
            engine: row.engine,
            summary: row.summary,
            created_at: Timestamp::from_micros(row.created_at),
            version: row.version,
        })
    }
}

impl ToRow<patch::Model> for Patch {
    fn to_row(&self) -> Result<patch::Model> {
        Ok(patch::Model {
            id: self.id.as_uuid(),
            tenant_kind: self.tenant.kind().as_str().into(),
            tenant_id: self.tenant.id(),
            run_id: self.run.as_uuid(),
            principal_id: self.principal.as_uuid(),
            repository_id: self.repository.as_uuid(),
            work_item_id: uuid(self.work_item),
            plan_id: uuid(self.plan),
            base_oid: self.base.as_str().into(),
            tree_oid: self.tree.as_str().into(),
            commit_oid: self.commit.as_ref().map(|commit| commit.as_str().into()),
            branch: self.branch.clone(),
            diff: to_json(&self.diff)?,
            files: to_json(&self.files)?,
            state: self.state.as_str().into(),
            reverted_by: uuid(self.reverted_by),
            engine: plain(&self.engine),
            summary: plain(&self.summary),
            created_at: self.created_at.as_micros(),
            version: self.version,
        })
    }
}

impl FromRow<work_item::Model> for WorkItemFacts {
    fn from_row(row: work_item::Model) -> Result<Self> {
        Ok(Self {
            id: Id::from_uuid(row.id),
            tenant: tenant(&row.tenant_kind, row.tenant_id)?,
            title: row.title,
            description: row.description,
            repository: id(row.repository_id),
        })
    }
}
