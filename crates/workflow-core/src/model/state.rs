//! The life of a work item.
//!
//! Nothing here does I/O or reads a clock: [`ItemState::apply`] maps a state and an event to
//! the next state and the effects the caller must carry out. The snapshot test at the end is
//! the complete table, made for reading.

use primitives::UserId;
use serde::{Deserialize, Serialize};

/// Where an item is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ItemState {
    Pending,
    Claimed,
    InProgress,
    Blocked,
    Completed,
    Failed,
    Cancelled,
}

impl ItemState {
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Claimed,
        Self::InProgress,
        Self::Blocked,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The stored and displayed text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Claimed => "CLAIMED",
            Self::InProgress => "IN_PROGRESS",
            Self::Blocked => "BLOCKED",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Reads [`ItemState::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Nothing moves it any more (but reopening).
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// Where a decision leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// It is not taken yet.
    Stay,
    /// To a stage; `to_agent` tells its kind.
    Stage { to_agent: bool },
    /// Out of the workflow.
    End,
}

/// What can happen to an item. `unclaimed` tells that nobody needs to claim what is at its
/// stage, `agent_stage` that the agent runs there, `to_agent` that it runs at the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemEvent {
    Claim,
    Start,
    /// To the next stage.
    CompleteStage {
        unclaimed: bool,
        to_agent: bool,
    },
    /// The last stage was completed.
    Finish {
        unclaimed: bool,
    },
    RerunAgent {
        agent_stage: bool,
    },
    Cancel,
    /// Back to where anybody may claim it.
    Release,
    /// Given to a person.
    Assign(UserId),
    /// Back to a stage where it was before.
    Return {
        unclaimed: bool,
        to_agent: bool,
    },
    /// It waits for something outside.
    Block,
    /// What it waited for has come; `before` is the state it had.
    Unblock {
        before: ItemState,
    },
    Fail,
    /// To the last stage again.
    Reopen {
        to_agent: bool,
    },
    /// Its assignee is gone: it is nobody's.
    LoseAssignee,
    /// To another revision, at the same stage.
    MigrateInPlace {
        stops_run: bool,
    },
    /// To another revision, at the stage that takes the place of its own.
    Migrate {
        to_agent: bool,
        stops_run: bool,
    },
    /// Somebody lets it pass; only the last of them moves it.
    Approve(Onward),
    /// Somebody does not let it pass.
    Reject(Onward),
    /// The result of its run completes its stage.
    Advance(Onward),
}

/// What the caller must do with the move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// End the stay as completed.
    CompleteVisit,
    /// End the stay as left otherwise.
    LeaveVisit,
    /// Begin a stay in the next stage.
    EnterStage,
    /// Queue a run of the agent.
    OrderRun,
    /// Cancel a live run.
    StopRun,
}

/// The outcome of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub next: ItemState,
    pub effects: Vec<Effect>,
}

/// The table has no such move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an item that is {state} cannot {verb}")]
pub struct IllegalTransition {
    pub state: &'static str,
    pub verb: &'static str,
}

impl ItemEvent {
    /// The verb as stored with the transition.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Start => "start",
            Self::CompleteStage { .. } | Self::Finish { .. } => "complete_stage",
            Self::RerunAgent { .. } => "rerun_agent_assist",
            Self::Cancel => "cancel",
            Self::Release | Self::LoseAssignee => "release",
            Self::Assign(_) => "assign",
            Self::Return { .. } => "return",
            Self::Block => "block",
            Self::Unblock { .. } => "unblock",
            Self::Fail => "fail",
            Self::Reopen { .. } => "reopen",
            Self::MigrateInPlace { .. } | Self::Migrate { .. } => "migrate",
            Self::Approve(_) => "approve",
            Self::Reject(_) => "reject",
            Self::Advance(_) => "auto_advance",
        }
    }
}

impl ItemState {
    /// The whole table of moves.
    pub fn apply(self, event: ItemEvent) -> Result<Step, IllegalTransition> {
        use Effect::*;
        use ItemEvent as On;
        use ItemState::*;

        let (next, effects) = match (self, event) {
            (Pending, On::Claim) => (Claimed, vec![]),
            (Claimed, On::Start) => (InProgress, vec![]),

            (Claimed | InProgress, On::CompleteStage { to_agent, .. })
            | (
                Pending,
                On::CompleteStage { unclaimed: true, to_agent }
                | On::Approve(Onward::Stage { to_agent })
                | On::Advance(Onward::Stage { to_agent }),
            ) => {
                let order = to_agent.then_some(OrderRun);
                (Pending, [CompleteVisit, EnterStage].into_iter().chain(order).collect())
            }
            (Claimed | InProgress, On::Finish { .. })
            | (
                Pending,
                On::Finish { unclaimed: true }
                | On::Approve(Onward::End)
                | On::Advance(Onward::End),
            ) => (Completed, vec![CompleteVisit]),
            (Pending, On::Approve(Onward::Stay)) => (Pending, vec![]),
            // Turned away at the beginning, there is nowhere to go back to.
            (Pending, On::Reject(Onward::End)) => (Cancelled, vec![LeaveVisit]),

            (Pending | Claimed | InProgress, On::RerunAgent { agent_stage: true }) => {
                (self, vec![OrderRun])
            }
            (Pending | Claimed | InProgress | Blocked, On::Cancel) => {
                (Cancelled, vec![LeaveVisit, StopRun])
            }
            (Pending | Claimed | InProgress | Blocked, On::Fail) => {
                (Failed, vec![LeaveVisit, StopRun])
            }
            (Claimed | InProgress | Blocked, On::Return { to_agent, .. })
            | (
                Pending,
                On::Return { unclaimed: true, to_agent } | On::Reject(Onward::Stage { to_agent }),
            ) => {
                let order = to_agent.then_some(OrderRun);
                (Pending, [LeaveVisit, EnterStage].into_iter().chain(order).collect())
            }
            (Completed | Failed | Cancelled, On::Reopen { to_agent }) => {
                let order = to_agent.then_some(OrderRun);
                (Pending, [EnterStage].into_iter().chain(order).collect())
            }
            (Pending | Claimed | InProgress, On::Assign(_)) => (Claimed, vec![]),
            (Pending | Claimed | InProgress, On::Block) => (Blocked, vec![]),
            (Blocked, On::Unblock { before: before @ (Pending | Claimed | InProgress) }) => {
                (before, vec![])
            }
            (Claimed | InProgress, On::Release | On::LoseAssignee) => (Pending, vec![]),
            // What it waits for has not come; unblocked, it will be anybody's.
            (Blocked, On::LoseAssignee) => (Blocked, vec![]),

            (Pending | Claimed | InProgress | Blocked, On::MigrateInPlace { stops_run }) => {
                (self, stops_run.then_some(StopRun).into_iter().collect())
            }
            (Pending | Claimed | InProgress | Blocked, On::Migrate { to_agent, stops_run }) => {
                let stop = stops_run.then_some(StopRun);
                let order = to_agent.then_some(OrderRun);
                let next = if self == Blocked { Blocked } else { Pending };
                let moved = stop.into_iter().chain([LeaveVisit, EnterStage]).chain(order);
                (next, moved.collect())
            }

            // Listed rather than `_`: a new state or event must be placed before this compiles.
            (
                Claimed | InProgress | Blocked,
                On::Claim | On::Approve(_) | On::Reject(_) | On::Advance(_),
            )
            | (Pending | InProgress | Blocked, On::Start)
            | (
                Pending,
                On::LoseAssignee
                | On::Release
                | On::Return { unclaimed: false, .. }
                | On::CompleteStage { unclaimed: false, .. }
                | On::Finish { unclaimed: false }
                | On::Reject(Onward::Stay)
                | On::Advance(Onward::Stay),
            )
            | (
                Blocked,
                On::CompleteStage { .. }
                | On::Finish { .. }
                | On::RerunAgent { .. }
                | On::Release
                | On::Assign(_)
                | On::Block
                | On::Unblock { .. },
            )
            | (
                Pending | Claimed | InProgress,
                On::RerunAgent { agent_stage: false } | On::Unblock { .. },
            )
            | (Pending | Claimed | InProgress | Blocked, On::Reopen { .. })
            | (Completed | Failed | Cancelled, _) => {
                return Err(IllegalTransition { state: self.as_str(), verb: event.verb() });
            }
        };
        Ok(Step { next, effects })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every event there is, with every stage it can meet.
    fn events() -> Vec<(String, ItemEvent)> {
        let mut events = vec![("claim".to_owned(), ItemEvent::Claim)];
        events.push(("start".into(), ItemEvent::Start));
        for is_agents in [false, true] {
            let (unclaimed, agent_stage) = (is_agents, is_agents);
            let at = if is_agents { "agent" } else { "human" };
            for to_agent in [false, true] {
                let to = if to_agent { "agent" } else { "human" };
                let event = ItemEvent::CompleteStage { unclaimed, to_agent };
                events.push((format!("complete {at} -> {to}"), event));
            }
            events.push((format!("complete {at} -> end"), ItemEvent::Finish { unclaimed }));
            events.push((format!("rerun at {at}"), ItemEvent::RerunAgent { agent_stage }));
        }
        events.push(("cancel".into(), ItemEvent::Cancel));
        events.push(("lose assignee".into(), ItemEvent::LoseAssignee));
        events.push(("release".into(), ItemEvent::Release));
        events.push(("assign".into(), ItemEvent::Assign(UserId::generate())));
        events.push(("block".into(), ItemEvent::Block));
        for before in [ItemState::Pending, ItemState::Claimed, ItemState::InProgress] {
            let name = format!("unblock to {}", before.as_str());
            events.push((name, ItemEvent::Unblock { before }));
        }
        events.push(("fail".into(), ItemEvent::Fail));
        for (to, onward) in [
            ("stay", Onward::Stay),
            ("human", Onward::Stage { to_agent: false }),
            ("agent", Onward::Stage { to_agent: true }),
            ("end", Onward::End),
        ] {
            events.push((format!("approve -> {to}"), ItemEvent::Approve(onward)));
            events.push((format!("reject -> {to}"), ItemEvent::Reject(onward)));
            events.push((format!("advance -> {to}"), ItemEvent::Advance(onward)));
        }
        for (to, to_agent) in [("human", false), ("agent", true)] {
            events.push((format!("reopen at {to}"), ItemEvent::Reopen { to_agent }));
            for (runs, stops_run) in [("", false), (", stop", true)] {
                let event = ItemEvent::Migrate { to_agent, stops_run };
                events.push((format!("migrate -> {to}{runs}"), event));
            }
            for (at, unclaimed) in [("human", false), ("agent", true)] {
                let event = ItemEvent::Return { unclaimed, to_agent };
                events.push((format!("return {at} -> {to}"), event));
            }
        }
        for (runs, stops_run) in [("", false), (", stop", true)] {
            events.push((format!("migrate{runs}"), ItemEvent::MigrateInPlace { stops_run }));
        }
        events
    }

    #[test]
    fn the_table_of_all_moves() {
        let mut table = Vec::new();
        for state in ItemState::ALL {
            for (name, event) in events() {
                let outcome = match state.apply(event) {
                    Ok(step) => format!("{} {:?}", step.next.as_str(), step.effects),
                    Err(_) => "-".to_owned(),
                };
                table.push(format!("{:<12}{name:<24}{outcome}", state.as_str()));
            }
        }
        insta::assert_snapshot!("moves", table.join("\n"));
    }

    #[test]
    fn the_texts_of_states_are_their_stored_form() {
        for state in ItemState::ALL {
            assert_eq!(ItemState::parse(state.as_str()), Some(state));
            let json = serde_json::to_value(state).unwrap();
            assert_eq!(json, serde_json::json!(state.as_str()));
        }
    }

    proptest! {
        #[test]
        fn nothing_but_reopening_leaves_a_closed_state(
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
        ) {
            let events = events();
            let mut state = ItemState::Pending;
            for pick in picks {
                let (_, event) = pick.get(&events);
                match state.apply(*event) {
                    Ok(step) => {
                        let reopens = matches!(event, ItemEvent::Reopen { .. });
                        prop_assert_eq!(state.is_closed(), reopens);
                        let leaves = step.effects.iter().any(|effect| {
                            matches!(effect, Effect::CompleteVisit | Effect::LeaveVisit)
                        });
                        let enters = step.effects.contains(&Effect::EnterStage);
                        // A stay ends exactly when another begins or the item closes; a
                        // closed item has none.
                        prop_assert_eq!(leaves, !reopens && (enters || step.next.is_closed()));
                        state = step.next;
                    }
                    Err(illegal) => prop_assert_eq!(illegal.state, state.as_str()),
                }
            }
        }
    }
}
