//! Services over their ports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_core::port::engine::Engine;
use agent_core::port::model::Model;
use agent_core::service::{
    AgentDeps, Applying, Checkpoints, Planning, Repositories, Reverting, Roots, Runner, Runs,
    Sessions, Stops,
};
use audit::RefusalSink;
use directory::service::{
    Administration, Assignments, ClaimRule, Claims, DirectoryDeps, Members, Questions, Roles,
    Teams, Users,
};
use engines::OpenAiModel;
use events::Wakeups;
use gateway::Services;
use git_workspace::GitWorkspace;
use permissions::{Authorizer, ClaimKeeper};
use primitives::{Clock, SystemClock};
use secrecy::ExposeSecret;
use storage::Storage;
use worker::{Settings, Worker, WorkerParts};
use workflow_core::service::{
    Analytics, Comments, Departures, Items, Reviews, Templates, Triggers, Workflows,
};

use super::StartError;
use super::machine::Measured;
use crate::config::{Config, ConfigError};
use crate::telemetry::Metrics;

/// What every service is built on.
pub(super) struct Domain {
    pub storage: Storage,
    pub authorizer: Arc<Authorizer>,
    pub clock: Arc<dyn Clock>,
    pub notes: Arc<dyn RefusalSink>,
    wakeups: Arc<dyn Wakeups>,
    machine: Arc<Measured>,
    agent: AgentDeps,
}

impl Domain {
    pub(super) fn new(
        config: &Config,
        storage: &Storage,
        authorizer: &Arc<Authorizer>,
        notes: Arc<dyn RefusalSink>,
        engines: Vec<Arc<dyn Engine>>,
        checkpoints: Arc<dyn Checkpoints>,
    ) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let wakeups: Arc<dyn Wakeups> = storage.wake();
        if !config.engines.path.is_empty() {
            tracing::warn!("engines.path is set, but this version comes without engines");
        }
        let agent = AgentDeps {
            store: Arc::new(storage.clone()),
            workspace: Arc::new(GitWorkspace::new(&config.data_dir)?),
            authorizer: authorizer.clone(),
            clock: clock.clone(),
            model: model(config)?,
            engines,
            secrets: secrets(config),
            wakeups: wakeups.clone(),
            notes: notes.clone(),
            checkpoints,
        };
        let (storage, authorizer) = (storage.clone(), authorizer.clone());
        let machine =
            Arc::new(Measured { data_dir: config.data_dir.clone(), started: Instant::now() });
        Ok(Self { storage, authorizer, clock, notes, wakeups, machine, agent })
    }

    pub(super) fn templates(storage: &Storage) -> Templates {
        Templates::new(Arc::new(storage.clone()), Arc::new(SystemClock))
    }

    fn items(&self) -> Items {
        let store = Arc::new(self.storage.clone());
        Items::new(store, self.clock.clone(), self.authorizer.clone())
    }

    fn triggers(&self) -> Triggers {
        let store = Arc::new(self.storage.clone());
        Triggers::new(store, self.clock.clone(), self.authorizer.clone())
    }

    fn stops(&self) -> Stops {
        Stops::new(self.agent.clone(), Arc::new(self.storage.clone()))
    }

    fn directory(&self) -> DirectoryDeps {
        DirectoryDeps {
            store: Arc::new(self.storage.clone()),
            authorizer: self.authorizer.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Roles by what tokens say, each held for `keep` without a call.
    pub(super) fn claims(&self, keep: Duration, rules: Vec<ClaimRule>) -> Claims {
        Claims::new(self.directory(), ClaimKeeper::at_start(), keep, rules)
    }

    pub(super) fn services(&self, roots: Roots) -> Services {
        let store = Arc::new(self.storage.clone());
        let deps = || self.agent.clone();
        let directory = self.directory();
        Services {
            workflows: Workflows::new(store.clone(), self.clock.clone()),
            templates: Self::templates(&self.storage),
            items: self.items(),
            reviews: Reviews::new(self.items()),
            comments: Comments::new(self.items()),
            triggers: self.triggers(),
            analytics: Analytics::new(store.clone(), self.clock.clone()),
            repositories: Repositories::new(deps(), roots),
            sessions: Sessions::new(deps()),
            planning: Planning::new(deps()),
            applying: Applying::new(deps()),
            reverting: Reverting::new(deps()),
            runs: Runs::new(deps()),
            roles: Roles::new(directory.clone()),
            assignments: Assignments::new(directory.clone()),
            questions: Questions::new(directory.clone()),
            users: Users::new(directory.clone()),
            teams: Teams::new(directory.clone()),
            members: Members::new(directory.clone()),
            administration: Administration::new(directory, store.clone(), self.machine.clone()),
            people: store.clone(),
            audit: store,
            database: match self.storage.dialect() {
                storage::Dialect::Postgres => "postgres",
                storage::Dialect::Sqlite => "sqlite",
            },
            engines: self.agent.engines.clone(),
            model: self.agent.model.as_ref().map(|model| model.name().to_owned()),
        }
    }

    pub(super) fn worker(&self, config: &Config, metrics: &Metrics) -> Worker {
        let queue = Arc::new(self.storage.clone());
        let departures = Departures::new(queue.clone(), self.clock.clone());
        let parts = WorkerParts {
            runner: Runner::new(self.agent.clone(), queue.clone()),
            items: self.items(),
            triggers: self.triggers(),
            departures,
            stops: self.stops(),
            runs: queue.clone(),
            outbox: queue,
            wakeups: self.wakeups.clone(),
            authorizer: self.authorizer.clone(),
            clock: self.clock.clone(),
            observer: Arc::new(metrics.clone()),
        };
        let name = format!("worker-{}", std::process::id());
        let settings =
            Settings { name, concurrency: config.worker.concurrency, ..Settings::default() };
        Worker::new(parts, settings)
    }
}

/// What no bundle may show, wherever a repository has it from.
fn secrets(config: &Config) -> Arc<[String]> {
    let known = [config.model.api_key.expose_secret(), config.database.url.expose_secret()];
    known.into_iter().filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

fn model(config: &Config) -> Result<Option<Arc<dyn Model>>, StartError> {
    let Some(model) = config.model() else { return Ok(None) };
    let model =
        OpenAiModel::connect(model).map_err(|error| ConfigError::wrong(error.to_string()))?;
    Ok(Some(Arc::new(model)))
}
