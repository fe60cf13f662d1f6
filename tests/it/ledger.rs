//! What is recorded of a workflow agrees with itself, and where it does not, that is found.

use std::collections::BTreeSet;

use api::workflow::{LedgerReport, LedgerRule, Stage, StageRoute, VerifyLedgerRequest, WorkItem};
use serde_json::json;
use testkit::world::shapes::{data, human, item, to, workflow};
use testkit::world::{Person, World, refused};
use tonic::{Code, Response, Status};

pub(crate) async fn verifies(person: &Person, flow: &str) -> Result<LedgerReport, Status> {
    let request = VerifyLedgerRequest { name: flow.to_owned() };
    person.analytics().verify_ledger(request).await.map(Response::into_inner)
}

/// A workflow whose second stage sends items back to the first when its data says so.
pub(crate) async fn looping(world: &World) -> String {
    let alice = world.person("alice");
    let back = StageRoute { condition: "data.again == true".into(), ..to("do") };
    let check = Stage { routes: vec![back, to("")], ..human("check") };
    let flow = workflow("Work", &alice.team, [human("do"), check]);
    alice.creates_workflow(flow).await.unwrap().name
}

/// Claims an item, and completes its stage with that answer to whether it goes back.
pub(crate) async fn checks(person: &Person, item: &WorkItem, again: bool) -> WorkItem {
    let claimed = person.claims(item).await.unwrap();
    person.completes_with(&claimed, Some(data(json!({ "again": again })))).await.unwrap()
}

/// Items that were finished, sent back, cancelled, claimed and only created.
async fn history(world: &World) -> String {
    let bob = world.person("bob");
    let flow = looping(world).await;
    let new = async |title: &str| bob.creates_item(item(&flow, title)).await.unwrap();
    let done = bob.does(&new("done").await).await.unwrap();
    checks(&bob, &done, false).await;
    let back = bob.does(&new("back").await).await.unwrap();
    let back = bob.does(&checks(&bob, &back, true).await).await.unwrap();
    bob.claims(&back).await.unwrap();
    bob.cancels(&new("cancelled").await).await.unwrap();
    new("new").await;
    flow
}

/// What is done to the tables by hand, and which rules that breaks. Of all items the one
/// with the title is meant; `{i}` stands for its id.
const MISTAKES: [(&str, &str, &str, &[LedgerRule]); 9] = [
    (
        "an item at another stage",
        "new",
        "update work_item set stage_id = 'check' where id = {i}",
        &[
            LedgerRule::OpenStay,
            LedgerRule::LastState,
            LedgerRule::StageBalance,
            LedgerRule::Figures,
        ],
    ),
    (
        "an item in another state",
        "back",
        "update work_item set state = 'IN_PROGRESS' where id = {i}",
        &[LedgerRule::LastState],
    ),
    (
        "an item that was closed past its history",
        "new",
        "update work_item set state = 'FAILED', closed_at = updated_at where id = {i}",
        &[
            LedgerRule::ClosedStay,
            LedgerRule::LastState,
            LedgerRule::StageBalance,
            LedgerRule::Figures,
        ],
    ),
    (
        "a stay that ended by itself",
        "new",
        "update stage_visit set left_at = entered_at, outcome = 'LEFT' where work_item_id = {i}",
        &[LedgerRule::OpenStay, LedgerRule::Stays, LedgerRule::StageBalance, LedgerRule::Figures],
    ),
    (
        "a stay that goes on after the end",
        "cancelled",
        "update stage_visit set left_at = null, outcome = null where work_item_id = {i}",
        &[LedgerRule::ClosedStay, LedgerRule::Stays, LedgerRule::StageBalance, LedgerRule::Figures],
    ),
    (
        "a stay that took longer than its transition says",
        "done",
        "update stage_visit set left_at = left_at + 1 where work_item_id = {i} and stage_id = 'do'",
        &[LedgerRule::Stays],
    ),
    (
        "a stay that is gone",
        "new",
        "delete from stage_visit where work_item_id = {i}",
        &[LedgerRule::OpenStay, LedgerRule::Stays, LedgerRule::StageBalance, LedgerRule::Figures],
    ),
    (
        "a transition that is gone",
        "back",
        "delete from transition where work_item_id = {i} and verb = 'claim'",
        &[LedgerRule::Chain, LedgerRule::LastState],
    ),
    (
        "a transition that led elsewhere",
        "done",
        "update transition set to_stage = 'do' where work_item_id = {i} and to_stage = 'check' \
         and verb = 'claim'",
        &[LedgerRule::Chain],
    ),
];

