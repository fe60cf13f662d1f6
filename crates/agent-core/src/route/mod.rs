//! What a person wants, told from the words of the request alone.
//!
//! Rules match whole words, never parts of words: "address" is not "add". Each rule that
//! fires leaves its reason, so that a wrong answer can be traced to a row of
//! `code_rules` or `other_rules`. The labelled phrases in `data/intents.tsv` measure the table.

mod code_rules;
mod other_rules;
mod rules;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use rules::Place;
use words::{Sentence, sentences};

/// Characters of the input that are looked at; a longer text is a log or a file.
const READ_CHARS: usize = 4_000;
/// Reasons shown at most.
const MAX_REASONS: usize = 6;
/// Evidence every intent has without a word, so that weak matches stay below certainty.
const DOUBT: f64 = 0.6;

/// The closed list of things a request can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Intent {
    Question,
    CodeEdit,
    BugFix,
    Refactor,
    TestGeneration,
    CodeReview,
    Documentation,
    Shell,
    GitOperation,
}

impl Intent {
    /// Every intent, in the order of the wire enum.
    pub const ALL: [Self; 9] = [
        Self::Question,
        Self::CodeEdit,
        Self::BugFix,
        Self::Refactor,
        Self::TestGeneration,
        Self::CodeReview,
        Self::Documentation,
        Self::Shell,
        Self::GitOperation,
    ];

    /// UPPER_SNAKE name, as stored and as on the wire without its prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Question => "QUESTION",
            Self::CodeEdit => "CODE_EDIT",
            Self::BugFix => "BUG_FIX",
            Self::Refactor => "REFACTOR",
            Self::TestGeneration => "TEST_GENERATION",
            Self::CodeReview => "CODE_REVIEW",
            Self::Documentation => "DOCUMENTATION",
            Self::Shell => "SHELL",
            Self::GitOperation => "GIT_OPERATION",
        }
    }

    /// The intent of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|intent| intent.name() == name)
    }

    /// What a client does next with such a request.
    pub const fn next_action(self) -> NextAction {
        match self {
            Self::Question => NextAction::Answer,
            Self::Shell | Self::GitOperation => NextAction::RunYourself,
            Self::CodeEdit
            | Self::BugFix
            | Self::Refactor
            | Self::TestGeneration
            | Self::CodeReview
            | Self::Documentation => NextAction::Plan,
        }
    }
}

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NextAction {
    /// Answer directly, with a context bundle where the repository matters.
    Answer,
    /// Call `Plan` with the same text.
    Plan,
    /// The agent runs no commands: the person runs it in a shell of their own.
    RunYourself,
}

impl NextAction {
    /// One sentence for a client to show.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Answer => "answer directly",
            Self::Plan => "call Plan",
            Self::RunYourself => "run it in your own shell; the agent runs no commands",
        }
    }
}

/// What was understood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Routing {
    pub intent: Intent,
    /// 0 (nothing to go by) to 1.
    pub confidence: f64,
    /// The strongest pieces of evidence for the intent, at most six.
    pub reasons: Vec<String>,
    pub next_action: NextAction,
}

impl Routing {
    fn new(intent: Intent, confidence: f64, reasons: Vec<String>) -> Self {
        Self { intent, confidence, reasons, next_action: intent.next_action() }
    }
}

/// Tells the intent of a request.
///
/// An empty text is a question with confidence 0.
pub fn classify(input: &str) -> Routing {
    let text: String = input.chars().take(READ_CHARS).collect();
    let sentences = sentences(&text);
    if sentences.is_empty() {
        return Routing::new(Intent::Question, 0.0, vec!["the text has no words".into()]);
    }
    let mut evidence = Evidence::default();
    words::shell_shape(&text, &mut evidence);
    words::tag(&text, &mut evidence);
    for sentence in &sentences {
        evidence.read(sentence);
    }
    evidence.decide()
}

/// Points per intent, and why.
#[derive(Default)]
struct Evidence {
    points: BTreeMap<Intent, f64>,
    reasons: Vec<(Intent, f64, String)>,
}

impl Evidence {
    fn add(&mut self, intent: Intent, points: f64, reason: String) {
        if self.reasons.iter().any(|(i, _, r)| *i == intent && *r == reason) {
            return;
        }
        *self.points.entry(intent).or_default() += points;
        self.reasons.push((intent, points, reason));
    }

