//! One entry for each method: what its requests name, and how one is put together.
//!
//! A new method is one more line in one of the tables below this module.

use std::cell::Cell;

use api::permissions::Visibility;
use api::workflow::WorkItem;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::bench::Bench;
use crate::facts::{Call, Handed, Named, Need, Owner, Person};
use crate::things::{Kind, Thing};

/// What a request may name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) kind: Kind,
    pub(crate) need: Need,
    /// What is needed on the repository that the thing is about.
    pub(crate) need_about: Option<Need>,
    pub(crate) metadata: bool,
    pub(crate) late: bool,
    /// How often, of a hundred times.
    pub(crate) share: u32,
    /// What is out of use counts as absent.
    pub(crate) is_gone_when_over: bool,
}

/// The row's permission on it.
pub(crate) const fn on(kind: Kind) -> Field {
    Field {
        kind,
        need: Need::Row,
        need_about: None,
        metadata: false,
        late: false,
        share: 100,
        is_gone_when_over: false,
    }
}

/// It must be visible.
pub(crate) const fn seen(kind: Kind) -> Field {
    on(kind).with(Need::Sight)
}

/// It is looked for last, in the team that the first field names.
pub(crate) const fn late(kind: Kind) -> Field {
    Field { late: true, ..seen(kind) }
}

impl Field {
    pub(crate) const fn with(self, need: Need) -> Self {
        Self { need, ..self }
    }

    pub(crate) const fn share(self, share: u32) -> Self {
        Self { share, ..self }
    }

    pub(crate) const fn about(self, need: Need) -> Self {
        Self { need_about: Some(need), ..self }
    }

    /// Those who keep the directory see it too.
    pub(crate) const fn metadata(self) -> Self {
        Self { metadata: true, ..self }
    }

    pub(crate) const fn unless_over(self) -> Self {
        Self { is_gone_when_over: true, ..self }
    }
}

/// Stands for the name of something that is made when the call is.
const NEW: &str = "a new one";

/// What was drawn for one field.
#[derive(Clone, Debug)]
pub(crate) struct Pick {
    pub(crate) field: Field,
    /// `None`: an absent one.
    pub(crate) owner: Option<Owner>,
    pub(crate) about: Option<Owner>,
    /// A thing that is there and over.
    pub(crate) over: Option<Thing>,
}

impl Pick {
    /// Whether nothing needs to be there before the call.
    pub(crate) fn is_absent_or_new(&self) -> bool {
        match &self.owner {
            Some(Owner::Team(name) | Owner::Person(name)) => name == NEW,
            Some(Owner::Global) => false,
            None => true,
        }
    }
}

/// A call in the making.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// By field; `None` where nothing is named.
    pub(crate) picks: Vec<Option<Pick>>,
    /// What the call would let somebody have, or take.
    pub(crate) handed: Vec<Handed>,
    pub(crate) is_apart: bool,
    /// A number that the entry's own choices come from.
    pub(crate) dice: u32,
}

