//! Random calls, each judged by the reference.

use std::cell::Cell;
use std::collections::BTreeMap;

use rand::Rng as _;
use rand::rngs::StdRng;
use tonic::{Code, Status};

use crate::bench::Bench;
use crate::entry::{Draft, Entry, Parts};
use crate::facts::{Call, Class, Owner, Person, Tables};
use crate::reference::expected;
use crate::things::{Kind, Thing};

/// What a method's share of calls should be like.
const WISHES: [Option<Class>; 5] =
    [Some(Class::Allowed), Some(Class::NotFound), Some(Class::Denied), Some(Class::Allowed), None];
/// Drafts looked at before a wish is given up.
const DRAFTS: usize = 400;

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    Ok,
    /// Refused for arguments or a state, behind all checks of permissions.
    Behind,
    NotFound,
    Denied,
    Unauthenticated,
    /// Nothing that a call may be answered.
    Wrong,
}

impl Answer {
    fn of<T>(answer: &Result<T, Status>) -> Self {
        let Err(status) = answer else { return Self::Ok };
        match status.code() {
            Code::InvalidArgument | Code::FailedPrecondition | Code::Aborted | Code::OutOfRange => {
                Self::Behind
            }
            Code::NotFound => Self::NotFound,
            Code::PermissionDenied => Self::Denied,
            Code::Unauthenticated => Self::Unauthenticated,
            _ => Self::Wrong,
        }
    }

    pub(crate) fn class(self) -> Option<Class> {
        match self {
            Self::Ok | Self::Behind => Some(Class::Allowed),
            Self::NotFound => Some(Class::NotFound),
            Self::Denied => Some(Class::Denied),
            Self::Unauthenticated => Some(Class::Unauthenticated),
            Self::Wrong => None,
        }
    }
}

/// One call that was made, as far as the reference is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// An index of the world's people; `None` without a token.
    pub(crate) caller: Option<usize>,
    pub(crate) call: Call,
    pub(crate) answer: Answer,
}

/// A call whose answer is not the expected one.
#[derive(Clone, Debug)]
pub(crate) struct Disagreement {
    pub(crate) number: usize,
    pub(crate) text: String,
}

/// Everything that was done in one world.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) made: Vec<Made>,
    pub(crate) disagreements: Vec<Disagreement>,
}

/// Makes `calls` random calls in a world.
pub(crate) async fn drive(
    bench: &mut Bench,
    tables: &Tables,
    entries: &[&'static Entry],
    calls: usize,
    rng: &mut StdRng,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut turns: BTreeMap<&str, usize> = BTreeMap::new();
    for number in 0..calls {
        let entry = entries[number % entries.len()];
        let turn = turns.entry(entry.method).or_default();
        let wish = WISHES[*turn % WISHES.len()];
        *turn += 1;
        let (caller, draft) = choose(bench, tables, entry, wish, rng);
        let call = draft.call(entry.method);
        let person = caller.map(|at| bench.people[at].clone());
        let class = expected(tables, person.as_ref(), &call);
        // What is handed on is read from the arguments: wrong ones hide it.
        let is_spoiled = draft.handed.is_empty()
            && rng.random_bool(if wish == Some(Class::Allowed) { 0.05 } else { 0.2 });
        let (answer, status, is_right) =
            ask(bench, entry, person.as_ref(), &draft, class, is_spoiled, rng).await;
        if !is_right {
            let caller = person.map_or_else(|| "nobody".to_owned(), |person| person.to_string());
            let text = format!(
                "{caller}\n    calls {call}\n    expected {class:?}, got {answer:?}: {status}"
            );
            outcome.disagreements.push(Disagreement { number, text });
        }
        outcome.made.push(Made { caller, call, answer });
    }
    outcome
}

/// Somebody and a call of theirs that is expected to be answered as wished, if there is one.
fn choose(
    bench: &Bench,
    tables: &Tables,
    entry: &Entry,
    wish: Option<Class>,
    rng: &mut StdRng,
) -> (Option<usize>, Draft) {
    let mut last = None;
    for _ in 0..DRAFTS {
        let caller = bench.caller(rng);
        let person = caller.map(|at| &bench.people[at]);
        let Some(draft) = entry.draw(bench, person, rng) else { continue };
        let class = expected(tables, person, &draft.call(entry.method));
        let fits = wish.is_none_or(|wish| {
            class == wish && (wish != Class::Allowed || (entry.is_certain)(&draft))
        });
        if fits {
            return (caller, draft);
        }
        last = Some((caller, draft));
    }
    last.unwrap_or_else(|| panic!("{} has no possible request", entry.method))
}

async fn ask(
    bench: &mut Bench,
    entry: &Entry,
    person: Option<&Person>,
    draft: &Draft,
    class: Class,
    is_spoiled: bool,
    rng: &mut StdRng,
) -> (Answer, String, bool) {
    let is_allowed = class == Class::Allowed;
    let caller = person.map(|person| person.user.clone()).unwrap_or_default();
    // A team's only admin cannot leave it.
    let may_stay = entry.method.ends_with("/LeaveTeam") && bench.keeps_a_team(&caller);
    let mut is_certain = is_allowed && !may_stay && (entry.is_certain)(draft);
    let (mut names, mut items, mut etags) = (Vec::new(), Vec::new(), Vec::new());
    for pick in &draft.picks {
        let Some(pick) = pick else {
            names.push(String::new());
            items.push(None);
            etags.push(String::new());
            continue;
        };
        let asked = Asked { draft, pick, is_allowed, caller: &caller };
        let found = named(bench, asked, &mut is_certain, rng).await;
        // A name that nothing has must not stand for one that the reference believes in.
        assert!(found.is_some() || pick.is_absent_or_new(), "{}: {pick:?}", entry.method);
        etags.push(found.as_ref().map_or_else(String::new, |thing| thing.etag.clone()));
        items.push(found.as_ref().and_then(|thing| thing.item.clone()));
        names.push(
            found.map_or_else(|| crate::bench::Bench::absent(pick.field.kind), |thing| thing.name),
        );
    }
    let diff = change_for(bench, draft);
    let path = match entry.method {
        "agent.v1.RepositoryService/RegisterRepository" => {
            folder_for(bench, draft, &mut is_certain)
        }
        _ => String::new(),
    };
    let has_spoiled = Cell::new(false);
    bench.made += 1;
    let number = bench.made;
    let parts = Parts { draft, names, items, etags, number, diff, path, is_spoiled, has_spoiled };
    let bytes = (entry.build)(&parts);
    let is_spoiled = parts.has_spoiled.get();
    let mut line = match person {
        Some(person) => bench.line(&person.user).clone(),
        None => bench.line(&bench.people[0].user).without_token(),
    };
    if entry.method.starts_with("admin.") {
        line = line.over(bench.operators.clone());
    }
    let answer = send(&line, entry.method, bytes).await;
    let status = answer
        .as_ref()
        .err()
        .map_or_else(String::new, |status| format!("{:?} {}", status.code(), status.message()));
    let answer = Answer::of(&answer);
    if let (Answer::Ok, Some(person), true) = (answer, person, entry.method.ends_with("/LeaveTeam"))
    {
        bench.rejoins(person).await;
    }
    if answer == Answer::Ok {
        let used_up = [Kind::SpareSession, Kind::SpareWorkflow, Kind::SpareComment];
        for (field, name) in entry.fields.iter().zip(&parts.names) {
            let known = bench.things.iter_mut().find(|thing| thing.name == *name);
            let Some(known) = known else { continue };
            if used_up.contains(&field.kind) {
                known.is_over = true;
            } else if field.kind == Kind::ToUndelete {
                known.is_over = false;
            }
        }
    }
    let is_right = match answer {
        Answer::Ok => is_allowed && !is_spoiled,
        Answer::Behind => is_allowed && (is_spoiled || !is_certain),
        other => other.class() == Some(class),
    };
    (answer, status, is_right)
}

/// Sends a call; one that met another change of the policy is sent again.
async fn send(
    line: &testkit::world::Person,
    method: &str,
    bytes: Vec<u8>,
) -> Result<Vec<u8>, Status> {
    let path = format!("elohim.{method}");
    let mut tries = 3;
    loop {
        tries -= 1;
        let answer = line.sends(&path, bytes.clone()).await;
        let is_busy = |status: &Status| {
            status.code() == Code::Unavailable
                || (status.code() == Code::Aborted && !status.message().contains("etag"))
        };
        match answer {
            Err(status) if tries > 0 && is_busy(&status) => {}
            other => return other,
        }
    }
}

/// A name that is looked for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    draft: &'a Draft,
    pick: &'a crate::entry::Pick,
    is_allowed: bool,
    caller: &'a str,
}

