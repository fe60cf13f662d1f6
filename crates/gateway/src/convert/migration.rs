//! Migrations of items between revisions.

use api::workflow as wire;
use primitives::{Checked, InvalidArgs, PageAfter};
use workflow_core::model::{MigrateInput, Migrated, MigrationResult, StageId, StagePlan};
use workflow_core::service::MigrationReport;

use super::scalar::{int, long, name, version};

/// More than a migration may name; judged to its last entry by the domain.
const MAPPED: usize = 1_000;

/// What to migrate, apart from the page.
pub(crate) fn input(request: &wire::MigrateWorkItemsRequest) -> Checked<MigrateInput> {
    if request.stage_mappings.len() > MAPPED {
        return Err(InvalidArgs::new("stage_mappings", "are too many"));
    }
    let stage = |id: &String| StageId(id.clone());
    let mapping = request.stage_mappings.iter();
    let mapping = mapping.map(|entry| (stage(&entry.from_stage_id), stage(&entry.to_stage_id)));
    Ok(MigrateInput {
        target: request.target_revision.into(),
        mapping: mapping.collect(),
        cancel_runs: request.cancel_runs,
        validate_only: request.validate_only,
        etag: version(&request.etag),
    })
}

/// The place after which the next batch begins.
pub(crate) fn next(report: &MigrationReport) -> Option<PageAfter> {
    report.next.map(|item| PageAfter { key: 0, id: item.as_uuid() })
}

/// What a migration did, or would do.
pub(crate) fn report(
    report: MigrationReport,
    next_page_token: String,
) -> wire::MigrateWorkItemsResponse {
    let counts = report.counts;
    wire::MigrateWorkItemsResponse {
        target_revision: int(report.target),
        stages: report.stages.into_iter().map(stage).collect(),
        work_items: report.items.into_iter().map(migrated).collect(),
        moved: long(counts.moved),
        need_mapping: long(counts.need_mapping),
        runs_in_progress: long(counts.runs_in_progress),
        in_use: long(counts.in_use),
        runs_cancelled: long(counts.runs_cancelled),
        next_page_token,
    }
}

fn stage(plan: StagePlan) -> wire::StageMigration {
    let StagePlan { from, to, counts } = plan;
    wire::StageMigration {
        from_stage_id: from.0,
        to_stage_id: to.map(|stage| stage.0).unwrap_or_default(),
        moved: long(counts.moved),
        need_mapping: long(counts.need_mapping),
        runs_in_progress: long(counts.runs_in_progress),
        runs_cancelled: long(counts.runs_cancelled),
    }
}

fn migrated(item: Migrated) -> wire::WorkItemMigration {
    let result = match item.result {
        MigrationResult::Moved => wire::MigrationResult::Moved,
        MigrationResult::NeedsMapping => wire::MigrationResult::NeedsMapping,
        MigrationResult::RunInProgress => wire::MigrationResult::RunInProgress,
        MigrationResult::InUse => wire::MigrationResult::InUse,
    };
    wire::WorkItemMigration {
        work_item: item.item.to_string(),
        result: result.into(),
        from_stage_id: item.from.map(|stage| stage.0).unwrap_or_default(),
        to_stage_id: item.to.map(|stage| stage.0).unwrap_or_default(),
        run: name(item.run),
    }
}
