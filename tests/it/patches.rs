//! Changes: where they go, how they are taken back, and what is never applied.

use std::os::unix::fs::symlink;

use api::agent::apply_request::Change;
use api::agent::{ApplyRequest, PatchState, RunKind, RunState, SearchReplace, SearchReplaceEdits};
use testkit::world::repo::folder_state;
use testkit::world::{Person, Refused as _, Repo, World, refused};
use tonic::{Code, Status};

const ARGUMENT: Code = Code::InvalidArgument;
const STATE: Code = Code::FailedPrecondition;

pub(crate) fn new_file(path: &str, mode: &str, line: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{line}\n"
    )
}

/// Patches that must be refused whole, by what is wrong with them.
fn hostile() -> Vec<(&'static str, String)> {
    let plain = |path: &str| new_file(path, "100644", "evil");
    let mut patches = vec![
        ("a link", new_file("src/link", "120000", "/etc/passwd")),
        ("a submodule", new_file("sub", "160000", "Subproject commit 0123456789012345678901234567890123456789")),
        ("a set-uid file", new_file("src/su", "104755", "evil")),
        ("a folder's mode", new_file("src/x", "040000", "evil")),
        ("a strange mode", new_file("src/x", "100777", "evil")),
        ("quoted", new_file("x", "100644", "evil").replace("a/x", "\"a/..\\057x\"").replace("b/x", "\"b/..\\057x\"")),
        ("quoted .git", new_file("x", "100644", "evil").replace("a/x", "\"a/.git\\057config\"").replace("b/x", "\"b/\\056git/config\"")),
        ("quoted, not UTF-8", new_file("x", "100644", "evil").replace("b/x", "\"b/\\377\"").replace("a/x", "\"a/\\377\"")),
        ("a rename onto .git", "diff --git a/README.md b/.git/config\nsimilarity index 100%\nrename from README.md\nrename to .git/config\n".into()),
        ("a copy to outside", "diff --git a/README.md b/../x\nsimilarity index 100%\ncopy from README.md\ncopy to ../x\n".into()),
        ("a deletion outside", "--- a/../x\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n".into()),
        ("a link's new target", "diff --git a/out b/out\nindex 1..2 120000\n--- a/out\n+++ b/out\n@@ -1 +1 @@\n-../outside\n\\ No newline at end of file\n+/etc\n\\ No newline at end of file\n".into()),
        ("a binary patch", "diff --git a/x b/x\nnew file mode 100644\nindex 0000000..1\nGIT binary patch\nliteral 1\nIcmZPo000620003H\n\n".into()),
    ];
    for path in [
        "../x",
        "a/../../x",
        "/etc/x",
        "//etc/x",
        ".git/config",
        ".git/hooks/pre-commit",
        "sub/.git/config",
        ".GIT/config",
        ".gIt/x",
        ".git./x",
        ".git /x",
        ".g\u{200c}it/config",
        "git~1/config",
        ".git::$INDEX_ALLOCATION/x",
        "a\\..\\..\\x",
        "C:/x",
        "out/x",
        "folder/x",
        "gitlink/config",
        ".",
        "..",
        "src/./x",
        "src//x",
        "SRC/cart.rs",
    ] {
        patches.push((path, plain(path)));
    }
    patches
}

/// The shop with links to outside and to `.git`, tracked and not.
fn trap(world: &World) -> Repo {
    let outside = world.root_of("core").join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("x"), "x\n").unwrap();
    let repo = Repo::shop(&world.root_of("core").join("trap"));
    symlink("../outside", repo.dir.join("out")).unwrap();
    symlink(".git", repo.dir.join("gitlink")).unwrap();
    repo.commit("Links");
    symlink("../outside", repo.dir.join("folder")).unwrap();
    repo
}

async fn applies_edit(
    person: &Person,
    repository: &str,
    path: &str,
    search: &str,
) -> Result<(), Status> {
    let edit = SearchReplace { path: path.into(), search: search.into(), replace: "evil\n".into() };
    let request = ApplyRequest {
        repository: repository.to_owned(),
        change: Some(Change::Edits(SearchReplaceEdits { edits: vec![edit] })),
        ..Default::default()
    };
    person.applies(request).await.map(drop)
}

