//! What can plan and what can change code here.

use permissions::{CodeUse, Grant};

use super::deps::AgentDeps;
use crate::model::Planner;
use crate::plan::BUILTIN;
use crate::port::engine::EngineStatus;

/// The planner in force, and every configured engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    pub planner: Planner,
    /// The configured model, or `builtin`.
    pub model: String,
    pub engines: Vec<EngineStatus>,
}

/// Shows planner and engines.
#[derive(Clone)]
pub struct Engines {
    deps: AgentDeps,
}

impl Engines {
    pub fn new(deps: AgentDeps) -> Self {
        Self { deps }
    }

    /// Probes every engine now. The grant is the whole check: nobody's data is shown.
    pub async fn list(&self, _grant: &Grant<CodeUse>) -> Capabilities {
        let probes = self.deps.engines.iter().map(|engine| engine.probe());
        let engines = futures::future::join_all(probes).await;
        let (planner, model) = match &self.deps.model {
            Some(model) => (Planner::Model, model.name().to_owned()),
            None => (Planner::Builtin, BUILTIN.to_owned()),
        };
        Capabilities { planner, model, engines }
    }
}
