//! Random definitions and random calls, the server killed between them: does everything that
//! can be read afterwards agree with a model of 300 lines?
//!
//! `cargo xtask simulate [--sequences N] [--seed N]` runs this on SQLite and on Postgres at
//! once, against the product's binary in a process of its own. After each call, answer, items,
//! transitions, figures, ledger, records and a queue are compared. `--plant` plants a fault in
//! each line of the model's table of moves in turn, which has to be noticed.

#![expect(
    clippy::print_stdout,
    clippy::wildcard_imports,
    reason = "a command line tool reports to who runs it; it calls many methods"
)]

mod compare;
mod draw;
mod drive;
mod model;

use std::process::ExitCode;
use std::sync::Mutex;

use api::workflow::WorkItemState as State;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use testkit::database::{Backend, TestDb, run};
use testkit::world::World;

use self::drive::Done;
use self::model::{Leads, Line, table};

const USAGE: &str = "\
simulate [--sequences N] [--seed N] [--only N] [--database sqlite|postgres] [--plant]
  --sequences N  how many sequences, all databases together (300)
  --seed N       where chance begins (one of its own each time)
  --only N       only this sequence
  --plant        each line of the model's table is made wrong in turn: all must be noticed
";
/// How often a step is followed by the death of the server.
const KILLS: f64 = 0.006;
/// Sequences in which a planted fault must be noticed.
const PLANTED: usize = 400;
/// Sequences that must be let pass without a fault.
const SOUND: usize = 20;
const MODEL_LINES: usize = 300;

struct Options {
    sequences: usize,
    seed: u64,
    only: Option<usize>,
    backends: Vec<Backend>,
    plants: bool,
}

