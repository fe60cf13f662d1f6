//! Published definitions never change, so each is parsed once per process.
//!
//! **Invariant:** the cache answers only for rows that a scoped query has just returned.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use permissions::Scope;
use sea_orm::ConnectionTrait;
use uuid::Uuid;
use workflow_core::model::Definition;

use super::query::{self, ItemRow};
use crate::Storage;
use crate::fault::Result;
use crate::row::from_json;
use crate::tx::Read;

/// Entries kept; when full, it starts over.
const CAPACITY: usize = 1024;

type Key = (Uuid, i64);

/// Parsed definitions by workflow and revision.
#[derive(Default)]
pub(crate) struct Definitions {
    parsed: Mutex<HashMap<Key, Arc<Definition>>>,
}

impl Definitions {
    fn find(&self, key: Key) -> Option<Arc<Definition>> {
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    fn keep(&self, key: Key, definition: Arc<Definition>) {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if parsed.len() >= CAPACITY {
            parsed.clear();
        }
        parsed.insert(key, definition);
    }

    /// The definition that `text` stands for.
    pub(super) fn parsed(
        &self,
        workflow: Uuid,
        revision: i64,
        text: &str,
    ) -> Result<Arc<Definition>> {
        let key = (workflow, revision);
        if let Some(known) = self.find(key) {
            return Ok(known);
        }
        let definition: Arc<Definition> = Arc::new(from_json("definition", text)?);
        self.keep(key, definition.clone());
        Ok(definition)
    }
}

impl Storage {
    /// The definitions these items are pinned to. A page of items usually shares a few, and
    /// they are usually known: then no statement is sent.
    pub(super) async fn pinned_definitions(
        &self,
        read: &Read,
        scope: &Scope,
        items: &[ItemRow],
    ) -> Result<HashMap<Key, Arc<Definition>>> {
        let keys = items.iter().map(|row| (row.item.workflow_id, row.item.revision));
        self.definitions_of(read, scope, keys.collect()).await
    }

    /// The definitions of these workflows' revisions.
    pub(super) async fn definitions_of(
        &self,
        read: &Read,
        scope: &Scope,
        keys: Vec<Key>,
    ) -> Result<HashMap<Key, Arc<Definition>>> {
        self.definitions_over(&read.rows(), scope, keys).await
    }

    /// The same over any connection that may read them.
    pub(super) async fn definitions_over(
        &self,
        rows: &impl ConnectionTrait,
        scope: &Scope,
        keys: Vec<Key>,
    ) -> Result<HashMap<Key, Arc<Definition>>> {
        let mut pinned = HashMap::new();
        let mut missing = Vec::new();
        for key in keys {
            if pinned.contains_key(&key) || missing.contains(&key) {
                continue;
            }
            match self.definitions().find(key) {
                Some(known) => drop(pinned.insert(key, known)),
                None => missing.push(key),
            }
        }
        if missing.is_empty() {
            return Ok(pinned);
        }
        for row in rows.query_all(&query::definitions(scope, &missing)).await? {
            let key: Key = (row.try_get("", "workflow_id")?, row.try_get("", "revision")?);
            let text: String = row.try_get("", "definition")?;
            pinned.insert(key, self.definitions().parsed(key.0, key.1, &text)?);
        }
        Ok(pinned)
    }
}
