//! A coding engine that does what a test tells it: honest work, hostile work, or nothing.
//!
//! Paths of a script are taken as they are, `..` and absolute ones included: a test plays
//! an engine that breaks out and shows that the difference is judged all the same. Use it
//! with temporary folders only.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_core::port::engine::{Engine, EngineError, EngineReport, EngineStatus, EngineTask};
use agent_core::port::workspace::Checkout;
use async_trait::async_trait;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Notify, watch};

/// The name a scripted engine is registered under.
pub const NAME: &str = "scripted";

/// One thing the engine does. Relative paths start at the checkout.
#[derive(Clone, Debug)]
pub enum Step {
    /// Creates or replaces a file, with the folders above it.
    Write { path: String, content: Vec<u8> },
    /// Adds to the end of a file, which is created if it is missing.
    Append { path: String, content: Vec<u8> },
    /// Removes a file, a link or a whole folder.
    Delete { path: String },
    /// Makes a symbolic link with this very target.
    Symlink { path: String, target: String },
    /// Sets the permission bits.
    Chmod { path: String, mode: u32 },
    /// Waits until the test notifies.
    Hold(Arc<Notify>),
    /// Sets the summary of the report, whatever was done.
    Claim(String),
    /// Ends the run with a failure; what was done stays.
    Fail(String),
}

impl Step {
    pub fn write(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self::Write { path: path.to_owned(), content: content.into() }
    }

    pub fn append(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self::Append { path: path.to_owned(), content: content.into() }
    }

    pub fn delete(path: &str) -> Self {
        Self::Delete { path: path.to_owned() }
    }

    pub fn symlink(path: &str, target: &str) -> Self {
        Self::Symlink { path: path.to_owned(), target: target.to_owned() }
    }

    pub fn claim(summary: &str) -> Self {
        Self::Claim(summary.to_owned())
    }

    pub fn fail(reason: &str) -> Self {
        Self::Fail(reason.to_owned())
    }
}

/// Says it did the work, and did nothing.
pub fn claims_success_without_change() -> Vec<Step> {
    vec![Step::claim("All done: fixed and tested.")]
}

/// How many runs began, ended by themselves, and were stopped from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    pub started: usize,
    pub ended: usize,
    pub stopped: usize,
}

/// A scripted engine. Clones are the same engine.
#[derive(Clone)]
pub struct ScriptedEngine {
    shared: Arc<Shared>,
}

struct Shared {
    plan: Mutex<Plan>,
    runs: watch::Sender<Runs>,
}

#[derive(Default)]
struct Plan {
    script: Vec<Step>,
    problem: Option<String>,
    tasks: Vec<EngineTask>,
}

impl fmt::Debug for ScriptedEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedEngine").field("runs", &self.runs()).finish_non_exhaustive()
    }
}

