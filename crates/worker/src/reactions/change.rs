//! Apply and revert runs: wholly the agent's business.

use agent_core::AgentError;
use agent_core::model::{Run, RunProblem};

use crate::work::Worker;

impl Worker {
    pub(crate) async fn change(&self, run: Run) -> Result<(), AgentError> {
        self.parts.runner.change(run).await
    }

    pub(crate) async fn fail_change(
        &self,
        run: Run,
        problem: RunProblem,
    ) -> Result<(), AgentError> {
        self.parts.runner.fail_change(run.clone(), problem).await?;
        self.parts.runs.settle_ended(&run).await?;
        Ok(())
    }
}
