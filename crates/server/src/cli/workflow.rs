//! Definitions as files: out of a server, into one, and looked over without one.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use api::permissions::Visibility;
use api::workflow::workflow_service_client::WorkflowServiceClient;
use api::workflow::{ExportWorkflowRequest, ImportWorkflowRequest};
use clap::{Args, Subcommand};
use primitives::{InvalidArgs, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;
use workflow_core::model::validate;

use super::say;
use crate::config::ConfigError;

#[derive(Debug, Subcommand)]
pub(super) enum WorkflowCommand {
    /// Write a workflow's definition as one YAML document
    Export(ExportArgs),
    /// Make a workflow of a document; prints its name
    Import(ImportArgs),
    /// Look a document over without a server
    Validate(ValidateArgs),
}

#[derive(Debug, Args)]
struct ServerArgs {
    /// Where the server is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50051")]
    server: String,
    /// A token of whoever asks
    #[arg(long, value_name = "JWT", env = "TOKEN", hide_env_values = true)]
    token: SecretString,
    /// With https: the certificates that the server's is checked by, as PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// `workflows/{uuid}`
    name: String,
    /// Where to; standard output by default
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The document; `-` is standard input
    file: PathBuf,
    /// `teams/{uuid}` that the workflow will belong to; the only team by default
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    /// It will be the caller's own
    #[arg(long, conflicts_with_all = ["team", "global"])]
    personal: bool,
    /// It will be everyone's
    #[arg(long, conflicts_with = "team")]
    global: bool,
    /// Check everything, make nothing
    #[arg(long)]
    validate_only: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// The document; `-` is standard input
    file: PathBuf,
}

pub(super) async fn run(command: WorkflowCommand) -> anyhow::Result<ExitCode> {
    match command {
        WorkflowCommand::Export(args) => export(args).await,
        WorkflowCommand::Import(args) => import(args).await,
        WorkflowCommand::Validate(args) => look_over(&args),
    }
}

async fn export(args: ExportArgs) -> anyhow::Result<ExitCode> {
    let mut client = args.server.client().await?;
    let request = args.server.request(ExportWorkflowRequest { name: args.name })?;
    let answer = client.export_workflow(request).await.map_err(|status| told(&status))?;
    let document = answer.into_inner().document;
    match args.out {
        Some(path) => std::fs::write(&path, document)
            .with_context(|| format!("cannot write {}", path.display()))?,
        None => std::io::stdout().lock().write_all(document.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn import(args: ImportArgs) -> anyhow::Result<ExitCode> {
    let document = text_of(&args.file)?;
    let visibility = match (args.personal, args.global, &args.team) {
        (true, ..) => Visibility::Personal,
        (_, true, _) => Visibility::Global,
        (.., Some(_)) => Visibility::Team,
        _ => Visibility::Unspecified,
    };
    let request = ImportWorkflowRequest {
        document,
        visibility: visibility.into(),
        team: args.team.unwrap_or_default(),
        validate_only: args.validate_only,
        request_id: String::new(),
    };
    let mut client = args.server.client().await?;
    let request = args.server.request(request)?;
    let answer = client.import_workflow(request).await.map_err(|status| told(&status))?;
    let made = answer.into_inner();
    say(if args.validate_only { "valid".to_owned() } else { made.name })?;
    Ok(ExitCode::SUCCESS)
}

/// Judges everything that does not depend on whose it will be.
fn look_over(args: &ValidateArgs) -> anyhow::Result<ExitCode> {
    let text = text_of(&args.file)?;
    let nobody = UserId::generate();
    let judged = gateway::document::read(&text).and_then(|input| {
        let (_, definition) = validate::workflow(&input, validate::Place::Template, nobody)?;
        validate::settings(&input, &definition, workflow_core::model::Settings::default())
    });
    match judged {
        Ok(_) => say("valid")?,
        Err(InvalidArgs { reason, fields }) => {
            let faults: Vec<_> = fields
                .iter()
                .map(|fault| format!("{} {}", fault.field, fault.description))
                .collect();
            bail!("{reason}: {}", faults.join("; "));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    // One byte more than may be, so that too much is noticed.
    let limit = u64::try_from(gateway::document::MAX_BYTES)? + 1;
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_string(&mut text)?;
    } else {
        let file =
            std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        file.take(limit).read_to_string(&mut text)?;
    }
    Ok(text)
}

impl ServerArgs {
    async fn client(&self) -> anyhow::Result<WorkflowServiceClient<Channel>> {
        let wrong = |error: tonic::transport::Error| ConfigError::wrong(error.to_string());
        let mut endpoint = Endpoint::from_shared(self.server.clone()).map_err(wrong)?;
        if let Some(ca) = &self.ca {
            let pem = std::fs::read(ca).with_context(|| format!("cannot read {}", ca.display()))?;
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            endpoint = endpoint.tls_config(tls).map_err(wrong)?;
        }
        let channel =
            endpoint.connect().await.with_context(|| format!("no server at {}", self.server))?;
        Ok(WorkflowServiceClient::new(channel))
    }

    fn request<T>(&self, message: T) -> anyhow::Result<Request<T>> {
        let bearer = format!("Bearer {}", self.token.expose_secret());
        let bearer: Result<MetadataValue<Ascii>, _> = bearer.parse();
        let bearer = bearer
            .map_err(|_| ConfigError::wrong("the token is no text of a header".to_owned()))?;
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", bearer);
        Ok(request)
    }
}

/// What the server said, with the fields that are wrong.
fn told(status: &Status) -> anyhow::Error {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    let fields = status.get_details_bad_request().map(|wrong| wrong.field_violations);
    let fields: Vec<_> = fields
        .into_iter()
        .flatten()
        .map(|fault| format!("{} {}", fault.field, fault.description))
        .collect();
    let said = if fields.is_empty() { status.message().to_owned() } else { fields.join("; ") };
    anyhow::anyhow!("{reason}: {said}")
}
