//! Ends connections whose peer keeps the server busy with frames that carry nothing.
//!
//! An answer is owed to each PING and SETTINGS, and a reset costs the call that it ends; none
//! of them counts as a stream. HTTP/2 as the library speaks it bounds what of that may be
//! pending, not how often it comes. So the frames are counted as they come in: their headers
//! are nine bytes each, and what they say is not looked at.
//!
//! **Invariant:** a peer whose frames of this kind weigh more than [`MOST`] within [`WINDOW`] is
//! told GOAWAY and gets nothing more. Bytes pass unchanged.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonic::transport::server::Connected;
use tracing::debug;

/// A client that measures the line or keeps it alive sends a few in a second.
const MOST: u32 = 5_000;
/// 1000 pings or settings reach it.
const WEIGHT: u32 = 5;
/// Clients reset, for their part, calls that were refused before their body had been sent; one
/// connection may carry those of a whole service, and what is at work on it would be lost.
const RESET_WEIGHT: u32 = 1;
const WINDOW: Duration = Duration::from_secs(10);

/// What a client sends before its first frame.
const PREFACE: usize = 24;
/// Length (3), type (1), flags (1), stream (4).
const HEADER: usize = 9;
/// On connection 0: last stream 0, ENHANCE_YOUR_CALM.
const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];

const DATA: u8 = 0;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
/// Of SETTINGS and PING; of DATA the same bit says that the stream ends.
const ACK_OR_END: u8 = 1;

/// A connection whose frames are counted; holds one of the server's places for connections.
pub(crate) struct Counted<IO> {
    io: IO,
    frames: Frames,
    is_flooded: bool,
    _place: OwnedSemaphorePermit,
}

impl<IO> Counted<IO> {
    pub(crate) fn new(io: IO, place: OwnedSemaphorePermit) -> Self {
        Self { io, frames: Frames::default(), is_flooded: false, _place: place }
    }
}

/// Finds the frames in a stream of bytes.
struct Frames {
    /// Bytes until the next frame's header.
    skip: usize,
    header: [u8; HEADER],
    /// Bytes of the header that are there.
    have: usize,
    /// What those that carry nothing weigh together.
    empty: u32,
    since: Option<Instant>,
}

impl Default for Frames {
    fn default() -> Self {
        Self { skip: PREFACE, header: [0; HEADER], have: 0, empty: 0, since: None }
    }
}

impl Frames {
    /// Reads on; `false` when there were too many that carry nothing.
    fn take(&mut self, mut bytes: &[u8], now: Instant) -> bool {
        let before = self.empty;
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let wanted = (HEADER - self.have).min(bytes.len());
            let (head, rest) = bytes.split_at(wanted);
            if let Some(place) = self.header.get_mut(self.have..self.have + wanted) {
                place.copy_from_slice(head);
            }
            self.have += wanted;
            bytes = rest;
            if self.have == HEADER {
                self.have = 0;
                let [a, b, c, kind, flags, ..] = self.header;
                let length = u32::from_be_bytes([0, a, b, c]);
                self.skip = usize::try_from(length).unwrap_or(usize::MAX);
                self.empty += weight(kind, flags, length);
            }
        }
        before == self.empty || self.is_calm(self.empty - before, now)
    }

    /// What came just now is the first of a new window, when the last one is over.
    fn is_calm(&mut self, fresh: u32, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            self.since = Some(now);
            self.empty = fresh;
        }
        self.empty <= MOST
    }
}

