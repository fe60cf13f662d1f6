//! Answers to "who may do what, and why".
//!
//! **Invariant:** answers are made from the newest policy: before each, the stored epoch is
//! compared. What is explained is what decides: the levels a caller is checked with, taken
//! apart into the roles they come from.

use permissions::{Caller, HeldRole, Key, Level, Levels, Role, SYSTEM_ROLES, TEAM_ROLES, TeamRead};
use primitives::{Checked, InvalidArgs, Tenant, Timestamp, UserId};

use super::DirectoryDeps;
use crate::DirectoryError;
use crate::store::StoreError;

/// What grants a permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroundRole {
    /// The base role that every active user has.
    Base,
    /// A role that is held, with its short name.
    Held(Role, String),
}

/// One thing that grants a permission somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    pub role: GroundRole,
    /// On whose rows; `None` for what counts beside all owners.
    pub place: Option<Tenant>,
    pub level: Level,
    pub expires_at: Option<Timestamp>,
}

/// A permission asked for, in one place or (`None`) anywhere.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub key: Key,
    pub level: Level,
    pub place: Option<Tenant>,
}

/// What decides a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub allowed: bool,
    pub held: Level,
    /// Highest first.
    pub grounds: Vec<Ground>,
    /// Standard roles that would grant it, lowest first, when it is not held.
    pub missing: Vec<&'static str>,
    /// The same in one line, for people.
    pub reason: String,
}

/// Questions about permissions.
#[derive(Clone)]
pub struct Questions {
    deps: DirectoryDeps,
}

impl Questions {
    pub fn new(deps: DirectoryDeps) -> Self {
        Self { deps }
    }

