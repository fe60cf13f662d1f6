//! Built-in plans on three small repositories: the right files, real paths, honest risks.

use std::collections::BTreeSet;

use crate::fixture::{FIXTURES, Planned, Repo, tasks};
use agent_core::context::{FileKind, file_kind};
use agent_core::model::Risk;
use agent_core::plan::{PlanDraft, PlanningTask, StageFlavour};

/// The first distinct source files that a plan names, in its order.
fn named_sources(draft: &PlanDraft) -> Vec<&str> {
    let mut out: Vec<&str> = Vec::new();
    for file in draft.steps.iter().flat_map(|step| &step.files) {
        let source = matches!(file_kind(&file.path), FileKind::Source | FileKind::Other);
        if source && !out.contains(&file.path.as_str()) {
            out.push(&file.path);
        }
    }
    out
}

fn assert_paths_are_real(repo: &Repo, draft: &PlanDraft) {
    let tracked: BTreeSet<&str> = repo.snapshot.files.iter().map(|f| f.path.as_str()).collect();
    for file in draft.steps.iter().flat_map(|step| &step.files) {
        assert_ne!(tracked.contains(file.path.as_str()), file.is_new, "{file:?}");
        assert!(!file.reason.is_empty(), "{file:?}");
    }
}

fn assert_figures_have_reasons(draft: &PlanDraft) {
    assert!(!draft.steps.is_empty() && !draft.summary.is_empty());
    for step in &draft.steps {
        assert!(!step.description.is_empty() && step.minutes > 0, "{step:?}");
        assert!(!step.risk_reason.is_empty() && !step.minutes_reason.is_empty(), "{step:?}");
    }
    assert_eq!(draft.estimated_minutes, draft.steps.iter().map(|s| s.minutes).sum::<u32>());
    assert!(!draft.estimate_reason.is_empty());
}

#[test]
fn the_right_file_is_among_the_first_three() {
    for name in FIXTURES {
        let repo = Repo::fixture(name);
        let (mut ranked, mut planned, mut first) = (0, 0, BTreeSet::new());
        let tasks = tasks(name);
        assert_eq!(tasks.len(), 10, "{name}");
        for (right, text) in &tasks {
            let Planned { bundle, draft } = repo.plan(&PlanningTask::of_input(text), 0);
            let top: Vec<&str> = bundle.ranked.iter().take(3).map(|f| f.path.as_str()).collect();
            let sources = named_sources(&draft);
            let in_plan = sources.iter().take(3).any(|path| path == right);
            ranked += u32::from(top.contains(&right.as_str()));
            planned += u32::from(in_plan);
            first.insert(sources.first().copied().unwrap_or_default().to_owned());
            if !in_plan {
                println!("{name}: {right} is not in {sources:?}, ranked {top:?}: {text}");
            }
            assert_paths_are_real(&repo, &draft);
            assert_figures_have_reasons(&draft);
        }
        println!("{name}: right file in the first three: ranked {ranked}/10, planned {planned}/10");
        assert!(ranked >= 9 && planned >= 9, "{name}: ranked {ranked}, planned {planned}");
        assert!(first.len() >= 8, "{name}: different texts give different files: {first:?}");
    }
}

#[test]
fn every_flavour_names_real_paths_and_its_own_kind_of_files() {
    for name in FIXTURES {
        let repo = Repo::fixture(name);
        for (_, text) in tasks(name).into_iter().take(4) {
            for flavour in [
                StageFlavour::Assist,
                StageFlavour::CodeReview,
                StageFlavour::TestEnrichment,
                StageFlavour::DocUpdate,
            ] {
                let task = PlanningTask { flavour, ..PlanningTask::of_input(&text) };
                let draft = repo.plan(&task, 4_000).draft;
                assert_paths_are_real(&repo, &draft);
                assert_figures_have_reasons(&draft);
                let kinds: BTreeSet<FileKind> =
                    draft.steps.iter().flat_map(|s| &s.files).map(|f| file_kind(&f.path)).collect();
                match flavour {
                    StageFlavour::TestEnrichment => {
                        let inside = draft.steps.iter().all(|s| s.risk == Risk::Low);
                        assert!(kinds.contains(&FileKind::Test) && inside, "{name}: {draft:#?}");
                    }
                    StageFlavour::DocUpdate => {
                        assert!(kinds.contains(&FileKind::Document), "{name}: {draft:#?}");
                        assert!(draft.steps.iter().all(|step| step.risk == Risk::Low));
                    }
                    StageFlavour::CodeReview => {
                        assert!(draft.steps.iter().all(|step| step.risk == Risk::Low));
                    }
                    StageFlavour::Assist => {}
                }
            }
        }
    }
}

