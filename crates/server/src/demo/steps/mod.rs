//! Steps 0 to 10.

mod analytics;
mod audit_trail;
mod change;
mod isolation;
mod item;
mod reaction;
mod setup;

use std::time::Instant;

use super::report::{Checks, Report};
use super::story::Story;

/// One after the other, until one fails.
pub(super) async fn all(report: &mut Report, story: &mut Story) -> anyhow::Result<()> {
    // A failed step ends the demo: what follows would only fail for the same reason.
    macro_rules! step {
        ($number:literal, $step:path) => {
            let mut checks = Checks::default();
            let began = Instant::now();
            let done = Box::pin($step(story, &mut checks)).await;
            if !report.tell($number, &checks, began.elapsed(), done)? {
                return Ok(());
            }
        };
    }
    step!(0, setup::register);
    step!(1, setup::workflows);
    step!(2, item::create);
    step!(3, item::assist);
    step!(4, change::apply);
    step!(5, reaction::triggered);
    step!(6, change::revert);
    step!(7, item::finish);
    step!(8, analytics::figures);
    step!(9, isolation::foreign);
    step!(10, audit_trail::lists);
    Ok(())
}
