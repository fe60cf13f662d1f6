//! What the steps have learned so far, for the steps after them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use api::workflow::{GetWorkItemRequest, Stage, WorkItem, Workflow};

use super::patch::Change;
use super::people::Person;
use super::report::{Checks, Failure};
use super::repository::Source;
use crate::dev::DevKey;

/// Runs and reactions take milliseconds; a loaded machine takes its time.
const PATIENCE: Duration = Duration::from_mins(2);
const TOKEN_LIFE: Duration = Duration::from_hours(12);

/// People, and the names of what they made.
pub(super) struct Story {
    pub alice: Person,
    pub bob: Person,
    pub carol: Person,
    pub dave: Person,
    pub source: Source,
    pub change: Change,
    /// The server's data, where the mirrors are.
    pub data_dir: PathBuf,
    pub names: Names,
}

/// Resource names; empty until their step has made them.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub alice: String,
    pub bob: String,
    pub carol: String,
    pub dave: String,
    pub core: String,
    pub payments: String,
    pub repository: String,
    pub template: String,
    pub bug_fix: String,
    pub change_review: String,
    pub trigger: String,
    pub item: String,
    pub first_stage: String,
    pub agent_stage: String,
    pub assist_run: String,
    pub recommendation_hash: String,
    pub session: String,
    pub apply_run: String,
    pub patch: String,
    pub commit: String,
    pub branch: String,
    pub review_item: String,
    pub revert_run: String,
}

impl Story {
    pub(super) fn new(
        grpc: SocketAddr,
        key: &DevKey,
        source: Source,
        change: Change,
        data_dir: PathBuf,
    ) -> anyhow::Result<Self> {
        let person = |name| Person::new(name, key.token(name, TOKEN_LIFE), grpc);
        Ok(Self {
            alice: person("alice")?,
            bob: person("bob")?,
            carol: person("carol")?,
            dave: person("dave")?,
            source,
            change,
            data_dir,
            names: Names::default(),
        })
    }

    /// The item as `person` sees it.
    pub(super) async fn item(
        &self,
        checks: &mut Checks,
        person: &Person,
    ) -> Result<WorkItem, Failure> {
        let name = self.names.item.clone();
        checks.ok("GetWorkItem", person.items().get_work_item(GetWorkItemRequest { name }).await)
    }

    /// The item once no run is live at its stage.
    pub(super) async fn item_at_rest(&self, checks: &mut Checks) -> Result<WorkItem, Failure> {
        let deadline = Deadline::start("the agent's run to end");
        loop {
            // Polling is not a check: only the last look counts.
            let item = self.item(&mut Checks::default(), &self.bob).await?;
            if item.live_run.is_empty() {
                checks.holds("the run has ended", true, ())?;
                return Ok(item);
            }
            deadline.pause().await?;
        }
    }
}

/// Waits a little, and not forever.
pub(super) struct Deadline {
    what: &'static str,
    began: Instant,
}

impl Deadline {
    pub(super) fn start(what: &'static str) -> Self {
        Self { what, began: Instant::now() }
    }

    pub(super) async fn pause(&self) -> Result<(), Failure> {
        if self.began.elapsed() > PATIENCE {
            let text = format!("waited {} s for {}", PATIENCE.as_secs(), self.what);
            return Err(Failure::Other(text));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(())
    }
}

/// The stage an item is at.
pub(super) fn stage_of<'a>(workflow: &'a Workflow, item: &WorkItem) -> Option<&'a Stage> {
    workflow.stages.iter().find(|stage| stage.stage_id == item.stage_id)
}

/// The id behind a name, as in folder names of mirrors.
pub(super) fn bare(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}
