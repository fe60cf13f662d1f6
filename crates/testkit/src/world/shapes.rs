//! Workflows in few words.

use api::workflow::{Stage, StageRoute, StageType, Trigger, WorkItem, Workflow};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use serde_json::Value as Json;

/// A stage that people work at.
pub fn human(id: &str) -> Stage {
    stage(id, StageType::Human)
}

/// A stage at which the agent proposes a plan.
pub fn assist(id: &str) -> Stage {
    stage(id, StageType::AgentAssist)
}

/// A stage at which others decide: one of them, unless said otherwise.
pub fn approval(id: &str) -> Stage {
    stage(id, StageType::Approval)
}

/// A stage of any type, named like its id.
pub fn stage(id: &str, kind: StageType) -> Stage {
    Stage {
        stage_id: id.to_owned(),
        display_name: id.to_owned(),
        r#type: kind.into(),
        ..Stage::default()
    }
}

/// The default way out; empty finishes the item.
pub fn to(target: &str) -> StageRoute {
    StageRoute { target_stage_id: target.to_owned(), ..StageRoute::default() }
}

/// A workflow whose stages follow each other. Its owner is chosen by `team`: empty makes
/// it personal.
pub fn workflow(name: &str, team: &str, stages: impl IntoIterator<Item = Stage>) -> Workflow {
    use api::permissions::Visibility;
    let mut stages: Vec<Stage> = stages.into_iter().collect();
    let ids: Vec<String> = stages.iter().map(|stage| stage.stage_id.clone()).collect();
    for (at, stage) in stages.iter_mut().enumerate() {
        if stage.routes.is_empty() {
            stage.routes.push(to(ids.get(at + 1).map_or("", String::as_str)));
        }
    }
    let visibility = if team.is_empty() { Visibility::Personal } else { Visibility::Team };
    Workflow {
        display_name: name.to_owned(),
        team: team.to_owned(),
        visibility: visibility.into(),
        stages,
        ..Workflow::default()
    }
}

/// An enabled trigger.
pub fn trigger(event_type: &str) -> Trigger {
    Trigger { event_type: event_type.to_owned(), enabled: true, ..Trigger::default() }
}

/// The same workflow, started by events of these types too.
#[must_use]
pub fn on(workflow: Workflow, event_types: &[&str]) -> Workflow {
    let triggers = event_types.iter().map(|kind| trigger(kind)).collect();
    Workflow { triggers, ..workflow }
}

/// An item of a workflow.
pub fn item(workflow: &str, title: &str) -> WorkItem {
    WorkItem { workflow: workflow.to_owned(), title: title.to_owned(), ..WorkItem::default() }
}

/// An item about a repository.
pub fn item_on(workflow: &str, title: &str, description: &str, repository: &str) -> WorkItem {
    WorkItem {
        description: description.to_owned(),
        repository: repository.to_owned(),
        ..item(workflow, title)
    }
}

/// A JSON object as a `google.protobuf.Struct`.
///
/// # Panics
///
/// When it is no object.
pub fn data(value: Json) -> Struct {
    match wire(value).kind {
        Some(Kind::StructValue(object)) => object,
        other => panic!("expected an object, got {other:?}"),
    }
}

/// JSON as a `google.protobuf.Value`.
pub fn wire(value: Json) -> Value {
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(value),
        Json::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        Json::String(value) => Kind::StringValue(value),
        Json::Array(values) => {
            Kind::ListValue(ListValue { values: values.into_iter().map(wire).collect() })
        }
        Json::Object(fields) => Kind::StructValue(Struct {
            fields: fields.into_iter().map(|(key, value)| (key, wire(value))).collect(),
        }),
    };
    Value { kind: Some(kind) }
}

/// A `google.protobuf.Struct` as JSON.
pub fn json(object: &Struct) -> Json {
    Json::Object(object.fields.iter().map(|(key, value)| (key.clone(), json_of(value))).collect())
}

fn json_of(value: &Value) -> Json {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => Json::Bool(*value),
        Some(Kind::NumberValue(value)) => Json::from(*value),
        Some(Kind::StringValue(value)) => Json::String(value.clone()),
        Some(Kind::ListValue(list)) => Json::Array(list.values.iter().map(json_of).collect()),
        Some(Kind::StructValue(object)) => json(object),
    }
}
