//! [`LedgerStore`](workflow_core::store::LedgerStore).

use std::time::Duration;

use permissions::ItemsEdit;
use primitives::{TransitionId, VisitId};
use workflow_core::model::{
    ItemMove, LedgerRule, StageId, StageLedger, Transition, Violation, Visit, VisitEnd,
    VisitOutcome,
};

use super::Stand;
use super::values::{self, at};
use super::workflows::{item as insert, workflow};

/// A move counts in all records alike; one whose transition tells another time than its stay
/// is named, and no other.
pub async fn records_are_counted_against_each_other(stand: Stand) {
    let workflow = workflow(&stand).await;
    let (sound, odd) = (values::item(&workflow, stand.alice), values::item(&workflow, stand.alice));
    let scope = stand.scope(stand.bob);
    for (item, told) in [(&sound, 10), (&odd, 9)] {
        insert(&stand, item).await;
        let visit = VisitId::generate();
        let shown = scope.show(item.clone()).unwrap();
        let moved = stand.clear::<ItemsEdit, _>(stand.bob, shown, |item| {
            item.stage = StageId("assist".into());
            item.visit = visit;
            item.entered_stage_at = at(10);
        });
        let transition = Transition {
            id: TransitionId::generate(),
            from: Some(item.stage.clone()),
            from_state: Some(item.state),
            verb: "complete_stage",
            in_stage: Some(Duration::from_secs(told)),
            time: at(10),
            ..values::creation(&moved)
        };
        let end = VisitEnd { visit: item.visit, outcome: VisitOutcome::Completed, time: at(10) };
        let entered = Visit { id: visit, entered_at: at(10), ..values::stay(&moved) };
        let step = ItemMove { item: moved, transition, left: Some(end), entered: Some(entered) };
        let mut tx = stand.workflow_tx().await;
        tx.save_move(&step).await.unwrap();
        tx.commit().await.unwrap();
    }

    let ledger = stand.ports.workflows.ledger(&scope, workflow.id, 10).await.unwrap();
    let stage = |id: &str| ledger.stages.iter().find(|(stage, _)| stage.0 == id).unwrap().1;
    let left = StageLedger { entered: 2, left: 2, stays: 2, stays_ended: 2, ..Default::default() };
    let there =
        StageLedger { entered: 2, stays: 2, in_stage: 2, items: 2, ..StageLedger::default() };
    assert_eq!((stage("intake"), stage("assist")), (left, there));
    assert_eq!((ledger.recount.transitions, ledger.recount.total), (4, 2));
    let broken = Violation {
        rule: LedgerRule::Stays,
        item: Some(odd.id),
        stage: Some(StageId("intake".into())),
    };
    assert_eq!(ledger.violations(), [broken]);

    let foreign = stand.scope(stand.dave);
    let nothing = stand.ports.workflows.ledger(&foreign, workflow.id, 10).await.unwrap();
    assert_eq!((nothing.stages.len(), nothing.recount.total), (0, 0));
}
