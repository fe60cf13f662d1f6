//! The line of work, told once more: what the real server is compared with. It knows the
//! contract and nothing else of the product, and has no more than 300 lines.

use std::collections::BTreeMap;

use api::workflow::WorkItemState::{self as State, *};
use api::workflow::WorkItemVerb::{self as Verb, *};

/// What people hold in the team that owns everything here, by rank; a stranger is in another.
pub(crate) const ROLES: [&str; 6] = ["", "guest", "member", "developer", "lead", "admin"];
const MEMBER: usize = 2;
const LEAD: usize = 4;

/// Taken when the item's `pick` is that word, or always; to a stage, or to the end.
pub(crate) type Route = (Option<&'static str>, Option<usize>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) is_agents: bool,
    /// How many have to say yes; nobody has to at 0.
    pub(crate) quorum: usize,
    /// Who may claim, or say yes: those with a role, a person, or anyone.
    pub(crate) role: Option<usize>,
    pub(crate) person: Option<usize>,
    pub(crate) routes: Vec<Route>,
}

/// What moves nothing has no verb in the contract: here it goes by two that nobody asks for.
pub(crate) const UPDATE: Verb = Verb::Unspecified;
pub(crate) const RERUN: Verb = AutoAdvance;

/// What is asked of the server, by somebody, about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) verb: Verb,
    /// Where the item is or is to go.
    pub(crate) stage: usize,
    /// Whose it is to be.
    pub(crate) to: usize,
    pub(crate) pick: &'static str,
    pub(crate) urgent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    To(State),
    /// PENDING at the stage that is named, or where it was last.
    There,
    /// PENDING at the next stage, or COMPLETED.
    Onwards,
    /// PENDING where somebody worked last, or CANCELLED.
    Backwards,
    BeforeBlock,
    Nowhere,
}

/// Who may, of all with the permission; a lead may what an assignee may, but for starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Anyone,
    Lead,
    Starter,
    Assignee,
    /// Where the agent works anyone, and without claiming.
    Worker,
    Creator,
}

/// A line of the table of moves; the last is what is recorded, after `work_item.`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) verb: Verb,
    pub(crate) from: &'static [State],
    pub(crate) leads: Leads,
    pub(crate) who: Who,
    pub(crate) action: &'static str,
}

pub(crate) fn table() -> Vec<Line> {
    use {Leads::*, Who::*};
    let line = |verb, from, leads, who, action| Line { verb, from, leads, who, action };
    let open = &[Pending, Claimed, InProgress, Blocked];
    vec![
        line(Create, &[State::Unspecified], There, Anyone, "created"),
        line(Claim, &[Pending], To(Claimed), Anyone, "claimed"),
        line(Start, &[Claimed], To(InProgress), Starter, "started"),
        line(CompleteStage, &[Claimed, InProgress], Onwards, Worker, "stage_completed"),
        line(Return, &[Claimed, InProgress, Blocked], There, Worker, "returned"),
        line(Release, &[Claimed, InProgress], To(Pending), Assignee, "released"),
        line(Assign, &[Pending, Claimed, InProgress], To(Claimed), Lead, "assigned"),
        line(Block, &[Pending, Claimed, InProgress], To(Blocked), Assignee, "blocked"),
        line(Unblock, &[Blocked], BeforeBlock, Assignee, "unblocked"),
        line(Fail, open, To(Failed), Assignee, "failed"),
        line(Cancel, open, To(Cancelled), Creator, "cancelled"),
        line(Reopen, &[Completed, Failed, Cancelled], There, Lead, "reopened"),
        line(Approve, &[Pending], Onwards, Anyone, "approved"),
        line(Reject, &[Pending], Backwards, Anyone, "rejected"),
        line(UPDATE, open, Nowhere, Anyone, "updated"),
        line(RERUN, &open[..3], Nowhere, Anyone, "workflow.agent_assist.requested"),
    ]
}

/// A verb, stages before and after, states before and after, and by whom.
pub(crate) type Moved = (Verb, [Option<usize>; 2], (Option<State>, State), usize);

