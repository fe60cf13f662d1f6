//! A running server: gateway, worker and metrics port over one database.
//!
//! **Invariant:** at the end nothing new is taken on before everything that was taken on has
//! had its time: first the port, then the worker's runs, then records, then the database.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_core::port::engine::Engine;
use agent_core::service::{Checkpoints, NoCheckpoints};
use events::SharedLimits;
use gateway::{GatewayConfig, PageKey, Parts, VerifierError};
use permissions::Authorizer;
use primitives::SystemClock;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use storage::{Storage, StorageOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::domain::Domain;
use super::ports::Ports;
use super::store::Opened;
use super::{Identity, policy, ports, seed, store, sweep};
use crate::config::{Config, ConfigError};
use crate::telemetry::{Endpoint, Metrics, Probes};

/// Records of refusals and reads that may wait to be written.
const NOTES: usize = 4096;
/// All of the end together.
const DRAIN: Duration = Duration::from_secs(30);

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("another server uses {0}")]
    InUse(PathBuf),
    #[error("the database is not empty: the demo needs one of its own")]
    NotEmpty,
    #[error(transparent)]
    Connect(#[from] storage::ConnectError),
    #[error(transparent)]
    Migrate(#[from] storage::MigrateError),
    #[error(transparent)]
    Policy(#[from] permissions::PolicyError),
    #[error(transparent)]
    Source(#[from] permissions::SourceError),
    #[error(transparent)]
    Directory(#[from] directory::store::StoreError),
    #[error("people: {0}")]
    People(#[from] crate::dev::SeedError),
    #[error("templates: {0}")]
    Templates(#[from] workflow_core::WorkflowError),
    #[error(transparent)]
    Workspace(#[from] agent_core::port::workspace::WorkspaceError),
    #[error(transparent)]
    Identity(#[from] VerifierError),
    #[error(transparent)]
    Gateway(#[from] gateway::GatewayError),
    #[error("metrics: {0}")]
    Metrics(#[from] opentelemetry_sdk::error::OTelSdkError),
    #[error("cannot listen on {address}: {cause}")]
    Listen { address: SocketAddr, cause: std::io::Error },
}

/// What to start.
pub struct Options {
    pub config: Config,
    /// `None` serves no calls: a worker only.
    pub identity: Option<Identity>,
    /// Seeds the development people.
    pub is_dev: bool,
    /// Refuses a database with people in it.
    pub needs_empty_database: bool,
    /// Carries out runs and delivers events.
    pub has_worker: bool,
    /// Programs that change code, in order of preference.
    pub engines: Vec<Arc<dyn Engine>>,
    pub checkpoints: Arc<dyn Checkpoints>,
}

impl Options {
    /// A worker without a gateway; change what should be different.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            identity: None,
            is_dev: false,
            needs_empty_database: false,
            has_worker: true,
            engines: Vec::new(),
            checkpoints: Arc::new(NoCheckpoints),
        }
    }
}

/// A server at work.
pub struct Server {
    ports: Option<Ports>,
    metrics_address: SocketAddr,
    opened: Opened,
    notes: Arc<storage::Refusals>,
    metrics: Metrics,
    ready: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    stop_endpoint: watch::Sender<bool>,
    tasks: Vec<(&'static str, JoinHandle<()>)>,
}

impl Server {
    /// Opens, migrates, seeds, listens. Calls are taken when this returns.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options {
            config,
            identity,
            is_dev,
            needs_empty_database,
            has_worker,
            engines,
            checkpoints,
        } = options;
        let opened = store::open(&config).await?;
        let storage = opened.storage.clone();
        if needs_empty_database {
            seed::nobody_there(&storage).await?;
        }
        if is_dev {
            seed::people(&storage).await?;
        }
        let source = Arc::new(storage.clone());
        let authorizer = Arc::new(Authorizer::start(source, Arc::new(SystemClock)).await?);
        seed::templates(&Domain::templates(&storage), &authorizer).await?;

        let notes = storage.refusals(NOTES);
        let metrics = Metrics::new()?;
        let domain =
            Domain::new(&config, &storage, &authorizer, notes.clone(), engines, checkpoints)?;
        let (ready, is_ready) = watch::channel(false);
        let (stop, stopping) = watch::channel(false);
        let (stop_endpoint, endpoint_stopping) = watch::channel(false);
        let probes = probes(&metrics, &storage, is_ready);
        let endpoint = Endpoint::bind(config.metrics.listen, probes)
            .await
            .map_err(cannot_listen(config.metrics.listen))?;
        let metrics_address = endpoint.address().map_err(cannot_listen(config.metrics.listen))?;

        let mut tasks =
            vec![("sweep", tokio::spawn(sweep::old(storage.clone(), stopping.clone())))];
        let mut ports = None;
        if let Some(identity) = identity {
            let watching = policy::watch(authorizer.clone(), stopping.clone());
            tasks.push(("policy", tokio::spawn(watching)));
            let roots = seed::roots(&storage, &authorizer, &config.repositories.roots.0).await?;
            let claims = &config.identity.teams;
            let rules = seed::claim_rules(&storage, &claims.map.0).await?;
            let observer = Arc::new(metrics.clone());
            let parts = Parts {
                config: limits(&config),
                services: domain.services(roots),
                authorizer: authorizer.clone(),
                verifier: identity.verifier(observer.clone(), domain.clock.clone()).await?,
                notes: domain.notes.clone(),
                observer,
                clock: domain.clock.clone(),
                page_key: page_key(&config),
                shared_limits: shared_limits(&config, &storage),
                claims: claims.is_on().then(|| domain.claims(claims.keep(), rules)),
            };
            ports = Some(ports::open(&config, parts, &stopping, &mut tasks).await?);
        }
        if has_worker {
            let worker = domain.worker(&config, &metrics);
            tasks.push(("worker", tokio::spawn(worker.run(stopping.clone()))));
        }
        // Not waited for at the end like the others: it tells that the server is not ready.
        tokio::spawn(endpoint.serve(endpoint_stopping));
        ready.send_replace(true);
        Ok(Self {
            ports,
            metrics_address,
            opened,
            notes,
            metrics,
            ready,
            stop,
            stop_endpoint,
            tasks,
        })
    }

    /// Statements sent to the database since the start; see [`storage::Storage::statements`].
    pub fn statements(&self) -> u64 {
        self.opened.storage.statements()
    }

    /// Where calls are taken; the metrics port where none are.
    pub fn grpc(&self) -> SocketAddr {
        self.ports.map_or(self.metrics_address, |ports| ports.tenants)
    }

    /// Where operators' calls are taken; the metrics port where none are.
    pub fn admin(&self) -> SocketAddr {
        self.ports.map_or(self.metrics_address, |ports| ports.operators)
    }

    pub fn metrics(&self) -> SocketAddr {
        self.metrics_address
    }

    /// The line that says that calls are taken.
    pub fn ready_line(&self) -> String {
        let metrics = self.metrics_address;
        match self.ports {
            Some(Ports { tenants, operators }) => {
                format!("ready grpc={tenants} metrics={metrics} admin={operators}")
            }
            None => format!("ready metrics={metrics}"),
        }
    }

    /// Returns when something that must not end has ended.
    pub async fn broken(&self) {
        loop {
            if let Some((name, _)) = self.tasks.iter().find(|(_, task)| task.is_finished()) {
                tracing::error!(name, "a part of the server ended by itself");
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Ends in order, within 30 seconds.
    pub async fn stop(self) {
        self.ready.send_replace(false);
        self.stop.send_replace(true);
        let all = async {
            for (name, task) in self.tasks {
                if let Err(error) = task.await {
                    tracing::error!(%error, name, "a part of the server broke down");
                }
            }
            self.notes.flush().await;
        };
        if tokio::time::timeout(DRAIN, all).await.is_err() {
            tracing::warn!("work was left when the time to end was over: leases will pass");
        }
        self.stop_endpoint.send_replace(true);
        self.metrics.shut_down();
        self.opened.storage.close().await;
    }
}

fn probes(metrics: &Metrics, storage: &Storage, ready: watch::Receiver<bool>) -> Probes {
    Probes {
        metrics: metrics.clone(),
        runs: Arc::new(storage.clone()),
        outbox: Arc::new(storage.clone()),
        ready,
    }
}

fn limits(config: &Config) -> GatewayConfig {
    let usual = StorageOptions::default().pool_size;
    let connections = config.database.pool_size.unwrap_or(usual);
    GatewayConfig {
        reflection: config.gateway.reflection,
        ..config.gateway.limits.gateway(connections)
    }
}

/// An embedded database belongs to one process, which needs nobody to ask.
fn shared_limits(config: &Config, storage: &Storage) -> Option<Arc<dyn SharedLimits>> {
    if config.is_embedded() { None } else { Some(Arc::new(storage.clone())) }
}

fn page_key(config: &Config) -> PageKey {
    let secret = config.gateway.page_secret.expose_secret();
    if !secret.is_empty() {
        return PageKey::new(&Sha256::digest(secret).into());
    }
    if !config.is_embedded() {
        tracing::warn!("gateway.page_secret is not set: page tokens are good at this process only");
    }
    PageKey::random()
}

fn cannot_listen(address: SocketAddr) -> impl FnOnce(std::io::Error) -> StartError {
    move |cause| StartError::Listen { address, cause }
}
