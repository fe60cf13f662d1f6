//! A coding engine: changes files in a private checkout. What it says proves nothing;
//! the result is the difference the server computes afterwards.

use async_trait::async_trait;

use super::workspace::Checkout;

/// What an engine is asked to do.
#[derive(Clone, Debug)]
pub struct EngineTask {
    /// The whole instruction: stage prompt, item, plan steps.
    pub instruction: String,
    /// Repository-relative paths to look at first.
    pub focus: Vec<String>,
    pub model_hint: Option<String>,
    /// Wall-clock limit in seconds.
    pub timeout_secs: u64,
}

/// What an engine reports. Trusted for display only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineReport {
    pub model_used: Option<String>,
    /// At most 2,000 characters, secrets redacted by the caller.
    pub summary: String,
}

/// Whether an engine can run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineStatus {
    pub name: String,
    pub available: bool,
    pub version: Option<String>,
    /// Why it is not available.
    pub problem: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// Why an engine produced nothing usable.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the engine is not available: {0}")]
    Unavailable(String),
    #[error("the engine failed: {0}")]
    Failed(String),
    #[error("the engine ran longer than {0} s")]
    TimedOut(u64),
}

/// Runs one task in one checkout. Implemented by `engines` (and scripted in `testkit`).
#[async_trait]
pub trait Engine: Send + Sync {
    fn name(&self) -> &str;

    async fn probe(&self) -> EngineStatus;

    /// Works on the files of `checkout` only. Dropping the future stops the engine.
    async fn run(
        &self,
        task: &EngineTask,
        checkout: &Checkout,
    ) -> Result<EngineReport, EngineError>;
}
