//! Random worlds, random people, random calls: is every answer what the contract says?
//!
//! `cargo xtask worlds [--calls N] [--seed N]` runs this on SQLite and on Postgres at once.
//! Each answer of the real server is compared with a reference function that knows
//! `proto/access.csv`, a table of roles and the facts of the world, and nothing of the
//! product. Then lists and figures are compared with what can be got, and wrong lines are
//! planted in the reference's tables, which have to be noticed.
//!
//! **Invariant:** a method of the contract without an entry fails the run.

#![expect(
    clippy::print_stdout,
    clippy::wildcard_imports,
    clippy::large_futures,
    reason = "a command line tool reports to who runs it; it calls every method with every message"
)]

mod bench;
mod drive;
mod entries;
mod entry;
mod facts;
mod lists;
mod planted;
mod reference;
mod rosters;
mod settle;
mod staff;
mod tally;
mod things;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Mutex;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use testkit::database::{Backend, run};

use self::facts::Tables;
use self::planted::Seen;
use self::tally::Tally;

const USAGE: &str = "\
worlds [--calls N] [--seed N] [--world N] [--database sqlite|postgres] [--plant METHOD]
  --calls N      how many calls, both databases together (5000)
  --seed N       where chance begins (one of its own each time)
  --world N      only this world
  --plant METHOD the reference believes that only operators may call METHOD: must fail
";
/// Calls in one world: enough for each method's shares, few enough for many worlds.
const CALLS_PER_WORLD: usize = 1_250;
const SHOWN: usize = 20;
/// Calls in which most wrong levels must be noticed, and how many of a hundred these are.
const ENOUGH_FOR_LEVELS: usize = 5_000;
const LEVELS_NOTICED: usize = 75;
/// Lines of code that the reference may have.
const REFERENCE_LINES: usize = 80;

struct Options {
    calls: usize,
    seed: u64,
    world: Option<usize>,
    backends: Vec<Backend>,
    plant: Option<String>,
}

/// What all worlds of all databases came to.
#[derive(Default)]
struct Findings {
    tally: Tally,
    seen: Vec<Seen>,
    wrong: Vec<String>,
    lists: usize,
    figures: usize,
}

fn main() -> ExitCode {
    quiet_logs();
    let Some(options) = parse(std::env::args().skip(1)) else {
        print!("{USAGE}");
        return ExitCode::from(2);
    };
    println!("seed {}", options.seed);
    let findings = Mutex::new(Findings::default());
    std::thread::scope(|scope| {
        for backend in &options.backends {
            scope.spawn(|| all_worlds(*backend, &options, &findings));
        }
    });
    let findings = findings.into_inner().unwrap_or_default();
    report(&options, findings)
}

fn quiet_logs() {
    let errors =
        tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::ERROR);
    let _ = tracing::subscriber::set_global_default(errors.with_writer(std::io::stderr).finish());
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        calls: 5_000,
        seed: rand::random::<u32>().into(),
        world: None,
        backends: vec![Backend::Sqlite, Backend::Postgres],
        plant: None,
    };
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--calls" => options.calls = value.parse().ok()?,
            "--seed" => options.seed = value.parse().ok()?,
            "--world" => options.world = Some(value.parse().ok()?),
            "--plant" => options.plant = Some(value),
            "--database" if value == "sqlite" => options.backends = vec![Backend::Sqlite],
            "--database" if value == "postgres" => options.backends = vec![Backend::Postgres],
            _ => return None,
        }
    }
    Some(options)
}

fn all_worlds(backend: Backend, options: &Options, findings: &Mutex<Findings>) {
    let calls = options.calls.div_ceil(options.backends.len());
    let worlds = calls.div_ceil(CALLS_PER_WORLD).max(1);
    for world in 0..worlds {
        if options.world.is_some_and(|only| only != world) {
            continue;
        }
        let calls = (calls - world * CALLS_PER_WORLD).min(CALLS_PER_WORLD);
        // Each in a thread of its own: one that falls over does not take the others along.
        let fell = std::thread::scope(|scope| {
            let one =
                || run(backend, async |db| one_world(db, options, world, calls, findings).await);
            scope.spawn(one).join().is_err()
        });
        if fell {
            let rerun = again(options, backend, world);
            let text = format!("{backend:?} world {world} fell over: see above\n{rerun}");
            findings.lock().expect("nobody panicked with it").wrong.push(text);
        }
    }
}