/// What a frame weighs that carries nothing.
fn weight(kind: u8, flags: u8, length: u32) -> u32 {
    let carries_nothing = match kind {
        PING | SETTINGS => flags & ACK_OR_END == 0,
        DATA => length == 0 && flags & ACK_OR_END == 0,
        CONTINUATION => length == 0,
        RST_STREAM => return RESET_WEIGHT,
        PRIORITY => true,
        // Those that nobody knows are ignored, which costs as much.
        _ => kind > CONTINUATION,
    };
    if carries_nothing { WEIGHT } else { 0 }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Counted<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_flooded {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.io).poll_read(cx, buffer))?;
            let fresh = buffer.filled().get(before..).unwrap_or_default();
            if this.frames.take(fresh, Instant::now()) {
                return Poll::Ready(Ok(()));
            }
            buffer.set_filled(before);
            this.is_flooded = true;
            debug!("a connection was ended: too many frames that carry nothing");
            // A peer that does not read does not hear why.
            let _ = Pin::new(&mut this.io).poll_write(cx, &GOAWAY);
        }
        Poll::Ready(Err(io::Error::other("too many frames that carry nothing")))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Counted<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl<IO: Connected> Connected for Counted<IO> {
    type ConnectInfo = IO::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        [&head[..], payload].concat()
    }

    fn of(frames: &[Vec<u8>]) -> Vec<u8> {
        [&[b'x'; PREFACE][..], &frames.concat()].concat()
    }

    #[test]
    fn frames_that_carry_nothing_are_counted_however_the_bytes_come() {
        let ping = frame(PING, 0, &[0; 8]);
        let useful = frame(DATA, 0, &[PING; 40]);
        let bytes = of(&[ping.clone(), useful, frame(PING, 1, &[0; 8]), ping]);
        let now = Instant::now();
        for size in [1, 2, 7, 9, 24, 1_000] {
            let mut frames = Frames::default();
            assert!(bytes.chunks(size).all(|chunk| frames.take(chunk, now)));
            assert_eq!(frames.empty, 2 * WEIGHT, "in pieces of {size}");
            assert_eq!((frames.skip, frames.have), (0, 0));
        }
    }

    #[test]
    fn too_many_within_a_while_are_too_many() {
        let now = Instant::now();
        for (kind, payload) in
            [(PING, &[0; 8][..]), (RST_STREAM, &[0; 4]), (SETTINGS, &[]), (DATA, &[]), (77, &[1])]
        {
            let one = frame(kind, 0, payload);
            let most = if kind == RST_STREAM { MOST } else { MOST / WEIGHT };
            let mut frames = Frames::default();
            assert!(frames.take(&of(&[]), now));
            let mut count = 0;
            while frames.take(&one, now) {
                count += 1;
                assert!(count < 2 * most, "{kind}");
            }
            assert!(count >= most, "{kind}: {count}");

            let mut frames = Frames::default();
            assert!(frames.take(&of(&[]), now));
            for at in 0..3 * most {
                let later = now + WINDOW * at / (most - most / 3);
                assert!(frames.take(&one, later), "{kind}: slow ones may go on");
            }
        }
        let all = of(&vec![frame(PING, 0, &[0; 8]); 2_000]);
        assert!(!Frames::default().take(&all, now), "also when they come at once");
    }

    #[test]
    fn calls_are_not_counted() {
        let now = Instant::now();
        let mut frames = Frames::default();
        assert!(frames.take(&of(&[]), now));
        let call = [frame(1, 4, b"headers"), frame(DATA, 1, &[]), frame(8, 0, &[0; 4])].concat();
        for _ in 0..5_000 {
            assert!(frames.take(&call, now));
        }
    }

    #[tokio::test]
    async fn a_flooding_peer_is_told_and_read_no_more() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        use tokio::sync::Semaphore;
        let (mut peer, io) = tokio::io::duplex(1 << 16);
        let place = std::sync::Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let mut counted = Counted::new(io, place);
        peer.write_all(&of(&vec![frame(PING, 0, &[0; 8]); 1_100])).await.unwrap();
        let mut read = 0;
        let mut bytes = [0; 4_096];
        let error = loop {
            match counted.read(&mut bytes).await {
                Ok(count) => read += count,
                Err(error) => break error,
            }
        };
        assert!((900 * 17..=1_001 * 17 + PREFACE).contains(&read), "{read}: {error}");
        assert!(counted.read(&mut bytes).await.is_err(), "once and for all");
        drop(counted);
        let mut said = Vec::new();
        peer.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, GOAWAY);
    }
}
