//! Names of things, and the other short texts that have one spelling: etags, titles.
//!
//! An input is one byte that chooses a length and the text.

use std::time::Duration;

use primitives::{NAMES, Text, WorkItemId, clip};
use uuid::Uuid;

use crate::shape::{head, text, uuid};

/// One input.
pub fn run(input: &[u8]) {
    let ([length], rest) = head(input);
    let given = text(rest);
    name(&given);
    etag(&given);
    line(&given, usize::from(length));
    let (uuid, _) = head::<16>(rest);
    printed(Uuid::from_bytes(uuid));
    let (seconds, rest) = head::<8>(rest);
    let (nanos, _) = head::<4>(rest);
    wait(i64::from_be_bytes(seconds), i32::from_be_bytes(nanos));
}

/// A text is the name of one kind of thing at most, and then in its only spelling.
fn name(given: &str) {
    let mut readers = 0;
    for (collection, read) in NAMES {
        let Some(printed) = read(given) else { continue };
        assert_eq!(printed, given, "{collection}: another spelling of {printed}");
        assert!(given.starts_with(&format!("{collection}/")), "{given} is not in {collection}");
        assert_eq!(given.len(), collection.len() + 1 + 36);
        readers += 1;
    }
    assert!(readers <= 1, "{given} names {readers} things");
    let item: Option<WorkItemId> = given.parse().ok();
    let quoted = serde_json::Value::String(given.to_owned());
    assert_eq!(serde_json::from_value(quoted).ok(), item, "{given} reads otherwise from JSON");
    if let Ok(bare) = WorkItemId::parse_bare(given) {
        assert_eq!(bare.as_uuid().hyphenated().to_string(), given);
    }
}

/// Every uuid is printed as a name that reads back, of its own kind only.
fn printed(uuid: Uuid) {
    for (collection, read) in NAMES {
        let name = format!("{collection}/{uuid}");
        assert_eq!(read(&name), Some(name));
    }
    let id = WorkItemId::from_uuid(uuid);
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(WorkItemId::parse_bare(&uuid.to_string()), Ok(id));
}

fn etag(given: &str) {
    match gateway::fuzzing::version(given) {
        None => assert_eq!(given, "", "only no etag asks for no version"),
        Some(-1) => {}
        Some(version) => {
            assert!(version > 0, "{given:?} is version {version}");
            assert_eq!(gateway::fuzzing::etag(version), given, "another spelling");
        }
    }
}

/// A text that passes is within its limits, and passes again as it is.
fn line(given: &str, max: usize) {
    for multiline in [false, true] {
        let rule = Text { field: "title", min: max / 8, max, multiline };
        if let Ok(kept) = rule.check(given) {
            assert!((rule.min..=rule.max).contains(&kept.chars().count()), "{kept:?}");
            assert_eq!(kept, kept.trim());
            assert!(given.contains(&kept));
            let control = |c: char| c.is_control() && !(multiline && "\r\n\t".contains(c));
            assert!(!kept.contains(control), "{kept:?}");
            assert_eq!(rule.check(&kept).as_deref(), Ok(kept.as_str()));
        }
    }
    let clipped = clip(given, max);
    assert!(given.starts_with(&clipped) && clipped.chars().count() <= max);
    assert!(clipped == given || clipped.chars().count() == max);
}

fn wait(seconds: i64, nanos: i32) {
    let read = gateway::fuzzing::wait(prost_types::Duration { seconds, nanos });
    let expected = match (u64::try_from(seconds), u32::try_from(nanos)) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Some(Duration::new(seconds, nanos)),
        _ => None,
    };
    assert_eq!(read.ok(), expected);
}

/// A name of each kind and what resembles one.
pub fn seeds() -> Vec<Vec<u8>> {
    let named = NAMES.iter().map(|(collection, _)| format!("{collection}/{}", uuid(7)));
    let named: Vec<String> = named.collect();
    let odd = [
        String::new(),
        "workItems/".to_owned(),
        uuid(7).to_string(),
        format!("workItems/{}", uuid(7).simple()),
        format!("workItems/{{{}}}", uuid(7)),
        format!("workItems/{}", uuid(0xfa).to_string().to_uppercase()),
        format!("workItems/{}/", uuid(7)),
        "\"1\"".to_owned(),
        "\"9223372036854775807\"".to_owned(),
        "W/\"1\"".to_owned(),
        " äöü\t\u{85}".to_owned(),
        "a line\nanother\r\n".to_owned(),
    ];
    named.iter().chain(&odd).map(|text| [&[40], text.as_bytes()].concat()).collect()
}
