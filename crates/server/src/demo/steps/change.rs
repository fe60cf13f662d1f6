//! Steps 4 and 6: a change is applied, and taken back.

use api::agent::apply_request::Change as ApplyChange;
use api::agent::{
    ApplyRequest, BuildContextRequest, ContextBundle, CreateSessionRequest, GetPatchRequest,
    GetSessionRequest, Patch, PatchState, RevertPatchRequest, RouteRequest, RunKind, RunState,
    Session,
};
use api::workflow::{RecommendationState, ReviewRecommendationRequest, Verdict};
use prost_types::Duration;

use crate::demo::mirror::{Mirror, changed_lines, hunks};
use crate::demo::report::{Checks, Done, Failure, Told};
use crate::demo::request_id;
use crate::demo::story::Story;

/// A run takes well under a second; the call may wait this long.
const WAIT: Duration = Duration { seconds: 60, nanos: 0 };

/// alice opens a session, accepts the recommendation, and applies a patch.
pub(super) async fn apply(story: &mut Story, checks: &mut Checks) -> Done {
    open_session(story, checks).await?;
    let slices = look_around(story, checks).await?;
    accept(story, checks).await?;

    let request = ApplyRequest {
        change: Some(ApplyChange::UnifiedDiff(story.change.diff.clone())),
        session: story.names.session.clone(),
        work_item: story.names.item.clone(),
        base_commit: story.source.commit.clone(),
        wait_timeout: Some(WAIT),
        request_id: request_id(),
        ..Default::default()
    };
    let answer = story.alice.agent().apply(request.clone()).await;
    let answer = checks.ok("Apply", answer)?;
    let run = checks.some("the run", answer.run)?;
    checks.equal("the run's error", run.error.clone(), None)?;
    checks.equal("the run's kind", run.kind(), RunKind::Apply)?;
    checks.equal("the run's state", run.state(), RunState::Succeeded)?;
    checks.equal("it ran under the name of", &run.principal, &story.names.alice)?;
    checks.equal("its repository is the session's", &run.repository, &story.names.repository)?;
    let again = story.alice.agent().apply(request).await;
    let again = checks.ok("Apply, repeated", again)?;
    let again = checks.some("the first run", again.run)?;
    checks.equal("the same request_id gives", &again.name, &run.name)?;
    let patch = patch(story, checks, &run.patch).await?;
    checks.equal("the patch's state", patch.state(), PatchState::Applied)?;
    in_the_mirror(story, checks, &patch)?;
    untouched(story, checks)?;

    story.names.apply_run = run.name;
    story.names.patch = patch.name.clone();
    story.names.commit.clone_from(&patch.commit);
    story.names.branch.clone_from(&patch.branch);
    Ok(told(&story.change.about, &patch, slices))
}

async fn open_session(story: &mut Story, checks: &mut Checks) -> Result<(), Failure> {
    let session = Session {
        repository: story.names.repository.clone(),
        work_item: story.names.item.clone(),
        ..Default::default()
    };
    let request = CreateSessionRequest { session: Some(session), request_id: request_id() };
    let made = story.alice.sessions().create_session(request).await;
    let made = checks.ok("CreateSession", made)?;
    checks.equal("its repository", &made.repository, &story.names.repository)?;
    story.names.session = made.name;
    Ok(())
}

/// Route and BuildContext, with what the session carries; the number of slices.
async fn look_around(story: &Story, checks: &mut Checks) -> Result<usize, Failure> {
    let about = story.change.path.as_deref().unwrap_or("the code");
    let input = format!("Add a remark to {about} so that readers can tell it was checked");
    let session = story.names.session.clone();
    let route =
        RouteRequest { input: input.clone(), session: session.clone(), ..Default::default() };
    let route = checks.ok("Route", story.alice.agent().route(route).await)?;
    checks.holds("it says why", !route.reasons.is_empty(), &route.reasons)?;

    let request = BuildContextRequest { input, session: session.clone(), ..Default::default() };
    let first: ContextBundle =
        checks.ok("BuildContext", story.alice.agent().build_context(request.clone()).await)?;
    checks.equal("its commit", &first.commit, &story.source.commit)?;
    checks.equal("its repository", &first.repository, &story.names.repository)?;
    checks.holds("it lists the tree", !first.tree.is_empty(), first.tree.len())?;
    let within = first.tokens_used <= first.token_budget && first.token_budget > 0;
    checks.holds("it keeps to the budget", within, (first.tokens_used, first.token_budget))?;
    if story.change.is_ours {
        let shown = first.slices.iter().any(|slice| slice.path == about);
        let paths: Vec<_> = first.slices.iter().map(|slice| &slice.path).collect();
        checks.holds("the file it is about is shown", shown, paths)?;
    }
    let second = checks.ok("BuildContext", story.alice.agent().build_context(request).await)?;
    checks.equal("the same input gives the hash", &second.hash, &first.hash)?;

    let seen = story.alice.sessions().get_session(GetSessionRequest { name: session }).await;
    let seen = checks.ok("GetSession", seen)?;
    let moved = seconds(seen.last_activity_time.as_ref()) > seconds(seen.create_time.as_ref());
    checks.holds("the session was active", moved, seen.last_activity_time)?;
    Ok(first.slices.len())
}

