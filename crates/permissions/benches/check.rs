//! What a permission check costs with 10,000 assignments, beside casbin on the same data.
//!
//! `cargo bench -p permissions` prints nanoseconds per check (median of nine windows, the
//! clock of the wall), for the set that answers requests and for `enforce`, which is its
//! oracle, and how many more checks two threads make than one. Answers are compared first:
//! a fast wrong answer ends the program.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};
use permissions::{
    Assignment, AssignmentScope, AssignmentSource, Authorizer, CodeEdit, Key, Level, PolicyData,
    PolicySource, SourceError, UserRecord,
};
use primitives::{SystemClock, TeamId, Tenant, UserId};

const USERS: usize = 2_000;
const TEAMS: usize = 200;
const TEAMS_OF_ONE: usize = 5;
const ROLES: [&str; 5] = ["guest", "member", "developer", "lead", "admin"];
const QUESTIONS: usize = 4_096;
const WINDOW: Duration = Duration::from_millis(200);
const WINDOWS: usize = 9;

/// Casbin's way to say the same: roles are held in a domain, levels include the lower ones.
const MODEL: &str = "
[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.act == p.act && r.obj == p.obj && g(r.sub, p.sub, r.dom)
";

struct Fixed(PolicyData);

#[async_trait]
impl PolicySource for Fixed {
    async fn stored_epoch(&self) -> Result<i64, SourceError> {
        Ok(self.0.epoch)
    }
    async fn load_policy(&self) -> Result<PolicyData, SourceError> {
        Ok(self.0.clone())
    }
}

/// Numbers that are the same in every run.
struct Steps(u64);

impl Steps {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

fn world() -> (PolicyData, Vec<(UserId, TeamId)>) {
    let mut steps = Steps(7);
    let teams: Vec<_> = (0..TEAMS).map(|_| TeamId::generate()).collect();
    let users: Vec<_> = (0..USERS)
        .map(|at| UserRecord::person(UserId::generate(), &format!("user-{at}")))
        .collect();
    let mut assignments = Vec::new();
    for user in &users {
        let first = steps.below(TEAMS);
        for at in 0..TEAMS_OF_ONE {
            assignments.push(Assignment {
                user: user.user,
                scope: AssignmentScope::Team(teams[(first + at * 7) % TEAMS]),
                role: ROLES[steps.below(ROLES.len())].into(),
                expires_at: None,
                source: AssignmentSource::Given,
            });
        }
    }
    // Half of the questions are about a team the user is in.
    let questions = (0..QUESTIONS).map(|at| {
        if at % 2 == 0 {
            let held = &assignments[steps.below(assignments.len())];
            let AssignmentScope::Team(team) = held.scope else { unreachable!() };
            (held.user, team)
        } else {
            (users[steps.below(USERS)].user, teams[steps.below(TEAMS)])
        }
    });
    let questions = questions.collect();
    (PolicyData { epoch: 1, users, assignments, ..PolicyData::default() }, questions)
}

async fn casbin(data: &PolicyData) -> Enforcer {
    let model = DefaultModel::from_str(MODEL).await.unwrap();
    let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await.unwrap();
    for line in include_str!("../policy.csv").lines().filter(|line| line.starts_with("p,")) {
        let cells: Vec<_> = line.split(',').map(str::trim).collect();
        let role = cells[1];
        if !ROLES.iter().any(|known| role == format!("role:{known}")) {
            continue;
        }
        let level = Level::parse(cells[3]).unwrap();
        for included in Level::GRANTABLE.into_iter().filter(|included| *included <= level) {
            let row = [role, cells[2], included.name()].map(str::to_owned).to_vec();
            enforcer.add_policy(row).await.unwrap();
        }
    }
    let held = data.assignments.iter().map(|held| {
        let AssignmentScope::Team(team) = held.scope else { unreachable!() };
        vec![
            format!("user:{}", held.user.as_uuid()),
            format!("role:{}", held.role.stored()),
            team.as_uuid().to_string(),
        ]
    });
    enforcer.add_grouping_policies(held.collect()).await.unwrap();
    enforcer
}

/// Nanoseconds per call: the median of several windows.
fn measured(mut call: impl FnMut(usize) -> bool) -> f64 {
    let mut windows: Vec<f64> = (0..WINDOWS).map(|_| window(&mut call).0).collect();
    windows.sort_by(f64::total_cmp);
    windows[WINDOWS / 2]
}

/// One window: nanoseconds per call, and calls per second.
fn window(call: &mut impl FnMut(usize) -> bool) -> (f64, f64) {
    let (began, mut calls) = (Instant::now(), 0_u32);
    let mut at = 0;
    while began.elapsed() < WINDOW {
        for _ in 0..64 {
            black_box(call(black_box(at)));
            at = (at + 1) % QUESTIONS;
        }
        calls += 64;
    }
    let seconds = began.elapsed().as_secs_f64();
    (seconds * 1e9 / f64::from(calls), f64::from(calls) / seconds)
}

/// Calls per second of all threads together: the median of several windows.
fn together(
    threads: usize,
    authorizer: &Arc<Authorizer>,
    questions: &Arc<Vec<(UserId, TeamId)>>,
) -> f64 {
    let mut windows: Vec<f64> = (0..WINDOWS)
        .map(|_| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    let (authorizer, questions) = (authorizer.clone(), questions.clone());
                    std::thread::spawn(move || {
                        window(&mut |at| asked(&authorizer, questions[at])).1
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        })
        .collect();
    windows.sort_by(f64::total_cmp);
    windows[WINDOWS / 2]
}

fn asked(authorizer: &Authorizer, (user, team): (UserId, TeamId)) -> bool {
    authorizer.allows::<CodeEdit>(user, Tenant::Team(team))
}

fn main() {
    // Test runners list every program they find; only `cargo bench` says this.
    if !std::env::args().any(|word| word == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (data, questions) = world();
    let held = data.assignments.len();
    let enforcer = runtime.block_on(casbin(&data));
    let began = Instant::now();
    let authorizer = Authorizer::start(Arc::new(Fixed(data)), Arc::new(SystemClock));
    let authorizer = Arc::new(runtime.block_on(authorizer).unwrap());
    let loaded = began.elapsed();
    let questions = Arc::new(questions);
    let oracle = |(user, team): (UserId, TeamId)| {
        let subject = format!("user:{}", user.as_uuid());
        let domain = team.as_uuid().to_string();
        enforcer.enforce((subject, domain, Key::CodeEdit.name(), Level::Write.name())).unwrap()
    };
    let mut yes = 0;
    for question in questions.iter().copied() {
        let answer = asked(&authorizer, question);
        assert_eq!(answer, oracle(question), "the set and casbin disagree");
        yes += usize::from(answer);
    }

    println!("{held} assignments of {USERS} users in {TEAMS} teams; {yes} of {QUESTIONS} allowed");
    println!("roles decided by casbin and policy indexed in {loaded:.1?}");
    let check = measured(|at| asked(&authorizer, questions[at]));
    println!("check     {check:9.0} ns   (at most 1,000)");
    let enforce = measured(|at| oracle(questions[at]));
    println!("enforce   {enforce:9.0} ns   ({:.0} times the check)", enforce / check);
    let rights = measured(|at| authorizer.caller_of(questions[at].0, "r").is_some());
    println!("caller    {rights:9.0} ns   (all rights of a user, once a call)");
    let (one, two) = (together(1, &authorizer, &questions), together(2, &authorizer, &questions));
    println!("threads   {one:9.0} checks/s with one, {two:.0} with two: {:.2} times", two / one);
    assert!(check <= 1_000.0, "a check takes longer than a microsecond");
}
