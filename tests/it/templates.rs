//! The shipped templates.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use api::workflow::{Stage, StageRoute, StageType, WorkItem, WorkItemState, Workflow};
use serde_json::{Map, Value, json};
use testkit::world::shapes::{data, item_on};
use testkit::world::{Person, World};

const SHIPPED: usize = 6;

/// What makes each condition of the shipped templates hold.
fn facts(condition: &str) -> Value {
    match condition {
        "data.duplicate == true" => json!({"duplicate": true}),
        "data.diagnosis_wrong == true" => json!({"diagnosis_wrong": true}),
        "data.plan_approved == false" => json!({"plan_approved": false}),
        "data.rehearsal == \"failed\"" => json!({"rehearsal": "failed"}),
        "data.rolled_back == true" => json!({"rolled_back": true}),
        "data.severity == \"none\"" => json!({"severity": "none"}),
        "data.mitigated == false" => json!({"mitigated": false}),
        "data.runbook_outdated == true" => json!({"runbook_outdated": true}),
        "data.verdict == \"changes_requested\"" => json!({"verdict": "changes_requested"}),
        "data.slices_left > 0" => json!({"slices_left": 2}),
        "data.internal_only == true" => json!({"internal_only": true}),
        "data.needs_redraft == true" => json!({"needs_redraft": true}),
        unknown => panic!("nobody knows how to fulfil {unknown}"),
    }
}

/// Data that lets `stage` choose exactly this route: its condition holds, no other does.
fn chooses(stage: &Stage, route: &StageRoute) -> Value {
    let conditions = stage.routes.iter().map(|route| route.condition.as_str());
    let conditional = conditions.filter(|condition| !condition.is_empty());
    let keys = conditional.flat_map(|condition| match facts(condition) {
        Value::Object(facts) => facts.into_iter().map(|(key, _)| key).collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let mut all: Map<_, _> = keys.map(|key| (key, Value::Null)).collect();
    if let (false, Value::Object(wanted)) = (route.condition.is_empty(), facts_of(route)) {
        all.extend(wanted);
    }
    Value::Object(all)
}

fn facts_of(route: &StageRoute) -> Value {
    if route.condition.is_empty() { json!({}) } else { facts(&route.condition) }
}

/// Stage and number of a route there.
type Step = (String, usize);

/// The fewest routes from the first stage to each stage.
fn ways(flow: &Workflow) -> BTreeMap<String, Vec<Step>> {
    let first = flow.stages[0].stage_id.clone();
    let mut ways = BTreeMap::from([(first.clone(), Vec::new())]);
    let mut open = VecDeque::from([first]);
    while let Some(id) = open.pop_front() {
        for (at, route) in stage_of(flow, &id).routes.iter().enumerate() {
            let target = &route.target_stage_id;
            if target.is_empty() || ways.contains_key(target) {
                continue;
            }
            let way = ways[&id].iter().cloned().chain([(id.clone(), at)]).collect();
            ways.insert(target.clone(), way);
            open.push_back(target.clone());
        }
    }
    ways
}

fn stage_of<'a>(flow: &'a Workflow, id: &str) -> &'a Stage {
    flow.stages.iter().find(|stage| stage.stage_id == id).expect("a stage of the workflow")
}

/// Completes the stage an item is at, by this route.
async fn takes(person: &Person, flow: &Workflow, at: &WorkItem, route: usize) -> WorkItem {
    let at = person.awaits_item(&at.name, |item| item.live_run.is_empty()).await;
    let stage = stage_of(flow, &at.stage_id);
    if stage.r#type() == StageType::Human {
        person.claims(&at).await.unwrap();
    }
    let route = &stage.routes[route];
    let moved = person.completes_with(&at, Some(data(chooses(stage, route)))).await.unwrap();
    if route.target_stage_id.is_empty() {
        assert_eq!(moved.state(), WorkItemState::Completed, "{route:?}");
    } else {
        assert_eq!(
            (&moved.stage_id, moved.state()),
            (&route.target_stage_id, WorkItemState::Pending)
        );
    }
    moved
}

testkit::on_both! {
    /// Every shipped template is driven to its end, and every route of it is taken: an item for
    /// each route goes the shortest way there, along it, and on by the default routes.
    async fn every_route_of_every_template_leads_to_the_end(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let (_, repository) = world.shop().await;
        let templates = bob.sees_templates().await.unwrap();
        assert_eq!(templates.len(), SHIPPED);
        for template in templates {
            let flow = bob.instantiates(&template.name).await.unwrap();
            let ways = ways(&flow);
            let routes = flow.stages.iter().flat_map(|stage| {
                (0..stage.routes.len()).map(|at| (stage.stage_id.clone(), at))
            });
            let all: BTreeSet<Step> = routes.collect();
            let mut taken = BTreeSet::new();
            for wanted in &all {
                if taken.contains(wanted) {
                    continue;
                }
                let way = ways.get(&wanted.0).expect("every stage is reached");
                // The first walk is the agent's too; later ones only look at the way.
                let on = if taken.is_empty() { repository.as_str() } else { "" };
                let mut at = bob.creates_item(item_on(&flow.name, "Carts", "", on)).await.unwrap();
                for step in way.iter().chain([wanted]) {
                    assert_eq!(at.stage_id, step.0);
                    at = takes(&bob, &flow, &at, step.1).await;
                    taken.insert(step.clone());
                }
                for _ in 0..20 {
                    if at.state() == WorkItemState::Completed {
                        break;
                    }
                    let default = stage_of(&flow, &at.stage_id).routes.len() - 1;
                    taken.insert((at.stage_id.clone(), default));
                    at = takes(&bob, &flow, &at, default).await;
                }
                assert_eq!(at.state(), WorkItemState::Completed, "{}", template.display_name);
            }
            assert_eq!(taken, all, "{}", template.display_name);
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
