//! Step 5: the event makes one item in the workflow that listens.

use std::time::Duration;

use api::workflow::{
    FiringOutcome, ListTriggerFiringsRequest, ListWorkItemsRequest, TriggerFiring, WorkItem,
    WorkItemState,
};

use crate::demo::report::{Checks, Done, Failure};
use crate::demo::story::{Deadline, Story};

/// After this long a second item would have come: it is far more than the first one took.
const QUIET: Duration = Duration::from_millis(600);

pub(super) async fn triggered(story: &mut Story, checks: &mut Checks) -> Done {
    let deadline = Deadline::start("the triggered item");
    while items(story, &mut Checks::default()).await?.is_empty() {
        deadline.pause().await?;
    }
    tokio::time::sleep(QUIET).await;
    let found = items(story, checks).await?;
    checks.equal("items in Change Review", found.len(), 1)?;
    let item = checks.some("the item", found.into_iter().next())?;
    checks.equal("its state", item.state(), WorkItemState::Pending)?;
    checks.equal("it was made by", &item.triggered_by, &story.names.trigger)?;
    checks.equal("its repository", &item.repository, &story.names.repository)?;
    checks.equal("on behalf of", &item.creator, &story.names.alice)?;
    let data = item.data.clone().unwrap_or_default().fields;
    let has_event = data.contains_key("agent_event") && data.contains_key("triggered_by");
    checks.holds("the event is in its data", has_event, data.keys())?;
    let event = checks.some("its event", item.agent_event)?;
    checks.equal("the event's type", event.r#type.as_str(), "agent.apply.success")?;
    checks.equal("the event's repository", &event.repository, &story.names.repository)?;
    checks.equal("the event's principal", &event.principal, &story.names.alice)?;
    let payload = format!("{:?}", event.payload);
    checks.holds("it names the patch", payload.contains(&story.names.patch), &payload)?;

    let firings = firings(story, checks).await?;
    checks.equal("firings", firings.len(), 1)?;
    let firing = checks.some("the firing", firings.into_iter().next())?;
    checks.equal("its outcome", firing.outcome(), FiringOutcome::Fired)?;
    checks.equal("its item", &firing.work_item, &item.name)?;
    checks.equal("its event", &firing.event, &event.name)?;
    story.names.review_item = item.name;
    Ok(format!("{} made one item in Change Review: {}", event.r#type, item.title).into())
}

async fn items(story: &Story, checks: &mut Checks) -> Result<Vec<WorkItem>, Failure> {
    let request =
        ListWorkItemsRequest { workflow: story.names.change_review.clone(), ..Default::default() };
    let listed = story.alice.items().list_work_items(request).await;
    Ok(checks.ok("ListWorkItems", listed)?.work_items)
}

async fn firings(story: &Story, checks: &mut Checks) -> Result<Vec<TriggerFiring>, Failure> {
    let request = ListTriggerFiringsRequest {
        parent: story.names.change_review.clone(),
        ..Default::default()
    };
    let listed = story.alice.events().list_trigger_firings(request).await;
    Ok(checks.ok("ListTriggerFirings", listed)?.trigger_firings)
}
