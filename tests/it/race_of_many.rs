//! Many clients at once on the items of one workflow: whatever they do, no change is lost or
//! made twice, and every rule about several items holds at every moment.
//!
//! Clients look at an item and try what fits, by dice with a fixed seed; which of them is first
//! is the machine's choice. What they were answered is counted, and the histories that are left
//! are replayed against it.

use std::collections::{BTreeMap, BTreeSet};

use api::workflow::{
    Approval, Assignment, AssignmentType, MigrationResult, Stage, Transition, WorkItem,
    WorkItemState, WorkItemVerb, Workflow,
};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use testkit::world::shapes::{approval, human, item, workflow};
use testkit::world::{Person, Refused as _, World, migration};
use tonic::Status;

use crate::ledger::verifies;

const CLIENTS: u64 = 64;
const ITEMS: usize = 100;
/// Tries of each client.
const TRIES: usize = 30;
const CONNECTIONS: usize = 16;
/// Items that half of all tries are about.
const HOT: usize = 12;
/// Items in hand at a stage: everybody's, and one person's.
const ROOM: (usize, usize) = (8, 3);
const QUORUM: usize = 2;
/// The stage where people take turns.
const TURNS: &str = "hand-over";
const BATCH: i32 = 15;

/// Items that wait for approval when the race begins.
const AT_THE_GATE: usize = 12;

/// What clients do.
const VERBS: [WorkItemVerb; 6] = [
    WorkItemVerb::Approve,
    WorkItemVerb::Cancel,
    WorkItemVerb::Claim,
    WorkItemVerb::CompleteStage,
    WorkItemVerb::Migrate,
    WorkItemVerb::Release,
];

/// Refusals that a race may bring; nothing is changed by any of them.
const EXPECTED: [&str; 8] = [
    "ALREADY_CLAIMED",
    "ALREADY_APPROVED",
    "CONCURRENT_CHANGE",
    "ETAG_MISMATCH",
    "ILLEGAL_TRANSITION",
    "STAGE_MISMATCH",
    "WIP_LIMIT_REACHED",
    "WORK_ITEM_CLOSED",
];

/// Refusals for want of being the right person, which a race may bring, too.
const OTHERS: [&str; 3] = ["NOT_ASSIGNEE", "APPROVAL_MISMATCH", "OWN_WORK"];

/// At the third stage, those of `rota` take turns.
fn stages(middle: &str, rota: &[String]) -> Vec<Stage> {
    let (all, own) = ROOM;
    let limited = |id: &str| Stage {
        wip_limit: i32::try_from(all).unwrap(),
        wip_limit_per_person: i32::try_from(own).unwrap(),
        ..human(id)
    };
    let asked = Approval { quorum: i32::try_from(QUORUM).unwrap(), ..Approval::default() };
    let gate = Stage { approval: Some(asked), ..approval("pass") };
    let turns = Assignment {
        r#type: AssignmentType::RoundRobin.into(),
        users: rota.to_vec(),
        ..Assignment::default()
    };
    let turns = Stage { assignment: Some(turns), ..human(TURNS) };
    workflow("", "", [limited("do"), limited(middle), turns, gate]).stages
}

/// What was answered.
#[derive(Debug, Default)]
struct Tally {
    /// Changes that were made, by item and verb.
    made: BTreeMap<(String, WorkItemVerb), usize>,
    refused: BTreeMap<String, usize>,
    /// Items that were given to people in turn.
    given: BTreeMap<String, usize>,
}

impl Tally {
    fn made(&mut self, item: &str, verb: WorkItemVerb) {
        *self.made.entry((item.to_owned(), verb)).or_default() += 1;
    }

    fn answered(&mut self, verb: WorkItemVerb, item: &str, answer: Result<WorkItem, Status>) {
        match answer {
            Ok(now) => {
                assert_eq!(now.name, item);
                if verb == WorkItemVerb::CompleteStage && now.stage_id == TURNS {
                    assert_eq!(now.state(), WorkItemState::Claimed, "{now:#?}");
                    *self.given.entry(now.assignee).or_default() += 1;
                }
                self.made(item, verb);
            }
            Err(status) => self.refused(&status),
        }
    }

    fn refused(&mut self, status: &Status) {
        let reason = status.reason();
        assert!(
            EXPECTED.contains(&reason.as_str()) || OTHERS.contains(&reason.as_str()),
            "{status:?}"
        );
        *self.refused.entry(reason).or_default() += 1;
    }

