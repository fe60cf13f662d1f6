//! Reads a JSON Web Key Set over HTTP.
//!
//! **Invariant:** one fetch is one request to the configured address, over TLS unless that is
//! this very machine; it ends within [`TIMEOUT`], holds at most [`MAX_BYTES`], follows no
//! redirect and uses no proxy. Nothing a token says leads to a fetch from elsewhere.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CACHE_CONTROL, HeaderMap};
use reqwest::{Client, Response, StatusCode, Url, redirect, retry};

use super::{KeyError, VerificationKey};

/// All of one fetch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Key sets have a few kilobytes.
const MAX_BYTES: usize = 256 * 1024;

/// Where a key set is.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySetUrl(Url);

/// The address of a key set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("is not a URL")]
    NotAUrl,
    #[error("must begin with https:// (or http:// on this machine)")]
    ClearText,
    #[error("must not hold a user, a password or a fragment")]
    Credentials,
}

/// A key set was not read.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The client cannot be made: no certificate store, as a rule.
    #[error("TLS cannot be used: {0}")]
    Tls(String),
    #[error("the key set cannot be reached: {0}")]
    Unreachable(String),
    #[error("the key set was not sent within {} s", TIMEOUT.as_secs())]
    TooSlow,
    #[error("the server of the key set answered {0}")]
    Status(StatusCode),
    #[error("the key set is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the key set is no text")]
    NotText,
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Duplicate(#[from] super::DuplicateKid),
}

/// What one fetch brought.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) keys: Vec<VerificationKey>,
    /// How long the sender thinks it is good.
    pub(super) max_age: Option<Duration>,
}

/// Asks one address.
pub(super) struct Fetcher {
    client: Client,
    url: Url,
}

impl KeySetUrl {
    /// `https://…`, or `http://` with `localhost` or a loopback address.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|_| UrlError::NotAUrl)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(UrlError::NotAUrl)?;
        let is_private = url.scheme() == "https" || url.scheme() == "http" && is_loopback(host);
        if !is_private {
            return Err(UrlError::ClearText);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(UrlError::Credentials);
        }
        Ok(Self(url))
    }
}

impl std::fmt::Debug for KeySetUrl {
    /// Without the query, which may hold a key of the sender's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.0.origin().ascii_serialization(), self.0.path())
    }
}

impl Fetcher {
    /// Certificates are judged by the roots of the operating system.
    pub(super) fn new(url: &KeySetUrl) -> Result<Self, FetchError> {
        Self::with(url, tls(&url.0).map_err(|error| FetchError::Tls(error.to_string()))?)
    }

    fn with(url: &KeySetUrl, tls: rustls::ClientConfig) -> Result<Self, FetchError> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .https_only(url.0.scheme() == "https")
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("elohim/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| FetchError::Tls(error.to_string()))?;
        Ok(Self { client, url: url.0.clone() })
    }

    pub(super) async fn fetch(&self) -> Result<Fetched, FetchError> {
        let request = self.client.get(self.url.clone()).header(ACCEPT, "application/json");
        let response = request.send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let max_age = max_age(response.headers());
        let body = read(response).await?;
        let text = std::str::from_utf8(&body).map_err(|_| FetchError::NotText)?;
        Ok(Fetched { keys: VerificationKey::from_jwks(text)?, max_age })
    }
}

/// Without the address, which may hold a key of the sender's.
fn failed(error: reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::TooSlow;
    }
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    FetchError::Unreachable(text)
}

async fn read(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// `max-age` of `Cache-Control`, in seconds.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let all = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives = all.flat_map(|value| value.split(',')).map(str::trim);
    directives.find_map(|directive| {
        let (name, seconds) = directive.split_once('=')?;
        let seconds = seconds.trim().trim_matches('"').parse().ok()?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| Duration::from_secs(seconds))
    })
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn tls(url: &Url) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let mut config = if url.scheme() == "https" {
        let verifier = rustls_platform_verifier::Verifier::new(provider)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        builder.with_no_client_auth()
    } else {
        // On this machine: must work without a certificate store.
        builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_text_reaches_this_machine_only_and_an_address_holds_no_password() {
        let refused = |text| KeySetUrl::parse(text).err();
        for good in [
            "https://id.example.org/keys",
            "https://id.example.org:8443/a/keys?tenant=1",
            "http://localhost:1/keys",
            "http://127.0.0.1/keys",
            "http://127.9.9.9/keys",
            "http://[::1]:1/keys",
        ] {
            assert_eq!(refused(good), None, "{good}");
        }
        for clear in [
            "http://id.example.org/keys",
            "http://localhost.example.org/keys",
            "http://127.0.0.1.example.org/keys",
            "http://10.0.0.1/keys",
            "http://0.0.0.0/keys",
            "ftp://localhost/keys",
        ] {
            assert_eq!(refused(clear), Some(UrlError::ClearText), "{clear}");
        }
        for none in ["", "keys", "/etc/keys", "https://", "file:///etc/keys", "data:text/plain,x"] {
            assert_eq!(refused(none), Some(UrlError::NotAUrl), "{none}");
        }
        for secret in ["https://a@b.org/", "https://:p@b.org/", "https://b.org/#f"] {
            assert_eq!(refused(secret), Some(UrlError::Credentials), "{secret}");
        }
        let url = KeySetUrl::parse("https://id.example.org/keys?code=hunter2").unwrap();
        assert_eq!(format!("{url:?}"), "https://id.example.org/keys");
    }

    #[test]
    fn the_age_is_read_from_whichever_directive_has_it() {
        let age = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            values.iter().for_each(|value| {
                headers.append(CACHE_CONTROL, value.parse().unwrap());
            });
            max_age(&headers).map(|age| age.as_secs())
        };
        assert_eq!(age(&["public, max-age=600, must-revalidate"]), Some(600));
        assert_eq!(age(&["no-transform", "Max-Age=\"7\""]), Some(7));
        for none in [&[][..], &["no-store"], &["max-age"], &["max-age=-1"], &["s-maxage=5"]] {
            assert_eq!(age(none), None, "{none:?}");
        }
    }
}
