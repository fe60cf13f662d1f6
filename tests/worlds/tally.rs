//! How often each method was answered how.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use prost::Message as _;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};

use crate::drive::{Answer, Made};
use crate::entry::Entry;

/// Calls of a method before its shares say something.
const ENOUGH: usize = 20;

/// Answers by method.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<String, BTreeMap<Answer, usize>>);

impl Tally {
    pub(crate) fn add(&mut self, made: &[Made]) {
        for made in made {
            let answers = self.0.entry(made.call.method.clone()).or_default();
            *answers.entry(made.answer).or_default() += 1;
        }
    }

    fn count(&self, method: &str, answer: Answer) -> usize {
        self.0.get(method).and_then(|answers| answers.get(&answer)).copied().unwrap_or(0)
    }

    fn total(&self, method: &str) -> usize {
        self.0.get(method).map_or(0, |answers| answers.values().sum())
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.keys().map(|method| self.total(method)).sum()
    }

    pub(crate) fn table(&self, entries: &[&Entry]) -> String {
        let mut text = format!(
            "{:58} {:>6} {:>5} {:>6} {:>6} {:>6} {:>6}\n",
            "method", "calls", "OK", "behind", "NFOUND", "DENIED", "UNAUTH"
        );
        for entry in entries {
            let method = entry.method;
            let _ = write!(text, "{method:58} {:6}", self.total(method));
            let mut cell = |answer, width: usize| {
                let _ = write!(text, " {:width$}", self.count(method, answer));
            };
            cell(Answer::Ok, 5);
            for answer in
                [Answer::Behind, Answer::NotFound, Answer::Denied, Answer::Unauthenticated]
            {
                cell(answer, 6);
            }
            text.push('\n');
        }
        text
    }

    /// Methods that were seen too rarely with an answer that can occur.
    pub(crate) fn missed_shares(&self, entries: &[&Entry]) -> Vec<String> {
        let mut missed = Vec::new();
        for entry in entries {
            let (method, total) = (entry.method, self.total(entry.method));
            if total < ENOUGH {
                continue;
            }
            let wishes = [
                (Answer::Ok, 20, None),
                (Answer::NotFound, 10, entry.never_not_found),
                (Answer::Denied, 10, entry.never_denied),
            ];
            for (answer, share, never) in wishes {
                let count = self.count(method, answer);
                match never {
                    Some(why) if count > 0 => {
                        missed.push(format!("{method} was answered {answer:?}, though {why}"));
                    }
                    None if count * 100 < share * total => {
                        missed.push(format!(
                            "{method}: {count} of {total} {answer:?}, not {share} %"
                        ));
                    }
                    _ => {}
                }
            }
        }
        missed
    }
}

/// All methods of the contract.
pub(crate) fn methods() -> Vec<String> {
    let set = FileDescriptorSet::decode(api::DESCRIPTORS).expect("descriptors");
    let mut methods = Vec::new();
    for file in set.file.iter().filter(|file| file.package().starts_with("elohim.")) {
        let package = file.package().trim_start_matches("elohim.");
        for service in &file.service {
            let names = service.method.iter().map(MethodDescriptorProto::name);
            methods.extend(names.map(|name| format!("{package}.{}/{name}", service.name())));
        }
    }
    methods
}