#[derive(Clone, Debug, Default)]
pub(crate) struct Item {
    pub(crate) state: State,
    pub(crate) revision: usize,
    pub(crate) stage: usize,
    pub(crate) assignee: Option<usize>,
    pub(crate) urgent: bool,
    /// Who said yes to what it says now.
    pub(crate) votes: Vec<usize>,
    pub(crate) moves: Vec<Moved>,
    /// Actions that are recorded, and by whom.
    pub(crate) records: Vec<(&'static str, usize)>,
    pick: &'static str,
    /// Those whose work it is in part; they do not decide about it.
    authors: Vec<usize>,
    before: State,
    /// At which stages; 1 completed, 2 left otherwise, 3 going on.
    stays: Vec<(usize, usize)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) table: Vec<Line>,
    pub(crate) people: Vec<usize>,
    pub(crate) revisions: Vec<BTreeMap<usize, Stage>>,
    pub(crate) newest: usize,
    pub(crate) items: Vec<Item>,
}

const fn is_open(state: State) -> bool {
    matches!(state, Pending | Claimed | InProgress | Blocked)
}

impl Model {
    /// Carries something out, or says why not, by the reason of the contract.
    pub(crate) fn ask(&mut self, by: usize, item: usize, ask: Ask) -> Result<(), &'static str> {
        let line = self.table.iter().find(|line| line.verb == ask.verb).copied();
        let line = line.ok_or("not in the table")?;
        let first = self.revisions[self.newest].keys().next().copied().unwrap_or_default();
        let new = Item { stage: first, revision: self.newest, ..Item::default() };
        let before = self.items.get(item).cloned().unwrap_or(new);
        self.refuse(by, &before, ask, line)?;
        let mut after = self.done(before, by, ask, line.leads);
        after.records.push((line.action, by));
        self.items.splice(item..self.items.len().min(item + 1), [after]);
        Ok(())
    }

    pub(crate) fn stage(&self, item: &Item) -> &Stage {
        &self.revisions[item.revision][&item.stage]
    }

    /// The first reason that holds.
    fn refuse(&self, by: usize, item: &Item, ask: Ask, line: Line) -> Result<(), &'static str> {
        let (role, stage) = (self.people[by], self.stage(item));
        let is_new = matches!(ask.verb, Create | Migrate);
        let (is_here, is_voted) = (ask.stage == item.stage, stage.quorum > 0);
        let was_there = item.stays.iter().any(|(at, _)| *at == ask.stage);
        let is_known = self.revisions[item.revision].contains_key(&ask.stage);
        let may_begin = line.who == Who::Worker && stage.is_agents && item.state == Pending;
        let is_assignee = item.assignee == Some(by);
        let is_allowed = match line.who {
            Who::Anyone | Who::Lead => true,
            Who::Starter => is_assignee,
            Who::Worker if stage.is_agents => true,
            Who::Creator if item.moves[0].3 == by => true,
            _ => is_assignee || role >= LEAD,
        };
        Err(match ask.verb {
            _ if role == 0 && is_new => "WORKFLOW_NOT_FOUND",
            _ if role == 0 => "WORK_ITEM_NOT_FOUND",
            _ if role < MEMBER || (line.who == Who::Lead && role < LEAD) => "PERMISSION_DENIED",
            Migrate => return Ok(()),
            _ if !matches!(ask.verb, Create | Reopen) && !is_open(item.state) => "WORK_ITEM_CLOSED",
            Claim if matches!(item.state, Claimed | InProgress) => "ALREADY_CLAIMED",
            CompleteStage | Approve | Reject if !is_here => "STAGE_MISMATCH",
            Assign if self.people[ask.to] < MEMBER => "ASSIGNEE_NOT_ALLOWED",
            Claim | Assign if is_voted => "ILLEGAL_TRANSITION",
            Approve | Reject if !is_voted => "ILLEGAL_TRANSITION",
            RERUN if !stage.is_agents => "ILLEGAL_TRANSITION",
            Claim if !self.may_take(by, item) => "NOT_ASSIGNEE",
            Return if is_here || !was_there || !is_known => "STAGE_NOT_VISITED",
            Approve | Reject if !self.may_take(by, item) => "NOT_APPROVER",
            Approve | Reject if item.authors.contains(&by) => "OWN_WORK",
            Approve if item.votes.contains(&by) => "ALREADY_APPROVED",
            _ if !may_begin && !line.from.contains(&item.state) => "ILLEGAL_TRANSITION",
            _ if !is_allowed => "NOT_ASSIGNEE",
            _ => return Ok(()),
        })
    }

    fn may_take(&self, by: usize, item: &Item) -> bool {
        let Stage { role, person, .. } = self.stage(item);
        role.is_none_or(|role| role == self.people[by]) && person.is_none_or(|one| one == by)
    }

    fn done(&self, mut item: Item, by: usize, ask: Ask, leads: Leads) -> Item {
        let stage = self.stage(&item);
        if matches!(ask.verb, Create | CompleteStage | UPDATE) && item.pick != ask.pick {
            (item.pick, item.votes) = (ask.pick, Vec::new());
            item.authors.push(by);
        }
        match ask.verb {
            CompleteStage if stage.is_agents => {}
            CompleteStage | RERUN => item.authors.push(by),
            Create | UPDATE => item.urgent = ask.urgent,
            Approve => item.votes.push(by),
            Assign => item.assignee = Some(ask.to),
            Claim => item.assignee = Some(by),
            Release => item.assignee = None,
            _ => {}
        }
        let route = stage.routes.iter().find(|route| route.0.is_none_or(|pick| pick == item.pick));
        let next = route.and_then(|route| route.1);
        let stages = &self.revisions[item.revision];
        let mut worked = item.stays.iter().rev().map(|(at, _)| *at);
        let worked = worked.find(|at| stages.get(at).is_some_and(|stage| stage.quorum == 0));
        let (state, to) = match leads {
            Leads::Nowhere => return item,
            Leads::There if ask.verb == Return => (Pending, Some(ask.stage)),
            Leads::There => (Pending, Some(item.stage)),
            Leads::Onwards if item.votes.len() < stage.quorum => (item.state, None),
            Leads::Onwards => (next.map_or(Completed, |_| Pending), next),
            Leads::Backwards => (worked.map_or(Cancelled, |_| Pending), worked),
            Leads::To(state) => (state, None),
            Leads::BeforeBlock => (item.before, None),
        };
        self.moved(item, by, ask.verb, (state, to))
    }

    fn moved(&self, mut item: Item, by: usize, verb: Verb, to: (State, Option<usize>)) -> Item {
        let from = is_open(item.state).then_some(item.stage);
        let before = (verb != Create).then_some(item.state);
        if item.state != Blocked {
            item.before = item.state;
        }
        item.state = to.0;
        if to.1.is_some() || !is_open(item.state) {
            let end = if matches!(verb, CompleteStage | Approve) { 1 } else { 2 };
            item.stays.iter_mut().filter(|stay| stay.1 == 3).for_each(|stay| stay.1 = end);
            item.votes.clear();
        }
        if let Some(stage) = to.1 {
            (item.stage, item.assignee, item.before) = (stage, None, Pending);
            item.stays.push((stage, 3));
            item.authors.extend(self.stage(&item).is_agents.then_some(by));
        }
        let now = is_open(item.state).then_some(item.stage);
        item.moves.push((verb, [from, now], (before, item.state), by));
        item
    }

    /// Stays at a stage: begun, completed, left otherwise, going on; and later ones of an item.
    pub(crate) fn figures(&self, stage: usize) -> [i64; 5] {
        let mut figures = [0; 5];
        for item in &self.items {
            let stays = item.stays.iter().filter(|(at, _)| *at == stage);
            for (turn, (_, how)) in stays.enumerate() {
                figures[0] += 1;
                figures[*how] += 1;
                figures[4] += i64::from(turn > 0);
            }
        }
        figures
    }

    /// Items that wait for somebody, in the order in which they are to be taken up.
    pub(crate) fn queue(&self, by: usize) -> Vec<usize> {
        let is_in = |item: &Item| item.state == Pending && self.may_take(by, item);
        let mut queue: Vec<_> = (0..self.items.len()).collect();
        queue.retain(|at| is_in(&self.items[*at]));
        queue.sort_by_key(|at| !self.items[*at].urgent);
        queue
    }
}
