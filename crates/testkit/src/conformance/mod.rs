//! What every implementation of the store ports must do, told once and run on each database.
//!
//! A suite is a module per port, a rule is a function named after it. Scopes and grants come
//! from a real [`Authorizer`] over people that were seeded through the ports themselves.
//!
//! **Invariant:** each port method is called here; `cargo xtask tidy` fails otherwise.

#![expect(clippy::unwrap_used, reason = "a suite is a test: what must hold may panic")]

pub mod agent;
pub mod batches;
pub mod comments;
pub mod definitions;
pub mod departures;
pub mod directory;
pub mod directory_lists;
pub mod items;
pub mod ledger;
pub mod limits;
pub mod outbox;
pub mod people;
pub mod queues;
pub mod records;
pub mod requests;
pub mod roles;
pub mod runs;
pub mod transactions;
pub mod turns;
pub mod values;
pub mod waiting;
pub mod workflows;

use std::sync::Arc;

use ::directory::store::{DirectoryStore, FirstSteps, PolicyAdmin};
use ::directory::{NewAssignment, SeedTeam, SeedUser};
use agent_core::port::queue::RunQueue;
use agent_core::port::store::{AgentStore, AgentTx};
use audit::port::AuditReader;
use events::port::Retention;
use events::{OutboxQueue, SharedLimits};
use permissions::{
    AssignmentScope, Authorizer, Caller, Cleared, Permission, PolicySource, Scope, Tenanted,
    Visible,
};
use primitives::{Page, PageRequest, SystemClock, TeamId, Tenant, Timestamp, UserId};
use workflow_core::store::{WorkflowStore, WorkflowTx};

/// One implementation of all ports over one empty, migrated database.
#[derive(Clone)]
pub struct Ports {
    pub workflows: Arc<dyn WorkflowStore>,
    pub agent: Arc<dyn AgentStore>,
    pub runs: Arc<dyn RunQueue>,
    pub outbox: Arc<dyn OutboxQueue>,
    pub directory: Arc<dyn DirectoryStore>,
    pub admin: Arc<dyn PolicyAdmin>,
    pub first: Arc<dyn FirstSteps>,
    pub policy: Arc<dyn PolicySource>,
    pub audit: Arc<dyn AuditReader>,
    pub retention: Arc<dyn Retention>,
    pub limits: Arc<dyn SharedLimits>,
}

/// The ports with people in them: alice leads team core, bob develops there, carol is its
/// admin; dave leads another team; erin is in no team.
pub struct Stand {
    pub ports: Ports,
    pub authorizer: Authorizer,
    pub core: TeamId,
    pub other: TeamId,
    pub alice: UserId,
    pub bob: UserId,
    pub carol: UserId,
    pub dave: UserId,
    pub erin: UserId,
}

impl Stand {
    /// Seeds the people and reads the policy they make.
    pub async fn over(ports: Ports) -> Self {
        let core = team(&ports, "core").await;
        let other = team(&ports, "other").await;
        let alice = person(&ports, "alice", &[(core, "lead")]).await;
        let bob = person(&ports, "bob", &[(core, "developer")]).await;
        let carol = person(&ports, "carol", &[(core, "admin")]).await;
        let dave = person(&ports, "dave", &[(other, "lead")]).await;
        let erin = person(&ports, "erin", &[]).await;
        let authorizer = Authorizer::start(ports.policy.clone(), Arc::new(SystemClock));
        let authorizer = authorizer.await.expect("the policy loads");
        Self { ports, authorizer, core, other, alice, bob, carol, dave, erin }
    }

    /// Team core as an owner.
    pub fn team(&self) -> Tenant {
        Tenant::Team(self.core)
    }

    /// The person with the rights of the policy last read.
    pub fn caller(&self, user: UserId) -> Caller {
        self.authorizer.caller_of(user, "conformance").expect("an active user")
    }

    /// What the person sees.
    pub fn scope(&self, user: UserId) -> Scope {
        self.caller(user).scope()
    }

    /// The epoch of the policy last read.
    pub fn epoch(&self) -> i64 {
        self.authorizer.epoch()
    }

    /// Clears a new row for insertion by somebody who may.
    pub fn clear_new<P: Permission, T: Tenanted>(&self, user: UserId, row: T) -> Cleared<T> {
        let grant = self.authorizer.require::<P>(&self.caller(user)).expect("a grant");
        grant.admit_in(row.tenant()).expect("held in the tenant").create(row)
    }

    /// Clears a change of a visible row by somebody who may.
    pub fn clear<P: Permission, T: Tenanted + Clone>(
        &self,
        user: UserId,
        row: Visible<T>,
        change: impl FnOnce(&mut T),
    ) -> Cleared<T> {
        let grant = self.authorizer.require::<P>(&self.caller(user)).expect("a grant");
        let admitted = grant.admit(row).expect("held on the row");
        let mut changed = T::clone(&admitted);
        change(&mut changed);
        admitted.save_as(changed)
    }

    /// An agent transaction that reaches what alice sees.
    pub async fn agent_tx(&self) -> Box<dyn AgentTx> {
        self.agent_tx_of(self.alice).await
    }

    /// An agent transaction that reaches what somebody sees.
    pub async fn agent_tx_of(&self, user: UserId) -> Box<dyn AgentTx> {
        self.ports.agent.begin(&self.scope(user)).await.expect("a transaction")
    }

    /// A workflow transaction that reaches what alice sees.
    pub async fn workflow_tx(&self) -> Box<dyn WorkflowTx> {
        self.workflow_tx_of(self.alice).await
    }

    /// A workflow transaction that reaches what somebody sees.
    pub async fn workflow_tx_of(&self, user: UserId) -> Box<dyn WorkflowTx> {
        self.ports.workflows.begin(&self.scope(user)).await.expect("a transaction")
    }
}

async fn team(ports: &Ports, slug: &str) -> TeamId {
    let seed =
        SeedTeam { id: TeamId::generate(), slug: slug.into(), display_name: slug.to_uppercase() };
    ports.admin.ensure_team(&seed, SEEDED_AT).await.expect("a team")
}

async fn person(ports: &Ports, subject: &str, roles: &[(TeamId, &str)]) -> UserId {
    let seed = SeedUser {
        id: UserId::generate(),
        subject: subject.into(),
        display_name: subject.to_uppercase(),
    };
    let user = ports.admin.ensure_user(&seed, SEEDED_AT).await.expect("a user");
    for (team, role) in roles {
        let held = NewAssignment {
            user,
            scope: AssignmentScope::Team(*team),
            role: (*role).into(),
            expires_at: None,
        };
        ports.admin.assign(&held, SEEDED_AT).await.expect("a role");
    }
    user
}

const SEEDED_AT: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// Reads a list page by page, calling `between` after the first one, and checks that pages
/// are full until the last.
async fn all_pages<T, E, F>(
    size: u32,
    mut read: impl FnMut(PageRequest) -> F,
    between: impl AsyncFnOnce(),
) -> Vec<T>
where
    E: std::fmt::Debug,
    F: Future<Output = Result<Page<T>, E>>,
{
    let mut between = Some(between);
    let mut rows = Vec::new();
    let mut request = PageRequest { size, after: None };
    loop {
        let page = read(request).await.expect("a page");
        let is_last = page.next.is_none();
        assert!(is_last || page.items.len() == size as usize, "only the last page may be short");
        rows.extend(page.items);
        if is_last {
            return rows;
        }
        request.after = page.next;
        if let Some(between) = between.take() {
            between().await;
        }
        assert!(rows.len() < 1000, "the pages never end");
    }
}
