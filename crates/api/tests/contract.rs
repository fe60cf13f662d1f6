//! The protos and the table beside them say the same.

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// `package,service,method` of every method in the protos, sorted.
fn methods() -> Vec<String> {
    let set = FileDescriptorSet::decode(api::DESCRIPTORS).expect("valid descriptors");
    let mut methods = Vec::new();
    for file in set.file.iter().filter(|file| file.package().starts_with("elohim.")) {
        let package = file.package().split('.').nth(1).expect("a package of ours");
        for service in &file.service {
            let rows = service.method.iter().map(|m| (service.name(), m.name()));
            methods.extend(rows.map(|(service, method)| format!("{package},{service},{method}")));
        }
    }
    methods.sort();
    methods
}

#[test]
fn every_method_has_one_row_in_the_access_table_and_every_row_a_method() {
    let mut lines = api::ACCESS_TABLE.lines();
    assert_eq!(lines.next(), Some("package,service,method,key,level,checked_on,audit_action"));
    let mut rows: Vec<String> =
        lines.map(|line| line.splitn(4, ',').take(3).collect::<Vec<_>>().join(",")).collect();
    rows.sort();
    assert!(!rows.is_empty());
    assert_eq!(methods(), rows);
}

#[test]
fn the_descriptors_carry_imports_and_comments() {
    let set = FileDescriptorSet::decode(api::DESCRIPTORS).unwrap();
    let has = |name: &str| set.file.iter().find(|file| file.name() == name);
    assert!(has("google/protobuf/timestamp.proto").is_some());
    let workflow = has("elohim/workflow/v1/workflow.proto").unwrap();
    let comments = &workflow.source_code_info.as_ref().unwrap().location;
    assert!(
        comments.iter().any(|at| at.leading_comments().contains("Requires `workflows.create`"))
    );
}
