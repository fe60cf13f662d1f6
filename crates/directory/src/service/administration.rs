//! Help with metadata, and the switch that stops the agent.

use std::sync::Arc;

use audit::AuditEvent;
use events::{Once, Stop};
use permissions::{
    AdminOps, AdminSupport, Caller, Cleared, Grant, Permission as _, Scope, TeamAdmin,
};
use primitives::{Checked, InvalidArgs, Page, PageRequest, TeamId, Tenant, Text, UserId};
use serde_json::{Value, json};

use super::{DirectoryDeps, remember, replayed};
use crate::DirectoryError;
use crate::metadata::{
    KillSwitch, Machine, MachineFigures, MetadataTx, MetadataViews, RunMetadata, RunsFilter,
    SessionMetadata, StoredFigures, UserMetadata, WorkflowMetadata,
};

const NO_USER: DirectoryError = DirectoryError::NotFound("USER");
const NO_TEAM: DirectoryError = DirectoryError::NotFound("TEAM");

/// What an administrator asks for.
#[derive(Clone, Debug)]
pub struct SwitchInput {
    pub engaged: bool,
    pub reason: String,
}

impl SwitchInput {
    /// A switch is engaged for a reason.
    pub fn check(engaged: bool, reason: &str) -> Checked<Self> {
        let text = Text { field: "reason", min: 0, max: 500, multiline: false };
        let reason = text.check(reason)?;
        if engaged && reason.is_empty() {
            return Err(InvalidArgs::new("reason", "is required when the switch is engaged"));
        }
        Ok(Self { engaged, reason })
    }
}

/// Looks at everybody's metadata, each of them on record.
#[derive(Clone)]
pub struct Administration {
    deps: DirectoryDeps,
    views: Arc<dyn MetadataViews>,
    machine: Arc<dyn Machine>,
}

impl Administration {
    pub fn new(
        deps: DirectoryDeps,
        views: Arc<dyn MetadataViews>,
        machine: Arc<dyn Machine>,
    ) -> Self {
        Self { deps, views, machine }
    }

    /// Opens a look and puts it on record: nothing is shown that is not recorded.
    async fn look(
        &self,
        grant: &Grant<AdminSupport>,
        action: &'static str,
        resource: String,
        details: Value,
    ) -> Result<Box<dyn MetadataTx>, DirectoryError> {
        let proof = grant.admit_system()?;
        let mut tx = self.views.open(&grant.scope(), &proof).await?;
        let own = Tenant::Person(grant.user());
        let event = AuditEvent::by(grant, self.deps.clock.now(), own, action, resource);
        tx.record(vec![event.with(details)]).await?;
        Ok(tx)
    }

    #[tracing::instrument(name = "admin.list_users", skip_all, err(level = "debug"))]
    pub async fn users(
        &self,
        grant: &Grant<AdminSupport>,
        page: Checked<PageRequest>,
    ) -> Result<Page<UserMetadata>, DirectoryError> {
        let page = page?;
        let mut tx = self.look(grant, "admin.list.users", String::new(), json!({})).await?;
        let found = tx.users(page).await?;
        tx.commit().await?;
        Ok(found)
    }

    #[tracing::instrument(name = "admin.get_user", skip_all, err(level = "debug"))]
    pub async fn user(
        &self,
        grant: &Grant<AdminSupport>,
        id: UserId,
    ) -> Result<UserMetadata, DirectoryError> {
        let mut tx = self.look(grant, "admin.view.user", id.to_string(), json!({})).await?;
        let found = tx.user(id).await?.ok_or(NO_USER)?;
        tx.commit().await?;
        Ok(found)
    }

    #[tracing::instrument(name = "admin.list_user_workflows", skip_all, err(level = "debug"))]
    pub async fn workflows_of(
        &self,
        grant: &Grant<AdminSupport>,
        user: UserId,
        page: Checked<PageRequest>,
    ) -> Result<Page<WorkflowMetadata>, DirectoryError> {
        let action = "admin.view.user_workflows";
        let mut tx = self.look(grant, action, user.to_string(), json!({})).await?;
        tx.user(user).await?.ok_or(NO_USER)?;
        let found = tx.workflows_of(user, page?).await?;
        tx.commit().await?;
        Ok(found)
    }

    #[tracing::instrument(name = "admin.list_user_sessions", skip_all, err(level = "debug"))]
    pub async fn sessions_of(
        &self,
        grant: &Grant<AdminSupport>,
        user: UserId,
        page: Checked<PageRequest>,
    ) -> Result<Page<SessionMetadata>, DirectoryError> {
        let action = "admin.view.user_sessions";
        let mut tx = self.look(grant, action, user.to_string(), json!({})).await?;
        tx.user(user).await?.ok_or(NO_USER)?;
        let found = tx.sessions_of(user, page?).await?;
        tx.commit().await?;
        Ok(found)
    }

