//! Forms: what people are asked before they can complete a stage.

use api::workflow::{
    FieldOption, FieldType, Form, FormField, Stage, StageType, WorkItem, WorkItemState,
};
use serde_json::{Value, json};
use testkit::world::shapes::{assist, data, human, item, json as read, stage, to, wire, workflow};
use testkit::world::{Person, Refused as _, World, refused};
use tonic::Code;

const WRONG: Code = Code::InvalidArgument;

fn field(key: &str, kind: FieldType) -> FormField {
    FormField {
        key: key.into(),
        label: format!("The {key}"),
        r#type: kind.into(),
        ..Default::default()
    }
}

fn options(values: &[&str]) -> Vec<FieldOption> {
    let option = |value: &&str| FieldOption { value: (*value).into(), label: value.to_uppercase() };
    values.iter().map(option).collect()
}

/// Of every type one field, and one that is not always shown.
fn triage() -> Form {
    use FieldType as T;
    let chosen = |key, kind| FormField { options: options(&["low", "high"]), ..field(key, kind) };
    let fields = vec![
        FormField {
            required: true,
            min_length: 3,
            max_length: 80,
            placeholder: "A word".into(),
            ..field("summary", T::Text)
        },
        FormField { help_text: "As long\nas you like".into(), ..field("details", T::Textarea) },
        FormField {
            min_value: Some(0.5),
            max_value: Some(40.0),
            default_value: Some(wire(json!(1))),
            ..field("hours", T::Number)
        },
        field("day", T::Date),
        field("hour", T::Time),
        field("moment", T::Datetime),
        FormField { required: true, ..chosen("severity", T::Select) },
        FormField {
            max_length: 1,
            default_value: Some(wire(json!(["low"]))),
            ..chosen("areas", T::Multiselect)
        },
        field("agreed", T::Checkbox),
        FormField { default_value: Some(wire(json!("low"))), ..chosen("mood", T::Radio) },
        field("trace", T::FileUpload),
        field("reporter", T::Email),
        field("phone", T::Phone),
        field("link", T::Url),
        FormField {
            required: true,
            pattern: "[A-Z]+-[0-9]+".into(),
            show_if: "data.severity == 'high'".into(),
            ..field("incident", T::Text)
        },
    ];
    Form {
        display_name: "Triage".into(),
        description: "What is it?".into(),
        submit_text: "Go".into(),
        fields,
    }
}

fn with_form(id: &str, form: Form) -> Stage {
    Stage { form: Some(form), ..human(id) }
}

async fn flow(lead: &Person, stages: impl IntoIterator<Item = Stage>) -> String {
    lead.creates_workflow(workflow("Work", &lead.team, stages)).await.unwrap().name
}

async fn claimed(person: &Person, flow: &str, known: Value) -> WorkItem {
    let made = WorkItem { data: Some(data(known)), ..item(flow, "One") };
    let made = person.creates_item(made).await.expect("a form asks for nothing at creation");
    person.claims(&made).await.unwrap()
}

