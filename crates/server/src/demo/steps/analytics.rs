//! Step 8: figures of the workflow.

use api::workflow::GetWorkflowAnalyticsRequest;

use crate::demo::report::{Checks, Done, Told};
use crate::demo::story::Story;

pub(super) async fn figures(story: &mut Story, checks: &mut Checks) -> Done {
    let request =
        GetWorkflowAnalyticsRequest { name: story.names.bug_fix.clone(), ..Default::default() };
    let figures = story.alice.analytics().get_workflow_analytics(request).await;
    let figures = checks.ok("GetWorkflowAnalytics", figures)?;
    let counts = (figures.total, figures.completed, figures.in_progress);
    checks.equal("total, completed, in progress", counts, (1, 1, 0))?;
    checks.equal("cancelled and failed", (figures.cancelled, figures.failed), (0, 0))?;
    checks.holds(
        "mean cycle time",
        figures.mean_cycle_seconds > 0.0,
        figures.mean_cycle_seconds,
    )?;
    let sum: f64 = figures.stages.iter().map(|stage| stage.mean_seconds).sum();
    let is_sum = (sum - figures.mean_cycle_seconds).abs() < 0.1 * figures.mean_cycle_seconds + 0.01;
    checks.holds("times per stage add up", is_sum, (sum, figures.mean_cycle_seconds))?;
    let mut below = Vec::new();
    for stage in &figures.stages {
        let counts = (stage.entered, stage.completed, stage.left_otherwise, stage.in_stage_now);
        checks.equal(&format!("figures of {}", stage.display_name), counts, (1, 1, 0, 0))?;
        checks.holds("its mean time", stage.mean_seconds >= 0.0, stage.mean_seconds)?;
        below.push(format!(
            "{}: entered {}, completed {}, mean {:.3} s",
            stage.display_name, stage.entered, stage.completed, stage.mean_seconds
        ));
    }
    checks.equal("stages with figures", figures.stages.len(), 4)?;
    let line = format!("1 item completed, mean cycle time {:.3} s", figures.mean_cycle_seconds);
    Ok(Told { line, below })
}
