//! Valid requests for every method, made from the descriptors.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use crate::shape::uuid;

/// Nested messages are filled this far.
const DEPTH: usize = 6;

/// A method with the descriptor of its request.
#[derive(Clone, Debug)]
pub struct Method {
    /// As in `elohim.agent.v1.RunService/GetRun`.
    pub path: String,
    /// As in `.elohim.agent.v1.GetRunRequest`.
    pub input: String,
    /// Where in the choice of a method this one lies.
    place: u16,
}

struct Contract {
    methods: Vec<Method>,
    messages: HashMap<String, DescriptorProto>,
}

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    // Nothing is left of a contract that cannot be read; `messages` has a test for that.
    let set = FileDescriptorSet::decode(api::DESCRIPTORS).unwrap_or_default();
    let mut methods = Vec::new();
    let mut messages = HashMap::new();
    for file in &set.file {
        for message in &file.message_type {
            keep(&mut messages, &format!(".{}", file.package()), message);
        }
        for service in &file.service {
            for method in &service.method {
                let path = format!("{}.{}/{}", file.package(), service.name(), method.name());
                let (place, input) = (place(&path), method.input_type().to_owned());
                methods.push(Method { path, input, place });
            }
        }
    }
    methods.sort_by(|a, b| (a.place, &a.path).cmp(&(b.place, &b.path)));
    Contract { methods, messages }
});

fn keep(messages: &mut HashMap<String, DescriptorProto>, above: &str, message: &DescriptorProto) {
    let name = format!("{above}.{}", message.name());
    for nested in &message.nested_type {
        keep(messages, &name, nested);
    }
    messages.insert(name, message.clone());
}

/// Spreads paths over all choices. A new method takes some choices from one other method, so
/// that kept inputs go on meaning what they meant.
fn place(path: &str) -> u16 {
    let hash = path
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [high, low, ..] = hash.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// Every method of the contract.
pub fn methods() -> &'static [Method] {
    &CONTRACT.methods
}

/// The method that two bytes of an input choose.
pub fn chosen(choice: [u8; 2]) -> Option<&'static Method> {
    let wanted = u16::from_be_bytes(choice);
    let methods = methods();
    let at = methods.partition_point(|method| method.place < wanted);
    methods.get(at).or(methods.first())
}

impl Method {
    /// The bytes that choose this method.
    pub fn choice(&self) -> [u8; 2] {
        self.place.to_be_bytes()
    }

    /// Requests for it: an empty one, and full ones with each alternative of their choices.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        variants(&self.path, &self.input)
    }
}

/// A message by its full name: empty, and full with each alternative of its choices.
pub fn filled(message: &str) -> Vec<Vec<u8>> {
    variants("", message)
}

fn variants(method: &str, message: &str) -> Vec<Vec<u8>> {
    let filled = (0..4).map(|variant| Filler { method, variant }.of(message, 0));
    let mut variants: Vec<_> = std::iter::once(Vec::new()).chain(filled).collect();
    variants.dedup();
    variants
}

/// Fills messages with what their fields' names suggest.
struct Filler<'a> {
    method: &'a str,
    variant: usize,
}

impl Filler<'_> {
    fn of(&self, message: &str, depth: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let Some(descriptor) = CONTRACT.messages.get(message) else { return bytes };
        for field in &descriptor.field {
            if self.is_chosen(descriptor, field) {
                let count = if field.label() == Label::Repeated { 1 + self.variant % 2 } else { 1 };
                for _ in 0..count {
                    self.field(message, field, depth, &mut bytes);
                }
            }
        }
        bytes
    }

    /// Of a oneof only one alternative, in each variant another.
    fn is_chosen(&self, message: &DescriptorProto, field: &FieldDescriptorProto) -> bool {
        let Some(choice) = field.oneof_index else { return true };
        let mut alternatives =
            message.field.iter().filter(|other| other.oneof_index == Some(choice));
        let count = alternatives.clone().count().max(1);
        alternatives.nth(self.variant % count).is_some_and(|chosen| chosen.number == field.number)
    }

    fn field(&self, message: &str, field: &FieldDescriptorProto, depth: usize, out: &mut Vec<u8>) {
        let number = u32::try_from(field.number()).unwrap_or(1);
        match field.r#type() {
            Type::Message if depth < DEPTH => {
                delimited(number, &self.of(field.type_name(), depth + 1), out);
            }
            Type::Message | Type::Group => {}
            Type::String => delimited(number, self.text(message, field.name()).as_bytes(), out),
            Type::Bytes => delimited(number, b"bytes", out),
            Type::Double | Type::Fixed64 | Type::Sfixed64 => {
                encode_key(number, WireType::SixtyFourBit, out);
                out.extend(3.5_f64.to_le_bytes());
            }
            Type::Float | Type::Fixed32 | Type::Sfixed32 => {
                encode_key(number, WireType::ThirtyTwoBit, out);
                out.extend(1_u32.to_le_bytes());
            }
            kind => {
                encode_key(number, WireType::Varint, out);
                // Waiting takes the fuzzer's time.
                let is_wait = message == ".google.protobuf.Duration";
                let is_zero = is_wait || kind == Type::Bool && self.variant == 0;
                encode_varint(u64::from(!is_zero), out);
            }
        }
    }

    fn text(&self, message: &str, field: &str) -> String {
        if let Some(collection) = self.collection(message, field) {
            return alias(collection);
        }
        match field {
            "request_id" => uuid(0xff).to_string(),
            "etag" => "\"1\"".to_owned(),
            "stage_id" => "work".to_owned(),
            "target_stage_id" if self.variant == 0 => String::new(),
            "target_stage_id" => "done".to_owned(),
            "condition" => "data.severity == 'high' && size(item.tags) > 0".to_owned(),
            "event_type" => "agent.patch.applied".to_owned(),
            "unified_diff" => {
                "--- a/README.md\n+++ b/README.md\n@@ -1 +1,2 @@\n # Shop\n+x\n".to_owned()
            }
            "path" | "focus_path" | "agent_target_path" => "README.md".to_owned(),
            "search" => "# Shop".to_owned(),
            "permission" => "items.edit".to_owned(),
            "role" => "developer".to_owned(),
            "base_commit" => "1".repeat(40),
            "page_token" | "filter" | "order_by" => String::new(),
            _ => format!("{field} {}", self.variant),
        }
    }

    /// The collection that a field names something of.
    fn collection(&self, message: &str, field: &str) -> Option<&'static str> {
        let place = if field == "name" { message } else { field };
        let place = if field == "parent" { self.method } else { place };
        let place: String = place.rsplit('.').next()?.replace('_', "").to_lowercase();
        let collections = primitives::NAMES.iter().map(|(collection, _)| *collection);
        let named = collections.filter(|collection| {
            let singular =
                collection.strip_suffix("ies").unwrap_or(collection.trim_end_matches('s'));
            place.contains(&singular.to_lowercase()) && !place.contains("id")
        });
        named.max_by_key(|collection| collection.len())
    }
}

/// The name that stands for a thing of this kind in kept inputs.
pub fn alias(collection: &str) -> String {
    let at = primitives::NAMES.iter().position(|(known, _)| *known == collection);
    let last = at.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or_default();
    format!("{collection}/{}", uuid(last))
}

fn delimited(number: u32, content: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(content.len() as u64, out);
    out.extend(content);
}
