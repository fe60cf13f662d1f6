//! Runs one fuzzing program and reads what it says.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result};

use super::Places;
use crate::exit_code;

/// The stack that a thread of the server has, in KiB.
const STACK: u32 = 2048;
/// Seconds that one input may take; megabytes that the program may.
const LIMITS: [&str; 2] = ["-timeout=30", "-rss_limit_mb=3072"];
/// Longer inputs find little more and take longer.
const LENGTH: u32 = 4096;

/// What came of one target.
pub(super) struct Outcome {
    target: String,
    executions: u64,
    edges: u64,
    inputs: usize,
    failed: bool,
    /// What broke it.
    artifacts: Vec<PathBuf>,
    log: PathBuf,
}

impl Outcome {
    pub(super) fn is_broken(&self) -> bool {
        self.failed
    }

    pub(super) fn how_to_reproduce(&self) -> String {
        let target = &self.target;
        let commands = self.artifacts.iter();
        let commands: Vec<_> = commands
            .map(|artifact| format!("  cargo xtask fuzz {target} {}\n", artifact.display()))
            .collect();
        format!(
            "{target} found something, see {}\n{}Once it is mended, keep the input in \
             fuzz/corpus/{target}.",
            self.log.display(),
            commands.concat()
        )
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.failed { "FAILED" } else { "ok" };
        let Self { target, executions, edges, inputs, .. } = self;
        write!(f, "{target:<14} {executions:>12} {edges:>8} {inputs:>8}  {verdict}")
    }
}

/// Fuzzes for some time, beginning with what is kept, what was found here before, and the
/// target's own seeds.
pub(super) fn fuzzes(places: &Places, target: &str, seconds: u64) -> Result<Outcome> {
    let (found, kept) = (places.found(target), places.kept(target));
    let (seeds, artifacts) = (places.work.join("seeds").join(target), places.artifacts(target));
    let log = places.log(target);
    fresh(&seeds)?;
    for folder in [Some(found.as_path()), Some(&kept), Some(&artifacts), log.parent()] {
        fs::create_dir_all(folder.context("a folder")?)?;
    }
    let before = list(&artifacts)?;

    let mut command = program(places, target);
    command.env("ELOHIM_FUZZ_SEEDS", &seeds).args(LIMITS);
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={LENGTH}"));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args(["-print_final_stats=1", "-report_slow_units=5"]);
    let words = places.fuzz.join("dictionaries").join(format!("{target}.dict"));
    if words.is_file() {
        command.arg(format!("-dict={}", words.display()));
    }
    // What is new goes into the first folder.
    command.args([&found, &kept, &seeds]);
    let status = logged(&mut command, &log)?;

    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let mut artifacts = list(&artifacts)?;
    artifacts.retain(|artifact| !before.contains(artifact));
    Ok(Outcome {
        target: target.to_owned(),
        executions: number_after(&text, "stat::number_of_executed_units:").unwrap_or_default(),
        edges: number_after(&text, " cov: ").unwrap_or_default(),
        inputs: list(&found)?.len(),
        failed: !status.success(),
        artifacts,
        log,
    })
}

/// Runs inputs once each; the exit code is the program's.
pub(super) fn tries(places: &Places, target: &str, files: &[PathBuf]) -> Result<u8> {
    let mut command = program(places, target);
    let status = command.args(LIMITS).args(files).status();
    Ok(exit_code(status.context("cannot start the program")?))
}

/// A program with a stack like the server's, and its scratch files in memory.
pub(super) fn program(places: &Places, target: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -s {STACK} && exec \"$0\" \"$@\""));
    command.arg(places.program(target)).stdin(Stdio::null());
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        command.env("TMPDIR", memory);
    }
    command
}

pub(super) fn logged(command: &mut Command, log: &Path) -> Result<ExitStatus> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdout(file.try_clone()?).stderr(file);
    command.status().context("cannot start the program")
}

/// An empty folder.
pub(super) fn fresh(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// The files of a folder, sorted.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

/// The last number that follows a word.
fn number_after(text: &str, word: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once(word)?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_counts() {
        let log = "#2 INITED cov: 10 ft: 11\n#9 NEW    cov: 12 ft: 13\nstat::number_of_executed_units: 99\n";
        assert_eq!(number_after(log, " cov: "), Some(12));
        assert_eq!(number_after(log, "stat::number_of_executed_units:"), Some(99));
        assert_eq!(number_after(log, "nothing"), None);
    }
}
