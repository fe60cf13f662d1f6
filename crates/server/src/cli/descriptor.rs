//! The contract as a file, for tools that cannot or may not ask for reflection.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct DescriptorArgs {
    /// Where to; standard output by default
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: DescriptorArgs) -> anyhow::Result<ExitCode> {
    match args.out {
        Some(path) => std::fs::write(&path, api::DESCRIPTORS)
            .with_context(|| format!("cannot write {}", path.display()))?,
        None => std::io::stdout().lock().write_all(api::DESCRIPTORS)?,
    }
    Ok(ExitCode::SUCCESS)
}
