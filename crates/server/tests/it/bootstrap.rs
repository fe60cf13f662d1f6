//! The first founder of an empty database.

use std::path::Path;
use std::process::Output;

use api::audit::ListAuditEventsRequest;
use api::audit::audit_service_client::AuditServiceClient;
use api::permissions::GetMeRequest;
use api::permissions::directory_service_client::DirectoryServiceClient;
use testkit::database::TestDb;

use super::process::{Process, program, request};

fn bootstrap(arguments: &[&str], data: &Path, variables: &[(&str, &str)]) -> Output {
    let mut command = program();
    command.arg("bootstrap").args(arguments).env("ELOHIM_DATA_DIR", data);
    command.envs(variables.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Bootstraps, and looks at what there is with the token that a development server gives.
async fn makes_alice_a_founder_once(variables: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--user", "alice", "--team", "core", "--display-name", "Alice A."];
    let done = bootstrap(&arguments, folder.path(), variables);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(text(&done.stdout).contains("alice is a founder, and admin of core"), "{done:?}");
    for team in ["core", "other"] {
        let again = ["--user", "bob", "--team", team];
        let again = bootstrap(&again, folder.path(), variables);
        assert_eq!(again.status.code(), Some(1), "{again:?}");
        assert!(text(&again.stderr).contains("has people already"), "{again:?}");
        assert!(again.stdout.is_empty());
    }

    let server = Process::start(folder.path(), variables);
    let alice = server.token("alice");
    let mut directory = DirectoryServiceClient::connect(server.url()).await.unwrap();
    let me = directory.get_me(request(GetMeRequest {}, &alice)).await.unwrap().into_inner();
    assert_eq!(
        (me.display_name.as_str(), me.system_roles),
        ("Alice A.", vec!["founder".to_owned()])
    );
    let [core] = me.memberships.as_slice() else { panic!("{:?}", me.memberships) };
    assert_eq!(core.slug, "core");
    assert!(core.roles.contains(&"admin".to_owned()), "{:?}", core.roles);

    let mut audit = AuditServiceClient::connect(server.url()).await.unwrap();
    let own = ListAuditEventsRequest::default();
    let own = audit.list_audit_events(request(own, &alice)).await.unwrap().into_inner();
    let actions: Vec<_> = own.audit_events.iter().map(|event| event.action.as_str()).collect();
    for action in ["user.created", "team.created", "team.member.added"] {
        assert!(actions.contains(&action), "{actions:?}");
    }
    let (status, log) = server.end();
    assert!(status.success(), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_database_gets_its_first_founder() {
    makes_alice_a_founder_once(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_database_gets_its_first_founder() {
    let database = TestDb::postgres().await;
    makes_alice_a_founder_once(&[("ELOHIM_DATABASE__URL", database.url())]).await;
}

#[test]
fn names_are_judged_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, told) in [
        (["--user", "admin", "--team", "core"], "--user"),
        (["--user", "", "--team", "core"], "--user"),
        (["--user", "a\u{200b}", "--team", "core"], "--user"),
        (["--user", "alice", "--team", "Core"], "--team"),
        (["--user", "alice", "--team", "system"], "--team"),
    ] {
        let refused = bootstrap(&arguments, folder.path(), &[]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(text(&refused.stderr).contains(told), "{refused:?}");
    }
    assert!(folder.path().read_dir().unwrap().next().is_none(), "nothing was made");
}
