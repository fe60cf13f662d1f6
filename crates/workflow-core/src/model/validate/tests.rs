use primitives::{Classify, ErrorKind, TeamId};
use serde_json::json;

use super::*;
use crate::model::{
    AgentOutput, Assignment, AssignmentInput, RouteInput, StageId, StageInput, StageType,
    TriggerInput,
};

fn stage(id: &str, targets: &[&str]) -> StageInput {
    let routes = targets
        .iter()
        .map(|target| RouteInput { target: (*target).to_owned(), ..RouteInput::default() });
    StageInput {
        id: id.into(),
        display_name: format!("Stage {id}"),
        kind: Some(StageType::Human),
        routes: routes.collect(),
        ..StageInput::default()
    }
}

fn input(stages: Vec<StageInput>) -> WorkflowInput {
    WorkflowInput { display_name: "Bugs".into(), stages, ..WorkflowInput::default() }
}

/// Two human stages, one after the other.
fn sound() -> WorkflowInput {
    input(vec![stage("a", &["b"]), stage("b", &[])])
}

fn team() -> Place {
    Place::Workflow(Tenant::Team(TeamId::generate()))
}

fn judge(input: &WorkflowInput) -> Checked<(Texts, Definition)> {
    workflow(input, team(), UserId::generate())
}

/// Reason and field paths of the refusal.
fn refusal(input: &WorkflowInput) -> (&'static str, Vec<String>) {
    refusal_in(input, team())
}

fn refusal_in(input: &WorkflowInput, place: Place) -> (&'static str, Vec<String>) {
    let refused = workflow(input, place, UserId::generate()).expect_err("refused");
    assert!(refused.fields.iter().all(|fault| !fault.description.is_empty()));
    (refused.reason, refused.fields.into_iter().map(|fault| fault.field).collect())
}

fn conditional(condition: &str, target: &str) -> RouteInput {
    RouteInput { condition: condition.into(), target: target.into(), ..RouteInput::default() }
}

#[test]
fn a_sound_definition_is_taken_as_given() {
    let user = UserId::generate();
    let mut asked = sound();
    asked.display_name = "  Bugs  ".into();
    asked.tags = vec!["b".into(), "a".into(), "b".into()];
    asked.stages[0].routes.insert(0, conditional(" data.done == true ", ""));
    asked.stages[1].kind = Some(StageType::DocUpdate);
    asked.stages[1].agent_target_path = "docs/guide/".into();
    asked.stages[1].agent_auto_apply = true;
    asked.triggers = vec![TriggerInput {
        event_type: "agent.apply.success".into(),
        enabled: true,
        description: String::new(),
    }];
    let (texts, definition) = workflow(&asked, team(), user).unwrap();
    assert_eq!((texts.display_name.as_str(), texts.tags), ("Bugs", vec!["a".into(), "b".into()]));
    let [a, b] = &definition.stages[..] else { panic!("two stages") };
    assert_eq!(a.routes[0].condition.as_deref(), Some("data.done == true"));
    assert_eq!((&a.routes[0].target, &a.routes[1].target), (&None, &Some(StageId("b".into()))));
    assert_eq!((b.routes.len(), &b.routes[0].condition, &b.routes[0].target), (1, &None, &None));
    assert_eq!((b.agent_target_path.as_str(), b.auto_apply_set_by), ("docs/guide", Some(user)));
    assert_eq!((definition.triggers[0].enabled, definition.triggers[0].set_by), (true, user));
}

#[test]
fn a_stage_without_an_id_gets_one_that_is_free() {
    let asked = input(vec![stage("", &["stage-1"]), stage("stage-1", &[])]);
    let (_, definition) = judge(&asked).unwrap();
    assert_eq!(definition.stages[0].id.0, "stage-1-1");
    let single = input(vec![stage("", &[])]);
    assert_eq!(judge(&single).unwrap().1.stages[0].id.0, "stage-1");
}

fn listener() -> TriggerInput {
    TriggerInput { event_type: "agent.apply.success".into(), ..TriggerInput::default() }
}

