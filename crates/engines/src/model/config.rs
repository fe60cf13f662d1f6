//! Where the model is, and what is refused before the first call.
//!
//! **Invariant:** a [`Target`] never leads to a host over clear text, except to this
//! very machine, and its URL holds no credentials: the key travels in one header only.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// Longest model name accepted, in bytes.
const MAX_NAME: usize = 200;

/// How to reach an OpenAI-compatible endpoint.
#[derive(Clone)]
pub struct ModelConfig {
    /// Up to and including the API version, as in `https://models.example.org/v1`;
    /// `/chat/completions` is added. `http://` is accepted for `localhost` and loopback
    /// addresses only, because the key and the source code would travel in clear text.
    pub base_url: String,
    /// The model asked for when a request names none.
    pub name: String,
    /// Sent as a bearer token. `None` for endpoints that ask for no key.
    pub api_key: Option<SecretString>,
}

impl fmt::Debug for ModelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL that was not validated yet may hold a password or a key.
        let base_url = match parse_base(&self.base_url) {
            Ok(url) => url.to_string(),
            Err(_) => "(not valid)".to_owned(),
        };
        f.debug_struct("ModelConfig")
            .field("base_url", &base_url)
            .field("name", &self.name)
            .field("api_key", &self.api_key)
            .finish()
    }
}

/// Bounds of one call. The default is meant for a remote endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelLimits {
    /// Connecting, TLS included, per attempt.
    pub connect_timeout: Duration,
    /// The whole call: attempts, waits between them, reading the answer.
    pub total_timeout: Duration,
    /// How often a call is repeated at most.
    pub max_retries: u32,
    /// The first wait between attempts; doubled each time, with jitter.
    pub backoff: Duration,
    /// The longest wait an endpoint may ask for. A call that is told to wait longer fails.
    pub max_retry_after: Duration,
    /// Bytes of a response.
    pub max_response_bytes: usize,
}

impl Default for ModelLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_mins(2),
            max_retries: 2,
            backoff: Duration::from_millis(500),
            max_retry_after: Duration::from_secs(20),
            max_response_bytes: 1024 * 1024,
        }
    }
}

/// Why a model cannot be used as configured. Texts name the setting, never its value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelConfigError {
    #[error("model.base_url {0}")]
    BaseUrl(&'static str),
    #[error("model.name must have 1 to {MAX_NAME} bytes and no control characters")]
    Name,
    #[error("model.api_key must be visible ASCII without spaces; leave it out if none is needed")]
    ApiKey,
    /// The TLS library or the certificate store of the operating system.
    #[error("TLS cannot be set up: {0}; are the ca-certificates of the system installed?")]
    Tls(String),
}

/// A validated [`ModelConfig`].
pub(super) struct Target {
    /// The address of `/chat/completions`.
    pub(super) url: Url,
    pub(super) name: String,
    key: Option<SecretString>,
}

impl Target {
    pub(super) fn new(config: ModelConfig) -> Result<Self, ModelConfigError> {
        let mut url = parse_base(&config.base_url)?;
        url.path_segments_mut()
            .map_err(|()| ModelConfigError::BaseUrl("cannot be a base"))?
            .pop_if_empty()
            .extend(["chat", "completions"]);

        let name = config.name;
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(ModelConfigError::Name);
        }
        let key = config.api_key;
        if let Some(key) = &key {
            let key = key.expose_secret();
            if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(ModelConfigError::ApiKey);
            }
        }
        Ok(Self { url, name, key })
    }

    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The value of the `Authorization` header, marked so that it prints as `Sensitive`.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let key = self.key.as_ref()?;
        // `new` has checked every byte of the key.
        let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

