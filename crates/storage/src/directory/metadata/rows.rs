//! Rows of metadata, and what they say.

use directory::metadata::{Count, KillSwitch, RunMetadata, SessionMetadata, UserMetadata};
use primitives::{Id, Timestamp};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::directory::convert::kind_of;
use crate::fault::Result;
use crate::row::{narrow, tenant};

#[derive(FromQueryResult)]
pub(super) struct UserRow {
    pub(super) id: Uuid,
    pub(super) subject: Option<String>,
    pub(super) display_name: String,
    pub(super) kind: String,
    pub(super) active: bool,
    pub(super) created_at: i64,
    pub(super) deactivated_at: Option<i64>,
    pub(super) system_roles: Option<String>,
    pub(super) last_active_at: Option<i64>,
    pub(super) teams: i64,
    pub(super) personal_workflows: i64,
    pub(super) claimed_items: i64,
    pub(super) active_sessions: i64,
    pub(super) live_runs: i64,
}

#[derive(FromQueryResult)]
pub(super) struct WorkflowRow {
    pub(super) id: Uuid,
    pub(super) tenant_kind: String,
    pub(super) tenant_id: Uuid,
    pub(super) is_template: bool,
    pub(super) shown_name: Option<String>,
    pub(super) creator_id: Uuid,
    pub(super) revision: i64,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) deleted_at: Option<i64>,
}

#[derive(FromQueryResult)]
pub(super) struct SessionRow {
    pub(super) id: Uuid,
    pub(super) repository_id: Uuid,
    pub(super) work_item_id: Option<Uuid>,
    pub(super) state: String,
    pub(super) created_at: i64,
    pub(super) last_activity_at: i64,
    pub(super) closed_at: Option<i64>,
}

#[derive(FromQueryResult)]
pub(super) struct RunRow {
    pub(super) id: Uuid,
    pub(super) tenant_kind: String,
    pub(super) tenant_id: Uuid,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) phase: String,
    pub(super) principal_id: Uuid,
    pub(super) work_item_id: Option<Uuid>,
    pub(super) repository_id: Option<Uuid>,
    pub(super) attempt: i32,
    pub(super) worker: Option<String>,
    pub(super) problem_reason: Option<String>,
    pub(super) created_at: i64,
    pub(super) started_at: Option<i64>,
    pub(super) heartbeat_at: Option<i64>,
    pub(super) ended_at: Option<i64>,
}

#[derive(FromQueryResult)]
pub(super) struct CountRow {
    pub(super) name: String,
    pub(super) number: i64,
}

#[derive(FromQueryResult)]
pub(super) struct SwitchRow {
    pub(super) tenant_kind: String,
    pub(super) tenant_id: Uuid,
    pub(super) reason: String,
    pub(super) changed_by: Option<Uuid>,
    pub(super) changed_at: i64,
}

#[derive(FromQueryResult)]
pub(super) struct WorkerRow {
    pub(super) name: String,
    pub(super) number: i64,
    pub(super) heartbeat_at: Option<i64>,
}

/// Everything that is one number.
#[derive(FromQueryResult)]
pub(super) struct Numbers {
    pub(super) users: i64,
    pub(super) deactivated_users: i64,
    pub(super) teams: i64,
    pub(super) workflows: i64,
    pub(super) templates: i64,
    pub(super) active_sessions: i64,
    pub(super) repositories: i64,
    pub(super) audit_events: i64,
    pub(super) queued_runs: i64,
    pub(super) oldest_run: Option<i64>,
    pub(super) waiting_events: i64,
    pub(super) oldest_event: Option<i64>,
    pub(super) database_bytes: Option<i64>,
}

pub(super) fn time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

fn id<K>(uuid: Option<Uuid>) -> Option<Id<K>> {
    uuid.map(Id::from_uuid)
}

impl UserRow {
    pub(super) fn convert(self) -> Result<UserMetadata> {
        let roles = self.system_roles.unwrap_or_default();
        let mut system_roles: Vec<_> =
            roles.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect();
        system_roles.sort();
        Ok(UserMetadata {
            id: Id::from_uuid(self.id),
            subject: self.subject,
            display_name: self.display_name,
            kind: kind_of(&self.kind)?,
            active: self.active,
            system_roles,
            created_at: Timestamp::from_micros(self.created_at),
            deactivated_at: time(self.deactivated_at),
            last_active_at: time(self.last_active_at),
            teams: self.teams.unsigned_abs(),
            personal_workflows: self.personal_workflows.unsigned_abs(),
            claimed_items: self.claimed_items.unsigned_abs(),
            active_sessions: self.active_sessions.unsigned_abs(),
            live_runs: self.live_runs.unsigned_abs(),
        })
    }
}

impl From<SessionRow> for SessionMetadata {
    fn from(row: SessionRow) -> Self {
        Self {
            id: Id::from_uuid(row.id),
            repository: Id::from_uuid(row.repository_id),
            work_item: id(row.work_item_id),
            active: row.state == "ACTIVE",
            created_at: Timestamp::from_micros(row.created_at),
            last_activity_at: Timestamp::from_micros(row.last_activity_at),
            closed_at: time(row.closed_at),
        }
    }
}

impl RunRow {
    pub(super) fn convert(self) -> Result<RunMetadata> {
        Ok(RunMetadata {
            id: Id::from_uuid(self.id),
            owner: tenant(&self.tenant_kind, self.tenant_id)?,
            principal: Id::from_uuid(self.principal_id),
            kind: self.kind,
            state: self.state,
            phase: self.phase,
            problem_reason: self.problem_reason,
            work_item: id(self.work_item_id),
            repository: id(self.repository_id),
            attempt: narrow("attempt", self.attempt)?,
            worker: self.worker,
            created_at: Timestamp::from_micros(self.created_at),
            started_at: time(self.started_at),
            heartbeat_at: time(self.heartbeat_at),
            ended_at: time(self.ended_at),
        })
    }
}

impl From<CountRow> for Count {
    fn from(row: CountRow) -> Self {
        Self { name: row.name, number: row.number.unsigned_abs() }
    }
}

impl SwitchRow {
    pub(super) fn convert(self) -> Result<KillSwitch> {
        Ok(KillSwitch {
            place: tenant(&self.tenant_kind, self.tenant_id)?,
            engaged: true,
            reason: self.reason,
            changer: id(self.changed_by),
            changed_at: Timestamp::from_micros(self.changed_at),
        })
    }
}
