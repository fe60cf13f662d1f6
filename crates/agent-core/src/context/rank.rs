//! Which of the files that were read matter for a task, and why.
//!
//! Several cheap orders are fused by reciprocal rank: BM25 over whole files, the best
//! window of a file, names of definitions, the path, and recent change. None of them is
//! right alone; a file that several of them like is.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::kind::{FileKind, file_kind};
use super::select::{Query, path_match};
use super::symbols::definitions;
use super::terms::{QueryTerms, identifiers, terms};
use super::windows::best_windows;

const K1: f64 = 1.2;
const B: f64 = 0.75;
/// A path says as much about a file as this many mentions inside.
const PATH_MENTIONS: f64 = 3.0;
/// Constant of reciprocal rank fusion.
const FUSION: f64 = 15.0;
/// Files whose windows and definitions are looked at.
const LOOKED_INTO: usize = 120;

/// A file that was read.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    pub path: &'a str,
    pub text: &'a str,
}

/// One file with its place.
#[derive(Clone, Debug)]
pub(super) struct Scored {
    /// Index into the documents.
    pub(super) at: usize,
    pub(super) kind: FileKind,
    /// Fused score; comparable within one ranking only.
    pub(super) score: f64,
    /// BM25 of the whole file, as a share of the best file's.
    pub(super) strength: f64,
    pub(super) reasons: Vec<String>,
}

/// Terms of the task with what they are worth in this repository.
pub(super) struct Weighted {
    lookup: HashMap<String, usize>,
    /// Weight times inverse document frequency, by term.
    pub(super) worth: Vec<f64>,
}

impl Weighted {
    /// The terms of one identifier that the task has.
    pub(super) fn hits(&self, identifier: &str) -> Vec<usize> {
        terms(identifier).iter().filter_map(|term| self.lookup.get(term)).copied().collect()
    }
}

/// How often each term of the task stands in one file.
struct Counts {
    length: f64,
    by_term: BTreeMap<usize, f64>,
}