    fn merge(&mut self, other: Self) {
        for (key, number) in other.made {
            *self.made.entry(key).or_default() += number;
        }
        for (key, number) in other.refused {
            *self.refused.entry(key).or_default() += number;
        }
        for (key, number) in other.given {
            *self.given.entry(key).or_default() += number;
        }
    }

    fn of(&self, verb: WorkItemVerb) -> usize {
        self.made.iter().filter(|((_, made), _)| *made == verb).map(|(_, number)| number).sum()
    }
}

/// What fits an item as it is now, for somebody who works on items or one who approves them.
fn fitting(dice: &mut StdRng, person: &Person, works: bool, now: &WorkItem) -> WorkItemVerb {
    use WorkItemVerb::{Approve, Cancel, Claim, CompleteStage, Release};
    let often = dice.random_range(0..100);
    match now.state() {
        // Whatever it is, it may be refused.
        _ if often < 6 => [Claim, Release, CompleteStage, Cancel][often % 4],
        WorkItemState::Pending if now.stage_id == "pass" => Approve,
        WorkItemState::Pending if works => Claim,
        _ if !works && often < 9 => Cancel,
        _ if now.assignee != person.user => Claim,
        _ if often < 36 => Release,
        _ if often < 38 => Cancel,
        _ => CompleteStage,
    }
}

async fn does(person: &Person, verb: WorkItemVerb, now: &WorkItem) -> Result<WorkItem, Status> {
    match verb {
        WorkItemVerb::Claim => person.claims(now).await,
        WorkItemVerb::Release => person.releases(now).await,
        WorkItemVerb::CompleteStage => person.completes(now).await,
        WorkItemVerb::Cancel => person.cancels(now).await,
        _ => person.approves(now).await,
    }
}

async fn works(person: Person, works: bool, seed: u64, items: Vec<String>) -> Tally {
    let (mut dice, mut tally) = (StdRng::seed_from_u64(seed), Tally::default());
    let mut in_hand = None;
    for _ in 0..TRIES {
        let among = if dice.random_bool(0.5) { HOT } else { items.len() };
        // What one has begun one goes on with, more often than not.
        let name = in_hand.take().filter(|_| dice.random_bool(0.6));
        let name = name.unwrap_or_else(|| items[dice.random_range(0..among)].clone());
        let now = person.sees_item(&name).await.unwrap();
        let verb = fitting(&mut dice, &person, works, &now);
        let answer = does(&person, verb, &now).await;
        let is_own = answer.as_ref().is_ok_and(|now| now.assignee == person.user);
        tally.answered(verb, &name, answer);
        in_hand = is_own.then_some(name);
    }
    tally
}

/// Somebody works on an item until it waits for approval.
async fn walks_to_the_gate(people: [&Person; 3], name: &str, tally: &mut Tally) {
    loop {
        let now = people[0].sees_item(name).await.unwrap();
        if now.approval.is_some() {
            return;
        }
        let holder = people.into_iter().find(|person| person.user == now.assignee);
        let (person, verb) = match holder {
            Some(holder) => (holder, WorkItemVerb::CompleteStage),
            None => (people[0], WorkItemVerb::Claim),
        };
        let answer = does(person, verb, &now).await;
        assert!(answer.is_ok(), "{answer:?}");
        tally.answered(verb, name, answer);
    }
}

/// Moves what it finds behind the newest revision, again and again.
async fn migrates(person: Person, flow: String, rounds: usize) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..rounds {
        let newest = person.sees_workflow(&flow).await.unwrap().revision;
        let (from, to) = if newest % 2 == 0 { ("check", "verify") } else { ("verify", "check") };
        let mut request = migration(&flow, &[(from, to)]);
        request.target_revision = newest;
        request.page_size = BATCH;
        let answer = person.migrates(request).await;
        let Ok(answer) = answer.map_err(|status| tally.refused(&status)) else { continue };
        for told in answer.work_items {
            match told.result() {
                MigrationResult::Moved => tally.made(&told.work_item, WorkItemVerb::Migrate),
                other => assert_eq!(other, MigrationResult::InUse),
            }
        }
    }
    tally
}

