//! A peer that speaks HTTP/2 frame by frame, as no well-behaved client does.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const REFUSED_STREAM: u32 = 7;

/// One frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        Self { kind, flags, stream, payload: payload.to_vec() }
    }

    /// The error code of RST_STREAM.
    pub(crate) fn code(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.payload.get(..4)?.try_into().ok()?))
    }

    fn encode(&self, into: &mut Vec<u8>) {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        into.extend_from_slice(&length[1..]);
        into.extend_from_slice(&[self.kind, self.flags]);
        into.extend_from_slice(&self.stream.to_be_bytes());
        into.extend_from_slice(&self.payload);
    }
}

/// The headers of a call, without compression: `POST`, `http`, path, authority and more.
pub(crate) fn call(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let common = [(":path", path), (":authority", "x"), ("te", "trailers")];
    let common = common.into_iter().chain([("content-type", "application/grpc")]);
    for (name, value) in common.chain(more.iter().copied()) {
        block.push(0x00);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An HPACK integer with a prefix of seven bits.
fn length(block: &mut Vec<u8>, mut value: usize) {
    if value < 127 {
        block.push(u8::try_from(value).unwrap());
        return;
    }
    block.push(127);
    value -= 127;
    while value >= 128 {
        block.push(u8::try_from(value % 128).unwrap() | 0x80);
        value /= 128;
    }
    block.push(u8::try_from(value).unwrap());
}

/// A connection.
pub(crate) struct Peer(TcpStream);

impl Peer {
    /// Says hello.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut bytes = PREFACE.to_vec();
        Frame::new(SETTINGS, 0, 0, &[]).encode(&mut bytes);
        stream.write_all(&bytes).await.unwrap();
        Self(stream)
    }

    /// Sends frames at once; `false` when the other side is gone.
    pub(crate) async fn sends(&mut self, frames: &[Frame]) -> bool {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.encode(&mut bytes));
        self.0.write_all(&bytes).await.is_ok()
    }

    /// The next frame; `None` when the connection is closed.
    pub(crate) async fn hears(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
            Some(Frame { kind: head[3], flags: head[4], stream, payload })
        };
        timeout(PATIENCE, read).await.expect("the server says something, or closes")
    }

    /// Reads until the end; whether GOAWAY came before it.
    pub(crate) async fn hears_the_end(&mut self) -> bool {
        let mut said = false;
        while let Some(frame) = self.hears().await {
            said |= frame.kind == GOAWAY;
        }
        said
    }
}
