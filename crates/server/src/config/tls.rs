//! Certificate and key of a listener.

use std::path::PathBuf;
use std::time::Duration;

use gateway::TlsFiles;
use serde::Deserialize;

use super::ConfigError;

/// Seconds between two looks at the files.
const RELOAD: std::ops::RangeInclusive<u64> = 1..=3_600;

/// TLS of a listener. Without certificate and key it speaks clear text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM: the server's certificate and those between it and its authority.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
    /// PEM: authorities of clients. Without them no client may show a certificate.
    pub client_ca: PathBuf,
    /// Seconds after which files that changed are in force.
    pub reload: u64,
}

impl Default for TlsConfig {
    fn default() -> Self {
        let none = PathBuf::new;
        Self { certificate: none(), key: none(), client_ca: none(), reload: 5 }
    }
}

impl TlsConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let has = |path: &PathBuf| !path.as_os_str().is_empty();
        if has(&self.certificate) != has(&self.key) {
            let text = "gateway.tls is incomplete: certificate and key belong together";
            return Err(ConfigError::wrong(text));
        }
        if has(&self.client_ca) && !has(&self.certificate) {
            let text = "gateway.tls.client_ca is set without gateway.tls.certificate";
            return Err(ConfigError::wrong(text));
        }
        if !RELOAD.contains(&self.reload) {
            return Err(ConfigError::wrong("gateway.tls.reload must be 1 to 3600 seconds"));
        }
        Ok(())
    }

    /// The files, if TLS is configured.
    pub(crate) fn files(&self) -> Option<TlsFiles> {
        let given = |path: &PathBuf| Some(path.clone()).filter(|path| !path.as_os_str().is_empty());
        Some(TlsFiles {
            certificate: given(&self.certificate)?,
            key: given(&self.key)?,
            client_ca: given(&self.client_ca),
        })
    }

    pub(crate) fn reload(&self) -> Duration {
        Duration::from_secs(self.reload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(certificate: &str, key: &str, client_ca: &str, reload: u64) -> bool {
        let config = TlsConfig {
            certificate: certificate.into(),
            key: key.into(),
            client_ca: client_ca.into(),
            reload,
        };
        config.check().is_ok()
    }

    #[test]
    fn certificate_and_key_belong_together() {
        assert!(checked("", "", "", 5));
        assert!(checked("/c", "/k", "", 5));
        assert!(checked("/c", "/k", "/a", 5));
        for (certificate, key, client_ca, reload) in [
            ("/c", "", "", 5),
            ("", "/k", "", 5),
            ("", "", "/a", 5),
            ("/c", "/k", "", 0),
            ("/c", "/k", "", 3_601),
        ] {
            let shown = format!("{certificate:?} {key:?} {client_ca:?} {reload}");
            assert!(!checked(certificate, key, client_ca, reload), "{shown}");
        }
    }

    #[test]
    fn without_files_there_is_no_tls() {
        assert_eq!(TlsConfig::default().files(), None);
    }
}
