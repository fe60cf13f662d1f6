//! How stages and routes hang together: an item can get everywhere, and from everywhere to
//! the end, whatever conditions say.

use std::collections::HashMap;

use super::faults::Faults;
use crate::model::{Stage, StageId};

const REASON: &str = "INVALID_GRAPH";

pub(super) fn judge(faults: &mut Faults, stages: &[Stage]) {
    let places = places(faults, stages);
    let mut sound = places.len() == stages.len();
    for (at, stage) in stages.iter().enumerate() {
        sound &= routes(faults, at, stage, &places);
    }
    // With a broken edge every stage behind it would be reported as well.
    if sound {
        paths(faults, stages, &places);
    }
}

/// Place of each stage by id; ids are unique.
fn places<'a>(faults: &mut Faults, stages: &'a [Stage]) -> HashMap<&'a StageId, usize> {
    let mut places = HashMap::new();
    for (at, stage) in stages.iter().enumerate() {
        if let Some(first) = places.insert(&stage.id, at) {
            places.insert(&stage.id, first);
            let field = format!("workflow.stages[{at}].stage_id");
            faults.because(REASON, field, format!("is also the id of stages[{first}]"));
        }
    }
    places
}

/// Targets exist; exactly one default, and it is last.
fn routes(
    faults: &mut Faults,
    at: usize,
    stage: &Stage,
    places: &HashMap<&StageId, usize>,
) -> bool {
    let mut sound = !stage.routes.is_empty();
    let last = stage.routes.len().saturating_sub(1);
    for (n, route) in stage.routes.iter().enumerate() {
        let path = format!("workflow.stages[{at}].routes[{n}]");
        if route.target.as_ref().is_some_and(|target| !places.contains_key(target)) {
            sound = false;
            let field = format!("{path}.target_stage_id");
            faults.because(REASON, field, "is not a stage of this workflow");
        }
        match &route.condition {
            None if n != last => {
                let expected = "a default route must be the last: those behind it are never taken";
                faults.because(REASON, format!("{path}.condition"), expected);
            }
            Some(_) if n == last => {
                let expected = "the last route must be a default, without a condition";
                faults.because(REASON, format!("{path}.condition"), expected);
            }
            _ => {}
        }
    }
    let rejected = stage.approval.as_ref().and_then(|approval| approval.reject_to.as_ref());
    if rejected.is_some_and(|target| !places.contains_key(target) || *target == stage.id) {
        sound = false;
        let field = format!("workflow.stages[{at}].approval.reject_stage_id");
        faults.because(REASON, field, "is not another stage of this workflow");
    }
    sound
}

/// Every stage can be reached from the first, and the end from every stage.
fn paths(faults: &mut Faults, stages: &[Stage], places: &HashMap<&StageId, usize>) {
    let targets = |stage: &Stage| -> Vec<usize> {
        let rejected = stage.approval.iter().filter_map(|approval| approval.reject_to.as_ref());
        let targets = stage.routes.iter().filter_map(|route| route.target.as_ref());
        targets.chain(rejected).filter_map(|target| places.get(target).copied()).collect()
    };
    let next: Vec<Vec<usize>> = stages.iter().map(targets).collect();
    let mut before = vec![Vec::new(); stages.len()];
    for (from, targets) in next.iter().enumerate() {
        for to in targets {
            if let Some(sources) = before.get_mut(*to) {
                sources.push(from);
            }
        }
    }
    let ends = |stage: &Stage| stage.routes.iter().any(|route| route.target.is_none());
    let last = stages.iter().enumerate().filter(|(_, stage)| ends(stage)).map(|(at, _)| at);

    let reached = spread(&next, vec![0]);
    let ending = spread(&before, last.collect());
    for (at, (reached, ending)) in reached.into_iter().zip(ending).enumerate() {
        let field = format!("workflow.stages[{at}].stage_id");
        if !reached {
            faults.because(REASON, &field, "cannot be reached from the first stage");
        }
        if !ending {
            let field = format!("workflow.stages[{at}].routes");
            faults.because(REASON, field, "lead in a circle: no route leads to the end");
        }
    }
}

/// Which places can be reached from `start` along `edges`.
fn spread(edges: &[Vec<usize>], start: Vec<usize>) -> Vec<bool> {
    let mut reached = vec![false; edges.len()];
    let mut open = start;
    while let Some(at) = open.pop() {
        let Some(seen) = reached.get_mut(at) else { continue };
        if !std::mem::replace(seen, true) {
            open.extend(edges.get(at).into_iter().flatten());
        }
    }
    reached
}