#[test]
fn a_target_path_comes_first() {
    let repo = Repo::fixture("py-ledger");
    let task = PlanningTask {
        target_path: "ledger/exchange.py".into(),
        ..PlanningTask::of_input("Fix the rounding of shares")
    };
    let draft = repo.plan(&task, 0).draft;
    assert_eq!(named_sources(&draft).first(), Some(&"ledger/exchange.py"), "{draft:#?}");
}

/// `many` files use `core`, and a test covers it or not.
fn repo_with(many: usize, test: bool) -> Repo {
    let mut files = vec![(
        "src/parcel.rs".to_owned(),
        b"pub fn weigh_parcel(grams: u32) -> u32 { grams }\n".to_vec(),
    )];
    for n in 0..many {
        let text = format!(
            "use crate::parcel::weigh_parcel;\npub fn user_{n}() {{ weigh_parcel({n}); }}\n"
        );
        files.push((format!("src/user{n}.rs"), text.into_bytes()));
    }
    if test {
        let text = b"use shop::parcel::weigh_parcel;\n#[test]\nfn weighs() { weigh_parcel(1); }\n";
        files.push(("tests/parcel.rs".to_owned(), text.to_vec()));
    }
    files.push((
        "docs/handling.md".to_owned(),
        b"# Handling\nHow we wrap fragile glassware.\n".to_vec(),
    ));
    Repo::of(files)
}

fn risk_of_change(repo: &Repo, text: &str) -> Risk {
    let draft = repo.plan(&PlanningTask::of_input(text), 0).draft;
    draft.steps.iter().map(|step| step.risk).max().expect("a step")
}

#[test]
fn risk_follows_dependents_tests_and_documents() {
    let text = "Parcels are weighed without their wrapping: weigh_parcel is wrong";
    let table = [
        (8, false, Risk::High),
        (8, true, Risk::Medium),
        (3, false, Risk::Medium),
        (3, true, Risk::Low),
        (0, false, Risk::Medium),
        (0, true, Risk::Low),
    ];
    for (many, test, risk) in table {
        assert_eq!(
            risk_of_change(&repo_with(many, test), text),
            risk,
            "{many} dependents, test: {test}"
        );
    }
    let documents = "Describe in the handling document how fragile glassware is wrapped";
    assert_eq!(risk_of_change(&repo_with(8, false), documents), Risk::Low);
}

#[test]
fn high_risk_needs_confirmation_and_says_why() {
    let text = "Parcels are weighed without their wrapping: weigh_parcel is wrong";
    let draft = repo_with(8, false).plan(&PlanningTask::of_input(text), 0).draft;
    assert!(draft.requires_confirmation);
    assert!(
        draft.risks.iter().any(|risk| risk.contains("8 files refer to it")),
        "{:?}",
        draft.risks
    );
    let calm = repo_with(1, true).plan(&PlanningTask::of_input(text), 0).draft;
    assert!(!calm.requires_confirmation, "{calm:#?}");
}

#[test]
fn a_task_that_matches_nothing_gets_an_honest_plan() {
    for repo in [Repo::fixture("ts-board"), Repo::of(Vec::new())] {
        let draft = repo.plan(&PlanningTask::of_input("Quantengravitation xyzzy"), 0).draft;
        assert_eq!(draft.steps.len(), 1);
        assert!(draft.steps[0].files.is_empty() && draft.requires_confirmation);
        assert_paths_are_real(&repo, &draft);
    }
}

#[test]
fn a_secret_file_is_named_and_never_shown() {
    let repo = Repo::fixture("rust-shop");
    let bundle = repo.plan(&PlanningTask::of_input("payment secret"), 0).bundle;
    let json = serde_json::to_string(&bundle).expect("serialisable");
    assert!(!json.contains("only-an-example"));
    assert!(bundle.left_out.files.iter().any(|f| f.path == ".env"));
    assert!(bundle.left_out.files.iter().any(|f| f.path == "Cargo.lock"));
}
