//! Certificate, key and client authorities in PEM files.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};

use super::Material;

/// Larger files are something else.
const MAX_BYTES: u64 = 1024 * 1024;

/// The protocol of gRPC.
pub(super) const HTTP2: &[u8] = b"h2";

pub(super) type Digest = [u8; 32];

/// Where certificate and key lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate and those between it and its authority, in this order.
    pub certificate: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
    /// Authorities that sign certificates of clients; without them no client is asked for one.
    pub client_ca: Option<PathBuf>,
}

/// The files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: {cause}")]
    File { path: PathBuf, cause: std::io::Error },
    #[error("{0} is larger than {MAX_BYTES} bytes")]
    TooLarge(PathBuf),
    /// Names the file, never what is in it.
    #[error("{path}: {what}")]
    Content { path: PathBuf, what: String },
    #[error("certificate and key: {0}")]
    Pair(rustls::Error),
}

/// What the files hold.
pub(super) struct Contents<'a> {
    files: &'a TlsFiles,
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl<'a> Contents<'a> {
    pub(super) fn read(files: &'a TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            files,
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
            client_ca: files.client_ca.as_deref().map(read).transpose()?,
        })
    }

    pub(super) fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        for part in [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()] {
            let part = part.map_or(&[][..], Vec::as_slice);
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// Puts them together; a key that is not the certificate's is refused.
    pub(super) fn material(&self, number: u64) -> Result<Material, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&self.files.certificate, &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| content(&self.files.key, error))?;
        let clients = match (&self.files.client_ca, &self.client_ca) {
            (Some(path), Some(pem)) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(path, pem)? {
                    roots.add(authority).map_err(|error| content(path, error))?;
                }
                let provider = Arc::clone(&provider);
                let builder =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let clients = builder.allow_unauthenticated().build();
                Some(clients.map_err(|error| content(path, error))?)
            }
            _ => None,
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .map_err(TlsError::Pair)?;
        let builder = match &clients {
            Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients)),
            None => builder.with_no_client_auth(),
        };
        let mut server = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        server.alpn_protocols = vec![HTTP2.to_vec()];
        // A resumed connection would bring a client's certificate along unjudged; gRPC
        // connections are few and long.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Material { server: Arc::new(server), clients, number })
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| content(path, error))?;
    if all.is_empty() {
        return Err(content(path, "there is no certificate in it"));
    }
    Ok(all)
}

fn read(path: impl AsRef<Path>) -> Result<Vec<u8>, TlsError> {
    let path = path.as_ref();
    let failed = |cause| TlsError::File { path: path.to_owned(), cause };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(TlsError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

fn content(path: &Path, what: impl ToString) -> TlsError {
    TlsError::Content { path: path.to_owned(), what: what.to_string() }
}
