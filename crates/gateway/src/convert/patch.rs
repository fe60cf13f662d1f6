//! Patches, and changes to apply.

use agent_core::model::{Patch, PatchState};
use agent_core::port::workspace::{ChangeKind, ObjectId, PatchInput, SearchReplace};
use agent_core::service::{ApplyArgs, ChangeInput};
use api::agent as wire;
use api::agent::apply_request::Change;
use primitives::{Checked, InvalidArgs, PlanId};

use super::plan::edited;
use super::scalar::{int, name, time};

/// Longer names of models and engines are none.
const NAME_CHARS: usize = 200;

/// A patch with its diff.
pub(crate) fn patch(patch: Patch) -> wire::Patch {
    let files = patch.files.into_iter().map(|file| wire::PatchFile {
        path: file.path,
        kind: change_kind(file.kind).into(),
        lines_added: int(file.lines_added),
        lines_deleted: int(file.lines_deleted),
    });
    // A branch holds a patch only once it is committed there.
    let branch = if patch.commit.is_some() { patch.branch } else { String::new() };
    wire::Patch {
        name: patch.id.to_string(),
        run: patch.run.to_string(),
        repository: patch.repository.to_string(),
        work_item: name(patch.work_item),
        plan: name(patch.plan),
        base_commit: patch.base.to_string(),
        commit: patch.commit.map(|commit| commit.to_string()).unwrap_or_default(),
        branch,
        tree: patch.tree.to_string(),
        diff: patch.diff,
        files: files.collect(),
        state: state(patch.state).into(),
        reverted_by: name(patch.reverted_by),
        engine: patch.engine,
        summary: patch.summary,
        create_time: time(patch.created_at),
    }
}

/// A patch in a list: without its diff.
pub(crate) fn listed(given: Patch) -> wire::Patch {
    patch(Patch { diff: String::new(), ..given })
}

/// A patch that would be made: it is not stored, so it has no name, run, state or time.
pub(crate) fn preview(given: Patch) -> wire::Patch {
    let shown = patch(given);
    wire::Patch {
        name: String::new(),
        run: String::new(),
        state: wire::PatchState::Unspecified.into(),
        create_time: None,
        ..shown
    }
}

const fn change_kind(kind: ChangeKind) -> wire::ChangeKind {
    match kind {
        ChangeKind::Added => wire::ChangeKind::Added,
        ChangeKind::Modified => wire::ChangeKind::Modified,
        ChangeKind::Deleted => wire::ChangeKind::Deleted,
    }
}

const fn state(state: PatchState) -> wire::PatchState {
    match state {
        PatchState::Proposed => wire::PatchState::Proposed,
        PatchState::Applied => wire::PatchState::Applied,
        PatchState::Landed => wire::PatchState::Landed,
        PatchState::Reverted => wire::PatchState::Reverted,
        PatchState::RolledBack => wire::PatchState::RolledBack,
        PatchState::Rejected => wire::PatchState::Rejected,
    }
}

/// What to apply. `plan` is the name given with a plan, parsed before.
pub(crate) fn apply(request: wire::ApplyRequest, plan: Option<PlanId>) -> Checked<ApplyArgs> {
    let change = match (request.change, plan) {
        (None, _) | (Some(Change::Plan(_)), None) => {
            let help = "give a plan, a unified diff, or SEARCH/REPLACE edits";
            return Err(InvalidArgs::new("change", help));
        }
        (Some(Change::Plan(given)), Some(plan)) => {
            ChangeInput::Plan { plan, steps: edited(given.steps)? }
        }
        (Some(Change::UnifiedDiff(diff)), _) => ChangeInput::Patch(PatchInput::UnifiedDiff(diff)),
        (Some(Change::Edits(given)), _) => ChangeInput::Patch(edits(given)?),
    };
    Ok(ApplyArgs {
        change,
        base: base(&request.base_commit)?,
        message: request.message,
        dry_run: request.dry_run,
        engine: short("engine", request.engine)?,
        model: short("model", request.model)?,
    })
}

fn edits(given: wire::SearchReplaceEdits) -> Checked<PatchInput> {
    if given.edits.is_empty() {
        return Err(InvalidArgs::new("edits.edits", "must have at least one edit"));
    }
    let edits = given.edits.into_iter().map(|edit| SearchReplace {
        path: edit.path,
        search: edit.search,
        replace: edit.replace,
    });
    Ok(PatchInput::SearchReplace(edits.collect()))
}

fn base(text: &str) -> Checked<Option<ObjectId>> {
    if text.is_empty() {
        return Ok(None);
    }
    let help = "must be a whole commit id in lower-case hex";
    ObjectId::parse(text).map(Some).ok_or_else(|| InvalidArgs::new("base_commit", help))
}

/// A name that may be left out.
fn short(field: &'static str, text: String) -> Checked<Option<String>> {
    let limits = primitives::Text { field, min: 0, max: NAME_CHARS, multiline: false };
    let text = limits.check(&text)?;
    Ok((!text.is_empty()).then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(request: wire::ApplyRequest) -> String {
        apply(request, None).unwrap_err().fields[0].field.clone()
    }

    #[test]
    fn each_broken_argument_is_named() {
        let diff = || Some(Change::UnifiedDiff("x".into()));
        let good = wire::ApplyRequest { change: diff(), ..Default::default() };
        assert!(apply(good, None).is_ok());
        assert_eq!(refused(wire::ApplyRequest::default()), "change");
        let no_edits = Some(Change::Edits(wire::SearchReplaceEdits::default()));
        assert_eq!(
            refused(wire::ApplyRequest { change: no_edits, ..Default::default() }),
            "edits.edits"
        );
        for base in ["HEAD", "abc", &"A".repeat(40), &"g".repeat(40)] {
            let base_commit = base.to_owned();
            let request = wire::ApplyRequest { change: diff(), base_commit, ..Default::default() };
            assert_eq!(refused(request), "base_commit");
        }
        let engine = "a\nb".to_owned();
        assert_eq!(
            refused(wire::ApplyRequest { change: diff(), engine, ..Default::default() }),
            "engine"
        );
    }
}