    /// Applies every rule to one sentence. In a sentence that asks, words that name an
    /// activity are what the question is about, so they count less.
    fn read(&mut self, sentence: &Sentence) {
        let asks = sentence.asks();
        if asks {
            let word = sentence.lead_words().first().map_or("?", String::as_str);
            self.add(Intent::Question, 2.4, format!("asks (“{word}”)"));
        } else if sentence.question_mark {
            self.add(Intent::Question, 0.7, "ends with a question mark".into());
        }
        let neutral = sentence.leads_with_neutral_verb();
        for rule in code_rules::RULES.iter().chain(other_rules::RULES) {
            let found = match rule.place {
                Place::Lead => !asks && sentence.leads_with(rule.words),
                _ => sentence.contains(rule.words),
            };
            if !found {
                continue;
            }
            let weight = match rule.place {
                Place::Anywhere | Place::Object if asks => rule.weight * 0.4,
                Place::Object if neutral => rule.weight * 1.6,
                _ => rule.weight,
            };
            let place = if rule.place == Place::Lead { "begins with" } else { "says" };
            self.add(rule.intent, weight, format!("{place} “{}”", rule.words));
        }
        if !asks && sentence.tells() {
            self.add(Intent::BugFix, 0.7, "describes how something behaves".into());
        }
        for word in sentence.error_names() {
            self.add(Intent::BugFix, 1.6, format!("names the error “{word}”"));
        }
    }

    fn decide(mut self) -> Routing {
        let best = Intent::ALL
            .into_iter()
            .map(|intent| (intent, self.points.get(&intent).copied().unwrap_or(0.0)))
            .fold((Intent::Question, 0.0), |best, next| if next.1 > best.1 { next } else { best });
        if best.1 <= 0.0 {
            return Routing::new(best.0, 0.1, vec!["no rule matched".into()]);
        }
        let rest = self.points.iter().filter(|(i, _)| **i != best.0).map(|(_, p)| p.max(0.0));
        let second = rest.fold(0.0, f64::max);
        let confidence = (best.1 / (best.1 + second + DOUBT)).clamp(0.0, 0.99);
        self.reasons.retain(|(intent, points, _)| *intent == best.0 && *points > 0.0);
        self.reasons.sort_by(|a, b| b.1.total_cmp(&a.1));
        let reasons = self.reasons.into_iter().take(MAX_REASONS).map(|(_, _, r)| r).collect();
        Routing::new(best.0, (confidence * 100.0).round() / 100.0, reasons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_is_a_question_without_confidence() {
        for text in ["", "  \n\t", "?!…"] {
            let routing = classify(text);
            assert_eq!((routing.intent, routing.confidence), (Intent::Question, 0.0), "{text:?}");
            assert_eq!(routing.reasons.len(), 1);
        }
    }

    #[test]
    fn words_are_matched_whole() {
        let address = classify("the address on the profile");
        assert!(address.reasons.iter().all(|r| !r.contains("“add”")), "{address:?}");
        assert_ne!(classify("is this legit code?").intent, Intent::GitOperation);
        assert_ne!(classify("find a bug in the parser").intent, Intent::Shell);
    }

    #[test]
    fn a_very_long_text_is_fine() {
        let text = format!("Fix the crash on start. {}", "lorem ipsum ".repeat(750));
        assert!(text.len() >= 9_000);
        assert_eq!(classify(&text).intent, Intent::BugFix);
        assert_eq!(classify(&"ü".repeat(9_000)).intent, Intent::Question);
    }

    #[test]
    fn the_agent_runs_no_commands() {
        assert_eq!(classify("ls -la").next_action, NextAction::RunYourself);
        assert_eq!(classify("Add a flag to the command").next_action, NextAction::Plan);
        assert_eq!(classify("How does it work?").next_action, NextAction::Answer);
    }

    #[test]
    fn no_row_of_the_tables_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for rule in code_rules::RULES.iter().chain(other_rules::RULES) {
            let lead = rule.place == Place::Lead;
            assert!(seen.insert((rule.words, rule.intent, lead)), "{} stands twice", rule.words);
            assert_eq!(rule.words, rule.words.to_lowercase());
        }
    }

    #[test]
    fn names_are_unique_and_parse() {
        for intent in Intent::ALL {
            assert_eq!(Intent::parse(intent.name()), Some(intent));
        }
        assert_eq!(Intent::parse("DANCE"), None);
    }
}
