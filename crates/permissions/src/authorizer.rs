//! Decides who may do what, without I/O per call.
//!
//! **Invariant:** what is in force here is one whole policy of one epoch, and only a newer one
//! replaces it. What each person may do is put together when the policy arrives, and again
//! when a role of his ends on its own; a check is two look-ups and a bit test.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use primitives::{Clock, RoleId, TeamId, Tenant, Timestamp, UserId};
use tokio::sync::Mutex;

use crate::caller::{Inner, Rights};
use crate::{
    Assignment, AssignmentScope, Caller, CustomRole, Denied, Grant, HeldRole, Key, Level, Levels,
    Membership, Permission, PolicyData, PolicySource, Role, RoleTable, RoleTableError, SourceError,
    UserKind, UserRecord,
};

/// The authorizer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The role table is broken.
    #[error(transparent)]
    Roles(#[from] RoleTableError),
    /// People and assignments cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Answers permission questions from an immutable snapshot of the policy.
pub struct Authorizer {
    roles: RoleTable,
    source: Arc<dyn PolicySource>,
    clock: Arc<dyn Clock>,
    policy: ArcSwap<Policy>,
    /// How many readings have begun…
    begun: AtomicU64,
    /// …one at a time, and the number of the last one that succeeded.
    succeeded: Mutex<u64>,
}

/// One epoch's people, indexed.
struct Policy {
    epoch: i64,
    roles: HashMap<RoleId, CustomRole>,
    users: HashMap<UserId, Person>,
    by_subject: HashMap<String, UserId>,
    by_certificate: HashMap<String, UserId>,
}

struct Person {
    record: UserRecord,
    assignments: Vec<Assignment>,
    /// Put together when the policy was indexed, at `from`; good until a role ends.
    rights: Arc<Rights>,
    from: Timestamp,
    until: Option<Timestamp>,
}

impl Authorizer {
    /// Loads the role table and the policy.
    pub async fn start(
        source: Arc<dyn PolicySource>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PolicyError> {
        let roles = RoleTable::load().await?;
        let policy = Policy::index(source.load_policy().await?, &roles, clock.now());
        Ok(Self {
            roles,
            source,
            clock,
            policy: ArcSwap::from_pointee(policy),
            begun: AtomicU64::new(0),
            succeeded: Mutex::new(0),
        })
    }

    /// The epoch in force here.
    pub fn epoch(&self) -> i64 {
        self.policy.load().epoch
    }

    /// The reviewed role table.
    pub fn roles(&self) -> &RoleTable {
        &self.roles
    }

    /// Reads the policy again; it replaces the old one whole, and only by a newer one.
    /// On failure the old one stays. Many who ask at once share one reading, which began
    /// after each of them asked.
    pub async fn refresh(&self) -> Result<(), SourceError> {
        let asked = self.begun.load(Ordering::Acquire);
        let mut succeeded = self.succeeded.lock().await;
        if *succeeded > asked {
            return Ok(());
        }
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let data = self.source.load_policy().await?;
        let fresh = Arc::new(Policy::index(data, &self.roles, self.clock.now()));
        self.policy.rcu(
            |current| {
                if fresh.epoch > current.epoch { fresh.clone() } else { current.clone() }
            },
        );
        *succeeded = number;
        Ok(())
    }

    /// Reads the policy again if a newer one is stored. Before somebody is refused by what is
    /// in force here, another replica may have been told otherwise.
    pub async fn catch_up(&self) -> Result<(), SourceError> {
        if self.source.stored_epoch().await? > self.epoch() { self.refresh().await } else { Ok(()) }
    }

    /// The active user that a token subject stands for.
    pub fn caller(&self, subject: &str, request_id: &str) -> Option<Caller> {
        let policy = self.policy.load();
        let user = *policy.by_subject.get(subject)?;
        self.caller_in(&policy, user, request_id)
    }

    /// The active user that a certificate's name stands for.
    pub fn caller_by_certificate(&self, name: &str, request_id: &str) -> Option<Caller> {
        let policy = self.policy.load();
        let user = *policy.by_certificate.get(name)?;
        self.caller_in(&policy, user, request_id)
    }

    /// The active user with this id, for work done on his behalf.
    pub fn caller_of(&self, user: UserId, request_id: &str) -> Option<Caller> {
        self.caller_in(&self.policy.load(), user, request_id)
    }

    /// Proof that the caller holds `P` somewhere.
    pub fn require<P: Permission>(&self, caller: &Caller) -> Result<Grant<P>, Denied> {
        caller.require()
    }

    /// Whether an active user holds `P` on rows of `tenant` now.
    pub fn allows<P: Permission>(&self, user: UserId, tenant: Tenant) -> bool {
        let policy = self.policy.load();
        let Some(person) = policy.users.get(&user).filter(|person| person.record.active) else {
            return false;
        };
        let now = self.clock.now();
        if person.is_current(now) {
            person.rights.holds::<P>(tenant)
        } else {
            policy.put_together(person, &self.roles, now).holds::<P>(tenant)
        }
    }

    /// Whether somebody has said to be away now.
    pub fn is_away(&self, user: UserId) -> bool {
        let policy = self.policy.load();
        let person = policy.users.get(&user);
        let until = person.and_then(|person| person.record.away_until);
        until.is_some_and(|until| until > self.clock.now())
    }

    /// Active people who hold `P` on rows of `tenant` now, by id: in a team those who hold the
    /// role of this name there; nobody elsewhere, where no roles are held.
    pub fn people_with<P: Permission>(&self, tenant: Tenant, role: &str) -> Vec<UserId> {
        let Tenant::Team(team) = tenant else { return Vec::new() };
        let policy = self.policy.load();
        let now = self.clock.now();
        let is_one = |person: &&Person| {
            let fresh;
            let rights = if person.is_current(now) {
                &*person.rights
            } else {
                fresh = policy.put_together(person, &self.roles, now);
                &fresh
            };
            let mut teams = rights.teams.iter().filter(|held| held.team == team);
            teams.any(|held| held.holds(role)) && rights.holds::<P>(tenant)
        };
        let people = policy
            .users
            .values()
            .filter(|person| person.record.active && person.record.kind == UserKind::Person);
        let mut found: Vec<_> = people.filter(is_one).map(|person| person.record.user).collect();
        found.sort_unstable();
        found
    }

    fn caller_in(&self, policy: &Policy, user: UserId, request_id: &str) -> Option<Caller> {
        let person = policy.users.get(&user).filter(|person| person.record.active)?;
        let now = self.clock.now();
        let rights = if person.is_current(now) {
            person.rights.clone()
        } else {
            Arc::new(policy.put_together(person, &self.roles, now))
        };
        Some(Caller(Arc::new(Inner {
            rights,
            epoch: policy.epoch,
            request_id: request_id.to_owned(),
            checked_at: now,
        })))
    }
}

fn live(assignments: &[Assignment], now: Timestamp) -> impl Iterator<Item = &Assignment> {
    assignments.iter().filter(move |held| held.expires_at.is_none_or(|end| end > now))
}

impl Person {
    /// Clocks may go back, too: then roles that had ended hold again.
    fn is_current(&self, now: Timestamp) -> bool {
        now >= self.from && self.until.is_none_or(|end| now < end)
    }
}

impl Policy {
    fn index(data: PolicyData, table: &RoleTable, now: Timestamp) -> Self {
        let mut held: HashMap<UserId, Vec<Assignment>> = HashMap::new();
        for assignment in data.assignments {
            held.entry(assignment.user).or_default().push(assignment);
        }
        let mut policy = Self {
            epoch: data.epoch,
            roles: data.roles.into_iter().map(|role| (role.id, role)).collect(),
            users: HashMap::with_capacity(data.users.len()),
            by_subject: HashMap::new(),
            by_certificate: HashMap::new(),
        };
        for record in data.users {
            let user = record.user;
            if let Some(subject) = &record.subject {
                policy.by_subject.insert(subject.clone(), user);
            }
            if let Some(name) = &record.certificate_name {
                policy.by_certificate.insert(name.clone(), user);
            }
            let assignments = held.remove(&user).unwrap_or_default();
            let until = live(&assignments, now).filter_map(|held| held.expires_at).min();
            let rights = Arc::new(policy.rights(&record, &assignments, table, now));
            policy.users.insert(user, Person { record, assignments, rights, from: now, until });
        }
        policy
    }

    fn put_together(&self, person: &Person, table: &RoleTable, now: Timestamp) -> Rights {
        self.rights(&person.record, &person.assignments, table, now)
    }

    fn rights(
        &self,
        record: &UserRecord,
        assignments: &[Assignment],
        table: &RoleTable,
        now: Timestamp,
    ) -> Rights {
        let mut teams: HashMap<TeamId, Membership> = HashMap::new();
        let mut system_roles = Vec::new();
        for assignment in live(assignments, now) {
            let held = self.held(assignment, table);
            match assignment.scope {
                AssignmentScope::System => system_roles.push(held),
                AssignmentScope::Team(team) => {
                    let none = || Membership { team, levels: Levels::NONE, roles: Vec::new() };
                    let entry = teams.entry(team).or_insert_with(none);
                    entry.levels = entry.levels.union(held.levels);
                    entry.roles.push(held);
                }
            }
        }
        let mut teams: Vec<_> = teams.into_values().collect();
        teams.sort_by_key(|held| held.team);
        teams.iter_mut().for_each(|held| held.roles.sort_by(by_name));
        system_roles.sort_by(by_name);
        let system =
            system_roles.iter().fold(Levels::NONE, |levels, held| levels.union(held.levels));
        Rights {
            user: record.user,
            kind: record.kind,
            teams,
            personal: base(table, "base-personal", record.may_apply, "base-may-apply"),
            global: base(
                table,
                "base-global",
                system.has(Key::GlobalManage, Level::Admin),
                "global-manager",
            ),
            system,
            system_roles,
        }
    }

    /// What one assignment grants where it is held. A team's own role grants nothing in
    /// another team, and nothing system-wide; neither does a standard role out of its place.
    fn held(&self, assignment: &Assignment, table: &RoleTable) -> HeldRole {
        let (name, levels) = match (&assignment.role, assignment.scope) {
            (Role::Standard(name), AssignmentScope::Team(_)) => {
                (name.clone(), table.grants(name).in_team())
            }
            (Role::Standard(name), AssignmentScope::System) => (name.clone(), table.grants(name)),
            (Role::Custom(id), scope) => match self.roles.get(id) {
                Some(role) if scope == AssignmentScope::Team(role.team) => {
                    (role.slug.clone(), role.levels.in_team())
                }
                _ => (assignment.role.stored(), Levels::NONE),
            },
        };
        HeldRole {
            name,
            role: assignment.role.clone(),
            levels,
            expires_at: assignment.expires_at,
            source: assignment.source,
        }
    }
}

fn by_name(one: &HeldRole, other: &HeldRole) -> std::cmp::Ordering {
    (&one.name, &one.role).cmp(&(&other.name, &other.role))
}

fn base(table: &RoleTable, role: &str, more: bool, further: &str) -> Levels {
    let levels = table.grants(role);
    if more { levels.union(table.grants(further)) } else { levels }
}