/// One method.
pub(crate) struct Entry {
    pub(crate) method: &'static str,
    pub(crate) fields: &'static [Field],
    /// Further conditions on what was drawn; an impossible draft is dropped.
    pub(crate) adjust: fn(&mut Draft) -> bool,
    /// Chooses what the call hands on.
    pub(crate) hand: fn(&mut Draft, &Bench, &mut StdRng),
    pub(crate) build: fn(&Parts<'_>) -> Vec<u8>,
    /// Whether a call that may be made is sure to succeed.
    pub(crate) is_certain: fn(&Draft) -> bool,
    /// Why one of the three answers cannot occur.
    pub(crate) never_denied: Option<&'static str>,
    pub(crate) never_not_found: Option<&'static str>,
}

impl Entry {
    pub(crate) const fn new(
        method: &'static str,
        fields: &'static [Field],
        build: fn(&Parts<'_>) -> Vec<u8>,
    ) -> Self {
        Self {
            method,
            fields,
            adjust: |_| true,
            hand: |_, _, _| {},
            build,
            is_certain: |_| true,
            never_denied: None,
            never_not_found: None,
        }
    }

    pub(crate) const fn adjusted(self, adjust: fn(&mut Draft) -> bool) -> Self {
        Self { adjust, ..self }
    }

    pub(crate) const fn handing(self, hand: fn(&mut Draft, &Bench, &mut StdRng)) -> Self {
        Self { hand, ..self }
    }

    pub(crate) const fn certain(self, is_certain: fn(&Draft) -> bool) -> Self {
        Self { is_certain, ..self }
    }

    pub(crate) const fn never_denied(self, why: &'static str) -> Self {
        Self { never_denied: Some(why), ..self }
    }

    pub(crate) const fn never_not_found(self, why: &'static str) -> Self {
        Self { never_not_found: Some(why), ..self }
    }

    /// What somebody's call of this method may be like.
    pub(crate) fn draw(
        &self,
        bench: &Bench,
        caller: Option<&Person>,
        rng: &mut StdRng,
    ) -> Option<Draft> {
        let mut picks = Vec::with_capacity(self.fields.len());
        for field in self.fields {
            let is_named = rng.random_ratio(field.share, 100);
            picks.push(if is_named { Some(pick(*field, bench, caller, rng)?) } else { None });
        }
        let mut draft = Draft { picks, handed: Vec::new(), is_apart: false, dice: rng.random() };
        draft.place_late();
        (self.hand)(&mut draft, bench, rng);
        (self.adjust)(&mut draft).then_some(draft)
    }
}

fn pick(field: Field, bench: &Bench, caller: Option<&Person>, rng: &mut StdRng) -> Option<Pick> {
    let absent = Pick { field, owner: None, about: None, over: None };
    if rng.random_bool(0.12) {
        return Some(absent);
    }
    let owner = match field.kind {
        Kind::Tenant => {
            let mut owners: Vec<_> = bench.teams.iter().cloned().map(Owner::Team).collect();
            owners.extend(caller.map(|person| Owner::Person(person.user.clone())));
            owners.push(Owner::Global);
            (owners.choose(rng)?.clone(), None)
        }
        Kind::Home => {
            let homes = bench.roots.keys().filter(|owner| match owner {
                Owner::Person(user) => caller.is_some_and(|person| person.user == *user),
                _ => true,
            });
            (homes.collect::<Vec<_>>().choose(rng).map(|owner| (*owner).clone())?, None)
        }
        Kind::Switch if rng.random_bool(0.4) => (Owner::Global, None),
        Kind::Team | Kind::Switch | Kind::ToUpdateTeam | Kind::ToUnassign => {
            (Owner::Team(bench.teams.choose(rng)?.clone()), None)
        }
        Kind::SpareTeam => (Owner::Team(NEW.to_owned()), None),
        Kind::SpareUser | Kind::ToUpdateUser => (Owner::Person(NEW.to_owned()), None),
        Kind::User => (Owner::Person(bench.people.choose(rng)?.user.clone()), None),
        // Where it is, or is not, is said by the first field.
        Kind::Member | Kind::SpareMember | Kind::Grantable | Kind::Newcomer => {
            (Owner::Global, None)
        }
        kind => {
            let mut owners = bench.owners(kind);
            // In what is one's own alone, nobody else can have made what one decides about.
            owners
                .retain(|(owner, _)| kind != Kind::ToDecide || !matches!(owner, Owner::Person(_)));
            let near: Vec<_> = owners.iter().filter(|(owner, _)| is_near(caller, owner)).collect();
            match near.choose(rng) {
                Some(owner) if rng.random_bool(0.6) => (*owner).clone(),
                _ => owners.choose(rng)?.clone(),
            }
        }
    };
    let mut pick = Pick { owner: Some(owner.0), about: owner.1, ..absent };
    let thing = bench.pick(rng, field.kind, pick.owner.as_ref()?, pick.about.as_ref());
    pick.over = thing.filter(|thing| thing.is_over);
    if field.is_gone_when_over && pick.over.is_some() {
        pick.owner = None;
    }
    Some(pick)
}

fn is_near(caller: Option<&Person>, owner: &Owner) -> bool {
    caller.is_some_and(|person| match owner {
        Owner::Team(team) => person.held.iter().any(|held| held.place == *team),
        Owner::Person(user) => person.user == *user,
        Owner::Global => true,
    })
}

impl Draft {
    /// What is looked for last is looked for in the team that the first field names.
    fn place_late(&mut self) {
        let team = self.owner(0).cloned();
        for pick in self.picks.iter_mut().flatten().filter(|pick| pick.field.late) {
            pick.owner = pick.owner.take().and(team.clone());
        }
    }

