//! Bounds what a request becomes in memory.
//!
//! Two bytes can say "one more stage", and a stage that says nothing takes hundreds of bytes
//! in memory: with a limit on bytes alone one call could take a hundred times as much.
//!
//! **Invariant:** a request that is decoded has at most [`MAX_PARTS`] messages and texts in
//! it, entries of lists and maps included. Responses are not counted: clients trust the
//! server with their size.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

/// Messages and texts in one request. More than the data of an item may have: 256 KiB of
/// JSON hold at most 88,000 empty texts or objects, each of which is two parts.
pub(crate) const MAX_PARTS: usize = 200_000;

/// Deeper messages are refused by the decoder.
const MAX_DEPTH: usize = 100;

/// The fields of one message that are messages: number, and place of the other's shape.
type Shape = HashMap<u32, usize>;

struct Contract {
    shapes: Vec<Shape>,
    /// By full name, as in `elohim.agent.v1.PlanRequest`.
    requests: HashMap<String, usize>,
}

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    // The tests hold that every request is found.
    Contract::of(&FileDescriptorSet::decode(crate::DESCRIPTORS).unwrap_or_default())
});

impl Contract {
    fn of(set: &FileDescriptorSet) -> Self {
        let mut messages = Vec::new();
        for file in &set.file {
            for message in &file.message_type {
                collect(&format!(".{}", file.package()), message, &mut messages);
            }
        }
        let places: HashMap<&str, usize> =
            messages.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
        let shape = |message: &DescriptorProto| {
            let fields = message.field.iter().filter(|field| field.r#type() == Type::Message);
            let fields = fields.filter_map(|field| {
                let number = u32::try_from(field.number()).ok()?;
                Some((number, *places.get(field.type_name())?))
            });
            fields.collect()
        };
        let methods = set.file.iter().flat_map(|file| &file.service).flat_map(|s| &s.method);
        let requests = methods.filter_map(|method| {
            let name = method.input_type();
            Some((name.trim_start_matches('.').to_owned(), *places.get(name)?))
        });
        Self {
            requests: requests.collect(),
            shapes: messages.iter().map(|(_, message)| shape(message)).collect(),
        }
    }
}

fn collect<'a>(
    above: &str,
    message: &'a DescriptorProto,
    found: &mut Vec<(String, &'a DescriptorProto)>,
) {
    let name = format!("{above}.{}", message.name());
    message.nested_type.iter().for_each(|nested| collect(&name, nested, found));
    found.push((name, message));
}

/// Why a count ends early.
enum Stop {
    TooMany,
    /// The decoder finds the same fault at the same place.
    Malformed,
}

/// Whether a message of this full name has few enough parts. True of what is no request, and
/// of bytes that are no message: the decoder refuses them before it has made more parts.
pub(crate) fn are_few(name: &str, bytes: &[u8]) -> bool {
    // A part takes two bytes at least.
    if bytes.len() <= 2 * MAX_PARTS {
        return true;
    }
    let Some(request) = CONTRACT.requests.get(name) else { return true };
    let mut left = MAX_PARTS;
    !matches!(count(*request, bytes, 1, &mut left), Err(Stop::TooMany))
}

fn count(shape: usize, mut bytes: &[u8], depth: usize, left: &mut usize) -> Result<(), Stop> {
    if depth > MAX_DEPTH {
        return Err(Stop::Malformed);
    }
    let fields = CONTRACT.shapes.get(shape);
    while !bytes.is_empty() {
        let (number, kind) = decode_key(&mut bytes).map_err(|_| Stop::Malformed)?;
        if kind != WireType::LengthDelimited {
            skip_field(kind, number, &mut bytes, DecodeContext::default())
                .map_err(|_| Stop::Malformed)?;
            continue;
        }
        let length = decode_varint(&mut bytes).ok().and_then(|length| usize::try_from(length).ok());
        let content = length.and_then(|length| bytes.split_at_checked(length));
        let (content, rest) = content.ok_or(Stop::Malformed)?;
        *left = left.checked_sub(1).ok_or(Stop::TooMany)?;
        if let Some(inner) = fields.and_then(|fields| fields.get(&number)) {
            count(*inner, content, depth + 1, left)?;
        }
        bytes = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prost::Name as _;
    use prost_types::value::Kind;
    use prost_types::{ListValue, Struct, Value};

    use super::*;
    use crate::agent::{ApplyRequest, SearchReplace, SearchReplaceEdits, apply_request::Change};
    use crate::workflow::{
        CreateWorkItemRequest, CreateWorkflowRequest, Stage, WorkItem, Workflow,
    };

    fn stages(count: usize) -> (String, Vec<u8>) {
        let workflow = Workflow { stages: vec![Stage::default(); count], ..Default::default() };
        let request = CreateWorkflowRequest { workflow: Some(workflow), ..Default::default() };
        (CreateWorkflowRequest::full_name(), request.encode_to_vec())
    }

    fn list(item: &Value, count: usize) -> (String, Vec<u8>) {
        let values = vec![item.clone(); count];
        let list = Value { kind: Some(Kind::ListValue(ListValue { values })) };
        let data = Struct { fields: [("k".to_owned(), list)].into() };
        let item = WorkItem { data: Some(data), ..Default::default() };
        let request = CreateWorkItemRequest { work_item: Some(item), ..Default::default() };
        (CreateWorkItemRequest::full_name(), request.encode_to_vec())
    }

    fn is_taken((name, bytes): (String, Vec<u8>)) -> bool {
        are_few(&name, &bytes)
    }

    #[test]
    fn requests_are_found_by_the_names_of_their_types() {
        for name in [
            CreateWorkflowRequest::full_name(),
            ApplyRequest::full_name(),
            crate::permissions::GetMeRequest::full_name(),
            crate::audit::ListAuditEventsRequest::full_name(),
        ] {
            assert!(CONTRACT.requests.contains_key(&name), "{name}");
        }
        assert!(!CONTRACT.requests.contains_key(&Workflow::full_name()));
    }

    #[test]
    fn the_limit_counts_what_nests_and_what_does_not() {
        // The workflow itself is a part.
        assert!(is_taken(stages(MAX_PARTS - 1)));
        assert!(!is_taken(stages(MAX_PARTS)));
        let texts = Value { kind: Some(Kind::StringValue(String::new())) };
        // Item, data, entry, key, its value, the list: six beside two for each text.
        assert!(is_taken(list(&texts, (MAX_PARTS - 6) / 2)));
        assert!(!is_taken(list(&texts, MAX_PARTS / 2)));
        let edits = vec![SearchReplace::default(); MAX_PARTS + 1];
        let change = Some(Change::Edits(SearchReplaceEdits { edits }));
        let request = ApplyRequest { change, ..Default::default() };
        assert!(!are_few(&ApplyRequest::full_name(), &request.encode_to_vec()));
    }

    #[test]
    fn the_largest_data_of_an_item_is_within_it() {
        // Three bytes of JSON each, 256 KiB in all.
        let count = 256 * 1024 / 3;
        for kind in [
            Kind::StringValue(String::new()),
            Kind::StructValue(Struct::default()),
            Kind::ListValue(ListValue::default()),
        ] {
            assert!(is_taken(list(&Value { kind: Some(kind) }, count)));
        }
        assert!(is_taken(list(&Value { kind: Some(Kind::NumberValue(1.0)) }, 256 * 1024 / 2)));
    }

    #[test]
    fn long_texts_are_one_part_whatever_is_in_them() {
        let change = Some(Change::UnifiedDiff("\n\0".repeat(1 << 20)));
        let request = ApplyRequest { change, ..Default::default() };
        assert!(are_few(&ApplyRequest::full_name(), &request.encode_to_vec()));
    }

    #[test]
    fn what_is_no_message_is_left_to_the_decoder() {
        let (name, mut bytes) = stages(MAX_PARTS - 1);
        bytes.truncate(bytes.len() - 1);
        assert!(are_few(&name, &bytes));
        assert!(CreateWorkflowRequest::decode(bytes.as_slice()).is_err());
        let groups = [0x0b].repeat(1 << 20);
        assert!(are_few(&name, &groups));
        assert!(CreateWorkflowRequest::decode(groups.as_slice()).is_err());
    }
}
