//! What can plan and change code here.

use agent_core::model::Planner;
use agent_core::port::engine::EngineStatus;
use api::agent as wire;

use super::plan;

pub(crate) fn engine(status: EngineStatus) -> wire::Engine {
    wire::Engine {
        name: status.name,
        available: status.available,
        version: status.version.unwrap_or_default(),
        problem: status.problem.unwrap_or_default(),
        remedy: status.remedy.unwrap_or_default(),
        // A private environment; nothing more is claimed until it is probed.
        sandbox_level: 0,
    }
}

/// The planner is the model's, when there is one.
pub(crate) fn planner(model: Option<&str>) -> wire::PlannerStatus {
    let planner = if model.is_some() { Planner::Model } else { Planner::Builtin };
    let model = model.unwrap_or_default().to_owned();
    wire::PlannerStatus { planner: plan::planner(planner).into(), model }
}