/// Publishes revisions in between, whose middle stage has the one name and the other.
async fn publishes(person: Person, flow: String, times: i32, rota: Vec<String>) {
    for _ in 0..times {
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        let now = person.sees_workflow(&flow).await.unwrap();
        let stages = stages(if now.revision % 2 == 0 { "check" } else { "verify" }, &rota);
        person.updates_workflow(Workflow { stages, ..now }, &["stages"]).await.unwrap();
    }
}

fn version(item: &WorkItem) -> usize {
    item.etag.trim_matches('"').parse().unwrap()
}

/// An item was given to somebody in turn.
fn is_turn(moved: &Transition) -> bool {
    moved.verb() == WorkItemVerb::Assign && moved.note == "in turn"
}

/// Each move begins where the one before ended, and there are as many of each as were answered.
fn chains(item: &WorkItem, history: &[Transition], tally: &Tally) {
    let mut counted: BTreeMap<WorkItemVerb, usize> = BTreeMap::new();
    for pair in history.windows(2) {
        let [before, after] = pair else { unreachable!("windows of two") };
        assert_eq!(before.to_state(), after.from_state(), "{history:#?}");
        assert_eq!(before.to_stage_id, after.from_stage_id, "{history:#?}");
        assert!(!before.to_state().eq(&WorkItemState::Completed), "{history:#?}");
        // Nobody asked for that: it comes with the move before.
        if !is_turn(after) {
            *counted.entry(after.verb()).or_default() += 1;
        }
    }
    assert_eq!(history[0].verb(), WorkItemVerb::Create);
    let last = history.last().unwrap();
    assert_eq!(last.to_state(), item.state());
    let answered = tally.made.iter().filter(|((name, _), _)| *name == item.name);
    let answered: BTreeMap<_, _> = answered.map(|((_, verb), number)| (*verb, *number)).collect();
    assert_eq!(counted, answered, "{history:#?}");
    assert_eq!(version(item), history.len(), "{item:#?}");
}

/// An item passes with exactly as many votes as are asked for, each another person's.
fn quorum_is_exact(history: &[Transition]) -> usize {
    let mut votes = BTreeSet::new();
    let mut passed = 0;
    for moved in history {
        if moved.verb() == WorkItemVerb::Approve {
            assert!(votes.insert(moved.actor.clone()), "{history:#?}");
            let passes = moved.to_state() == WorkItemState::Completed;
            assert_eq!(passes, votes.len() == QUORUM, "{history:#?}");
            passed += usize::from(passes);
        } else if moved.verb() != WorkItemVerb::Migrate || moved.stage_seconds > 0.0 {
            votes.clear();
        }
    }
    passed
}

/// No stage ever holds more than it has room for, in the order in which things happened.
fn room_is_never_exceeded(histories: &BTreeMap<String, Vec<Transition>>) -> usize {
    let moves = histories.iter().flat_map(|(item, history)| {
        history.iter().map(move |moved| {
            let time = moved.time.as_ref().expect("a time");
            ((time.seconds, time.nanos, moved.name.clone()), item.as_str(), moved)
        })
    });
    let mut moves: Vec<_> = moves.collect();
    moves.sort_by(|one, other| one.0.cmp(&other.0));
    let mut held: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let mut most = 0;
    for (_, item, moved) in moves {
        match moved.to_state() {
            WorkItemState::Claimed
                if moved.verb() == WorkItemVerb::Claim && moved.to_stage_id != TURNS =>
            {
                held.insert(item, (moved.to_stage_id.as_str(), moved.actor.as_str()));
            }
            // Moved to another revision at the same stage, or where there is room for all.
            WorkItemState::Claimed => {}
            _ => drop(held.remove(item)),
        }
        let (mut all, mut own) = (BTreeMap::new(), BTreeMap::new());
        for (stage, person) in held.values() {
            *all.entry(stage).or_insert(0) += 1;
            *own.entry((stage, person)).or_insert(0) += 1;
        }
        most = all.values().copied().max().unwrap_or(0).max(most);
        assert!(all.values().all(|number| *number <= ROOM.0), "{all:?} after {moved:#?}");
        assert!(own.values().all(|number| *number <= ROOM.1), "{own:?} after {moved:#?}");
    }
    most
}

