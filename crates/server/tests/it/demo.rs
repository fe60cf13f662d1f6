//! The demo as a reader runs it, on both databases.

use std::path::{Path, PathBuf};
use std::process::Output;

use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature};
use testkit::database::{Backend, TestDb};

use super::process::program;

const BASKET: &str =
    "# A basket holds prices in cents.\n\n\ndef total(prices):\n    return sum(prices)\n";

/// A repository with a README, a source file and a test.
pub(crate) fn repository(folder: &Path) -> PathBuf {
    let path = folder.join("it's a shop");
    let mut options = RepositoryInitOptions::new();
    let repository = Repository::init_opts(&path, options.initial_head("main")).unwrap();
    for (name, text) in [
        ("README.md", "# Shop\n\nAdds up what is in a basket.\n"),
        ("src/basket.py", BASKET),
        (
            "tests/test_basket.py",
            "from src.basket import total\n\n\ndef test_total():\n    assert total([1]) == 1\n",
        ),
    ] {
        let file = path.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let mut index = repository.index().unwrap();
    index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let person = Signature::now("Reader", "reader@example.org").unwrap();
    repository.commit(Some("HEAD"), &person, &person, "A basket", &tree, &[]).unwrap();
    path
}

fn demo(repository: &Path, arguments: &[&str]) -> Output {
    let mut command = program();
    command.arg("demo").arg("--repo").arg(repository).args(arguments).output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(ToOwned::to_owned).collect()
}

async fn passes_on(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    let repository = repository(folder.path());
    let database = TestDb::of(backend).await;
    let url = database.url().to_owned();
    let output = tokio::task::spawn_blocking(move || demo(&repository, &["--database", &url]));
    let output = output.await.unwrap();
    let lines = lines(&output);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for step in 0..=10 {
        let prefix = format!("PASS {step} ");
        assert_eq!(lines.iter().filter(|line| line.starts_with(&prefix)).count(), 1, "{lines:?}");
    }
    assert_eq!(lines.last().map(String::as_str), Some("11 passed, 0 failed"));
    assert!(lines.iter().any(|line| line.ends_with("+<!-- Checked with the elohim demo. -->")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_is_done_on_sqlite() {
    passes_on(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_is_done_on_postgres() {
    passes_on(Backend::Postgres).await;
}

#[test]
fn a_given_patch_is_applied_and_one_that_does_not_fit_fails_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let repository = repository(folder.path());
    let patch = folder.path().join("fix.diff");
    let diff = |old: &str| {
        format!(
            "--- a/src/basket.py\n+++ b/src/basket.py\n@@ -4,2 +4,2 @@\n def total(prices):\n-{old}\n+    return sum(prices or [])\n"
        )
    };
    std::fs::write(&patch, diff("    return sum(prices)")).unwrap();
    let fits = demo(&repository, &["--patch", patch.to_str().unwrap()]);
    assert_eq!(fits.status.code(), Some(0), "{fits:?}");

    std::fs::write(&patch, diff("    return prices")).unwrap();
    let fails = demo(&repository, &["--patch", patch.to_str().unwrap()]);
    let lines = lines(&fails);
    assert_eq!(fails.status.code(), Some(1), "{fails:?}");
    let said = lines.iter().any(|line| {
        line.starts_with("FAIL step 4: Apply: ") && line.contains("PATCH_DOES_NOT_APPLY")
    });
    assert!(said, "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("4 passed, 1 failed, 6 not run"));
}
