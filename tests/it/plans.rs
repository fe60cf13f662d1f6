//! What the built-in planner says of a real repository.

use std::collections::BTreeSet;

use api::agent::{BuildContextRequest, Plan, PlanRequest, Planner};
use testkit::world::{World, refused};
use tonic::Code;

const TASKS: [(&str, &str); 5] = [
    ("The total of a cart is wrong", "src/cart.rs"),
    ("Postage for heavy parcels is too low", "src/shipping.rs"),
    ("Charge reduced VAT on books", "src/tax.rs"),
    ("The invoice amount must include shipping", "src/invoice.rs"),
    ("Explain where the logs are in the operations guide", "docs/operations.md"),
];

fn paths(plan: &Plan) -> BTreeSet<&str> {
    plan.steps.iter().flat_map(|step| &step.files).map(|file| file.path.as_str()).collect()
}

testkit::on_both! {
    /// Every path exists at the plan's commit or is marked as new, whatever the text.
    async fn every_path_exists_or_is_marked_new(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let (repo, repository) = world.shop().await;
        let tracked = repo.tracked();
        let odd = ["x", "Fix src/nowhere.rs and ../../etc/passwd", "日本語のテキスト", "{}[]()*+?"];
        let texts = TASKS.iter().map(|(text, _)| *text).chain(odd);
        for text in texts {
            let plan = alice.plans_task(&repository, text).await.unwrap();
            assert_eq!(plan.commit, repo.head());
            assert_eq!((plan.planner(), plan.model_used.as_str()), (Planner::Builtin, "builtin"));
            assert!(!plan.steps.is_empty(), "{text:?} gives no step");
            for file in plan.steps.iter().flat_map(|step| &step.files) {
                assert_eq!(!file.is_new, tracked.contains(&file.path), "{text:?}: {file:?}");
            }
        }
    }

    /// Different tasks name different files, each its own first.
    async fn different_texts_give_different_files(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let (_, repository) = world.shop().await;
        let mut seen = BTreeSet::new();
        for (text, expected) in TASKS {
            let plan = alice.plans_task(&repository, text).await.unwrap();
            let named = paths(&plan);
            assert!(named.contains(expected), "{text:?} names {named:?}");
            seen.insert(format!("{named:?}"));
        }
        assert!(seen.len() >= TASKS.len() - 1, "{seen:#?}");
    }

    /// The same task at the same commit gives the same bundle and the same steps; another
    /// commit gives another bundle.
    async fn a_plan_is_reproducible(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let (repo, repository) = world.shop().await;
        let (text, _) = TASKS[0];
        let first = alice.plans_task(&repository, text).await.unwrap();
        let second = alice.plans_task(&repository, text).await.unwrap();
        assert_eq!((&first.bundle_hash, &first.steps), (&second.bundle_hash, &second.steps));
        assert_ne!(first.name, second.name);

        repo.write("src/cart.rs", "//! Carts, again.\npub struct Cart;\n").commit("Again");
        let third = alice.plans_task(&repository, text).await.unwrap();
        assert_ne!(third.bundle_hash, first.bundle_hash);
        assert_eq!(third.commit, repo.head());
    }

    /// A bundle shows committed files only, keeps to its budget and hides secrets.
    async fn a_bundle_keeps_its_budget_and_hides_secrets(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let (repo, repository) = world.shop().await;
        let key = format!("AKIA{}", "IOSFODNN7EXAMPLE");
        repo.write("src/cart.rs", format!("//! Carts.\nconst KEY: &str = \"{key}\";\n"));
        repo.commit("A key in a cart");
        repo.write("src/untracked.rs", "// cart cart cart");
        let before = repo.state();

        let bundle = alice
            .builds_context(BuildContextRequest {
                input: "The cart".into(),
                repository,
                token_budget: 1_500,
                ..Default::default()
            })
            .await
            .unwrap();

        assert!(bundle.tokens_used <= bundle.token_budget, "{bundle:?}");
        assert!(bundle.tree.contains(&"src/cart.rs".to_owned()));
        assert!(!bundle.tree.contains(&"src/untracked.rs".to_owned()));
        assert!(bundle.status.iter().any(|entry| entry.path == "src/untracked.rs"));
        assert!(!format!("{bundle:?}").contains(&key), "a secret is in the bundle");
        assert!(bundle.redactions >= 1);
        assert!(bundle.slices.iter().any(|slice| slice.path == "src/cart.rs"));
        assert_eq!(repo.state(), before, "the repository is only read");
    }

    /// A revision that does not exist is said not to.
    async fn an_unknown_revision_is_refused(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let (_, repository) = world.shop().await;
        for revision in ["nowhere", "0123456789012345678901234567890123456789", "--help", "HEAD~99"] {
            let request = PlanRequest {
                repository: repository.clone(),
                input: "x".into(),
                revision: revision.into(),
                ..Default::default()
            };
            let answer = alice.plans(request).await;
            refused(answer, Code::FailedPrecondition, "REVISION_NOT_FOUND");
        }
    }
}
