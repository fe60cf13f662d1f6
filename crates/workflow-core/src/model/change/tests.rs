use std::sync::Arc;
use std::time::Duration;

use primitives::{TeamId, Tenant, WorkflowId};
use proptest::prelude::*;

use super::*;
use crate::model::{
    AgentOutput, Assignment, Definition, Pauses, Settings, StageId, StageRoute, StageType,
};

fn stage(id: &str, kind: StageType, to: Option<&str>) -> Stage {
    Stage {
        id: StageId(id.into()),
        display_name: id.to_uppercase(),
        description: String::new(),
        kind,
        assignment: Assignment::Anyone,
        routes: vec![StageRoute {
            condition: None,
            target: to.map(|to| StageId(to.into())),
            description: String::new(),
        }],
        agent_prompt: String::new(),
        agent_target_path: String::new(),
        agent_model_hint: String::new(),
        agent_output: AgentOutput::Plan,
        auto_apply_set_by: None,
        wip_limit: 0,
        wip_limit_per_person: 0,
        form: None,
        sla_minutes: 0,
        approval: None,
        auto_advance: None,
    }
}

fn workflow(stages: Vec<Stage>, creator: UserId) -> Workflow {
    Workflow {
        id: WorkflowId::generate(),
        tenant: Tenant::Team(TeamId::generate()),
        is_template: false,
        seed_key: None,
        display_name: "Bugs".into(),
        description: String::new(),
        icon: String::new(),
        category: String::new(),
        tags: vec![],
        definition: Definition { stages, triggers: vec![], parameters: vec![] },
        revision: 3,
        source: None,
        settings: Settings::default(),
        creator,
        created_at: at(0),
        updated_at: at(0),
        deleted_at: None,
        version: 1,
        item_key: "BUG".into(),
        last_number: 0,
    }
}

fn three_stages() -> Vec<Stage> {
    vec![
        stage("intake", StageType::Human, Some("agent")),
        stage("agent", StageType::AgentAssist, Some("fix")),
        stage("fix", StageType::Human, None),
    ]
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(0) + Duration::from_secs(seconds)
}

fn created(stages: Vec<Stage>, creator: UserId) -> (LockedItem, Change, Visit) {
    let workflow = workflow(stages, creator);
    let first = &workflow.definition.stages[0];
    let item = WorkItem::new(&workflow, first, creator, at(0));
    let (change, visit) = Change::first(item, first, String::new());
    let row = LockedItem {
        item: change.item.clone(),
        definition: Arc::new(workflow.definition.clone()),
        workflow_name: workflow.display_name,
        item_key: workflow.item_key,
        pauses: Pauses::default(),
    };
    (row, change, visit)
}

fn by(actor: UserId, seconds: u64) -> Move<'static> {
    Move { actor, now: at(seconds), note: String::new(), to: None }
}

#[test]
fn a_new_item_waits_at_the_first_stage_of_the_newest_revision() {
    let creator = UserId::generate();
    let (_, change, visit) = created(three_stages(), creator);
    let item = &change.item;
    assert_eq!((item.state, &item.stage.0[..], item.revision), (ItemState::Pending, "intake", 3));
    assert_eq!((visit.id, &visit.stage, visit.item), (item.visit, &item.stage, item.id));
    assert_eq!(
        (&change.transition.from, &change.transition.to),
        (&None, &Some(item.stage.clone()))
    );
    assert_eq!((change.transition.verb, change.transition.actor), ("create", creator));
    assert!(change.order.is_none() && item.live_run.is_none());
}

#[test]
fn an_agent_stage_that_comes_first_gets_its_run() {
    let creator = UserId::generate();
    let (_, change, visit) = created(vec![stage("agent", StageType::CodeReview, None)], creator);
    let order = change.order.expect("a run");
    assert_eq!((order.principal, order.visit), (creator, visit.id));
    assert_eq!(change.item.live_run, Some(order.run));
}

#[test]
fn completing_moves_on_and_frees_the_item() {
    let (creator, bob) = (UserId::generate(), UserId::generate());
    let (mut row, _, first) = created(three_stages(), creator);
    row.item = Change::decide(&row, ItemEvent::Claim, by(bob, 10)).unwrap().item;
    assert_eq!((row.item.assignee, row.item.claimed_at), (Some(bob), Some(at(10))));
    row.item = Change::decide(&row, ItemEvent::Start, by(bob, 20)).unwrap().item;

    let to = row.definition.stages[1].clone();
    let event = ItemEvent::CompleteStage { unclaimed: false, to_agent: true };
    let change = Change::decide(&row, event, Move { to: Some(&to), ..by(bob, 60) }).unwrap();
    let item = &change.item;
    assert_eq!((item.state, &item.stage.0[..]), (ItemState::Pending, "agent"));
    assert_eq!((item.assignee, item.claimed_at, item.entered_stage_at), (None, None, at(60)));
    let left = change.left.expect("the stay ended");
    assert_eq!((left.visit, left.outcome, left.time), (first.id, VisitOutcome::Completed, at(60)));
    let entered = change.entered.expect("a stay began");
    assert_eq!((entered.id, &entered.stage.0[..]), (item.visit, "agent"));
    assert_ne!(entered.id, first.id);
    assert_eq!(change.transition.in_stage, Some(Duration::from_mins(1)));
    let order = change.order.expect("the agent runs");
    assert_eq!((order.principal, order.visit, &order.stage_id[..]), (bob, entered.id, "agent"));
    assert_eq!(item.live_run, Some(order.run));
    assert!(!change.stop_runs);
}

