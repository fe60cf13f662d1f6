//! The product's binary as a child process, to be killed at a named point.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use agent_core::service::Checkpoint;

/// Names the binary under test.
const PROGRAM_VARIABLE: &str = "ELOHIM_BIN";

const PATIENCE: Duration = Duration::from_mins(1);

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
    outputs: mpsc::Receiver<String>,
}

impl ServerProcess {
    /// Starts the server and waits until it is ready.
    pub(super) fn start(variables: &[(String, String)], hold_at: Option<Checkpoint>) -> Self {
        let mut command = Command::new(program());
        command.args(["serve", "--dev"]).env_clear().envs(variables.iter().cloned());
        if let Some(point) = hold_at {
            command.args(["--hold-at", point.name()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let outputs = lines(child.stdout.take().expect("a pipe"));
        let errors = lines(child.stderr.take().expect("a pipe"));
        let Some((address, admin)) = await_line(&outputs, ready_addresses) else {
            let said: Vec<_> = errors.try_iter().collect();
            let _ = child.kill();
            panic!("the server did not become ready: {}", said.join("\n"));
        };
        Self { child, address, admin, outputs }
    }

    /// Waits until the server says that it stopped at the point it was told.
    pub(super) async fn held(&mut self, point: Checkpoint) {
        let line = format!("held {}", point.name());
        super::wait::eventually(async || {
            if self.outputs.try_iter().any(|said| said == line) {
                Ok(())
            } else {
                Err(format!("no {line:?}"))
            }
        })
        .await;
    }

    /// `kill -9`, and the end of the process.
    pub(super) fn kill(&mut self) {
        self.child.kill().expect("the child can be killed");
        self.child.wait().expect("the child ends");
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> PathBuf {
    match std::env::var_os(PROGRAM_VARIABLE) {
        Some(program) => program.into(),
        None => panic!("{PROGRAM_VARIABLE} is not set: run `cargo xtask test`"),
    }
}

/// Reads a pipe to its end, so that the child never waits for a reader.
fn lines(pipe: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

fn await_line<T>(lines: &mpsc::Receiver<String>, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        if let Some(found) = read(&line) {
            return Some(found);
        }
    }
    None
}

/// Reads `ready grpc=ADDRESS metrics=ADDRESS admin=ADDRESS`.
fn ready_addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let rest = line.strip_prefix("ready ")?;
    let address =
        |name: &str| rest.split(' ').find_map(|word| word.strip_prefix(name))?.parse().ok();
    Some((address("grpc=")?, address("admin=")?))
}