/// Whether a diff says the same, apart from abbreviated object ids.
fn same_change(one: &str, other: &str) -> bool {
    let lines = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with("index "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    lines(one) == lines(other)
}

testkit::on_both! {
    /// A change becomes one commit on a branch of the mirror whose difference is the patch;
    /// taken back, the tree is the base's. HEAD, refs, index and work tree of the registered
    /// repository are as they were.
    async fn a_change_is_applied_and_taken_back(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (repo, repository) = world.shop().await;
        repo.write("src/cart.rs", "// in the middle of something\n").write("new.txt", "untracked");
        let before = repo.state();
        let diff = {
            let clean = Repo::shop(&world.root_of("core").join("clean"));
            clean.diff_adding("README.md", "More.")
        };

        let applied = bob.applies_diff(&repository, &diff).await.unwrap();

        let run = applied.run.unwrap();
        assert_eq!((run.state(), run.kind()), (RunState::Succeeded, RunKind::Apply));
        let patch = bob.sees_patch(&applied.patch.unwrap().name).await.unwrap();
        assert_eq!((patch.state(), &patch.base_commit), (PatchState::Applied, &repo.head()));
        assert_eq!((&patch.run, patch.engine.as_str()), (&run.name, "diff"));
        assert!(same_change(&patch.diff, &diff), "{}\n{diff}", patch.diff);
        assert_eq!(patch.files.len(), 1);
        let file = &patch.files[0];
        assert_eq!((file.path.as_str(), file.lines_added, file.lines_deleted), ("README.md", 1, 0));
        let mirror = world.mirror(&repository);
        let tip = || mirror.find_reference(&patch.branch).unwrap().peel_to_commit().unwrap();
        let commit = tip();
        assert_eq!((commit.id().to_string(), commit.tree_id().to_string()), (patch.commit.clone(), patch.tree.clone()));
        assert_eq!(commit.parent_ids().map(|id| id.to_string()).collect::<Vec<_>>(), [repo.head()]);
        assert_eq!(repo.state(), before);
        refused(alice.sees_patch(&patch.name).await, Code::NotFound, "PATCH_NOT_FOUND");

        let reverted = bob.reverts(&patch.name).await.unwrap();

        assert_eq!((reverted.state(), reverted.kind()), (RunState::Succeeded, RunKind::Revert));
        let base: git2::Oid = repo.head().parse().unwrap();
        let base_tree = mirror.find_commit(base).unwrap().tree_id();
        assert_eq!(tip().tree_id(), base_tree, "the tree is the base's");
        assert_eq!(tip().parent_id(0).unwrap(), commit.id(), "a commit of its own");
        let seen = bob.sees_patch(&patch.name).await.unwrap();
        assert_eq!((seen.state(), &seen.reverted_by), (PatchState::Reverted, &reverted.name));
        refused(bob.reverts(&patch.name).await, STATE, "PATCH_NOT_APPLIED");
        assert_eq!(repo.state(), before);
    }

    /// SEARCH/REPLACE edits are applied together or not at all.
    async fn edits_are_applied_together_or_not_at_all(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let (repo, repository) = world.shop().await;
        let edit = |path: &str, search: &str, replace: &str| SearchReplace {
            path: path.into(), search: search.into(), replace: replace.into(),
        };
        let apply = async |edits: Vec<SearchReplace>| {
            bob.applies(ApplyRequest {
                repository: repository.clone(),
                change: Some(Change::Edits(SearchReplaceEdits { edits })),
                ..Default::default()
            })
            .await
        };
        let good = edit("src/tax.rs", "net * 19 / 100", "net * 7 / 100");
        for bad in [
            edit("src/tax.rs", "not there", "x"),
            edit("src/cart.rs", "prices", "occurs more than once"),
            edit("src/nowhere.rs", "x", "y"),
            edit("README.md", "", "exists already"),
        ] {
            refused(apply(vec![good.clone(), bad]).await, ARGUMENT, "PATCH_DOES_NOT_APPLY");
        }
        assert!(bob.lists_patches("").await.unwrap().is_empty());

        let applied = apply(vec![good, edit("src/books.rs", "", "//! Books.\n")]).await.unwrap();

        let patch = applied.patch.unwrap();
        assert_eq!(patch.state(), PatchState::Applied);
        let paths: Vec<_> = patch.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["src/books.rs", "src/tax.rs"]);
        assert_eq!(patch.engine, "edits");
        assert!(!repo.dir.join("src/books.rs").exists());
    }

    /// A dry run shows the patch and stores nothing.
    async fn a_dry_run_stores_nothing(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let (repo, repository) = world.shop().await;
        let before = world.probe().dump_without_audit().await;
        let request = ApplyRequest {
            repository: repository.clone(),
            change: Some(Change::UnifiedDiff(repo.diff_adding("README.md", "More."))),
            dry_run: true,
            ..Default::default()
        };
        let shown = bob.applies(request).await.unwrap();
        assert!(shown.run.is_none());
        let patch = shown.patch.unwrap();
        assert_eq!((patch.name.as_str(), patch.state()), ("", PatchState::Unspecified));
        assert!(patch.diff.contains("+More."));
        assert_eq!(world.probe().dump_without_audit().await, before);
        let branches = world.mirror(&repository).references_glob("refs/heads/elohim/*").unwrap().count();
        assert_eq!(branches, 0);
    }

    /// A change made for another commit than HEAD is stale.
    async fn a_change_for_another_commit_is_stale(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let (repo, repository) = world.shop().await;
        let old = repo.head();
        let plan = bob.plans_task(&repository, "Fix the cart").await.unwrap();
        repo.write("src/new.rs", "//! New.\n").commit("Moved on");
        let change = Some(Change::UnifiedDiff(repo.diff_adding("README.md", "More.")));
        for base in [old, "0".repeat(40)] {
            let request = ApplyRequest {
                repository: repository.clone(),
                change: change.clone(),
                base_commit: base,
                ..Default::default()
            };
            refused(bob.applies(request).await, STATE, "PLAN_STALE");
        }
        let request = ApplyRequest {
            repository: repository.clone(),
            change: Some(Change::Plan(api::agent::PlanChange { name: plan.name, ..Default::default() })),
            ..Default::default()
        };
        refused(bob.applies(request).await, STATE, "PLAN_STALE");
        let plan = bob.plans_task(&repository, "Fix the cart").await.unwrap();
        let request = ApplyRequest {
            repository: repository.clone(),
            change: Some(Change::Plan(api::agent::PlanChange { name: plan.name, ..Default::default() })),
            ..Default::default()
        };
        refused(bob.applies(request).await, STATE, "NO_PATCH");
        let request = ApplyRequest { repository, change, base_commit: repo.head(), ..Default::default() };
        bob.applies(request).await.unwrap();
    }

    /// A plan is carried out by an engine, also with steps that a person edited.
    async fn an_engine_carries_out_a_plan(db: TestDb) {
        use testkit::engine::{NAME, ScriptedEngine, Step};
        let engine = ScriptedEngine::new([Step::append("src/cart.rs", "// Done.\n")]);
        let setup = testkit::world::Setup {
            engines: vec![std::sync::Arc::new(engine.clone())],
            ..Default::default()
        };
        let world = World::with(db, setup).await;
        let bob = world.person("bob");
        let (_, repository) = world.shop().await;
        let plan = bob.plans_task(&repository, "Fix the cart").await.unwrap();
        let mut steps = plan.steps.clone();
        steps.truncate(1);
        steps[0].description = "Only this.".into();
        let change = Change::Plan(api::agent::PlanChange { name: plan.name.clone(), steps });
        let request = ApplyRequest { repository, change: Some(change), ..Default::default() };

        let applied = bob.applies(request).await.unwrap();

        let patch = applied.patch.expect("a patch");
        assert_eq!((patch.state(), patch.engine.as_str(), &patch.plan), (PatchState::Applied, NAME, &plan.name));
        assert_eq!(patch.files[0].path, "src/cart.rs");
        let tasks = engine.tasks();
        assert_eq!(tasks.len(), 1);
        assert!(tasks[0].instruction.contains("Only this."), "{}", tasks[0].instruction);
    }

    /// Hostile patches are refused whole, and nothing anywhere changes.
    async fn hostile_patches_are_refused_whole(db: TestDb) {
        let world = World::start(db).await;
        let [bob, carol] = world.people(["bob", "carol"]);
        let repo = trap(&world);
        let repository = carol.registers(&repo.dir).await.unwrap().name;
        let good = repo.diff_adding("README.md", "More.");
        let request = ApplyRequest {
            repository: repository.clone(),
            change: Some(Change::UnifiedDiff(good.clone())),
            dry_run: true,
            ..Default::default()
        };
        bob.applies(request).await.expect("the harmless part alone is fine");
        let before = folder_state(&world.root_of("core"));
        let tables = ["agent_run", "patch"];
        let known = ["PATCH_PATH_REFUSED", "PATCH_DOES_NOT_APPLY", "PATCH_EMPTY"];
        for (what, bad) in hostile() {
            // On its own, after and before a harmless part.
            for diff in [bad.clone(), format!("{good}{bad}"), format!("{bad}{good}")] {
                let answer = bob.applies_diff(&repository, &diff).await;
                let status = answer.err().unwrap_or_else(|| panic!("{what} was applied:\n{diff}"));
                let fits = status.code() == ARGUMENT && known.contains(&status.reason().as_str());
                assert!(fits, "{what}: {status:?}\n{diff}");
            }
        }
        for (path, search) in [
            ("../outside/x", "x\n"), ("out/x", "x\n"), ("folder/x", "x\n"), ("out", "../outside"), ("gitlink/config", "[core]"),
            (".git/config", "[core]"), (".git/hooks/x", ""), ("/etc/hostname", ""), ("src/../../x", ""), ("", ""), (".GIT/x", ""),
        ] {
            let status = applies_edit(&bob, &repository, path, search).await.expect_err(path);
            assert_eq!(status.code(), ARGUMENT, "{path}: {status:?}");
        }
        assert_eq!(folder_state(&world.root_of("core")), before);
        for table in tables {
            assert_eq!(world.probe().count(&format!("select count(*) from {table}")).await, 0);
        }
        let mirror = world.mirror(&repository);
        let names: Vec<String> = mirror.references().unwrap().names().map(|name| name.unwrap().to_owned()).collect();
        let made = |name: &&String| !name.starts_with("refs/elohim/base/");
        assert_eq!(names.iter().filter(made).collect::<Vec<_>>(), Vec::<&String>::new());
        assert_eq!(testkit::world::panics(), Vec::<String>::new());
    }

    /// Texts that are no patch, too large a patch, and one that changes nothing.
    async fn texts_that_are_no_patch(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let (_, repository) = world.shop().await;
        let many = (0..300).map(|at| new_file(&format!("n/{at}"), "100644", "x")).collect::<String>();
        for (diff, reasons) in [
            ("", &["PATCH_EMPTY", "PATCH_DOES_NOT_APPLY", "INVALID_ARGUMENT"][..]),
            ("hello", &["PATCH_EMPTY", "PATCH_DOES_NOT_APPLY"]),
            ("--- a/README.md\n+++ b/README.md\n", &["PATCH_EMPTY", "PATCH_DOES_NOT_APPLY"]),
            ("--- a/README.md\n+++ b/README.md\n@@ -1,99999999999 +1 @@\n-x\n", &["PATCH_DOES_NOT_APPLY"]),
            ("--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-# Shop\n+# Shop\n", &["PATCH_EMPTY", "PATCH_DOES_NOT_APPLY"]),
            (&many, &["PATCH_TOO_LARGE"]),
        ] {
            let status = bob.applies_diff(&repository, diff).await.expect_err(diff);
            let fits = status.code() == ARGUMENT && reasons.contains(&status.reason().as_str());
            assert!(fits, "{status:?}");
        }
        assert_eq!(testkit::world::panics(), Vec::<String>::new());
    }
}
