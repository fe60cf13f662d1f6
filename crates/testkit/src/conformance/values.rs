//! Rows for the suites: complete, with every optional column set where it can be.

use std::time::Duration;

use agent_core::model::{
    Patch, PatchState, Phase, Plan, PlannedFile, PlannedStep, Planner, Repository, Risk, Run,
    RunInput, RunKind, RunState, Session, SessionState,
};
use agent_core::port::workspace::{ChangeKind, FileChange, ObjectId, TreeChange};
use events::{Cause, EventRecord, EventType, RunOrder};
use primitives::{
    EventId, PatchId, PlanId, RecommendationId, RepositoryId, RunId, SessionId, Tenant, Timestamp,
    TransitionId, TriggerId, UserId, VisitId, WorkItemId, WorkflowId,
};
use serde_json::json;
use workflow_core::model::{
    AgentOutput, Approval, Approvers, Assignment, Definition, ItemState, Priority, Recommendation,
    RecommendedFile, RecommendedStep, Settings, Stage, StageId, StageRoute, StageType, Transition,
    Trigger, Verdict, Visit, WorkItem, Workflow,
};

/// Seconds after a fixed start.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_750_000_000_000_000 + seconds * 1_000_000)
}

/// Far enough ahead that no test sees it pass.
pub fn never() -> Timestamp {
    at(0) + NEVER
}

/// Longer than any test.
pub const NEVER: Duration = Duration::from_hours(24 * 365 * 30);

/// A git object id made of one digit.
pub fn object(digit: char) -> ObjectId {
    ObjectId::parse(&digit.to_string().repeat(40)).expect("a hex digit")
}

/// A repository with a path of its own.
pub fn repository(tenant: Tenant, creator: UserId) -> Repository {
    let id = RepositoryId::generate();
    Repository {
        id,
        tenant,
        path: format!("/srv/{}", id.as_uuid()).into(),
        display_name: "Größe ✓".into(),
        default_branch: Some("main".into()),
        auto_apply_allowed: false,
        creator,
        created_at: at(0),
        version: 1,
    }
}

/// An active session.
pub fn session(owner: UserId, repository: RepositoryId) -> Session {
    Session {
        id: SessionId::generate(),
        owner,
        repository,
        work_item: None,
        current_plan: None,
        state: SessionState::Active,
        created_at: at(0),
        last_activity_at: at(0),
        closed_at: None,
        version: 1,
    }
}

/// A plan with one step.
pub fn plan(tenant: Tenant, principal: UserId, repository: RepositoryId) -> Plan {
    Plan {
        id: PlanId::generate(),
        tenant,
        principal,
        repository,
        work_item: None,
        session: None,
        run: None,
        commit: object('a'),
        bundle_hash: "b".repeat(64),
        planner: Planner::Builtin,
        model_used: "builtin".into(),
        prompt_version: "1".into(),
        summary: "Guard the empty case".into(),
        steps: vec![step()],
        risks: vec!["callers may rely on it".into()],
        requires_confirmation: true,
        estimated_minutes: 15,
        estimate_reason: "one small file".into(),
        created_at: at(0),
    }
}

fn step() -> PlannedStep {
    PlannedStep {
        description: "Return early".into(),
        risk: Risk::Medium,
        risk_reason: "two dependents".into(),
        minutes: 15,
        minutes_reason: "one small file".into(),
        files: vec![PlannedFile {
            path: "src/lib.rs".into(),
            is_new: false,
            reason: "defines it".into(),
            symbols: vec!["first".into()],
        }],
    }
}

/// A queued run that applies a change.
pub fn run(tenant: Tenant, principal: UserId, repository: RepositoryId) -> Run {
    Run {
        id: RunId::generate(),
        tenant,
        kind: RunKind::Apply,
        state: RunState::Queued,
        phase: Phase::Queued,
        principal,
        work_item: None,
        session: None,
        repository: Some(repository),
        plan: None,
        patch: None,
        input: RunInput::Change { change: change(), message: "Guard\n\nthe empty case".into() },
        cause: Some(Cause { root: EventId::generate(), parent: EventId::generate(), depth: 2 }),
        attempt: 0,
        max_attempts: 3,
        fence: 0,
        lease_until: None,
        heartbeat_at: None,
        deadline_at: never(),
        problem: None,
        engine_used: String::new(),
        model_used: String::new(),
        created_at: at(0),
        started_at: None,
        ended_at: None,
    }
}

