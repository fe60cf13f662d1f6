//! Decides who may do what, without I/O per call.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use primitives::{Clock, TeamId, Timestamp, UserId};

use crate::caller::Inner;
use crate::{
    Assignment, AssignmentScope, Caller, Denied, Grant, Key, Level, Levels, Membership, Permission,
    PolicyData, PolicySource, RoleTable, RoleTableError, SourceError, UserRecord,
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
}

/// One epoch's people, indexed.
struct Policy {
    epoch: i64,
    users: HashMap<UserId, Person>,
    by_subject: HashMap<String, UserId>,
}

struct Person {
    record: UserRecord,
    assignments: Vec<Assignment>,
}

impl Authorizer {
    /// Loads the role table and the policy.
    pub async fn start(
        source: Arc<dyn PolicySource>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PolicyError> {
        let roles = RoleTable::load().await?;
        let policy = ArcSwap::from_pointee(Policy::index(source.load_policy().await?));
        Ok(Self { roles, source, clock, policy })
    }

    /// The epoch in force here.
    pub fn epoch(&self) -> i64 {
        self.policy.load().epoch
    }

    /// The role table.
    pub fn roles(&self) -> &RoleTable {
        &self.roles
    }

    /// Reads the policy again; it replaces the old one whole, and only by a newer one.
    /// On failure the old one stays.
    pub async fn refresh(&self) -> Result<(), SourceError> {
        let fresh = Arc::new(Policy::index(self.source.load_policy().await?));
        self.policy.rcu(
            |current| {
                if fresh.epoch > current.epoch { fresh.clone() } else { current.clone() }
            },
        );
        Ok(())
    }

    /// The active user that a token subject stands for.
    pub fn caller(&self, subject: &str, request_id: &str) -> Option<Caller> {
        let policy = self.policy.load();
        let user = *policy.by_subject.get(subject)?;
        self.put_together(&policy, user, request_id)
    }

    /// The active user with this id, for work done on his behalf.
    pub fn caller_of(&self, user: UserId, request_id: &str) -> Option<Caller> {
        self.put_together(&self.policy.load(), user, request_id)
    }

    /// Proof that the caller holds `P` somewhere.
    pub fn require<P: Permission>(&self, caller: &Caller) -> Result<Grant<P>, Denied> {
        if caller.holds_somewhere(P::KEY, P::LEVEL) {
            Ok(Grant::new(caller.clone()))
        } else {
            Err(Denied::of::<P>(None))
        }
    }

    fn put_together(&self, policy: &Policy, user: UserId, request_id: &str) -> Option<Caller> {
        let person = policy.users.get(&user).filter(|person| person.record.active)?;
        let now = self.clock.now();
        let teams = self.teams(person, now);
        let (system, system_roles) = self.system(person, now);
        let mut personal = self.roles.grants("base-personal");
        if person.record.may_apply {
            personal = personal.union(self.roles.grants("base-may-apply"));
        }
        let mut global = self.roles.grants("base-global");
        if system.has(Key::GlobalManage, Level::Admin) {
            global = global.union(self.roles.grants("global-manager"));
        }
        Some(Caller(Arc::new(Inner {
            user,
            epoch: policy.epoch,
            request_id: request_id.to_owned(),
            teams,
            personal,
            global,
            system,
            system_roles,
            checked_at: now,
        })))
    }

    fn teams(&self, person: &Person, now: Timestamp) -> Vec<Membership> {
        let mut teams: HashMap<TeamId, Membership> = HashMap::new();
        for held in live(&person.assignments, now) {
            let AssignmentScope::Team(team) = held.scope else { continue };
            let entry = teams.entry(team).or_insert_with(|| Membership {
                team,
                levels: Levels::NONE,
                roles: Vec::new(),
            });
            entry.levels = entry.levels.union(self.roles.grants(&held.role));
            entry.roles.push(held.role.clone());
        }
        let mut teams: Vec<_> = teams.into_values().collect();
        teams.sort_by_key(|held| held.team);
        teams.iter_mut().for_each(|held| held.roles.sort());
        teams
    }

    fn system(&self, person: &Person, now: Timestamp) -> (Levels, Vec<String>) {
        let held = live(&person.assignments, now).filter(|a| a.scope == AssignmentScope::System);
        held.fold((Levels::NONE, Vec::new()), |(levels, mut names), assignment| {
            names.push(assignment.role.clone());
            (levels.union(self.roles.grants(&assignment.role)), names)
        })
    }
}

fn live(assignments: &[Assignment], now: Timestamp) -> impl Iterator<Item = &Assignment> {
    assignments.iter().filter(move |held| held.expires_at.is_none_or(|end| end > now))
}

impl Policy {
    fn index(data: PolicyData) -> Self {
        let by_subject = data.users.iter().map(|user| (user.subject.clone(), user.user)).collect();
        let mut users: HashMap<UserId, Person> = data
            .users
            .into_iter()
            .map(|record| (record.user, Person { record, assignments: Vec::new() }))
            .collect();
        for assignment in data.assignments {
            if let Some(person) = users.get_mut(&assignment.user) {
                person.assignments.push(assignment);
            }
        }
        Self { epoch: data.epoch, users, by_subject }
    }
}
