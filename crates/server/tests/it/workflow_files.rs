//! Definitions as files, by the program itself.

use std::process::Output;

use super::process::{Process, program};

const DOCUMENT: &str = "
kind: elohim.workflow/v1
workflow:
  display_name: From a file
  stages:
  - id: do
    display_name: Do it
    type: HUMAN
";

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_definition_goes_into_a_server_and_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&folder.path().join("data"), &[]);
    let (file, out) = (folder.path().join("care.yaml"), folder.path().join("out.yaml"));
    std::fs::write(&file, DOCUMENT).unwrap();
    let run = |arguments: &[&str], person: &str| -> Output {
        let mut command = program();
        command.arg("workflow").args(arguments);
        command.args(["--server", &server.url()]).env("TOKEN", server.token(person));
        command.output().unwrap()
    };
    let file = file.to_str().unwrap();

    let tried = run(&["import", file, "--validate-only"], "alice");
    assert_eq!(text(&tried.stdout), "valid\n", "{tried:?}");
    let made = run(&["import", file], "alice");
    let name = text(&made.stdout).trim().to_owned();
    assert!(made.status.success() && name.starts_with("workflows/"), "{made:?}");
    let shown = run(&["export", &name, "--out", out.to_str().unwrap()], "bob");
    assert!(shown.status.success(), "{shown:?}");
    let written = std::fs::read_to_string(&out).unwrap();
    assert_eq!(text(&run(&["export", &name], "bob").stdout), written);
    let again = run(&["import", out.to_str().unwrap(), "--personal"], "bob");
    let copy = text(&again.stdout).trim().to_owned();
    assert_eq!(text(&run(&["export", &copy], "bob").stdout), written);

    let refused = run(&["export", &copy], "alice");
    assert_eq!(
        (refused.status.code(), text(&refused.stderr).contains("WORKFLOW_NOT_FOUND")),
        (Some(1), true)
    );
}

#[test]
fn a_document_is_looked_over_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("care.yaml");
    for (document, code, said) in [
        (DOCUMENT.to_owned(), 0, "valid"),
        (DOCUMENT.replace("HUMAN", "AI"), 1, "STAGE_TYPE_NOT_SUPPORTED: workflow.stages[0].type"),
        (DOCUMENT.replace("kind", "sort"), 1, "INVALID_DOCUMENT: document"),
    ] {
        std::fs::write(&file, document).unwrap();
        let output = program().args(["workflow", "validate"]).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(told.contains(said), "{told}");
    }
}
