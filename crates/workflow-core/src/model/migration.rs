//! How items get from older revisions of a workflow to another one.
//!
//! **Invariant:** plan and migration ask [`Migration::fate`] the same, so that what was
//! announced is what happens.

use std::collections::BTreeMap;

use primitives::{Checked, InvalidArgs, RunId, WorkItemId};
use serde::{Deserialize, Serialize};

use super::{Definition, Etag, ItemEvent, Stage, StageId, StageType};

/// Stages in one mapping.
const MAPPED: usize = 200;

/// A migration as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrateInput {
    /// 0: the newest revision.
    pub target: i64,
    /// From the stage that items are at to one of the target.
    pub mapping: Vec<(StageId, StageId)>,
    pub cancel_runs: bool,
    pub validate_only: bool,
    pub etag: Etag,
}

/// A migration that was judged.
#[derive(Clone, Debug)]
pub struct Migration<'a> {
    target: &'a Definition,
    mapping: BTreeMap<StageId, StageId>,
    cancel_runs: bool,
}

/// What a migration means to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate<'a> {
    /// It comes to this stage, which may be its own.
    Moves { to: &'a Stage, stays: bool, stops_run: bool },
    /// Nothing says where it is to go.
    NeedsMapping,
    /// The agent is at work at a stage that would change.
    RunInProgress,
}

impl Fate<'_> {
    /// The move, for an item that moves.
    pub fn event(self) -> Option<ItemEvent> {
        match self {
            Self::Moves { stays: true, stops_run, .. } => {
                Some(ItemEvent::MigrateInPlace { stops_run })
            }
            Self::Moves { to, stops_run, .. } => {
                Some(ItemEvent::Migrate { to_agent: to.kind.runs_agent(), stops_run })
            }
            Self::NeedsMapping | Self::RunInProgress => None,
        }
    }
}

impl<'a> Migration<'a> {
    /// Judges where stages are to go: each once, to stages of `target`.
    pub fn judge(input: &MigrateInput, target: &'a Definition) -> Checked<Self> {
        if input.mapping.len() > MAPPED {
            let rule = format!("must not be more than {MAPPED}");
            return Err(InvalidArgs::new("stage_mappings", rule));
        }
        let mut mapping = BTreeMap::new();
        for (at, (from, to)) in input.mapping.iter().enumerate() {
            let field = |name| format!("stage_mappings[{at}].{name}");
            if target.stage(to).is_none() {
                let rule = "must be a stage of the target revision";
                return Err(InvalidArgs::new(field("to_stage_id"), rule));
            }
            if mapping.insert(from.clone(), to.clone()).is_some() || from.0.is_empty() {
                let rule = "must name a stage, and each once";
                return Err(InvalidArgs::new(field("from_stage_id"), rule));
            }
        }
        Ok(Self { target, mapping, cancel_runs: input.cancel_runs })
    }

    /// The stage of the target that takes the place of this one.
    pub fn place_of(&self, stage: &StageId) -> Option<&'a Stage> {
        self.target.stage(self.mapping.get(stage).unwrap_or(stage))
    }

    /// What becomes of an item at a stage of `definition`.
    pub fn fate(&self, definition: &Definition, stage: &StageId, has_run: bool) -> Fate<'a> {
        let Some(to) = self.place_of(stage) else { return Fate::NeedsMapping };
        let kind = definition.stage(stage).map(|stage| stage.kind);
        let is_same = to.id == *stage && kind == Some(to.kind);
        // Where people vote nobody holds an item, and votes are worth nothing elsewhere.
        let is_voted = |kind: Option<StageType>| kind.is_some_and(StageType::is_voted);
        let stays = is_same || (to.id == *stage && !is_voted(kind) && !is_voted(Some(to.kind)));
        let stops_run = has_run && !is_same;
        if stops_run && !self.cancel_runs {
            return Fate::RunInProgress;
        }
        Fate::Moves { to, stays, stops_run }
    }
}

/// How the migration of an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MigrationResult {
    Moved,
    NeedsMapping,
    RunInProgress,
    /// Somebody else held it.
    InUse,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrated {
    pub item: WorkItemId,
    pub result: MigrationResult,
    /// `None` of one that was in use.
    pub from: Option<StageId>,
    /// Set when it moved.
    pub to: Option<StageId>,
    /// Ordered where it came to.
    pub run: Option<RunId>,
    pub run_cancelled: bool,
}

/// How many items end in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationCounts {
    pub moved: u64,
    pub need_mapping: u64,
    pub runs_in_progress: u64,
    pub in_use: u64,
    pub runs_cancelled: u64,
}

impl MigrationCounts {
    /// Counts `items` more with this fate.
    pub fn add(&mut self, fate: Fate<'_>, items: u64) {
        match fate {
            Fate::Moves { stops_run, .. } => {
                self.moved += items;
                self.runs_cancelled += if stops_run { items } else { 0 };
            }
            Fate::NeedsMapping => self.need_mapping += items,
            Fate::RunInProgress => self.runs_in_progress += items,
        }
    }

