//! What is true in a world, as plain data: who holds what where, and whose things are.
//!
//! **Invariant:** nothing here comes from an answer of the server under test; names are the
//! only thing that the server chose.

use std::collections::BTreeMap;
use std::fmt;

/// Keys with levels: 0 is none, 1 READ, 2 WRITE, 3 ADMIN.
pub(crate) type Levels = BTreeMap<String, u8>;

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// `teams/{uuid}`.
    Team(String),
    /// `users/{uuid}`.
    Person(String),
    Global,
}

/// One role that somebody was given.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// `teams/{uuid}`, or `system`.
    pub(crate) place: String,
    /// A line of [`Tables::roles`].
    pub(crate) role: String,
    /// It ended on its own.
    pub(crate) ended: bool,
}

/// Somebody who calls.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// The token's subject.
    pub(crate) name: String,
    /// `users/{uuid}`.
    pub(crate) user: String,
    pub(crate) active: bool,
    pub(crate) may_apply: bool,
    pub(crate) held: Vec<Held>,
}

impl Owner {
    /// Where what holds system-wide is held.
    pub(crate) fn system() -> Self {
        Self::Team("system".to_owned())
    }
}

impl Person {
    /// Roles that have not ended.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().filter(|held| !held.ended)
    }

    /// Everywhere that something can be held.
    pub(crate) fn places(&self) -> Vec<Owner> {
        let held = self.live().map(|held| Owner::Team(held.place.clone()));
        held.chain([Owner::Person(self.user.clone()), Owner::Global]).collect()
    }
}

/// What a call needs on something that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// To see it.
    Sight,
    /// The row's permission, where it belongs.
    Row,
    /// What the row has in brackets, where it belongs.
    Brackets,
    /// Either of them.
    RowOrBrackets,
    /// Both of them.
    RowAndBrackets,
}

/// Something that a call names.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// For reports.
    pub(crate) what: String,
    /// `None`: there is no such thing.
    pub(crate) owner: Option<Owner>,
    pub(crate) need: Need,
    /// Shown as metadata to those who keep the directory or help people.
    pub(crate) metadata: bool,
    /// Looked for where the call may be made, and no sooner: who is in a team, and what can be
    /// given there, is not told to others.
    pub(crate) late: bool,
}

/// What a call would let somebody have, or takes away: nobody does that above their own.
#[derive(Clone, Debug)]
pub(crate) struct Handed {
    /// `teams/{uuid}`, or `system`.
    pub(crate) place: String,
    /// A line of [`Tables::roles`], or `None` with `levels`.
    pub(crate) role: Option<String>,
    pub(crate) levels: Levels,
}

/// One call, as far as who may make it is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// As in `agent.v1.RunService/GetRun`.
    pub(crate) method: String,
    pub(crate) names: Vec<Named>,
    pub(crate) handed: Vec<Handed>,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Unauthenticated,
    Denied,
    NotFound,
    /// It may be made: done, or refused for its arguments or a state.
    Allowed,
}

/// One row of the access table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Key and level; `any` for everybody.
    pub(crate) own: (String, u8),
    /// Permissions in the brackets of `checked_on`.
    pub(crate) brackets: Vec<(String, u8)>,
    /// Who holds one of these somewhere may call: the row's own, and those in brackets that
    /// name a further way in rather than a further condition.
    pub(crate) ways: Vec<(String, u8)>,
}

impl Row {
    /// Another permission instead of all that the row says.
    pub(crate) fn set(&mut self, key: &str, level: u8) {
        self.own = (key.to_owned(), level);
        self.ways = vec![self.own.clone()];
        self.brackets.clear();
    }
}

/// What the reference reads.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// By method.
    pub(crate) access: BTreeMap<String, Row>,
    /// By role: the standard ones, `personal` and `global` for the base role, and the world's
    /// own.
    pub(crate) roles: BTreeMap<String, Levels>,
}

const ACCESS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/access.csv");
const ROLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/worlds/roles.csv");
/// How brackets say that they name a further way in.
const FURTHER_WAYS: [&str; 4] = ["every team", "a team:", "may appoint", "its creator"];
const LEVELS: [&str; 4] = ["-", "READ", "WRITE", "ADMIN"];

impl Tables {
    /// Reads `proto/access.csv` and the table of roles beside this file.
    pub(crate) fn read() -> Result<Self, csv::Error> {
        let mut tables = Self { access: BTreeMap::new(), roles: BTreeMap::new() };
        for row in csv::Reader::from_path(ACCESS)?.records() {
            let row = row?;
            let method = format!("{}.v1.{}/{}", &row[0], &row[1], &row[2]);
            let words = row[5].split_once('(').map_or("", |(_, inside)| inside);
            let own = (row[3].to_owned(), level_of(&row[4]));
            let brackets = permissions_in(words, own.1);
            let is_further_way = FURTHER_WAYS.iter().any(|way| words.contains(way));
            let further = brackets.iter().filter(|_| is_further_way).cloned();
            let ways = std::iter::once(own.clone()).chain(further).collect();
            let parsed = Row { own, brackets, ways };
            tables.access.insert(method, parsed);
        }
        let mut roles = csv::Reader::from_path(ROLES)?;
        let heads: Vec<String> = roles.headers()?.iter().map(str::to_owned).collect();
        for row in roles.records() {
            let row = row?;
            for (role, level) in heads.iter().zip(row.iter()).skip(1) {
                let levels = tables.roles.entry(role.clone()).or_default();
                levels.insert(row[0].to_owned(), level_of(level));
            }
        }
        Ok(tables)
    }
}

/// The level of a word.
pub(crate) fn level_of(word: &str) -> u8 {
    let at = LEVELS.iter().position(|known| *known == word.trim());
    u8::try_from(at.unwrap_or_else(|| panic!("{word:?} is no level"))).unwrap_or_default()
}

/// Words as in `directory.manage READ`; without a level the row's own.
fn permissions_in(text: &str, level: u8) -> Vec<(String, u8)> {
    let words: Vec<&str> = text.split([' ', ':', ')', '(', ',']).collect();
    let keys = words.iter().enumerate().filter(|(_, word)| word.contains('.'));
    keys.map(|(at, word)| {
        let next = words.get(at + 1).filter(|next| LEVELS.contains(next));
        ((*word).to_owned(), next.map_or(level, |next| level_of(next)))
    })
    .collect()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Team(name) | Self::Person(name) => f.write_str(name),
            Self::Global => f.write_str("global"),
        }
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.name, self.user)?;
        if !self.active {
            f.write_str(", deactivated")?;
        }
        if !self.may_apply {
            f.write_str(", may not apply")?;
        }
        for held in &self.held {
            let ended = if held.ended { ", ended" } else { "" };
            write!(f, "; {} in {}{ended}", held.role, held.place)?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method)?;
        for named in &self.names {
            match &named.owner {
                Some(owner) => write!(f, "; {} of {owner} ({:?})", named.what, named.need)?,
                None => write!(f, "; {} that is not there", named.what)?,
            }
        }
        for handed in &self.handed {
            let levels = &handed.levels;
            write!(f, "; hands on {:?} {levels:?} in {}", handed.role, handed.place)?;
        }
        Ok(())
    }
}
