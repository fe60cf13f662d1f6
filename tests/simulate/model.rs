//! The line of work, told once more: what the real server is compared with. It knows the
//! contract and nothing else of the product, and has no more than 300 lines.

use api::workflow::{WorkItemState as State, WorkItemVerb as Verb};

/// What somebody holds in the team that owns everything here; a stranger is in another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Stranger,
    Guest,
    Member,
    Developer,
    Lead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assigned {
    Anyone,
    Role(Role),
    Person(usize),
}

/// A way to a stage, or to the end: taken when the item's `pick` is that word, or always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) pick: Option<&'static str>,
    pub(crate) target: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) is_agents: bool,
    pub(crate) assigned: Assigned,
    pub(crate) routes: Vec<Route>,
}

/// What is asked of the server, by somebody, about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Create { urgent: bool, pick: &'static str },
    Complete { stage: usize, pick: &'static str },
    Assign { to: usize },
    Return { stage: usize },
    Rerun,
    Update { urgent: bool },
    Plain(Verb),
}

/// Where a move leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    To(State),
    /// PENDING at the next stage, or COMPLETED.
    Onwards,
    /// What it was before it was blocked.
    Back,
}

/// A line of the table of moves; it may begin in further states at an agent's stage.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) verb: Verb,
    pub(crate) from: Vec<State>,
    pub(crate) from_agents: Vec<State>,
    pub(crate) lead: Lead,
    /// What is recorded of it, after `work_item.`.
    pub(crate) action: &'static str,
}

pub(crate) fn table() -> Vec<Line> {
    use Lead::{Back, Onwards, To};
    use State::{Blocked, Cancelled, Claimed, Completed, Failed, InProgress, Pending};
    let line = |verb, from: &[State], lead, action| Line {
        verb,
        from: from.to_vec(),
        from_agents: Vec::new(),
        lead,
        action,
    };
    let agents = |line: Line| Line { from_agents: vec![Pending], ..line };
    let open = [Pending, Claimed, InProgress, Blocked];
    vec![
        line(Verb::Claim, &[Pending], To(Claimed), "claimed"),
        line(Verb::Start, &[Claimed], To(InProgress), "started"),
        agents(line(Verb::CompleteStage, &[Claimed, InProgress], Onwards, "stage_completed")),
        agents(line(Verb::Return, &[Claimed, InProgress, Blocked], To(Pending), "returned")),
        line(Verb::Release, &[Claimed, InProgress], To(Pending), "released"),
        line(Verb::Assign, &[Pending, Claimed, InProgress], To(Claimed), "assigned"),
        line(Verb::Block, &[Pending, Claimed, InProgress], To(Blocked), "blocked"),
        line(Verb::Unblock, &[Blocked], Back, "unblocked"),
        line(Verb::Fail, &open, To(Failed), "failed"),
        line(Verb::Cancel, &open, To(Cancelled), "cancelled"),
        line(Verb::Reopen, &[Completed, Failed, Cancelled], To(Pending), "reopened"),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) verb: Verb,
    pub(crate) from: Option<usize>,
    pub(crate) to: Option<usize>,
    pub(crate) states: (Option<State>, State),
    pub(crate) by: usize,
}

/// How a stay at a stage ended; the place of its figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    Completed = 1,
    Left,
    Now,
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) state: State,
    pub(crate) stage: usize,
    pub(crate) assignee: Option<usize>,
    pub(crate) urgent: bool,
    pub(crate) moves: Vec<Moved>,
    /// Actions that are recorded, and by whom.
    pub(crate) records: Vec<(&'static str, usize)>,
    pick: &'static str,
    creator: usize,
    before: State,
    stays: Vec<(usize, Stay)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) table: Vec<Line>,
    pub(crate) people: Vec<Role>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) items: Vec<Item>,
}

const fn is_closed(state: State) -> bool {
    matches!(state, State::Completed | State::Failed | State::Cancelled)
}

fn created(by: usize, urgent: bool, pick: &'static str) -> Item {
    let states = (None, State::Pending);
    Item {
        state: State::Pending,
        stage: 0,
        assignee: None,
        urgent,
        moves: vec![Moved { verb: Verb::Create, from: None, to: Some(0), states, by }],
        records: vec![("created", by)],
        pick,
        creator: by,
        before: State::Pending,
        stays: vec![(0, Stay::Now)],
    }
}

