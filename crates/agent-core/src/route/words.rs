//! Sentences, their words, and what their shape says.

use super::rules::{
    COMMANDS, FINITE, GIT_VERBS, MISSPELLED, NEUTRAL_VERBS, POLITE, QUESTION_WORDS, TAGS, TELLING,
    listed,
};
use super::{Evidence, Intent};
use crate::context::word_stem;

/// One sentence or line as lower-case words.
pub(super) struct Sentence {
    words: Vec<String>,
    /// The same words as they were written.
    raw: Vec<String>,
    /// Their stems: "Fixed" and "fixing" lead like "fix".
    stems: Vec<String>,
    /// Index of the first word after "please", "could you" and the like.
    lead: usize,
    pub(super) question_mark: bool,
}

/// Cuts a text at sentence ends and line breaks; sentences without words are dropped.
pub(super) fn sentences(text: &str) -> Vec<Sentence> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next_is_space = chars.peek().is_none_or(|(_, n)| n.is_whitespace());
        if c == '\n' || (matches!(c, '.' | '?' | '!' | ';') && next_is_space) {
            let end = at + c.len_utf8();
            out.extend(text.get(start..end).and_then(Sentence::parse));
            start = end;
        }
    }
    out.extend(text.get(start..).and_then(Sentence::parse));
    out
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '\'' | '’')
}

impl Sentence {
    fn parse(text: &str) -> Option<Self> {
        let raw: Vec<String> = text
            .split(|c| !is_word_char(c))
            .map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()))
            .filter(|w| !w.is_empty())
            .map(str::to_owned)
            .collect();
        if raw.is_empty() {
            return None;
        }
        let words: Vec<String> = raw.iter().map(|w| corrected(&w.to_lowercase())).collect();
        let stems = words.iter().map(|word| word_stem(word)).collect();
        let lead = polite_prefix(&words);
        Some(Self { words, raw, stems, lead, question_mark: text.trim_end().ends_with('?') })
    }

    /// The words from the first one that carries meaning.
    pub(super) fn lead_words(&self) -> &[String] {
        self.words.get(self.lead..).unwrap_or_default()
    }

    /// A question word leads, and it is no polite order ("can you add …").
    pub(super) fn asks(&self) -> bool {
        self.lead == 0 && self.words.first().is_some_and(|w| listed(QUESTION_WORDS, w))
            || begins(self.lead_words(), "explain why")
            || begins(self.lead_words(), "explain how")
            || begins(self.lead_words(), "tell me")
            || begins(&self.words, "in which")
            || (self.question_mark
                && self.lead_words().first().is_some_and(|w| listed(QUESTION_WORDS, w)))
    }

    pub(super) fn leads_with(&self, phrase: &str) -> bool {
        let mut stems = self.stems.get(self.lead..).unwrap_or_default().iter();
        let first = self.lead_words().first().and_then(|word| word.chars().next());
        if first != phrase.chars().next() {
            return false;
        }
        phrase.split(' ').all(|word| stems.next().is_some_and(|stem| *stem == word_stem(word)))
    }

    /// The verb in front says nothing without its object.
    pub(super) fn leads_with_neutral_verb(&self) -> bool {
        self.stems.get(self.lead).is_some_and(|stem| listed(NEUTRAL_VERBS, stem))
    }

    /// The sentence states something instead of ordering it.
    pub(super) fn tells(&self) -> bool {
        let first = self.words.first().is_some_and(|word| listed(TELLING, word));
        let wish = ["should", "could", "would", "must", "need", "want", "please", "like"];
        let finite = self.words.iter().any(|word| listed(FINITE, word));
        (first || finite)
            && self.words.len() >= 4
            && self.lead == 0
            && !self.words.iter().any(|word| wish.contains(&word.as_str()))
    }

    pub(super) fn contains(&self, phrase: &str) -> bool {
        (0..self.words.len()).any(|at| begins(self.words.get(at..).unwrap_or_default(), phrase))
    }

    /// Words such as `TypeError` or `NullPointerException`.
    pub(super) fn error_names(&self) -> Vec<&str> {
        let is_error = |w: &&String| {
            ["Error", "Exception"].iter().any(|e| w.len() > e.len() && w.ends_with(e))
        };
        self.raw.iter().filter(is_error).map(String::as_str).take(2).collect()
    }
}

