//! Request messages: framing, size and the codec.
//!
//! An input is two bytes that choose a method, one for the way it is sent, one for how it is
//! cut, and the body.

use bytes::Bytes;
use futures::FutureExt as _;
use http_body_util::StreamBody;
use prost::{Message, Name};
use tonic::body::Body;
use tonic::codec::{Codec as _, CompressionEncoding, Streaming};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::{Layer as _, Service as _};

use crate::contract;
use crate::shape::head;

/// Small, so that the fuzzer meets it.
const LIMIT: usize = 4 * 1024;
/// Bits of the third byte: the body is sent as it is, prefixes included; it is said to be
/// compressed.
const RAW: u8 = 1;
const COMPRESSED: u8 = 2;

/// The request message of one method.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// As in `elohim.agent.v1.RunService/GetRun`.
    pub method: &'static str,
    check: fn(&Sent<'_>),
}

include!(concat!(env!("OUT_DIR"), "/requests.rs"));

/// How a body goes over the wire.
struct Sent<'a> {
    raw: bool,
    compressed: bool,
    /// Bytes of each piece.
    piece: usize,
    body: &'a [u8],
}

/// One input.
pub fn run(input: &[u8]) {
    let ([first, second, way, cut], body) = head(input);
    let Some(method) = contract::chosen([first, second]) else { return };
    let Some(request) = REQUESTS.iter().find(|request| request.method == method.path) else {
        panic!("{} is not in the list of requests", method.path);
    };
    let piece = usize::from(cut).max(1);
    let (raw, compressed) = (way & RAW != 0, way & COMPRESSED != 0);
    (request.check)(&Sent { raw, compressed, piece, body });
}

/// Every method's requests, whole and in pieces, framed by us and by themselves.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for method in contract::methods() {
        for (at, body) in method.requests().into_iter().enumerate() {
            let cut = if at % 2 == 0 { 255 } else { 3 };
            let (way, body) = if at == 3 { (RAW, framed(&body)) } else { (0, body) };
            seeds.push([&method.choice()[..], &[way, cut], &body].concat());
        }
    }
    seeds
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], body].concat()
}

fn check<M: Message + Name + Default + PartialEq + 'static>(sent: &Sent<'_>) {
    let bytes = if sent.raw { sent.body.to_vec() } else { framed(sent.body) };
    let (messages, refused) = received::<M>(bytes, sent);
    if let Some(status) = &refused {
        let expected = match status.get_details_error_info().map(|info| info.reason).as_deref() {
            Some("MALFORMED_MESSAGE") => Code::InvalidArgument,
            Some("MESSAGE_TOO_LARGE") => Code::ResourceExhausted,
            // What a compressed message becomes is refused by tonic, and given its reason by
            // `api::answers`.
            None if sent.compressed => return,
            other => panic!("{other:?} is no reason for {status:?}"),
        };
        assert_eq!(status.code(), expected, "{status:?}");
    }
    for message in &messages {
        // A negative number of 32 bits may come in five bytes and is written in ten.
        assert!(message.encoded_len() <= 3 * LIMIT, "a message grew");
        let bytes = message.encode_to_vec();
        match M::decode(bytes.as_slice()) {
            // What is not equal to itself (NaN) still has the same bytes.
            Ok(again) => assert!(again == *message || again.encode_to_vec() == bytes),
            Err(error) => panic!("what was decoded and encoded does not decode: {error}"),
        }
    }
    if !sent.raw {
        let is_message = M::decode(sent.body).is_ok();
        let is_small = sent.body.len() <= LIMIT;
        assert_eq!(messages.len() == 1, is_message && is_small, "{refused:?}");
        assert_eq!(refused.is_none(), is_message && is_small, "{refused:?}");
        let too_large = refused.is_some_and(|status| status.code() == Code::ResourceExhausted);
        assert_eq!(too_large, !is_small);
    }
}

/// What a server would read: the messages, and the refusal that ended them.
fn received<M: Message + Name + Default + 'static>(
    bytes: Vec<u8>,
    sent: &Sent<'_>,
) -> (Vec<M>, Option<Status>) {
    let body = limited(bytes, sent);
    let compression = sent.compressed.then_some(CompressionEncoding::Gzip);
    let decoder = api::codec::Codec::<M, M>::default().decoder();
    let mut stream = Streaming::new_request(decoder, body, compression, Some(LIMIT));
    let mut messages = Vec::new();
    loop {
        match stream.message().now_or_never() {
            Some(Ok(Some(message))) => messages.push(message),
            Some(Ok(None)) => return (messages, None),
            Some(Err(status)) => return (messages, Some(status)),
            None => panic!("a body that is there is waited for"),
        }
    }
}

/// The body as it comes through the limit on sizes.
fn limited(bytes: Vec<u8>, sent: &Sent<'_>) -> Body {
    let bytes = Bytes::from(bytes);
    let starts = (0..bytes.len()).step_by(sent.piece);
    let pieces: Vec<Result<_, Status>> = starts
        .map(|at| {
            let end = at.saturating_add(sent.piece).min(bytes.len());
            Ok(http_body::Frame::data(bytes.slice(at..end)))
        })
        .collect();
    let body = Body::new(StreamBody::new(futures::stream::iter(pieces)));
    let mut request = http::Request::new(body);
    let headers = request.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static("application/grpc"));
    if sent.compressed {
        headers.insert("grpc-encoding", http::HeaderValue::from_static("gzip"));
    }
    let through = |request: http::Request<Body>| {
        futures::future::ready(Ok::<_, std::convert::Infallible>(request.into_body()))
    };
    let mut limit = api::limit::MessageLimitLayer::new(LIMIT).layer(tower::service_fn(through));
    match limit.call(request).now_or_never() {
        Some(Ok(body)) => body,
        Some(Err(never)) => match never {},
        None => panic!("the limit waits for something"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_method_is_chosen_by_its_own_bytes() {
        assert!(contract::methods().iter().all(|method| method.path.starts_with("elohim.")));
        for request in REQUESTS {
            let methods = contract::methods();
            let method = methods.iter().find(|method| method.path == request.method).unwrap();
            assert_eq!(contract::chosen(method.choice()).unwrap().path, request.method);
        }
        assert_eq!(contract::methods().len(), REQUESTS.len());
        let choices: BTreeSet<_> =
            contract::methods().iter().map(contract::Method::choice).collect();
        assert_eq!(choices.len(), REQUESTS.len(), "two methods share a choice");
    }

    #[test]
    fn full_requests_are_messages() {
        for method in contract::methods() {
            let full = method.requests();
            for body in full {
                let input = [&method.choice()[..], &[0, 255], &body].concat();
                run(&input);
            }
        }
    }
}
