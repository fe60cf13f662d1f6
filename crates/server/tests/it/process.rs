//! `elohim serve --dev` as a process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tonic::Request;
use tonic::metadata::MetadataValue;

/// The program without any configuration of this machine's.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elohim"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// A call by the person whose token it is.
pub(crate) fn request<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let bearer: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

/// A server with its own folder. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// A worker has none.
    grpc: Option<SocketAddr>,
    metrics: SocketAddr,
    /// What stood before the ready line.
    pub(crate) said: Vec<String>,
}

impl Process {
    /// A server that does everything.
    pub(crate) fn start(data: &Path, variables: &[(&str, &str)]) -> Self {
        Self::spawn(&["serve", "--dev"], data, variables)
    }

    pub(crate) fn spawn(arguments: &[&str], data: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = program();
        command
            .args(arguments)
            .env("ELOHIM_DATA_DIR", data)
            .env("ELOHIM_GATEWAY__LISTEN", "127.0.0.1:0")
            .env("ELOHIM_ADMIN__LISTEN", "127.0.0.1:0")
            .env("ELOHIM_METRICS__LISTEN", "127.0.0.1:0")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let ready = loop {
            let Some(line) = lines.next() else { break None };
            match line.strip_prefix("ready ") {
                Some(ready) => break Some(ready.to_owned()),
                None => said.push(line),
            }
        };
        let Some(ready) = ready else {
            let output = child.wait_with_output().unwrap();
            panic!("the server did not become ready: {output:?}");
        };
        let port = |name: &str| {
            let found = ready.split(' ').find_map(|word| word.strip_prefix(name));
            found.map(|address| address.parse().unwrap())
        };
        let (grpc, metrics) = (port("grpc="), port("metrics=").unwrap());
        Self { child, grpc, metrics, said }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.grpc.unwrap())
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
