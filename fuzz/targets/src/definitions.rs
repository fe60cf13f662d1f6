//! Definitions of workflows: read from the wire, judged, stored, shown, and read again.
//!
//! An input is a byte that chooses where the definition is published, and an encoded
//! `Workflow`.

use std::collections::BTreeSet;

use api::workflow as wire;
use permissions::Seeder;
use primitives::{TeamId, Tenant, Timestamp, UserId, WorkflowId};
use prost::Message as _;
use workflow_core::model::validate::{self, Place, Texts};
use workflow_core::model::{Definition, Settings, Stage, StageId, Trigger, Workflow, condition};
use workflow_core::templates;

use crate::contract;
use crate::shape::{head, uuid};

/// Faults that an answer names, and one that says how many more there are.
const FAULTS: usize = 21;
const STAGES: usize = 50;

/// One input.
pub fn run(input: &[u8]) {
    let ([choice], body) = head(input);
    let Ok(given) = wire::Workflow::decode(body) else { return };
    let place = place(choice);
    let Some((texts, definition)) = judged(given, place) else { return };
    sound(&definition);
    let stored = serde_json::to_string(&definition).ok();
    let stored = stored.and_then(|text| serde_json::from_str::<Definition>(&text).ok());
    assert_eq!(stored.as_ref(), Some(&definition), "it is stored otherwise");

    let shown = gateway::fuzzing::workflow(published(&texts, &definition));
    let shown = wire::Workflow::decode(shown.encode_to_vec().as_slice());
    let again = shown.ok().and_then(|shown| judged(shown, place));
    assert_eq!(again.map(without_ids), Some(without_ids((texts, definition))), "shown otherwise");
}

fn place(choice: u8) -> Place {
    match choice % 4 {
        0 => Place::Workflow(Tenant::Team(TeamId::from_uuid(uuid(2)))),
        1 => Place::Workflow(Tenant::Person(user())),
        2 => Place::Workflow(Tenant::Global),
        _ => Place::Template,
    }
}

fn user() -> UserId {
    UserId::from_uuid(uuid(5))
}

/// What is published, unless it is refused with a few faults of a few words each.
fn judged(given: wire::Workflow, place: Place) -> Option<(Texts, Definition)> {
    let input = gateway::fuzzing::workflow_input(given).ok()?;
    match validate::workflow(&input, place, user()) {
        Ok(judged) => Some(judged),
        Err(refused) => {
            assert!((1..=FAULTS).contains(&refused.fields.len()), "{}", refused.fields.len());
            for fault in refused.fields {
                let length = fault.field.len() + fault.description.len();
                assert!(length < 500, "{length} bytes about one fault");
            }
            None
        }
    }
}

/// An item can enter every stage and leave it, whatever its conditions say.
fn sound(definition: &Definition) {
    let stages = &definition.stages;
    let ids: BTreeSet<&StageId> = stages.iter().map(|stage| &stage.id).collect();
    assert_eq!(ids.len(), stages.len(), "two stages share an id");
    assert!((1..=STAGES).contains(&stages.len()));
    for stage in stages {
        let Some((last, others)) = stage.routes.split_last() else {
            panic!("a stage without a route")
        };
        assert!(last.condition.is_none(), "nothing holds for sure");
        for route in others {
            let condition = route.condition.as_deref().unwrap_or_default();
            assert_eq!(condition::check(condition), Ok(()), "{condition:?} is published");
        }
        let targets = stage.routes.iter().filter_map(|route| route.target.as_ref());
        assert!(targets.into_iter().all(|target| ids.contains(target)), "a route leads nowhere");
    }
    let entered = grown(stages.first().map(|stage| &stage.id).into_iter().collect(), |known| {
        let from = stages.iter().filter(|stage| known.contains(&stage.id));
        from.flat_map(targets).collect()
    });
    assert_eq!(entered, ids, "a stage cannot be entered");
    let left = grown(BTreeSet::new(), |known| {
        let leaves = |stage: &&Stage| {
            let mut routes = stage.routes.iter().map(|route| route.target.as_ref());
            routes.any(|target| target.is_none_or(|target| known.contains(target)))
        };
        stages.iter().filter(leaves).map(|stage| &stage.id).collect()
    });
    assert_eq!(left, ids, "a stage cannot be left for good");
}

fn targets(stage: &Stage) -> impl Iterator<Item = &StageId> {
    stage.routes.iter().filter_map(|route| route.target.as_ref())
}

/// Adds what follows from what is known until nothing does.
fn grown<'a>(
    mut known: BTreeSet<&'a StageId>,
    follows: impl Fn(&BTreeSet<&'a StageId>) -> Vec<&'a StageId>,
) -> BTreeSet<&'a StageId> {
    loop {
        let before = known.len();
        known.extend(follows(&known));
        if known.len() == before {
            return known;
        }
    }
}

/// Triggers get fresh ids each time.
fn without_ids((texts, definition): (Texts, Definition)) -> (Texts, Definition) {
    let nobody = primitives::TriggerId::from_uuid(uuid(0));
    let triggers = definition.triggers.into_iter().map(|trigger| Trigger { id: nobody, ..trigger });
    (texts, Definition { triggers: triggers.collect(), ..definition })
}

fn published(texts: &Texts, definition: &Definition) -> Workflow {
    let time = Timestamp::from_micros(1_700_000_000_000_000);
    let Texts { display_name, description, icon, category, tags, item_key } = texts.clone();
    Workflow {
        id: WorkflowId::from_uuid(uuid(3)),
        tenant: Tenant::Global,
        is_template: false,
        seed_key: None,
        display_name,
        description,
        icon,
        category,
        tags,
        definition: definition.clone(),
        revision: 1,
        source: None,
        settings: Settings::default(),
        creator: user(),
        created_at: time,
        updated_at: time,
        deleted_at: None,
        version: 1,
        item_key,
        last_number: 0,
    }
}

/// The shipped templates, and definitions with every field of the contract.
pub fn seeds() -> Vec<Vec<u8>> {
    let shipped = templates::seeded(&Seeder::at_start(user())).unwrap_or_default();
    let shipped = shipped.iter().map(|template| {
        let shown = gateway::fuzzing::workflow(published(&template.texts, &template.definition));
        [&[3], shown.encode_to_vec().as_slice()].concat()
    });
    let filled = contract::filled(".elohim.workflow.v1.Workflow").into_iter().enumerate();
    let filled = filled.map(|(at, body)| {
        let choice = u8::try_from(at).unwrap_or_default();
        [&[choice], body.as_slice()].concat()
    });
    shipped.chain(filled).collect()
}
