//! Reading runs and patches, and waiting for a run to end.

use std::time::Duration;

use permissions::{CodeUse, Grant, Permission};
use primitives::{Checked, Page, PageRequest, PatchId, RunId};

use super::deps::AgentDeps;
use super::repositories::admitted;
use crate::AgentError;
use crate::model::{Patch, Run};
use crate::port::store::AgentFilter;

/// Shows runs and patches.
#[derive(Clone)]
pub struct Runs {
    deps: AgentDeps,
}

impl Runs {
    pub fn new(deps: AgentDeps) -> Self {
        Self { deps }
    }

    pub async fn get(&self, grant: &Grant<CodeUse>, id: RunId) -> Result<Run, AgentError> {
        let found = self.deps.store.get_run(&grant.scope(), id).await?;
        Ok(grant.admit(found.ok_or(AgentError::NotFound("RUN"))?)?.into_inner())
    }

    pub async fn list(
        &self,
        grant: &Grant<CodeUse>,
        filter: AgentFilter,
        page: Checked<PageRequest>,
    ) -> Result<Page<Run>, AgentError> {
        self.names_exist(grant, filter).await?;
        Ok(admitted(grant, self.deps.store.list_runs(&grant.scope(), filter, page?).await?))
    }

    pub async fn get_patch(
        &self,
        grant: &Grant<CodeUse>,
        id: PatchId,
    ) -> Result<Patch, AgentError> {
        let found = self.deps.store.get_patch(&grant.scope(), id).await?;
        Ok(grant.admit(found.ok_or(AgentError::NotFound("PATCH"))?)?.into_inner())
    }

    pub async fn list_patches(
        &self,
        grant: &Grant<CodeUse>,
        filter: AgentFilter,
        page: Checked<PageRequest>,
    ) -> Result<Page<Patch>, AgentError> {
        self.names_exist(grant, filter).await?;
        Ok(admitted(grant, self.deps.store.list_patches(&grant.scope(), filter, page?).await?))
    }

    /// A filter names resources too: foreign ones are not found, like anywhere else.
    async fn names_exist(
        &self,
        grant: &Grant<CodeUse>,
        filter: AgentFilter,
    ) -> Result<(), AgentError> {
        let scope = grant.scope();
        if let Some(id) = filter.work_item {
            let found = self.deps.store.get_work_item(&scope, id).await?;
            found.ok_or(AgentError::NotFound("WORK_ITEM"))?;
        }
        if let Some(id) = filter.session {
            let found = self.deps.store.get_session(&scope, id).await?;
            found.ok_or(AgentError::NotFound("SESSION"))?;
        }
        if let Some(id) = filter.repository {
            let found = self.deps.store.get_repository(&scope, id).await?;
            found.ok_or(AgentError::NotFound("REPOSITORY"))?;
        }
        Ok(())
    }

    /// Waits until the run has ended or `limit` is over, and returns it as it is then.
    /// Whoever asked for the run may wait for it.
    pub async fn wait<P: Permission>(
        &self,
        grant: &Grant<P>,
        id: RunId,
        limit: Duration,
    ) -> Result<Run, AgentError> {
        let until = tokio::time::Instant::now() + limit;
        let mut pause = Duration::from_millis(10);
        loop {
            let found = self.deps.store.get_run(&grant.scope(), id).await?;
            let run = found.ok_or(AgentError::NotFound("RUN"))?;
            if !run.state.is_live() || tokio::time::Instant::now() + pause >= until {
                return Ok(run.into_inner());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(Duration::from_millis(250));
        }
    }
}
