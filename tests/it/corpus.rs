//! What fuzzing once found interesting is tried again: every kept input of `fuzz/corpus`, and
//! the seeds of every target.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fuzz_targets::calls::Court;
use fuzz_targets::{TARGETS, target};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

/// The inputs of a target with what they are called.
fn inputs(name: &str) -> Vec<(String, Vec<u8>)> {
    let seeds = target(name).expect("a target").seeds;
    let mut inputs: Vec<_> =
        seeds().into_iter().enumerate().map(|(at, seed)| (format!("seed {at}"), seed)).collect();
    let kept = folder().join(name);
    let files = std::fs::read_dir(&kept).unwrap_or_else(|e| panic!("{}: {e}", kept.display()));
    for file in files {
        let path = file.expect("a file").path();
        inputs.push((path.display().to_string(), std::fs::read(&path).expect("an input")));
    }
    assert!(inputs.len() > 10, "{name} has hardly any inputs");
    inputs
}

/// Each property holds for each input. All that break one are named.
fn holds_for_all(name: &str) {
    let run = target(name).expect("a target").run;
    let broken: Vec<String> = inputs(name)
        .into_iter()
        .filter(|(_, input)| catch_unwind(AssertUnwindSafe(|| run(input))).is_err())
        .map(|(shown, _)| shown)
        .collect();
    assert_eq!(broken, [""; 0], "of {name}");
}

macro_rules! replayed {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            holds_for_all(stringify!($name));
        })*

        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

replayed! { conditions data definitions messages names page_tokens patches tokens }

testkit::on_both! {
    /// No kept call gets an answer that a caller must not get.
    async fn calls(db: TestDb) {
        let mut court = Court::on(db).await;
        for (shown, input) in inputs("calls") {
            // Shown when the test fails.
            eprintln!("{shown}");
            court.hears(&input).await;
        }
        assert_eq!(testkit::world::panics(), Vec::<String>::new());
    }
}

/// A new target is replayed, and nothing is kept for one that is gone.
#[test]
fn every_target_is_replayed() {
    let mut replayed: BTreeSet<String> = REPLAYED.iter().map(|name| (*name).to_owned()).collect();
    replayed.insert("calls".to_owned());
    let targets: BTreeSet<String> = TARGETS.iter().map(|t| t.name.to_owned()).collect();
    assert_eq!(replayed, targets);
    let names = |folder: PathBuf| -> BTreeSet<String> {
        let files = std::fs::read_dir(&folder).expect("a folder");
        let stem = |path: PathBuf| path.file_stem().map(|stem| stem.display().to_string());
        files.filter_map(|file| stem(file.expect("a file").path())).collect()
    };
    assert_eq!(names(folder()), targets, "folders of fuzz/corpus");
    assert_eq!(names(folder().join("../fuzz_targets")), targets, "programs of fuzz/fuzz_targets");
}
