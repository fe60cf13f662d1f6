//! Bounds how long a caller waits, and lets what began finish.
//!
//! **Invariant:** a call runs in a task of its own. A cancelled or late call frees its
//! caller but never a statement in flight: the database driver can return a connection to
//! its pool inside an open transaction when a future is dropped while one begins.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument as _, error};

use super::{HttpRequest, HttpResponse, Next, Wrap, context, refuse};
use crate::class::Class;
use crate::context::CallContext;
use crate::status;

const GRPC_TIMEOUT: &str = "grpc-timeout";
/// tonic watches the same header from outside and answers without details: be earlier.
const HEAD_START: Duration = Duration::from_millis(5);

/// Deadlines by class; a client's own can only shorten them. Of a stream, the time until it
/// begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    pub(crate) quick: Duration,
    pub(crate) long: Duration,
}

impl Wrap for Deadlines {
    async fn wrap<N: Next>(self, request: HttpRequest, next: N) -> HttpResponse {
        let context = context(&request);
        let now = Instant::now();
        let asked = client_limit(request.headers());
        if let Some(asked) = asked.and_then(|asked| now.checked_add(asked)) {
            context.set_asked_deadline(asked);
        }
        let deadline = now + self.limit(&context, asked);
        context.set_deadline(deadline);
        let waiting = Waiting(Arc::clone(&context));
        let task = tokio::spawn(next.run(request).in_current_span());
        let answer = timeout_at(deadline, task).await;
        drop(waiting);
        match answer {
            Ok(Ok(response)) => response,
            Ok(Err(broken)) => {
                // The panic hook has printed where.
                error!(error = %broken, "the call broke off");
                refuse(status::internal(context.request_id()))
            }
            Err(_) => refuse(status::deadline_exceeded()),
        }
    }
}

impl Deadlines {
    fn limit(self, context: &CallContext, asked: Option<Duration>) -> Duration {
        let long = context.method().is_some_and(|method| method.class == Class::Long);
        let own = if long { self.long } else { self.quick };
        match asked {
            Some(limit) => own.min(limit.saturating_sub(HEAD_START.min(limit / 10))),
            None => own,
        }
    }
}

/// Marks the call as abandoned when nobody waits for it any more, for whatever reason.
struct Waiting(Arc<CallContext>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// `grpc-timeout`: up to eight digits and a unit. A broken one is as good as none.
fn client_limit(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_hours(count)),
        "M" => Some(Duration::from_mins(count)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Duration> {
        client_limit(&HeaderMap::from_iter([(
            http::HeaderName::from_static(GRPC_TIMEOUT),
            text.parse().unwrap(),
        )]))
    }

    #[test]
    fn units_are_those_of_grpc_and_nonsense_is_ignored() {
        assert_eq!(parsed("2H"), Some(Duration::from_hours(2)));
        assert_eq!(parsed("3M"), Some(Duration::from_mins(3)));
        assert_eq!(parsed("99999999H"), Some(Duration::from_hours(99_999_999)));
        assert_eq!(parsed("10m"), Some(Duration::from_millis(10)));
        assert_eq!(
            (parsed("5u"), parsed("0n")),
            (Some(Duration::from_micros(5)), Some(Duration::ZERO))
        );
        for bad in ["", "S", "1", "123456789S", "-1S", "1.5S", "1s", " 1S", "1S ", "+1S"] {
            assert_eq!(parsed(bad), None, "{bad:?}");
        }
        let mut odd = HeaderMap::new();
        odd.insert(GRPC_TIMEOUT, http::HeaderValue::from_bytes(b"1\xc3\xbc").unwrap());
        assert_eq!(client_limit(&odd), None);
    }

    #[test]
    fn a_client_only_shortens() {
        let both = Deadlines { quick: Duration::from_secs(30), long: Duration::from_mins(5) };
        let context = CallContext::new(None);
        let with = |text: &str| both.limit(&context, parsed(text));
        assert_eq!(with("100S"), Duration::from_secs(30));
        assert_eq!(with("1S"), Duration::from_millis(995));
        assert_eq!(both.limit(&context, None), Duration::from_secs(30));
    }
}
