//! Bounds how long a stream lives, and ends it when its caller's rights do.
//!
//! A call's layers judge its beginning; a stream goes on after that. So each stream that is
//! answered with has a task that carries its frames and now and then asks again: is the
//! credential still believed, is the caller still active and does he still hold what the
//! method needs, was anything sent, is it too old. The answer no ends the stream at once, with
//! a status of its own; what was not delivered by then is not delivered any more.
//!
//! **Invariant:** the questions are asked whether or not the peer reads: one that does not
//! keeps nothing alive beyond the greatest age, and gets nothing after the end.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::BodyExt as _;
use permissions::Authorizer;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tonic::Status;
use tonic::body::Body;
use tracing::{Instrument as _, debug};

use super::per_caller::Counts;
use super::{HttpRequest, HttpResponse, Next, Refusals, Wrap, context, refuse};
use crate::access::Missing;
use crate::config::StreamLimits;
use crate::context::CallContext;
use crate::status;

/// Guards the streams of a process.
#[derive(Clone)]
pub(crate) struct Streams {
    limits: StreamLimits,
    authorizer: Arc<Authorizer>,
    refusals: Refusals,
    open: Arc<AtomicUsize>,
    by_caller: Counts,
    closing: Arc<AtomicBool>,
}

impl Streams {
    pub(crate) fn new(
        limits: StreamLimits,
        authorizer: Arc<Authorizer>,
        refusals: Refusals,
    ) -> Self {
        let by_caller = Counts::new(limits.per_caller);
        let (open, closing) = (Arc::default(), Arc::default());
        Self { limits, authorizer, refusals, open, by_caller, closing }
    }

    /// Ends all streams, soon: the server stops.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// A place for one more stream.
    fn enter(&self, context: &CallContext) -> Result<Place, Status> {
        let open = self.open.fetch_add(1, Ordering::AcqRel);
        let place = OpenPlace(Arc::clone(&self.open));
        // Watching liveness needs no credential: nobody's streams leave room for everybody's.
        let most = if context.caller().is_some() { self.limits.open } else { self.limits.open / 4 };
        if open >= most {
            let text = "the server has too many open streams; try again in a moment";
            return Err(status::overloaded("OVERLOADED", text));
        }
        let Some(caller) = context.caller() else { return Ok(Place { _open: place, _own: None }) };
        let Some(own) = self.by_caller.take(caller.user()) else {
            let text = "you have too many open streams; end some of them";
            return Err(status::overloaded("TOO_MANY_CALLS", text));
        };
        Ok(Place { _open: place, _own: Some(own) })
    }
}

struct Place {
    _open: OpenPlace,
    _own: Option<super::per_caller::Taken>,
}

struct OpenPlace(Arc<AtomicUsize>);

impl Drop for OpenPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Wrap for Streams {
    async fn wrap<N: Next>(self, request: HttpRequest, next: N) -> HttpResponse {
        let context = context(&request);
        if !context.method().is_some_and(|method| method.streams) {
            return next.run(request).await;
        }
        let place = match self.enter(&context) {
            Ok(place) => place,
            Err(status) => return refuse(status),
        };
        let heard = Arc::new(Heard::default());
        let spoken = Arc::clone(&heard);
        let request = request.map(|body| {
            Body::new(body.map_frame(move |frame| {
                spoken.again();
                frame
            }))
        });
        let response = next.run(request).await;
        if Status::from_header_map(response.headers()).is_some() {
            // It is refused, or over: there is nothing to guard.
            return response;
        }
        let guard = Guard::new(self, context, heard);
        response.map(|body| Body::new(Guarded::start(body, guard, place)))
    }
}

/// When something was last sent, either way.
struct Heard(Mutex<Instant>);

