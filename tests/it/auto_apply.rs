//! The six guards of auto-apply: only six times yes makes a commit.

use std::sync::Arc;

use api::agent::{AutoApplyGuard, PatchState};
use api::workflow::{AutoApplyResult, Stage, WorkItem, WorkItemState};
use testkit::engine::{ScriptedEngine, Step};
use testkit::world::shapes::{assist, human, item_on, workflow};
use testkit::world::{Person, Repo, Setup, World};
use tokio::sync::Notify;

/// Team *core* with a workflow whose agent stage applies by itself; all guards say yes.
struct Bench {
    world: World,
    engine: ScriptedEngine,
    repo: Repo,
    repository: String,
    /// Set by carol.
    flow: String,
}

fn harmless() -> Vec<Step> {
    vec![Step::append("src/cart.rs", "// Emptied carts cost nothing.\n")]
}

impl Bench {
    async fn start(db: testkit::database::TestDb) -> Self {
        let engine = ScriptedEngine::new(harmless());
        let setup = Setup { engines: vec![Arc::new(engine.clone())], ..Setup::default() };
        let world = World::with(db, setup).await;
        let carol = world.person("carol");
        let (repo, repository) = world.shop().await;
        world.allow_auto_apply(&repository, true).await;
        let stage = Stage { agent_auto_apply: true, ..assist("fix") };
        let flow = workflow("Fixing", &carol.team, [human("intake"), stage, human("done")]);
        let flow = carol.creates_workflow(flow).await.unwrap().name;
        Self { world, engine, repo, repository, flow }
    }

    /// Brings a new item to the stage on behalf of somebody.
    async fn enters(&self, person: &Person) -> WorkItem {
        self.enters_with(person, &self.repository).await
    }

    async fn enters_with(&self, person: &Person, repository: &str) -> WorkItem {
        let new = item_on(&self.flow, "Cart", "Empty carts", repository);
        let item = person.creates_item(new).await.unwrap();
        person.does(&item).await.unwrap()
    }

    /// What the item shows when all is over.
    async fn result(&self, item: &WorkItem) -> Option<AutoApplyResult> {
        self.world.settles().await;
        self.world.person("alice").sees_item(&item.name).await.unwrap().auto_apply_result
    }

    /// Branches and run refs of the mirror: what a commit leaves.
    fn refs(&self) -> usize {
        let mirror = self.world.mirror(&self.repository);
        let mut refs = mirror.references().unwrap();
        let names = refs.names().map(|name| name.unwrap().to_owned());
        let made = |name: &String| {
            name.starts_with("refs/heads/elohim/") || name.starts_with("refs/elohim/runs/")
        };
        names.filter(made).count()
    }

    /// The stage was entered, a guard said no, and there is nothing but its name.
    async fn is_refused(&self, item: &WorkItem, guard: AutoApplyGuard, case: &str) {
        let result = self.result(item).await.unwrap_or_else(|| panic!("{case}: no result"));
        assert!(!result.success, "{case}: {result:?}");
        assert_eq!(result.guard(), guard, "{case}: {result:?}");
        assert!(!result.error.is_empty(), "{case}: {result:?}");
        assert_eq!(self.refs(), 0, "{case}");
        let alice = self.world.person("alice");
        for patch in alice.lists_patches(&item.name).await.unwrap() {
            assert_eq!(
                (patch.state(), patch.commit.as_str()),
                (PatchState::Rejected, ""),
                "{case}"
            );
        }
        let item = alice.sees_item(&item.name).await.unwrap();
        assert!(item.recommendation.is_some(), "{case}: the recommendation stays");
        let next = alice.completes(&item).await.unwrap();
        assert_eq!(
            (next.stage_id.as_str(), next.state()),
            ("done", WorkItemState::Pending),
            "{case}"
        );
    }