    /// `teams/{uuid}` of the team that the first field names.
    pub(crate) fn team(&self) -> Option<&str> {
        match self.owner(0)? {
            Owner::Team(team) => Some(team),
            _ => None,
        }
    }

    /// What is handed on need not be held by who hands it on.
    pub(crate) fn handed_apart(&mut self) {
        self.is_apart = true;
    }

    pub(crate) fn set_kind(&mut self, at: usize, kind: Kind, owner: Owner) {
        if let Some(Some(pick)) = self.picks.get_mut(at) {
            pick.field.kind = kind;
            pick.owner = Some(owner);
        }
    }

    pub(crate) fn has(&self, at: usize) -> bool {
        self.picks.get(at).is_some_and(Option::is_some)
    }

    pub(crate) fn owner(&self, at: usize) -> Option<&Owner> {
        self.picks.get(at)?.as_ref()?.owner.as_ref()
    }

    pub(crate) fn set_need(&mut self, at: usize, need: Need) {
        if let Some(Some(pick)) = self.picks.get_mut(at) {
            pick.field.need = need;
        }
    }

    /// What the session's own repository needs, when nothing else says which repository.
    pub(crate) fn set_need_about(&mut self, at: usize, need: Option<Need>) {
        if let Some(Some(pick)) = self.picks.get_mut(at) {
            pick.field.need_about = need;
        }
    }

    /// As the reference sees it.
    pub(crate) fn call(&self, method: &str) -> Call {
        let mut names = Vec::new();
        for pick in self.picks.iter().flatten() {
            let Field { kind, need, need_about, metadata, late, .. } = pick.field;
            let owner = pick.owner.clone();
            names.push(Named { what: format!("{kind:?}"), owner, need, metadata, late });
            if let (Some(need), Some(about)) = (need_about, &pick.about) {
                let (what, owner) = ("Repository of it".to_owned(), Some(about.clone()));
                names.push(Named { what, owner, need, metadata: false, late: false });
            }
        }
        let handed = if self.is_apart { Vec::new() } else { self.handed.clone() };
        Call { method: method.to_owned(), names, handed }
    }
}

/// What a request is put together from.
pub(crate) struct Parts<'a> {
    pub(crate) draft: &'a Draft,
    /// By field; empty where nothing is named.
    pub(crate) names: Vec<String>,
    pub(crate) items: Vec<Option<WorkItem>>,
    pub(crate) etags: Vec<String>,
    /// Another one for each call.
    pub(crate) number: usize,
    /// A change that fits the repository that is named, or any.
    pub(crate) diff: String,
    /// A folder that may be registered.
    pub(crate) path: String,
    pub(crate) is_spoiled: bool,
    /// Whether the request has an argument that is wrong.
    pub(crate) has_spoiled: Cell<bool>,
}

impl Parts<'_> {
    pub(crate) fn name(&self, at: usize) -> String {
        self.names[at].clone()
    }

    /// The item that is named, or one that has nothing but the name.
    pub(crate) fn item(&self, at: usize) -> WorkItem {
        let known = self.items[at].clone().unwrap_or_default();
        WorkItem { name: self.name(at), ..known }
    }

    pub(crate) fn etag(&self, at: usize) -> String {
        self.etags[at].clone()
    }

    /// A short name that nothing else has.
    pub(crate) fn slug(&self) -> String {
        format!("made-{}-{}", self.number, self.draft.dice)
    }

    /// One in so many calls.
    pub(crate) fn one_in(&self, many: u32) -> bool {
        self.draft.dice.is_multiple_of(many)
    }

    pub(crate) fn request_id(&self) -> String {
        if self.is_spoiled {
            self.has_spoiled.set(true);
            return "not a uuid".to_owned();
        }
        String::new()
    }

    pub(crate) fn page_size(&self) -> i32 {
        if self.is_spoiled {
            self.has_spoiled.set(true);
            return -1;
        }
        0
    }

    /// `visibility` and `team` that say whom something is for.
    pub(crate) fn owner(&self, at: usize) -> (i32, String) {
        let Some(Some(pick)) = self.draft.picks.get(at) else {
            return (Visibility::Unspecified.into(), String::new());
        };
        match &pick.owner {
            Some(Owner::Person(_)) => (Visibility::Personal.into(), String::new()),
            Some(Owner::Global) => (Visibility::Global.into(), String::new()),
            _ => (Visibility::Team.into(), self.name(at)),
        }
    }
}
