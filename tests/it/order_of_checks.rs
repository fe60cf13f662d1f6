//! Which refusal comes first, when several would be right.

use testkit::world::{Refused as _, World};
use tonic::Code;

use crate::scene::{Quality, belongings, methods, request};

const PUBLIC: [&str; 2] = [
    "elohim.permissions.v1.PermissionService/CheckPermission",
    "elohim.permissions.v1.DirectoryService/GetMe",
];

testkit::on_both! {
    /// Without a valid token every method answers the same, whatever is in the message.
    async fn nobody_gets_past_authentication(db: TestDb) {
        let world = World::start(db).await;
        let [alice, dave] = world.people(["alice", "dave"]);
        let own = belongings(&world, &alice, "core").await;
        let strangers = [
            dave.without_token(),
            dave.with_token("x"),
            dave.with_token("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9."),
        ];
        for method in methods() {
            let good = request(&method.path, &own, Quality::Valid).expect("a request");
            let mut answers = Vec::new();
            for stranger in &strangers {
                for body in [good.clone(), vec![0xff; 20], Vec::new()] {
                    let status = stranger.sends(&method.path, body).await.expect_err(&method.path);
                    assert_eq!(status.code(), Code::Unauthenticated, "{} {status:?}", method.path);
                    answers.push((status.code(), status.reason()));
                }
            }
            answers.dedup();
            assert_eq!(answers, [(Code::Unauthenticated, "UNAUTHENTICATED".to_owned())]);
        }
    }

    /// What is not visible is NOT_FOUND also for a request that is wrong otherwise.
    async fn invisible_comes_before_arguments(db: TestDb) {
        let world = World::start(db).await;
        let [alice, dave] = world.people(["alice", "dave"]);
        let own = belongings(&world, &alice, "core").await;
        world.assign("dave", "payments", "admin").await;
        let mut compared = 0;
        // To those who manage the directory nothing of it is invisible.
        for method in methods().into_iter().filter(|method| method.key != "directory.manage") {
            let good = request(&method.path, &own, Quality::Valid).expect("a request");
            let Err(good) = dave.sends(&method.path, good).await else { continue };
            assert_eq!(good.code(), Code::NotFound, "{} {good:?}", method.path);
            let Some(bad) = request(&method.path, &own, Quality::Spoiled) else { continue };
            let bad = dave.sends(&method.path, bad).await.expect_err(&method.path);
            assert_eq!(bad.refusal(), good.refusal(), "{}", method.path);
            compared += 1;
        }
        assert!(compared >= 20, "only {compared} methods were compared");
    }

    /// What is visible but not permitted is PERMISSION_DENIED naming the permission, before
    /// arguments and state are looked at.
    async fn permission_comes_before_arguments_and_state(db: TestDb) {
        let world = World::start(db).await;
        let [alice, gus] = world.people(["alice", "gus"]);
        let own = belongings(&world, &alice, "core").await;
        alice.cancels(&own.to_cancel).await.unwrap();
        let mut denied = 0;
        for method in methods() {
            for quality in [Quality::Valid, Quality::Spoiled] {
                let Some(body) = request(&method.path, &own, quality) else { continue };
                let answer = gus.sends(&method.path, body).await;
                let Err(status) = answer else { continue };
                if status.code() != Code::PermissionDenied {
                    // Sessions are personal; what a guest may do is judged by its arguments.
                    let fits = match status.code() {
                        Code::NotFound => {
                            method.path.contains("SessionService") || method.path.ends_with("/LeaveTeam")
                        }
                        Code::InvalidArgument => quality == Quality::Spoiled
                            && (method.level == "READ" || names_nothing(&method.path) || PUBLIC.contains(&method.path.as_str())),
                        _ => false,
                    };
                    assert!(fits, "{} {quality:?} {status:?}", method.path);
                    continue;
                }
                assert_eq!(status.reason(), "PERMISSION_DENIED");
                assert_eq!(status.fact("permission").as_ref(), Some(&method.key), "{}", method.path);
                assert_eq!(status.fact("level").as_ref(), Some(&method.level), "{}", method.path);
                denied += 1;
            }
        }
        assert!(denied >= 30, "only {denied} calls were denied");
    }

    /// Whoever holds a key nowhere gets the same PERMISSION_DENIED for every id.
    async fn a_key_held_nowhere_is_refused_alike_for_every_id(db: TestDb) {
        let world = World::start(db).await;
        let [alice, mia, erin] = world.people(["alice", "mia", "erin"]);
        let own = belongings(&world, &alice, "core").await;
        for person in [&mia, &erin] {
            world.policy().set_may_apply(person.id, false).await.unwrap();
        }
        for path in ["elohim.agent.v1.AgentService/Apply", "elohim.agent.v1.PatchService/RevertPatch"] {
            let mut absent = own.clone();
            absent.repository = World::unused(&own.repository);
            absent.patch = World::unused(&own.patch);
            let mut answers = Vec::new();
            for person in [&mia, &erin] {
                for target in [&own, &absent] {
                    for quality in [Quality::Valid, Quality::Spoiled] {
                        let body = request(path, target, quality).expect("a request");
                        answers.push(person.sends(path, body).await.expect_err(path).refusal());
                    }
                }
            }
            assert_eq!(answers[0].code, Code::PermissionDenied);
            answers.dedup();
            assert_eq!(answers.len(), 1, "{answers:#?}");
        }
    }

    /// A role that is taken away is gone with the next call.
    async fn a_revocation_holds_from_the_next_call_on(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let own = belongings(&world, &alice, "core").await;
        bob.claims(&own.to_claim).await.unwrap();
        world.assign("bob", "core", "guest").await;
        world.revoke("bob", "core", "developer").await;
        let status = bob.completes(&own.to_claim).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        world.revoke("bob", "core", "guest").await;
        let status = bob.completes(&own.to_claim).await.unwrap_err();
        assert_eq!((status.code(), status.reason()), (Code::NotFound, "WORK_ITEM_NOT_FOUND".into()));
        world.policy().set_active(bob.id, false).await.unwrap();
        let status = bob.completes(&own.to_claim).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    }
}

fn names_nothing(path: &str) -> bool {
    [
        "/ListEngines",
        "/ListSessions",
        "/ListRepositories",
        "/ListTemplates",
        "/ListMyWork",
        "/ListOverdue",
        "/ListStarredWorkflows",
        "/ListRuns",
        "/ListPatches",
    ]
    .iter()
    .any(|name| path.ends_with(name))
}