impl Model {
    /// Carries something out, or says why not, by the reason of the contract.
    pub(crate) fn ask(&mut self, by: usize, item: usize, ask: Ask) -> Result<(), &'static str> {
        let role = self.people[by];
        let verb = match ask {
            Ask::Complete { .. } => Verb::CompleteStage,
            Ask::Assign { .. } => Verb::Assign,
            Ask::Return { .. } => Verb::Return,
            Ask::Plain(verb) => verb,
            Ask::Rerun | Ask::Update { .. } | Ask::Create { .. } => Verb::Unspecified,
        };
        let needed =
            if matches!(verb, Verb::Assign | Verb::Reopen) { Role::Lead } else { Role::Member };
        match role {
            Role::Stranger if matches!(ask, Ask::Create { .. }) => {
                return Err("WORKFLOW_NOT_FOUND");
            }
            Role::Stranger => return Err("WORK_ITEM_NOT_FOUND"),
            role if role < needed => return Err("PERMISSION_DENIED"),
            _ => {}
        }
        if let Ask::Create { urgent, pick } = ask {
            self.items.push(created(by, urgent, pick));
            return Ok(());
        }
        let before = self.items[item].clone();
        let stage = &self.stages[before.stage];
        if verb != Verb::Reopen && is_closed(before.state) {
            return Err("WORK_ITEM_CLOSED");
        }
        let may_run = stage.is_agents && before.state != State::Blocked;
        match ask {
            Ask::Rerun if !may_run => return Err("ILLEGAL_TRANSITION"),
            Ask::Rerun => {
                self.items[item].records.push(("workflow.agent_assist.requested", by));
                return Ok(());
            }
            Ask::Update { urgent } => {
                self.items[item].urgent = urgent;
                self.items[item].records.push(("updated", by));
                return Ok(());
            }
            _ => {}
        }
        self.refuse_early(by, &before, ask)?;
        let line = self.table.iter().find(|line| line.verb == verb).filter(|line| {
            let from_agents = stage.is_agents && line.from_agents.contains(&before.state);
            from_agents || line.from.contains(&before.state)
        });
        let line = line.ok_or("ILLEGAL_TRANSITION")?;
        let holds = before.assignee == Some(by) || role == Role::Lead;
        let is_allowed = match verb {
            Verb::Start => before.assignee == Some(by),
            Verb::Release | Verb::Block | Verb::Unblock | Verb::Fail => holds,
            Verb::CompleteStage | Verb::Return => holds || stage.is_agents,
            Verb::Cancel => holds || before.creator == by,
            _ => true,
        };
        if !is_allowed {
            return Err("NOT_ASSIGNEE");
        }
        self.items[item] = self.moved(before, by, ask, line);
        Ok(())
    }

    /// Refusals that come before the table is looked at.
    fn refuse_early(&self, by: usize, item: &Item, ask: Ask) -> Result<(), &'static str> {
        let may_claim = match self.stages[item.stage].assigned {
            Assigned::Anyone => true,
            Assigned::Role(role) => self.people[by] == role,
            Assigned::Person(person) => person == by,
        };
        let is_held = matches!(item.state, State::Claimed | State::InProgress);
        let was_at = |stage| item.stays.iter().any(|(at, _)| *at == stage);
        match ask {
            Ask::Plain(Verb::Claim) if is_held => Err("ALREADY_CLAIMED"),
            Ask::Plain(Verb::Claim) if !may_claim => Err("NOT_ASSIGNEE"),
            Ask::Complete { stage, .. } if stage != item.stage => Err("STAGE_MISMATCH"),
            Ask::Assign { to } if self.people[to] < Role::Member => Err("ASSIGNEE_NOT_ALLOWED"),
            Ask::Return { stage } if stage == item.stage => Err("STAGE_NOT_VISITED"),
            Ask::Return { stage } if !was_at(stage) => Err("STAGE_NOT_VISITED"),
            _ => Ok(()),
        }
    }

    fn moved(&self, before: Item, by: usize, ask: Ask, line: &Line) -> Item {
        let verb = line.verb;
        let pick = if let Ask::Complete { pick, .. } = ask { pick } else { before.pick };
        let mut item = Item { before: before.state, pick, ..before.clone() };
        let routes = &self.stages[before.stage].routes;
        let route = routes.iter().find(|route| route.pick.is_none_or(|pick| pick == item.pick));
        let (state, target) = match (line.lead, route.and_then(|route| route.target), ask) {
            (Lead::Onwards, Some(next), _) => (State::Pending, Some(next)),
            (Lead::Onwards, None, _) => (State::Completed, None),
            (Lead::To(state), _, Ask::Return { stage }) => (state, Some(stage)),
            (Lead::To(state), _, _) if verb == Verb::Reopen => (state, Some(before.stage)),
            (Lead::To(state), _, _) => (state, None),
            (Lead::Back, _, _) => (before.before, None),
        };
        item.state = state;
        match ask {
            Ask::Assign { to } => item.assignee = Some(to),
            Ask::Plain(Verb::Claim) => item.assignee = Some(by),
            Ask::Plain(Verb::Release | Verb::Reopen) => item.assignee = None,
            _ if target.is_some() => item.assignee = None,
            _ => {}
        }
        if !is_closed(before.state) && (target.is_some() || is_closed(state)) {
            let end = if verb == Verb::CompleteStage { Stay::Completed } else { Stay::Left };
            item.stays.iter_mut().filter(|(_, stay)| *stay == Stay::Now).for_each(|s| s.1 = end);
        }
        item.stage = target.unwrap_or(item.stage);
        item.stays.extend(target.map(|stage| (stage, Stay::Now)));
        let from = (!is_closed(before.state)).then_some(before.stage);
        let to = (!is_closed(state)).then_some(item.stage);
        item.moves.push(Moved { verb, from, to, states: (Some(before.state), state), by });
        item.records.push((line.action, by));
        item
    }

    /// Stays at a stage: begun, completed, left otherwise, going on; and later ones of an item.
    pub(crate) fn figures(&self, stage: usize) -> [i64; 5] {
        let mut figures = [0; 5];
        for item in &self.items {
            let stays = item.stays.iter().filter(|(at, _)| *at == stage);
            for (turn, (_, stay)) in stays.enumerate() {
                figures[0] += 1;
                figures[*stay as usize] += 1;
                figures[4] += i64::from(turn > 0);
            }
        }
        figures
    }

    /// Items that somebody may claim, in the order in which they are to be taken up.
    pub(crate) fn queue(&self, by: usize) -> Vec<usize> {
        let may = |item: &Item| self.refuse_early(by, item, Ask::Plain(Verb::Claim)).is_ok();
        let is_in = |item: &Item| item.state == State::Pending && may(item);
        let all = 0..self.items.len();
        let mut queue: Vec<_> = all.filter(|at| is_in(&self.items[*at])).collect();
        queue.sort_by_key(|at| !self.items[*at].urgent);
        queue
    }
}
