//! What is recorded: exactly what the access table names, for each method accepted, refused
//! and failing; and who may read it.

use std::collections::BTreeMap;

use testkit::world::{Person, Recorded, Refused as _, World, eventually, refused};
use tonic::Code;

use crate::scene::{Method, Quality, belongings, methods, request};
use crate::spare::who_may;

const DENIED: &str = "permission.check.denied";

/// Records since `seen`, after waiting until there are as many as expected and nothing is
/// left to be worked on.
async fn new_records(world: &World, seen: usize, expected: usize) -> Vec<Recorded> {
    world.settles().await;
    eventually(async || {
        let mut all = world.probe().recorded().await;
        if all.len() >= seen + expected {
            return Ok(all.split_off(seen));
        }
        Err(format!("expected {expected} records, there are {:#?}", &all[seen..]))
    })
    .await
}

/// Action and outcome of records, counted.
fn counted(records: &[Recorded]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry((record.action.clone(), record.outcome.clone())).or_default() += 1;
    }
    counts
}

/// What an accepted call leaves, by the access table; and what its runs add.
fn expected(method: &Method) -> Vec<&str> {
    if method.path.ends_with("/TransferWorkflow") {
        // One for each owner.
        return vec![&method.success, &method.success];
    }
    let own = (method.success != "none").then_some(method.success.as_str());
    // The run that a rerun orders speaks for itself.
    let runs: &[&str] = if method.path.ends_with("/RerunAgentAssist") {
        &["workflow.agent_assist.started", "workflow.agent_assist.completed"]
    } else if ["/CompleteStage", "/ReturnWorkItem"].iter().any(|end| method.path.ends_with(end)) {
        // The stage that it comes to is one of the agent's.
        &["workflow.agent_assist.started", "workflow.agent_assist.completed"]
    } else {
        &[]
    };
    own.into_iter().chain(runs.iter().copied()).collect()
}

/// What ends something goes last, and what needs it before that.
fn in_order() -> Vec<Method> {
    const ENDS: [&str; 6] = [
        "/DeleteWorkflow",
        "/DeleteRole",
        "/UnassignRole",
        "/DeactivateUser",
        "/LeaveTeam",
        "/DeleteTeam",
    ];
    let mut methods = methods();
    methods.sort_by_key(|method| {
        ENDS.iter().position(|end| method.path.ends_with(end)).map_or(0, |at| at + 1)
    });
    methods
}

/// Keys that neither a guest nor another team's lead holds where a change needs them.
fn is_held_nowhere(method: &Method) -> bool {
    method.key == "directory.manage" || (method.key == "team.manage" && method.level != "READ")
}