/// How to see one world again.
fn again(options: &Options, backend: Backend, world: usize) -> String {
    format!(
        "    again: cargo xtask worlds --seed {} --calls {} --database {} --world {world}",
        options.seed,
        options.calls / options.backends.len(),
        format!("{backend:?}").to_lowercase()
    )
}

async fn one_world(
    db: testkit::database::TestDb,
    options: &Options,
    world: usize,
    calls: usize,
    findings: &Mutex<Findings>,
) {
    let backend = db.backend();
    let began = std::time::Instant::now();
    let number = u64::try_from(world).unwrap_or_default();
    let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(2 * number + backend as u64);
    let mut rng = StdRng::seed_from_u64(seed);
    let tables = Tables::read().expect("the tables can be read");
    let mut bench = settle::settle(db, tables, &mut rng).await;
    let settled = began.elapsed();
    let mut tables = bench.tables.clone();
    if let Some(method) = &options.plant {
        planted::plant_row(&mut tables, method, "admin.ops");
    }
    let entries = entries::all();
    let outcome = drive::drive(&mut bench, &tables, &entries, calls, &mut rng).await;
    let called = began.elapsed();
    let compared = lists::compare(&bench, &tables).await;
    println!(
        "{backend:?} world {world}: {} people, settled in {:.1} s, {calls} calls in {:.1} s, {} lists in {:.1} s",
        bench.people.len(),
        settled.as_secs_f32(),
        called.saturating_sub(settled).as_secs_f32(),
        compared.lists,
        began.elapsed().saturating_sub(called).as_secs_f32(),
    );
    let place = format!("{backend:?} world {world}").to_lowercase();
    let rerun = again(options, backend, world);
    let mut findings = findings.lock().expect("nobody panicked with it");
    for wrong in &outcome.disagreements {
        findings.wrong.push(format!("{place}, call {}: {}\n{rerun}", wrong.number, wrong.text));
    }
    findings.wrong.extend(compared.wrong.iter().map(|text| format!("{place}: {text}\n{rerun}")));
    findings.lists += compared.lists;
    findings.figures += compared.figures;
    findings.tally.add(&outcome.made);
    findings.seen.push(Seen {
        tables: bench.tables.clone(),
        people: bench.people.clone(),
        made: outcome.made,
    });
}

fn report(options: &Options, findings: Findings) -> ExitCode {
    let Findings { tally, seen, mut wrong, lists, figures } = findings;
    let entries = entries::all();
    print!("{}", tally.table(&entries));
    wrong.extend(tally.missed_shares(&entries));
    wrong.extend(without_entry().into_iter().map(|method| format!("{method} has no entry")));
    println!("{lists} lists and {figures} figures compared with what can be got");
    let planted = planted::plant(&seen);
    println!(
        "{} wrong rows planted, {} unnoticed; {} wrong levels, {} unnoticed",
        planted.rows,
        planted.missed_rows.len(),
        planted.levels,
        planted.missed_levels.len()
    );
    for missed in &planted.missed_levels {
        println!("    unnoticed: {missed}");
    }
    let noticed = planted.levels - planted.missed_levels.len();
    if tally.calls() >= ENOUGH_FOR_LEVELS && noticed * 100 < planted.levels * LEVELS_NOTICED {
        wrong.push(format!("only {noticed} of {} wrong levels were noticed", planted.levels));
    }
    wrong.extend(reference_is_short());
    wrong
        .extend(planted.missed_rows.iter().map(|row| format!("a wrong row went unnoticed: {row}")));
    for text in wrong.iter().take(SHOWN) {
        println!("\nWRONG {text}");
    }
    println!("\nseed {}: {} calls, {} wrong", options.seed, tally.calls(), wrong.len());
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The reference is to be read and believed, so it stays small and knows nothing of ours but
/// facts.
fn reference_is_short() -> Option<String> {
    let lines = include_str!("reference.rs").lines().map(str::trim);
    let code: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with("//")).collect();
    let foreign = code
        .iter()
        .find(|line| line.starts_with("use ") && !line.starts_with("use crate::facts::"));
    if let Some(line) = foreign {
        return Some(format!("the reference knows more than facts: {line}"));
    }
    let count = code.len();
    (count > REFERENCE_LINES).then(|| format!("the reference has {count} lines of code"))
}

/// Methods of the contract that nobody calls here.
fn without_entry() -> Vec<String> {
    let known: BTreeSet<&str> = entries::all().iter().map(|entry| entry.method).collect();
    tally::methods().into_iter().filter(|method| !known.contains(method.as_str())).collect()
}
