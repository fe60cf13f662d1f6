//! The command's test of itself: a table with one wrong line must disagree with the answers.
//!
//! Real answers are compared with what the reference says by a table in which one row or one
//! role's level was changed. Who would not notice that has not looked.

use crate::drive::{Answer, Made};
use crate::facts::{Person, Tables};
use crate::reference::expected;

/// Calls that are looked at again for each wrong line.
const LOOKED_AT: usize = 6_000;

/// A key that no role grants.
const NOBODY: &str = "nobody.holds";

/// Makes a method's row ask for another key.
pub(crate) fn plant_row(tables: &mut Tables, method: &str, key: &str) {
    if let Some(row) = tables.access.get_mut(method) {
        row.set(key, 1);
    }
}

/// One world's calls.
pub(crate) struct Seen {
    pub(crate) tables: Tables,
    pub(crate) people: Vec<Person>,
    pub(crate) made: Vec<Made>,
}

/// How many wrong lines were tried, and those that went unnoticed.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) rows: usize,
    pub(crate) levels: usize,
    /// Rows that must be noticed.
    pub(crate) missed_rows: Vec<String>,
    pub(crate) missed_levels: Vec<String>,
}

/// Plants one wrong line after the other.
pub(crate) fn plant(worlds: &[Seen]) -> Report {
    let mut report = Report::default();
    let Some(first) = worlds.first() else { return report };
    for method in first.tables.access.keys() {
        let is_judged = |made: &Made| made.call.method == *method && made.answer.class().is_some();
        if worlds.iter().flat_map(|seen| &seen.made).filter(|made| is_judged(made)).count() < 20 {
            continue;
        }
        report.rows += 1;
        let is_found = is_found(worlds, Some(method), |tables| plant_row(tables, method, NOBODY));
        if !is_found {
            report.missed_rows.push(format!("{method} for nobody"));
        }
        let is_refusal = |made: &Made| made.call.method == *method && made.answer == Answer::Denied;
        if !worlds.iter().flat_map(|seen| &seen.made).any(is_refusal) {
            continue;
        }
        report.rows += 1;
        let is_found =
            self::is_found(worlds, Some(method), |tables| plant_row(tables, method, "any"));
        if !is_found {
            report.missed_rows.push(format!("{method} for everybody"));
        }
    }
    plant_levels(worlds, &mut report);
    report
}

fn plant_levels(worlds: &[Seen], report: &mut Report) {
    let Some(first) = worlds.first() else { return };
    let standard = first.tables.roles.iter().filter(|(role, _)| !role.starts_with("custom"));
    for (role, levels) in standard {
        for (key, level) in levels {
            for wrong in [level.checked_sub(1), (*level < 3).then_some(level + 1)] {
                let Some(wrong) = wrong.filter(|wrong| matters(&first.tables, key, *level, *wrong))
                else {
                    continue;
                };
                report.levels += 1;
                let is_found = is_found(worlds, None, |tables| {
                    if let Some(levels) = tables.roles.get_mut(role) {
                        levels.insert(key.clone(), wrong);
                    }
                });
                if !is_found {
                    report.missed_levels.push(format!("{role} {key} {level}→{wrong}"));
                }
            }
        }
    }
}

/// Whether some method asks for a level of the key that is held by one of the two alone.
fn matters(tables: &Tables, key: &str, right: u8, wrong: u8) -> bool {
    let rows = tables.access.values();
    let asked = rows.flat_map(|row| {
        let all = std::iter::once(&row.own).chain(&row.brackets);
        all.map(|(key, level)| (key.as_str(), *level))
    });
    let mut levels = asked.filter(|(asked, _)| *asked == key).map(|(_, level)| level);
    levels.any(|asked| (asked <= right) != (asked <= wrong))
}

/// Whether some answer is not what the changed tables say.
fn is_found(worlds: &[Seen], method: Option<&str>, change: impl Fn(&mut Tables)) -> bool {
    let mut left = LOOKED_AT;
    for seen in worlds {
        let mut tables = seen.tables.clone();
        change(&mut tables);
        for made in &seen.made {
            if method.is_some_and(|method| made.call.method != method) {
                continue;
            }
            let Some(class) = made.answer.class() else { continue };
            let caller = made.caller.map(|at| &seen.people[at]);
            let notices = expected(&tables, caller, &made.call) != class;
            // A call that disagrees with the right tables says nothing about wrong ones.
            if notices && expected(&seen.tables, caller, &made.call) == class {
                return true;
            }
            left -= 1;
            if left == 0 {
                return false;
            }
        }
    }
    false
}
