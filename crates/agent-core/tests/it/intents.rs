//! How often the rules of `route` are right on labelled phrases.
//!
//! What the rules make of `held` lines one by one was never looked at while tuning.

use std::collections::BTreeMap;

use agent_core::route::{Intent, classify};

struct Phrase {
    split: &'static str,
    intent: Intent,
    text: String,
}

fn phrases() -> Vec<Phrase> {
    let lines = include_str!("../../data/intents.tsv").lines().filter(|l| !l.starts_with('#'));
    lines
        .map(|line| {
            let mut columns = line.splitn(3, '\t');
            let mut next = || columns.next().unwrap_or_else(|| panic!("three columns: {line}"));
            let (split, intent, text) = (next(), next(), next());
            let intent = Intent::parse(intent).unwrap_or_else(|| panic!("known intent: {line}"));
            Phrase { split, intent, text: text.replace("\\n", "\n") }
        })
        .collect()
}

/// Right answers and all answers.
fn accuracy<'a>(phrases: impl Iterator<Item = &'a Phrase>) -> (usize, usize) {
    phrases.fold((0, 0), |(right, all), phrase| {
        let ok = classify(&phrase.text).intent == phrase.intent;
        (right + usize::from(ok), all + 1)
    })
}

fn percent((right, all): (usize, usize)) -> usize {
    right * 100 / all.max(1)
}

#[test]
fn the_rules_keep_their_accuracy() {
    let phrases = phrases();
    let overall = accuracy(phrases.iter());
    let mut wrong: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for phrase in &phrases {
        let routing = classify(&phrase.text);
        if routing.intent != phrase.intent {
            let said = format!("{} ← {}", routing.intent.name(), phrase.text);
            wrong.entry((phrase.split, phrase.intent.name())).or_default().push(said);
        }
    }
    if std::env::var_os("SHOW_WRONG").is_some() {
        println!("{wrong:#?}");
    }
    println!("intents: {}/{} right overall ({} %)", overall.0, overall.1, percent(overall));
    for (split, floor) in [("tune", 98), ("held", 88)] {
        let part = accuracy(phrases.iter().filter(|p| p.split == split));
        println!("intents: {}/{} right in {split} ({} %)", part.0, part.1, percent(part));
        assert!(percent(part) >= floor, "{split} fell below {floor} %");
    }
    assert!(percent(overall) >= 95 && overall.1 >= 400, "{overall:?}");
}

#[test]
fn every_intent_is_in_both_halves_equally() {
    let mut counts: BTreeMap<(&str, Intent), usize> = BTreeMap::new();
    for phrase in phrases() {
        *counts.entry((phrase.split, phrase.intent)).or_default() += 1;
    }
    for intent in Intent::ALL {
        for split in ["tune", "held"] {
            let count = counts.get(&(split, intent)).copied().unwrap_or(0);
            assert!(count >= 14, "{split} has {count} phrases for {}", intent.name());
        }
    }
}
