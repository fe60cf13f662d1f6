//! Conditions of routes: judged when they are published, evaluated when a stage is completed.
//!
//! An input is the text of a condition, a NUL, and JSON: the data of an item.

use std::time::{Duration, Instant};

use primitives::{TeamId, Tenant, Timestamp, UserId, VisitId, WorkItemId, WorkflowId};
use serde_json::{Value, json};
use workflow_core::model::{
    Data, ItemState, Priority, StageId, StageRoute, WorkItem, condition, data,
};

use crate::shape::{before_nul, text, uuid};

/// No condition takes longer, however slow the machine: what it may cost is bounded when it
/// is published.
const BOUND: Duration = Duration::from_secs(5);

/// One input.
pub fn run(input: &[u8]) {
    let (source, given) = before_nul(input);
    let source = text(source);
    let judged = condition::check(&source);
    assert_eq!(judged, condition::check(&source), "{source:?} is judged twice differently");
    if let Err(fault) = judged {
        assert!(fault.len() < 200 && !fault.is_empty(), "{fault:?} repeats what was sent");
        return;
    }
    assert!(source.len() <= condition::MAX_BYTES);
    let item = item(stored(given));
    let routes = [route(Some(&source), "yes"), route(None, "otherwise")];
    let began = Instant::now();
    let taken = target(&routes, &item);
    let took = began.elapsed();
    assert!(took < BOUND, "{source:?} took {took:?}");
    assert_eq!(taken, target(&routes, &item), "{source:?} is not pure");
    assert!(matches!(taken, Some("yes" | "otherwise")), "the default always holds");
    negated(&source, taken, &item);
}

/// A condition and its opposite do not both hold.
fn negated(source: &str, taken: Option<&str>, item: &WorkItem) {
    let opposite = format!("!({source})");
    if condition::check(&opposite).is_ok() && taken == Some("yes") {
        let routes = [route(Some(&opposite), "yes"), route(None, "otherwise")];
        assert_eq!(target(&routes, item), Some("otherwise"), "{source:?} and its opposite hold");
    }
}

fn target<'a>(routes: &'a [StageRoute], item: &WorkItem) -> Option<&'a str> {
    condition::choose(routes, item)?.target.as_ref().map(|stage| stage.0.as_str())
}

/// What an item may have as data: within the limits that callers are held to.
fn stored(given: &[u8]) -> Data {
    let Ok(Value::Object(given)) = serde_json::from_slice(given) else { return Data::new() };
    data::merged("data", &Data::new(), given).unwrap_or_default()
}

fn route(condition: Option<&str>, target: &str) -> StageRoute {
    StageRoute {
        condition: condition.map(str::to_owned),
        target: Some(StageId(target.to_owned())),
        description: String::new(),
    }
}

fn item(data: Data) -> WorkItem {
    let time = Timestamp::from_micros(1_700_000_000_000_000);
    WorkItem {
        id: WorkItemId::from_uuid(uuid(1)),
        tenant: Tenant::Team(TeamId::from_uuid(uuid(2))),
        workflow: WorkflowId::from_uuid(uuid(3)),
        revision: 1,
        title: "Crash on save".into(),
        description: String::new(),
        state: ItemState::Claimed,
        stage: StageId("intake".into()),
        visit: VisitId::from_uuid(uuid(4)),
        entered_stage_at: time,
        assignee: None,
        priority: Priority::High,
        tags: vec!["ui".into(), "regression".into()],
        data,
        repository: None,
        creator: UserId::from_uuid(uuid(5)),
        cause: None,
        claimed_at: None,
        closed_at: None,
        created_at: time,
        updated_at: time,
        version: 1,
        number: 1,
        external_id: None,
        due_at: None,
        block: None,
        blocked_by: Vec::new(),
        stage_due_at: None,
        authors: Vec::new(),
        votes: Vec::new(),
        is_blocker: false,
        live_run: None,
    }
}

/// Conditions of the shipped templates, one of each thing a condition can say, and some that
/// come close to what each may cost.
pub fn seeds() -> Vec<Vec<u8>> {
    let facts = json!({
        "severity": "high", "count": 3, "ratio": 0.5, "done": false, "none": null,
        "list": [1, 2, 3], "files": [{"path": "a.rs", "risk": "low"}], "deep": {"a": {"b": 1}},
        "verdict": "changes_requested", "mitigated": false, "text": "x",
    });
    let long: Value = (0..900).map(|n| json!(n)).collect::<Vec<_>>().into();
    let wide = json!({ "list": long, "text": "x".repeat(10_000) });
    let sources = [
        "data.severity == \"none\"",
        "data.mitigated == false",
        "data.verdict == \"changes_requested\"",
        "item.data.severity == data.severity",
        "data.count > 2 && data.count + 1 == 4",
        "data.ratio < 1 && data.ratio > 0.25 || !data.done",
        "size(data.list) == 3 && data.list[0] == 1 && 2 in data.list",
        "data.list.exists(n, n == 3) && data.list.all(n, n > 0)",
        "data.files.filter(f, f.risk == 'low').size() == 1",
        "data.files.map(f, f.path) == ['a.rs']",
        "data.files.exists_one(f, f.path.endsWith('.rs'))",
        "has(data.missing) ? data.missing == 1 : data.deep.a.b == 1",
        "data['severity'].startsWith('hi') && 'severity' in data",
        "item.title.contains('Crash') && item.priority == 'HIGH' && 'ui' in item.tags",
        "int(data.ratio * 4.0) == 2 && string(data.count) == '3' && double(data.count) == 3.0",
        "-data.count % 2 == 0 || data.count / 0 == 1",
        "{'a': 1}.a == 1 && [1, 2] == [1] + [2]",
        "data.list.all(n, data.list[n] == n)",
        "data.list.map(x, data.text).size() > 1",
        "data.text + data.text + data.text + data.text == ''",
        "data.name.matches('(a+)+$')",
        "data.a.exists(x, data.b.exists(y, x == y))",
        "google.protobuf.Duration{seconds: 1} == data",
        "((((((((((((data.a))))))))))))",
        "b'\\x00' == r\"a\" || \"\\u00e4\" == '''x'''",
    ];
    let with = |facts: &Value| {
        let facts = facts.to_string();
        let of = move |source: &str| [source.as_bytes(), b"\0", facts.as_bytes()].concat();
        sources.iter().map(move |source| of(source)).collect::<Vec<_>>()
    };
    [with(&facts), with(&wide), with(&json!({}))].concat()
}
