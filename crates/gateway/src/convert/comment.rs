//! Comments on items.

use api::workflow as wire;
use primitives::Checked;
use prost_types::FieldMask;
use workflow_core::model::{Comment, CommentChange};

use super::mask::paths;
use super::scalar::{etag, optional_time, time, version};

/// What can be changed of a comment.
const CHANGEABLE: [&str; 1] = ["text"];

/// A comment as stored.
pub(crate) fn comment(comment: Comment) -> wire::Comment {
    wire::Comment {
        name: comment.id.to_string(),
        etag: etag(comment.version),
        work_item: comment.item.to_string(),
        author: comment.author.to_string(),
        text: comment.text,
        create_time: time(comment.created_at),
        update_time: time(comment.updated_at),
        delete_time: optional_time(comment.deleted_at),
    }
}

/// Another text, apart from the name in it.
pub(crate) fn change(
    given: wire::Comment,
    mask: Option<&FieldMask>,
    validate_only: bool,
) -> Checked<CommentChange> {
    paths(mask, &CHANGEABLE)?;
    Ok(CommentChange { text: given.text, etag: version(&given.etag), validate_only })
}
