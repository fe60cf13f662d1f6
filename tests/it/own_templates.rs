//! Templates of one's own, what they ask for, and workflows that change hands.

use api::permissions::Visibility;
use api::workflow::{
    Assignment, AssignmentType, InstantiateTemplateRequest, ListTemplatesRequest, ParameterType,
    PublishTemplateRequest, Stage, StageRoute, Template, TemplateParameter,
    TransferWorkflowRequest, Workflow,
};
use serde_json::{Value, json};
use testkit::world::shapes::{assist, data, human, item, on, to, wire, workflow};
use testkit::world::{Person, Refused as _, World, refused};
use tonic::{Code, Status};

const STATE: Code = Code::FailedPrecondition;
const WRONG: Code = Code::InvalidArgument;

fn parameter(name: &str, kind: ParameterType, default: Option<Value>) -> TemplateParameter {
    let is_choice = kind == ParameterType::Choice;
    TemplateParameter {
        name: name.to_owned(),
        r#type: kind.into(),
        choices: if is_choice { vec!["low".into(), "high".into()] } else { vec![] },
        default_value: default.map(wire),
        ..Default::default()
    }
}

/// A workflow with a placeholder wherever there can be one.
fn asking(team: &str) -> Workflow {
    let routed = Stage {
        routes: vec![
            StageRoute {
                condition: "data.level == \"{{level}}\" && data.n > '{{least}}'".into(),
                ..to("fix")
            },
            to(""),
        ],
        ..human("triage")
    };
    let think = Stage {
        agent_prompt: "Look at {{area}}, {{least}} times".into(),
        agent_target_path: "{{area}}".into(),
        routes: vec![to("triage")],
        ..assist("think")
    };
    let fix = Stage { display_name: "Fix {{area}}".into(), routes: vec![to("")], ..human("fix") };
    workflow("Care of {{area}}", team, [think, routed, fix])
}

fn asked_for() -> Vec<TemplateParameter> {
    vec![
        parameter("area", ParameterType::String, None),
        parameter("level", ParameterType::Choice, Some(json!("high"))),
        parameter("least", ParameterType::Number, Some(json!(2))),
        parameter("loud", ParameterType::Bool, Some(json!(true))),
    ]
}

async fn instantiates(person: &Person, template: &str, values: Value) -> Result<Workflow, Status> {
    let request = InstantiateTemplateRequest {
        name: template.to_owned(),
        team: person.team.clone(),
        visibility: Visibility::Team.into(),
        parameters: data(values).fields.into_iter().collect(),
        ..Default::default()
    };
    person.templates().instantiate_template(request).await.map(tonic::Response::into_inner)
}

async fn own_templates(person: &Person, with_agent_stage: bool) -> Vec<Template> {
    let request = ListTemplatesRequest { page_size: 200, with_agent_stage, ..Default::default() };
    let answer = person.templates().list_templates(request).await.unwrap().into_inner();
    answer
        .templates
        .into_iter()
        .filter(|template| template.visibility() != Visibility::Global)
        .collect()
}

