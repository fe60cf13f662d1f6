//! Figures of a workflow.

use api::workflow::WorkflowAnalytics;
use testkit::world::shapes::{human, item, workflow};
use testkit::world::{World, refused};
use tonic::Code;

testkit::on_both! {
    /// A workflow without items has zeros for each of its stages.
    async fn an_empty_workflow_has_zeros(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let flow = workflow("Work", &alice.team, [human("one"), human("two")]);
        let flow = alice.creates_workflow(flow).await.unwrap();

        let figures = alice.sees_analytics(&flow.name).await.unwrap();

        let WorkflowAnalytics { total, completed, in_progress, cancelled, failed, stages, .. } = figures;
        assert_eq!((total, completed, in_progress, cancelled, failed), (0, 0, 0, 0, 0));
        let ids: Vec<_> = stages.iter().map(|stage| stage.stage_id.as_str()).collect();
        assert_eq!(ids, ["one", "two"]);
        assert!(stages.iter().all(|stage| stage.entered == 0 && stage.mean_seconds == 0.0));
    }

    /// Items are counted by where they stand, and stays by how they ended.
    async fn items_and_stays_are_counted(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, gus] = world.people(["alice", "bob", "gus"]);
        let flow = workflow("Work", &alice.team, [human("one"), human("two")]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let mut items = Vec::new();
        for at in 0..5 {
            items.push(bob.creates_item(item(&flow.name, &format!("Item {at}"))).await.unwrap());
        }
        for item in &items[..3] {
            let next = bob.does(item).await.unwrap();
            assert_eq!(next.stage_id, "two");
        }
        for item in &items[..2] {
            let item = bob.sees_item(&item.name).await.unwrap();
            bob.does(&item).await.unwrap();
        }
        bob.cancels(&items[3]).await.unwrap();

        let figures = gus.sees_analytics(&flow.name).await.unwrap();

        assert_eq!((figures.total, figures.completed), (5, 2));
        assert_eq!((figures.in_progress, figures.cancelled, figures.failed), (2, 1, 0));
        assert!(figures.mean_cycle_seconds > 0.0);
        let counts: Vec<_> = figures
            .stages
            .iter()
            .map(|s| (s.stage_id.as_str(), s.entered, s.completed, s.left_otherwise, s.in_stage_now))
            .collect();
        assert_eq!(counts, [("one", 5, 3, 1, 1), ("two", 3, 2, 0, 1)]);
        assert!(figures.stages.iter().all(|stage| stage.mean_seconds > 0.0));
    }

    /// Whoever cannot see a workflow sees no figures of it.
    async fn figures_are_seen_with_the_workflow(db: TestDb) {
        let world = World::start(db).await;
        let [alice, dave] = world.people(["alice", "dave"]);
        let flow = workflow("Work", &alice.team, [human("one")]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        refused(dave.sees_analytics(&flow.name).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
    }
}
