//! Which lines of a file matter for a task.

use std::collections::BTreeMap;

use super::rank::Weighted;
use super::terms::identifiers;

/// Lines of one window.
const LINES: usize = 40;
/// Lines between the starts of two windows.
const STRIDE: usize = 20;
/// A file of so many lines is one window.
const WHOLE: usize = 60;

/// Consecutive lines with their score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    /// First line, from 0.
    pub(super) start: usize,
    /// One past the last line.
    pub(super) end: usize,
    pub(super) score: f64,
}

/// The best windows of a text that do not overlap, best first, at most `limit`.
pub(super) fn best_windows(text: &str, weighted: &Weighted, limit: usize) -> Vec<Window> {
    let hits: Vec<Vec<usize>> = text
        .lines()
        .map(|line| identifiers(line).flat_map(|i| weighted.hits(i)).collect())
        .collect();
    let mut found: Vec<Window> = spans(hits.len())
        .map(|(start, end)| {
            let score = score(hits.get(start..end).unwrap_or_default(), weighted);
            Window { start, end, score }
        })
        .filter(|window| window.score > 0.0)
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.start.cmp(&b.start)));
    let mut out: Vec<Window> = Vec::new();
    for window in found {
        let overlaps = |w: &Window| window.start < w.end && w.start < window.end;
        if out.len() < limit && !out.iter().any(overlaps) {
            out.push(window);
        }
    }
    out
}

fn spans(lines: usize) -> impl Iterator<Item = (usize, usize)> {
    let whole = lines <= WHOLE;
    let last = if whole { 1 } else { lines };
    (0..last)
        .step_by(STRIDE)
        .map(move |start| (start, if whole { lines } else { (start + LINES).min(lines) }))
}

fn score(lines: &[Vec<usize>], weighted: &Weighted) -> f64 {
    let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
    for hit in lines.iter().flatten() {
        *counts.entry(*hit).or_default() += 1.0;
    }
    let worth = |at: &usize| weighted.worth.get(*at).copied().unwrap_or(0.0);
    counts.iter().map(|(at, n)| worth(at) * n * 2.2 / (n + 1.2)).sum()
}
