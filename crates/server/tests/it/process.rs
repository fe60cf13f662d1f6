//! `elohim serve --dev` as a process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The program without any configuration of this machine's.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elohim"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// A server with its own folder. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) grpc: SocketAddr,
    metrics: SocketAddr,
    /// What stood before the ready line.
    pub(crate) said: Vec<String>,
}

impl Process {
    pub(crate) fn start(data: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = program();
        command
            .args(["serve", "--dev"])
            .env("ELOHIM_DATA_DIR", data)
            .env("ELOHIM_GATEWAY__LISTEN", "127.0.0.1:0")
            .env("ELOHIM_METRICS__LISTEN", "127.0.0.1:0")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(ready) = line.strip_prefix("ready ") {
                let (grpc, metrics) = ready.split_once(' ').unwrap();
                let grpc = grpc.strip_prefix("grpc=").unwrap().parse().unwrap();
                let metrics = metrics.strip_prefix("metrics=").unwrap().parse().unwrap();
                return Self { child, grpc, metrics, said };
            }
            said.push(line);
        }
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        panic!("the server did not become ready: {log}");
    }

    pub(crate) fn token(&self, person: &str) -> String {
        let prefix = format!("export TOKEN_{}='", person.to_uppercase());
        let line = self.said.iter().find_map(|line| line.strip_prefix(&prefix)).unwrap();
        line.split('\'').next().unwrap().to_owned()
    }

    /// Status line and body of a GET on the metrics port.
    pub(crate) fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.metrics).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    /// Asks the process to end, and waits; its log comes with it.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.unwrap().success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        let began = Instant::now();
        let status = self.child.wait().unwrap();
        assert!(began.elapsed() < Duration::from_secs(40));
        (status, log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
