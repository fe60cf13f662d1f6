//! The policy as a whole: the matrix that reviewers read, and casbin as the oracle.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};
use permissions::{
    Assignment, AssignmentScope, AssignmentSource, Authorizer, CodeEdit, Key, Level, PolicyData,
    PolicySource, RoleTable, SourceError, Tenanted, UserRecord, WorkflowsView,
};
use primitives::{Clock, TeamId, Tenant, Timestamp, UserId};
use proptest::prelude::*;

const ROLES: [&str; 11] = [
    "guest",
    "member",
    "developer",
    "lead",
    "admin",
    "support",
    "founder",
    "base-personal",
    "base-may-apply",
    "base-global",
    "global-manager",
];

#[tokio::test]
async fn the_matrix_of_roles_and_permissions() {
    let table = RoleTable::load().await.unwrap();
    let mut text = String::new();
    for role in ROLES {
        for key in Key::ALL {
            let level = table.grants(role).of(*key);
            if level > Level::None {
                writeln!(text, "{role:15} {:20} {}", key.name(), level.name()).unwrap();
            }
        }
    }
    insta::assert_snapshot!(text);
}

#[derive(Clone, Copy)]
struct At(i64);
impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0)
    }
}

struct Fixed(std::sync::Mutex<PolicyData>);
#[async_trait]
impl PolicySource for Fixed {
    async fn stored_epoch(&self) -> Result<i64, SourceError> {
        Ok(self.0.lock().unwrap().epoch)
    }
    async fn load_policy(&self) -> Result<PolicyData, SourceError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

fn user(subject: &str) -> UserRecord {
    UserRecord::person(UserId::generate(), subject)
}

fn at_epoch(epoch: i64, users: Vec<UserRecord>) -> PolicyData {
    PolicyData { epoch, users, ..Default::default() }
}

async fn authorizer(data: PolicyData) -> (Authorizer, Arc<Fixed>) {
    let source = Arc::new(Fixed(std::sync::Mutex::new(data)));
    (Authorizer::start(source.clone(), Arc::new(At(100))).await.unwrap(), source)
}

static ORACLE: tokio::sync::OnceCell<Enforcer> = tokio::sync::OnceCell::const_new();

/// An enforcer over the same reviewed file, asked directly.
async fn oracle() -> Enforcer {
    let model = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n\
                 [policy_effect]\ne = some(where (p.eft == allow))\n\
                 [matchers]\nm = r.sub == p.sub && r.obj == p.obj && r.act == p.act\n";
    let model = DefaultModel::from_str(model).await.unwrap();
    let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await.unwrap();
    for line in include_str!("../policy.csv").lines().filter(|l| l.starts_with("p,")) {
        let cells: Vec<_> = line.split(',').map(|cell| cell.trim().to_owned()).collect();
        let level = Level::parse(&cells[3]).unwrap();
        for lower in Level::GRANTABLE.into_iter().filter(|l| *l <= level) {
            let row = vec![cells[1].clone(), cells[2].clone(), lower.name().to_owned()];
            enforcer.add_policy(row).await.unwrap();
        }
    }
    enforcer
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A caller's set in a team is exactly what casbin allows any of his live roles there.
    #[test]
    fn the_set_equals_the_oracle(held in prop::collection::vec((0..3_usize, 0..5_usize, 0..3_u8), 0..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let enforcer = ORACLE.get_or_init(oracle).await;
            let teams: Vec<_> = (0..3).map(|_| TeamId::generate()).collect();
            let ann = user("ann");
            let assignments: Vec<_> = held.iter().map(|(team, role, end)| Assignment {
                user: ann.user,
                scope: AssignmentScope::Team(teams[*team]),
                role: ROLES[*role].into(),
                // 0: forever, 1: over, 2: still running.
                expires_at: [None, Some(99), Some(101)][*end as usize].map(Timestamp::from_micros),
                source: AssignmentSource::Given,
            }).collect();
            let assigned = assignments.clone();
            let data = PolicyData { epoch: 1, users: vec![ann], assignments: assigned, ..Default::default() };
            let (authorizer, _) = authorizer(data).await;
            let caller = authorizer.caller("ann", "r").unwrap();
            for team in &teams {
                for key in Key::ALL {
                    for level in Level::GRANTABLE {
                        let allowed = assignments.iter().any(|held| {
                            held.scope == AssignmentScope::Team(*team)
                                && held.expires_at != Some(Timestamp::from_micros(99))
                                && enforcer
                                    .enforce((format!("role:{}", held.role.stored()), key.name(), level.name()))
                                    .unwrap()
                        });
                        let set = caller.levels_in(Tenant::Team(*team)).has(*key, level);
                        assert_eq!(set, allowed, "{key} {level:?}");
                    }
                }
            }
        });
    }
}

#[derive(Debug)]
struct Row(Tenant);
impl Tenanted for Row {
    fn tenant(&self) -> Tenant {
        self.0
    }
}

#[tokio::test]
async fn visible_admitted_and_denied() {
    let (ann, bob) = (user("ann"), user("bob"));
    let (core, other) = (TeamId::generate(), TeamId::generate());
    let member = Assignment {
        user: ann.user,
        scope: AssignmentScope::Team(core),
        role: "member".into(),
        expires_at: None,
        source: AssignmentSource::Given,
    };
    let users = vec![ann.clone(), bob.clone()];
    let data = PolicyData { epoch: 3, users, assignments: vec![member], ..Default::default() };
    let (authorizer, _) = authorizer(data).await;
    let caller = authorizer.caller("ann", "r").unwrap();
    let scope = caller.scope();
    assert!(scope.show(Row(Tenant::Team(other))).is_none());
    assert!(scope.show(Row(Tenant::Person(bob.user))).is_none());
    assert!(scope.show(Row(Tenant::Global)).is_some());

    let view = authorizer.require::<WorkflowsView>(&caller).unwrap();
    assert!(view.admit(scope.show(Row(Tenant::Team(core))).unwrap()).is_ok());
    // The base role lets her edit code of her own, so the grant exists; the team's is refused.
    let edit = authorizer.require::<CodeEdit>(&caller).unwrap();
    assert!(edit.admit(scope.show(Row(Tenant::Person(ann.user))).unwrap()).is_ok());
    let denied = edit.admit(scope.show(Row(Tenant::Team(core))).unwrap()).unwrap_err();
    assert_eq!((denied.key, denied.level), (Key::CodeEdit, Level::Write));
    assert_eq!(denied.tenant, Some(Tenant::Team(core)));
}

#[tokio::test]
async fn inactive_users_are_unknown_and_only_a_newer_policy_replaces_the_old_one() {
    let mut ann = user("ann");
    let data = at_epoch(5, vec![ann.clone()]);
    let (authorizer, source) = authorizer(data).await;
    assert!(authorizer.caller("ann", "r").is_some());
    ann.active = false;
    *source.0.lock().unwrap() = at_epoch(4, vec![]);
    authorizer.refresh().await.unwrap();
    assert!(
        authorizer.caller("ann", "r").is_some(),
        "an older policy must not replace a newer one"
    );
    *source.0.lock().unwrap() = at_epoch(6, vec![ann.clone()]);
    authorizer.refresh().await.unwrap();
    assert!(authorizer.caller("ann", "r").is_none());
    assert!(authorizer.caller_of(ann.user, "r").is_none());
}