/// One change to a sound definition, and the refusal it must lead to.
type Case = (fn(&mut WorkflowInput), &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    (|w| w.display_name = " ".into(), "INVALID_ARGUMENT", &["workflow.display_name"]),
    (|w| w.display_name = "x".repeat(101), "INVALID_ARGUMENT", &["workflow.display_name"]),
    (|w| w.description = "a\0".into(), "INVALID_ARGUMENT", &["workflow.description"]),
    (|w| w.icon = "x".repeat(65), "INVALID_ARGUMENT", &["workflow.icon"]),
    (|w| w.category = "a\nb".into(), "INVALID_ARGUMENT", &["workflow.category"]),
    (|w| w.tags = vec!["a".into(), String::new()], "INVALID_ARGUMENT", &["workflow.tags[1]"]),
    (|w| w.tags = vec!["a".into(); 21], "INVALID_ARGUMENT", &["workflow.tags"]),
    (|w| w.stages.clear(), "INVALID_GRAPH", &["workflow.stages"]),
    (|w| w.stages = vec![stage("a", &[]); 51], "INVALID_GRAPH", &["workflow.stages"]),
    (
        |w| w.stages[1].id = "a".into(),
        "INVALID_GRAPH",
        &["workflow.stages[1].stage_id", "workflow.stages[0].routes[0].target_stage_id"],
    ),
    (|w| w.stages[0].id = "a b".into(), "INVALID_ARGUMENT", &["workflow.stages[0].stage_id"]),
    (|w| w.stages[0].id = "x".repeat(65), "INVALID_ARGUMENT", &["workflow.stages[0].stage_id"]),
    (|w| w.stages[0].id = "é".into(), "INVALID_ARGUMENT", &["workflow.stages[0].stage_id"]),
    (
        |w| w.stages[0].display_name.clear(),
        "INVALID_ARGUMENT",
        &["workflow.stages[0].display_name"],
    ),
    (|w| w.stages[0].kind = None, "INVALID_ARGUMENT", &["workflow.stages[0].type"]),
    (
        |w| w.stages[1].kind = Some(StageType::Automation),
        "STAGE_TYPE_NOT_SUPPORTED",
        &["workflow.stages[1].type"],
    ),
    (
        |w| w.stages[1].kind = Some(StageType::Ai),
        "STAGE_TYPE_NOT_SUPPORTED",
        &["workflow.stages[1].type"],
    ),
    (
        |w| w.stages[1].form = Some(crate::model::Form::default()),
        "INVALID_ARGUMENT",
        &["workflow.stages[1].form.fields"],
    ),
    (|w| w.stages[1].sla_minutes = -1, "INVALID_ARGUMENT", &["workflow.stages[1].sla_minutes"]),
    (
        |w| w.stages[1].sla_minutes = 527_041,
        "INVALID_ARGUMENT",
        &["workflow.stages[1].sla_minutes"],
    ),
    (
        |w| w.stages[1].agent_output = AgentOutput::Patch,
        "FIELD_NOT_SUPPORTED",
        &["workflow.stages[1].agent_output"],
    ),
    (
        |w| w.stages[1].assignment = AssignmentInput::Unsupported("AUTOMATION".into()),
        "FIELD_NOT_SUPPORTED",
        &["workflow.stages[1].assignment.type"],
    ),
    (
        |w| w.stages[1].assignment = AssignmentInput::Role("boss".into()),
        "INVALID_ARGUMENT",
        &["workflow.stages[1].assignment.role"],
    ),
    (
        |w| w.stages[1].assignment = AssignmentInput::Role("founder".into()),
        "INVALID_ARGUMENT",
        &["workflow.stages[1].assignment.role"],
    ),
    (
        |w| w.stages[1].assignment = AssignmentInput::User("bob".into()),
        "INVALID_ARGUMENT",
        &["workflow.stages[1].assignment.user"],
    ),
    (
        |w| w.stages[1].agent_prompt = "x".into(),
        "INVALID_ARGUMENT",
        &["workflow.stages[1].agent_prompt"],
    ),
    (
        |w| w.stages[1].agent_target_path = "src".into(),
        "INVALID_ARGUMENT",
        &["workflow.stages[1].agent_target_path"],
    ),
    (
        |w| w.stages[1].agent_model_hint = "m".into(),
        "INVALID_ARGUMENT",
        &["workflow.stages[1].agent_model_hint"],
    ),
    (
        |w| w.stages[1].agent_auto_apply = true,
        "INVALID_ARGUMENT",
        &["workflow.stages[1].agent_auto_apply"],
    ),
    (
        |w| w.stages[0].routes[0].target = "nowhere".into(),
        "INVALID_GRAPH",
        &["workflow.stages[0].routes[0].target_stage_id"],
    ),
    (
        |w| w.stages[0].routes[0].condition = "true".into(),
        "INVALID_GRAPH",
        &["workflow.stages[0].routes[0].condition"],
    ),
    (
        |w| w.stages[0].routes.push(conditional("", "")),
        "INVALID_GRAPH",
        &["workflow.stages[0].routes[0].condition"],
    ),
    (
        |w| w.stages[0].routes.insert(0, conditional("data.", "b")),
        "INVALID_CONDITION",
        &["workflow.stages[0].routes[0].condition"],
    ),
    (
        |w| w.stages[0].routes = vec![conditional("", "b"); 21],
        "INVALID_ARGUMENT",
        &["workflow.stages[0].routes"],
    ),
    (
        |w| w.stages[0].routes[0].description = "x".repeat(201),
        "INVALID_ARGUMENT",
        &["workflow.stages[0].routes[0].description"],
    ),
    (|w| w.stages.push(stage("c", &[])), "INVALID_GRAPH", &["workflow.stages[2].stage_id"]),
    (
        |w| w.stages[1].routes.push(conditional("", "a")),
        "INVALID_GRAPH",
        &["workflow.stages[0].routes", "workflow.stages[1].routes"],
    ),
    (
        |w| w.stages[1].routes.push(conditional("", "b")),
        "INVALID_GRAPH",
        &["workflow.stages[0].routes", "workflow.stages[1].routes"],
    ),
    (
        |w| w.triggers = vec![TriggerInput::default()],
        "EVENT_TYPE_NOT_SUPPORTED",
        &["workflow.triggers[0].event_type"],
    ),
    (
        |w| {
            w.triggers = vec![listener(), listener()];
        },
        "INVALID_ARGUMENT",
        &["workflow.triggers[1].event_type"],
    ),
    (
        |w| w.triggers = vec![TriggerInput::default(); 21],
        "INVALID_ARGUMENT",
        &["workflow.triggers"],
    ),
];