impl ScriptedEngine {
    /// An engine that follows `script` in every run.
    pub fn new(script: impl IntoIterator<Item = Step>) -> Self {
        let plan = Plan { script: script.into_iter().collect(), ..Plan::default() };
        let shared = Shared { plan: Mutex::new(plan), runs: watch::Sender::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Sets what the following runs do. A run under way keeps its script.
    pub fn set_script(&self, script: impl IntoIterator<Item = Step>) {
        self.plan(|plan| plan.script = script.into_iter().collect());
    }

    /// Makes the engine unavailable for this reason, or available again.
    pub fn set_problem(&self, problem: Option<&str>) {
        self.plan(|plan| plan.problem = problem.map(str::to_owned));
    }

    /// The tasks of all runs that began, in their order.
    pub fn tasks(&self) -> Vec<EngineTask> {
        self.plan(|plan| plan.tasks.clone())
    }

    pub fn runs(&self) -> Runs {
        *self.shared.runs.borrow()
    }

    /// Waits until a run has begun (at once if one has already).
    pub async fn started(&self) {
        self.when(|runs| runs.started >= 1).await;
    }

    /// Waits until the counts are as asked, as in `when(|runs| runs.ended == 2)`.
    pub async fn when(&self, reached: impl FnMut(&Runs) -> bool) {
        let mut runs = self.shared.runs.subscribe();
        runs.wait_for(reached).await.expect("the sender lives in self");
    }

    fn plan<T>(&self, read: impl FnOnce(&mut Plan) -> T) -> T {
        read(&mut self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Engine for ScriptedEngine {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn probe(&self) -> EngineStatus {
        let problem = self.plan(|plan| plan.problem.clone());
        EngineStatus {
            name: NAME.to_owned(),
            available: problem.is_none(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            remedy: problem.as_ref().map(|_| "let the test clear the problem".to_owned()),
            problem,
        }
    }

    async fn run(
        &self,
        task: &EngineTask,
        checkout: &Checkout,
    ) -> Result<EngineReport, EngineError> {
        let script = self.plan(|plan| {
            if let Some(problem) = &plan.problem {
                return Err(EngineError::Unavailable(problem.clone()));
            }
            plan.tasks.push(task.clone());
            Ok(plan.script.clone())
        })?;
        let under_way = UnderWay::begin(&self.shared.runs);
        let limit = Duration::from_secs(task.timeout_secs);
        let result = match tokio::time::timeout(limit, follow(script, &checkout.dir)).await {
            Ok(result) => result,
            Err(_) => Err(EngineError::TimedOut(task.timeout_secs)),
        };
        under_way.end();
        let summary = result?;
        Ok(EngineReport { model_used: task.model_hint.clone(), summary })
    }
}

/// Counts a run as stopped unless it came to its end.
struct UnderWay<'a> {
    runs: &'a watch::Sender<Runs>,
    ended: bool,
}

impl<'a> UnderWay<'a> {
    fn begin(runs: &'a watch::Sender<Runs>) -> Self {
        runs.send_modify(|runs| runs.started += 1);
        Self { runs, ended: false }
    }

    fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.runs.send_modify(|runs| {
            if self.ended {
                runs.ended += 1;
            } else {
                runs.stopped += 1;
            }
        });
    }
}

/// Does the steps in their order and returns the summary.
async fn follow(script: Vec<Step>, dir: &Path) -> Result<String, EngineError> {
    let mut summary = format!("{} steps", script.len());
    for step in script {
        match step {
            Step::Hold(release) => release.notified().await,
            Step::Claim(text) => summary = text,
            Step::Fail(reason) => return Err(EngineError::Failed(reason)),
            other => change(&other, dir)
                .await
                .map_err(|error| EngineError::Failed(format!("{other:?}: {error}")))?,
        }
    }
    Ok(summary)
}

async fn change(step: &Step, dir: &Path) -> io::Result<()> {
    match step {
        Step::Write { path, content } => {
            let path = dir.join(path);
            make_folders_above(&path).await?;
            tokio::fs::write(path, content).await
        }
        Step::Append { path, content } => {
            let path = dir.join(path);
            make_folders_above(&path).await?;
            let mut file =
                tokio::fs::OpenOptions::new().append(true).create(true).open(path).await?;
            file.write_all(content).await?;
            file.flush().await
        }
        Step::Delete { path } => {
            let path = dir.join(path);
            // A link to a folder is removed as the link it is.
            if tokio::fs::symlink_metadata(&path).await?.is_dir() {
                tokio::fs::remove_dir_all(path).await
            } else {
                tokio::fs::remove_file(path).await
            }
        }
        Step::Symlink { path, target } => {
            let path = dir.join(path);
            make_folders_above(&path).await?;
            tokio::fs::symlink(target, path).await
        }
        Step::Chmod { path, mode } => {
            use std::os::unix::fs::PermissionsExt as _;
            let permissions = std::fs::Permissions::from_mode(*mode);
            tokio::fs::set_permissions(dir.join(path), permissions).await
        }
        Step::Hold(_) | Step::Claim(_) | Step::Fail(_) => Ok(()),
    }
}

async fn make_folders_above(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => tokio::fs::create_dir_all(parent).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use agent_core::port::workspace::ObjectId;
    use primitives::Id;

    use super::*;

    fn checkout() -> Checkout {
        let dir = tempfile::tempdir().unwrap();
        Checkout {
            repository: Id::generate(),
            base: ObjectId::parse(&"0".repeat(40)).unwrap(),
            dir: dir.path().to_owned(),
            guard: Box::new(dir),
        }
    }

    fn task(timeout_secs: u64) -> EngineTask {
        EngineTask {
            instruction: "Fix it".into(),
            focus: vec!["src/a.rs".into()],
            model_hint: Some("small".into()),
            timeout_secs,
        }
    }

    #[tokio::test]
    async fn steps_change_the_checkout() {
        let checkout = checkout();
        std::fs::write(checkout.dir.join("old.txt"), "old").unwrap();
        let engine = ScriptedEngine::new([
            Step::write("src/a.rs", "one\n"),
            Step::append("src/a.rs", "two\n"),
            Step::delete("old.txt"),
            Step::symlink("link", "/etc/hostname"),
            Step::Chmod { path: "src/a.rs".into(), mode: 0o755 },
            Step::claim("did it"),
        ]);

        let report = engine.run(&task(60), &checkout).await.unwrap();

        assert_eq!(
            report,
            EngineReport { model_used: Some("small".into()), summary: "did it".into() }
        );
        let read = |path: &str| std::fs::read_to_string(checkout.dir.join(path)).unwrap();
        assert_eq!(read("src/a.rs"), "one\ntwo\n");
        assert!(!checkout.dir.join("old.txt").exists());
        let target = std::fs::read_link(checkout.dir.join("link")).unwrap();
        assert_eq!(target, Path::new("/etc/hostname"));
        assert_eq!(engine.tasks().len(), 1);
        assert_eq!(engine.tasks()[0].instruction, "Fix it");
        assert_eq!(engine.runs(), Runs { started: 1, ended: 1, stopped: 0 });
    }

    #[tokio::test]
    async fn a_claim_changes_nothing() {
        let checkout = checkout();
        let engine = ScriptedEngine::new(claims_success_without_change());
        let report = engine.run(&task(60), &checkout).await.unwrap();
        assert!(report.summary.contains("fixed and tested"));
        assert_eq!(std::fs::read_dir(&checkout.dir).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn failures_and_time_outs_are_reported() {
        let checkout = checkout();
        let engine = ScriptedEngine::new([Step::write("a", "half"), Step::fail("model went away")]);
        let failure = engine.run(&task(60), &checkout).await.unwrap_err();
        assert!(matches!(&failure, EngineError::Failed(why) if why == "model went away"));
        assert!(checkout.dir.join("a").exists(), "what was done before a failure stays");

        engine.set_script([Step::delete("missing")]);
        assert!(matches!(engine.run(&task(60), &checkout).await, Err(EngineError::Failed(_))));

        engine.set_script([Step::Hold(Arc::new(Notify::new()))]);
        assert!(matches!(engine.run(&task(0), &checkout).await, Err(EngineError::TimedOut(0))));

        engine.set_problem(Some("not installed"));
        assert!(!engine.probe().await.available);
        assert!(matches!(engine.run(&task(60), &checkout).await, Err(EngineError::Unavailable(_))));
        engine.set_problem(None);
        assert!(engine.probe().await.available);
        assert_eq!(engine.runs(), Runs { started: 3, ended: 3, stopped: 0 });
    }

    #[tokio::test]
    async fn a_held_run_tells_that_it_began_and_can_be_stopped() {
        let release = Arc::new(Notify::new());
        let engine = ScriptedEngine::new([Step::Hold(release.clone()), Step::write("a", "late")]);
        let run = |engine: ScriptedEngine| {
            tokio::spawn(async move {
                let checkout = checkout();
                let result = engine.run(&task(60), &checkout).await;
                (result.is_ok(), checkout.dir.join("a").exists())
            })
        };

        let released = run(engine.clone());
        engine.started().await;
        assert_eq!(engine.runs(), Runs { started: 1, ended: 0, stopped: 0 });
        release.notify_one();
        assert_eq!(released.await.unwrap(), (true, true));

        let stopped = run(engine.clone());
        engine.when(|runs| runs.started == 2).await;
        stopped.abort();
        engine.when(|runs| runs.stopped == 1).await;
        assert_eq!(engine.runs(), Runs { started: 2, ended: 1, stopped: 1 });
    }
}
