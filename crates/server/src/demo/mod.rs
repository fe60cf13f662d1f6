//! The product's main job on a real repository, through real gRPC, checked step by step.
//!
//! **Invariant:** every `PASS` stands for checks that compared what the server answered (or
//! what is in the mirror) with what must be; a step that could not be checked fails.

mod keep;
mod mirror;
mod patch;
pub(crate) mod people;
mod report;
mod repository;
mod steps;
mod story;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::config::{Config, ConfigError, Owner, Root, loopback};
use crate::dev::DevKey;
use crate::telemetry;
use crate::wiring::{Identity, Options, Server};
use report::Report;
use repository::Source;
use story::Story;

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// A git repository; it is only read
    #[arg(long, value_name = "PATH")]
    repo: PathBuf,
    /// A unified diff to apply; by default one line is added to a README or a comment
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,
    /// Leave the server up afterwards, and print tokens and commands for it
    #[arg(long)]
    keep: bool,
    /// An empty Postgres or SQLite database instead of a temporary one
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Runs the demo. The exit code is 0 only if every check holds.
pub async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let source = Source::open(&args.repo).map_err(ConfigError::wrong)?;
    let patch = match &args.patch {
        Some(file) => patch::read(file)?,
        None => patch::choose(&source).map_err(ConfigError::wrong)?,
    };
    let folder = tempfile::Builder::new().prefix("elohim-demo-").tempdir()?;
    let config = config(folder.path(), args.database, &source);
    let traces = telemetry::start(&config.telemetry)?;
    let key = DevKey::open_or_create(&config.data_dir)?;
    let server = Server::start(options(config.clone(), Identity::dev(&key)?)).await?;

    println(format_args!(
        "demo: {} on {}, grpc={}",
        source.path.display(),
        if config.is_embedded() { "sqlite" } else { "postgres" },
        server.grpc()
    ))?;
    let mut report = Report::new();
    let mut story = Story::new(server.grpc(), &key, source, patch, config.data_dir.clone())?;
    steps::all(&mut report, &mut story).await?;
    let is_passed = report.close()?;
    if args.keep && is_passed {
        keep::print(&story, &server)?;
        crate::wiring::end_of_process().await;
    }
    server.stop().await;
    traces.shut_down();
    Ok(if is_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn config(folder: &Path, database: Option<String>, source: &Source) -> Config {
    let mut config = Config { data_dir: folder.join("data"), ..Config::default() };
    config.database.url = database.unwrap_or_default().into();
    config.gateway.listen = loopback(0);
    config.gateway.reflection = true;
    config.gateway.page_secret = format!("{}{}", request_id(), request_id()).into();
    config.admin.listen = loopback(0);
    config.metrics.listen = loopback(0);
    // What matters is printed as steps; a log line here is something to look at.
    config.telemetry.log_filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".into());
    let owner = Owner::Team("core".into());
    config.repositories.roots.0.push(Root { owner, path: source.root.clone() });
    config
}

fn options(config: Config, identity: Identity) -> Options {
    Options {
        identity: Some(identity),
        is_dev: true,
        needs_empty_database: true,
        ..Options::new(config)
    }
}

/// Standard output is the demo's result: a closed one ends it.
fn println(line: impl std::fmt::Display) -> anyhow::Result<()> {
    crate::cli::say(line).context("standard output is closed")
}

/// A fresh UUID for `request_id`.
fn request_id() -> String {
    primitives::EventId::generate().as_uuid().to_string()
}
