//! Every field of every request takes hostile values without breaking anything.
//!
//! The fields come from the descriptors, so that a new one is tried as soon as it exists.
//! A value is appended to a valid request: in protobuf the last one counts.

use std::collections::BTreeSet;

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use testkit::world::{Refused as _, World, panics};
use tonic::Code;

use crate::scene::{Quality, belongings, methods, request};
use crate::spare::who_may;

/// Nested messages are followed this far.
const DEPTH: usize = 4;

/// What a caller may be told about a hostile value.
const ANSWERS: [Code; 7] = [
    Code::Ok,
    Code::InvalidArgument,
    Code::NotFound,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::PermissionDenied,
    Code::ResourceExhausted,
];

/// A field by the numbers that lead to it.
#[derive(Clone, Debug)]
struct Place {
    path: Vec<(u32, String)>,
    kind: Type,
}

impl Place {
    fn name(&self) -> String {
        self.path.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(".")
    }

    /// The field's bytes with all that is around it.
    fn wrapped(&self, value: &[u8]) -> Vec<u8> {
        let mut numbers = self.path.iter().rev().map(|(number, _)| *number);
        let mut bytes = Vec::new();
        encode_key(numbers.next().expect("a field"), wire_type(self.kind), &mut bytes);
        bytes.extend(value);
        for number in numbers {
            let mut outer = Vec::new();
            encode_key(number, WireType::LengthDelimited, &mut outer);
            encode_varint(bytes.len() as u64, &mut outer);
            outer.extend(bytes);
            bytes = outer;
        }
        bytes
    }

    /// Hostile values in their encoding.
    fn values(&self) -> Vec<Vec<u8>> {
        match self.kind {
            Type::String => texts().into_iter().map(|text| delimited(text.as_bytes())).collect(),
            Type::Bool => vec![vec![1]],
            Type::Double => {
                [f64::NAN, f64::INFINITY, f64::MIN].map(|value| value.to_le_bytes().to_vec()).into()
            }
            _ => [-1, i64::from(i32::MAX), i64::MIN]
                .map(|value| {
                    let mut bytes = Vec::new();
                    encode_varint(value.cast_unsigned(), &mut bytes);
                    bytes
                })
                .into(),
        }
    }
}

fn texts() -> Vec<String> {
    vec![
        "a\u{0}b".to_owned(),
        "\u{1b}[31m\u{202e}'; drop table work_item; -- %s {} ../../.git/config".to_owned(),
        "ä".repeat(30_000),
    ]
}

fn delimited(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_varint(content.len() as u64, &mut bytes);
    bytes.extend(content);
    bytes
}

fn wire_type(kind: Type) -> WireType {
    match kind {
        Type::String | Type::Bytes | Type::Message => WireType::LengthDelimited,
        Type::Double => WireType::SixtyFourBit,
        _ => WireType::Varint,
    }
}

fn message<'a>(set: &'a FileDescriptorSet, name: &str) -> Option<&'a DescriptorProto> {
    set.file.iter().find_map(|file| {
        file.message_type
            .iter()
            .find(|found| format!(".{}.{}", file.package(), found.name()) == name)
    })
}

fn places(set: &FileDescriptorSet, name: &str, above: &[(u32, String)], found: &mut Vec<Place>) {
    let Some(descriptor) = message(set, name) else { return };
    for field in &descriptor.field {
        let path = [above, &[(number(field), field.name().to_owned())]].concat();
        match field.r#type() {
            Type::Message if path.len() < DEPTH => places(set, field.type_name(), &path, found),
            Type::Message | Type::Group | Type::Bytes => {}
            kind => found.push(Place { path, kind }),
        }
    }
}

fn number(field: &FieldDescriptorProto) -> u32 {
    u32::try_from(field.number()).expect("numbers of fields are positive")
}

fn fields_of(set: &FileDescriptorSet, method: &str) -> Vec<Place> {
    let (service, name) = method.split_once('/').expect("a path");
    let mut found = Vec::new();
    for file in &set.file {
        for candidate in &file.service {
            if format!("{}.{}", file.package(), candidate.name()) == service {
                let method = candidate.method.iter().find(|method| method.name() == name);
                places(set, method.expect("a method").input_type(), &[], &mut found);
            }
        }
    }
    found
}

testkit::on_both! {
    /// No value of any field makes a method fail for a reason of its own, or panic, and the
    /// server goes on.
    async fn no_value_of_any_field_breaks_a_method(db: TestDb) {
        let set = FileDescriptorSet::decode(api::DESCRIPTORS).expect("descriptors");
        let world = World::start(db).await;
        let alice = world.person("alice");
        let own = belongings(&world, &alice, "core").await;
        let (mut tried, mut accepted) = (0, BTreeSet::new());
        for method in methods() {
            let valid = request(&method.path, &own, Quality::Valid).expect("a request");
            let person = who_may(&world, &method, &own, &alice);
            for place in fields_of(&set, &method.path) {
                if place.name() == "wait_timeout.seconds" || place.name() == "wait_timeout.nanos" {
                    // Waiting as long as asked is right; `hostile_input` has the wrong ones.
                    continue;
                }
                for value in place.values() {
                    let body = [valid.clone(), place.wrapped(&value)].concat();
                    let answer = person.sends(&method.path, body).await;
                    let shown = format!("{} {}", method.path, place.name());
                    let code = answer.as_ref().map_or_else(tonic::Status::code, |_| Code::Ok);
                    assert!(ANSWERS.contains(&code), "{shown}: {answer:?}");
                    if let Err(status) = answer {
                        assert!(!status.reason().is_empty(), "{shown}: {status:?}");
                    } else {
                        accepted.insert(shown);
                    }
                    tried += 1;
                }
            }
        }
        assert!(tried > 300, "only {tried} values were tried");
        alice.sees_item(&own.advised.name).await.expect("the server goes on");
        assert_eq!(panics(), Vec::<String>::new());
    }
}
