//! Which repository, item and session a call is about.
//!
//! Every name is resolved in the caller's scope before any other argument is judged.

use permissions::{Admitted, CodeUse, Grant, Permission, TenantAdmitted, Visible};
use primitives::{InvalidArgs, RepositoryId, SessionId, Tenant, WorkItemId};

use super::deps::AgentDeps;
use crate::AgentError;
use crate::model::{Repository, Session, SessionState, WorkItemFacts};
use crate::port::store::AgentTx;

/// Names in a request; explicit ones win over the session's.
#[derive(Clone, Copy, Debug, Default)]
pub struct TargetNames {
    pub session: Option<SessionId>,
    pub repository: Option<RepositoryId>,
    pub work_item: Option<WorkItemId>,
}

/// Resolved names. The repository is admitted for `P`, the item too.
pub(crate) struct Target<P> {
    pub session: Option<Session>,
    pub repository: Admitted<P, Repository>,
    pub item: Option<WorkItemFacts>,
    /// Where a run, plan or patch is filed: the item's owner, else the caller.
    pub tenant: Tenant,
}

impl AgentDeps {
    /// Resolves what a call names: all of it is visible before any permission is judged, and
    /// every permission before a state is.
    pub(crate) async fn target<P: Permission>(
        &self,
        grant: &Grant<P>,
        names: TargetNames,
    ) -> Result<Target<P>, AgentError> {
        let session = self.session(grant, names.session).await?;
        let item_id = names.work_item.or(session.as_ref().and_then(|s| s.work_item));
        let item = self.visible_item(grant, item_id).await?;
        let repository = names
            .repository
            .or(session.as_ref().map(|s| s.repository))
            .or(item.as_ref().and_then(|item| item.repository));
        let repository = self.visible_repository(grant, repository).await?;
        admit_item(grant, item.as_deref())?;
        let Some(repository) = repository else {
            let help = "name a repository, a session, or a work item that has one";
            return Err(InvalidArgs::new("repository", help).into());
        };
        let repository = grant.admit(repository)?;
        let session = open(session)?;
        let tenant = item.as_ref().map_or(Tenant::Person(grant.user()), |item| item.tenant);
        Ok(Target { session, repository, item: item.map(Visible::into_inner), tenant })
    }

    /// As [`target`](Self::target), for a call that needs no repository.
    pub(crate) async fn session_and_repository<P: Permission>(
        &self,
        grant: &Grant<P>,
        names: TargetNames,
    ) -> Result<(Option<Session>, Option<Repository>), AgentError> {
        let session = self.session(grant, names.session).await?;
        let item_id = session.as_ref().and_then(|session| session.work_item);
        let item = self.visible_item(grant, item_id).await?;
        let repository = names.repository.or(session.as_ref().map(|session| session.repository));
        let repository = self.visible_repository(grant, repository).await?;
        admit_item(grant, item.as_deref())?;
        let repository = repository.map(|row| grant.admit(row)).transpose()?;
        Ok((open(session)?, repository.map(Admitted::into_inner)))
    }

    async fn visible_item<P: Permission>(
        &self,
        grant: &Grant<P>,
        id: Option<WorkItemId>,
    ) -> Result<Option<Visible<WorkItemFacts>>, AgentError> {
        let Some(id) = id else { return Ok(None) };
        let found = self.store.get_work_item(&grant.scope(), id).await?;
        found.ok_or(AgentError::NotFound("WORK_ITEM")).map(Some)
    }

    async fn visible_repository<P: Permission>(
        &self,
        grant: &Grant<P>,
        id: Option<RepositoryId>,
    ) -> Result<Option<Visible<Repository>>, AgentError> {
        let Some(id) = id else { return Ok(None) };
        let found = self.store.get_repository(&grant.scope(), id).await?;
        found.ok_or(AgentError::NotFound("REPOSITORY")).map(Some)
    }

    async fn session<P: Permission>(
        &self,
        grant: &Grant<P>,
        id: Option<SessionId>,
    ) -> Result<Option<Session>, AgentError> {
        let Some(id) = id else { return Ok(None) };
        let found = self.store.get_session(&grant.scope(), id).await?;
        Ok(Some(found.ok_or(AgentError::NotFound("SESSION"))?.into_inner()))
    }

    /// Moves `last_activity_at` and lets `change` alter a session that is still open.
    pub(crate) async fn touch(
        &self,
        tx: &mut dyn AgentTx,
        grant: &Grant<CodeUse>,
        id: Option<SessionId>,
        change: impl FnOnce(&mut Session) + Send,
    ) -> Result<(), AgentError> {
        let Some(id) = id else { return Ok(()) };
        let session =
            tx.lock_session(&grant.scope(), id).await?.ok_or(AgentError::NotFound("SESSION"))?;
        let session = grant.admit(session)?;
        must_be_open(&session)?;
        let mut changed = session.clone();
        changed.last_activity_at = changed.last_activity_at.max(self.clock.now());
        change(&mut changed);
        Ok(tx.save_session(&session.save_as(changed)).await?)
    }
}

/// What is filed under the item's owner needs the permission there.
fn admit_item<P: Permission>(
    grant: &Grant<P>,
    item: Option<&WorkItemFacts>,
) -> Result<(), AgentError> {
    if let Some(item) = item {
        let _proof: TenantAdmitted<P> = grant.admit_in(item.tenant)?;
    }
    Ok(())
}

fn open(session: Option<Session>) -> Result<Option<Session>, AgentError> {
    session.as_ref().map(must_be_open).transpose()?;
    Ok(session)
}

fn must_be_open(session: &Session) -> Result<(), AgentError> {
    if session.state == SessionState::Active {
        return Ok(());
    }
    let help = "the session is closed; create a new one, or leave it out";
    Err(AgentError::wrong_state("SESSION_CLOSED", help))
}