/// The thing that a pick stands for: a fresh one where the call would use it up.
async fn named(
    bench: &mut Bench,
    asked: Asked<'_>,
    is_certain: &mut bool,
    rng: &mut StdRng,
) -> Option<Thing> {
    let Asked { draft, pick, is_allowed, caller } = asked;
    let kind = pick.field.kind;
    if pick.over.is_some() {
        *is_certain &= kind == Kind::Workflow;
        return pick.over.clone();
    }
    let owner = pick.owner.as_ref()?;
    match (kind, owner) {
        (Kind::Tenant | Kind::Home | Kind::Team | Kind::Switch, Owner::Team(team)) => {
            return Some(Thing::new(Kind::Team, team, owner));
        }
        (Kind::ToUpdateTeam, Owner::Team(team)) if !is_allowed => {
            return Some(Thing::new(Kind::Team, team, owner));
        }
        (Kind::Tenant | Kind::Home | Kind::Switch, _) => {
            return Some(Thing::new(Kind::Tenant, "", owner));
        }
        (Kind::User, Owner::Person(user)) => return Some(Thing::new(kind, user, owner)),
        _ => {}
    }
    let role = draft.handed.first().and_then(|handed| handed.role.as_deref());
    if let Some(found) = bench.in_team(kind, owner, role, caller).await {
        return Some(found);
    }
    let about = pick.about.as_ref();
    // Its etag is judged before what it hands on.
    let is_fresh = is_allowed || kind == Kind::ToUpdateRole;
    if is_fresh && kind != kind.base() {
        if let Some(made) = bench.make(kind, owner, about, caller).await {
            return Some(made);
        }
        *is_certain = false;
    }
    let fits = |thing: &&Thing| !thing.is_over && thing.about.as_ref() == about;
    let live: Vec<_> = bench.of(kind, owner).filter(fits).cloned().collect();
    rand::seq::IndexedRandom::choose(&live[..], rng).cloned().or_else(|| {
        *is_certain = false;
        bench.pick(rng, kind, owner, about)
    })
}

fn change_for(bench: &mut Bench, draft: &Draft) -> String {
    let named = draft.picks.iter().flatten().find(|pick| pick.field.kind == Kind::Repository);
    let owner = named.and_then(|pick| pick.owner.clone());
    owner
        .and_then(|owner| bench.diff(&owner))
        .unwrap_or_else(|| "--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-a\n+b\n".to_owned())
}

fn folder_for(bench: &mut Bench, draft: &Draft, is_certain: &mut bool) -> String {
    let folder = draft.owner(0).cloned().and_then(|owner| bench.unregistered(&owner));
    folder.map_or_else(
        || {
            *is_certain = false;
            "/nowhere".to_owned()
        },
        |repo| repo.dir.display().to_string(),
    )
}
