//! From words and identifiers to the terms that are compared.
//!
//! `parseInvoiceTotals`, `parse_invoice_total` and "parsing the invoice totals" share the
//! terms `pars`, `invoic` and `total`: identifiers are split, and every part is cut to a
//! light stem. The stem need not be a word, it only has to be the same on both sides.

use std::collections::BTreeMap;

/// Characters of a task that are looked at.
const MAX_TASK_CHARS: usize = 8_000;
/// Terms of a task at most: the heaviest stay.
const MAX_TERMS: usize = 160;
/// Longest identifier that is looked at, in characters; longer ones are data.
const MAX_IDENTIFIER: usize = 64;

/// Words of a task that say nothing about where the code is.
const STOP: &str = "the a an and or of to in on for with by from at as is are was were be been being it its this \
    that these those no not if when then else so do does did done can could should would will \
    shall may might must we i you they he she our your their them us me my there here than also \
    only more most such into out up down over under again all any some each every other which \
    who whom what where how why because but while during after before between both now has have \
    had use used using make makes made add adds added fix fixes fixed change changes changed new \
    instead via per let get gets allow see still just please need needs want wants like even too \
    very never always once currently however without about one two am cannot don doesn isn won \
    nothing something anything somebody someone people way thing things work works code file \
    files implement able same already yet though well bug issue";

/// Groups of words that programmers use for one thing. A word of the task brings in the
/// others of its group with less weight.
const SYNONYMS: &[&str] = &[
    "delete remove destroy",
    "login signin auth authenticate authentication",
    "config configuration setting settings option options",
    "mail email mailer",
    "database db storage store",
    "fetch load request",
    "sort order ordering",
    "price cost amount",
    "picture image photo",
    "format render display",
    "validate check verify",
    "message notification notify",
    "round rounding",
    "error exception failure",
    "folder directory dir",
    "person user account member",
    "undo revert rollback",
    "search find lookup query filter",
    "drag dnd drop",
    "parse parser read import",
    "write export dump",
    "warehouse inventory stock",
    "shipping delivery shipment",
    "voucher coupon discount",
    "translation i18n locale language",
    "theme dark color colour",
    "keyboard shortcut hotkey key",
    "schedule recurring cron periodic",
];

const SYNONYM_WEIGHT: f64 = 0.35;
const JOINED_WEIGHT: f64 = 0.8;

/// Identifiers and words of a text, with their places in bytes.
pub fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| {
        !word.is_empty()
            && word.len() <= MAX_IDENTIFIER * 4
            && word.chars().any(char::is_alphabetic)
    })
}

/// The lower-case parts of an identifier: `parseHTTPHeader2` is `parse`, `http`, `header`.
pub fn parts(identifier: &str) -> Vec<String> {
    let chars: Vec<char> = identifier.chars().take(MAX_IDENTIFIER).collect();
    let mut out: Vec<String> = Vec::new();
    let mut part = String::new();
    for (at, &c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|i| chars.get(i)).copied();
        let after = chars.get(at + 1).copied();
        let starts = c.is_uppercase()
            && (before.is_some_and(|b| !b.is_uppercase()) || after.is_some_and(char::is_lowercase));
        let breaks = before.is_some_and(|b| b.is_numeric() != c.is_numeric());
        if (starts || breaks || c == '_') && !part.is_empty() {
            out.push(std::mem::take(&mut part));
        }
        if c != '_' {
            part.extend(c.to_lowercase());
        }
    }
    if !part.is_empty() {
        out.push(part);
    }
    out.retain(|p| p.chars().any(char::is_alphabetic) && p.chars().count() > 1);
    out
}

/// The light stem of a lower-case word.
pub fn stem(word: &str) -> String {
    if !word.is_ascii() || word.len() < 4 {
        return word.to_owned();
    }
    let mut stem = plural(word);
    for (suffix, shortest) in [("ing", 6), ("ed", 5), ("er", 7)] {
        if stem.len() >= shortest && stem.ends_with(suffix) {
            stem.truncate(stem.len() - suffix.len());
            undouble(&mut stem);
            break;
        }
    }
    if stem.len() >= 6 && (stem.ends_with("tion") || stem.ends_with("sion")) {
        stem.truncate(stem.len() - 3);
    } else if stem.len() >= 7 && stem.ends_with("ment") {
        stem.truncate(stem.len() - 4);
    }
    if stem.len() >= 4 && stem.ends_with('e') {
        stem.pop();
    }
    stem
}

fn plural(word: &str) -> String {
    if let Some(base) = word.strip_suffix("ies").filter(|base| base.len() >= 2) {
        return format!("{base}y");
    }
    let keeps = word.ends_with("ss") || word.ends_with("us") || word.ends_with("is");
    match word.strip_suffix('s') {
        Some(base) if !keeps => {
            let es = ["sse", "she", "che", "xe", "zze"].iter().any(|end| base.ends_with(end));
            base[..base.len() - usize::from(es)].to_owned()
        }
        _ => word.to_owned(),
    }
}

fn undouble(stem: &mut String) {
    let bytes = stem.as_bytes();
    if let [.., a, b] = bytes
        && a == b
        && stem.len() > 3
        && !matches!(b, b'l' | b's' | b'z' | b'd')
    {
        stem.pop();
    }
}

