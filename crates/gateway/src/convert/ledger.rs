//! What is found in the ledger of a workflow.

use api::workflow as wire;
use workflow_core::model::{LedgerRule, StageId, StageLedger, Violation};
use workflow_core::service::LedgerReport;

use super::scalar::{long, name};

pub(crate) fn report(report: LedgerReport) -> wire::LedgerReport {
    wire::LedgerReport {
        workflow: report.workflow.to_string(),
        sound: report.violations.is_empty(),
        items: long(report.counted.total),
        transitions: long(report.counted.transitions),
        stages: report.stages.into_iter().map(stage).collect(),
        violations: report.violations.into_iter().map(violation).collect(),
        has_more_violations: report.has_more,
    }
}

fn stage((id, ledger): (StageId, StageLedger)) -> wire::StageLedger {
    wire::StageLedger {
        stage_id: id.0,
        entered: long(ledger.entered),
        left: long(ledger.left),
        in_stage_now: long(ledger.in_stage),
        stays: long(ledger.stays),
        stays_ended: long(ledger.stays_ended),
        items: long(ledger.items),
    }
}

fn violation(found: Violation) -> wire::LedgerViolation {
    let rule = match found.rule {
        LedgerRule::OpenStay => wire::LedgerRule::OpenStay,
        LedgerRule::ClosedStay => wire::LedgerRule::ClosedStay,
        LedgerRule::Chain => wire::LedgerRule::Chain,
        LedgerRule::LastState => wire::LedgerRule::LastState,
        LedgerRule::Stays => wire::LedgerRule::Stays,
        LedgerRule::StageBalance => wire::LedgerRule::StageBalance,
        LedgerRule::Figures => wire::LedgerRule::Figures,
    };
    wire::LedgerViolation {
        rule: rule.into(),
        work_item: name(found.item),
        stage_id: found.stage.map(|stage| stage.0).unwrap_or_default(),
    }
}
