//! Use cases.
//!
//! Each command is one transaction in one order: begin, read in scope (absent and invisible
//! are the same), admit, replay, judge arguments, etag, state rules, save, order a run,
//! record, remember, commit. Nothing but the database is awaited in between.

mod advance;
mod analytics;
mod approvals;
mod assist;
mod batch_create;
mod comments;
mod create_item;
mod departures;
mod explain;
mod import;
mod item_rules;
mod items;
mod ledger;
mod migrate;
mod pauses;
mod publish;
mod queues;
mod reviews;
mod revisions;
mod stars;
mod templates;
mod transfer;
mod triggers;
mod turns;
mod update;
mod update_item;
mod verbs;
mod view;
mod waiting;
mod workflows;

pub use crate::model::{
    ApprovalInput, AssignmentInput, CompleteInput, DecideInput, Etag, FiguresInput,
    InstantiateInput, ItemChanges, ItemInput, MigrateInput, NoteInput, ParameterInput, Part,
    PublishInput, QueueInput, ReturnInput, ReviewInput, RotaInput, RouteInput, RunResult,
    StageInput, TriggerInput, UpdateInput, WorkflowInput,
};
pub use analytics::Analytics;
pub use approvals::ApprovalView;
pub use comments::Comments;
pub use departures::{Departures, Gone};
pub use explain::{Because, Explanation};
pub use items::Items;
pub use migrate::MigrationReport;
pub use pauses::PauseInput;
pub use publish::PublishTo;
pub use queues::QueueFilter;
pub use reviews::Reviews;
pub use templates::Templates;
pub use triggers::Triggers;
pub use view::{
    AgentEvent, AssistBrief, AssistRun, DatedFigures, Figures, ItemView, LedgerReport,
    NamedFigures, Reported,
};
pub use workflows::Workflows;

use events::Once;
use permissions::{Caller, Denied, Permission};
use primitives::{Tenant, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::WorkflowTx;
use crate::{StoreError, WorkflowError};

/// The answer that an earlier attempt of the same command got.
async fn replayed<T: DeserializeOwned>(
    tx: &mut dyn WorkflowTx,
    once: Option<&Once>,
) -> Result<Option<T>, WorkflowError> {
    let Some(once) = once else { return Ok(None) };
    let Some(answer) = tx.replay(once).await? else { return Ok(None) };
    let answer = serde_json::from_value(answer).map_err(unreadable)?;
    Ok(Some(answer))
}

/// Keeps the answer for later attempts.
async fn remember<T: Serialize + Sync>(
    tx: &mut dyn WorkflowTx,
    once: Option<&Once>,
    answer: &T,
    now: Timestamp,
) -> Result<(), WorkflowError> {
    let Some(once) = once else { return Ok(()) };
    let answer = serde_json::to_value(answer).map_err(unreadable)?;
    tx.remember(once, &answer, now).await?;
    Ok(())
}

fn unreadable(error: serde_json::Error) -> WorkflowError {
    StoreError::Internal(format!("a remembered answer: {error}")).into()
}

/// Refuses unless the caller also holds `P` on rows of `tenant`.
fn also<P: Permission>(caller: &Caller, tenant: Tenant) -> Result<(), WorkflowError> {
    if caller.holds::<P>(tenant) { Ok(()) } else { Err(Denied::of::<P>(Some(tenant)).into()) }
}

/// A given etag must be the current version.
fn expect_version(given: Etag, actual: i64) -> Result<(), WorkflowError> {
    match given {
        Some(given) if given != actual => Err(WorkflowError::EtagMismatch),
        _ => Ok(()),
    }
}
