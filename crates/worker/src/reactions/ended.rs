//! Runs that ended badly while nobody could record it: deadline, used-up attempts, or a
//! worker that died between the end and its record.

use agent_core::AgentError;
use agent_core::model::{Run, RunKind, RunProblem};
use tracing::warn;

use crate::work::Worker;

impl Worker {
    /// Records the end of a run claimed by `claim_ended`.
    pub(crate) async fn settle(&self, run: Run) {
        let id = run.id;
        if let Err(error) = self.record_end(run).await {
            warn!(%error, "the end of run {id} could not be recorded yet");
        }
    }

    async fn record_end(&self, run: Run) -> Result<(), AgentError> {
        let problem = run.problem.clone().unwrap_or_else(|| RunProblem {
            reason: format!("RUN_{}", run.state.as_str()),
            message: "the run ended without a result".into(),
        });
        match run.kind {
            RunKind::Assist => {
                self.show_failure(&run, &problem).await?;
                self.parts.observer.assist_ended("failed");
            }
            RunKind::Apply | RunKind::Revert => {}
        }
        let reporter = self.reporter(run.tenant, &run);
        self.parts.runner.record_bad_end(&reporter, &run, &problem).await?;
        self.parts.runs.settle_ended(&run).await?;
        Ok(())
    }
}