/// Whoever is there all the time is given as many as the others, give or take one, whatever
/// becomes of them afterwards; and each time an item came, somebody was given it.
fn turns_are_fair(tally: &Tally, histories: &BTreeMap<String, Vec<Transition>>, people: usize) {
    let moves = || histories.values().flatten();
    let turns = moves().filter(|moved| is_turn(moved)).count();
    let came = moves()
        .filter(|moved| moved.verb() == WorkItemVerb::CompleteStage && moved.to_stage_id == TURNS);
    assert_eq!((turns, came.count()), (tally.given.values().sum(), turns));
    let (least, most) = (tally.given.values().min(), tally.given.values().max());
    let is_fair = least.zip(most).is_some_and(|(least, most)| most - least <= 1 && *least > 2);
    assert!(is_fair && tally.given.len() == people, "{:#?}", tally.given);
}

testkit::on_both! {
    /// Of 64 clients who claim, give back, complete, cancel, approve and migrate at once, each
    /// is told the truth.
    async fn many_clients_race_and_nothing_is_lost(db: TestDb) {
        let world = World::start(db).await;
        world.assign("dave", "core", "member").await;
        let [alice, bob, carol, mia, dave] = world.people(["alice", "bob", "carol", "mia", "dave"]);
        let rota = [&bob, &mia, &dave].map(|person| person.user.clone()).to_vec();
        let first = Workflow { stages: stages("check", &rota), ..workflow("Race", &alice.team, []) };
        let flow = alice.creates_workflow(first).await.unwrap().name;
        let asked: Vec<_> = (0..ITEMS).map(|at| item(&flow, &format!("Number {at}"))).collect();
        let made = dave.creates_items(&flow, asked).await.unwrap();
        let items: Vec<_> = made.iter().map(|item| item.name.clone()).collect();

        let mut tally = Tally::default();
        for name in &items[ITEMS - AT_THE_GATE..] {
            walks_to_the_gate([&bob, &mia, &dave], name, &mut tally).await;
        }

        let lines: Vec<_> = (0..CONNECTIONS).map(|_| world.another_channel()).collect();
        let publisher = tokio::spawn(publishes(alice.clone(), flow.clone(), 4, rota.clone()));
        let clients = (0..CLIENTS).map(|client| {
            let line = lines[usize::try_from(client).unwrap() % CONNECTIONS].clone();
            let over = |person: &Person| person.over(line.clone());
            match client % 16 {
                0 => tokio::spawn(migrates(over(&carol), flow.clone(), TRIES)),
                1..=3 => tokio::spawn(works(over(&alice), false, client, items.clone())),
                4..=6 => tokio::spawn(works(over(&carol), false, client, items.clone())),
                7..=9 => tokio::spawn(works(over(&bob), true, client, items.clone())),
                10..=12 => tokio::spawn(works(over(&mia), true, client, items.clone())),
                _ => tokio::spawn(works(over(&dave), true, client, items.clone())),
            }
        });
        let clients: Vec<_> = clients.collect();
        for client in clients {
            tally.merge(client.await.unwrap());
        }
        publisher.await.unwrap();
        tally.merge(migrates(alice.clone(), flow.clone(), ITEMS / 10).await);

        let (mut histories, mut passed) = (BTreeMap::new(), 0);
        for name in &items {
            let (now, history) = tokio::join!(alice.sees_item(name), alice.sees_history(name));
            let (now, history) = (now.unwrap(), history.unwrap());
            chains(&now, &history, &tally);
            passed += quorum_is_exact(&history);
            // Nothing open was left behind.
            let is_open = now.complete_time.is_none();
            assert!(!is_open || now.workflow_revision == 5, "{now:#?}");
            histories.insert(name.clone(), history);
        }
        let most = room_is_never_exceeded(&histories);
        turns_are_fair(&tally, &histories, rota.len());
        let report = verifies(&alice, &flow).await.unwrap();
        assert!(report.sound, "{:#?}", report.violations);

        // What did not happen was not tried.
        for verb in VERBS {
            assert!(tally.of(verb) >= 5, "{verb:?}: {}, {:?}", tally.of(verb), tally.refused);
        }
        for reason in ["WIP_LIMIT_REACHED", "ALREADY_CLAIMED", "STAGE_MISMATCH"] {
            assert!(tally.refused.contains_key(reason), "{reason}: {:#?}", tally.refused);
        }
        assert!(passed > 0 && most == ROOM.0, "{passed} passed, {most} in hand");
    }
}