#[test]
fn the_last_completion_closes_the_item_where_it_is() {
    let bob = UserId::generate();
    let (mut row, ..) = created(vec![stage("only", StageType::Human, None)], bob);
    row.item = Change::decide(&row, ItemEvent::Claim, by(bob, 1)).unwrap().item;
    let finish = ItemEvent::Finish { unclaimed: false };
    let change = Change::decide(&row, finish, by(bob, 2)).unwrap();
    assert_eq!((change.item.state, &change.item.stage.0[..]), (ItemState::Completed, "only"));
    assert_eq!((change.item.closed_at, change.transition.to.clone()), (Some(at(2)), None));
    assert_eq!(change.item.assignee, Some(bob), "who did it stays known");
    assert!(change.entered.is_none() && change.order.is_none());
}

#[test]
fn cancelling_leaves_the_stay_and_stops_the_run() {
    let bob = UserId::generate();
    let (row, ..) = created(vec![stage("agent", StageType::AgentAssist, None)], bob);
    let change = Change::decide(&row, ItemEvent::Cancel, by(bob, 5)).unwrap();
    assert_eq!(change.item.state, ItemState::Cancelled);
    assert_eq!(change.left.map(|left| left.outcome), Some(VisitOutcome::Left));
    assert!(change.stop_runs && change.item.live_run.is_none());
}

#[test]
fn a_rerun_changes_nothing_but_the_run() {
    let (creator, carol) = (UserId::generate(), UserId::generate());
    let (row, ..) = created(vec![stage("agent", StageType::AgentAssist, None)], creator);
    let rerun = ItemEvent::RerunAgent { agent_stage: true };
    let change = Change::decide(&row, rerun, by(carol, 5)).unwrap();
    let order = change.order.expect("a run");
    assert_eq!((order.principal, order.visit), (carol, row.item.visit));
    assert!(change.left.is_none() && change.entered.is_none());
    let same =
        WorkItem { live_run: row.item.live_run, updated_at: row.item.updated_at, ..change.item };
    assert_eq!(same, row.item);
}

proptest! {
    /// Whatever is tried in whatever order, an item is always at a stage of its definition,
    /// has exactly one open stay while it is open, and never comes back from the end.
    #[test]
    fn no_sequence_loses_the_stage(verbs in prop::collection::vec(0..6_u8, 1..80)) {
        let bob = UserId::generate();
        let (mut row, _, visit) = created(three_stages(), bob);
        let definition = Arc::clone(&row.definition);
        let mut open = vec![visit.id];
        for (seconds, verb) in verbs.into_iter().enumerate() {
            let here = definition.stage(&row.item.stage).expect("a stage of the definition");
            let (agent_stage, unclaimed) = (here.kind.runs_agent(), here.kind.is_unclaimed());
            let to = here.routes[0].target.as_ref().and_then(|id| definition.stage(id));
            let event = match (verb, to) {
                (0, _) => ItemEvent::Claim,
                (1, _) => ItemEvent::Start,
                (2, _) => ItemEvent::RerunAgent { agent_stage },
                (3, _) if seconds > 40 => ItemEvent::Cancel,
                (_, Some(to)) => {
                    ItemEvent::CompleteStage { unclaimed, to_agent: to.kind.runs_agent() }
                }
                (_, None) => ItemEvent::Finish { unclaimed },
            };
            let closed = row.item.state.is_closed();
            let by = Move { to, ..by(bob, seconds as u64) };
            let Ok(change) = Change::decide(&row, event, by) else { continue };
            prop_assert!(!closed);
            if let Some(left) = change.left {
                prop_assert_eq!(open.pop(), Some(left.visit));
            }
            open.extend(change.entered.as_ref().map(|visit| visit.id));
            prop_assert_eq!(open.len(), usize::from(!change.item.state.is_closed()));
            prop_assert!(definition.stage(&change.item.stage).is_some());
            prop_assert_eq!(change.item.closed_at.is_some(), change.item.state.is_closed());
            row.item = change.item;
        }
    }
}
