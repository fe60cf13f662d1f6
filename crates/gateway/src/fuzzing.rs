//! A door for fuzzing: readers that are otherwise private. No part of the crate's interface.

use std::time::Duration;

use api::workflow as wire;
use primitives::{Checked, PageAfter, PageRequest, RepositoryId, Timestamp, UserId};
use prost_types::Struct;
use serde_json::{Map, Value};
use workflow_core::model::Workflow;
use workflow_core::service::{CompleteInput, ItemInput, WorkflowInput};

use crate::convert::{definition, item, json, scalar};
use crate::page::{self, Binding};
use crate::{PageKey, TokenIssuer};

/// What a page token is bound to beside the server's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    pub user: UserId,
    pub method: String,
    pub filter: Vec<u8>,
}

impl Bound {
    fn binding(&self) -> Binding<'_> {
        Binding { user: self.user, method: &self.method, filter: &self.filter }
    }
}

pub fn seal(key: &PageKey, bound: &Bound, after: PageAfter, now: Timestamp) -> String {
    key.seal(bound.binding(), after, now)
}

pub fn open(key: &PageKey, bound: &Bound, token: &str, now: Timestamp) -> Checked<PageAfter> {
    key.open(bound.binding(), token, now)
}

/// The page that a list request asks for; `open` reads its token.
pub fn requested(
    request: &wire::ListWorkItemsRequest,
    open: impl FnOnce(&str) -> Checked<PageAfter>,
) -> Checked<PageRequest> {
    page::requested(request, open)
}

pub fn object(given: Struct) -> Checked<Map<String, Value>> {
    json::object("data", Some(given))
}

pub fn shown(object: &Map<String, Value>) -> Struct {
    json::shown(object)
}

pub fn workflow_input(given: wire::Workflow) -> Checked<WorkflowInput> {
    definition::input(given)
}

pub fn workflow(stored: Workflow) -> wire::Workflow {
    definition::workflow(stored)
}

pub fn item_input(given: wire::WorkItem, repository: Option<RepositoryId>) -> Checked<ItemInput> {
    item::input(given, repository, Vec::new())
}

pub fn completion(given: wire::CompleteStageRequest) -> Checked<CompleteInput> {
    item::completion(given)
}

pub fn etag(version: i64) -> String {
    scalar::etag(version)
}

pub fn version(etag: &str) -> Option<i64> {
    scalar::version(etag)
}

pub fn wait(given: prost_types::Duration) -> Checked<Duration> {
    scalar::wait("wait_timeout", Some(&given))
}

/// Signs any two texts as the header and the claims of a token.
pub fn sign(issuer: &TokenIssuer, header: &str, claims: &str) -> String {
    issuer.sign(header, claims)
}
