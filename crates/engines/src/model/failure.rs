//! What went wrong, in words that help an operator and give nothing away.
//!
//! Only a status, known error codes and, for a connection that never stood, the cause
//! are told: nothing that an endpoint could have copied from the request.

use std::error::Error;
use std::fmt::Write as _;

use agent_core::port::model::ModelError;
use reqwest::StatusCode;

use super::wire::KnownCode;

/// Longest cause shown, in characters.
const MAX_CAUSE: usize = 200;

/// Whether a response with this status is worth another attempt.
pub(super) fn is_transient(status: StatusCode, code: Option<KnownCode>) -> bool {
    let busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    busy && code != Some(KnownCode::QuotaUsedUp)
}

/// The error for a response that is not a success.
pub(super) fn of_status(status: StatusCode, code: Option<KnownCode>) -> ModelError {
    let text = format!("HTTP {}: {}", status.as_u16(), advice(status, code));
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        ModelError::Unavailable(text)
    } else if status.is_redirection() || status.is_client_error() {
        ModelError::Refused(text)
    } else {
        ModelError::Malformed(text)
    }
}

fn advice(status: StatusCode, code: Option<KnownCode>) -> &'static str {
    match code {
        Some(KnownCode::ContextTooLong) => {
            return "the prompt is longer than the model accepts; use a model with a larger context";
        }
        Some(KnownCode::ModelNotFound) => {
            return "no such model; check model.name and the stage's model hint";
        }
        Some(KnownCode::QuotaUsedUp) => {
            return "the quota of the key is used up; check the account's plan and billing";
        }
        None => {}
    }
    match status.as_u16() {
        300..=399 => "redirects are not followed; set model.base_url to the address it leads to",
        401 | 403 => "the key is missing, wrong or lacks access; check model.api_key",
        402 => "the endpoint asks for payment; check the account's plan and billing",
        404 => "no such path or model; check model.base_url (up to the API version) and model.name",
        413 => "the request is too large; use a model with a larger context",
        429 => "too many requests; try again later or raise the rate limit of the key",
        400..=499 => "the request is not accepted; check that the model supports JSON answers",
        500..=599 => "the endpoint has trouble; try again later or check its status",
        _ => "not a status this protocol knows; check model.base_url",
    }
}

/// The error for a request that got no response at all.
pub(super) fn of_transport(error: &reqwest::Error) -> ModelError {
    ModelError::Unavailable(if error.is_timeout() {
        "no connection in time; check model.base_url and the network".into()
    } else if error.is_connect() {
        // No request was sent yet, so that the causes cannot quote one.
        format!("no connection ({}); check model.base_url and the network", root_cause(error))
    } else if error.is_builder() {
        "the request could not be built; check model.base_url".into()
    } else {
        "the connection was lost before an answer; try again later".into()
    })
}

/// The error for a response that broke off.
pub(super) fn broken_off() -> ModelError {
    ModelError::Unavailable("the connection was lost within the answer; try again later".into())
}

/// Adds how often it was tried, or why not again, to an error.
pub(super) fn with_note(error: ModelError, note: &str) -> ModelError {
    let add = |mut text: String| {
        // Writing to a string cannot fail.
        let _ = write!(text, " ({note})");
        text
    };
    match error {
        ModelError::Unavailable(text) => ModelError::Unavailable(add(text)),
        ModelError::Refused(text) => ModelError::Refused(add(text)),
        ModelError::Malformed(text) => ModelError::Malformed(add(text)),
    }
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().chars().filter(|c| !c.is_control()).take(MAX_CAUSE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, code: Option<KnownCode>) -> (&'static str, bool) {
        let status = StatusCode::from_u16(status).unwrap();
        let name = match of_status(status, code) {
            ModelError::Unavailable(_) => "unavailable",
            ModelError::Refused(_) => "refused",
            ModelError::Malformed(_) => "malformed",
        };
        (name, is_transient(status, code))
    }

    #[test]
    fn each_status_has_its_error_and_its_retry() {
        let cases = [
            (302, None, ("refused", false)),
            (400, None, ("refused", false)),
            (400, Some(KnownCode::ContextTooLong), ("refused", false)),
            (401, None, ("refused", false)),
            (404, Some(KnownCode::ModelNotFound), ("refused", false)),
            (429, None, ("unavailable", true)),
            (429, Some(KnownCode::QuotaUsedUp), ("unavailable", false)),
            (500, None, ("unavailable", true)),
            (503, None, ("unavailable", true)),
            (599, None, ("unavailable", true)),
            (999, None, ("malformed", false)),
        ];
        for (status, code, expected) in cases {
            assert_eq!(kind(status, code), expected, "{status} {code:?}");
        }
    }

    #[test]
    fn the_text_names_the_status_and_the_next_step() {
        let text = of_status(StatusCode::UNAUTHORIZED, None).to_string();
        assert_eq!(
            text,
            "the model endpoint refused the request: HTTP 401: the key is missing, wrong or lacks \
             access; check model.api_key"
        );
    }
}