testkit::on_both! {
    /// An accepted call leaves the records that its row names, once, under the actor.
    async fn accepted_calls_leave_what_their_row_names(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let own = belongings(&world, &alice, "core").await;
        for method in in_order() {
            let seen = world.probe().recorded().await.len();
            let body = request(&method.path, &own, Quality::Valid).expect("a request");
            let person = who_may(&world, &method, &own, &alice);
            let answer = person.sends(&method.path, body).await;
            answer.unwrap_or_else(|status| panic!("{}: {status:?}", method.path));
            let actions = expected(&method);
            let records = new_records(&world, seen, actions.len()).await;
            let mut wanted = BTreeMap::new();
            for action in actions {
                *wanted.entry((action.to_owned(), "SUCCESS".to_owned())).or_default() += 1;
            }
            assert_eq!(counted(&records), wanted, "{}", method.path);
            let actor = person.id.as_uuid().simple().to_string();
            assert!(records.iter().all(|record| record.actor == actor), "{records:#?}");
        }
    }

    /// A call on a visible object without the permission there leaves one refusal under the
    /// object's owner, a call on something invisible one under the caller; neither changes
    /// anything else.
    async fn refused_calls_leave_one_refusal_and_change_nothing(db: TestDb) {
        let world = World::start(db).await;
        let [alice, gus, dave] = world.people(["alice", "gus", "dave"]);
        let own = belongings(&world, &alice, "core").await;
        let before = world.probe().dump_without_audit().await;
        for method in methods() {
            for person in [&gus, &dave] {
                let seen = world.probe().recorded().await.len();
                let body = request(&method.path, &own, Quality::Valid).expect("a request");
                if harmless_to(person, &method) {
                    continue;
                }
                let status = person.sends(&method.path, body).await.expect_err(&method.path);
                let records = new_records(&world, seen, 1).await;
                let [record] = records.as_slice() else {
                    panic!("{} by {}: {records:#?}", method.path, person.name)
                };
                assert_eq!((record.action.as_str(), record.outcome.as_str()), (DENIED, "DENIED"));
                assert_eq!(record.actor, person.id.as_uuid().simple().to_string());
                let is_on_something = status.code() == Code::PermissionDenied
                    && !is_held_nowhere(&method)
                    && !(method.key == "team.manage" && person.name == "gus");
                let filed = if is_on_something { "team" } else { "person" };
                assert_eq!(record.tenant_kind, filed, "{} {status:?}", method.path);
                let now = world.probe().dump_without_audit().await;
                assert_eq!(now, before, "{} by {}", method.path, person.name);
            }
        }
    }

    /// A call with a wrong argument leaves no record and changes nothing.
    async fn calls_with_wrong_arguments_leave_nothing(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let own = belongings(&world, &alice, "core").await;
        let before = world.probe().dump().await;
        for method in methods() {
            let Some(body) = request(&method.path, &own, Quality::Spoiled) else { continue };
            let answer = who_may(&world, &method, &own, &alice).sends(&method.path, body).await;
            let status = answer.expect_err(&method.path);
            assert_eq!(status.code(), Code::InvalidArgument, "{} {status:?}", method.path);
            assert!(!status.fields().is_empty(), "{} names no field", method.path);
        }
        // An accepted call whose record is queued the same way comes after all of theirs.
        let seen = before["audit_event"].len();
        alice.lists_audit("").await.unwrap();
        let records = new_records(&world, seen, 1).await;
        assert_eq!(records.len(), 1, "{records:#?}");
        assert_eq!(world.probe().dump_without_audit().await, {
            let mut before = before;
            before.retain(|name, _| !name.starts_with("audit_"));
            before
        });
    }

    /// Only Apply's row names a failure: a change that does not apply is recorded as one.
    async fn a_failed_apply_is_recorded_as_a_failure(db: TestDb) {
        let failing: Vec<_> = methods().into_iter().filter(|m| m.failure.is_some()).collect();
        assert_eq!(failing.len(), 1);
        let action = failing[0].failure.clone().unwrap();
        let world = World::start(db).await;
        let bob = world.person("bob");
        let (_, repository) = world.shop().await;
        let seen = world.probe().recorded().await.len();
        let diff = "--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-not there\n+x\n";

        let answer = bob.applies_diff(&repository, diff).await;

        refused(answer, Code::InvalidArgument, "PATCH_DOES_NOT_APPLY");
        let records = new_records(&world, seen, 1).await;
        let wanted = BTreeMap::from([((action, "FAILURE".to_owned()), 1)]);
        assert_eq!(counted(&records), wanted);
        assert_eq!(records[0].tenant_kind, "team");
    }

    /// A lead reads the team's trail, others their own records alone; each listing is
    /// recorded itself.
    async fn the_trail_is_read_by_those_it_belongs_to(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, dave] = world.people(["alice", "bob", "dave"]);
        let own = belongings(&world, &alice, "core").await;
        let status = dave.sees_item(&own.advised.name).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        bob.claims(&own.to_claim).await.unwrap();

        let refused_once = async || {
            let records = dave.lists_audit("").await.unwrap();
            let denied: Vec<_> = records.into_iter().filter(|r| r.action == DENIED).collect();
            if denied.len() == 1 { Ok(denied) } else { Err(format!("{denied:#?}")) }
        };
        let denied = eventually(refused_once).await;
        assert_eq!((denied[0].actor.clone(), denied[0].tenant.clone()), (dave.user.clone(), dave.user.clone()));
        let team = alice.lists_audit(&alice.team).await.unwrap();
        assert!(team.iter().all(|record| record.tenant == alice.team));
        for action in ["repository.registered", "workflow.created", "work_item.created", "work_item.claimed", "agent.apply.success"] {
            assert!(team.iter().any(|record| record.action == action), "{action} is missing");
        }
        let times: Vec<_> = team.iter().map(|r| r.time.map(|t| (t.seconds, t.nanos))).collect();
        assert!(times.is_sorted_by(|newer, older| newer >= older), "newest first");
        let mine = bob.lists_audit("").await.unwrap();
        assert!(mine.iter().any(|record| record.action == "work_item.claimed"));
        assert!(mine.iter().all(|record| record.actor == bob.user || record.tenant == bob.user));
        refused(bob.lists_audit(&bob.team).await, Code::PermissionDenied, "PERMISSION_DENIED");
        refused(dave.lists_audit(&alice.team).await, Code::NotFound, "TEAM_NOT_FOUND");
        let text = format!("{team:?}{mine:?}");
        for content in ["And more", "Carts forget", "@@ "] {
            assert!(!text.contains(content), "{content:?} is in the trail");
        }
    }
}

/// Whether the method answers this person about anybody's things: it names none, names
/// everybody's, needs what a guest has, or filters by what the caller may use.
fn harmless_to(person: &Person, method: &Method) -> bool {
    let (_, name) = method.path.rsplit_once('/').expect("a path");
    let names_nothing = matches!(
        name,
        "ListEngines"
            | "ListSessions"
            | "ListRepositories"
            | "ListTemplates"
            | "ListMyWork"
            | "ListOverdue"
            | "ListStarredWorkflows"
            | "GetTemplate"
            | "GetMe"
            | "ListTeams"
            | "ListPermissions"
    );
    let of_guests = matches!(
        (method.key.as_str(), method.level.as_str()),
        ("workflows.view" | "analytics.view", "READ") | ("any", _)
    );
    let filters = matches!(name, "ListRuns" | "ListPatches");
    names_nothing || (person.name == "gus" && (of_guests || filters))
}