impl Default for Heard {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Heard {
    fn again(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn since(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// Knows when a stream has to end.
struct Guard {
    streams: Streams,
    context: Arc<CallContext>,
    heard: Arc<Heard>,
    began: Instant,
    tick: Interval,
}

impl Guard {
    fn new(streams: Streams, context: Arc<CallContext>, heard: Arc<Heard>) -> Self {
        let began = Instant::now();
        let mut tick = interval_at(began + streams.limits.check, streams.limits.check);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { streams, context, heard, began, tick }
    }

    /// Returns when the stream has to end, with the status it ends with. May be dropped at
    /// any time.
    async fn end(&mut self) -> Status {
        loop {
            self.tick.tick().await;
            if let Some(status) = self.judge() {
                return status;
            }
        }
    }

    fn judge(&self) -> Option<Status> {
        let limits = self.streams.limits;
        if let Some(refusal) = self.refusal() {
            self.streams.refusals.note(&self.context, &refusal);
            return Some(refusal);
        }
        if self.context.asked_deadline().is_some_and(|deadline| Instant::now() >= deadline) {
            return Some(status::deadline_exceeded());
        }
        let is_closing = self.streams.closing.load(Ordering::Acquire);
        if is_closing || self.began.elapsed() >= limits.age {
            return Some(status::stream_expired());
        }
        (self.heard.since() >= limits.idle).then(status::stream_idle)
    }

    /// The same answer as the caller would get now to a call of this method.
    fn refusal(&self) -> Option<Status> {
        let user = self.context.caller()?.user();
        let id = self.context.request_id();
        let known = self.streams.authorizer.caller_of(user, id);
        let Some(caller) = known.filter(|_| self.context.credential_holds()) else {
            return Some(status::unauthenticated());
        };
        match self.context.method()?.access.missing(&caller)? {
            Missing::Permission(denied) => Some(status::to_status(&denied, id)),
            Missing::Row => Some(status::unlisted()),
        }
    }
}

type Sent = Result<Frame<Bytes>, Status>;

/// The body that the peer gets: frames of the inner one, until the guard says no.
struct Guarded {
    frames: mpsc::Receiver<Sent>,
    /// Trailers of a stream that was ended.
    ended: Arc<OnceLock<HeaderMap>>,
    is_over: bool,
}

impl Guarded {
    fn start(body: Body, guard: Guard, place: Place) -> Self {
        let (sender, frames) = mpsc::channel(1);
        let ended = Arc::new(OnceLock::new());
        let carrying = carry(body, guard, sender, Arc::clone(&ended), place);
        tokio::spawn(carrying.in_current_span());
        Self { frames, ended, is_over: false }
    }
}

/// Carries frames until there are no more, nobody takes them, or the guard ends it. The place
/// is free then.
async fn carry(
    mut body: Body,
    mut guard: Guard,
    frames: mpsc::Sender<Sent>,
    ended: Arc<OnceLock<HeaderMap>>,
    _place: Place,
) {
    loop {
        let frame = tokio::select! {
            biased;
            () = frames.closed() => return,
            status = guard.end() => return end(&ended, &status),
            frame = body.frame() => frame,
        };
        let Some(frame) = frame else { return };
        guard.heard.again();
        tokio::select! {
            biased;
            status = guard.end() => return end(&ended, &status),
            sent = frames.send(frame) => {
                if sent.is_err() {
                    return;
                }
            }
        }
    }
}

fn end(ended: &OnceLock<HeaderMap>, status: &Status) {
    debug!(code = ?status.code(), "a stream was ended");
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // Texts of ours are header values; without one the code must do.
        trailers.insert(Status::GRPC_STATUS, (status.code() as i32).into());
    }
    // Set once: the task that carries the stream is the only one to end it.
    let _ = ended.set(trailers);
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Sent>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.ended.get().is_none() {
            match self.frames.poll_recv(cx) {
                Poll::Ready(Some(frame)) => return Poll::Ready(Some(frame)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {}
            }
        }
        self.is_over = true;
        let trailers = self.ended.get().cloned();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

#[cfg(test)]
mod tests;