fn begins(words: &[String], phrase: &str) -> bool {
    let mut words = words.iter();
    phrase.split(' ').all(|p| words.next().is_some_and(|w| w == p))
}

/// How many words at the front only say "please do this".
fn polite_prefix(words: &[String]) -> usize {
    let mut at = 0;
    while let Some(rest) = words.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(phrase) = POLITE.split(',').find(|p| begins(rest, p)) else { break };
        let length = phrase.split(' ').count();
        if rest.len() == length {
            break;
        }
        at += length;
    }
    at
}

/// Puts the few words right that decide and are often misspelled.
fn corrected(word: &str) -> String {
    if listed(MISSPELLED, word) {
        return word.to_owned();
    }
    let fixed = MISSPELLED.split(' ').find(|right| is_slip_of(word, right));
    fixed.unwrap_or(word).to_owned()
}

/// One letter missing or two swapped; another letter would turn "text" into "test".
fn is_slip_of(word: &str, right: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (word.chars().collect(), right.chars().collect());
    if a.len() < 4 || a.first() != b.first() {
        return false;
    }
    let at = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = |v: &[char], from: usize| v.get(from..).unwrap_or_default().to_vec();
    if a.len() + 1 == b.len() {
        return tail(&a, at) == tail(&b, at + 1);
    }
    a.len() == b.len()
        && at + 1 < a.len()
        && a.get(at) == b.get(at + 1)
        && a.get(at + 1) == b.get(at)
        && tail(&a, at + 2) == tail(&b, at + 2)
}

/// Evidence from a tag in front, as in "[Bug] …" or "docs(cli): …".
pub(super) fn tag(text: &str, evidence: &mut Evidence) {
    let text = text.trim_start();
    let tag = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => text.split_once(':').map_or("", |(tag, _)| tag),
    };
    let tag = tag.split('(').next().unwrap_or_default().trim_end_matches('!').trim().to_lowercase();
    if let Some((_, intent)) = TAGS.iter().find(|(tags, _)| listed(tags, &tag)) {
        evidence.add(*intent, 3.0, format!("is tagged “{tag}”"));
    }
}

/// Evidence from the shape of a command line.
pub(super) fn shell_shape(text: &str, evidence: &mut Evidence) {
    let line = text.trim().lines().next().unwrap_or_default().trim();
    let line = line.strip_prefix("run ").unwrap_or(line);
    if line.starts_with("$ ") || line.starts_with("./") || line.starts_with("../") {
        evidence.add(Intent::Shell, 4.0, "is written as a command line".into());
    }
    let mut parts = line.trim_start_matches("$ ").split_whitespace();
    let first = parts.next().unwrap_or_default();
    let second = parts.next();
    if first == "git" && second.is_some_and(|s| listed(GIT_VERBS, s)) {
        evidence.add(Intent::GitOperation, 5.0, "is a git command".into());
        return;
    }
    let third = parts.next();
    let prose = [second, third].into_iter().flatten().any(|w| {
        matches!(
            w,
            "a" | "an" | "the" | "my" | "our" | "all" | "any" | "for" | "me" | "that" | "in"
        )
    });
    let flagged = line.split_whitespace().skip(1).any(|w| w.len() > 1 && w.starts_with('-'));
    if listed(COMMANDS, first) && flagged {
        evidence.add(Intent::Shell, 2.0, "has flags like a command".into());
    }
    if listed(COMMANDS, first) && !prose {
        evidence.add(Intent::Shell, 3.5, format!("begins with the command “{first}”"));
    }
    if line.contains(" && ") || line.contains(" | ") || line.contains(" || ") {
        evidence.add(Intent::Shell, 1.5, "chains commands".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polite_words_do_not_lead() {
        let all = sentences("Could you please rename it? Thanks.");
        assert_eq!(all[0].lead_words()[0], "rename");
        assert!(!all[0].asks());
        assert!(sentences("Which one is it")[0].asks());
    }

    #[test]
    fn slips_are_corrected_but_other_words_are_kept() {
        assert_eq!(corrected("reveiw"), "review");
        assert_eq!(corrected("eror"), "error");
        assert_eq!(corrected("text"), "text");
        assert_eq!(corrected("tets"), "test");
    }

    #[test]
    fn dots_inside_words_do_not_end_a_sentence() {
        assert_eq!(sentences("see v1.2.3 of utils.py").len(), 1);
        assert_eq!(sentences("a. b? c\nd").len(), 4);
    }
}
