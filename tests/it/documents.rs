//! Definitions as documents: out of one place, into another, the same.

use api::permissions::Visibility;
use api::workflow::{ImportWorkflowRequest, Stage, StageRoute, Workflow};
use testkit::world::shapes::{assist, human, on, to, workflow};
use testkit::world::{Refused as _, World, refused};
use tonic::Code;

use crate::flows::DOCUMENT;

const WRONG: Code = Code::InvalidArgument;

/// What of a workflow is in its document.
fn said(workflow: &Workflow) -> Workflow {
    let mut said = Workflow {
        display_name: workflow.display_name.clone(),
        description: workflow.description.clone(),
        icon: workflow.icon.clone(),
        category: workflow.category.clone(),
        tags: workflow.tags.clone(),
        item_key: workflow.item_key.clone(),
        stages: workflow.stages.clone(),
        triggers: workflow.triggers.clone(),
        allow_manual_creation: workflow.allow_manual_creation,
        ..Default::default()
    };
    said.triggers.iter_mut().for_each(|trigger| trigger.name.clear());
    said
}

testkit::on_both! {
    /// A document says all of a definition: imported, it is the same, and says the same.
    async fn a_definition_goes_out_and_in_unchanged(db: TestDb) {
        let world = World::start(db).await;
        let [alice, dave] = world.people(["alice", "dave"]);
        let think = Stage {
            agent_prompt: "Look:\n  - at \"this\": #1\n\n".into(),
            agent_target_path: "src/cart.rs".into(),
            agent_auto_apply: true,
            ..assist("think")
        };
        let judge = Stage {
            routes: vec![StageRoute { condition: "data.level == 'high'".into(), description: "up: yes".into(), ..to("think") }, to("")],
            ..human("judge")
        };
        let flow = workflow("Größe: yes ✓", &alice.team, [human("in"), think, judge]);
        let mut flow = on(flow, &["agent.apply.success"]);
        flow.description = "null".into();
        flow.tags = vec!["1e3".into(), "- x".into()];
        flow.allow_manual_creation = Some(false);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let document = alice.exports(&flow.name).await.unwrap();
        assert!(document.starts_with("kind: elohim.workflow/v1\n"), "{document}");
        for hidden in [&alice.user, &alice.team, &flow.name] {
            assert!(!document.contains(hidden.as_str()), "{document}");
        }
        let copy = dave.imports(&document).await.unwrap();
        assert_eq!((copy.team.clone(), copy.revision), (dave.team.clone(), 1));
        assert_eq!(said(&copy), said(&flow));
        assert_eq!(dave.exports(&copy.name).await.unwrap(), document);
        for template in alice.sees_templates().await.unwrap() {
            let made = alice.instantiates(&template.name).await.unwrap();
            let document = alice.exports(&made.name).await.unwrap();
            assert_eq!(said(&alice.imports(&document).await.unwrap()), said(&made));
        }
    }

    /// An import is judged as a creation is, needs more rights, and can be tried out.
    async fn an_import_is_judged(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        refused(bob.imports(DOCUMENT).await, Code::PermissionDenied, "PERMISSION_DENIED");
        let before = world.probe().dump_without_audit().await;
        let tried = ImportWorkflowRequest {
            document: DOCUMENT.into(),
            visibility: Visibility::Team.into(),
            team: alice.team.clone(),
            validate_only: true,
            ..Default::default()
        };
        let shown = alice.workflows().import_workflow(tried).await.unwrap().into_inner();
        assert_eq!((shown.name.as_str(), shown.display_name.as_str()), ("", "Imported"));
        for (document, reason, field) in [
            (String::new(), "INVALID_DOCUMENT", "document"),
            ("kind: [".into(), "INVALID_DOCUMENT", "document"),
            (DOCUMENT.replace("v1", "v9"), "INVALID_DOCUMENT", "document"),
            (DOCUMENT.replace("HUMAN", "ROBOT"), "INVALID_DOCUMENT", "document"),
            (DOCUMENT.replace("    type", "    colour: red\n    type"), "INVALID_DOCUMENT", "document"),
            (DOCUMENT.replace("HUMAN", "AI"), "STAGE_TYPE_NOT_SUPPORTED", "workflow.stages[0].type"),
            (DOCUMENT.replace("Imported", "''"), "INVALID_ARGUMENT", "workflow.display_name"),
        ] {
            let status = refused(alice.imports(&document).await, WRONG, reason);
            assert_eq!(status.fields(), [field], "{document}");
        }
        assert_eq!(world.probe().dump_without_audit().await, before);
    }
}
