//! Requests for any method, made from the descriptors.

use std::collections::BTreeMap;

use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

use crate::scene::Own;

/// Nested messages are followed this far.
const DEPTH: usize = 3;

/// Names of what exists, by collection.
pub(super) fn existing(own: &Own) -> BTreeMap<String, String> {
    let names = [
        &own.user,
        &own.team,
        &own.repository,
        &own.workflow,
        &own.template,
        &own.advised.name,
        &own.session,
        &own.run,
        &own.plan,
        &own.patch,
    ];
    let pairs = names.iter().map(|name| {
        let (collection, _) = name.split_once('/').unwrap();
        (collection.to_owned(), (*name).clone())
    });
    pairs.collect()
}

/// A request in which every field that names something does: `named` tells what, by
/// collection, or a user where the contract does not say of which.
pub(super) fn request(
    set: &FileDescriptorSet,
    message: &str,
    named: &dyn Fn(&str) -> String,
) -> Vec<u8> {
    filled(set, message, named, DEPTH)
}

fn filled(
    set: &FileDescriptorSet,
    message: &str,
    named: &dyn Fn(&str) -> String,
    depth: usize,
) -> Vec<u8> {
    let Some((descriptor, comments)) = described(set, message) else { return Vec::new() };
    let mut bytes = Vec::new();
    for (field, comment) in descriptor.field.iter().zip(comments) {
        let content = match field.r#type() {
            Type::String => {
                let before =
                    comment.split("/{uuid}").next().filter(|_| comment.contains("/{uuid}"));
                let collection = before.and_then(|text| text.rsplit(['`', '/', ' ']).next());
                named(collection.unwrap_or("users")).into_bytes()
            }
            Type::Message if depth > 1 && field.type_name().starts_with(".elohim.") => {
                filled(set, field.type_name(), named, depth - 1)
            }
            _ => continue,
        };
        encode_key(u32::try_from(field.number()).unwrap(), WireType::LengthDelimited, &mut bytes);
        encode_varint(content.len() as u64, &mut bytes);
        bytes.extend(content);
    }
    bytes
}

/// A message with the comments of its fields.
fn described<'a>(
    set: &'a FileDescriptorSet,
    name: &str,
) -> Option<(&'a DescriptorProto, Vec<String>)> {
    for file in &set.file {
        for (at, message) in file.message_type.iter().enumerate() {
            if format!(".{}.{}", file.package(), message.name()) != name {
                continue;
            }
            let places = file.source_code_info.as_ref().map_or(&[][..], |info| &info.location);
            let comment = |field: usize| {
                let path = [4, at, 2, field].map(|number| i32::try_from(number).unwrap());
                let place = places.iter().find(|place| place.path == path);
                place.map(|place| place.leading_comments().to_owned()).unwrap_or_default()
            };
            return Some((message, (0..message.field.len()).map(comment).collect()));
        }
    }
    None
}
