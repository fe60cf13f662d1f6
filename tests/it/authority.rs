//! Certificates for tests, and the files a server reads them from.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::signer::now;

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) pem: String,
}

/// A certificate and its private key, in PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// For a server on this machine.
    pub(crate) fn server(&self) -> Pair {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// For a client with these names.
    pub(crate) fn client(&self, names: &[SanType]) -> Pair {
        self.sign(client(names))
    }

    /// The same, good from one moment to another, counted from now.
    pub(crate) fn client_between(&self, names: &[SanType], from: i64, to: i64) -> Pair {
        let mut params = client(names);
        let at = |seconds| OffsetDateTime::from_unix_timestamp(now() + seconds).unwrap();
        params.not_before = at(from);
        params.not_after = at(to);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

fn client(names: &[SanType]) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = names.to_vec();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

pub(crate) fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

/// The files of a server.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn with(pair: &Pair) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.replace(pair);
        files
    }

    /// Puts others in their place.
    pub(crate) fn replace(&self, pair: &Pair) {
        self.write("server.pem", &pair.certificate);
        self.write("server.key", &pair.key);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The configuration that names them.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ELOHIM_GATEWAY__TLS__CERTIFICATE", self.path("server.pem").display().to_string()),
            ("ELOHIM_GATEWAY__TLS__KEY", self.path("server.key").display().to_string()),
            ("ELOHIM_GATEWAY__TLS__RELOAD", "1".to_owned()),
        ]
    }

    /// With authorities of clients.
    pub(crate) fn variables_with(&self, clients: &Authority) -> Vec<(&'static str, String)> {
        self.write("clients.pem", &clients.pem);
        let mut variables = self.variables();
        let path = self.path("clients.pem").display().to_string();
        variables.push(("ELOHIM_GATEWAY__TLS__CLIENT_CA", path));
        variables
    }
}
