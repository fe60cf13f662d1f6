//! Certificates that clients show.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::time::Instant;
use tracing::debug;
use webpki::EndEntityCert;

use super::Tls;

/// A certificate that was judged is not judged again for this long, unless authorities change.
const JUDGED_FOR: Duration = Duration::from_secs(1);
/// Names looked at in one certificate, and bytes of each; longer ones stand for nobody.
const MAX_NAMES: usize = 16;
const MAX_NAME_BYTES: usize = 512;

/// The certificate of one connection's client.
pub(crate) struct ClientCertificate {
    tls: Arc<Tls>,
    /// The client's own first, then those that sign it.
    chain: Vec<CertificateDer<'static>>,
    names: Vec<String>,
    judged: Mutex<Option<Judged>>,
}

#[derive(Clone, Copy)]
struct Judged {
    is_good: bool,
    material: u64,
    at: Instant,
}

impl ClientCertificate {
    /// `None` when the client showed none.
    pub(super) fn new(tls: Arc<Tls>, chain: Vec<CertificateDer<'static>>) -> Option<Self> {
        let names = names(chain.first()?);
        Some(Self { tls, chain, names, judged: Mutex::new(None) })
    }

    /// The names it stands for, as long as it is valid and its authority is trusted: its URIs
    /// or, without any, its DNS names in lower case.
    pub(crate) fn names(&self) -> &[String] {
        if self.is_good() { &self.names } else { &[] }
    }

    fn is_good(&self) -> bool {
        let material = self.tls.material.load();
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = *judged
            && last.material == material.number
            && last.at.elapsed() < JUDGED_FOR
        {
            return last.is_good;
        }
        let verdict = match (&material.clients, self.chain.split_first()) {
            (Some(clients), Some((own, others))) => {
                clients.verify_client_cert(own, others, UnixTime::now())
            }
            _ => Err(rustls::Error::NoCertificatesPresented),
        };
        if let Err(why) = &verdict {
            debug!(%why, "a client's certificate is good no more");
        }
        let is_good = verdict.is_ok();
        *judged = Some(Judged { is_good, material: material.number, at: Instant::now() });
        is_good
    }
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCertificate").field("names", &self.names).finish_non_exhaustive()
    }
}

fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Vec::new() };
    let uris: Vec<_> = certificate.valid_uri_names().take(MAX_NAMES + 1).collect();
    let names: Vec<_> = if uris.is_empty() {
        let dns = certificate.valid_dns_names().take(MAX_NAMES + 1);
        dns.map(str::to_ascii_lowercase).collect()
    } else {
        uris.into_iter().map(str::to_owned).collect()
    };
    let is_plain = |name: &String| {
        (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
    };
    // A certificate with an odd name stands for nobody, rather than for some of its names.
    if names.len() > MAX_NAMES || !names.iter().all(is_plain) { Vec::new() } else { names }
}
