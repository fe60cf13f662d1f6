//! The program from outside: exit codes, and what it prints.

use std::process::{Command, Output};

fn elohim(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elohim"));
    let ours = std::env::vars().filter(|(name, _)| name.starts_with("ELOHIM_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied()).output().unwrap()
}

fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = elohim(arguments, variables);
    assert_eq!(output.status.code(), Some(2), "{arguments:?} {output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_server_without_a_verifier_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("ELOHIM_DATA_DIR", folder.path().to_str().unwrap())];
    assert!(refused(&["serve"], &data).contains("identity"));
    let half = [data[0], ("ELOHIM_IDENTITY__ISSUER", "https://id.example.org")];
    assert!(refused(&["serve"], &half).contains("identity"));
    assert!(folder.path().read_dir().unwrap().next().is_none(), "nothing was made");
}

#[test]
fn development_stays_on_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let data = ("ELOHIM_DATA_DIR", folder.path().to_str().unwrap());
    for key in ["ELOHIM_GATEWAY__LISTEN", "ELOHIM_ADMIN__LISTEN", "ELOHIM_METRICS__LISTEN"] {
        assert!(refused(&["serve", "--dev"], &[data, (key, "0.0.0.0:0")]).contains("loopback"));
    }
}

#[test]
fn operators_of_other_machines_need_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let data = ("ELOHIM_DATA_DIR", folder.path().to_str().unwrap());
    let told = refused(&["serve"], &[data, ("ELOHIM_ADMIN__LISTEN", "0.0.0.0:0")]);
    assert!(told.contains("admin.listen") && told.contains("client_ca"), "{told}");
}

#[test]
fn sqlite_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("ELOHIM_DATA_DIR", folder.path().to_str().unwrap())];
    for arguments in [&["worker"][..], &["serve", "--dev", "--no-worker"]] {
        assert!(refused(arguments, &data).contains("Postgres"), "{arguments:?}");
    }
}

#[test]
fn typos_are_loud_and_secrets_are_not() {
    let variables =
        [("ELOHIM_DATABASE__URL", "postgres://u:hunter2@db/x"), ("ELOHIM_GATWAY__LISTEN", "x")];
    let told = refused(&["serve", "--dev"], &variables);
    assert!(told.contains("gatway"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    assert_eq!(elohim(&["sreve"], &[]).status.code(), Some(2));
    let folder = tempfile::tempdir().unwrap();
    let data = ("ELOHIM_DATA_DIR", folder.path().to_str().unwrap());
    for url in ["mysql://u:hunter2@db/x", "sqlite::memory:"] {
        let told = refused(&["serve", "--dev"], &[data, ("ELOHIM_DATABASE__URL", url)]);
        assert!(told.contains("database.url") && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn tokens_are_for_seeded_people_of_a_development_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    assert!(
        refused(&["token", "issue", "--user", "mallory", "--data-dir", data], &[])
            .contains("alice")
    );
    assert!(
        refused(&["token", "issue", "--user", "bob", "--data-dir", data], &[])
            .contains("serve --dev")
    );
}

#[test]
fn the_descriptor_set_is_the_contract() {
    let output = elohim(&["descriptor"], &[]);
    assert!(output.status.success());
    assert_eq!(output.stdout, api::DESCRIPTORS);
}

#[test]
fn the_demo_refuses_what_is_no_repository() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert!(refused(&["demo", "--repo", path], &[]).contains("not a git repository"));
    assert!(refused(&["demo", "--repo", &format!("{path}/none")], &[]).contains("none"));
}