/// A change of one file.
pub fn change() -> TreeChange {
    TreeChange {
        base: object('a'),
        tree: object('b'),
        // Late in a long file even NUL is text to git.
        diff: "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1 +1 @@\n-a\n+ä\0\n".into(),
        files: vec![FileChange {
            path: "src/lib.rs".into(),
            kind: ChangeKind::Modified,
            lines_added: 1,
            lines_deleted: 1,
        }],
        protected: vec![".github/workflows/ci.yml".into()],
    }
}

/// A proposed patch of a run.
pub fn patch(run: &Run, repository: RepositoryId) -> Patch {
    Patch {
        id: PatchId::generate(),
        tenant: run.tenant,
        run: run.id,
        principal: run.principal,
        repository,
        work_item: run.work_item,
        plan: run.plan,
        base: object('a'),
        tree: object('b'),
        commit: None,
        branch: format!("refs/heads/elohim/runs/{}", run.id.as_uuid()),
        diff: change().diff,
        files: change().files,
        state: PatchState::Proposed,
        reverted_by: None,
        engine: "diff".into(),
        summary: "one file".into(),
        created_at: run.created_at,
        version: 1,
    }
}

/// A workflow with a stage for people, one for the agent, and one trigger.
pub fn workflow(tenant: Tenant, creator: UserId) -> Workflow {
    Workflow {
        id: WorkflowId::generate(),
        tenant,
        is_template: false,
        seed_key: None,
        display_name: "Bug fix".into(),
        description: "From report to patch".into(),
        icon: "bug".into(),
        category: "engineering".into(),
        tags: vec!["a".into(), "ö".into()],
        definition: Definition {
            stages: vec![
                stage("intake", StageType::Human, Some("assist"), creator),
                stage("assist", StageType::AgentAssist, None, creator),
            ],
            triggers: vec![Trigger {
                id: TriggerId::generate(),
                event_type: EventType::ApplySuccess,
                enabled: true,
                description: "after an apply".into(),
                set_by: creator,
            }],
            parameters: vec![],
        },
        revision: 1,
        source: None,
        settings: Settings::default(),
        creator,
        created_at: at(0),
        updated_at: at(0),
        deleted_at: None,
        version: 1,
        item_key: "BUG".into(),
        last_number: 0,
    }
}

fn stage(id: &str, kind: StageType, next: Option<&str>, person: UserId) -> Stage {
    Stage {
        id: StageId(id.into()),
        display_name: id.to_uppercase(),
        description: String::new(),
        kind,
        assignment: Assignment::User(person),
        routes: vec![StageRoute {
            condition: None,
            target: next.map(|id| StageId(id.into())),
            description: "always".into(),
        }],
        agent_prompt: "Look twice".into(),
        agent_target_path: "src".into(),
        agent_model_hint: "small".into(),
        agent_output: AgentOutput::Plan,
        auto_apply_set_by: kind.runs_agent().then_some(person),
        wip_limit: 0,
        wip_limit_per_person: 0,
        form: None,
        sla_minutes: 90,
        approval: Some(Approval {
            quorum: 2,
            approvers: Approvers { roles: vec!["lead".into()], users: vec![person] },
            expires_after: 60,
            escalation: Some(Approvers { roles: vec!["admin".into()], users: Vec::new() }),
            reject_to: next.map(|id| StageId(id.into())),
        }),
        auto_advance: kind.runs_agent().then(|| "run.risks == 0".into()),
    }
}

