//! The ledger of a workflow: what its history, its stays and its items say of each stage, and
//! whether they agree.
//!
//! Three records of the same facts are kept with every move: transitions, stays, and the item
//! itself. Nothing here mends anything; it says where they part.

use primitives::WorkItemId;

use super::{StageId, WorkflowFigures};

/// What each record says of one stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageLedger {
    /// Transitions that came to it, and that left it.
    pub entered: u64,
    pub left: u64,
    /// Stays that began, ended, and go on.
    pub stays: u64,
    pub stays_ended: u64,
    pub in_stage: u64,
    /// Transitions that came to it with an item that had come before.
    pub came_again: u64,
    /// Open items that say that they are there.
    pub items: u64,
}

/// Items counted by the last transition of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recount {
    pub transitions: u64,
    /// Items with any.
    pub total: u64,
    pub completed: u64,
    pub cancelled: u64,
    pub failed: u64,
}

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LedgerRule {
    /// An open item has exactly one open stay: its own, at its stage.
    OpenStay,
    /// A closed item has no open stay.
    ClosedStay,
    /// Each transition begins where the one before ended; the first creates the item.
    Chain,
    /// The last transition leads to where the item is.
    LastState,
    /// Transitions and stays tell the same of an item at a stage: how often it came and left,
    /// and for how long it was there.
    Stays,
    /// Entered − left = in stage now, by transitions, by stays, and by items.
    StageBalance,
    /// Figures equal a full recount of the transitions.
    Figures,
}

/// Where a rule does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    pub rule: LedgerRule,
    /// `None` for rules about a stage or the whole workflow.
    pub item: Option<WorkItemId>,
    /// `None` for rules about no stage.
    pub stage: Option<StageId>,
}

/// What storage found, all of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// By id.
    pub stages: Vec<(StageId, StageLedger)>,
    pub recount: Recount,
    /// Of the whole life, from the statements that answer for figures.
    pub figures: WorkflowFigures,
    /// Items that break a rule: at most as many of each as asked for.
    pub broken: Vec<Violation>,
}

impl Ledger {
    /// All violations, those of stages and figures before those of items.
    pub fn violations(self) -> Vec<Violation> {
        let mut found: Vec<_> = self.stages.iter().filter_map(unbalanced).collect();
        found.extend(self.miscounted());
        found.extend(self.broken);
        found
    }

    fn miscounted(&self) -> Vec<Violation> {
        let (told, counted) = (&self.figures, &self.recount);
        let open =
            counted.total.checked_sub(counted.completed + counted.cancelled + counted.failed);
        let of_items = told.total == counted.total
            && told.completed == counted.completed
            && told.cancelled == counted.cancelled
            && told.failed == counted.failed
            && Some(told.in_progress) == open;
        let violation = |stage| Violation { rule: LedgerRule::Figures, item: None, stage };
        let mut found: Vec<_> = (!of_items).then(|| violation(None)).into_iter().collect();
        for (stage, counted) in &self.stages {
            let told = told.stages.iter().find(|(id, _)| id == stage);
            let told = told.map(|(_, told)| told.clone()).unwrap_or_default();
            let is_right = told.entered == counted.entered
                && told.completed + told.left_otherwise == counted.left
                && told.in_stage_now == counted.items
                && told.reworked == counted.came_again
                && told.lengths.count == counted.left
                && told.first.count + told.rework.count == counted.left;
            if !is_right {
                found.push(violation(Some(stage.clone())));
            }
        }
        found
    }
}

fn unbalanced((stage, ledger): &(StageId, StageLedger)) -> Option<Violation> {
    let by_transitions = ledger.entered.checked_sub(ledger.left);
    let by_stays = ledger.stays.checked_sub(ledger.stays_ended);
    let is_balanced = [by_transitions, by_stays, Some(ledger.items)]
        .iter()
        .all(|number| *number == Some(ledger.in_stage));
    let violation =
        Violation { rule: LedgerRule::StageBalance, item: None, stage: Some(stage.clone()) };
    (!is_balanced).then_some(violation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Lengths, StageFigures};

    fn sound() -> Ledger {
        let lengths = |count| Lengths { count, ..Lengths::default() };
        let told = StageFigures {
            entered: 5,
            completed: 2,
            left_otherwise: 1,
            in_stage_now: 2,
            reworked: 1,
            lengths: lengths(3),
            first: lengths(2),
            rework: lengths(1),
        };
        let stage = StageLedger {
            entered: 5,
            left: 3,
            stays: 5,
            stays_ended: 3,
            in_stage: 2,
            came_again: 1,
            items: 2,
        };
        let id = StageId("do".into());
        Ledger {
            stages: vec![(id.clone(), stage)],
            recount: Recount { transitions: 9, total: 4, completed: 1, cancelled: 1, failed: 0 },
            figures: WorkflowFigures {
                total: 4,
                completed: 1,
                cancelled: 1,
                in_progress: 2,
                stages: vec![(id, told)],
                ..WorkflowFigures::default()
            },
            broken: Vec::new(),
        }
    }

    /// Every number counts: one that is wrong by one is found.
    #[test]
    fn each_number_is_compared() {
        assert_eq!(sound().violations(), []);
        let mistakes: [fn(&mut Ledger); 16] = [
            |l| l.stages[0].1.entered += 1,
            |l| l.stages[0].1.left += 1,
            |l| l.stages[0].1.stays += 1,
            |l| l.stages[0].1.stays_ended += 1,
            |l| l.stages[0].1.in_stage += 1,
            |l| l.stages[0].1.came_again += 1,
            |l| l.stages[0].1.items += 1,
            |l| l.recount.total += 1,
            |l| l.recount.completed += 1,
            |l| l.recount.cancelled += 1,
            |l| l.recount.failed += 1,
            |l| l.figures.in_progress += 1,
            |l| l.figures.stages[0].1.completed += 1,
            |l| l.figures.stages[0].1.lengths.count += 1,
            |l| l.figures.stages[0].1.rework.count += 1,
            |l| l.figures.stages.clear(),
        ];
        for (at, mistake) in mistakes.into_iter().enumerate() {
            let mut ledger = sound();
            mistake(&mut ledger);
            assert_ne!(ledger.violations(), [], "mistake {at}");
        }
    }
}
