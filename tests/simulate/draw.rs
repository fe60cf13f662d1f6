//! What chance asks for: definitions, and who asks for what next.

use api::workflow::{WorkItemState as State, WorkItemVerb as Verb};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::model::{Ask, Assigned, Model, Role, Route, Stage};

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
pub(crate) fn stages(rng: &mut StdRng) -> Vec<Stage> {
    let count = rng.random_range(1..=4);
    (0..count).map(|at| stage(rng, at, count)).collect()
}

fn stage(rng: &mut StdRng, at: usize, count: usize) -> Stage {
    let assigned = match rng.random_range(0..6) {
        0 => Assigned::Role(*[Role::Member, Role::Developer, Role::Lead].choose(rng).expect("one")),
        1 => Assigned::Person(rng.random_range(0..3)),
        _ => Assigned::Anyone,
    };
    let mut routes = Vec::new();
    for pick in PICKS {
        if rng.random_ratio(1, 4) {
            let target = rng.random_range(0..=count);
            routes.push(Route { pick: Some(pick), target: (target < count).then_some(target) });
        }
    }
    // By the last route everything is reached, and the end.
    routes.push(Route { pick: None, target: (at + 1 < count).then_some(at + 1) });
    Stage { is_agents: rng.random_ratio(1, 4), assigned, routes }
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
    let by = if rng.random_ratio(9, 10) { rng.random_range(0..3) } else { rng.random_range(3..5) };
    let pick = PICKS.choose(rng).copied().unwrap_or("a");
    let is_new =
        model.items.is_empty() || (model.items.len() < MOST_ITEMS && rng.random_ratio(1, 6));
    if is_new {
        let ask = Ask::Create { urgent: rng.random_ratio(1, 3), pick };
        return Step { by, item: model.items.len(), ask };
    }
    let item = rng.random_range(0..model.items.len());
    let here = &model.items[item];
    // Work goes on more often than it is held up.
    let is_open = matches!(here.state, State::Pending | State::Claimed | State::InProgress);
    let any_stage = rng.random_range(0..model.stages.len());
    let is_over = matches!(here.state, State::Completed | State::Failed | State::Cancelled);
    if is_over && rng.random_ratio(1, 4) {
        return Step { by: 0, item, ask: Ask::Plain(Verb::Reopen) };
    }
    let ask = match rng.random_range(0..20) {
        0..=6 if is_open => {
            let stage = if rng.random_ratio(9, 10) { here.stage } else { any_stage };
            Ask::Complete { stage, pick }
        }
        7 | 8 => Ask::Return { stage: any_stage },
        9 => Ask::Assign { to: rng.random_range(0..4) },
        10 => Ask::Rerun,
        11 => Ask::Update { urgent: rng.random_ratio(1, 2) },
        12..=14 => Ask::Plain(Verb::Claim),
        _ => Ask::Plain(PLAIN.choose(rng).copied().unwrap_or(Verb::Claim)),
    };
    // Whoever has it goes on with it.
    let by = here.assignee.filter(|_| rng.random_ratio(1, 2)).unwrap_or(by);
    Step { by, item, ask }
}
