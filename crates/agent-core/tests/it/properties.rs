//! What must hold for every repository, every task and every budget.

use crate::fixture::Repo;
use agent_core::context::{
    Inputs, Query, QueryTerms, Redactor, build, definitions, parts, redact, select_candidates,
    terms, tokens, word_stem,
};
use agent_core::plan::{PlanningTask, RepoFacts, StageFlavour, plan_builtin};
use agent_core::port::workspace::{ObjectId, RecentCommit, StatusEntry};
use agent_core::prompt::{parse_answer, plan_request};
use agent_core::route::classify;
use primitives::Timestamp;
use proptest::prelude::*;

/// Paths that a repository may have, odd ones among them.
fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "(src|lib|tests|docs|a b)/[a-z_]{1,12}\\.(rs|py|ts|md|toml|go)",
        1 => "[a-z]{1,8}(/[a-z\"\n\u{202e}ü.]{1,8}){0,3}",
        1 => Just(".env".to_owned()),
    ]
}

/// Texts that look a little like code, and some that do not.
fn content() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "(pub fn [a-z_]{1,10}\\(\\) \\{\n|    let cart = total;\n|# order cart\n|\n){0,60}",
        1 => "\\PC{0,400}",
        1 => "(password = \"[a-z0-9]{1,12}\"\n|AKIA[A-Z0-9]{16}\n|<<0000 x>>\n){0,20}",
    ]
}

fn repo() -> impl Strategy<Value = Repo> {
    prop::collection::vec((path(), content()), 0..25)
        .prop_map(|files| Repo::of(files.into_iter().map(|(p, t)| (p, t.into_bytes())).collect()))
}

fn commits() -> impl Strategy<Value = Vec<RecentCommit>> {
    let commit = ("\\PC{0,60}", prop::collection::vec(path(), 0..4), "\\PC{0,300}").prop_map(
        |(subject, paths, body)| RecentCommit {
            commit: ObjectId::parse(&"d".repeat(40)).expect("hex"),
            subject,
            author_name: "Ann".into(),
            time: Timestamp::from_micros(0),
            diff: paths
                .first()
                .map(|p| format!("diff --git a/{p} b/{p}\n@@ -1 +1 @@\n+{body}\n"))
                .unwrap_or_default(),
            paths,
        },
    );
    prop::collection::vec(commit, 0..4)
}

fn task() -> impl Strategy<Value = String> {
    prop_oneof!["(fix|add|delete|the|cart|order|total|docs|test| ){0,12}", "\\PC{0,200}",]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_bundle_keeps_its_budget_and_plans_keep_their_paths(
        repo in repo(), commits in commits(), text in task(), budget in 1_u32..6_000,
        changed in prop::collection::vec(path(), 0..4), focus in prop::option::of(path()),
    ) {
        let query = Query { text: &text, focus: focus.as_deref(), open_files: &changed };
        let redactor = Redactor::new(&["cart = total".to_owned()]);
        let selection = select_candidates(&repo.snapshot, &query, &redactor);
        let texts = repo.read(&selection);
        let status: Vec<StatusEntry> = changed
            .iter()
            .map(|path| StatusEntry { path: path.clone(), change: "modified".into() })
            .collect();
        let inputs = Inputs {
            snapshot: &repo.snapshot,
            selection: &selection,
            texts: &texts,
            commits: &commits,
            status: &status,
            query,
            budget,
            redactor: &redactor,
        };
        let bundle = build(&inputs);
        let shown = bundle.render();
        prop_assert_eq!(tokens(shown.len()), bundle.tokens);
        prop_assert!(bundle.tokens <= budget, "{} > {}", bundle.tokens, budget);
        prop_assert!(!shown.contains("cart = total"));
        prop_assert!(!shown.contains(".env lines"));
        prop_assert_eq!(&build(&inputs), &bundle, "the same inputs, another bundle");
        prop_assert_eq!(bundle.hash.len(), 64);

        let tracked = |path: &str| repo.snapshot.files.iter().any(|f| f.path == path);
        let facts = RepoFacts::scan(&inputs, &bundle);
        for flavour in [
            StageFlavour::Assist, StageFlavour::CodeReview,
            StageFlavour::TestEnrichment, StageFlavour::DocUpdate,
        ] {
            let task = PlanningTask { flavour, ..PlanningTask::of_input(&text) };
            let draft = plan_builtin(&task, &bundle, &facts);
            prop_assert!(!draft.steps.is_empty());
            for file in draft.steps.iter().flat_map(|step| &step.files) {
                prop_assert_ne!(tracked(&file.path), file.is_new);
            }
        }
        let request = plan_request(None, &PlanningTask::of_input(&text), &bundle, &redactor);
        prop_assert!(request.user.contains(&shown));
    }

    #[test]
    fn frames_cannot_be_closed_from_inside(repo in repo(), text in task()) {
        let planned = repo.plan(&PlanningTask::of_input(&text), 4_000);
        let boundary = planned.bundle.boundary();
        let shown = planned.bundle.render();
        let opened = shown.lines().filter(|l| l.starts_with(&format!("<<{boundary} "))).count();
        let closed = shown.lines().filter(|l| *l == format!("<</{boundary}>>")).count();
        prop_assert_eq!(opened, closed);
        prop_assert_eq!(shown.matches(&boundary).count(), opened + closed);
    }

    #[test]
    fn redaction_leaves_no_known_value(
        parts in prop::collection::vec("[a-c\\[\\]x=\" ]{0,12}", 1..8),
        known in prop::collection::vec("[a-c\\[\\]x=\"]{4,8}", 1..5),
        order in prop::collection::vec(0_usize..5, 0..8),
    ) {
        let mut text = String::new();
        for (part, at) in parts.iter().zip(order.iter().chain(std::iter::repeat(&9))) {
            text.push_str(part);
            text.push_str(known.get(*at).map_or("", String::as_str));
        }
        let out = redact(&text, &known).text;
        for value in &known {
            prop_assert!(!out.contains(value.as_str()), "{value:?} in {out:?}");
        }
    }

    #[test]
    fn redaction_keeps_lines_and_is_stable(text in "\\PC{0,200}(\n\\PC{0,80}){0,6}") {
        let once = redact(&text, &[]);
        prop_assert_eq!(once.text.matches('\n').count(), text.matches('\n').count());
        prop_assert_eq!(&redact(&once.text, &[]).text, &once.text);
    }

    #[test]
    fn nothing_panics_on_any_text(text in any::<String>(), path in any::<String>()) {
        let _ = (parts(&text), terms(&text), word_stem(&text), QueryTerms::of(&text));
        for ext in ["rs", "py", "ts", "go", "java", "c", "rb", "sql", "proto", ""] {
            let _ = definitions(&format!("{path}.{ext}"), &text);
        }
        let routing = classify(&text);
        prop_assert!((0.0..=1.0).contains(&routing.confidence));
        prop_assert!(!routing.reasons.is_empty());
        let repo = Repo::of(vec![(path, text.clone().into_bytes())]);
        let _ = parse_answer(&text, &repo.snapshot, &Redactor::new(&[]));
        let _ = repo.plan(&PlanningTask::of_input(&text), 500);
    }
}
