//! The real server behind real TCP, with people who call it.
//!
//! A world has a database, a data folder, roots for repositories, and the people of
//! `server::dev` with mia (member) and gus (guest) in team *core* beside alice (lead), bob
//! (developer) and carol (admin); dave leads *payments*; erin is a founder in no team.
//!
//! **Invariant:** nothing in a world is shared with another one, apart from the process's
//! log. What a test changes behind the server's back goes through storage's own ports.

mod agent_verbs;
mod batch_verbs;
mod child;
mod definition_verbs;
mod launch;
mod logs;
mod people;
mod person;
mod place;
mod probe;
mod raw;
mod refusal;
pub mod repo;
pub mod shapes;
mod verbs;
mod wait;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use agent_core::port::engine::Engine;
use agent_core::service::Checkpoint;
use directory::store::PolicyAdmin;
use permissions::AssignmentScope;
use primitives::{Clock as _, RepositoryId, SystemClock, Tenant};
use server::dev::DevKey;
use storage::{Storage, StorageOptions};
use tonic::transport::{Channel, Endpoint};

use crate::database::{Backend, TestDb};

pub use self::batch_verbs::{batch, migration};
pub use self::logs::{log, panics};
pub use self::person::{Bearer, Line, Person};
pub use self::probe::{Probe, Recorded};
pub use self::raw::RawCodec;
pub use self::refusal::{Refusal, Refused, refused};
pub use self::repo::Repo;
pub use self::verbs::content_hash;
pub use self::wait::eventually;

use self::child::ServerProcess;
use self::launch::Launched;
use self::people::Census;
use self::place::Place;

/// What a world has that is not usual.
#[derive(Clone, Default)]
pub struct Setup {
    /// Connections of the server's pool; its own default without one.
    pub pool_size: Option<u32>,
    /// Base URL, model name and key of a model endpoint.
    pub model: Option<(String, String, String)>,
    /// In order of preference.
    pub engines: Vec<Arc<dyn Engine>>,
    /// Nobody carries out runs and delivers events.
    pub is_without_worker: bool,
    /// Callers are held to the rates that a server has by default; else to none that matters.
    pub has_usual_rates: bool,
    /// Further configuration, as in `("ELOHIM_GATEWAY__REFLECTION", "true")`. With an issuer in
    /// it the server believes that one instead of its own development key.
    pub variables: Vec<(&'static str, String)>,
}

/// A running server with all that belongs to it.
pub struct World {
    server: Server,
    census: Census,
    key: DevKey,
    storage: Storage,
    probe: Probe,
    channel: Channel,
    setup: Setup,
    place: Place,
    // Last: connections are closed before the database goes.
    db: TestDb,
}

enum Server {
    Here(Launched),
    Child(ServerProcess),
    Down,
}

/// A process beside the first. Dropping it kills it.
#[derive(Debug)]
pub struct Process(ServerProcess);

impl Process {
    /// A connection to it.
    pub fn channel(&self) -> Channel {
        connect(self.0.address)
    }
}

impl World {
    /// A server in this process, with the defaults.
    pub async fn start(db: TestDb) -> Self {
        Self::with(db, Setup::default()).await
    }

    /// A server in this process.
    pub async fn with(db: TestDb, setup: Setup) -> Self {
        let mut world = Self::without_server(db, setup).await;
        world.launch().await;
        world
    }

    /// The product's binary as a process of its own, which stops at `hold_at` if it gets
    /// there.
    pub async fn in_child(db: TestDb, hold_at: Option<Checkpoint>) -> Self {
        let mut world = Self::without_server(db, Setup::default()).await;
        world.launch_child(hold_at);
        world
    }

    async fn without_server(db: TestDb, setup: Setup) -> Self {
        logs::record();
        let place = Place::new();
        let options = StorageOptions { pool_size: 2, ..StorageOptions::default() };
        let storage = Storage::connect(db.url(), options).await.expect("the database opens");
        let census = people::populate(&storage).await;
        let probe = Probe::connect(db.url(), db.backend()).await;
        let key = place.key();
        // Replaced as soon as a server has an address.
        let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
        Self { server: Server::Down, census, key, storage, probe, channel, setup, place, db }
    }

    async fn launch(&mut self) {
        let variables = self.place.variables(self.db.url(), &self.setup);
        let launched = Launched::start(variables, &self.key, &self.setup).await;
        self.channel = connect(launched.address());
        self.server = Server::Here(launched);
    }

