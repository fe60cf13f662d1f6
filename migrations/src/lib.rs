//! The schema, as plain SQL for each database.
//!
//! Files are forward only and never edited once shipped: their checksums are recorded where
//! they ran. Both dialects end in the same tables and columns, apart from `dialects.toml`.

/// One file, to be run once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// File stem, as in `0001_directory`; files run in this order.
    pub name: &'static str,
    /// Statements, run in one transaction.
    pub sql: &'static str,
}

macro_rules! migrations {
    ($dialect:literal: $($name:literal,)*) => {
        &[$(Migration {
            name: $name,
            sql: include_str!(concat!("../", $dialect, "/", $name, ".sql")),
        },)*]
    };
}

/// For Postgres 15 and later.
pub const POSTGRES: &[Migration] = migrations!["postgres":
    "0001_directory",
    "0002_repository",
    "0003_workflow",
    "0004_agent",
    "0005_events",
    "0006_audit",
    "0007_directory",
    "0008_limits",
    "0009_row_security",
    "0010_departures",
    "0011_metadata",
    "0012_line_of_work",
    "0013_definitions",
    "0014_comments_and_queues",
    "0015_approvals",
    "0016_open_items",
    "0017_turns",
];

/// For SQLite 3.37 and later.
pub const SQLITE: &[Migration] = migrations!["sqlite":
    "0001_directory",
    "0002_repository",
    "0003_workflow",
    "0004_agent",
    "0005_events",
    "0006_audit",
    "0007_directory",
    "0008_limits",
    "0009_row_security",
    "0010_departures",
    "0011_metadata",
    "0012_line_of_work",
    "0013_definitions",
    "0014_comments_and_queues",
    "0015_approvals",
    "0016_open_items",
    "0017_turns",
];

/// Which tables row-level security does not divide by owner, and what the server may do.
pub const ROW_SECURITY: &str = include_str!("../row-security.toml");

/// Where the dialects differ on purpose.
pub const DIALECTS: &str = include_str!("../dialects.toml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_have_the_same_files_in_order() {
        let names = |list: &[Migration]| list.iter().map(|m| m.name).collect::<Vec<_>>();
        assert_eq!(names(POSTGRES), names(SQLITE));
        assert!(names(POSTGRES).is_sorted());
    }

    #[test]
    fn every_file_is_embedded() {
        for (dialect, list) in [("postgres", POSTGRES), ("sqlite", SQLITE)] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(dialect);
            let files = std::fs::read_dir(folder).unwrap().count();
            assert_eq!(files, list.len(), "{dialect}");
        }
    }
}