    /// Lets the engine wait, so that things change while it runs.
    async fn holds(&self, person: &Person) -> (WorkItem, Arc<Notify>) {
        let release = Arc::new(Notify::new());
        let hold = Step::Hold(release.clone());
        self.engine.set_script([hold].into_iter().chain(harmless()));
        let before = self.engine.runs().started;
        let item = self.enters(person).await;
        self.engine.when(|runs| runs.started > before).await;
        (item, release)
    }
}

testkit::on_both! {
    /// Six times yes makes one commit, and the item says so.
    async fn all_yes_makes_one_commit(db: TestDb) {
        let bench = Bench::start(db).await;
        let item = bench.enters(&bench.world.person("bob")).await;
        let result = bench.result(&item).await.expect("a result");
        assert!(result.success, "{result:?}");
        assert_eq!((result.guard(), result.error.as_str()), (AutoApplyGuard::Unspecified, ""));
        assert_eq!(bench.refs(), 2, "a branch and a run ref");
        let stored = bench.world.probe().recorded().await;
        let count = |action: &str| stored.iter().filter(|record| record.action == action).count();
        assert_eq!((count("agent.auto_apply"), count("agent.apply.success")), (1, 1));
    }

    /// Without the flag no engine runs; nor when the definition no longer says who set it.
    async fn stage_flag(db: TestDb) {
        let bench = Bench::start(db).await;
        let [alice, bob] = bench.world.people(["alice", "bob"]);
        let plain = workflow("Plain", &alice.team, [human("intake"), assist("fix"), human("done")]);
        let plain = alice.creates_workflow(plain).await.unwrap().name;
        let forgotten = bench.flow.clone();
        for (case, flow) in [("no", plain), ("unknown", forgotten)] {
            if case == "unknown" {
                bench.world.forget_who_allowed_auto_apply().await;
            }
            let new = item_on(&flow, "Cart", "Empty carts", &bench.repository);
            let item = bob.creates_item(new).await.unwrap();
            let item = bob.does(&item).await.unwrap();
            assert_eq!(bench.result(&item).await, None, "{case}");
            assert_eq!(bench.engine.runs().started, 0, "{case}");
            let seen = bob.sees_item(&item.name).await.unwrap();
            assert!(seen.recommendation.is_some(), "{case}: {seen:#?}");
            assert_eq!(bob.completes(&seen).await.unwrap().stage_id, "done");
        }
    }

    /// Whoever set the flag must still hold the rights to set it, and still exist.
    async fn flag_setter(db: TestDb) {
        let bench = Bench::start(db).await;
        let bob = bench.world.person("bob");
        bench.world.assign("carol", "core", "developer").await;
        bench.world.revoke("carol", "core", "admin").await;
        let item = bench.enters(&bob).await;
        bench.is_refused(&item, AutoApplyGuard::FlagSetter, "no longer manages").await;

        bench.world.assign("carol", "core", "admin").await;
        let carol = bench.world.person("carol").id;
        bench.world.policy().set_active(carol, false).await.unwrap();
        let item = bench.enters(&bob).await;
        bench.is_refused(&item, AutoApplyGuard::FlagSetter, "unknown: not active").await;
        assert_eq!(bench.engine.runs().started, 0, "asked before the engine runs");
    }

    /// A person with `code.edit` must answer for the run.
    async fn accountable_human(db: TestDb) {
        let bench = Bench::start(db).await;
        let [bob, mia] = bench.world.people(["bob", "mia"]);
        let item = bench.enters(&mia).await;
        bench.is_refused(&item, AutoApplyGuard::AccountableHuman, "may not edit code").await;
        assert_eq!(bench.engine.runs().started, 0, "asked before the engine runs");

        let (item, release) = bench.holds(&bob).await;
        bench.world.policy().set_active(bob.id, false).await.unwrap();
        release.notify_one();
        bench.is_refused(&item, AutoApplyGuard::AccountableHuman, "unknown: not active").await;
    }

    /// A program answers for nothing, even with every right.
    async fn accountable_program(db: TestDb) {
        let bench = Bench::start(db).await;
        let [carol, erin] = bench.world.people(["carol", "erin"]);
        let ci = crate::directory::new_service(&erin, "ci").await;
        let ci = bench.world.known_as("ci", &ci);
        crate::directory::adds(&carol, &carol.team, &ci.user, "admin").await.unwrap();
        let item = bench.enters(&ci).await;
        bench.is_refused(&item, AutoApplyGuard::AccountableHuman, "a program").await;
        assert_eq!(bench.engine.runs().started, 0, "asked before the engine runs");
    }

    /// The repository must belong to the item's owner, and its policy must allow it.
    async fn repository_policy(db: TestDb) {
        let bench = Bench::start(db).await;
        let [alice, bob] = bench.world.people(["alice", "bob"]);
        bench.world.allow_auto_apply(&bench.repository, false).await;
        let item = bench.enters(&bob).await;
        bench.is_refused(&item, AutoApplyGuard::RepositoryPolicy, "not allowed").await;

        bench.world.allow_auto_apply(&bench.repository, true).await;
        let own = Repo::shop(&bench.world.root_of("user:alice").join("own"));
        let own = alice.registers_own(&own.dir).await.unwrap().name;
        bench.world.allow_auto_apply(&own, true).await;
        let item = bench.enters_with(&alice, &own).await;
        bench.is_refused(&item, AutoApplyGuard::RepositoryPolicy, "somebody else's").await;
        assert_eq!(bench.engine.runs().started, 0, "asked before the engine runs");

        let nothing = bench.enters_with(&bob, "").await;
        assert_eq!(bench.result(&nothing).await, None, "unknown: no repository");
        let seen = bob.sees_item(&nothing.name).await.unwrap();
        assert!(seen.recommendation_error.starts_with("NO_REPOSITORY"), "{seen:#?}");
        assert_eq!(bench.refs(), 0);
    }

    /// The real difference must touch nothing protected or forbidden, and must be judgeable.
    async fn path_policy(db: TestDb) {
        let bench = Bench::start(db).await;
        let bob = bench.world.person("bob");
        let outside = bench.world.data_dir().join("outside.txt");
        let cases = [
            ("protected", Step::write(".github/workflows/ci.yml", "on: never\n")),
            ("new protected", Step::write("AGENTS.md", "Obey.\n")),
            ("a link", Step::symlink("src/link", "/etc/passwd")),
            ("unknown: too large", Step::write("src/large.txt", vec![b'a'; 2 << 20])),
            ("unknown: binary", Step::write("src/data.bin", [0, 1, 2, 3])),
        ];
        for (case, step) in cases {
            bench.engine.set_script(harmless().into_iter().chain([step]));
            let item = bench.enters(&bob).await;
            bench.is_refused(&item, AutoApplyGuard::PathPolicy, case).await;
        }
        // An engine that breaks out changes nothing that is looked at.
        let escape = Step::write(outside.to_str().unwrap(), "x");
        bench.engine.set_script([escape]);
        let item = bench.enters(&bob).await;
        let result = bench.result(&item).await.expect("a result");
        assert!(!result.success, "{result:?}");
        assert_eq!(bench.refs(), 0);
    }

    /// Nobody may have pulled the switch, for the team or for all; a switch that cannot be
    /// read is pulled.
    async fn kill_switch(db: TestDb) {
        let bench = Bench::start(db).await;
        let bob = bench.world.person("bob");
        for team in [Some("core"), None] {
            bench.world.stop_auto_apply(team, true).await;
            let item = bench.enters(&bob).await;
            bench.is_refused(&item, AutoApplyGuard::KillSwitch, &format!("{team:?}")).await;
            bench.world.stop_auto_apply(team, false).await;
        }
        bench.world.hide_table("kill_switch").await;
        let item = bench.enters(&bob).await;
        bench.is_refused(&item, AutoApplyGuard::KillSwitch, "unknown").await;
        assert_eq!(bench.engine.runs().started, 0, "asked before the engine runs");
    }

    /// The switch of another team does not matter.
    async fn another_teams_switch_does_not_matter(db: TestDb) {
        let bench = Bench::start(db).await;
        bench.world.stop_auto_apply(Some("payments"), true).await;
        let item = bench.enters(&bench.world.person("bob")).await;
        assert!(bench.result(&item).await.expect("a result").success);
    }

    /// An engine that fails, or does nothing, makes no commit and says so.
    async fn an_engine_without_a_change_makes_no_commit(db: TestDb) {
        let bench = Bench::start(db).await;
        let bob = bench.world.person("bob");
        for script in [vec![Step::fail("no idea")], testkit::engine::claims_success_without_change()] {
            bench.engine.set_script(script);
            let item = bench.enters(&bob).await;
            let result = bench.result(&item).await.expect("a result");
            assert!(!result.success && !result.error.is_empty(), "{result:?}");
            assert_eq!(bench.refs(), 0);
        }
        bench.engine.set_problem(Some("not installed"));
        let item = bench.enters(&bob).await;
        let result = bench.result(&item).await.expect("a result");
        assert!(!result.success && !result.error.is_empty(), "{result:?}");
    }

    /// What is revoked while the engine runs counts: the guards are asked again before the
    /// commit.
    async fn rights_revoked_while_the_engine_runs_make_no_commit(db: TestDb) {
        let bench = Bench::start(db).await;
        let world = &bench.world;
        let bob = world.person("bob");
        let before = bench.repo.state();

        let (item, release) = bench.holds(&bob).await;
        world.assign("bob", "core", "member").await;
        world.revoke("bob", "core", "developer").await;
        release.notify_one();
        bench.is_refused(&item, AutoApplyGuard::AccountableHuman, "the principal's role").await;
        world.assign("bob", "core", "developer").await;

        let (item, release) = bench.holds(&bob).await;
        world.revoke("carol", "core", "admin").await;
        release.notify_one();
        bench.is_refused(&item, AutoApplyGuard::FlagSetter, "the setter's role").await;
        world.assign("carol", "core", "admin").await;

        let (item, release) = bench.holds(&bob).await;
        world.allow_auto_apply(&bench.repository, false).await;
        release.notify_one();
        bench.is_refused(&item, AutoApplyGuard::RepositoryPolicy, "the repository's policy").await;
        world.allow_auto_apply(&bench.repository, true).await;

        let (item, release) = bench.holds(&bob).await;
        world.stop_auto_apply(None, true).await;
        release.notify_one();
        bench.is_refused(&item, AutoApplyGuard::KillSwitch, "the switch").await;
        assert_eq!(bench.engine.runs().ended, 4);
        assert_eq!(bench.repo.state(), before);
    }

    /// Setting the flag needs `workflows.manage` and `code.edit` where the workflow belongs;
    /// an instance made without them has it off.
    async fn the_flag_is_not_everybodys_to_set(db: TestDb) {
        use testkit::world::{Refused as _, refused};
        let world = World::start(db).await;
        let [bob, mia] = world.people(["bob", "mia"]);
        let stage = Stage { agent_auto_apply: true, ..assist("fix") };
        for person in [&bob, &mia] {
            let flow = workflow("Fixing", &person.team, [stage.clone()]);
            let answer = person.creates_workflow(flow).await;
            let status = refused(answer, tonic::Code::PermissionDenied, "PERMISSION_DENIED");
            assert_eq!(status.fact("permission").as_deref(), Some("workflows.manage"));
        }
        let own = bob.creates_workflow(workflow("Own", "", [stage])).await.unwrap();
        assert!(own.stages[0].agent_auto_apply);
    }
}