    fn launch_child(&mut self, hold_at: Option<Checkpoint>) {
        let variables = self.place.variables(self.db.url(), &self.setup);
        let process = ServerProcess::start(&variables, hold_at);
        self.channel = connect(process.address);
        self.server = Server::Child(process);
    }

    /// A second server on the same data, beside the first; Postgres only.
    pub async fn replica(&self) -> Replica {
        assert_eq!(self.backend(), Backend::Postgres, "SQLite belongs to one process");
        let variables = self.place.variables(self.db.url(), &self.setup);
        Replica(Launched::start(variables, &self.key, &self.setup).await)
    }

    /// Another process of the product's binary on the same data; Postgres only.
    pub fn process(&self) -> Process {
        assert_eq!(self.backend(), Backend::Postgres, "SQLite belongs to one process");
        Process(ServerProcess::start(&self.place.variables(self.db.url(), &self.setup), None))
    }

    /// Stops the server in order and starts another one on the same data. People from
    /// before talk to the old one.
    pub async fn restart(&mut self) {
        match std::mem::replace(&mut self.server, Server::Down) {
            Server::Here(launched) => {
                launched.stop().await;
                self.launch().await;
            }
            Server::Child(process) => {
                drop(process);
                self.launch_child(None);
            }
            Server::Down => panic!("there is no server to restart"),
        }
    }

    /// Kills the child and starts another one, which stops at `point` if it gets there.
    pub fn restart_to_hold_at(&mut self, point: Checkpoint) {
        assert!(matches!(self.server, Server::Child(_)), "only a child process can be held");
        // The old one is killed before the new one needs what it holds.
        self.server = Server::Down;
        self.launch_child(Some(point));
    }

    /// As [`restart`](Self::restart), and from then on with or without a worker.
    pub async fn restart_with_worker(&mut self, has_worker: bool) {
        self.setup.is_without_worker = !has_worker;
        self.restart().await;
    }

    /// Waits until the child has stopped at `point`, and kills it there.
    pub async fn kill_at(&mut self, point: Checkpoint) {
        let Server::Child(process) = &mut self.server else {
            panic!("only a child process can be killed");
        };
        process.held(point).await;
        process.kill();
    }

    /// Somebody, by name.
    pub fn person(&self, name: &str) -> Person {
        self.census.person(name, &self.key, self.channel.clone())
    }

    /// Somebody whom the tests made known themselves: by his subject, as `users/{uuid}`.
    pub fn known_as(&self, subject: &str, user: &str) -> Person {
        Person::new(subject, user, &self.key, self.channel.clone())
    }

    /// Several people at once.
    pub fn people<const N: usize>(&self, names: [&str; N]) -> [Person; N] {
        names.map(|name| self.person(name))
    }

    /// A connection of its own to the server.
    pub fn another_channel(&self) -> Channel {
        connect(self.address())
    }

    /// Statements that the server in this process has sent to its database.
    pub fn statements(&self) -> u64 {
        match &self.server {
            Server::Here(launched) => launched.statements(),
            Server::Child(_) | Server::Down => panic!("only a server in this process is counted"),
        }
    }

    /// Where the server takes calls.
    pub fn address(&self) -> SocketAddr {
        match &self.server {
            Server::Here(launched) => launched.address(),
            Server::Child(process) => process.address,
            Server::Down => panic!("there is no server"),
        }
    }

    /// Where the server tells its metrics.
    pub fn metrics_address(&self) -> SocketAddr {
        match &self.server {
            Server::Here(launched) => launched.metrics_address(),
            Server::Child(_) | Server::Down => panic!("only a server in this process tells"),
        }
    }

    /// A connection of its own to the port for operators.
    pub fn admin_channel(&self) -> Channel {
        connect(self.admin_address())
    }

    /// Where operators' calls are taken.
    pub fn admin_address(&self) -> SocketAddr {
        match &self.server {
            Server::Here(launched) => launched.admin(),
            Server::Child(process) => process.admin,
            Server::Down => panic!("there is no server"),
        }
    }

    /// `teams/{uuid}` of a team by its slug.
    pub fn team(&self, slug: &str) -> String {
        self.census.teams[slug].to_string()
    }

