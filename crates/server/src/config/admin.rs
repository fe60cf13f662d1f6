//! The port for operators.

use std::net::SocketAddr;

use serde::Deserialize;

use super::{ConfigError, TlsConfig, loopback};

/// `[admin]`: where `elohim.admin.v1` is served, with the TLS of `[gateway.tls]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Lets other machines connect although nobody may show a client certificate.
    pub allow_without_client_ca: bool,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: loopback(50052), allow_without_client_ca: false }
    }
}

impl AdminConfig {
    /// Operators of other machines show who they are with a certificate, as a rule.
    pub(super) fn check(&self, tls: &TlsConfig) -> Result<(), ConfigError> {
        let has_client_ca = !tls.client_ca.as_os_str().is_empty();
        if self.listen.ip().is_loopback() || has_client_ca || self.allow_without_client_ca {
            return Ok(());
        }
        let text = "admin.listen is not loopback: set gateway.tls.client_ca, or \
                    admin.allow_without_client_ca if something else keeps strangers away";
        Err(ConfigError::wrong(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(listen: &str, client_ca: &str, allow_without_client_ca: bool) -> bool {
        let config = AdminConfig { listen: listen.parse().unwrap(), allow_without_client_ca };
        let tls = TlsConfig { client_ca: client_ca.into(), ..TlsConfig::default() };
        config.check(&tls).is_ok()
    }

    #[test]
    fn other_machines_need_certificates_or_an_explicit_word() {
        assert!(accepted("127.0.0.1:1", "", false));
        assert!(accepted("[::1]:1", "", false));
        assert!(accepted("0.0.0.0:1", "/ca.pem", false));
        assert!(accepted("0.0.0.0:1", "", true));
        for address in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1"] {
            assert!(!accepted(address, "", false), "{address}");
        }
    }
}