testkit::on_both! {
    /// A workflow becomes a template, its next revision the template's; whoever made a
    /// workflow of the older one is told that there is a newer.
    async fn a_template_is_published_and_published_again(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let user = Assignment { r#type: AssignmentType::User.into(), user: bob.user.clone(), ..Default::default() };
        let flow = workflow("Ours", &alice.team, [Stage { assignment: Some(user), ..human("do") }]);
        let flow = alice.creates_workflow(on(flow, &["agent.apply.success"])).await.unwrap();
        refused(bob.publishes(&flow.name).await, Code::PermissionDenied, "PERMISSION_DENIED");
        let made = alice.publishes(&flow.name).await.unwrap();
        assert_eq!((made.display_name.as_str(), made.revision, made.team.clone()), ("Ours", 1, alice.team.clone()));
        assert_eq!(made.help_uri, "docs/templates.md#templates-of-your-own");
        assert_eq!(made.stages[0].assignment, None, "people stay where they are");
        assert_ne!(made.triggers[0].name, flow.triggers[0].name);
        let copy = bob.instantiates(&made.name).await.unwrap();
        assert_eq!((copy.template.clone(), copy.template_revision, copy.newest_template_revision), (made.name.clone(), 1, 1));

        let same = alice.republishes(&flow.name, &made.name).await.unwrap();
        assert_eq!((same.revision, &same.triggers), (1, &made.triggers));
        let stages = workflow("", "", [human("do"), human("check")]).stages;
        alice.updates_workflow(Workflow { stages, ..flow.clone() }, &["stages"]).await.unwrap();
        let next = alice.republishes(&flow.name, &made.name).await.unwrap();
        assert_eq!((next.name.clone(), next.revision, next.stages.len()), (made.name.clone(), 2, 2));
        assert_eq!(bob.finds_template("Ours").await, next);
        let copy = bob.sees_workflow(&copy.name).await.unwrap();
        assert_eq!((copy.template_revision, copy.newest_template_revision), (1, 2));

        let other = alice.creates_workflow(workflow("Other", &alice.team, [human("do")])).await.unwrap();
        refused(alice.republishes(&other.name, &made.name).await, STATE, "TEMPLATE_MISMATCH");
        let stale = PublishTemplateRequest { workflow: flow.name.clone(), template: made.name.clone(), etag: made.etag.clone(), ..Default::default() };
        refused(alice.templates().publish_template(stale).await, Code::Aborted, "ETAG_MISMATCH");
        refused(bob.deletes_template(&made.name).await, Code::PermissionDenied, "PERMISSION_DENIED");
        alice.deletes_template(&made.name).await.unwrap();
        refused(alice.deletes_template(&made.name).await, Code::NotFound, "TEMPLATE_NOT_FOUND");
        refused(alice.republishes(&flow.name, &made.name).await, Code::NotFound, "TEMPLATE_NOT_FOUND");
        assert_eq!(bob.sees_workflow(&copy.name).await.unwrap().newest_template_revision, 0);
    }

    /// Whom a template is for is chosen, and needs the right there.
    async fn a_template_is_for_oneself_a_team_or_everyone(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, dave, erin] = world.people(["alice", "bob", "dave", "erin"]);
        let flow = alice.creates_workflow(workflow("Ours", &alice.team, [assist("a"), human("do")])).await.unwrap();
        let publish = async |person: &Person, flow: &str, visibility: Visibility| {
            let request = PublishTemplateRequest { workflow: flow.to_owned(), visibility: visibility.into(), ..Default::default() };
            person.templates().publish_template(request).await.map(tonic::Response::into_inner)
        };
        let own = publish(&alice, &flow.name, Visibility::Personal).await.unwrap();
        assert_eq!(own_templates(&alice, true).await, std::slice::from_ref(&own));
        assert!(own_templates(&bob, false).await.is_empty());
        refused(publish(&alice, &flow.name, Visibility::Global).await, Code::PermissionDenied, "PERMISSION_DENIED");
        let board = Workflow { visibility: Visibility::Global.into(), ..workflow("Board", "", [human("do")]) };
        let board = erin.creates_workflow(board).await.unwrap();
        let shared = publish(&erin, &board.name, Visibility::Global).await.unwrap();
        let found = dave.finds_template("Board").await;
        assert_eq!(found, shared);
        let plain = alice.creates_workflow(workflow("Plain", &alice.team, [human("do")])).await.unwrap();
        alice.publishes(&plain.name).await.unwrap();
        assert_eq!(own_templates(&alice, false).await.len(), 2);
        assert_eq!(own_templates(&alice, true).await, [own]);
    }

    /// Values stand where their placeholders stood, in conditions as what they are.
    async fn a_template_asks_and_fills_in(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = alice.creates_workflow(asking(&alice.team)).await.unwrap();
        let made = alice.publishes_with(&flow.name, asked_for()).await.unwrap();
        assert_eq!(made.parameters, asked_for());

        let copy = instantiates(&bob, &made.name, json!({ "area": "src/cart.rs", "least": 3.5 })).await.unwrap();
        assert_eq!(copy.display_name, "Care of src/cart.rs");
        let [think, triage, fix] = &copy.stages[..] else { panic!("three stages") };
        assert_eq!((think.agent_prompt.as_str(), think.agent_target_path.as_str()), ("Look at src/cart.rs, 3.5 times", "src/cart.rs"));
        assert_eq!(triage.routes[0].condition, "data.level == \"high\" && data.n > 3.5");
        assert_eq!(fix.display_name, "Fix src/cart.rs");
        let plain = instantiates(&bob, &made.name, json!({ "area": "docs" })).await.unwrap();
        assert_eq!(plain.stages[1].routes[0].condition, "data.level == \"high\" && data.n > 2");

        for (values, field) in [
            (json!({}), "parameters.area"),
            (json!({ "area": 7 }), "parameters.area"),
            (json!({ "area": "docs", "level": "middle" }), "parameters.level"),
            (json!({ "area": "docs", "least": "many" }), "parameters.least"),
            (json!({ "area": "docs", "loud": 1 }), "parameters.loud"),
            (json!({ "area": "docs", "x": 1 }), "parameters.x"),
            (json!({ "area": "../secret" }), "workflow.stages[0].agent_target_path"),
        ] {
            let status = refused(instantiates(&bob, &made.name, values.clone()).await, WRONG, "INVALID_ARGUMENT");
            assert_eq!(status.fields(), [field], "{values}");
        }
        let plain = bob.finds_template("Bug Fix + Test").await;
        let status = refused(instantiates(&bob, &plain.name, json!({ "x": 1 })).await, WRONG, "INVALID_ARGUMENT");
        assert_eq!(status.fields(), ["parameters.x"]);
        assert_eq!(plain.help_uri, "docs/templates.md#bug-fix-test");
    }

    /// What a template asks for is judged when it is published.
    async fn what_a_template_asks_for_is_judged(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let flow = alice.creates_workflow(asking(&alice.team)).await.unwrap();
        let with = |change: fn(&mut Vec<TemplateParameter>)| {
            let mut parameters = asked_for();
            change(&mut parameters);
            parameters
        };
        for (parameters, field) in [
            (with(|all| drop(all.remove(0))), "parameters"),
            (with(|all| all[3].name = "Loud".into()), "parameters[3].name"),
            (with(|all| all[3].name = "area".into()), "parameters[3].name"),
            (with(|all| all[3].r#type = 0), "parameters[3].type"),
            (with(|all| all[3].r#type = 77), "parameters[3].type"),
            (with(|all| all[3].choices = vec!["x".into()]), "parameters[3].choices"),
            (with(|all| all[1].choices.clear()), "parameters[1].choices"),
            (with(|all| all[2].default_value = Some(wire(json!("2")))), "parameters[2].default_value"),
        ] {
            let status = refused(alice.publishes_with(&flow.name, parameters).await, WRONG, "INVALID_ARGUMENT");
            assert!(status.fields().contains(&field.to_owned()), "{field}: {:?}", status.fields());
        }
        let within = Stage {
            routes: vec![StageRoute { condition: "data.x == \"a {{area}}\"".into(), ..to("") }, to("")],
            ..human("do")
        };
        let flow = alice.creates_workflow(workflow("Within", &alice.team, [within])).await.unwrap();
        refused(alice.publishes_with(&flow.name, asked_for()).await, WRONG, "INVALID_CONDITION");
        // Without parameters, braces are braces.
        alice.publishes(&flow.name).await.unwrap();
    }

    /// A workflow goes where both sides are managed, while nobody has worked in it.
    async fn a_workflow_changes_hands(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol, dave, erin] = world.people(["alice", "bob", "carol", "dave", "erin"]);
        let make = async || {
            let flow = workflow("Ours", &alice.team, [human("do")]);
            alice.creates_workflow(flow).await.unwrap()
        };
        let flow = make().await;
        refused(alice.transfers(&flow.name, "").await, Code::PermissionDenied, "PERMISSION_DENIED");
        refused(carol.transfers(&flow.name, &dave.team).await, Code::NotFound, "TEAM_NOT_FOUND");
        refused(carol.transfers(&flow.name, &carol.team).await, WRONG, "INVALID_ARGUMENT");
        let mine = carol.transfers(&flow.name, "").await.unwrap();
        assert_eq!((mine.name.clone(), mine.visibility(), mine.owner.clone()), (flow.name.clone(), Visibility::Personal, carol.user.clone()));
        refused(alice.sees_workflow(&flow.name).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
        assert_eq!(carol.sees_revisions(&flow.name).await.unwrap().len(), 1);
        carol.creates_item(item(&flow.name, "Mine")).await.unwrap();
        refused(carol.transfers(&flow.name, &carol.team).await, STATE, "WORKFLOW_HAS_ITEMS");

        let flow = make().await;
        world.assign("carol", "payments", "lead").await;
        refused(carol.transfers(&flow.name, &dave.team).await, Code::PermissionDenied, "PERMISSION_DENIED");
        world.assign("carol", "payments", "admin").await;
        let theirs = carol.transfers(&flow.name, &dave.team).await.unwrap();
        assert_eq!(theirs.team, dave.team);
        dave.creates_item(item(&flow.name, "Theirs")).await.unwrap();
        refused(bob.sees_workflow(&flow.name).await, Code::NotFound, "WORKFLOW_NOT_FOUND");

        let everyone = |name: &str| TransferWorkflowRequest { name: name.to_owned(), visibility: Visibility::Global.into(), ..Default::default() };
        let flow = make().await;
        refused(carol.workflows().transfer_workflow(everyone(&flow.name)).await, Code::PermissionDenied, "PERMISSION_DENIED");
        world.assign("erin", "core", "admin").await;
        erin.workflows().transfer_workflow(everyone(&flow.name)).await.unwrap();
        assert_eq!(dave.sees_workflow(&flow.name).await.unwrap().visibility(), Visibility::Global);
        let helped = alice.creates_workflow(workflow("Helped", &alice.team, [assist("a"), human("do")])).await.unwrap();
        let status = refused(erin.workflows().transfer_workflow(everyone(&helped.name)).await, WRONG, "INVALID_ARGUMENT");
        assert_eq!(status.fields(), ["visibility"]);
        let role = Assignment { r#type: AssignmentType::Role.into(), role: "lead".into(), ..Default::default() };
        let ours = workflow("Ours", &alice.team, [Stage { assignment: Some(role), ..human("do") }]);
        let ours = alice.creates_workflow(ours).await.unwrap();
        let status = refused(carol.transfers(&ours.name, "").await, WRONG, "INVALID_ARGUMENT");
        assert_eq!(status.fields(), ["visibility"]);
    }
}
