//! What an operator can set.
//!
//! Read once at start: defaults, then one TOML file, then variables such as
//! `ELOHIM_GATEWAY__LISTEN`. **Invariant:** unknown keys are errors, so typos are loud, and
//! neither a value of type secret nor a URL that may hold a password is ever printed.

mod admin;
mod check;
mod identity;
mod limits;
mod load;
mod roots;
mod teams;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

pub use admin::AdminConfig;
pub use identity::{Algorithm, IdentityConfig, KeyFile, KeyFiles};
pub use limits::{ClassConfig, LimitsConfig};
pub use load::{ConfigError, load, load_from};
pub use roots::{Owner, Root, RootList};
pub use teams::{TeamMap, TeamMapping, TeamsClaimConfig};
pub use tls::TlsConfig;

/// Everything an operator can set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Mirrors, the SQLite file, development keys. One folder per database.
    pub data_dir: PathBuf,
    pub database: DatabaseConfig,
    pub gateway: GatewayConfig,
    pub admin: AdminConfig,
    pub metrics: MetricsConfig,
    pub identity: IdentityConfig,
    pub repositories: RepositoriesConfig,
    pub model: ModelSection,
    pub engines: EnginesConfig,
    pub telemetry: TelemetryConfig,
    pub worker: WorkerConfig,
}

/// The database. Carries a password, so it never prints.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `sqlite:PATH` or `postgres://…`; empty is `elohim.db` in the data folder.
    pub url: SecretString,
    /// `postgres://…` of whoever owns the tables, for migrations only; empty is `url`.
    pub migration_url: SecretString,
    /// Connections to Postgres; on SQLite, connections that read.
    pub pool_size: Option<u32>,
}

/// The gRPC port.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Whether reflection answers; `serve --dev` and `demo` switch it on.
    pub reflection: bool,
    /// Seals page tokens: at least 32 characters, the same on every replica. Without one,
    /// tokens are good at the process that made them only.
    pub page_secret: SecretString,
    pub tls: TlsConfig,
    pub limits: LimitsConfig,
}

/// The port of `/metrics` and `/healthz`: plain HTTP, without authentication.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Port 0 takes any free one.
    pub listen: SocketAddr,
}

/// Which folders hold repositories, and whose.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepositoriesConfig {
    /// As in `core=/srv/core,user:bob=/srv/bob`.
    pub roots: RootList,
}

/// An OpenAI-compatible endpoint. Without a base URL the built-in planner plans.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSection {
    /// Up to and including the API version, as in `https://models.example.org/v1`.
    pub base_url: String,
    /// The model asked for when a request names none.
    pub name: String,
    /// Empty is none.
    pub api_key: SecretString,
}

/// Programs that change code.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnginesConfig {
    /// Folders to look for engines in, separated by colons.
    pub path: String,
}

/// Logs and traces.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// An OTLP/gRPC collector, as in `http://127.0.0.1:4317`; empty sends nothing.
    pub otlp_endpoint: String,
    /// As in `info,worker=debug`. Libraries stay at `info` whatever it says.
    pub log_filter: String,
    pub log_format: LogFormat,
}

/// How log lines look. They go to standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The worker inside this process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerConfig {
    /// Runs worked on at the same time, 1 to 64.
    pub concurrency: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: default_data_dir(),
            database: DatabaseConfig::default(),
            gateway: GatewayConfig::default(),
            admin: AdminConfig::default(),
            metrics: MetricsConfig::default(),
            identity: IdentityConfig::default(),
            repositories: RepositoriesConfig::default(),
            model: ModelSection::default(),
            engines: EnginesConfig::default(),
            telemetry: TelemetryConfig::default(),
            worker: WorkerConfig::default(),
        }
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: loopback(50051),
            reflection: false,
            page_secret: SecretString::default(),
            tls: TlsConfig::default(),
            limits: LimitsConfig::default(),
        }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { listen: loopback(9464) }
    }
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            otlp_endpoint: String::new(),
            log_filter: "info".into(),
            log_format: LogFormat::default(),
        }
    }
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { concurrency: 2 }
    }
}

impl Config {
    /// The URL to connect to.
    pub fn database_url(&self) -> SecretString {
        if self.database.url.expose_secret().is_empty() {
            format!("sqlite:{}", self.data_dir.join("elohim.db").display()).into()
        } else {
            self.database.url.clone()
        }
    }

    /// The URL that migrations connect to, where that is another one.
    pub fn migration_url(&self) -> Option<&SecretString> {
        let url = &self.database.migration_url;
        (!url.expose_secret().is_empty()).then_some(url)
    }

    /// Whether the database is embedded, and so served by one process only.
    pub fn is_embedded(&self) -> bool {
        self.database_url().expose_secret().starts_with("sqlite:")
    }
}

pub(crate) const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// `elohim` among the user's data, else empty, which the checks refuse.
fn default_data_dir() -> PathBuf {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share"));
    data.or_else(home).map(|folder| folder.join("elohim")).unwrap_or_default()
}
