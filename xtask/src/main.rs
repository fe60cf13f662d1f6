//! The project's chores: `cargo xtask COMMAND`.

mod example;
mod fuzz;
mod pg;
mod readme;
mod stage_type;
mod test;
mod tidy;
mod workspace;

use std::process::{ExitCode, ExitStatus};

use anyhow::Result;

const USAGE: &str = "\
cargo xtask COMMAND

  test [FILTER…]        builds everything, runs the tests on SQLite and on a throwaway Postgres
  test guide            runs the product guide's scenarios, shows scenario × database
  tidy                  checks layers, file lengths, links, ports, lints and permissions
  readme [MARKER]       runs the commands that README.md shows
  fuzz [--short] [TARGET…]  fuzzes the readers of untrusted input (nightly); --help says more
  worlds [OPTION…]      random calls in random worlds, judged by a reference: --calls N, --seed N
  simulate [OPTION…]    random work, the server killed between, judged by a model: --sequences N, --seed N
  stage-type            follows docs/adding-a-stage-type.md in a copy, and runs the test it shows
  invisible [--pairs N] what is invisible beside what is absent: statements and latencies
  pg -- COMMAND…        runs COMMAND with ELOHIM_TEST_PG naming a throwaway Postgres
";

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let command = if words.is_empty() { String::new() } else { words.remove(0) };
    match run(&command, &words) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, words: &[String]) -> Result<u8> {
    match command {
        "fuzz" => fuzz::run(words),
        "pg" => pg::run_with(words.strip_prefix(&["--".to_owned()]).unwrap_or(words)),
        "readme" => readme::run(words),
        "stage-type" => stage_type::run(words),
        "tidy" => tidy::run(),
        "test" => test::run(words),
        "worlds" | "simulate" | "invisible" => example::run(command, words),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(0)
        }
        _ => {
            eprint!("{USAGE}");
            Ok(2)
        }
    }
}

/// The exit code to end with for a child's end; one killed by a signal becomes 128 plus
/// the signal, as in a shell.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
