//! Fuzzes the readers of untrusted input, with libFuzzer and a nightly compiler.
//!
//! What is fuzzed is in `fuzz/targets`, a crate of the product; the programs around it in
//! `fuzz/fuzz_targets`. Kept inputs are in `fuzz/corpus` and are tried again by the ordinary
//! tests, which need no nightly compiler.
//!
//! **Invariant:** nothing below `fuzz/corpus` changes unless `--keep` is given.

mod build;
mod keep;
mod run;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace;
use run::Outcome;

pub(crate) const USAGE: &str = "\
cargo xtask fuzz [--short | --seconds N] [--keep] [TARGET…]   fuzzes the targets, all without one
cargo xtask fuzz TARGET FILE…                                 tries the inputs in the files

  --short       a minute for each target; ten without
  --seconds N   so many seconds for each target
  --keep        puts what was found into fuzz/corpus, as few and small inputs as reach the same
";

const LONG: u64 = 600;
const SHORT: u64 = 60;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    seconds: u64,
    keep: bool,
    targets: Vec<String>,
    /// Inputs to try instead of fuzzing.
    files: Vec<PathBuf>,
}

/// Where things lie.
struct Places {
    /// `fuzz/` of the project.
    fuzz: PathBuf,
    /// Outside the project: programs, logs, and every input that reached something new.
    work: PathBuf,
}

impl Places {
    fn find() -> Self {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let named = std::env::var_os("ELOHIM_FUZZ_TARGET_DIR").map(PathBuf::from);
        let cached = || home().map(|cache| cache.join("elohim-fuzz-target"));
        let fuzz = workspace::root().join("fuzz");
        let work = named.or_else(cached).unwrap_or_else(|| fuzz.join("target"));
        Self { fuzz, work }
    }

    /// Inputs that are part of the project.
    fn kept(&self, target: &str) -> PathBuf {
        self.fuzz.join("corpus").join(target)
    }

    /// Inputs of this machine.
    fn found(&self, target: &str) -> PathBuf {
        self.work.join("corpus").join(target)
    }

    fn artifacts(&self, target: &str) -> PathBuf {
        self.fuzz.join("artifacts").join(target)
    }

    fn program(&self, target: &str) -> PathBuf {
        self.work.join(build::TRIPLE).join("release").join(target)
    }

    fn log(&self, target: &str) -> PathBuf {
        self.work.join("logs").join(format!("{target}.log"))
    }
}

/// `cargo xtask fuzz …`; 1 when a target found something.
pub(crate) fn run(words: &[String]) -> Result<u8> {
    let places = Places::find();
    let known = targets(&places.fuzz)?;
    let Some(order) = Order::parse(words, &known)? else {
        print!("{USAGE}\ntargets: {}\n", Vec::from_iter(known).join(", "));
        return Ok(2);
    };
    build::programs(&places, &order.targets)?;
    if let ([target], [_, ..]) = (order.targets.as_slice(), order.files.as_slice()) {
        return run::tries(&places, target, &order.files);
    }
    let mut outcomes = Vec::new();
    for target in &order.targets {
        eprintln!("fuzzing {target} for {} s", order.seconds);
        let outcome = run::fuzzes(&places, target, order.seconds)?;
        if order.keep && !outcome.is_broken() {
            keep::keeps(&places, target)?;
        }
        outcomes.push(outcome);
    }
    Ok(report(&outcomes))
}

fn report(outcomes: &[Outcome]) -> u8 {
    println!("{:<14} {:>12} {:>8} {:>8}  verdict", "target", "executions", "edges", "inputs");
    for outcome in outcomes {
        println!("{outcome}");
    }
    for outcome in outcomes.iter().filter(|outcome| outcome.is_broken()) {
        println!("\n{}", outcome.how_to_reproduce());
    }
    u8::from(outcomes.iter().any(Outcome::is_broken))
}

/// The names of all targets.
fn targets(fuzz: &Path) -> Result<BTreeSet<String>> {
    let folder = fuzz.join("fuzz_targets");
    let mut names = BTreeSet::new();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        if let (Some(name), Some("rs")) =
            (path.file_stem(), path.extension().and_then(|e| e.to_str()))
        {
            names.insert(name.to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

impl Order {
    /// `None` when help is asked for.
    fn parse(words: &[String], known: &BTreeSet<String>) -> Result<Option<Self>> {
        let mut order = Self { seconds: LONG, keep: false, targets: Vec::new(), files: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--short" => order.seconds = SHORT,
                "--keep" => order.keep = true,
                "--seconds" => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    order.seconds =
                        number.filter(|n| *n > 0).context("--seconds takes a number")?;
                }
                "--help" | "-h" => return Ok(None),
                option if option.starts_with('-') => bail!("{option} is unknown\n\n{USAGE}"),
                target if known.contains(target) => order.targets.push(target.to_owned()),
                file if Path::new(file).is_file() => order.files.push(PathBuf::from(file)),
                other => {
                    let known: Vec<_> = known.iter().map(String::as_str).collect();
                    bail!("{other:?} is neither a file nor one of {}", known.join(", "))
                }
            }
        }
        if !order.files.is_empty() && order.targets.len() != 1 {
            bail!("files are tried by one target: name it");
        }
        if order.targets.is_empty() {
            order.targets = known.iter().cloned().collect();
        }
        Ok(Some(order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Option<Order>> {
        let known = BTreeSet::from(["names".to_owned(), "patches".to_owned()]);
        Order::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), &known)
    }

    #[test]
    fn all_targets_unless_some_are_named() {
        let order = parse(&["--short"]).unwrap().unwrap();
        assert_eq!((order.seconds, order.targets), (SHORT, vec!["names".into(), "patches".into()]));
        let order = parse(&["patches", "--seconds", "5", "--keep"]).unwrap().unwrap();
        assert_eq!((order.seconds, order.keep, order.targets), (5, true, vec!["patches".into()]));
        assert_eq!(parse(&["--help"]).unwrap(), None);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for words in
            [&["--seconds"][..], &["--seconds", "0"], &["--all"], &["nothing"], &["Cargo.toml"]]
        {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