    /// The sum of both.
    pub fn merge(&mut self, other: Self) {
        self.moved += other.moved;
        self.need_mapping += other.need_mapping;
        self.runs_in_progress += other.runs_in_progress;
        self.in_use += other.in_use;
        self.runs_cancelled += other.runs_cancelled;
    }
}

/// What would happen to the items of one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagePlan {
    pub from: StageId,
    /// `None` without a mapping.
    pub to: Option<StageId>,
    pub counts: MigrationCounts,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AgentOutput, Assignment};

    fn stage(id: &str, kind: StageType) -> Stage {
        Stage {
            id: StageId(id.into()),
            display_name: id.into(),
            description: String::new(),
            kind,
            assignment: Assignment::Anyone,
            routes: Vec::new(),
            agent_prompt: String::new(),
            agent_target_path: String::new(),
            agent_model_hint: String::new(),
            agent_output: AgentOutput::Plan,
            auto_apply_set_by: None,
            wip_limit: 0,
            wip_limit_per_person: 0,
            sla_minutes: 0,
            approval: None,
            auto_advance: None,
            form: None,
        }
    }

    fn definition<const N: usize>(stages: [(&str, StageType); N]) -> Definition {
        let stages = stages.map(|(id, kind)| stage(id, kind)).to_vec();
        Definition { stages, triggers: Vec::new(), parameters: Vec::new() }
    }

    fn input(mapping: &[(&str, &str)], cancel_runs: bool) -> MigrateInput {
        let id = |text: &str| StageId(text.into());
        let mapping = mapping.iter().map(|(from, to)| (id(from), id(to))).collect();
        MigrateInput { mapping, cancel_runs, ..MigrateInput::default() }
    }

    #[test]
    fn a_mapping_names_each_stage_once_and_leads_to_the_target() {
        let target = definition([("a", StageType::Human)]);
        let field = |mapping: &[(&str, &str)]| {
            let refused = Migration::judge(&input(mapping, false), &target).unwrap_err();
            refused.fields[0].field.clone()
        };
        assert_eq!(field(&[("b", "a"), ("c", "b")]), "stage_mappings[1].to_stage_id");
        assert_eq!(field(&[("b", "a"), ("b", "a")]), "stage_mappings[1].from_stage_id");
        assert_eq!(field(&[("", "a")]), "stage_mappings[0].from_stage_id");
        assert_eq!(field(&vec![("b", "a"); 201]), "stage_mappings");
        assert!(Migration::judge(&input(&[("b", "a"), ("c", "a")], false), &target).is_ok());
    }

    #[test]
    fn a_run_stands_in_the_way_only_of_what_changes_its_stage() {
        let (person, agent) = (StageType::Human, StageType::AgentAssist);
        let before =
            definition([("same", agent), ("other", agent), ("gone", agent), ("new", person)]);
        let target = definition([("same", agent), ("other", person), ("new", agent)]);
        for cancel_runs in [false, true] {
            let asked = input(&[("gone", "same")], cancel_runs);
            let migration = Migration::judge(&asked, &target).unwrap();
            let fate = |stage: &str, has_run| {
                let fate = migration.fate(&before, &StageId(stage.into()), has_run);
                match fate {
                    Fate::Moves { stays, stops_run, .. } => {
                        format!("{stays} {stops_run} {}", fate.event().unwrap().verb())
                    }
                    fate => format!("{fate:?}"),
                }
            };
            assert_eq!(fate("same", true), "true false migrate");
            assert_eq!(fate("new", false), "true false migrate");
            let stopped = |stays| format!("{stays} true migrate");
            for (stage, stays) in [("other", true), ("gone", false)] {
                assert_eq!(fate(stage, false), format!("{stays} false migrate"));
                let wanted = if cancel_runs { stopped(stays) } else { "RunInProgress".into() };
                assert_eq!(fate(stage, true), wanted);
            }
            assert_eq!(fate("unheard", true), "NeedsMapping");
        }
    }

    #[test]
    fn a_stage_that_begins_or_ceases_to_be_voted_at_is_another_one() {
        let (person, voted) = (StageType::Human, StageType::Approval);
        let before = definition([("a", person), ("b", voted), ("c", voted)]);
        let target = definition([("a", voted), ("b", person), ("c", voted)]);
        let asked = input(&[], false);
        let migration = Migration::judge(&asked, &target).unwrap();
        for (stage, wanted) in [("a", false), ("b", false), ("c", true)] {
            let fate = migration.fate(&before, &StageId(stage.into()), false);
            assert!(matches!(fate, Fate::Moves { stays, .. } if stays == wanted), "{fate:?}");
        }
    }
}
