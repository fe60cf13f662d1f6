//! What chance asks for: definitions, and who asks for what next.

use std::collections::BTreeMap;

use api::workflow::{WorkItemState as State, WorkItemVerb as Verb};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::model::{Ask, Model, RERUN, ROLES, Stage, UPDATE};

/// Words that routes look for.
const PICKS: [&str; 3] = ["a", "b", "c"];
const PLAIN: [Verb; 8] = [
    Verb::Claim,
    Verb::Start,
    Verb::Release,
    Verb::Block,
    Verb::Unblock,
    Verb::Fail,
    Verb::Cancel,
    Verb::Reopen,
];
/// Those who work are the first of the people.
const WORKERS: usize = 4;
const PEOPLE: usize = 6;
/// Items of one workflow.
const MOST_ITEMS: usize = 3;
/// Tries to find something that can be done.
const TRIES: usize = 12;

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) by: usize,
    pub(crate) item: usize,
    pub(crate) ask: Ask,
}

/// Stages that follow each other, with ways that lead elsewhere.
pub(crate) fn stages(rng: &mut StdRng) -> BTreeMap<usize, Stage> {
    let ids: Vec<usize> = (0..rng.random_range(1..=4)).collect();
    (0..ids.len()).map(|at| (ids[at], stage(rng, at, &ids))).collect()
}

fn stage(rng: &mut StdRng, at: usize, ids: &[usize]) -> Stage {
    let (mut role, mut person) = (None, None);
    match rng.random_range(0..6) {
        0 => role = Some(rng.random_range(2..ROLES.len())),
        1 => person = Some(rng.random_range(0..WORKERS)),
        _ => {}
    }
    let mut routes = Vec::new();
    for pick in PICKS {
        if rng.random_ratio(1, 4) {
            routes.push((Some(pick), ids.get(rng.random_range(0..=ids.len())).copied()));
        }
    }
    // By the last route everything is reached, and the end.
    routes.push((None, ids.get(at + 1).copied()));
    let kind = rng.random_range(0..10);
    let most = if person.is_some() { 1 } else { 2 };
    let quorum = if kind >= 6 { rng.random_range(1..=most) } else { 0 };
    Stage { is_agents: kind <= 2, quorum, role, person, routes }
}

/// The next call: mostly one that can be carried out.
pub(crate) fn step(rng: &mut StdRng, model: &Model) -> Step {
    let mut last = any(rng, model);
    for _ in 0..TRIES {
        if rng.random_ratio(1, 8) || model.clone().ask(last.by, last.item, last.ask).is_ok() {
            break;
        }
        last = any(rng, model);
    }
    last
}

fn any(rng: &mut StdRng, model: &Model) -> Step {
    let is_known = rng.random_ratio(9, 10);
    let who = if is_known { 0..WORKERS } else { WORKERS..PEOPLE };
    let by = rng.random_range(who);
    let plain = Ask {
        verb: Verb::Create,
        stage: 0,
        to: rng.random_range(0..=WORKERS),
        pick: PICKS.choose(rng).copied().unwrap_or("a"),
        urgent: rng.random_ratio(1, 3),
    };
    let is_new =
        model.items.is_empty() || (model.items.len() < MOST_ITEMS && rng.random_ratio(1, 6));
    if is_new {
        return Step { by, item: model.items.len(), ask: plain };
    }
    let item = rng.random_range(0..model.items.len());
    let here = &model.items[item];
    // Work goes on more often than it is held up.
    let is_open = matches!(here.state, State::Pending | State::Claimed | State::InProgress);
    let is_over = !is_open && here.state != State::Blocked;
    if is_over && rng.random_ratio(1, 4) {
        return Step { by: 0, item, ask: Ask { verb: Verb::Reopen, ..plain } };
    }
    let is_voted = model.stage(here).quorum > 0;
    let ids: Vec<usize> = model.revisions[model.newest].keys().copied().collect();
    let any_stage = ids.choose(rng).copied().unwrap_or(0);
    let stage = if rng.random_ratio(9, 10) { here.stage } else { any_stage };
    let verb = match rng.random_range(0..20) {
        0..=4 if is_voted => Verb::Approve,
        5 | 6 if is_voted => Verb::Reject,
        0..=6 if is_open => Verb::CompleteStage,
        7 | 8 => Verb::Return,
        9 => Verb::Assign,
        10 => RERUN,
        11 => UPDATE,
        12..=14 => Verb::Claim,
        _ => PLAIN.choose(rng).copied().unwrap_or(Verb::Claim),
    };
    let stage = if verb == Verb::Return { any_stage } else { stage };
    // Whoever has it goes on with it.
    let by = here.assignee.filter(|_| rng.random_ratio(1, 2)).unwrap_or(by);
    Step { by, item, ask: Ask { verb, stage, ..plain } }
}
