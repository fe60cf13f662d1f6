//! What `row-security.toml` says.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    pub(super) open: Vec<Open>,
    pub(super) divided: Vec<Divided>,
    pub(super) wider: Vec<Wider>,
    pub(super) keys: Vec<Key>,
    pub(super) verbs: BTreeMap<String, String>,
    pub(super) metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Open {
    pub(super) table: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Divided {
    pub(super) table: String,
    pub(super) by: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wider {
    pub(super) policy: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    pub(super) key: String,
    reason: String,
}

impl Rules {
    pub(super) fn read() -> Self {
        let rules: Self = toml::from_str(migrations::ROW_SECURITY).unwrap();
        let reasons = rules.open.iter().map(|rule| &rule.reason);
        let reasons = reasons.chain(rules.divided.iter().map(|rule| &rule.reason));
        let reasons = reasons.chain(rules.wider.iter().map(|rule| &rule.reason));
        let reasons = reasons.chain(rules.keys.iter().map(|rule| &rule.reason));
        assert!(reasons.into_iter().all(|reason| !reason.is_empty()));
        rules
    }

    pub(super) fn is_open(&self, table: &str) -> bool {
        self.open.iter().any(|rule| rule.table == table)
    }

    /// The column that divides a table without an owner's.
    pub(super) fn divided_by(&self, table: &str) -> Option<&str> {
        self.divided.iter().find(|rule| rule.table == table).map(|rule| rule.by.as_str())
    }
}
