//! A Postgres that lives as long as one command.
//!
//! **Invariant:** the server is a direct child that the kernel stops when this process
//! ends, however it ends; a folder that a killed process left behind is removed by the
//! next start. The server never runs as root and listens on 127.0.0.1 only.

mod binaries;
mod folder;
mod owner;

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::workspace;
use folder::Folder;
use owner::Owner;

/// The variable by which tests learn of the server.
pub(crate) const URL_VARIABLE: &str = "ELOHIM_TEST_PG";
const START_LIMIT: Duration = Duration::from_mins(1);
/// Another process can take the free port between our look and the server's bind.
const PORT_ATTEMPTS: u32 = 3;

/// Durability is off: the data dies with the run. The connection limit leaves room for
/// many test processes with a pool each.
const SETTINGS: &str = "\
listen_addresses = '127.0.0.1'
max_connections = 400
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = '4GB'
checkpoint_timeout = '1h'
autovacuum = off
log_min_messages = warning
";

/// A running throwaway server; dropping it stops the server, then removes its data.
pub(crate) struct Cluster {
    server: Server,
    _folder: Folder,
}

impl Cluster {
    /// Finds or installs Postgres, makes a cluster and waits until it takes connections.
    pub(crate) fn start() -> Result<Self> {
        let began = Instant::now();
        let binaries = binaries::find_or_install()?;
        let owner = Owner::choose()?;
        let folder = Folder::create(&folder::base(), &owner)?;
        initialise(&binaries, &owner, folder.path())?;
        let server = launch(&binaries, &owner, folder.path())?;
        eprintln!(
            "postgres {} on 127.0.0.1:{}, ready in {:.1} s",
            binaries.display(),
            server.port,
            began.elapsed().as_secs_f32()
        );
        Ok(Self { server, _folder: folder })
    }

    /// Where tests connect: a superuser that may create databases.
    pub(crate) fn url(&self) -> String {
        format!("postgres://elohim@127.0.0.1:{}/postgres", self.server.port)
    }
}

fn launch(binaries: &Path, owner: &Owner, folder: &Path) -> Result<Server> {
    let mut attempts_left = PORT_ATTEMPTS;
    loop {
        attempts_left -= 1;
        let mut server = Server::spawn(binaries, owner, folder)?;
        match server.wait_until_ready(folder) {
            Ok(()) => return Ok(server),
            Err(error) if attempts_left == 0 => {
                return Err(error.context(last_lines(&folder.join("log"))));
            }
            Err(_) => {}
        }
    }
}

/// The process of a server; dropping it stops the server.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn spawn(binaries: &Path, owner: &Owner, folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let log = fs::File::create(folder.join("log"))?;
        let process = owner
            .command(&binaries.join("postgres"))
            .current_dir(folder)
            .arg("-D")
            .arg(folder.join("data"))
            .args(["-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C reaches the tests first; the server follows when we end.
            .process_group(0)
            .spawn()
            .context("cannot start postgres")?;
        Ok(Self { process, port })
    }

    /// The server writes its state into the eighth line of its pid file. Reading it,
    /// instead of connecting, cannot mistake another server on the port for ours.
    fn wait_until_ready(&mut self, folder: &Path) -> Result<()> {
        let pid_file = folder.join("data/postmaster.pid");
        let began = Instant::now();
        while began.elapsed() < START_LIMIT {
            if let Some(status) = self.process.try_wait()? {
                bail!("postgres ended with {status} before it was ready");
            }
            let state = fs::read_to_string(&pid_file).unwrap_or_default();
            if state.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("postgres was not ready after {} s", START_LIMIT.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that has already ended must not be signalled: its id may be another's.
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        // SIGQUIT is postgres's immediate stop: its own children end too, at once.
        let pid = self.process.id().to_string();
        let asked = Command::new("kill").args(["-QUIT", &pid]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// Runs a command with [`URL_VARIABLE`] set and returns its exit code.
pub(crate) fn run_with(words: &[String]) -> Result<u8> {
    let Some((program, arguments)) = words.split_first() else {
        bail!("usage: cargo xtask pg -- COMMAND [ARGUMENT…]");
    };
    let cluster = Cluster::start()?;
    let mut command = Command::new(program);
    workspace::clear_cargo_variables(&mut command);
    let status = command
        .args(arguments)
        .env(URL_VARIABLE, cluster.url())
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    Ok(crate::exit_code(status))
}

fn initialise(binaries: &Path, owner: &Owner, folder: &Path) -> Result<()> {
    let output = owner
        .command(&binaries.join("initdb"))
        .current_dir(folder)
        .args(["-U", "elohim", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"])
        .args(["--no-sync", "--no-instructions", "-D"])
        .arg(folder.join("data"))
        .stdin(Stdio::null())
        .output()
        .context("cannot start initdb")?;
    if !output.status.success() {
        bail!("initdb ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let settings = format!("{SETTINGS}unix_socket_directories = '{}'\n", folder.display());
    let file = folder.join("data/postgresql.conf");
    let defaults = fs::read_to_string(&file)?;
    fs::write(&file, defaults + &settings).context("cannot write postgresql.conf")
}

fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.iter().skip(lines.len().saturating_sub(20));
    format!("the server's last words:\n{}", tail.copied().collect::<Vec<_>>().join("\n"))
}

fn free_port() -> Result<u16> {
    let probe = TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
    Ok(probe.local_addr()?.port())
}
