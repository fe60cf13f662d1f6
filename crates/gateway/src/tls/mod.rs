//! TLS of a listener: its certificate, who may sign clients, and connections that made it.
//!
//! **Invariants:** a connection speaks HTTP/2 over TLS 1.2 or newer, or is closed; files that
//! change are in force from the next connection on, and broken ones change nothing; a client's
//! certificate stands for somebody only while it is valid and signed by those who may sign
//! *now*, also on a connection that was made before.

mod client;
mod connection;
mod files;
mod incoming;

pub(crate) use client::ClientCertificate;
pub use connection::{Connection, Peer};
pub use files::{TlsError, TlsFiles};
pub use incoming::Incoming;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use tokio::time::sleep;
use tracing::{info, warn};

use self::files::{Contents, Digest};

/// What is in force.
struct Material {
    server: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    /// Tells this material from the one before and after.
    number: u64,
}

/// TLS as its files say now. Shared by all listeners that use the same files.
pub struct Tls {
    files: TlsFiles,
    material: ArcSwap<Material>,
    /// Of the contents in force.
    loaded: Digest,
}

impl Tls {
    /// Reads the files; all of them must be good.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let contents = Contents::read(&files)?;
        let (loaded, material) = (contents.digest(), contents.material(0)?);
        Ok(Self { loaded, material: ArcSwap::from_pointee(material), files })
    }

    /// Looks at the files again and again; does not end.
    pub async fn keep_fresh(&self, every: Duration) {
        let mut last = Ok(self.loaded);
        loop {
            sleep(every).await;
            let seen = self.look(&last).await;
            if seen != last {
                tell(&seen);
                last = seen;
            }
        }
    }

    /// Puts changed files in force. What is there now, or why it cannot be used.
    async fn look(&self, last: &Result<Digest, Broken>) -> Result<Digest, Broken> {
        let files = self.files.clone();
        let known = match last {
            Ok(digest) | Err(Broken { digest: Some(digest), .. }) => Some(*digest),
            Err(_) => None,
        };
        let next = self.material.load().number + 1;
        let read = tokio::task::spawn_blocking(move || {
            let contents = Contents::read(&files).map_err(|error| Broken::of(None, &error))?;
            let digest = contents.digest();
            if known == Some(digest) {
                return Ok((digest, None));
            }
            let material =
                contents.material(next).map_err(|error| Broken::of(Some(digest), &error))?;
            Ok((digest, Some(material)))
        });
        match read.await {
            Ok(Ok((_, None))) => last.clone(),
            Ok(Ok((digest, Some(material)))) => {
                self.material.store(Arc::new(material));
                Ok(digest)
            }
            Ok(Err(broken)) => Err(broken),
            Err(_) => last.clone(),
        }
    }
}

fn tell(seen: &Result<Digest, Broken>) {
    match seen {
        Ok(_) => info!("new TLS files are in force"),
        Err(Broken { why, .. }) => {
            warn!(why, "TLS files changed, and cannot be used: the old ones stay in force");
        }
    }
}

/// Files that cannot be used, which is said once.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Broken {
    digest: Option<Digest>,
    why: String,
}

impl Broken {
    fn of(digest: Option<Digest>, error: &TlsError) -> Self {
        Self { digest, why: error.to_string() }
    }
}