    /// The folder set aside for an owner's repositories: a team's slug, or `user:NAME`.
    pub fn root_of(&self, owner: &str) -> PathBuf {
        self.place.root_of(owner)
    }

    /// A shop of team *core*, registered by carol: the repository and its name.
    pub async fn shop(&self) -> (Repo, String) {
        let repo = Repo::shop(&self.root_of("core").join("shop"));
        let registered = self.person("carol").registers(&repo.dir).await;
        (repo, registered.expect("carol may register").name)
    }

    /// The server's mirror of a repository.
    pub fn mirror(&self, repository: &str) -> git2::Repository {
        let path = self.mirror_dir(repository);
        git2::Repository::open_bare(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Where the server's mirror of a repository lies.
    pub fn mirror_dir(&self, repository: &str) -> PathBuf {
        let id: RepositoryId = repository.parse().expect("the name of a repository");
        self.place.data_dir().join("repos").join(format!("{}.git", id.as_uuid()))
    }

    /// Everything the server keeps on disk beside the database.
    pub fn data_dir(&self) -> PathBuf {
        self.place.data_dir()
    }

    pub fn backend(&self) -> Backend {
        self.db.backend()
    }

    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// Changes people, roles and switches behind the server's back, through the port that
    /// bumps the policy epoch.
    pub fn policy(&self) -> &dyn PolicyAdmin {
        &self.storage
    }

    /// Gives a role in a team.
    pub async fn assign(&self, person: &str, team: &str, role: &str) {
        let scope = AssignmentScope::Team(self.census.teams[team]);
        people::assign(&self.storage, self.census.id_of(person), scope, role).await;
    }

    /// Takes a role in a team away.
    pub async fn revoke(&self, person: &str, team: &str, role: &str) {
        let scope = AssignmentScope::Team(self.census.teams[team]);
        let user = self.census.id_of(person);
        self.storage.revoke(user, scope, role).await.expect("a role is taken");
    }

    /// Deactivates an account.
    pub async fn deactivate(&self, person: &str) {
        let user = self.census.id_of(person);
        self.storage.set_active(user, false).await.expect("an account is deactivated");
    }

    /// Lets auto-apply commit to a repository, or forbids it.
    pub async fn allow_auto_apply(&self, repository: &str, allowed: bool) {
        let id: RepositoryId = repository.parse().expect("the name of a repository");
        let set = self.storage.set_auto_apply_allowed(id, allowed).await;
        set.expect("the policy is set");
    }

    /// Stops auto-apply for a team, or everywhere without one.
    pub async fn stop_auto_apply(&self, team: Option<&str>, stopped: bool) {
        let tenant = team.map_or(Tenant::Global, |slug| Tenant::Team(self.census.teams[slug]));
        let set = self.storage.set_kill_switch(tenant, stopped, SystemClock.now()).await;
        set.expect("the switch is set");
    }

    /// Lets all leases pass, as if nobody had been heard of for long enough.
    pub async fn ends_leases(&self) {
        for table in ["agent_run", "outbox"] {
            let statement =
                format!("update {table} set lease_until = 1 where lease_until is not null");
            self.probe.changes(&statement).await;
        }
    }

    /// Makes a table unreadable, as a failing database would.
    pub async fn hide_table(&self, table: &str) {
        self.probe.changes(&format!("alter table {table} rename to {table}_hidden")).await;
    }

    /// Removes from all definitions who allowed auto-apply.
    pub async fn forget_who_allowed_auto_apply(&self) {
        self.probe.forget_in_definitions("auto_apply_set_by").await;
    }

    /// Waits until no run and no event is left to be worked on.
    pub async fn settles(&self) {
        eventually(async || match self.probe.unfinished().await {
            0 => Ok(()),
            left => Err(format!("{left} runs and events are unfinished")),
        })
        .await;
    }

    /// The name of something of the same kind that does not exist.
    pub fn unused(name: &str) -> String {
        let (collection, _) = name.split_once('/').expect("a resource's name");
        format!("{collection}/{}", RepositoryId::generate().as_uuid())
    }
}

/// Another server on a world's data.
pub struct Replica(Launched);

impl Replica {
    /// A connection of its own to it.
    pub fn channel(&self) -> Channel {
        connect(self.0.address())
    }

    /// Stops it in order.
    pub async fn stop(self) {
        self.0.stop().await;
    }
}

fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    endpoint.tcp_nodelay(true).connect_lazy()
}