fn parse_base(text: &str) -> Result<Url, ModelConfigError> {
    let refused = |why| Err(ModelConfigError::BaseUrl(why));
    let Ok(url) = Url::parse(text) else {
        return refused("is not an absolute URL such as https://models.example.org/v1");
    };
    let Some(host) = url.host_str() else {
        return refused("has no host");
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(host) => {}
        "http" => return refused("must use https:// (http:// is for loopback hosts only)"),
        _ => return refused("must use https://"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("must hold no user or password; the key goes into model.api_key");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refused("must have no query and no fragment");
    }
    if url.path().trim_end_matches('/').ends_with("/chat/completions") {
        return refused("must end before /chat/completions, which is added");
    }
    Ok(url)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(base_url: &str) -> ModelConfig {
        ModelConfig {
            base_url: base_url.to_owned(),
            name: "small".to_owned(),
            api_key: Some("sk-9f2c".into()),
        }
    }

    fn address(base_url: &str) -> Result<String, ModelConfigError> {
        Target::new(config(base_url)).map(|target| target.url.to_string())
    }

    #[test]
    fn the_path_is_added_to_the_base() {
        let expected = "https://models.example.org/v1/chat/completions";
        assert_eq!(address("https://models.example.org/v1").unwrap(), expected);
        assert_eq!(address("https://models.example.org/v1/").unwrap(), expected);
        assert_eq!(
            address("https://models.example.org").unwrap(),
            "https://models.example.org/chat/completions"
        );
    }

    #[test]
    fn clear_text_reaches_loopback_hosts_only() {
        for local in [
            "http://localhost:11434/v1",
            "http://127.0.0.1/v1",
            "http://127.9.8.7",
            "http://[::1]:8080/v1",
        ] {
            assert!(address(local).is_ok(), "{local}");
        }
        for remote in [
            "http://models.example.org/v1",
            "http://10.0.0.1/v1",
            "http://0.0.0.0/v1",
            "http://127.0.0.1.example.org/v1",
            "http://localhost.example.org/v1",
            "http://[::ffff:10.0.0.1]/v1",
            "ftp://localhost/v1",
            "file:///v1",
        ] {
            assert!(matches!(address(remote), Err(ModelConfigError::BaseUrl(_))), "{remote}");
        }
    }

    #[test]
    fn what_could_carry_a_secret_or_mislead_is_refused() {
        for base_url in [
            "",
            "models.example.org/v1",
            "https://user@models.example.org/v1",
            "https://user:pw@models.example.org/v1",
            "https://models.example.org/v1?key=1",
            "https://models.example.org/v1#key",
            "https://models.example.org/v1/chat/completions",
            "https://models.example.org/v1/chat/completions/",
        ] {
            assert!(matches!(address(base_url), Err(ModelConfigError::BaseUrl(_))), "{base_url}");
        }
    }

    #[test]
    fn names_and_keys_are_checked() {
        let refusal = |name: &str, key: &str| {
            let mut config = config("https://models.example.org/v1");
            config.name = name.to_owned();
            config.api_key = Some(key.into());
            Target::new(config).err()
        };
        assert_eq!(refusal("small", "sk-9f2c"), None);
        assert_eq!(refusal("", "sk-9f2c"), Some(ModelConfigError::Name));
        assert_eq!(refusal("a\nb", "sk-9f2c"), Some(ModelConfigError::Name));
        assert_eq!(refusal(&"n".repeat(MAX_NAME + 1), "sk-9f2c"), Some(ModelConfigError::Name));
        for key in ["", "sk 9f2c", "sk-9f2c\n", "sk-9f2c\u{e9}"] {
            assert_eq!(refusal("small", key), Some(ModelConfigError::ApiKey), "{key:?}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", config("https://models.example.org/v1"));
        assert!(shown.contains("models.example.org") && shown.contains("small"), "{shown}");
        assert!(!shown.contains("9f2c"), "{shown}");

        let shown = format!("{:?}", config("https://bob:hunter2@models.example.org/v1?key=t0ken"));
        assert!(!shown.contains("hunter2") && !shown.contains("t0ken"), "{shown}");
    }

    #[test]
    fn the_authorization_header_is_marked_sensitive() {
        let target = Target::new(config("https://models.example.org/v1")).unwrap();
        let value = target.authorization().unwrap();
        assert_eq!(value.to_str().unwrap(), "Bearer sk-9f2c");
        assert_eq!(format!("{value:?}"), "Sensitive");
    }
}