/// All terms of an identifier: the stems of its parts, and itself when it has several.
pub fn terms(identifier: &str) -> Vec<String> {
    let parts = parts(identifier);
    let mut out: Vec<String> = parts.iter().map(|part| stem(part)).collect();
    if parts.len() > 1 {
        out.push(parts.concat());
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// The terms of a task with their weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryTerms {
    /// Sorted by term.
    pub weights: BTreeMap<String, f64>,
    /// The word that stands for a term, for people to read: from the text, or the synonym.
    pub words: BTreeMap<String, String>,
}

impl QueryTerms {
    /// Terms of a text: its words without the stop words, neighbours joined ("check out"
    /// finds `checkout`), and synonyms.
    pub fn of(text: &str) -> Self {
        let text: String = text.chars().take(MAX_TASK_CHARS).collect();
        let words: Vec<&str> = identifiers(&text).collect();
        let mut terms = Self::default();
        let mut counts: BTreeMap<String, f64> = BTreeMap::new();
        let mut lower: Vec<String> = Vec::new();
        for word in &words {
            let parts = parts(word);
            if let [single] = parts.as_slice() {
                lower.push(single.clone());
            } else {
                lower.push(String::new());
            }
            let all_stop = parts.iter().all(|part| is_stop(part));
            for part in parts.iter().filter(|part| !all_stop && !is_noise(part)) {
                let term = stem(part);
                terms.words.entry(term.clone()).or_insert_with(|| part.clone());
                *counts.entry(term).or_default() += 1.0;
            }
            if parts.len() > 1 {
                let term = parts.concat();
                terms.words.entry(term.clone()).or_insert_with(|| (*word).to_owned());
                *counts.entry(term).or_default() += 1.5;
            }
        }
        for (term, count) in &counts {
            terms.weights.insert(term.clone(), 1.0 + count.ln().max(-0.5));
        }
        terms.join_neighbours(&lower);
        terms.add_synonyms(&lower);
        terms.keep_heaviest();
        terms
    }

    fn keep_heaviest(&mut self) {
        if self.weights.len() > MAX_TERMS {
            let mut sorted: Vec<(String, f64)> =
                std::mem::take(&mut self.weights).into_iter().collect();
            sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            self.weights = sorted.into_iter().take(MAX_TERMS).collect();
        }
    }

    /// The word that stands for a term in a sentence for people.
    pub fn word<'a>(&'a self, term: &'a str) -> &'a str {
        self.words.get(term).map_or(term, String::as_str)
    }

    /// Nothing to search for.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    fn join_neighbours(&mut self, words: &[String]) {
        for pair in words.windows(2) {
            if let [a, b] = pair
                && a.len() > 1
                && b.len() > 1
                && !(is_stop(a) && is_stop(b))
            {
                self.weights.entry(format!("{a}{b}")).or_insert(JOINED_WEIGHT);
                self.weights.entry(stem(&format!("{a}{b}"))).or_insert(JOINED_WEIGHT);
            }
        }
    }

    fn add_synonyms(&mut self, words: &[String]) {
        for group in SYNONYMS {
            let stems: Vec<String> = group.split(' ').map(stem).collect();
            let named = words.iter().any(|word| !word.is_empty() && stems.contains(&stem(word)));
            if named {
                for (term, word) in stems.into_iter().zip(group.split(' ')) {
                    self.words.entry(term.clone()).or_insert_with(|| word.to_owned());
                    self.weights.entry(term).or_insert(SYNONYM_WEIGHT);
                }
            }
        }
    }
}

fn is_stop(word: &str) -> bool {
    STOP.split(' ').any(|stop| stop == word)
}

fn is_noise(part: &str) -> bool {
    part.chars().count() < 2 || is_stop(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_split() {
        assert_eq!(parts("parseHTTPHeader2"), ["parse", "http", "header"]);
        assert_eq!(parts("__snake_case__"), ["snake", "case"]);
        assert_eq!(parts("MAX_TOTAL"), ["max", "total"]);
        assert_eq!(parts("Überweisung"), ["überweisung"]);
        assert!(parts("_1_2_").is_empty());
    }

    #[test]
    fn inflections_meet() {
        for group in [
            ["validate", "validating", "validation", "validates"],
            ["round", "rounding", "rounded", "rounds"],
            ["entry", "entries", "entry", "entries"],
            ["process", "processes", "processing", "processed"],
            ["price", "prices", "pricing", "priced"],
            ["stop", "stopping", "stopped", "stops"],
        ] {
            let stems: Vec<_> = group.iter().map(|word| stem(word)).collect();
            assert!(stems.iter().all(|s| *s == stems[0]), "{group:?} → {stems:?}");
        }
        assert_ne!(stem("cart"), stem("card"));
    }

    #[test]
    fn a_query_knows_joined_words_and_synonyms() {
        let terms = QueryTerms::of("Check out fails: please delete the cart");
        assert!(terms.weights.contains_key("checkout"));
        assert!(terms.weights.contains_key(&stem("remove")));
        assert!(terms.weights["cart"] > terms.weights[&stem("remove")]);
        assert!(!terms.weights.contains_key("the"));
        assert!(QueryTerms::of("the of and").is_empty());
    }
}
