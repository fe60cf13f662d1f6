//! What one connection may do: headers, streams, pings and resets have their limits.

use std::time::{Duration, Instant};

use api::permissions::GetMeRequest;
use testkit::world::{Setup, World};
use tonic::metadata::{Ascii, MetadataValue};

use crate::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, Peer, REFUSED_STREAM, RST_STREAM,
    call,
};

const GET_ME: &str = "/elohim.permissions.v1.DirectoryService/GetMe";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// The server goes on serving others, whatever one peer did.
async fn still_serves(world: &World) {
    let bob = world.person("bob").over(world.another_channel());
    bob.directory().get_me(GetMeRequest {}).await.expect("others are served");
}

testkit::on_both! {
    /// Calls that are given up as soon as they are made end in GOAWAY.
    async fn a_flood_of_resets_ends_the_connection(db: TestDb) {
        let world = World::start(db).await;
        let mut peer = Peer::connect(world.address()).await;
        let block = call(GET_ME, &[]);
        let mut frames = Vec::new();
        for id in (1..12_000).step_by(2) {
            frames.push(Frame::new(HEADERS, END_HEADERS, id, &block));
            frames.push(Frame::new(RST_STREAM, 0, id, &CANCEL));
        }
        peer.sends(&frames).await;
        assert!(peer.hears_the_end().await, "GOAWAY comes before the end");
        still_serves(&world).await;
    }

    /// Pings are answered, a flood of them is not.
    async fn a_flood_of_pings_ends_the_connection(db: TestDb) {
        let world = World::start(db).await;
        let mut peer = Peer::connect(world.address()).await;
        let ping = Frame::new(PING, 0, 0, b"12345678");
        peer.sends(std::slice::from_ref(&ping)).await;
        loop {
            let frame = peer.hears().await.expect("an answer");
            if frame.kind == PING {
                assert_eq!((frame.flags, frame.payload.as_slice()), (1, &b"12345678"[..]));
                break;
            }
        }
        let mut said = false;
        for _ in 0..100 {
            if !peer.sends(&vec![ping.clone(); 50]).await {
                break;
            }
        }
        while let Some(frame) = peer.hears().await {
            said |= frame.kind == GOAWAY;
        }
        // Who sends on after the end may find the connection reset, and the word with it.
        let mut quiet = Peer::connect(world.address()).await;
        quiet.sends(&vec![ping; 1_100]).await;
        said |= quiet.hears_the_end().await;
        assert!(said, "GOAWAY was not said");
        still_serves(&world).await;
    }

    /// A connection has 100 streams; the next one is refused, and comes in when one has ended.
    async fn the_101st_stream_is_refused(db: TestDb) {
        let world = World::start(db).await;
        let mut peer = Peer::connect(world.address()).await;
        // Streams without an end, for which nobody needs a credential.
        let open = |id| {
            let empty_message = [0; 5];
            [
                Frame::new(HEADERS, END_HEADERS, id, &call(WATCH, &[])),
                Frame::new(DATA, END_STREAM, id, &empty_message),
            ]
        };
        let ids: Vec<u32> = (0..101).map(|at| 2 * at + 1).collect();
        for id in &ids[..100] {
            assert!(peer.sends(&open(*id)).await);
        }
        let mut answered = 0;
        while answered < 100 {
            let frame = peer.hears().await.expect("the connection is open");
            assert_ne!(frame.kind, RST_STREAM, "{frame:?}");
            answered += u32::from(frame.kind == HEADERS);
        }
        assert!(peer.sends(&open(ids[100])).await);
        loop {
            let frame = peer.hears().await.expect("the connection is open");
            if frame.kind == RST_STREAM {
                assert_eq!((frame.stream, frame.code()), (ids[100], Some(REFUSED_STREAM)));
                break;
            }
        }
        assert!(peer.sends(&[Frame::new(RST_STREAM, 0, ids[0], &CANCEL)]).await);
        assert!(peer.sends(&open(ids[100] + 2)).await);
        loop {
            let frame = peer.hears().await.expect("the connection is open");
            if frame.kind == HEADERS {
                assert_eq!(frame.stream, ids[100] + 2);
                break;
            }
        }
        still_serves(&world).await;
    }

    /// A connection is asked to close when it is old, and when its peer does not answer.
    async fn old_and_dead_connections_are_closed(db: TestDb) {
        let seconds = |key, seconds: &str| (key, seconds.to_owned());
        let variables = vec![
            seconds("ELOHIM_GATEWAY__LIMITS__CONNECTION_AGE", "6"),
            seconds("ELOHIM_GATEWAY__LIMITS__KEEPALIVE_INTERVAL", "1"),
            seconds("ELOHIM_GATEWAY__LIMITS__KEEPALIVE_TIMEOUT", "2"),
        ];
        let world = World::with(db, Setup { variables, ..Setup::default() }).await;
        // One peer answers pings, the other does not; both have something open.
        let watch = [
            Frame::new(HEADERS, END_HEADERS, 1, &call(WATCH, &[])),
            Frame::new(DATA, END_STREAM, 1, &[0; 5]),
        ];
        let mut lively = Peer::connect(world.address()).await;
        let mut dead = Peer::connect(world.address()).await;
        let began = Instant::now();
        assert!(lively.sends(&watch).await && dead.sends(&watch).await);
        let answering = tokio::spawn(async move {
            loop {
                let frame = lively.hears().await.expect("the connection is open");
                if frame.kind == PING && frame.flags == 0 {
                    lively.sends(&[Frame::new(PING, 1, 0, &frame.payload)]).await;
                }
                if frame.kind == GOAWAY {
                    return began.elapsed();
                }
            }
        });
        dead.hears_the_end().await;
        let age = began.elapsed();
        assert!(age >= Duration::from_secs(2) && age < Duration::from_secs(6), "{age:?}");
        let age = answering.await.unwrap();
        assert!(age >= Duration::from_secs(5), "{age:?}");
        still_serves(&world).await;
    }

    /// More than 16 KiB of headers are not read; less are.
    async fn large_headers_are_refused(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let with = |bytes: usize| {
            let mut request = tonic::Request::new(GetMeRequest {});
            let value: MetadataValue<Ascii> = "x".repeat(bytes).parse().unwrap();
            request.metadata_mut().insert("x-much", value);
            request
        };
        bob.directory().get_me(with(8 * 1024)).await.expect("that is not too much");
        let refused = bob.directory().get_me(with(20 * 1024)).await;
        refused.expect_err("that is too much");
        still_serves(&world).await;
        // Continued without an end, they end the connection.
        let mut peer = Peer::connect(world.address()).await;
        let block = call(GET_ME, &[("x-much", &"x".repeat(10_000))]);
        let mut frames = vec![Frame::new(HEADERS, END_STREAM, 1, &block)];
        frames.extend((0..200).map(|_| Frame::new(9, 0, 1, &call("/", &[("x-more", &"x".repeat(10_000))]))));
        peer.sends(&frames).await;
        let ended = async {
            loop {
                match peer.hears().await {
                    None => return,
                    Some(frame) if frame.kind == GOAWAY => return,
                    Some(_) => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it is ended");
        still_serves(&world).await;
    }
}
