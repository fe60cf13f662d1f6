//! From libgit2's and the file system's errors to the port's.

use agent_core::port::workspace::{ObjectId, WorkspaceError};
use git2::Oid;

pub(crate) type Result<T> = std::result::Result<T, WorkspaceError>;

/// A failure that says nothing about the caller's input: the text is for the log.
pub(crate) fn internal<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> WorkspaceError {
    move |error| WorkspaceError::Internal(format!("{doing}: {error}"))
}

/// A repository that cannot be opened or trusted.
pub(crate) fn unusable(why: impl Into<String>) -> WorkspaceError {
    WorkspaceError::Unusable(why.into())
}

pub(crate) fn does_not_apply(why: impl Into<String>) -> WorkspaceError {
    WorkspaceError::DoesNotApply(why.into())
}

pub(crate) fn refused(path: &str, rule: &'static str) -> WorkspaceError {
    WorkspaceError::PathRefused { path: path.to_owned(), rule }
}

/// libgit2's id of a port id. Mirrors hold SHA-1 objects only.
pub(crate) fn to_oid(id: &ObjectId) -> Result<Oid> {
    if id.as_str().len() != 40 {
        return Err(WorkspaceError::NoSuchRevision(id.to_string()));
    }
    Oid::from_str(id.as_str()).map_err(|_| WorkspaceError::NoSuchRevision(id.to_string()))
}

pub(crate) fn to_id(oid: Oid) -> Result<ObjectId> {
    let hex = oid.to_string();
    ObjectId::parse(&hex).ok_or_else(|| WorkspaceError::Internal(format!("odd object id {hex}")))
}
