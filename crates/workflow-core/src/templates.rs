//! The templates that come with the server, as data.
//!
//! Each file is a definition in the words of the API and goes through the same judgement as
//! a caller's. `key` is stable: seeding is idempotent by it.

use permissions::Seeder;
use serde::Deserialize;

use crate::WorkflowError;
use crate::model::validate::{self, Place, Texts};
use crate::model::{Definition, WorkflowInput};

const FILES: [&str; 6] = [
    include_str!("templates/standard-code-review.json"),
    include_str!("templates/bug-fix-test.json"),
    include_str!("templates/release-notes-docs.json"),
    include_str!("templates/incident-response.json"),
    include_str!("templates/data-migration.json"),
    include_str!("templates/large-refactor.json"),
];

/// A shipped template, judged.
#[derive(Clone, Debug)]
pub struct SeededTemplate {
    pub key: String,
    pub texts: Texts,
    pub definition: Definition,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: String,
    workflow: WorkflowInput,
}

/// All of them, in the order of the files.
pub fn seeded(seeder: &Seeder) -> Result<Vec<SeededTemplate>, WorkflowError> {
    FILES.iter().map(|text| read(text, seeder)).collect()
}

fn read(text: &str, seeder: &Seeder) -> Result<SeededTemplate, WorkflowError> {
    let file: File = serde_json::from_str(text)
        .map_err(|error| WorkflowError::internal(format!("a shipped template: {error}")))?;
    let (texts, definition) = validate::workflow(&file.workflow, Place::Template, seeder.user())?;
    Ok(SeededTemplate { key: file.key, texts, definition })
}
