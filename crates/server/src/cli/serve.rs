//! `serve` and `worker`: start, say so, wait for the end, end in order.

use std::process::ExitCode;

use clap::Args;

use super::{ConfigArgs, say};
use crate::config::Config;
use crate::dev::{DevKey, PEOPLE};
use crate::telemetry;
use crate::wiring::{Identity, Options, Server, end_of_process};

/// Tokens printed at the start are good for this long.
const TOKEN_LIFE: std::time::Duration = std::time::Duration::from_hours(12);

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A world for development, on this machine only: a generated key, seeded people whose
    /// tokens are printed, reflection on
    #[arg(long)]
    dev: bool,
    /// Leave runs and events to `elohim worker`; needs Postgres
    #[arg(long)]
    no_worker: bool,
    /// Hold runs at this place, for crash tests
    #[cfg(debug_assertions)]
    #[arg(long, hide = true, value_name = "PLACE", value_parser = crate::wiring::HoldAt::parse)]
    hold_at: Option<crate::wiring::HoldAt>,
}

pub(super) async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let mut config = args.config.load()?;
    if args.no_worker {
        config.require_shared_database("serve --no-worker")?;
    }
    let mut key = None;
    let identity = if args.dev {
        config.require_dev()?;
        config.gateway.reflection = true;
        let made = DevKey::open_or_create(&config.data_dir)?;
        let identity = Identity::dev(&made)?;
        key = Some(made);
        identity
    } else {
        Identity::configured(&config)?
    };
    let options = Options {
        identity: Some(identity),
        is_dev: args.dev,
        has_worker: !args.no_worker,
        ..Options::new(config.clone())
    };
    #[cfg(debug_assertions)]
    let options = match args.hold_at {
        Some(hold) => Options { checkpoints: std::sync::Arc::new(hold), ..options },
        None => options,
    };
    run(&config, options, key.as_ref()).await
}

pub(super) async fn worker(args: ConfigArgs) -> anyhow::Result<ExitCode> {
    let config = args.load()?;
    config.require_shared_database("elohim worker")?;
    run(&config, Options::new(config.clone()), None).await
}

async fn run(config: &Config, options: Options, key: Option<&DevKey>) -> anyhow::Result<ExitCode> {
    let traces = telemetry::start(&config.telemetry)?;
    let server = Server::start(options).await?;
    if let Some(key) = key {
        for person in &PEOPLE {
            let token = key.token(person.name, TOKEN_LIFE);
            // Quoted for a shell; the name says who it is.
            let name = person.name.to_ascii_uppercase();
            say(format_args!("export TOKEN_{name}='{token}'  # {}", person.title()))?;
        }
    }
    say(server.ready_line())?;
    let is_broken = tokio::select! {
        () = end_of_process() => false,
        () = server.broken() => true,
    };
    tracing::info!("ending");
    server.stop().await;
    traces.shut_down();
    Ok(if is_broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