/// All files that match the task, best first.
pub(super) fn rank(
    documents: &[Document<'_>],
    query: &Query<'_>,
    terms: &QueryTerms,
    churn: &BTreeMap<String, f64>,
) -> (Vec<Scored>, Weighted) {
    let mut weighted = Weighted {
        lookup: terms.weights.keys().cloned().zip(0..).collect(),
        worth: vec![0.0; terms.weights.len()],
    };
    let counts = count_all(documents, &weighted);
    weigh(&mut weighted, terms, &counts);
    let by_text = order(bm25(&counts, &weighted));
    let top: Vec<usize> = by_text.iter().take(LOOKED_INTO).map(|(at, _)| *at).collect();
    let document = |at: &usize| documents.get(*at).map(|d| (*at, d));
    let by_window =
        order(top.iter().filter_map(document).map(|(at, d)| {
            (at, best_windows(d.text, &weighted, 1).first().map_or(0.0, |w| w.score))
        }));
    let by_symbol =
        order(top.iter().filter_map(document).map(|(at, d)| (at, symbol_score(d, &weighted))));
    let by_path =
        order(documents.iter().enumerate().map(|(at, d)| (at, path_match(d.path, terms))));
    let by_churn = order(
        documents.iter().enumerate().map(|(at, d)| (at, churn.get(d.path).copied().unwrap_or(0.0))),
    );
    let mut fused = Fusion::default();
    fused.add(&by_text, 1.0);
    fused.add(&by_window, 0.8);
    fused.add(&by_symbol, 0.6);
    fused.add(&by_path, 0.5);
    fused.keep_only_found();
    fused.add(&by_churn, 0.15);
    let pointed = Pointed { query, mentions: mentions(query.text) };
    let mut ranked = pointed.finish(documents, fused, &counts, &weighted, terms);
    let best = by_text.first().map_or(1.0, |(_, s)| *s);
    let strengths: BTreeMap<usize, f64> = by_text.iter().map(|(at, s)| (*at, s / best)).collect();
    for scored in &mut ranked {
        scored.strength = strengths.get(&scored.at).copied().unwrap_or(0.0);
    }
    (ranked, weighted)
}

fn count_all(documents: &[Document<'_>], weighted: &Weighted) -> Vec<Counts> {
    let mut memo: HashMap<&str, (f64, Vec<usize>)> = HashMap::new();
    let mut out = Vec::with_capacity(documents.len());
    for document in documents {
        let mut counts = Counts { length: 1.0, by_term: BTreeMap::new() };
        let mut take = |identifier, times: f64| {
            let (length, hits) = memo.entry(identifier).or_insert_with(|| {
                #[expect(clippy::cast_precision_loss, reason = "a handful of parts")]
                let length = terms(identifier).len() as f64;
                (length, weighted.hits(identifier))
            });
            counts.length += *length * times;
            for hit in hits {
                *counts.by_term.entry(*hit).or_default() += times;
            }
        };
        identifiers(document.text).for_each(|identifier| take(identifier, 1.0));
        identifiers(document.path).for_each(|identifier| take(identifier, PATH_MENTIONS));
        out.push(counts);
    }
    out
}

/// Inverse document frequency over the files read, times the weight in the task.
fn weigh(weighted: &mut Weighted, terms: &QueryTerms, counts: &[Counts]) {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand files")]
    let total = counts.len() as f64;
    let mut frequency = vec![0.0_f64; weighted.worth.len()];
    for hit in counts.iter().flat_map(|c| c.by_term.keys()) {
        if let Some(n) = frequency.get_mut(*hit) {
            *n += 1.0;
        }
    }
    for (term, at) in &weighted.lookup {
        let n = frequency.get(*at).copied().unwrap_or(0.0);
        let idf = (1.0 + (total - n + 0.5) / (n + 0.5)).ln();
        if let (Some(worth), Some(weight)) = (weighted.worth.get_mut(*at), terms.weights.get(term))
        {
            *worth = idf * weight;
        }
    }
}

fn bm25(counts: &[Counts], weighted: &Weighted) -> Vec<(usize, f64)> {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand files")]
    let mean = counts.iter().map(|c| c.length).sum::<f64>() / (counts.len().max(1) as f64);
    let score = |c: &Counts| {
        let norm = K1 * (1.0 - B + B * c.length / mean.max(1.0));
        c.by_term
            .iter()
            .map(|(at, n)| weighted.worth.get(*at).unwrap_or(&0.0) * n * (K1 + 1.0) / (n + norm))
            .sum::<f64>()
    };
    counts.iter().map(score).enumerate().collect()
}

/// How much of the task the names defined in a file contain.
fn symbol_score(document: &Document<'_>, weighted: &Weighted) -> f64 {
    let mut best: BTreeMap<usize, f64> = BTreeMap::new();
    let mut top = 0.0_f64;
    for symbol in definitions(document.path, document.text) {
        let hits = weighted.hits(&symbol.name);
        let own: f64 = hits.iter().filter_map(|at| weighted.worth.get(*at)).sum();
        top = top.max(own);
        for at in hits {
            best.insert(at, weighted.worth.get(at).copied().unwrap_or(0.0));
        }
    }
    top + 0.5 * best.values().sum::<f64>()
}

/// Positive scores, best first; equal ones by index, that is by path.
fn order(scores: impl IntoIterator<Item = (usize, f64)>) -> Vec<(usize, f64)> {
    let mut out: Vec<(usize, f64)> = scores.into_iter().filter(|(_, s)| *s > 0.0).collect();
    out.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    out
}

#[derive(Default)]
struct Fusion {
    scores: BTreeMap<usize, f64>,
    closed: bool,
}

impl Fusion {
    fn add(&mut self, order: &[(usize, f64)], weight: f64) {
        #[expect(clippy::cast_precision_loss, reason = "a rank")]
        for (rank, (at, _)) in order.iter().enumerate() {
            let share = weight / (FUSION + rank as f64);
            match self.scores.get_mut(at) {
                Some(score) => *score += share,
                None if self.closed => {}
                None => {
                    self.scores.insert(*at, share);
                }
            }
        }
    }

    /// Later orders only move files that are in already.
    fn keep_only_found(&mut self) {
        self.closed = true;
    }
}

/// What the person points at: names in the text, the focus, open files.
struct Pointed<'q> {
    query: &'q Query<'q>,
    mentions: HashSet<&'q str>,
}

impl Pointed<'_> {
    fn finish(
        &self,
        documents: &[Document<'_>],
        mut fused: Fusion,
        counts: &[Counts],
        weighted: &Weighted,
        terms: &QueryTerms,
    ) -> Vec<Scored> {
        let top = fused.scores.values().copied().fold(1.0 / FUSION, f64::max);
        let names: BTreeMap<usize, &String> =
            weighted.lookup.iter().map(|(t, at)| (*at, t)).collect();
        for (at, document) in documents.iter().enumerate() {
            if self.is_named(document.path)
                || self.query.has_open(document.path)
                || self.query.focuses_on(document.path)
            {
                fused.scores.entry(at).or_insert(0.0);
            }
        }
        let mut out = Vec::new();
        for (at, score) in fused.scores {
            let Some(document) = documents.get(at) else { continue };
            let kind = file_kind(document.path);
            let mut scored = Scored { at, kind, score, strength: 0.0, reasons: Vec::new() };
            self.lift(document.path, top, &mut scored);
            if let Some(counts) = counts.get(at) {
                scored.reasons.extend(matched(counts, weighted, &names, terms));
            }
            out.push(scored);
        }
        out.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.at.cmp(&b.at)));
        out
    }

    fn lift(&self, path: &str, top: f64, scored: &mut Scored) {
        if self.is_named(path) {
            scored.score += 2.0 * top;
            scored.reasons.push("named in the task".into());
        }
        if self.query.focus_path() == Some(path) {
            scored.score += 3.0 * top;
            scored.reasons.push("the focus".into());
        } else if self.query.focuses_on(path) {
            scored.score = scored.score * 2.0 + 0.05 * top;
            scored.reasons.push("below the focus".into());
        }
        if self.query.has_open(path) {
            scored.score += 0.5 * top;
            scored.reasons.push("open in the editor".into());
        }
        if scored.kind == FileKind::Other {
            scored.score *= 0.6;
        }
    }

    fn is_named(&self, path: &str) -> bool {
        let mut rest = path;
        loop {
            if self.mentions.contains(rest) {
                return true;
            }
            match rest.split_once('/') {
                Some((_, below)) => rest = below,
                None => return false,
            }
        }
    }
}

