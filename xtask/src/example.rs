//! `cargo xtask worlds`, `simulate` and `invisible`: programs over real gRPC.
//!
//! They are examples of the package `e2e`; here they get built with everything else, a
//! Postgres, the product's own program and their arguments.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::pg::URL_VARIABLE;
use crate::test::{PROGRAM_VARIABLE, Postgres, programs};
use crate::{exit_code, workspace};

/// Builds and runs the program; the exit code is its own.
pub(crate) fn run(name: &str, words: &[String]) -> Result<u8> {
    let (program, server) = programs(name)?;
    let postgres = Postgres::provide()?;
    let mut command = Command::new(program);
    workspace::clear_cargo_variables(&mut command);
    let status = command
        .args(words)
        .env(URL_VARIABLE, postgres.url())
        .env(PROGRAM_VARIABLE, server)
        .stdin(Stdio::null())
        .status()
        .context("cannot start the program that was built")?;
    Ok(exit_code(status))
}