    /// Answers questions about the caller, all of them from one policy. Places are looked at
    /// first: a team that he does not see is not found, whatever else is asked.
    #[tracing::instrument(
        name = "permissions.check",
        skip_all,
        fields(user.id = %caller.user()),
        err(level = "debug")
    )]
    pub async fn check(
        &self,
        caller: &Caller,
        places: Checked<Vec<Option<Tenant>>>,
        questions: Checked<Vec<Question>>,
    ) -> Result<Vec<Standing>, DirectoryError> {
        let caller = self.newest(caller).await?;
        for place in places?.into_iter().flatten() {
            seen(&caller, place)?;
        }
        Ok(questions?.into_iter().map(|question| self.standing(&caller, question)).collect())
    }

    /// What decides a question about the caller or about a member of a team he manages.
    #[tracing::instrument(
        name = "permissions.explain",
        skip_all,
        fields(user.id = %caller.user()),
        err(level = "debug")
    )]
    pub async fn explain(
        &self,
        caller: &Caller,
        about: Option<UserId>,
        place: Checked<Option<Tenant>>,
        question: Checked<(Key, Level)>,
    ) -> Result<Standing, DirectoryError> {
        let place = place?;
        let whom = self.whom(caller, about, place).await?;
        let (key, level) = question?;
        Ok(self.standing(&whom, Question { key, level, place }))
    }

    /// Everything held in one place, by key.
    #[tracing::instrument(
        name = "permissions.list_effective",
        skip_all,
        fields(user.id = %caller.user()),
        err(level = "debug")
    )]
    pub async fn effective(
        &self,
        caller: &Caller,
        about: Option<UserId>,
        place: Checked<Option<Tenant>>,
    ) -> Result<Vec<(Key, Standing)>, DirectoryError> {
        let place = place?;
        let whom = self.whom(caller, about, place).await?;
        let place = Some(place.unwrap_or(Tenant::Person(whom.user())));
        let mut keys = Key::ALL.to_vec();
        keys.sort_by_key(|key| key.name());
        let standings = keys
            .into_iter()
            .map(|key| (key, self.standing(&whom, Question { key, level: Level::Read, place })));
        Ok(standings.filter(|(_, standing)| standing.held != Level::None).collect())
    }

    /// The caller with the rights of the newest policy.
    async fn newest(&self, caller: &Caller) -> Result<Caller, DirectoryError> {
        let caught_up = self.deps.authorizer.catch_up().await;
        caught_up.map_err(|error| StoreError::Unavailable(error.0))?;
        let newest = self.deps.authorizer.caller_of(caller.user(), caller.request_id());
        // Deactivated a moment ago: the call is asked again, and refused at the door.
        Ok(newest.ok_or(StoreError::PolicyMoved(self.deps.authorizer.epoch()))?)
    }

    /// Whom a question is about, as far as the caller may ask about him.
    async fn whom(
        &self,
        caller: &Caller,
        about: Option<UserId>,
        place: Option<Tenant>,
    ) -> Result<Caller, DirectoryError> {
        let caller = self.newest(caller).await?;
        if let Some(place) = place {
            seen(&caller, place)?;
        }
        let Some(about) = about.filter(|user| *user != caller.user()) else { return Ok(caller) };
        let Some(Tenant::Team(team)) = place else {
            let text = "is required when the question is about somebody else";
            return Err(InvalidArgs::new("team", text).into());
        };
        caller.require::<TeamRead>()?.admit_in(Tenant::Team(team))?;
        let whom = self.deps.authorizer.caller_of(about, caller.request_id());
        let member = |whom: &Caller| whom.teams().iter().any(|held| held.team == team);
        whom.filter(member).ok_or(DirectoryError::NotFound("USER"))
    }

    fn standing(&self, whom: &Caller, question: Question) -> Standing {
        let Question { key, level, place } = question;
        let mut grounds = self.grounds(whom, key, place);
        grounds.retain(|ground| ground.level != Level::None);
        // Stable, so that teams stay in their order.
        grounds.sort_by_key(|ground| std::cmp::Reverse(ground.level));
        let held = grounds.first().map(|ground| ground.level).unwrap_or_default();
        let allowed = held >= level;
        let missing = if allowed { Vec::new() } else { self.would_grant(key, level, place) };
        let reason = reason(key, held, &grounds);
        Standing { allowed, held, grounds, missing, reason }
    }

    fn grounds(&self, whom: &Caller, key: Key, place: Option<Tenant>) -> Vec<Ground> {
        let asked = |tenant| place.is_none_or(|place| place == tenant);
        let mut grounds = Vec::new();
        for membership in whom.teams() {
            let tenant = Tenant::Team(membership.team);
            if asked(tenant) {
                let held = |held: &HeldRole| by_role(held, held.levels, key, Some(tenant));
                grounds.extend(membership.roles.iter().map(held));
            }
        }
        let own = Tenant::Person(whom.user());
        if asked(own) {
            grounds.push(base(whom.levels_in(own), key, own));
        }
        if asked(Tenant::Global) {
            let table = self.deps.authorizer.roles();
            grounds.push(base(table.grants("base-global"), key, Tenant::Global));
            for held in whom.system_roles() {
                grounds.push(by_role(held, held.levels, key, None));
                if held.levels.has(Key::GlobalManage, Level::Admin) {
                    let stands_for = table.grants("global-manager");
                    grounds.push(by_role(held, stands_for, key, Some(Tenant::Global)));
                }
            }
        }
        grounds
    }

    /// Standard roles that grant a permission where it is asked for.
    fn would_grant(&self, key: Key, level: Level, place: Option<Tenant>) -> Vec<&'static str> {
        let table = self.deps.authorizer.roles();
        let roles: &[&'static str] = match place {
            Some(Tenant::Team(_)) | None if !key.is_system() => &TEAM_ROLES,
            Some(Tenant::Global) | None => &SYSTEM_ROLES,
            _ => &[],
        };
        let stands_for = table.grants("global-manager");
        let grants = |role: &&&str| {
            let levels = table.grants(role);
            levels.has(key, level)
                || (place == Some(Tenant::Global)
                    && levels.has(Key::GlobalManage, Level::Admin)
                    && stands_for.has(key, level))
        };
        roles.iter().filter(grants).copied().collect()
    }
}

fn seen(caller: &Caller, place: Tenant) -> Result<(), DirectoryError> {
    if caller.scope().sees(place) { Ok(()) } else { Err(DirectoryError::NotFound("TEAM")) }
}

fn by_role(held: &HeldRole, levels: Levels, key: Key, place: Option<Tenant>) -> Ground {
    Ground {
        role: GroundRole::Held(held.role.clone(), held.name.clone()),
        place,
        level: levels.of(key),
        expires_at: held.expires_at,
    }
}

fn base(levels: Levels, key: Key, place: Tenant) -> Ground {
    Ground { role: GroundRole::Base, place: Some(place), level: levels.of(key), expires_at: None }
}

fn reason(key: Key, held: Level, grounds: &[Ground]) -> String {
    if grounds.is_empty() {
        return format!("no role held there grants {key}");
    }
    let from: Vec<_> = grounds.iter().map(ground).collect();
    format!("{key} {} by {}", held.name(), from.join(", "))
}

fn ground(ground: &Ground) -> String {
    match (&ground.role, ground.place) {
        (GroundRole::Base, Some(Tenant::Person(_))) => {
            "the base role on what is one's own".to_owned()
        }
        (GroundRole::Base, _) => "the base role on what is everyone's".to_owned(),
        (GroundRole::Held(_, name), Some(Tenant::Team(team))) => {
            format!("the role {name} in {team}")
        }
        (GroundRole::Held(_, name), _) => format!("the system role {name}"),
    }
}