/// Words of the text that can be a path or a file name.
fn mentions(text: &str) -> HashSet<&str> {
    let outside = |c: char| c.is_whitespace() || "\"'`()[]{}<>,;:*!?".contains(c);
    text.split(outside)
        .map(|word| word.trim_end_matches('.').trim_start_matches("./").trim_matches('/'))
        .filter(|word| word.len() > 3 && word.rsplit('/').next().unwrap_or("").contains('.'))
        .collect()
}

/// The words of the task that weigh most in a file.
fn matched(
    counts: &Counts,
    weighted: &Weighted,
    names: &BTreeMap<usize, &String>,
    terms: &QueryTerms,
) -> Option<String> {
    let worth = |at: &usize| weighted.worth.get(*at).copied().unwrap_or(0.0);
    let mut hits: Vec<(&usize, f64)> = counts
        .by_term
        .iter()
        .map(|(at, n)| (at, worth(at) * n / (n + K1)))
        .filter(|(_, score)| *score > 0.0)
        .collect();
    hits.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let mut words: Vec<&str> = Vec::new();
    for (at, _) in hits {
        if let Some(word) = names.get(at).map(|term| terms.word(term))
            && !words.contains(&word)
            && words.len() < 5
        {
            words.push(word);
        }
    }
    (!words.is_empty()).then(|| format!("matches {}", words.join(", ")))
}

/// Weights of recently changed paths: the newest commit counts most.
pub(super) fn churn<'a>(commits: impl Iterator<Item = &'a [String]>) -> BTreeMap<String, f64> {
    let mut out = BTreeMap::new();
    let mut weight = 1.0;
    for paths in commits {
        for path in paths {
            *out.entry(path.clone()).or_insert(0.0) += weight;
        }
        weight *= 0.9;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str, focus: Option<&str>, documents: &[(&str, &str)]) -> Vec<String> {
        let documents: Vec<Document<'_>> =
            documents.iter().map(|(path, text)| Document { path, text }).collect();
        let query = Query { text, focus, open_files: &[] };
        let (ranked, _) = rank(&documents, &query, &QueryTerms::of(text), &BTreeMap::new());
        ranked.iter().map(|s| documents[s.at].path.to_owned()).collect()
    }

    const FILES: &[(&str, &str)] = &[
        ("src/cart.rs", "pub fn apply_discount(total: Money) {}\npub fn add_line() {}"),
        ("src/mail.rs", "pub fn send_mail(to: &str) { smtp() }"),
        ("src/tax.rs", "// the discount is taxed too\npub fn vat() {}"),
    ];

    #[test]
    fn the_file_that_defines_the_words_comes_first() {
        assert_eq!(paths("discounts are applied twice", None, FILES)[0], "src/cart.rs");
        assert_eq!(paths("send an e-mail", None, FILES)[0], "src/mail.rs");
        assert!(paths("quantum chromodynamics", None, FILES).is_empty());
    }

    #[test]
    fn pointing_beats_matching() {
        assert_eq!(paths("discounts: see tax.rs:12", None, FILES)[0], "src/tax.rs");
        assert_eq!(paths("discounts", Some("src/mail.rs"), FILES)[0], "src/mail.rs");
    }

    #[test]
    fn reasons_name_the_words_of_the_task() {
        let documents: Vec<Document<'_>> =
            FILES.iter().map(|(path, text)| Document { path, text }).collect();
        let text = "Discounts look odd";
        let query = Query { text, ..Query::default() };
        let (ranked, _) = rank(&documents, &query, &QueryTerms::of(text), &BTreeMap::new());
        assert_eq!(ranked[0].reasons, ["matches discounts"]);
    }
}
