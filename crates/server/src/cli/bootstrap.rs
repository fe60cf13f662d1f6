//! The first founder of an empty database.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use directory::service::{FirstPerson, Slug, Subject, display_name};
use primitives::{Checked, clip};

use super::{ConfigArgs, say};
use crate::config::ConfigError;
use crate::wiring::first_person;

/// Of a subject that serves as a name, too.
const NAME_CHARS: usize = 200;

#[derive(Debug, Args)]
pub(super) struct BootstrapArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The `sub` of the first person's tokens
    #[arg(long, value_name = "SUBJECT")]
    user: String,
    /// Short name of the first team, as in `core`
    #[arg(long, value_name = "SLUG")]
    team: String,
    /// What people see as the person's name; the subject by default
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// What people see as the team's name; its short name by default
    #[arg(long, value_name = "NAME")]
    team_name: Option<String>,
}

pub(super) async fn run(args: BootstrapArgs) -> anyhow::Result<ExitCode> {
    let first = args.first().map_err(|wrong| ConfigError::wrong(wrong.to_string()))?;
    let config = args.config.load()?;
    let Some((user, team)) = first_person(&config, first).await? else {
        bail!("the database has people already; whoever manages the directory adds others");
    };
    say(format_args!("{} {} is a founder, and admin of {}", user.id, args.user, args.team))?;
    say(format_args!("{} {} is a team", team.id, args.team))?;
    Ok(ExitCode::SUCCESS)
}

impl BootstrapArgs {
    fn first(&self) -> Checked<FirstPerson> {
        let subject = Subject::check("--user", &self.user)?;
        let team = Slug::check("--team", &self.team)?;
        let person = self.display_name.clone().unwrap_or_else(|| clip(&self.user, NAME_CHARS));
        let team_name = self.team_name.as_ref().unwrap_or(&self.team);
        Ok(FirstPerson {
            subject,
            team,
            display_name: display_name("--display-name", &person)?,
            team_name: display_name("--team-name", team_name)?,
        })
    }
}
