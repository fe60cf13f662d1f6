//! Reading the file and the variables.

use std::collections::HashMap;
use std::path::Path;

use config::{Environment, File, FileFormat};

use super::Config;

const PREFIX: &str = "ELOHIM_";

/// Variables of this project's tests and tools, which the server has no use for.
const NOT_OURS: [&str; 4] =
    ["ELOHIM_TEST_PG", "ELOHIM_BIN", "ELOHIM_CI_TOOLS", "ELOHIM_DB_PASSWORD"];

/// The configuration is wrong: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Unreadable, not TOML, an unknown key, a value of the wrong type.
    #[error("{0}")]
    Read(#[from] config::ConfigError),
    /// The values do not fit each other, or the command.
    #[error("{0}")]
    Wrong(String),
}

impl ConfigError {
    pub(crate) fn wrong(text: impl Into<String>) -> Self {
        Self::Wrong(text.into())
    }
}

/// Defaults, the file, then this process's variables; checked.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    let variables = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
    load_from(file, variables)
}

/// The same with the variables given.
pub fn load_from(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let variables: HashMap<String, String> = variables
        .into_iter()
        .filter(|(key, _)| key.starts_with(PREFIX) && !NOT_OURS.contains(&key.as_str()))
        .collect();
    let variables = Environment::with_prefix("ELOHIM")
        .prefix_separator("_")
        .separator("__")
        .source(Some(variables));
    let mut sources = config::Config::builder();
    if let Some(file) = file {
        sources = sources.add_source(File::from(file).format(FileFormat::Toml));
    }
    let config: Config = sources.add_source(variables).build()?.try_deserialize()?;
    config.check()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use secrecy::ExposeSecret;

    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn from_variables(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        load_from(None, variables(pairs))
    }

    fn from_file(text: &str) -> Result<Config, ConfigError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        load_from(Some(file.path()), variables(&[("ELOHIM_DATA_DIR", "/data")]))
    }

    #[test]
    fn variables_reach_every_depth_and_win_over_the_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "data_dir = '/file'\n[gateway]\nlisten = '127.0.0.1:1'\nreflection = true\n")
            .unwrap();
        let set = variables(&[
            ("ELOHIM_DATA_DIR", "/data"),
            ("ELOHIM_GATEWAY__LISTEN", "127.0.0.1:0"),
            ("ELOHIM_WORKER__CONCURRENCY", "7"),
            ("ELOHIM_REPOSITORIES__ROOTS", "core=/srv/core,user:bob=/srv/bob"),
            ("ELOHIM_TEST_PG", "postgres://x"),
            ("OTHER", "x"),
        ]);
        let config = load_from(Some(file.path()), set).unwrap();
        assert_eq!(config.data_dir, Path::new("/data"));
        assert_eq!(config.gateway.listen.port(), 0);
        assert!(config.gateway.reflection);
        assert_eq!(config.worker.concurrency, 7);
        assert_eq!(config.repositories.roots.0.len(), 2);
        assert_eq!(config.database_url().expose_secret(), "sqlite:/data/elohim.db");
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_errors() {
        for (key, value) in [
            ("ELOHIM_GATEWAY__LISTNE", "127.0.0.1:1"),
            ("ELOHIM_GATWAY__LISTEN", "127.0.0.1:1"),
            ("ELOHIM_GATEWAY_LISTEN", "127.0.0.1:1"),
            ("ELOHIM_GATEWAY__LISTEN", "localhost"),
            ("ELOHIM_WORKER__CONCURRENCY", "0"),
            ("ELOHIM_WORKER__CONCURRENCY", "many"),
            ("ELOHIM_DATA_DIR", ""),
            ("ELOHIM_TELEMETRY__LOG_FILTER", "info,=x="),
            ("ELOHIM_REPOSITORIES__ROOTS", "core=relative"),
        ] {
            assert!(from_variables(&[(key, value)]).is_err(), "{key}={value}");
        }
        assert!(from_file("surprise = 1").is_err());
        assert!(
            from_file("[identity]\nkeys = [{ kid = 'a', alg = 'none', path = '/k' }]").is_err()
        );
    }

    #[test]
    fn half_a_verifier_or_half_a_model_is_an_error() {
        assert!(from_variables(&[("ELOHIM_IDENTITY__ISSUER", "https://id.example.org")]).is_err());
        assert!(from_variables(&[("ELOHIM_MODEL__BASE_URL", "https://m.example.org/v1")]).is_err());
        assert!(from_variables(&[("ELOHIM_MODEL__NAME", "small")]).is_err());
    }

    #[test]
    fn an_empty_key_is_none_and_no_secret_prints() {
        let config = from_variables(&[
            ("ELOHIM_DATA_DIR", "/data"),
            ("ELOHIM_DATABASE__URL", "postgres://u:hunter2@db/x"),
            ("ELOHIM_MODEL__BASE_URL", "https://m.example.org/v1"),
            ("ELOHIM_MODEL__NAME", "small"),
            ("ELOHIM_MODEL__API_KEY", ""),
        ])
        .unwrap();
        assert!(config.model().is_some_and(|model| model.api_key.is_none()));
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(!config.is_embedded());
    }

    #[test]
    fn the_owner_of_the_tables_is_named_apart_and_never_printed() {
        let server = ("ELOHIM_DATABASE__URL", "postgres://server@db/x");
        let owner = ("ELOHIM_DATABASE__MIGRATION_URL", "postgres://owner:hunter2@db/x");
        let data = ("ELOHIM_DATA_DIR", "/data");
        let config = from_variables(&[data, server, owner]).unwrap();
        let named = config.migration_url().map(ExposeSecret::expose_secret);
        assert_eq!(named, Some("postgres://owner:hunter2@db/x"));
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(from_variables(&[data, server]).unwrap().migration_url().is_none());
        // Without a Postgres to serve, there is nothing to own.
        assert!(from_variables(&[data, owner]).is_err());
        let wrong = ("ELOHIM_DATABASE__MIGRATION_URL", "mysql://owner@db/x");
        assert!(from_variables(&[data, server, wrong]).is_err());
    }

    #[test]
    fn keys_come_from_tables_too() {
        let config = from_file(
            "[identity]\nissuer = 'i'\naudience = 'a'\n[[identity.keys]]\nkid = 'k'\nalg = 'ES256'\npath = '/k.pem'\n",
        )
        .unwrap();
        assert_eq!(config.identity.keys.0.len(), 1);
    }
}
