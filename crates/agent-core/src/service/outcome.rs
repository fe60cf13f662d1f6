//! What a finished change tells the world: one event, one audit record.

use events::{Cause, EventRecord, EventType};
use primitives::{
    EventId, PatchId, PlanId, RepositoryId, RunId, SessionId, Tenant, Timestamp, UserId,
    WorkItemId, clip,
};
use serde_json::{Map, Value, json};

/// Files named in an event; the patch has them all.
const FILES_IN_EVENT: usize = 50;

/// The facts of an apply or revert that others may know. No contents.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub principal: UserId,
    /// Where it happened.
    pub tenant: Tenant,
    pub repository: RepositoryId,
    pub work_item: Option<WorkItemId>,
    pub session: Option<SessionId>,
    pub run: Option<RunId>,
    pub plan: Option<PlanId>,
    pub patch: Option<PatchId>,
    pub files: Vec<String>,
    pub engine: String,
    pub summary: String,
    pub commit: Option<String>,
    pub branch: String,
    /// Of a failure.
    pub reason: Option<&'static str>,
}

impl Report {
    /// Names who and where; the rest is empty.
    pub(crate) fn default_for(principal: UserId, repository: RepositoryId) -> Self {
        Self {
            principal,
            tenant: Tenant::Person(principal),
            repository,
            work_item: None,
            session: None,
            run: None,
            plan: None,
            patch: None,
            files: Vec::new(),
            engine: String::new(),
            summary: String::new(),
            commit: None,
            branch: String::new(),
            reason: None,
        }
    }

    /// For events and audit records.
    pub(crate) fn payload(&self) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                map.insert(key.to_owned(), Value::String(value));
            }
        };
        put("repository", Some(self.repository.to_string()));
        put("work_item", self.work_item.map(|id| id.to_string()));
        put("session", self.session.map(|id| id.to_string()));
        put("run", self.run.map(|id| id.to_string()));
        put("plan", self.plan.map(|id| id.to_string()));
        put("patch", self.patch.map(|id| id.to_string()));
        put("engine_used", Some(self.engine.clone()));
        put("summary", Some(clip(&self.summary, 200)));
        put("commit", self.commit.clone());
        put("branch", Some(self.branch.clone()));
        put("reason", self.reason.map(str::to_owned));
        let shown: Vec<_> = self.files.iter().take(FILES_IN_EVENT).map(|p| clip(p, 512)).collect();
        map.insert("files".to_owned(), json!(shown));
        map.insert("files_changed".to_owned(), json!(self.files.len()));
        Value::Object(map)
    }
}

/// The event of an apply or revert.
pub(crate) fn apply_event(
    kind: EventType,
    report: &Report,
    cause: Option<Cause>,
    time: Timestamp,
) -> EventRecord {
    let what = kind.headline();
    let summary = match (report.summary.trim(), report.reason) {
        ("", Some(reason)) => format!("{what}: {reason}"),
        ("", None) => what.to_owned(),
        (summary, _) => format!("{what}: {}", clip(summary, 150)),
    };
    EventRecord {
        id: EventId::generate(),
        kind,
        version: 1,
        tenant: report.tenant,
        principal: report.principal,
        cause,
        summary: summary.replace(['\n', '\r', '\t'], " "),
        repository: Some(report.repository),
        payload: report.payload(),
        time,
    }
}