testkit::on_both! {
    /// The ledger of real work is sound, and its numbers are those of the work.
    async fn the_ledger_of_real_work_is_sound(db: TestDb) {
        let world = World::start(db).await;
        let gus = world.person("gus");
        let empty = looping(&world).await;
        let report = verifies(&gus, &empty).await.unwrap();
        assert!(report.sound && report.stages.is_empty() && report.items == 0, "{report:#?}");

        let flow = history(&world).await;
        let report = verifies(&gus, &flow).await.unwrap();
        assert!(report.sound && report.violations.is_empty(), "{report:#?}");
        let numbers: Vec<_> = report
            .stages
            .iter()
            .map(|s| (s.stage_id.as_str(), s.entered, s.left, s.in_stage_now, s.items))
            .collect();
        assert_eq!(numbers, [("check", 3, 2, 1, 1), ("do", 5, 4, 1, 1)]);
        assert_eq!((report.items, report.transitions), (4, 5 + 8 + 2 + 1));
    }

    /// Whatever is changed by hand in a table is found, named by its rule and its item.
    async fn a_row_that_was_changed_by_hand_is_found(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        for (mistake, title, change, rules) in MISTAKES {
            let flow = history(&world).await;
            let items = alice.lists_items(&flow).await.unwrap();
            let broken = items.iter().find(|item| item.title == title).unwrap();
            let id = broken.name.rsplit('/').next().unwrap();
            let id = match world.backend() {
                testkit::database::Backend::Sqlite => format!("x'{}'", id.replace('-', "")),
                testkit::database::Backend::Postgres => format!("'{id}'"),
            };
            world.probe().changes(&change.replace("{i}", &id)).await;
            let report = verifies(&alice, &flow).await.unwrap();
            let found: BTreeSet<_> = report.violations.iter().map(|v| v.rule).collect();
            let expected: BTreeSet<_> = rules.iter().map(|rule| *rule as i32).collect();
            assert!(!report.sound);
            assert_eq!(found, expected, "{mistake}: {report:#?}");
            let named: BTreeSet<_> = report.violations.iter().map(|v| v.work_item.as_str()).collect();
            let known = named.iter().all(|name| name.is_empty() || *name == broken.name);
            assert!(known && named.contains(broken.name.as_str()), "{mistake}: {named:?}");
        }
    }

    /// A ledger with more faults than an answer names says so.
    async fn an_answer_names_a_hundred_faults(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = looping(&world).await;
        for at in 0..101 {
            bob.creates_item(item(&flow, &format!("Item {at}"))).await.unwrap();
        }
        world.probe().changes("update work_item set state = 'BLOCKED'").await;
        let report = verifies(&alice, &flow).await.unwrap();
        assert_eq!((report.violations.len(), report.has_more_violations), (100, true));
        assert!(report.violations.iter().all(|found| found.rule() == LedgerRule::LastState));
    }

    /// Whoever cannot see a workflow sees no ledger of it.
    async fn a_ledger_is_seen_with_the_workflow(db: TestDb) {
        let world = World::start(db).await;
        let dave = world.person("dave");
        let flow = looping(&world).await;
        refused(verifies(&dave, &flow).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
    }
}