    #[tracing::instrument(name = "admin.list_runs", skip_all, err(level = "debug"))]
    pub async fn runs(
        &self,
        grant: &Grant<AdminSupport>,
        filter: Checked<RunsFilter>,
        page: Checked<PageRequest>,
    ) -> Result<Page<RunMetadata>, DirectoryError> {
        let (filter, page) = (filter?, page?);
        let details = json!({
            "state": filter.state,
            "team": filter.owner.map(|owner| owner.to_string()),
            "principal": filter.principal,
        });
        let mut tx = self.look(grant, "admin.list.runs", String::new(), details).await?;
        let found = tx.runs(&filter, page).await?;
        tx.commit().await?;
        Ok(found)
    }

    #[tracing::instrument(name = "admin.get_system_overview", skip_all, err(level = "debug"))]
    pub async fn overview(
        &self,
        grant: &Grant<AdminSupport>,
    ) -> Result<(StoredFigures, MachineFigures), DirectoryError> {
        let action = "admin.view.device_overview";
        let mut tx = self.look(grant, action, String::new(), json!({})).await?;
        let stored = tx.figures().await?;
        tx.commit().await?;
        // Disks are looked at with no transaction open.
        Ok((stored, self.machine.figures().await))
    }

    /// Stops the agent everywhere or for one team, or lets it go on. What is at work when it is
    /// stopped is cancelled by a worker that hears of it.
    #[tracing::instrument(
        name = "admin.set_kill_switch",
        skip_all,
        fields(user.id = %caller.user()),
        err(level = "debug")
    )]
    pub async fn set_kill_switch(
        &self,
        caller: &Caller,
        team: Option<TeamId>,
        input: Checked<SwitchInput>,
        once: Option<&Once>,
    ) -> Result<KillSwitch, DirectoryError> {
        let scope = caller.scope();
        let mut tx = self.deps.begin(&scope).await?;
        let place = team.map_or(Tenant::Global, Tenant::Team);
        let clear = self.authority(caller, &scope, tx.as_mut(), team).await?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let SwitchInput { engaged, reason } = input?;
        let now = self.deps.clock.now();
        let changer = Some(caller.user());
        let switch = KillSwitch { place, engaged, reason, changer, changed_at: now };
        tx.set_kill_switch(clear.of(switch.clone())).await?;
        let event = AuditEvent::of(caller, now, place, "admin.kill_switch.set", place);
        let details = json!({ "engaged": engaged, "reason": switch.reason });
        tx.record(vec![event.with(details)]).await?;
        if engaged {
            tx.publish(vec![Stop { place }.event(caller.user(), now)]).await?;
        }
        remember(tx.as_mut(), once, &switch, now).await?;
        tx.commit().await?;
        Ok(switch)
    }

    /// Who operates the system, or who manages the team.
    async fn authority(
        &self,
        caller: &Caller,
        scope: &Scope,
        tx: &mut dyn crate::store::DirectoryTx,
        team: Option<TeamId>,
    ) -> Result<Authority, DirectoryError> {
        let operator = caller.require::<AdminOps>().and_then(|grant| grant.admit_system());
        match (operator, team) {
            (Ok(proof), Some(team)) => {
                tx.find_team(team).await?.ok_or(NO_TEAM)?;
                Ok(Authority::System(proof))
            }
            (Ok(proof), None) => Ok(Authority::System(proof)),
            (Err(_), Some(team)) => {
                let tenant = Tenant::Team(team);
                if !scope.sees(tenant) {
                    return Err(NO_TEAM);
                }
                let denied = permissions::Denied {
                    key: AdminOps::KEY,
                    level: AdminOps::LEVEL,
                    tenant: Some(tenant),
                };
                let grant = caller.require::<TeamAdmin>().map_err(|_| denied.clone())?;
                Ok(Authority::Team(grant.admit_in(tenant).map_err(|_| denied)?))
            }
            (Err(denied), None) => Err(denied.into()),
        }
    }
}

/// Proof of the right to a switch.
enum Authority {
    System(permissions::SystemAdmitted<AdminOps>),
    Team(permissions::TenantAdmitted<TeamAdmin>),
}

impl Authority {
    fn of(&self, switch: KillSwitch) -> Cleared<KillSwitch> {
        match self {
            Self::System(proof) => proof.clear(switch),
            Self::Team(proof) => proof.create(switch),
        }
    }
}