/// An item at the first stage of a workflow.
pub fn item(workflow: &Workflow, creator: UserId) -> WorkItem {
    WorkItem {
        id: WorkItemId::generate(),
        tenant: workflow.tenant,
        workflow: workflow.id,
        revision: workflow.revision,
        title: "It breaks when empty".into(),
        description: "Steps:\n1. empty it".into(),
        state: ItemState::Pending,
        stage: StageId("intake".into()),
        visit: VisitId::generate(),
        entered_stage_at: at(0),
        assignee: None,
        priority: Priority::High,
        tags: vec!["x".into()],
        data: [("severity".to_owned(), json!({"level": 3, "text": "ü"}))].into_iter().collect(),
        repository: None,
        creator,
        cause: None,
        claimed_at: None,
        closed_at: None,
        created_at: at(0),
        updated_at: at(0),
        version: 1,
        number: 0,
        external_id: None,
        due_at: None,
        block: None,
        blocked_by: Vec::new(),
        stage_due_at: Some(at(5_400)),
        authors: Vec::new(),
        votes: Vec::new(),
        is_blocker: false,
        live_run: None,
    }
}

/// The move that creates an item.
pub fn creation(item: &WorkItem) -> Transition {
    Transition {
        id: TransitionId::generate(),
        tenant: item.tenant,
        item: item.id,
        from: None,
        to: Some(item.stage.clone()),
        from_state: None,
        to_state: item.state,
        verb: "create",
        actor: item.creator,
        note: String::new(),
        in_stage: None,
        time: item.created_at,
    }
}

/// A later move of an item within its stage.
pub fn claiming(item: &WorkItem, actor: UserId, time: Timestamp) -> Transition {
    Transition {
        id: TransitionId::generate(),
        from: Some(item.stage.clone()),
        from_state: Some(item.state),
        to_state: ItemState::Claimed,
        verb: "claim",
        actor,
        note: "mine".into(),
        in_stage: Some(Duration::from_micros(1_500_001)),
        time,
        ..creation(item)
    }
}

/// The stay an item is in.
pub fn stay(item: &WorkItem) -> Visit {
    Visit {
        id: item.visit,
        tenant: item.tenant,
        item: item.id,
        workflow: item.workflow,
        stage: item.stage.clone(),
        entered_at: item.entered_stage_at,
    }
}

/// What an item owes the agent on entering a stage.
pub fn order(item: &WorkItem) -> RunOrder {
    RunOrder {
        run: RunId::generate(),
        tenant: item.tenant,
        principal: item.creator,
        work_item: item.id,
        stage_id: item.stage.0.clone(),
        visit: item.visit,
        repository: item.repository,
        cause: item.cause,
        time: item.created_at,
    }
}

/// A recommendation of a run for an item.
pub fn recommendation(item: &WorkItem, run: RunId) -> Recommendation {
    Recommendation {
        id: RecommendationId::generate(),
        tenant: item.tenant,
        item: item.id,
        stage: item.stage.clone(),
        run,
        plan: PlanId::generate(),
        hash: "c".repeat(64),
        plan_summary: "Guard the empty case".into(),
        steps: vec![RecommendedStep {
            description: "Return early".into(),
            risk: "low".into(),
            risk_reason: "no dependents".into(),
            minutes: 5,
            minutes_reason: "one line".into(),
            files: vec![RecommendedFile {
                path: "src/lib.rs".into(),
                is_new: false,
                reason: "defines it".into(),
                symbols: vec!["first".into()],
            }],
        }],
        risks: vec!["none known".into()],
        requires_confirmation: true,
        estimated_minutes: 5,
        engine_used: "builtin".into(),
        model_used: "builtin".into(),
        verdict: Verdict::Pending,
        reviewer: None,
        reviewed_at: None,
        review_note: String::new(),
        created_at: at(0),
    }
}

/// A root event of a tenant.
pub fn event(tenant: Tenant, principal: UserId) -> EventRecord {
    EventRecord {
        id: EventId::generate(),
        kind: EventType::ApplySuccess,
        version: 1,
        tenant,
        principal,
        cause: None,
        summary: "Applied: guard the empty case".into(),
        repository: Some(RepositoryId::generate()),
        payload: json!({"files": ["src/lib.rs"], "text": "ü"}),
        time: at(0),
    }
}
