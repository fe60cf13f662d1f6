//! How deep the data of a request may be and how many parts it may have, through the codec that the servers use.

use api::workflow::{CreateWorkItemRequest, WorkItem};
use http_body_util::Full;
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tonic::codec::{Codec as _, Streaming};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Decodes as a server does.
async fn decode(message: &[u8]) -> Result<CreateWorkItemRequest, Status> {
    let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
    let body = [&[0][..], &length, message].concat();
    let decoder = api::codec::Codec::<WorkItem, CreateWorkItemRequest>::default().decoder();
    let body = Full::new(bytes::Bytes::from(body));
    Streaming::new_request(decoder, body, None, None).message().await.map(Option::unwrap)
}

fn nested_objects(levels: usize) -> CreateWorkItemRequest {
    let object =
        |inner: Option<Kind>| Struct { fields: [("k".to_owned(), Value { kind: inner })].into() };
    let data = (1..levels).fold(object(None), |inner, _| object(Some(Kind::StructValue(inner))));
    let work_item = Some(WorkItem { data: Some(data), ..WorkItem::default() });
    CreateWorkItemRequest { work_item, ..CreateWorkItemRequest::default() }
}

/// A request whose data is `{"k": [[[…]]]}`, written from the inside out, because building
/// the value itself would need the stack that is under test.
fn nested_lists(levels: usize) -> Vec<u8> {
    // Reversed, so that wrapping appends.
    let mut bytes = Vec::new();
    let mut wrap = |tag: u8, before: &[u8]| {
        let mut prefix = Vec::new();
        prefix.extend(before);
        prefix.push(tag);
        let length: usize = bytes.len();
        prost::encoding::encode_varint(length as u64, &mut prefix);
        bytes.extend(prefix.iter().rev());
    };
    for _ in 0..levels {
        wrap(0x0a, b""); // ListValue.values
        wrap(0x32, b""); // Value.list_value
    }
    wrap(0x12, b"\x0a\x01k"); // the map entry's key and value
    wrap(0x0a, b""); // Struct.fields
    wrap(0x6a, b""); // WorkItem.data
    wrap(0x0a, b""); // CreateWorkItemRequest.work_item
    bytes.reverse();
    bytes
}

#[tokio::test]
async fn as_deep_as_the_contract_allows_is_decoded() {
    let request = nested_objects(32);
    assert_eq!(decode(&request.encode_to_vec()).await.unwrap(), request);
    let lists = decode(&nested_lists(31)).await.unwrap();
    assert_eq!(lists.encode_to_vec(), nested_lists(31));
}

#[tokio::test]
async fn deeper_is_malformed_and_leaves_the_stack_alone() {
    for bytes in [nested_objects(40).encode_to_vec(), nested_lists(60), nested_lists(200_000)] {
        let status = decode(&bytes).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.get_details_error_info().unwrap().reason, "MALFORMED_MESSAGE");
    }
}

#[tokio::test]
async fn a_request_of_very_many_small_parts_is_too_large() {
    // Two bytes each: an empty tag.
    let tags = |count| {
        let work_item = Some(WorkItem { tags: vec![String::new(); count], ..WorkItem::default() });
        CreateWorkItemRequest { work_item, ..CreateWorkItemRequest::default() }.encode_to_vec()
    };
    assert!(decode(&tags(100_000)).await.is_ok());
    let status = decode(&tags(1_000_000)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.get_details_error_info().unwrap().reason, "MESSAGE_TOO_LARGE");
}
