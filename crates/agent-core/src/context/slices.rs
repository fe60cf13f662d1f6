//! Slices: windows of a text, cut to what may be shown.

use super::bundle::{Slice, cost};
use super::rank::Scored;
use super::redact::RedactionCounts;
use super::windows::Window;

/// Longer lines are cut; minified code and data would fill the budget otherwise.
const MAX_LINE_CHARS: usize = 400;
/// A slice is cut down to fit the rest of the budget, but not below so many lines.
const MIN_LINES: usize = 5;

/// One window as a slice; nothing when the window has no lines.
pub(super) fn cut(
    path: &str,
    text: &str,
    window: Window,
    file: &Scored,
    share: f64,
) -> Option<Slice> {
    let lines: Vec<String> =
        text.lines().skip(window.start).take(window.end - window.start).map(clip_line).collect();
    let count = u32::try_from(lines.len()).ok().filter(|n| *n > 0)?;
    let start_line = u32::try_from(window.start).ok()? + 1;
    Some(Slice {
        path: path.to_owned(),
        start_line,
        end_line: start_line + count - 1,
        text: lines.join("\n"),
        score: thousandths(share),
        kind: file.kind,
        reasons: file.reasons.clone(),
    })
}

fn clip_line(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE_CHARS) {
        Some((end, _)) => format!("{} …", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// The slice, cut at its end if need be.
pub(super) fn fitting(slice: &Slice, bytes: usize) -> Option<Slice> {
    let whole = cost::slice(slice);
    if whole <= bytes {
        return Some(slice.clone());
    }
    let mut over = whole - bytes;
    let mut lines: Vec<&str> = slice.text.split('\n').collect();
    while over > 0 && lines.len() > MIN_LINES {
        over = over.saturating_sub(lines.pop().map_or(0, |line| line.len() + 1));
    }
    if over > 0 {
        return None;
    }
    let dropped = slice.text.split('\n').count() - lines.len();
    let end_line = slice.end_line.saturating_sub(u32::try_from(dropped).unwrap_or(u32::MAX));
    let cut = Slice { text: lines.join("\n"), end_line, ..slice.clone() };
    (cost::slice(&cut) <= bytes).then_some(cut)
}

/// Counts the markers in a text that was redacted as a whole before it was cut.
pub(super) fn markers(text: &str) -> RedactionCounts {
    let mut counts = RedactionCounts::new();
    for rest in text.split("[redacted:").skip(1) {
        if let Some((kind, _)) = rest.split_once(']') {
            *counts.entry(kind.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// A share as thousandths, at least one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
pub(super) fn thousandths(share: f64) -> u32 {
    (share * 1_000.0).round().clamp(1.0, 1_000.0) as u32
}