testkit::on_both! {
    /// A stage is completed when its form is filled in, with what is there and what is given;
    /// what is absent has its default. Else every field that is wrong is named, and nothing
    /// has happened.
    async fn a_stage_is_completed_when_its_form_is_filled_in(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let routes = vec![
            api::workflow::StageRoute { condition: "data.mood == 'low'".into(), ..to("low") },
            to(""),
        ];
        let stages = [Stage { routes, ..with_form("triage", triage()) }, human("low")];
        let flow = flow(&alice, stages).await;
        let made = claimed(&bob, &flow, json!({"summary": "It breaks", "day": "2026-02-31", "more": {"a": 1}})).await;
        let before = bob.sees_item(&made.name).await.unwrap();
        let dump = world.probe().dump_without_audit().await;

        let wrong = json!({"hours": 41, "areas": ["low", "high"], "severity": "high", "agreed": "yes", "phone": "x", "link": "y"});
        let status = refused(bob.completes_with(&made, Some(data(wrong))).await, WRONG, "FORM_INVALID");
        let named = ["hours", "day", "areas", "agreed", "phone", "link", "incident"];
        assert_eq!(status.fields(), named.map(|key| format!("data.{key}")));
        let status = refused(bob.completes_with(&made, None).await, WRONG, "FORM_INVALID");
        assert_eq!(status.fields(), ["data.day", "data.severity"]);
        assert_eq!(bob.sees_item(&made.name).await.unwrap(), before);
        assert_eq!(world.probe().dump_without_audit().await, dump);

        let right = json!({"day": null, "severity": "low", "incident": 7, "reporter": "", "free": [1]});
        let done = bob.completes_with(&made, Some(data(right))).await.unwrap();
        assert_eq!(done.stage_id, "low", "the route saw the default");
        assert_eq!(
            read(done.data.as_ref().unwrap()),
            json!({
                "summary": "It breaks", "more": {"a": 1.0}, "severity": "low", "incident": 7.0, "free": [1.0],
                "reporter": "", "hours": 1.0, "areas": ["low"], "mood": "low",
            })
        );
        assert_eq!(bob.sees_item(&made.name).await.unwrap().state(), WorkItemState::Pending);
        bob.does(&done).await.expect("the next stage asks for nothing");

        let urgent = claimed(&bob, &flow, json!({"summary": "Fire", "severity": "high"})).await;
        let status = refused(bob.completes(&urgent).await, WRONG, "FORM_INVALID");
        assert_eq!(status.fields(), ["data.incident"]);
        bob.completes_with(&urgent, Some(data(json!({"incident": "INC-7"})))).await.unwrap();
    }

    /// A person who completes an agent's stage fills in its form, too.
    async fn the_stage_of_an_agent_can_have_a_form(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let form = Form { fields: vec![FormField { required: true, ..field("verdict", FieldType::Text) }], ..Form::default() };
        let flow = flow(&alice, [Stage { form: Some(form), ..assist("think") }]).await;
        let made = bob.creates_item(item(&flow, "One")).await.unwrap();
        let made = bob.awaits_agent(&made.name).await;
        refused(bob.completes(&made).await, WRONG, "FORM_INVALID");
        let done = bob.completes_with(&made, Some(data(json!({"verdict": "good"})))).await.unwrap();
        assert_eq!(done.state(), WorkItemState::Completed);
    }

    /// The result of a run completes no stage whose form is not filled in; else defaults are
    /// filled in as ever. Nobody fills in a form where items are approved.
    async fn what_only_people_can_say_is_left_to_them(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let asks = |field: FormField| Stage {
            form: Some(Form { fields: vec![field], ..Form::default() }),
            auto_advance: "true".into(),
            ..assist("think")
        };
        let left = flow(&alice, [asks(FormField { required: true, ..field("verdict", FieldType::Text) }), human("do")]).await;
        let goes = flow(&alice, [asks(FormField { default_value: Some(wire(json!("none"))), ..field("verdict", FieldType::Text) }), human("do")]).await;
        let (left, goes) = (bob.creates_item(item(&left, "One")).await.unwrap(), bob.creates_item(item(&goes, "One")).await.unwrap());
        let gone = bob.awaits_item(&goes.name, |item| item.stage_id == "do").await;
        assert_eq!(read(gone.data.as_ref().unwrap())["verdict"], json!("none"));
        let left = bob.awaits_agent(&left.name).await;
        assert_eq!(left.stage_id, "think");
        bob.completes_with(&left, Some(data(json!({"verdict": "good"})))).await.unwrap();

        let asks = Stage { form: Some(triage()), ..stage("sign", StageType::Approval) };
        let answer = alice.creates_workflow(workflow("Work", &alice.team, [human("do"), asks])).await;
        assert_eq!(refused(answer, WRONG, "INVALID_ARGUMENT").fields(), ["workflow.stages[1].form"]);
    }

    /// A form is read as it was published, by itself and as a schema; it is part of the
    /// revision, of its document, and of templates and their copies, with their values.
    async fn a_form_is_part_of_its_definition(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let made = alice.creates_workflow(workflow("Work", &alice.team, [with_form("in", triage())])).await.unwrap();
        let stage = &made.stages[0];
        assert_eq!(stage.form, Some(triage()));
        let schema: Value = serde_json::from_str(&stage.form_schema).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["required"], json!(["summary", "severity"]));
        assert_eq!(schema["properties"].as_object().unwrap().len(), 15);
        assert_eq!(schema["properties"]["hours"]["maximum"], json!(40));
        let document = alice.exports(&made.name).await.unwrap();
        let copy = alice.imports(&document).await.unwrap();
        assert_eq!(copy.stages, made.stages);

        let published = alice.publishes(&made.name).await.unwrap();
        assert_eq!(published.stages[0].form, stage.form);
        let instance = alice.instantiates(&published.name).await.unwrap();
        assert_eq!(instance.stages[0].form, stage.form);

        let again = alice.updates_workflow(made.clone(), &["stages"]).await.unwrap();
        assert_eq!(again.revision, 1, "what was read says nothing new");
        let mut changed = again;
        changed.stages[0].form.as_mut().unwrap().fields[0].min_length = 4;
        let changed = alice.updates_workflow(changed, &["stages"]).await.unwrap();
        assert_eq!(changed.revision, 2);
        let revision = alice.sees_revision(&made.name, 2).await.unwrap();
        assert_eq!(revision.changes.unwrap().changed_stages[0].fields, ["form"]);
    }

    /// What is wrong with a form is said when it is published, field by field.
    async fn a_form_is_judged_when_it_is_published(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let publish = async |fields: Vec<FormField>| {
            let form = Form { fields, ..Form::default() };
            alice.creates_workflow(workflow("Work", &alice.team, [human("a"), with_form("b", form)])).await
        };
        for (wrong, reason, path) in [
            (FormField { key: "a b".into(), ..field("x", FieldType::Text) }, "INVALID_ARGUMENT", "key"),
            (field("agent_event", FieldType::Text), "INVALID_ARGUMENT", "key"),
            (field("first", FieldType::Text), "INVALID_ARGUMENT", "key"),
            (FormField { r#type: 0, ..field("x", FieldType::Text) }, "INVALID_ARGUMENT", "type"),
            (FormField { r#type: 77, ..field("x", FieldType::Text) }, "INVALID_ARGUMENT", "type"),
            (field("x", FieldType::Select), "INVALID_ARGUMENT", "options"),
            (FormField { options: options(&["a"]), ..field("x", FieldType::Date) }, "INVALID_ARGUMENT", "options"),
            (FormField { min_length: -1, ..field("x", FieldType::Text) }, "INVALID_ARGUMENT", "min_length"),
            (FormField { max_value: Some(f64::NAN), ..field("x", FieldType::Number) }, "INVALID_ARGUMENT", "max_value"),
            (FormField { pattern: "(?=a)".into(), ..field("x", FieldType::Text) }, "INVALID_ARGUMENT", "pattern"),
            (FormField { pattern: "(a{900}){900}".into(), ..field("x", FieldType::Text) }, "INVALID_ARGUMENT", "pattern"),
            (FormField { default_value: Some(wire(json!("x"))), ..field("x", FieldType::Number) }, "INVALID_ARGUMENT", "default_value"),
            (FormField { show_if: "nobody.knows".into(), ..field("x", FieldType::Text) }, "INVALID_CONDITION", "show_if"),
        ] {
            let status = refused(publish(vec![field("first", FieldType::Text), wrong]).await, WRONG, reason);
            assert_eq!(status.fields(), [format!("workflow.stages[1].form.fields[1].{path}")]);
        }
        let status = refused(publish(vec![]).await, WRONG, "INVALID_ARGUMENT");
        assert_eq!(status.fields(), ["workflow.stages[1].form.fields"]);
        let many = (0..51).map(|n| field(&format!("f{n}"), FieldType::Text)).collect();
        refused(publish(many).await, WRONG, "INVALID_ARGUMENT");
    }
}
