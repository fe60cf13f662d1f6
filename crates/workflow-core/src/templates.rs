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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use primitives::UserId;

    use super::*;
    use crate::model::{StageId, StageType};

    fn all() -> Vec<SeededTemplate> {
        seeded(&Seeder::at_start(UserId::generate())).unwrap()
    }

    #[test]
    fn there_are_six_and_each_is_valid() {
        let keys: Vec<_> = all().into_iter().map(|template| template.key).collect();
        assert_eq!(
            keys,
            [
                "standard-code-review",
                "bug-fix-test",
                "release-notes-docs",
                "incident-response",
                "data-migration",
                "large-refactor",
            ]
        );
    }

    /// Someone who only ever completes stages, without setting data, gets through.
    #[test]
    fn default_routes_lead_to_the_end_past_the_agent() {
        for template in all() {
            let stages = &template.definition.stages;
            let mut at: Option<&StageId> = stages.first().map(|stage| &stage.id);
            let (mut seen, mut agents) = (BTreeSet::new(), 0);
            while let Some(id) = at {
                assert!(seen.insert(id), "{}: default routes go in circles", template.key);
                let stage = template.definition.stage(id).unwrap();
                agents += usize::from(stage.kind.runs_agent());
                at = stage.routes.last().unwrap().target.as_ref();
            }
            assert!(agents >= 1, "{}", template.key);
        }
    }

    #[test]
    fn none_acts_by_itself_and_people_begin_and_end() {
        for template in all() {
            let Definition { stages, triggers, .. } = &template.definition;
            assert!(triggers.is_empty());
            assert!(stages.iter().all(|stage| stage.auto_apply_set_by.is_none()));
            assert_eq!(stages.first().map(|stage| stage.kind), Some(StageType::Human));
            for stage in stages {
                let ends = stage.routes.iter().any(|route| route.target.is_none());
                assert!(!ends || !stage.kind.runs_agent(), "{}: {}", template.key, stage.id);
                assert!(!stage.description.is_empty());
            }
        }
    }

    #[test]
    fn bug_fix_and_test_has_the_four_known_stages() {
        let template = all().into_iter().find(|template| template.key == "bug-fix-test").unwrap();
        let stages = template.definition.stages.iter();
        let stages: Vec<_> =
            stages.map(|stage| (stage.display_name.as_str(), stage.kind)).collect();
        assert_eq!(template.texts.display_name, "Bug Fix + Test");
        assert_eq!(
            stages,
            [
                ("Bug Intake", StageType::Human),
                ("Agent Diagnosis", StageType::AgentAssist),
                ("Agent Test Suggestions", StageType::TestEnrichment),
                ("Implement Fix", StageType::Human),
            ]
        );
    }
}
