//! Bounds the size of incoming messages before anything is buffered for them.
//!
//! tonic refuses a long message by itself, but as `OUT_OF_RANGE` without details, and it
//! reserves memory for whatever length a peer declares below its own limit. This layer
//! reads the length prefixes as they pass and ends the body with the contract's status;
//! tonic passes such a status on unchanged, and never sees the prefix.
//!
//! **Invariant:** a message that reaches the decoder uncompressed is complete and has at
//! most `limit` bytes. What a compressed one becomes is bounded by tonic, whose
//! `max_decoding_message_size` must be set to the same limit; [`crate::answers`] gives that
//! refusal its reason.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, Request, header};
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::refusal;

/// Bytes a request message may have unless the operator says otherwise: 4 MiB.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// Bytes a response message may have unless the operator says otherwise: 16 MiB.
pub const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// One byte of flags and four of length, before every message.
const PREFIX_BYTES: usize = 5;

/// Makes [`MessageLimit`]s.
///
/// Belongs inside anything that turns other encodings (gRPC-web, JSON) into gRPC; bodies of
/// another content type than `application/grpc` pass untouched.
#[derive(Clone, Copy, Debug)]
pub struct MessageLimitLayer {
    limit: usize,
}

impl MessageLimitLayer {
    /// `limit` in bytes, for each message of a request.
    pub const fn new(limit: usize) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for MessageLimitLayer {
    type Service = MessageLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MessageLimit { inner, limit: self.limit }
    }
}

/// Passes requests on with their bodies watched.
#[derive(Clone, Debug)]
pub struct MessageLimit<S> {
    inner: S,
    limit: usize,
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for MessageLimit<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !is_grpc(request.headers()) {
            return self.inner.call(request);
        }
        let prefixes = Prefixes::new(self.limit, is_compressed(request.headers()));
        self.inner.call(request.map(|body| Body::new(WatchedBody::new(body, prefixes))))
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    kind.strip_prefix("application/grpc").is_some_and(|rest| !rest.starts_with("-web"))
}

fn is_compressed(headers: &HeaderMap) -> bool {
    headers.get("grpc-encoding").is_some_and(|encoding| encoding != "identity")
}

/// A request body whose length prefixes are read as it passes.
struct WatchedBody {
    body: Body,
    prefixes: Prefixes,
    /// A body that has ended or was refused gives nothing more.
    over: bool,
}

impl WatchedBody {
    fn new(body: Body, prefixes: Prefixes) -> Self {
        Self { body, prefixes, over: false }
    }

    fn check(&mut self, frame: &Frame<Bytes>) -> Result<(), Status> {
        match frame.data_ref() {
            Some(data) => self.prefixes.read(data.clone()),
            // Trailers: no more data can follow.
            None => self.prefixes.finish(),
        }
    }
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => Some(self.check(&frame).map(|()| frame)),
            Some(Err(status)) => Some(Err(status)),
            None => self.prefixes.finish().err().map(Err),
        };
        self.over = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

/// Follows the prefixes through data that is cut anywhere.
struct Prefixes {
    limit: usize,
    compressed: bool,
    prefix: [u8; PREFIX_BYTES],
    /// Bytes of `prefix` seen so far.
    seen: usize,
    /// Bytes of the current message still to come.
    missing: usize,
}

impl Prefixes {
    fn new(limit: usize, compressed: bool) -> Self {
        Self { limit, compressed, prefix: [0; PREFIX_BYTES], seen: 0, missing: 0 }
    }

    fn read(&mut self, mut data: Bytes) -> Result<(), Status> {
        loop {
            let skipped = self.missing.min(data.len());
            data.advance(skipped);
            self.missing -= skipped;
            let Some(byte) = data.first().copied() else { return Ok(()) };
            data.advance(1);
            self.push(byte)?;
        }
    }

    fn push(&mut self, byte: u8) -> Result<(), Status> {
        if let Some(place) = self.prefix.get_mut(self.seen) {
            *place = byte;
            self.seen += 1;
        }
        if self.seen < PREFIX_BYTES {
            return Ok(());
        }
        let [flags, length @ ..] = self.prefix;
        self.seen = 0;
        self.missing = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        match flags {
            0 => {}
            1 if self.compressed => {}
            1 => return Err(refusal::malformed("a compressed message without grpc-encoding")),
            _ => return Err(refusal::malformed("unknown flags before a message")),
        }
        if self.missing > self.limit { Err(refusal::too_large(self.limit)) } else { Ok(()) }
    }

    fn finish(&self) -> Result<(), Status> {
        if self.seen == 0 && self.missing == 0 {
            Ok(())
        } else {
            Err(refusal::malformed("the message is cut off"))
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};
    use tonic::Code;
    use tonic_types::StatusExt as _;

    use super::*;

    fn message(flags: u8, declared: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![flags];
        bytes.extend(declared.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    /// Sends `bytes` in pieces of `piece` bytes and returns what comes through.
    async fn pass(bytes: &[u8], piece: usize, compressed: bool) -> Result<Vec<u8>, Status> {
        let frames: Vec<Result<_, Status>> = bytes
            .chunks(piece)
            .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))))
            .collect();
        let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
        let watched = WatchedBody::new(body, Prefixes::new(10, compressed));
        Ok(watched.collect().await?.to_bytes().to_vec())
    }

    async fn refusal_of(bytes: &[u8], piece: usize) -> (Code, String) {
        let status = pass(bytes, piece, false).await.unwrap_err();
        let reason = status.get_details_error_info().unwrap().reason;
        (status.code(), reason)
    }

    #[tokio::test]
    async fn messages_within_the_limit_pass_unchanged_however_they_are_cut() {
        let two = [message(0, 10, &[7; 10]), message(0, 0, &[]), message(0, 3, &[9; 3])].concat();
        for piece in 1..=two.len() {
            assert_eq!(pass(&two, piece, false).await.unwrap(), two, "pieces of {piece}");
        }
        assert_eq!(pass(&[], 1, false).await.unwrap(), []);
        let compressed = message(1, 2, &[1, 2]);
        assert_eq!(pass(&compressed, 3, true).await.unwrap(), compressed);
    }

    #[tokio::test]
    async fn a_declared_length_above_the_limit_is_refused_before_its_payload() {
        let too_large = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned());
        for declared in [11, u32::MAX] {
            let second = [message(0, 1, &[7]), message(0, declared, &[])].concat();
            for piece in 1..=second.len() {
                assert_eq!(refusal_of(&second, piece).await, too_large, "{declared} by {piece}");
            }
        }
    }

    #[tokio::test]
    async fn broken_framing_is_malformed() {
        let malformed = (Code::InvalidArgument, "MALFORMED_MESSAGE".to_owned());
        let cases =
            [message(1, 1, &[7]), message(2, 1, &[7]), message(0, 5, &[7; 4]), vec![0, 0, 0]];
        for bytes in cases {
            for piece in 1..=bytes.len() {
                assert_eq!(refusal_of(&bytes, piece).await, malformed, "{bytes:?} by {piece}");
            }
        }
    }

    #[test]
    fn only_grpc_bodies_are_watched() {
        let kind = |kind: &'static str| {
            is_grpc(&HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]))
        };
        assert!(kind("application/grpc") && kind("application/grpc+proto"));
        assert!(!kind("application/grpc-web+proto") && !kind("application/json"));
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
