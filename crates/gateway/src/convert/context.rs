//! Context bundles and intents.

use agent_core::context::{Bundle, FileKind, LeftOut, Slice};
use agent_core::model::Repository;
use agent_core::port::workspace::{RecentCommit, StatusEntry};
use agent_core::route::{Intent, NextAction, Routing};
use agent_core::service::ContextArgs;
use api::agent as wire;
use primitives::{Checked, InvalidArgs};

use super::scalar::{int, time};

pub(crate) fn routing(routing: Routing, model: Option<&str>) -> wire::RouteResponse {
    let next_action = match routing.next_action {
        NextAction::Answer => wire::NextAction::Answer,
        NextAction::Plan => wire::NextAction::Plan,
        NextAction::RunYourself => wire::NextAction::RunYourself,
    };
    wire::RouteResponse {
        intent: intent(routing.intent).into(),
        confidence: routing.confidence,
        model_hint: model.unwrap_or_default().to_owned(),
        next_action: next_action.into(),
        reasons: routing.reasons,
    }
}

const fn intent(intent: Intent) -> wire::Intent {
    match intent {
        Intent::Question => wire::Intent::Question,
        Intent::CodeEdit => wire::Intent::CodeEdit,
        Intent::BugFix => wire::Intent::BugFix,
        Intent::Refactor => wire::Intent::Refactor,
        Intent::TestGeneration => wire::Intent::TestGeneration,
        Intent::CodeReview => wire::Intent::CodeReview,
        Intent::Documentation => wire::Intent::Documentation,
        Intent::Shell => wire::Intent::Shell,
        Intent::GitOperation => wire::Intent::GitOperation,
    }
}

/// What to collect.
pub(crate) fn arguments(request: wire::BuildContextRequest) -> Checked<ContextArgs> {
    Ok(ContextArgs {
        input: request.input,
        revision: request.revision,
        token_budget: budget(request.token_budget)?,
        focus_path: request.focus_path,
        open_files: request.open_files,
    })
}

/// A bound in tokens; 0 takes the server's.
pub(crate) fn budget(tokens: i32) -> Checked<u32> {
    u32::try_from(tokens).map_err(|_| InvalidArgs::new("token_budget", "must not be negative"))
}

pub(crate) fn bundle(repository: &Repository, bundle: Bundle) -> wire::ContextBundle {
    wire::ContextBundle {
        repository: repository.id.to_string(),
        commit: bundle.commit.to_string(),
        tree_truncated: bundle.tree_truncated(),
        redactions: int(bundle.redaction_count()),
        hash: bundle.hash,
        tree: bundle.tree,
        status: bundle.status.into_iter().map(status).collect(),
        recent_commits: bundle.commits.into_iter().map(commit).collect(),
        slices: bundle.slices.into_iter().map(slice).collect(),
        left_out: left_out(bundle.left_out),
        tokens_used: int(bundle.tokens),
        token_budget: int(bundle.budget),
    }
}

fn status(entry: StatusEntry) -> wire::StatusEntry {
    use wire::StatusChange as Change;
    let change = match entry.change.as_str() {
        "added" => Change::Added,
        "modified" => Change::Modified,
        "deleted" => Change::Deleted,
        "renamed" => Change::Renamed,
        "typechange" => Change::TypeChanged,
        "untracked" => Change::Untracked,
        "conflicted" => Change::Conflicted,
        _ => Change::Unspecified,
    };
    wire::StatusEntry { path: entry.path, change: change.into() }
}

fn commit(commit: RecentCommit) -> wire::RecentCommit {
    wire::RecentCommit {
        commit: commit.commit.to_string(),
        subject: commit.subject,
        author_name: commit.author_name,
        time: time(commit.time),
        paths: commit.paths,
        diff: commit.diff,
    }
}

fn slice(slice: Slice) -> wire::Slice {
    let kind = match slice.kind {
        FileKind::Source | FileKind::Other => wire::SliceKind::Source,
        FileKind::Test => wire::SliceKind::Test,
        FileKind::Document => wire::SliceKind::Document,
    };
    wire::Slice {
        path: slice.path,
        start_line: int(slice.start_line),
        end_line: int(slice.end_line),
        text: slice.text,
        score: f64::from(slice.score) / 1_000.0,
        kind: kind.into(),
        reasons: slice.reasons,
    }
}

/// Each named file once; what remains of each reason's count is summed up.
fn left_out(left_out: LeftOut) -> Vec<wire::LeftOut> {
    let LeftOut { mut counts, files } = left_out;
    let mut shown: Vec<_> = files
        .into_iter()
        .map(|file| {
            let reason = file.reason.name();
            if let Some(count) = counts.get_mut(reason) {
                *count = count.saturating_sub(1);
            }
            wire::LeftOut { path: file.path, count: 1, reason: reason.to_owned() }
        })
        .collect();
    let rest = counts.into_iter().filter(|(_, count)| *count > 0);
    shown.extend(rest.map(|(reason, count)| wire::LeftOut {
        path: String::new(),
        count: int(count),
        reason,
    }));
    shown
}

#[cfg(test)]
mod tests {
    use agent_core::context::LeftOutReason;

    use super::*;

    #[test]
    fn what_is_named_is_not_counted_again() {
        let mut given = LeftOut::default();
        given.add("a.png", LeftOutReason::Binary);
        given.add("b.rs", LeftOutReason::NoMatch);
        given.count("binary", 4);
        let shown = left_out(given);
        let of = |path: &str, count, reason: &str| wire::LeftOut {
            path: path.into(),
            count,
            reason: reason.into(),
        };
        assert_eq!(shown, [of("a.png", 1, "binary"), of("", 4, "binary"), of("", 1, "no_match")]);
    }

    #[test]
    fn a_negative_budget_is_a_fault() {
        assert_eq!(budget(0), Ok(0));
        assert_eq!(budget(-1).unwrap_err().fields[0].field, "token_budget");
    }
}