fn main() -> ExitCode {
    let Some(options) = parse(std::env::args().skip(1)) else {
        print!("{USAGE}");
        return ExitCode::from(2);
    };
    println!("seed {}", options.seed);
    let mut wrong: Vec<String> = model_is_short().into_iter().collect();
    if options.plants {
        wrong.extend(plant(&options));
    } else {
        let options = &options;
        let ended = std::thread::scope(|scope| {
            let one = |backend: &Backend| {
                let backend = *backend;
                scope.spawn(move || all(backend, options))
            };
            let running: Vec<_> = options.backends.iter().map(one).collect();
            running.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        for end in ended {
            wrong.extend(end.unwrap_or_else(|_| Some("a world fell over: see above".into())));
        }
    }
    for text in &wrong {
        println!("\nWRONG {text}");
    }
    println!("\nseed {}: {} differences", options.seed, wrong.len());
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        sequences: 300,
        seed: rand::random::<u32>().into(),
        only: None,
        backends: vec![Backend::Sqlite, Backend::Postgres],
        plants: false,
    };
    while let Some(word) = words.next() {
        if word == "--plant" {
            options.plants = true;
            continue;
        }
        let value = words.next()?;
        match word.as_str() {
            "--sequences" => options.sequences = value.parse().ok()?,
            "--seed" => options.seed = value.parse().ok()?,
            "--only" => options.only = Some(value.parse().ok()?),
            "--database" if value == "sqlite" => options.backends = vec![Backend::Sqlite],
            "--database" if value == "postgres" => options.backends = vec![Backend::Postgres],
            _ => return None,
        }
    }
    Some(options)
}

/// All sequences of one database; what differed in the first that did.
fn all(backend: Backend, options: &Options) -> Option<String> {
    let began = std::time::Instant::now();
    let result = Mutex::new((Done::default(), None));
    let report = &result;
    run(backend, async |db| {
        let ended = Box::pin(sequences(db, options)).await;
        *report.lock().expect("nobody panicked with it") = ended;
    });
    let (done, found) = result.into_inner().expect("nobody panicked with it");
    println!(
        "{backend:?}: {} calls, {} of them accepted, {} kills, in {:.1} s",
        done.steps,
        done.accepted,
        done.kills,
        began.elapsed().as_secs_f32()
    );
    found
}

async fn sequences(db: TestDb, options: &Options) -> (Done, Option<String>) {
    let (backend, mut done) = (db.backend(), Done::default());
    let mut world = World::in_child(db, None).await;
    for number in 0..options.sequences.div_ceil(options.backends.len()) {
        if options.only.is_some_and(|only| only != number) {
            continue;
        }
        let mut rng = chance(options, number);
        match drive::sequence(&mut world, &table(), KILLS, &mut rng).await {
            Ok(more) => {
                done.steps += more.steps;
                done.accepted += more.accepted;
                done.kills += more.kills;
            }
            Err(text) => return (done, Some(told(options, backend, number, &text))),
        }
    }
    (done, None)
}

fn chance(options: &Options, number: usize) -> StdRng {
    let number = u64::try_from(number).unwrap_or_default();
    StdRng::seed_from_u64(options.seed.wrapping_mul(1_000_003).wrapping_add(number))
}

fn told(options: &Options, backend: Backend, number: usize, difference: &str) -> String {
    format!(
        "{backend:?} sequence {number}\n{difference}\n    again: cargo xtask simulate --seed {} \
         --only {number} --sequences {} --database {}",
        options.seed,
        number + 1,
        format!("{backend:?}").to_lowercase()
    )
}

/// Lines of the table that were made wrong and nothing noticed.
fn plant(options: &Options) -> Vec<String> {
    let result = Mutex::new(Vec::new());
    let report = &result;
    run(Backend::Sqlite, async |db| {
        let unnoticed = Box::pin(planted(db, options)).await;
        *report.lock().expect("nobody panicked with it") = unnoticed;
    });
    result.into_inner().expect("nobody panicked with it")
}

async fn planted(db: TestDb, options: &Options) -> Vec<String> {
    let mut world = World::in_child(db, None).await;
    let mut unnoticed = Vec::new();
    // What is right must be let pass, or noticing what is wrong says nothing.
    for number in 0..SOUND {
        let mut rng = chance(options, number);
        if let Err(text) = drive::sequence(&mut world, &table(), 0.0, &mut rng).await {
            return vec![told(options, Backend::Sqlite, number, &text)];
        }
    }
    for at in 0..table().len() {
        let (verb, wrong) = (table()[at].action, with_fault(at));
        let mut noticed = None;
        for number in 0..PLANTED {
            // Others than before: the server remembers each call that it answered.
            let mut rng = chance(options, (at + 1) * 1_000 + number);
            if drive::sequence(&mut world, &wrong, 0.0, &mut rng).await.is_err() {
                noticed = Some(number);
                break;
            }
        }
        match noticed {
            Some(number) => println!("{verb} made wrong: noticed in sequence {number}"),
            None => unnoticed.push(format!("{verb} made wrong: nothing noticed")),
        }
    }
    unnoticed
}

/// The table with one line that leads elsewhere.
fn with_fault(at: usize) -> Vec<Line> {
    let mut table = table();
    let leads = &mut table[at].leads;
    *leads = match *leads {
        Leads::To(State::Claimed) | Leads::Onwards => Leads::To(State::InProgress),
        // CLAIMED is where most of these lead anyhow.
        Leads::BeforeBlock => Leads::To(State::Failed),
        _ => Leads::To(State::Claimed),
    };
    table
}

/// The model is to be read and believed, so it stays small and knows the contract alone.
fn model_is_short() -> Option<String> {
    let text = include_str!("model.rs");
    let foreign = text.lines().find(|line| {
        line.starts_with("use ") && !line.starts_with("use api::") && !line.starts_with("use std::")
    });
    if let Some(line) = foreign {
        return Some(format!("the model knows more than the contract: {line}"));
    }
    let count = text.lines().count();
    (count > MODEL_LINES).then(|| format!("the model has {count} lines"))
}
