//! Agent sessions: strictly one person's.

use audit::AuditEvent;
use events::Once;
use permissions::{CodeUse, Grant};
use primitives::{Checked, Page, PageRequest, RepositoryId, SessionId, Tenant, WorkItemId};

use super::deps::{AgentDeps, remember, replay};
use super::repositories::admitted;
use super::target::TargetNames;
use crate::AgentError;
use crate::model::{Plan, Session, SessionState};

/// What a new session is about.
#[derive(Clone, Copy, Debug)]
pub struct SessionArgs {
    pub repository: RepositoryId,
    pub work_item: Option<WorkItemId>,
}

/// Creates, shows and closes sessions.
#[derive(Clone)]
pub struct Sessions {
    deps: AgentDeps,
}

impl Sessions {
    pub fn new(deps: AgentDeps) -> Self {
        Self { deps }
    }

    /// Opens a session, once whatever else the caller sent (`arguments`) is judged too.
    #[tracing::instrument(name = "sessions.create", skip_all, fields(user.id = %grant.user()))]
    pub async fn create(
        &self,
        grant: &Grant<CodeUse>,
        args: SessionArgs,
        arguments: Checked<()>,
        once: Option<&Once>,
    ) -> Result<Session, AgentError> {
        let names = TargetNames {
            session: None,
            repository: Some(args.repository),
            work_item: args.work_item,
        };
        let target = self.deps.target(grant, names).await?;
        arguments?;
        let now = self.deps.clock.now();
        let row = grant.own(Session {
            id: SessionId::generate(),
            owner: grant.user(),
            repository: target.repository.id,
            work_item: target.item.map(|item| item.id),
            current_plan: None,
            state: SessionState::Active,
            created_at: now,
            last_activity_at: now,
            closed_at: None,
            version: 1,
        });
        let mut tx = self.deps.store.begin(&grant.scope()).await?;
        if let Some(answer) = replay(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        tx.insert_session(&row).await?;
        tx.record(vec![self.event(grant, "agent.session.created", row.id)]).await?;
        remember(tx.as_mut(), once, &*row, now).await?;
        tx.commit().await?;
        Ok(row.into_inner())
    }

    pub async fn get(&self, grant: &Grant<CodeUse>, id: SessionId) -> Result<Session, AgentError> {
        let found = self.deps.store.get_session(&grant.scope(), id).await?;
        let row = grant.admit(found.ok_or(AgentError::NotFound("SESSION"))?)?;
        Ok(row.into_inner())
    }

    /// The session's current plan, if the caller can still see it.
    pub async fn current_plan(
        &self,
        grant: &Grant<CodeUse>,
        session: &Session,
    ) -> Result<Option<Plan>, AgentError> {
        let Some(plan) = session.current_plan else { return Ok(None) };
        let found = self.deps.store.get_plan(&grant.scope(), plan).await?;
        Ok(found.map(permissions::Visible::into_inner))
    }

    /// Newest activity first.
    pub async fn list(
        &self,
        grant: &Grant<CodeUse>,
        active_only: bool,
        page: PageRequest,
    ) -> Result<Page<Session>, AgentError> {
        let page = self.deps.store.list_sessions(&grant.scope(), active_only, page).await?;
        Ok(admitted(grant, page))
    }

    #[tracing::instrument(name = "sessions.close", skip_all, fields(user.id = %grant.user(), session.id = %id))]
    pub async fn close(
        &self,
        grant: &Grant<CodeUse>,
        id: SessionId,
        once: Option<&Once>,
    ) -> Result<Session, AgentError> {
        let mut tx = self.deps.store.begin(&grant.scope()).await?;
        let found = tx.lock_session(&grant.scope(), id).await?;
        let session = grant.admit(found.ok_or(AgentError::NotFound("SESSION"))?)?;
        if let Some(answer) = replay(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        if session.state == SessionState::Closed {
            return Err(AgentError::wrong_state("SESSION_CLOSED", "the session is closed already"));
        }
        let now = self.deps.clock.now();
        let closed = Session {
            state: SessionState::Closed,
            closed_at: Some(now),
            version: session.version + 1,
            ..session.clone()
        };
        let saved = Session { version: session.version, ..closed.clone() };
        tx.save_session(&session.save_as(saved)).await?;
        tx.record(vec![self.event(grant, "agent.session.closed", id)]).await?;
        remember(tx.as_mut(), once, &closed, now).await?;
        tx.commit().await?;
        Ok(closed)
    }

    fn event(&self, grant: &Grant<CodeUse>, action: &'static str, id: SessionId) -> AuditEvent {
        let own = Tenant::Person(grant.user());
        AuditEvent::by(grant, self.deps.clock.now(), own, action, id)
    }
}
