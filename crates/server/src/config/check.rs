//! What the types cannot say: values that must fit each other, or the command.

use engines::ModelConfig;
use secrecy::{ExposeSecret, SecretString};

use super::{Config, ConfigError};
use crate::telemetry;

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

impl Config {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.data_dir.as_os_str().is_empty() {
            return Err(ConfigError::wrong("data_dir is empty: set ELOHIM_DATA_DIR"));
        }
        if !(1..=64).contains(&self.worker.concurrency) {
            return Err(ConfigError::wrong("worker.concurrency must be 1 to 64"));
        }
        if self.database.pool_size.is_some_and(|size| !(1..=1000).contains(&size)) {
            return Err(ConfigError::wrong("database.pool_size must be 1 to 1000"));
        }
        let owner = self.database.migration_url.expose_secret();
        if !owner.is_empty() && (self.is_embedded() || !is_postgres(owner)) {
            return Err(ConfigError::wrong(
                "database.migration_url must be postgres://…, and needs database.url to be one",
            ));
        }
        let secret = self.gateway.page_secret.expose_secret();
        if !secret.is_empty() && secret.len() < 32 {
            return Err(ConfigError::wrong("gateway.page_secret must have at least 32 characters"));
        }
        telemetry::check_filter(&self.telemetry.log_filter)
            .map_err(|error| ConfigError::wrong(format!("telemetry.log_filter: {error}")))?;
        let collector = &self.telemetry.otlp_endpoint;
        if !collector.is_empty() && !collector.starts_with("http://") {
            return Err(ConfigError::wrong("telemetry.otlp_endpoint must begin with http://"));
        }
        self.gateway.tls.check()?;
        self.gateway.limits.check()?;
        self.admin.check(&self.gateway.tls)?;
        self.identity.check()?;
        match (self.model.base_url.is_empty(), self.model.name.is_empty()) {
            (true, false) => Err(ConfigError::wrong("model.name is set without model.base_url")),
            (false, true) => Err(ConfigError::wrong("model.base_url is set without model.name")),
            _ => Ok(()),
        }
    }

    /// For commands that verify tokens of an outside issuer.
    pub fn require_identity(&self) -> Result<(), ConfigError> {
        if self.identity.issuer.is_empty() {
            let text = "identity.issuer, identity.audience and identity.keys (or \
                        identity.jwks_url) are required (or use `serve --dev` on this machine only)";
            return Err(ConfigError::wrong(text));
        }
        Ok(())
    }

    /// For `serve --dev`, whose tokens anybody on this machine can make.
    pub fn require_dev(&self) -> Result<(), ConfigError> {
        for (key, address) in [
            ("gateway.listen", self.gateway.listen),
            ("admin.listen", self.admin.listen),
            ("metrics.listen", self.metrics.listen),
        ] {
            if !address.ip().is_loopback() {
                let text = format!("serve --dev is for this machine only: {key} must be loopback");
                return Err(ConfigError::wrong(text));
            }
        }
        if !self.identity.issuer.is_empty() {
            let text = "serve --dev makes a key of its own: leave [identity] out";
            return Err(ConfigError::wrong(text));
        }
        Ok(())
    }

    /// For several processes on one database.
    pub fn require_shared_database(&self, command: &str) -> Result<(), ConfigError> {
        if self.is_embedded() {
            let text = format!("{command} needs Postgres: SQLite belongs to one process");
            return Err(ConfigError::wrong(text));
        }
        Ok(())
    }

    /// The model endpoint, if one is configured.
    pub fn model(&self) -> Option<ModelConfig> {
        if self.model.base_url.is_empty() {
            return None;
        }
        let key = self.model.api_key.expose_secret();
        Some(ModelConfig {
            base_url: self.model.base_url.clone(),
            name: self.model.name.clone(),
            api_key: (!key.is_empty()).then(|| SecretString::from(key)),
        })
    }
}
