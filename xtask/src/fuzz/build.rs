//! The fuzzing programs: the product's code with counters in it.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Places;
use crate::workspace;

pub(super) const TRIPLE: &str = "x86_64-unknown-linux-gnu";

const NO_NIGHTLY: &str = "\
fuzzing needs a nightly compiler, which is not installed: `rustup toolchain install nightly`.
The inputs that were kept are tried without one: `cargo xtask test corpus`.";
const NO_CARGO_FUZZ: &str =
    "fuzzing needs cargo-fuzz, which is not installed: `cargo install cargo-fuzz`";

/// Builds the programs of these targets.
pub(super) fn programs(places: &Places, targets: &[String]) -> Result<()> {
    if !works(nightly().arg("--version")) {
        bail!(NO_NIGHTLY);
    }
    if !works(nightly().args(["fuzz", "--version"])) {
        bail!(NO_CARGO_FUZZ);
    }
    lock(places)?;
    match targets {
        [only] => build(places, &[only.as_str()]),
        _ => build(places, &[]),
    }
}

fn nightly() -> Command {
    let mut command = workspace::cargo();
    command.env("RUSTUP_TOOLCHAIN", "nightly");
    // These belong to the product's own builds.
    command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_INCREMENTAL");
    command
}

fn works(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What is fuzzed is what is shipped: the versions of `Cargo.lock`. Cargo adds libFuzzer's.
fn lock(places: &Places) -> Result<()> {
    let (from, to) = (workspace::root().join("Cargo.lock"), places.fuzz.join("Cargo.lock"));
    let changed = |path| fs::metadata(path).and_then(|file| file.modified());
    let is_newer = match (changed(&from), changed(&to)) {
        (Ok(from), Ok(to)) => from > to,
        _ => true,
    };
    if is_newer {
        fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}

fn build(places: &Places, words: &[&str]) -> Result<()> {
    // No sanitizer: our code is safe Rust, and they double the time of everything. The code
    // is built as it is shipped, without the switches that some crates have for fuzzing.
    let fixed = ["fuzz", "build", "--sanitizer", "none", "--no-cfg-fuzzing", "--target", TRIPLE];
    let mut command = nightly();
    command.args(fixed).arg("--target-dir").arg(&places.work).args(words);
    let status = command.status().context("cannot start cargo fuzz")?;
    if !status.success() {
        bail!("the fuzzing programs do not build");
    }
    Ok(())
}
