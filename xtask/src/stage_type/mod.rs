//! `cargo xtask stage-type`: follows the page that shows how a stage type is added.
//!
//! The page's diffs are applied to a copy of the work tree, its test file is written there, and
//! that test is run on both databases.
//!
//! **Invariant:** the work tree is only read, and nothing built for the copy is ever taken for
//! something built for the work tree: the copy's packages have a version of their own.

mod copy;
mod page;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::pg::URL_VARIABLE;
use crate::test::Postgres;
use crate::{exit_code, workspace};
use page::{Page, Patch};

const PAGE: &str = "docs/adding-a-stage-type.md";
const DATABASES: [&str; 2] = ["sqlite", "postgres"];

/// The exit code is the test's.
pub(crate) fn run(words: &[String]) -> Result<u8> {
    if let Some(word) = words.first() {
        bail!("stage-type takes no arguments, not {word:?}");
    }
    let text = fs::read_to_string(workspace::root().join(PAGE)).context(PAGE)?;
    let page = page::parse(&text).context(PAGE)?;
    let target = target()?;
    fs::create_dir_all(&target)?;
    let lock = File::create(target.join("stage-type.lock"))?;
    lock.lock().context("cannot wait for another run")?;
    // Kept with what is built from it, so that a further run builds what changed.
    let folder = target.join("stage-type");
    make(&page, &folder)?;
    test(&page, &folder, &target)
}

/// Where the caller's builds go.
fn target() -> Result<PathBuf> {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let caller = std::env::current_dir().context("no current folder")?;
    Ok(given.map_or_else(|| workspace::root().join("target"), |given| caller.join(given)))
}

/// The work tree as the page would have it.
fn make(page: &Page, folder: &Path) -> Result<()> {
    let draft = copy::Draft::of_the_work_tree()?;
    for patch in &page.patches {
        apply(patch, draft.path())?;
    }
    let test = draft.path().join(&page.test.path);
    if test.exists() {
        bail!("{PAGE}:{}: {} exists already", page.test.line, page.test.path);
    }
    fs::create_dir_all(test.parent().context("the test has no folder")?)?;
    fs::write(test, &page.test.text)?;
    copy::set_apart(draft.path())?;
    draft.bring_to(folder)
}

fn apply(patch: &Patch, folder: &Path) -> Result<()> {
    let mut command = Command::new("git");
    // A repository around the folder, or one that a hook names, has nothing to do with it.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    command.env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder));
    let mut child = command
        .current_dir(folder)
        .args(["apply", "--recount", "--whitespace=nowarn", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start git")?;
    let mut pipe = child.stdin.take().context("git takes no input")?;
    pipe.write_all(patch.text.as_bytes())?;
    drop(pipe);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{PAGE}:{}: this diff does not apply any more:\n{said}", patch.line);
    }
    Ok(())
}

/// Runs the page's test, which must have passed on both databases.
fn test(page: &Page, folder: &Path, target: &Path) -> Result<u8> {
    let postgres = Postgres::provide()?;
    let mut command = workspace::cargo();
    let mut child = command
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .args(["test", "--workspace", "--locked", "--test", &page.test.name])
        .env(URL_VARIABLE, postgres.url())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let mut passed = Vec::new();
    for line in BufReader::new(child.stdout.take().context("cargo prints nothing")?).lines() {
        let line = line?;
        println!("{line}");
        if line.starts_with("test ") && line.ends_with(" ... ok") {
            passed.push(line);
        }
    }
    let code = exit_code(child.wait()?);
    for database in DATABASES {
        if code == 0 && !passed.iter().any(|line| line.contains(&format!("::{database} "))) {
            bail!("{PAGE}: its test did not run on {database}");
        }
    }
    Ok(code)
}
