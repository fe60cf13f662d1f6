//! Commit objects of runs.
//!
//! **Invariant:** the same [`CommitSpec`] makes the same object, so that a run that is tried
//! again after a crash does not make a second commit.

use agent_core::port::workspace::{CommitSpec, ObjectId, WorkspaceError};
use git2::{ObjectType, Repository, Signature, Time};

use crate::error::{Result, internal, to_id, to_oid};

const COMMITTER: &str = "Elohim";
/// A reserved domain: mail to it goes nowhere.
const EMAIL: &str = "agent@elohim.invalid";
const TRAILER: &str = "Run-Id";
/// The last second of the year 9999; later times are no dates to git.
const MAX_SECONDS: i64 = 253_402_300_799;

/// Writes the commit object; no ref moves.
pub(crate) fn commit(mirror: &Repository, spec: &CommitSpec) -> Result<ObjectId> {
    let doing = "write a commit";
    let parent = to_oid(&spec.parent)?;
    let missing = |_| WorkspaceError::NoSuchRevision(spec.parent.to_string());
    let parent = mirror.find_commit(parent).map_err(missing)?;
    let tree = mirror.find_tree(to_oid(&spec.tree)?).map_err(internal("find a judged tree"))?;
    let (seconds, _) = spec.time.to_seconds_nanos();
    let time = Time::new(seconds.clamp(0, MAX_SECONDS), 0);
    let name = plain(&spec.author_name).unwrap_or_else(|| COMMITTER.to_owned());
    let email = plain(&spec.author_email).unwrap_or_else(|| EMAIL.to_owned());
    let author = Signature::new(&name, &email, &time).map_err(internal(doing))?;
    let committer = Signature::new(COMMITTER, EMAIL, &time).map_err(internal(doing))?;
    let message = message(spec);
    let buffer = mirror
        .commit_create_buffer(&author, &committer, &message, &tree, &[&parent])
        .map_err(internal(doing))?;
    let odb = mirror.odb().map_err(internal(doing))?;
    let oid = odb.write(ObjectType::Commit, &buffer).map_err(internal(doing))?;
    to_id(oid)
}

/// A name without the characters that end it in a commit header.
fn plain(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).collect();
    let kept = kept.trim_matches(|c: char| c.is_whitespace() || ".,:;\"'".contains(c));
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// Subject and body, and a paragraph with the one trailer. A trailer of the same name in the
/// body would make another run's claim, so it goes.
fn message(spec: &CommitSpec) -> String {
    let text = spec.message.replace("\r\n", "\n");
    let is_trailer = |line: &&str| {
        let key = line.trim_start().split(':').next().unwrap_or_default();
        line.contains(':') && key.trim_end().eq_ignore_ascii_case(TRAILER)
    };
    let kept = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let lines: Vec<String> = text
        .split('\n')
        .filter(|line| !is_trailer(line))
        .map(|line| line.chars().filter(kept).collect::<String>().trim_end().to_owned())
        .collect();
    let body = lines.join("\n");
    let body = body.trim();
    let body = if body.is_empty() { "Apply a patch" } else { body };
    format!("{body}\n\n{TRAILER}: {}\n", spec.run)
}