#[test]
fn each_rule_names_its_field_and_reason() {
    assert!(judge(&sound()).is_ok());
    for (at, (change, reason, fields)) in CASES.iter().enumerate() {
        let mut asked = sound();
        change(&mut asked);
        let (got, paths) = refusal(&asked);
        assert_eq!(
            (got, &paths[..]),
            (*reason, &fields.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>()[..]),
            "case {at}"
        );
    }
}

#[test]
fn all_faults_are_reported_together_and_bounded() {
    let mut asked = sound();
    asked.display_name.clear();
    asked.stages[0].kind = Some(StageType::Ai);
    asked.stages[1].sla_minutes = -3;
    asked.triggers = vec![TriggerInput { event_type: "x".into(), ..TriggerInput::default() }];
    let (reason, paths) = refusal(&asked);
    assert_eq!(reason, "STAGE_TYPE_NOT_SUPPORTED");
    assert_eq!(
        paths,
        [
            "workflow.display_name",
            "workflow.stages[0].type",
            "workflow.stages[1].sla_minutes",
            "workflow.triggers[0].event_type",
        ]
    );

    let many = input((0..50).map(|at| stage(&format!("s {at}"), &["nowhere"])).collect());
    let refused = judge(&many).unwrap_err();
    assert_eq!((refused.fields.len(), refused.kind()), (20, ErrorKind::InvalidInput));
    assert!(refused.fields[19].description.contains("more faults"));
}

