//! Page tokens, and the paging fields of lists.
//!
//! An input is a byte that says what is done, and the rest of it: a text offered as a token,
//! a place to seal and what happens to its token, or an encoded list request.

use std::time::Duration;

use api::workflow::ListWorkItemsRequest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::PageKey;
use gateway::fuzzing::{Bound, open, requested, seal};
use primitives::{Checked, MAX_PAGE_SIZE, PageAfter, Timestamp, UserId};
use prost::Message as _;
use uuid::Uuid;

use crate::shape::{head, text, uuid};

const SECRET: [u8; 32] = [7; 32];
const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
/// Good for less than two days, whatever the product's own limit.
const LATER: Duration = Duration::from_hours(48);
/// Every token that was ever made with [`SECRET`] for [`known`] and is kept as an input.
const SEALED: [&str; 1] = [""];

/// What the kept tokens are bound to.
fn known() -> Bound {
    Bound { user: UserId::from_uuid(uuid(1)), method: "/a/B".into(), filter: b"f".to_vec() }
}

/// One input.
pub fn run(input: &[u8]) {
    let ([doing], rest) = head(input);
    let key = PageKey::new(&SECRET);
    match doing % 3 {
        0 => offered(&key, &text(rest)),
        1 => sealed(&key, rest),
        _ => list(rest),
    }
}

/// A token that opens is one of ours.
fn offered(key: &PageKey, token: &str) {
    match open(key, &known(), token, NOW) {
        Ok(_) => assert!(SEALED.contains(&token), "{token} was never sealed"),
        Err(refused) => assert_eq!(refused.reason, "INVALID_PAGE_TOKEN"),
    }
    let encoded = URL_SAFE_NO_PAD.encode(token);
    assert!(open(key, &known(), &encoded, NOW).is_err(), "{encoded} was never sealed");
}

/// A sealed place opens for what it was made for, in its time, unchanged; else not at all.
fn sealed(key: &PageKey, input: &[u8]) {
    let (user, rest) = head::<16>(input);
    let (id, rest) = head::<16>(rest);
    let (sort, rest) = head::<8>(rest);
    let ([at, flips, other, cut], rest) = head::<4>(rest);
    let (method, filter) = rest.split_at(rest.len().min(usize::from(cut)));
    let user = UserId::from_uuid(Uuid::from_bytes(user));
    let bound = Bound { user, method: text(method), filter: filter.to_vec() };
    let after = PageAfter { key: i64::from_be_bytes(sort), id: Uuid::from_bytes(id) };
    let token = seal(key, &bound, after, NOW);
    assert_eq!(open(key, &bound, &token, NOW), Ok(after));
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));

    assert!(open(key, &bound, &token, NOW + LATER).is_err(), "a token lives for ever");
    assert!(open(&PageKey::new(&[8; 32]), &bound, &token, NOW).is_err(), "with another key");
    let changed = changed(&token, usize::from(at), flips);
    if changed != token {
        assert!(open(key, &bound, &changed, NOW).is_err(), "{changed} was {token}");
    }
    let foreign = other_than(&bound, usize::from(other));
    assert!(open(key, &foreign, &token, NOW).is_err(), "{foreign:?} opens what is {bound:?}'s");
}

/// Another text of the token's alphabet in one place, or a shorter or longer token.
fn changed(token: &str, at: usize, flips: u8) -> String {
    let mut bytes = token.as_bytes().to_vec();
    match bytes.get_mut(at) {
        Some(byte) => *byte = flips & 0x7f,
        None if flips == 0 => bytes.truncate(at % token.len().max(1)),
        None => bytes.push(flips & 0x7f),
    }
    text(&bytes)
}

/// A binding that differs in one part, or in where one part ends and the next begins.
fn other_than(bound: &Bound, at: usize) -> Bound {
    let mut other = bound.clone();
    match at % 4 {
        0 => other.user = UserId::from_uuid(Uuid::from_u128(!bound.user.as_uuid().as_u128())),
        1 => other.method.push('x'),
        2 => other.filter.push(0),
        _ => {
            let moved = other.method.pop();
            let mut letter = [0; 4];
            let moved = moved.map(|c| c.encode_utf8(&mut letter).as_bytes().to_vec());
            other.filter.splice(0..0, moved.unwrap_or_else(|| vec![0]));
        }
    }
    other
}

/// What a list may ask for.
fn list(input: &[u8]) {
    let Ok(request) = ListWorkItemsRequest::decode(input) else { return };
    let place = PageAfter { key: 1, id: uuid(1) };
    let mut opened = 0;
    let read: Checked<_> = requested(&request, |token| {
        opened += 1;
        assert_eq!(token, request.page_token);
        Ok(place)
    });
    let fits = request.filter.is_empty() && request.order_by.is_empty() && request.page_size >= 0;
    assert_eq!(read.is_ok(), fits);
    if let Ok(page) = read {
        assert!((1..=MAX_PAGE_SIZE).contains(&page.size));
        assert_eq!(page.after, (opened == 1).then_some(place));
        assert_eq!(opened == 0, request.page_token.is_empty());
    }
}

/// Tokens, places, and list requests.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> =
        SEALED.iter().map(|token| [b"\0", token.as_bytes()].concat()).collect();
    let token = seal(&PageKey::new(&SECRET), &known(), PageAfter { key: 5, id: uuid(5) }, NOW);
    let cut = token.get(1..).unwrap_or_default();
    seeds.extend([cut, "!", "AAAA", "===="].map(|text| [b"\0", text.as_bytes()].concat()));
    for other in 0..4 {
        for at in [0, 40, 73, 74, 200] {
            let (user, id, sort) = (uuid(1), uuid(2), 9_i64.to_be_bytes());
            let place = [user.as_bytes().as_slice(), id.as_bytes(), &sort].concat();
            let rest = [&[at, b'B', other, 9], b"/a/B/listfilter".as_slice()].concat();
            seeds.push([b"\x01", place.as_slice(), &rest].concat());
        }
    }
    let requests = [
        ListWorkItemsRequest::default(),
        ListWorkItemsRequest { page_size: -1, ..Default::default() },
        ListWorkItemsRequest { page_size: 201, page_token: "x".into(), ..Default::default() },
        ListWorkItemsRequest { filter: "a = 1".into(), ..Default::default() },
        ListWorkItemsRequest { order_by: "name".into(), ..Default::default() },
    ];
    seeds.extend(requests.map(|request| [&[2], request.encode_to_vec().as_slice()].concat()));
    seeds
}
