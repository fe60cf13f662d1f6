//! The command line.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong configuration or arguments.

mod bootstrap;
mod descriptor;
mod docs;
mod serve;
mod token;
mod workflow;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError, load};
use crate::demo;
use crate::wiring::StartError;

const CONFIGURATION: u8 = 2;

/// People move work items through stages; a coding agent helps, and humans decide.
#[derive(Debug, Parser)]
#[command(name = "elohim", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve gRPC, with a worker inside
    Serve(serve::ServeArgs),
    /// Carry out runs and deliver events only; needs Postgres
    Worker(ConfigArgs),
    /// Give an empty database its first founder, first team and first admin: one person
    Bootstrap(bootstrap::BootstrapArgs),
    /// Do the product's main job on a git repository, which stays as it is, and check it
    Demo(demo::DemoArgs),
    /// Tokens for the people of `serve --dev`
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Write the descriptor set of all services, for `grpcurl -protoset`
    Descriptor(descriptor::DescriptorArgs),
    /// Definitions as files
    #[command(subcommand)]
    Workflow(workflow::WorkflowCommand),
    /// Generate pages of the documentation
    #[command(subcommand)]
    Docs(docs::DocsCommand),
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// A TOML file; variables such as ELOHIM_GATEWAY__LISTEN win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    fn load(&self) -> Result<Config, ConfigError> {
        load(self.config.as_deref())
    }
}

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("no async runtime")),
    };
    let done = runtime.block_on(run(cli.command));
    // Threads that still block on a disk or a collector do not hold the exit up.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match done {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::serve(args).await,
        Command::Worker(args) => serve::worker(args).await,
        Command::Bootstrap(args) => bootstrap::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Token(command) => token::run(command),
        Command::Descriptor(args) => descriptor::run(args),
        Command::Workflow(command) => workflow::run(command).await,
        Command::Docs(command) => docs::run(command).await,
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    let mut out = std::io::stderr().lock();
    // Nothing is left to do when standard error is closed.
    let _ = writeln!(out, "error: {error:#}");
    let is_wrong_value =
        error.is::<ConfigError>() || matches!(error.downcast_ref(), Some(StartError::Config(_)));
    if is_wrong_value { ExitCode::from(CONFIGURATION) } else { ExitCode::FAILURE }
}

/// One line on standard output, which is the command's result.
pub(crate) fn say(line: impl std::fmt::Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
