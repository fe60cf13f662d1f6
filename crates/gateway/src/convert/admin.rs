//! Metadata, as administrators see it.

use api::admin as wire;
use api::permissions::{UserKind as WireKind, UserState};
use directory::metadata::{
    Count, KillSwitch, MachineFigures, QueueFigures, RunMetadata, RunsFilter, SessionMetadata,
    StoredFigures, UserMetadata, WorkflowMetadata,
};
use permissions::UserKind;
use primitives::{Checked, Id, InvalidArgs, TeamId, Tenant, Timestamp, UserId};

use super::owner::shown;
use super::scalar::{int, long, name, optional_time, time};

/// A user with figures.
pub(crate) fn user(user: UserMetadata) -> wire::UserMetadata {
    let kind = match user.kind {
        UserKind::Person => WireKind::Person,
        UserKind::Service => WireKind::Service,
    };
    let state = if user.active { UserState::Active } else { UserState::Deactivated };
    wire::UserMetadata {
        name: user.id.to_string(),
        display_name: user.display_name,
        subject: user.subject.unwrap_or_default(),
        kind: kind.into(),
        state: state.into(),
        system_roles: user.system_roles,
        create_time: time(user.created_at),
        deactivate_time: optional_time(user.deactivated_at),
        last_active_time: optional_time(user.last_active_at),
        team_count: long(user.teams),
        personal_workflow_count: long(user.personal_workflows),
        claimed_item_count: long(user.claimed_items),
        active_session_count: long(user.active_sessions),
        live_run_count: long(user.live_runs),
    }
}

fn owner(tenant: Tenant) -> wire::Owner {
    let (visibility, team, user) = shown(tenant);
    wire::Owner { visibility: visibility.into(), team, user }
}

fn states(counts: Vec<Count>) -> Vec<wire::StateCount> {
    let one = |count: Count| wire::StateCount { state: count.name, count: long(count.number) };
    counts.into_iter().map(one).collect()
}

/// A workflow without its definition.
pub(crate) fn workflow(row: WorkflowMetadata) -> wire::WorkflowMetadata {
    let stage = |count: Count| wire::StageCount { stage_id: count.name, count: long(count.number) };
    let uuid = row.id.as_uuid();
    wire::WorkflowMetadata {
        name: if row.is_template {
            Id::<primitives::Template>::from_uuid(uuid).to_string()
        } else {
            row.id.to_string()
        },
        owner: Some(owner(row.owner)),
        display_name: row.display_name.unwrap_or_default(),
        creator: row.creator.to_string(),
        revision: int(row.revision),
        open_items: row.open_stages.into_iter().map(stage).collect(),
        items: states(row.items),
        create_time: time(row.created_at),
        update_time: time(row.updated_at),
        delete_time: optional_time(row.deleted_at),
    }
}

/// A session without what was said in it.
pub(crate) fn session(row: SessionMetadata) -> wire::SessionMetadata {
    wire::SessionMetadata {
        name: row.id.to_string(),
        repository: row.repository.to_string(),
        work_item: name(row.work_item),
        active: row.active,
        create_time: time(row.created_at),
        last_activity_time: time(row.last_activity_at),
        close_time: optional_time(row.closed_at),
    }
}

/// A run without its input.
pub(crate) fn run(row: RunMetadata) -> wire::RunMetadata {
    wire::RunMetadata {
        name: row.id.to_string(),
        owner: Some(owner(row.owner)),
        principal: row.principal.to_string(),
        kind: row.kind,
        state: row.state,
        phase: row.phase,
        problem_reason: row.problem_reason.unwrap_or_default(),
        work_item: name(row.work_item),
        repository: name(row.repository),
        attempt: int(row.attempt),
        worker: row.worker.unwrap_or_default(),
        create_time: time(row.created_at),
        start_time: optional_time(row.started_at),
        heartbeat_time: optional_time(row.heartbeat_at),
        end_time: optional_time(row.ended_at),
    }
}

/// What narrows a list of runs.
pub(crate) fn filter(
    state: &str,
    team: Option<TeamId>,
    principal: Option<UserId>,
) -> Checked<RunsFilter> {
    let known = || agent_core::model::RunState::parse(state);
    if !state.is_empty() && known().is_none() {
        return Err(InvalidArgs::new("state", "is no state of a run, as in QUEUED"));
    }
    let state = (!state.is_empty()).then(|| state.to_owned());
    Ok(RunsFilter { state, owner: team.map(Tenant::Team), principal })
}

/// A kill switch.
pub(crate) fn switch(switch: KillSwitch) -> wire::KillSwitch {
    wire::KillSwitch {
        team: match switch.place {
            Tenant::Team(team) => team.to_string(),
            Tenant::Person(_) | Tenant::Global => String::new(),
        },
        engaged: switch.engaged,
        reason: switch.reason,
        changer: name(switch.changer),
        change_time: time(switch.changed_at),
    }
}

fn queue(queue: &str, figures: QueueFigures, now: Timestamp) -> wire::QueueFigures {
    let waited = figures.oldest.map(|oldest| now.since(oldest).as_secs_f64());
    wire::QueueFigures {
        queue: queue.to_owned(),
        waiting: long(figures.waiting),
        oldest_seconds: waited.unwrap_or_default(),
    }
}

fn machine(figures: MachineFigures) -> wire::MachineFigures {
    wire::MachineFigures {
        process_seconds: figures.process_seconds,
        cpu_count: figures.cpu_count.map(int),
        load_1m: figures.load_1m,
        process_cpu_seconds: figures.process_cpu_seconds,
        process_memory_bytes: figures.process_memory_bytes.map(long),
        memory_total_bytes: figures.memory_total_bytes.map(long),
        memory_available_bytes: figures.memory_available_bytes.map(long),
        disk_total_bytes: figures.disk_total_bytes.map(long),
        disk_available_bytes: figures.disk_available_bytes.map(long),
    }
}

/// Figures of the whole system.
pub(crate) fn overview(
    stored: StoredFigures,
    measured: MachineFigures,
    engines: Vec<wire::EngineFigures>,
    database: &str,
    now: Timestamp,
) -> wire::SystemOverview {
    let workers = stored.workers.into_iter().map(|worker| wire::WorkerFigures {
        name: worker.name,
        held_runs: long(worker.held_runs),
        heartbeat_time: time(worker.heartbeat_at),
    });
    wire::SystemOverview {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database: database.to_owned(),
        user_count: long(stored.users),
        deactivated_user_count: long(stored.deactivated_users),
        team_count: long(stored.teams),
        workflow_count: long(stored.workflows),
        template_count: long(stored.templates),
        work_items: states(stored.items),
        runs: states(stored.runs),
        active_session_count: long(stored.active_sessions),
        repository_count: long(stored.repositories),
        audit_event_count: long(stored.audit_events),
        queues: vec![
            queue("runs", stored.queued_runs, now),
            queue("events", stored.waiting_events, now),
        ],
        database_bytes: stored.database_bytes.map(long),
        data_dir_bytes: measured.data_dir_bytes.map(long),
        machine: Some(machine(measured)),
        workers: workers.collect(),
        engines,
        kill_switches: stored.switches.into_iter().map(switch).collect(),
    }
}
