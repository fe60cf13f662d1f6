//! The access table and the policy speak of the same permissions.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use super::Findings;
use crate::workspace;

const TABLE: &str = "proto/access.csv";
const POLICY: &str = "crates/permissions/policy.csv";
const KEY_COLUMN: &str = "key";
/// Stands in the key column where being signed in is enough.
const ANYONE: &str = "any";

/// Every key that a method asks for is granted to some role.
pub(super) fn check(findings: &mut Findings) -> Result<()> {
    let read = |file: &str| {
        fs::read_to_string(workspace::root().join(file))
            .with_context(|| format!("cannot read {file}"))
    };
    let granted = words(&read(POLICY)?);
    for key in keys(&read(TABLE)?)? {
        if !granted.contains(&key) {
            findings.problem(format!("{TABLE} asks for {key}, which {POLICY} grants to nobody"));
        }
    }
    Ok(())
}

fn keys(table: &str) -> Result<BTreeSet<String>> {
    let mut lines = table.lines().filter(|line| !line.starts_with('#'));
    let header = lines.next().with_context(|| format!("{TABLE} is empty"))?;
    let column = header
        .split(',')
        .position(|name| name.trim() == KEY_COLUMN)
        .with_context(|| format!("{TABLE} has no column {KEY_COLUMN}"))?;
    let mut keys = BTreeSet::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let key = line.split(',').nth(column).map(str::trim);
        let key = key.with_context(|| format!("{TABLE} has a short line: {line}"))?;
        if !key.is_empty() && key != ANYONE {
            keys.insert(key.to_owned());
        }
    }
    Ok(keys)
}

fn words(policy: &str) -> BTreeSet<String> {
    policy
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split(','))
        .map(|word| word.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_their_column() {
        let table = "package,key,step\nagent,code.use,1\nagent,any,1\n\n";
        assert_eq!(keys(table).unwrap(), BTreeSet::from(["code.use".to_owned()]));
        assert!(keys("package,step\n").is_err());
        assert!(keys("package,key\nagent\n").is_err());
    }

    #[test]
    fn a_commented_line_grants_nothing() {
        let words = words("# p, role:lead, audit.export\np, role:lead, audit.read, READ\n");
        assert!(words.contains("audit.read") && !words.contains("audit.export"));
    }
}
