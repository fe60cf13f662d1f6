//! Generated pages.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::say;
use crate::docs;

#[derive(Debug, Subcommand)]
pub(super) enum DocsCommand {
    /// docs/status.md: asks a server of its own which methods work
    Status(PageArgs),
    /// docs/errors.md: the catalogue of reasons
    Errors(PageArgs),
}

#[derive(Debug, Args)]
pub(super) struct PageArgs {
    /// Compare with the file instead of writing it
    #[arg(long)]
    check: bool,
    /// The page; by default docs/status.md or docs/errors.md of the current folder
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) async fn run(command: DocsCommand) -> anyhow::Result<ExitCode> {
    let (args, file, text) = match command {
        DocsCommand::Status(args) => (args, "docs/status.md", docs::status().await?),
        DocsCommand::Errors(args) => (args, "docs/errors.md", docs::errors()),
    };
    let path = args.file.unwrap_or_else(|| Path::new(file).to_owned());
    if !args.check {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if found != text {
        bail!("{} is out of date: generate it again without --check", path.display());
    }
    say(format_args!("{} is up to date", path.display()))?;
    Ok(ExitCode::SUCCESS)
}
