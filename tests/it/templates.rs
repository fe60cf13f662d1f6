//! The shipped templates.

use api::workflow::{StageType, WorkItemState};
use testkit::world::World;
use testkit::world::shapes::item;

const SHIPPED: usize = 6;

testkit::on_both! {
    /// Every shipped template can be walked from its first stage to the end.
    async fn every_template_leads_to_completion(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let templates = bob.sees_templates().await.unwrap();
        assert_eq!(templates.len(), SHIPPED);
        for template in templates {
            assert!(template.stages.iter().any(|stage| stage.r#type() != StageType::Human));
            let flow = bob.instantiates(&template.name).await.unwrap();
            let mut at = bob.creates_item(item(&flow.name, "A walk")).await.unwrap();
            for _ in 0..20 {
                if at.state() == WorkItemState::Completed {
                    break;
                }
                // Without a repository the agent can only say so; the item goes on.
                at = bob.awaits_item(&at.name, |item| item.live_run.is_empty()).await;
                let stage = flow.stages.iter().find(|stage| stage.stage_id == at.stage_id);
                at = match stage.expect("a stage of the workflow").r#type() {
                    StageType::Human => bob.does(&at).await.unwrap(),
                    _ => bob.completes(&at).await.unwrap(),
                };
            }
            assert_eq!(at.state(), WorkItemState::Completed, "{}", template.display_name);
        }
    }

    /// A second start seeds nothing anew.
    async fn templates_are_seeded_once(db: TestDb) {
        let mut world = World::start(db).await;
        let before = world.person("erin").sees_templates().await.unwrap();
        world.restart().await;
        assert_eq!(world.person("erin").sees_templates().await.unwrap(), before);
    }
}
