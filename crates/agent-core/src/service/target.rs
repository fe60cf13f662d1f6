//! Which repository, item and session a call is about.
//!
//! Every name is resolved in the caller's scope before any other argument is judged.

use permissions::{Admitted, CodeUse, Grant, Permission, TenantAdmitted};
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
    /// Resolves what a call names.
    pub(crate) async fn target<P: Permission>(
        &self,
        grant: &Grant<P>,
        names: TargetNames,
    ) -> Result<Target<P>, AgentError> {
        let session = self.open_session(grant, names.session).await?;
        let item_id = names.work_item.or(session.as_ref().and_then(|s| s.work_item));
        let item = self.item(grant, item_id).await?;
        let repository = names
            .repository
            .or(session.as_ref().map(|s| s.repository))
            .or(item.as_ref().and_then(|item| item.repository));
        let Some(repository) = repository else {
            let help = "name a repository, a session, or a work item that has one";
            return Err(InvalidArgs::new("repository", help).into());
        };
        let repository = self
            .store
            .get_repository(&grant.scope(), repository)
            .await?
            .ok_or(AgentError::NotFound("REPOSITORY"))?;
        let repository = grant.admit(repository)?;
        let tenant = item.as_ref().map_or(Tenant::Person(grant.user()), |item| item.tenant);
        Ok(Target { session, repository, item, tenant })
    }

    /// A work item on which the permission holds.
    pub(crate) async fn item<P: Permission>(
        &self,
        grant: &Grant<P>,
        id: Option<WorkItemId>,
    ) -> Result<Option<WorkItemFacts>, AgentError> {
        let Some(id) = id else { return Ok(None) };
        let item = self
            .store
            .get_work_item(&grant.scope(), id)
            .await?
            .ok_or(AgentError::NotFound("WORK_ITEM"))?;
        // What is filed under the item's owner needs the permission there.
        let _proof: TenantAdmitted<P> = grant.admit_in(item.tenant)?;
        Ok(Some(item.into_inner()))
    }

    /// The caller's open session.
    pub(crate) async fn open_session<P: Permission>(
        &self,
        grant: &Grant<P>,
        id: Option<SessionId>,
    ) -> Result<Option<Session>, AgentError> {
        let Some(id) = id else { return Ok(None) };
        let session = self
            .store
            .get_session(&grant.scope(), id)
            .await?
            .ok_or(AgentError::NotFound("SESSION"))?
            .into_inner();
        must_be_open(&session)?;
        Ok(Some(session))
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

fn must_be_open(session: &Session) -> Result<(), AgentError> {
    if session.state == SessionState::Active {
        return Ok(());
    }
    let help = "the session is closed; create a new one, or leave it out";
    Err(AgentError::wrong_state("SESSION_CLOSED", help))
}
