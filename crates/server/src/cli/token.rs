//! Tokens for development.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::say;
use crate::config::{ConfigError, load};
use crate::dev::{DevKey, KeyError, PEOPLE};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Print a token for one of the seeded people
    Issue(IssueArgs),
}

#[derive(Debug, Args)]
pub(super) struct IssueArgs {
    /// alice, bob, carol, dave or erin
    #[arg(long, value_name = "NAME")]
    user: String,
    /// The folder of the server's data; the configured one by default
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// How long the token is good for
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=720))]
    hours: u64,
}

pub(super) fn run(command: TokenCommand) -> anyhow::Result<ExitCode> {
    let TokenCommand::Issue(args) = command;
    if !PEOPLE.iter().any(|person| person.name == args.user) {
        let names: Vec<_> = PEOPLE.iter().map(|person| person.name).collect();
        let text = format!("the seeded people are {}", names.join(", "));
        return Err(ConfigError::wrong(text).into());
    }
    let data_dir = match args.data_dir {
        Some(data_dir) => data_dir,
        None => load(None)?.data_dir,
    };
    let key = DevKey::open(&data_dir).map_err(|error| match error {
        KeyError::Missing(_) => ConfigError::wrong(error.to_string()).into(),
        other => anyhow::Error::new(other),
    })?;
    let life = Duration::from_hours(args.hours);
    say(key.token(&args.user, life))?;
    Ok(ExitCode::SUCCESS)
}
