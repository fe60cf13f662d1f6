//! Sessions.

use agent_core::model::{Plan, Session, SessionState};
use api::agent as wire;
use primitives::WorkItem;

use super::plan;
use super::scalar::{name, optional_time, time};

/// A session with its current plan.
pub(crate) fn session(session: Session, current: Option<Plan>) -> wire::Session {
    wire::Session { current_plan: current.map(plan::plan), ..listed(session) }
}

/// A session in a list: of its plan, the name.
pub(crate) fn listed(session: Session) -> wire::Session {
    let state = match session.state {
        SessionState::Active => wire::SessionState::Active,
        SessionState::Closed => wire::SessionState::Closed,
    };
    let named =
        |plan: primitives::PlanId| wire::Plan { name: plan.to_string(), ..Default::default() };
    wire::Session {
        name: session.id.to_string(),
        repository: session.repository.to_string(),
        work_item: name::<WorkItem>(session.work_item),
        current_plan: session.current_plan.map(named),
        state: state.into(),
        create_time: time(session.created_at),
        last_activity_time: time(session.last_activity_at),
        close_time: optional_time(session.closed_at),
    }
}