fn seconds(time: Option<&prost_types::Timestamp>) -> Option<(i64, i32)> {
    time.map(|time| (time.seconds, time.nanos))
}

async fn accept(story: &Story, checks: &mut Checks) -> Result<(), Failure> {
    let item = story.item(checks, &story.alice).await?;
    let request = ReviewRecommendationRequest {
        name: item.name,
        recommendation_hash: story.names.recommendation_hash.clone(),
        verdict: Verdict::Accept.into(),
        note: "go ahead".into(),
        etag: item.etag,
        request_id: request_id(),
    };
    let item = story.alice.items().review_recommendation(request).await;
    let item = checks.ok("ReviewRecommendation", item)?;
    let found = checks.some("the recommendation", item.recommendation)?;
    checks.equal("its state", found.state(), RecommendationState::Accepted)?;
    checks.equal("its reviewer", &found.reviewer, &story.names.alice)
}

async fn patch(story: &Story, checks: &mut Checks, name: &str) -> Result<Patch, Failure> {
    let request = GetPatchRequest { name: name.to_owned() };
    checks.ok("GetPatch", story.alice.patches().get_patch(request).await)
}

/// One commit on a branch of the mirror, on top of HEAD, that does what the patch says.
fn in_the_mirror(story: &Story, checks: &mut Checks, patch: &Patch) -> Result<(), Failure> {
    let mirror = Mirror::open(&story.data_dir, &story.names.repository)?;
    let is_ours = patch.branch.starts_with("refs/heads/elohim/");
    checks.holds("the branch is below elohim/", is_ours, &patch.branch)?;
    checks.equal("branches in the mirror", mirror.branches()?, vec![patch.branch.clone()])?;
    checks.equal("the branch is at", mirror.tip(&patch.branch), Some(patch.commit.clone()))?;
    let base = &story.source.commit;
    checks.equal("the commit's parents", mirror.parents(&patch.commit)?, vec![base.clone()])?;
    let tree = mirror.tree(&patch.commit)?;
    checks.equal("the patch's tree", &patch.tree, &tree)?;
    checks.holds("the tree changed", tree != story.source.tree, &tree)?;
    let diff = mirror.diff(&patch.commit)?;
    match mirror.tree_after(base, &story.change.diff)? {
        Some(expected) => checks.equal("the tree git makes of the patch", &tree, &expected)?,
        None => checks.equal(
            "the lines changed",
            changed_lines(&diff),
            changed_lines(&story.change.diff),
        )?,
    }
    if story.change.is_ours {
        checks.equal("the commit's diff", hunks(&diff), hunks(&story.change.diff))?;
    }
    checks.equal("the diff shown", changed_lines(&patch.diff), changed_lines(&diff))
}

fn untouched(story: &Story, checks: &mut Checks) -> Result<(), Failure> {
    let changed = story.source.differences().map_err(Failure::Other)?;
    checks.equal("what changed in the registered repository", changed, Vec::new())
}

fn told(about: &str, patch: &Patch, slices: usize) -> Told {
    let files = patch.files.iter().map(|file| {
        let kind = file.kind().as_str_name().trim_start_matches("CHANGE_KIND_");
        format!("{kind} {} +{} -{}", file.path, file.lines_added, file.lines_deleted)
    });
    let below = files.chain(patch.diff.lines().take(60).map(ToOwned::to_owned)).collect();
    let short: String = patch.commit.chars().take(12).collect();
    let branch = patch.branch.trim_start_matches("refs/heads/");
    Told {
        line: format!(
            "alice saw {slices} slices in her session, accepted, and applied {about}: commit {short} \
             on {branch}, the repository is untouched"
        ),
        below,
    }
}

/// alice takes the patch back.
pub(super) async fn revert(story: &mut Story, checks: &mut Checks) -> Done {
    let request = RevertPatchRequest {
        name: story.names.patch.clone(),
        wait_timeout: Some(WAIT),
        request_id: request_id(),
    };
    let run = story.alice.patches().revert_patch(request).await;
    let run = checks.ok("RevertPatch", run)?;
    checks.equal("the run's error", run.error.clone(), None)?;
    checks.equal("the run's kind", run.kind(), RunKind::Revert)?;
    checks.equal("the run's state", run.state(), RunState::Succeeded)?;
    let patch = patch(story, checks, &story.names.patch).await?;
    checks.equal("the patch's state", patch.state(), PatchState::Reverted)?;
    checks.equal("it was taken back by", &patch.reverted_by, &run.name)?;

    let mirror = Mirror::open(&story.data_dir, &story.names.repository)?;
    let tip = checks.some("the branch", mirror.tip(&patch.branch))?;
    checks.equal("the tip's parent", mirror.parents(&tip)?, vec![patch.commit.clone()])?;
    checks.equal("the tip's tree", &mirror.tree(&tip)?, &story.source.tree)?;
    untouched(story, checks)?;
    story.names.revert_run = run.name;
    let short: String = story.source.tree.chars().take(12).collect();
    Ok(format!("alice reverted: the branch's tree is the base's again, {short}").into())
}
