//! A Postgres that lives as long as one command.
//!
//! **Invariant:** the server is a direct child that the kernel stops when this process
//! ends, however it ends; a folder that a killed process left behind is removed by the
//! next start. The server never runs as root and listens on 127.0.0.1 only.

mod binaries;
mod owner;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::workspace;
use owner::Owner;

/// The variable by which tests learn of the server.
pub(crate) const URL_VARIABLE: &str = "ELOHIM_TEST_PG";
const FOLDER_PREFIX: &str = "elohim-pg-";
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

/// A running throwaway server; dropping it stops the server and removes its data.
pub(crate) struct Cluster {
    server: Child,
    folder: PathBuf,
    port: u16,
}

impl Cluster {
    /// Finds or installs Postgres, makes a cluster and waits until it takes connections.
    pub(crate) fn start() -> Result<Self> {
        let began = Instant::now();
        let binaries = binaries::find_or_install()?;
        let owner = Owner::choose()?;
        let base = base_folder();
        remove_leftovers(&base);
        let folder = base.join(format!("{FOLDER_PREFIX}{}", std::process::id()));
        initialise(&binaries, &owner, &folder).inspect_err(|_| remove(&folder))?;
        let cluster = Self::launch(&binaries, &owner, folder)?;
        eprintln!(
            "postgres {} on 127.0.0.1:{}, ready in {:.1} s",
            binaries.display(),
            cluster.port,
            began.elapsed().as_secs_f32()
        );
        Ok(cluster)
    }

    /// Where tests connect: a superuser that may create databases.
    pub(crate) fn url(&self) -> String {
        format!("postgres://elohim@127.0.0.1:{}/postgres", self.port)
    }

    fn launch(binaries: &Path, owner: &Owner, folder: PathBuf) -> Result<Self> {
        let mut attempts_left = PORT_ATTEMPTS;
        loop {
            attempts_left -= 1;
            let port = free_port()?;
            let server = serve(binaries, owner, &folder, port)?;
            let mut cluster = Self { server, folder: folder.clone(), port };
            match cluster.wait_until_ready() {
                Ok(()) => return Ok(cluster),
                Err(error) if attempts_left == 0 => {
                    return Err(error.context(last_lines(&folder.join("log"))));
                }
                // Dropping it without a folder keeps the data for the next attempt.
                Err(_) => cluster.folder = PathBuf::new(),
            }
        }
    }

    /// The server writes its state into the eighth line of its pid file. Reading it,
    /// instead of connecting, cannot mistake another server on the port for ours.
    fn wait_until_ready(&mut self) -> Result<()> {
        let pid_file = self.folder.join("data/postmaster.pid");
        let began = Instant::now();
        while began.elapsed() < START_LIMIT {
            if let Some(status) = self.server.try_wait()? {
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

    fn stop_server(&mut self) {
        // A server that has already ended must not be signalled: its id may be another's.
        if !matches!(self.server.try_wait(), Ok(None)) {
            return;
        }
        // SIGQUIT is postgres's immediate stop: its own children end too, at once.
        let pid = self.server.id().to_string();
        let asked = Command::new("kill").args(["-QUIT", &pid]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop_server();
        remove(&self.folder);
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

/// The path of the server's socket must stay below 107 bytes, and the server's user
/// must be able to reach it: a private TMPDIR often fails both.
fn base_folder() -> PathBuf {
    let short = PathBuf::from("/tmp");
    if short.is_dir() { short } else { std::env::temp_dir() }
}

fn initialise(binaries: &Path, owner: &Owner, folder: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    if let Some((user, group)) = owner.ids() {
        chown(folder, Some(user), Some(group))?;
    }
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

fn serve(binaries: &Path, owner: &Owner, folder: &Path, port: u16) -> Result<Child> {
    let log = fs::File::create(folder.join("log"))?;
    owner
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
        .context("cannot start postgres")
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

/// Removes the folders of processes that no longer live.
fn remove_leftovers(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(FOLDER_PREFIX));
        let is_dead =
            |pid: &str| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists();
        if pid.is_some_and(is_dead) {
            remove(&entry.path());
        }
    }
}

fn remove(folder: &Path) {
    if !folder.as_os_str().is_empty() {
        let _ = fs::remove_dir_all(folder);
    }
}