#[test]
fn paths_of_targets_are_relative_and_clean() {
    let judged = |path: &str| {
        let mut asked = sound();
        asked.stages[1].kind = Some(StageType::CodeReview);
        asked.stages[1].agent_target_path = path.into();
        judge(&asked).map(|(_, definition)| definition.stages[1].agent_target_path.clone())
    };
    for (path, kept) in [("", ""), ("src", "src"), ("src/a b.rs", "src/a b.rs"), (" a/ ", "a")] {
        assert_eq!(judged(path).unwrap(), kept);
    }
    for path in [
        "/",
        "/etc",
        "..",
        "a/../b",
        "./a",
        "a//b",
        ".git",
        ".GIT/config",
        "a/.git/b",
        "a\\b",
        "C:/x",
        "a\0b",
        "a\nb",
    ] {
        assert!(judged(path).is_err(), "{path:?}");
    }
    assert!(judged(&"a/".repeat(300)).is_err());
}

#[test]
fn what_a_place_does_not_have_is_refused_there() {
    let mut agent = sound();
    agent.stages[1].kind = Some(StageType::AgentAssist);
    let global = Place::Workflow(Tenant::Global);
    let personal = Place::Workflow(Tenant::Person(UserId::generate()));
    assert_eq!(
        refusal_in(&agent, global),
        ("INVALID_ARGUMENT", vec!["workflow.stages[1].type".into()])
    );
    assert!(workflow(&agent, personal, UserId::generate()).is_ok());
    assert!(workflow(&agent, Place::Template, UserId::generate()).is_ok());
    let (_, definition) = workflow(&agent, Place::Template, UserId::generate()).unwrap();
    assert!(allowed_in(&definition, Tenant::Global).is_err());
    assert!(allowed_in(&definition, Tenant::Team(TeamId::generate())).is_ok());

    let mut role = sound();
    role.stages[1].assignment = AssignmentInput::Role("lead".into());
    let field = vec!["workflow.stages[1].assignment.role".to_owned()];
    assert_eq!(refusal_in(&role, global).1, field);
    assert_eq!(refusal_in(&role, personal).1, field);
    let (_, definition) = judge(&role).unwrap();
    assert_eq!(definition.stages[1].assignment, Assignment::Role("lead".into()));
}

#[test]
fn loops_are_fine_where_a_way_out_remains() {
    let mut asked = sound();
    asked.stages[1].routes = vec![conditional("data.again == true", "a"), conditional("", "")];
    assert!(judge(&asked).is_ok());
    let selfish = input(vec![StageInput {
        routes: vec![conditional("data.again == true", "a"), conditional("", "")],
        ..stage("a", &[])
    }]);
    assert!(judge(&selfish).is_ok());
}

#[test]
fn items_are_judged_as_a_whole() {
    let data = |value: serde_json::Value| value.as_object().cloned().unwrap();
    let good = ItemInput {
        title: " Crash ".into(),
        tags: vec!["ui".into()],
        data: data(json!({"a": 1})),
        ..ItemInput::default()
    };
    assert_eq!(item(good.clone()).unwrap().title, "Crash");

    let bad = ItemInput {
        title: "a\nb".into(),
        description: "x".repeat(10_001),
        tags: vec![String::new()],
        data: data(json!({"agent_event": 1})),
        ..good
    };
    let refused = item(bad).unwrap_err();
    let paths: Vec<_> = refused.fields.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(refused.reason, "RESERVED_KEY");
    assert_eq!(
        paths,
        [
            "work_item.title",
            "work_item.description",
            "work_item.tags[0]",
            "work_item.data.agent_event",
        ]
    );
}

#[test]
fn titles_of_unknown_origin_become_one_short_line() {
    assert_eq!(title_of(" Applied\n3 files\0 ", "x"), "Applied 3 files");
    assert_eq!(title_of("\n\0 ", "agent.apply.success"), "agent.apply.success");
    assert_eq!(title_of(&"é".repeat(500), "x").chars().count(), 200);
    assert!(note("note", &"n".repeat(2_000)).is_ok());
    assert!(note("note", &"n".repeat(2_001)).is_err());
    assert_eq!(copy_name("", "Bugs").unwrap(), "Bugs");
    assert_eq!(copy_name(" Mine ", "Bugs").unwrap(), "Mine");
    assert!(copy_name(&"x".repeat(101), "Bugs").is_err());
}
