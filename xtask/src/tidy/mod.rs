//! The rules of the code base that a compiler does not check.
//!
//! Each check is a function from data to findings; the data (layers, limits, ports)
//! stands at the top of its module and is what a reviewer changes.

mod access;
mod conformance;
mod layers;
mod length;
mod links;
mod manifests;

use anyhow::Result;

use crate::workspace;

/// What the checks have to say.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Fail the run.
    problems: Vec<String>,
    /// Are for a reviewer to decide.
    notes: Vec<String>,
}

impl Findings {
    fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

/// `cargo xtask tidy`; 1 if a rule is broken.
pub(crate) fn run() -> Result<u8> {
    let files = workspace::files()?;
    let mut findings = Findings::default();
    let packages = manifests::packages()?;
    layers::check(&packages, &manifests::lock()?, &mut findings);
    manifests::check(&packages, &mut findings)?;
    length::check(&files, &mut findings)?;
    links::check(&files, &mut findings)?;
    conformance::check(&files, &mut findings)?;
    access::check(&mut findings)?;
    for note in &findings.notes {
        println!("note: {note}");
    }
    for problem in &findings.problems {
        println!("error: {problem}");
    }
    println!("tidy: {} problems, {} notes", findings.problems.len(), findings.notes.len());
    Ok(u8::from(!findings.problems.is_empty()))
}
