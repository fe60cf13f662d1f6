//! Runs the product's tests against SQLite and a throwaway Postgres.
//!
//! **Invariant:** there is one package selection, the whole workspace, whatever is
//! filtered: another selection would build most of the tree again.

mod build;
mod guide;
mod reasons;
mod skips;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::pg::{Cluster, URL_VARIABLE};
use crate::{exit_code, workspace};
use build::Built;

pub(crate) use build::programs;

/// The variable by which crash tests learn which program to start as a child.
pub(crate) const PROGRAM_VARIABLE: &str = "ELOHIM_BIN";
/// Selects all targets of all packages; doc tests are run on their own.
const SELECTION: [&str; 2] = ["--workspace", "--locked"];

/// `cargo xtask test [guide | FILTER…]`; the exit code is the runner's.
pub(crate) fn run(words: &[String]) -> Result<u8> {
    let built = build::everything()?;
    let is_guide = words == ["guide"];
    let scenarios = if is_guide { guide::expected(&built.tests)? } else { Vec::new() };
    if !is_guide {
        refuse_filters_without_a_test(words, &built)?;
    }
    let mut complaints = skips::unlisted(&built.tests)?;

    let postgres = Postgres::provide()?;
    let environment = Environment { url: postgres.url(), program: built.program };
    let code = if is_guide {
        guide::run(&environment, scenarios)?
    } else {
        // First, so that the runner's summary is what stands at the end.
        let doc_code = if words.is_empty() { run_doc_tests(&environment)? } else { 0 };
        let observed = reasons::Observed::begin()?;
        let code = match run_all(&environment, words, &observed)? {
            0 => doc_code,
            code => code,
        };
        // Only all tests together meet every reason.
        if words.is_empty() && code == 0 {
            complaints.extend(observed.complaints(&workspace::root())?);
        }
        code
    };

    for complaint in &complaints {
        eprintln!("error: {complaint}");
    }
    Ok(if code == 0 && !complaints.is_empty() { 1 } else { code })
}

/// A server of our own, or the one that the caller's environment names.
pub(crate) enum Postgres {
    Ours(Cluster),
    Given(String),
}

impl Postgres {
    pub(crate) fn provide() -> Result<Self> {
        if let Ok(url) = std::env::var(URL_VARIABLE) {
            eprintln!("using the Postgres that {URL_VARIABLE} names");
            return Ok(Self::Given(url));
        }
        Ok(Self::Ours(Cluster::start()?))
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Ours(cluster) => cluster.url(),
            Self::Given(url) => url.clone(),
        }
    }
}

/// What every test process is told.
struct Environment {
    url: String,
    program: std::path::PathBuf,
}

impl Environment {
    fn apply(&self, command: &mut Command) {
        command.env(URL_VARIABLE, &self.url).env(PROGRAM_VARIABLE, &self.program);
        // A reader may stand at the terminal, a test must not wait for one.
        command.stdin(Stdio::null());
    }
}

/// The program that runs compiled tests.
#[derive(Clone, Copy)]
enum Runner {
    Nextest,
    CargoTest,
}

impl Runner {
    fn present() -> Self {
        if workspace::is_on_path("cargo-nextest") { Self::Nextest } else { Self::CargoTest }
    }
}

fn run_all(
    environment: &Environment,
    words: &[String],
    observed: &reasons::Observed,
) -> Result<u8> {
    let mut command = workspace::cargo();
    match Runner::present() {
        Runner::Nextest => command.args(["nextest", "run"]).args(SELECTION),
        Runner::CargoTest => {
            command.arg("test").args(SELECTION).args(["--all-targets", "--no-fail-fast", "--"])
        }
    };
    environment.apply(command.args(words));
    observed.apply(&mut command);
    Ok(exit_code(command.status().context("cannot start cargo")?))
}

/// nextest leaves doc tests out, so both runners run them here. One that is marked
/// `ignore` fails the run: an example either runs or is marked `text`.
fn run_doc_tests(environment: &Environment) -> Result<u8> {
    let mut command = workspace::cargo();
    command.arg("test").args(SELECTION).args(["--doc", "--no-fail-fast"]);
    environment.apply(&mut command);
    let mut ignored = Vec::new();
    let code = run_watched(&mut command, Stream::Output, |line| {
        if line.starts_with("test ") && line.trim_end().ends_with(" ... ignored") {
            ignored.push(line.to_owned());
        }
    })?;
    for line in &ignored {
        eprintln!("error: a doc test does not run, mark it `text` or make it run: {line}");
    }
    Ok(if code == 0 && !ignored.is_empty() { 1 } else { code })
}

/// Which of a runner's streams carries its results.
#[derive(Clone, Copy)]
enum Stream {
    Output,
    Errors,
}

/// Runs a command whose result lines are shown and looked at as they come.
fn run_watched(command: &mut Command, stream: Stream, mut look_at: impl FnMut(&str)) -> Result<u8> {
    match stream {
        Stream::Output => command.stdout(Stdio::piped()),
        Stream::Errors => command.stderr(Stdio::piped()),
    };
    let mut child = command.spawn().context("cannot start cargo")?;
    let pipe: Box<dyn std::io::Read> = match (child.stdout.take(), child.stderr.take()) {
        (Some(pipe), _) => Box::new(pipe),
        (None, Some(pipe)) => Box::new(pipe),
        (None, None) => bail!("the runner has no pipe"),
    };
    let mut terminal = std::io::stderr();
    for line in BufReader::new(pipe).split(b'\n') {
        let line = line.context("cannot read from the runner")?;
        let line = String::from_utf8_lossy(&line);
        writeln!(terminal, "{line}")?;
        look_at(&line);
    }
    Ok(exit_code(child.wait()?))
}

/// `cargo test` passes when a filter names nothing; a typo must not look like a pass.
fn refuse_filters_without_a_test(words: &[String], built: &Built) -> Result<()> {
    let has_options = words.iter().any(|word| word.starts_with('-'));
    let is_known = |word: &String| built.tests.iter().any(|test| test.name.contains(word.as_str()));
    match words.iter().find(|word| !is_known(word)) {
        Some(word) if !has_options => bail!("no test has {word:?} in its name"),
        _ => Ok(()),
    }
}
