//! Repositories that are odd in themselves.

use std::os::unix::fs::symlink;
use std::path::Path;

use api::agent::PatchState;
use testkit::world::{Refused as _, Repo, World, refused};
use tonic::Code;

use crate::patches::new_file;

const STATE: Code = Code::FailedPrecondition;

testkit::on_both! {
    /// A repository that is bare can be worked on; one that is empty, none at all, somebody
    /// else's or outside gets a clear answer.
    async fn odd_repositories_get_a_clear_answer(db: TestDb) {
        let world = World::start(db).await;
        let carol = world.person("carol");
        let root = world.root_of("core");

        let source = Repo::shop(&root.join("source"));
        let bare = root.join("bare.git");
        git2::build::RepoBuilder::new().bare(true).clone(source.dir.to_str().unwrap(), &bare).unwrap();
        let made = carol.registers(&bare).await.unwrap();
        let applied = carol.applies_diff(&made.name, &source.diff_adding("README.md", "More.")).await.unwrap();
        assert_eq!(applied.patch.unwrap().state(), PatchState::Applied);

        let empty = Repo::init(&root.join("empty"));
        let made = carol.registers(&empty.dir).await.unwrap();
        refused(carol.plans_task(&made.name, "x").await, STATE, "REVISION_NOT_FOUND");
        let diff = new_file("x", "100644", "x");
        refused(carol.applies_diff(&made.name, &diff).await, STATE, "REVISION_NOT_FOUND");

        std::fs::create_dir(root.join("none")).unwrap();
        std::fs::write(root.join("file"), "x").unwrap();
        std::fs::create_dir_all(root.join("broken/.git")).unwrap();
        std::fs::write(root.join("broken/.git/HEAD"), [0xff, 0xfe, 0]).unwrap();
        for name in ["none", "file", "missing", "broken"] {
            let status = carol.registers(&root.join(name)).await.expect_err(name);
            assert_eq!((status.code(), status.reason()), (STATE, "REPOSITORY_UNUSABLE".into()), "{name}");
        }
        refused(carol.registers(&source.dir).await.and(carol.registers(&source.dir).await), STATE, "REPOSITORY_ALREADY_REGISTERED");

        let outside = Repo::shop(&world.root_of("payments").join("theirs"));
        symlink(&outside.dir, root.join("link")).unwrap();
        let mut answers = Vec::new();
        // A link is not followed, wherever it leads.
        refused(carol.registers(&root.join("link")).await, STATE, "REPOSITORY_UNUSABLE");
        refused(carol.registers(&root.join("../payments/theirs")).await, STATE, "REPOSITORY_UNUSABLE");
        for path in [outside.dir.clone(), world.root_of("payments").join("missing"), "/etc".into(), "/nowhere".into(), "/".into()] {
            let status = carol.registers(&path).await.expect_err("outside");
            assert_eq!(status.reason(), "REPOSITORY_OUTSIDE_ROOTS", "{}: {status:?}", path.display());
            answers.push(status.refusal());
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "the same for every path: {answers:#?}");
        assert_eq!(testkit::world::panics(), Vec::<String>::new());
    }

    /// A repository whose files belong to another user of the machine is not opened.
    async fn a_repository_of_another_user_is_not_opened(db: TestDb) {
        let world = World::start(db).await;
        let carol = world.person("carol");
        let repo = Repo::shop(&world.root_of("core").join("foreign"));
        if !give_away(&repo.dir) {
            // Only root can give files away; others cannot make such a repository.
            return;
        }
        let status = carol.registers(&repo.dir).await.unwrap_err();
        assert_eq!((status.code(), status.reason()), (STATE, "REPOSITORY_UNUSABLE".into()));
    }

    /// Binary files and names that are not UTF-8 are left out of what a planner sees, and in
    /// the way of nothing.
    async fn binaries_and_strange_names_are_in_nobodys_way(db: TestDb) {
        use std::os::unix::ffi::OsStrExt as _;
        let world = World::start(db).await;
        let carol = world.person("carol");
        let repo = Repo::shop(&world.root_of("core").join("strange"));
        for at in 0..40_u8 {
            repo.write(&format!("bin/{at}.bin"), [at, 0, 255, 254, 0, 1]);
        }
        let odd = std::ffi::OsStr::from_bytes(b"caf\xe9-\xff.rs");
        std::fs::write(repo.dir.join(odd), "fn cart() {}\n").unwrap();
        repo.write("src/latin.rs", b"// caf\xe9 cart\n".as_slice());
        repo.write("src/new\nline.rs", "// a newline in a name\n");
        repo.commit("Strange");
        let made = carol.registers(&repo.dir).await.unwrap();

        let plan = carol.plans_task(&made.name, "The cart's total is wrong").await.unwrap();
        let named: Vec<_> = plan.steps.iter().flat_map(|step| &step.files).map(|f| f.path.clone()).collect();
        assert!(named.contains(&"src/cart.rs".to_owned()), "{named:?}");
        assert!(!named.iter().any(|path| path.starts_with("bin/")), "{named:?}");
        let bundle = carol.builds_context(api::agent::BuildContextRequest {
            input: "cart".into(), repository: made.name.clone(), ..Default::default()
        }).await.unwrap();
        assert!(!bundle.left_out.is_empty());
        let diff = repo.diff_adding("README.md", "More.");
        let applied = carol.applies_diff(&made.name, &diff).await.unwrap();
        let patch = carol.sees_patch(&applied.patch.unwrap().name).await.unwrap();
        assert_eq!(patch.state(), PatchState::Applied);
        let mirror = world.mirror(&made.name);
        let tree = mirror.find_tree(patch.tree.parse().unwrap()).unwrap();
        assert_eq!(testkit::world::repo::files_of(&tree).len(), repo.tracked().len(), "nothing is lost");
        assert_eq!(testkit::world::panics(), Vec::<String>::new());
    }
}

/// Makes another user own everything in a folder; false when this process may not.
fn give_away(dir: &Path) -> bool {
    const NOBODY: u32 = 65_534;
    if std::os::unix::fs::chown(dir, Some(NOBODY), Some(NOBODY)).is_err() {
        return false;
    }
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let is_folder = entry.file_type().unwrap().is_dir();
        if is_folder {
            give_away(&entry.path());
        } else {
            std::os::unix::fs::chown(entry.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    true
}
