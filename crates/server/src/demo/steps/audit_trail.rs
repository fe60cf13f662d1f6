//! Step 10: what was recorded.

use api::audit::{AuditEvent, ListAuditEventsRequest, ListAuditEventsResponse, Outcome};
use tonic::{Code, Response, Status};

use crate::demo::people::Person;
use crate::demo::report::{Checks, Done, Failure};
use crate::demo::story::{Deadline, Story};

/// Pages read at most: far more than the demo makes.
const MAX_PAGES: usize = 50;
/// Small, so that there are several pages.
const PAGE: i32 = 10;

pub(super) async fn lists(story: &mut Story, checks: &mut Checks) -> Done {
    let team = list(checks, &story.alice, &story.names.core).await?;
    for (action, actor, resource) in of_the_team(story) {
        let is_it = |event: &&AuditEvent| {
            event.action == action
                && event.outcome() == Outcome::Success
                && (event.actor == *actor || event.on_behalf_of == *actor)
                && (resource.is_empty() || event.resource == *resource)
        };
        let shown: Vec<_> =
            team.iter().filter(|event| event.action == action).map(summary).collect();
        let found = team.iter().any(|event| is_it(&event));
        checks.holds(&format!("core's trail has {action} on {resource}"), found, &shown)?;
    }
    let strays: Vec<_> = team.iter().filter(|event| event.actor == story.names.dave).collect();
    checks.equal("dave in core's trail", strays.len(), 0)?;
    let refused = page(&story.bob, &story.names.core, String::new()).await.err();
    let refused = checks.some("bob, who may not read the trail, is refused", refused)?;
    checks.equal("his refusal", refused.code(), Code::PermissionDenied)?;
    let own = own_records(story, checks).await?;
    let refused = refusals(story, checks).await?;
    Ok(format!(
        "alice lists {} records of her team and {} of her own, dave {refused} refusals",
        team.len(),
        own
    )
    .into())
}

/// Action, actor and resource of steps 0 to 7.
fn of_the_team(story: &Story) -> Vec<(&'static str, &String, &String)> {
    let names = &story.names;
    let (alice, bob, carol) = (&names.alice, &names.bob, &names.carol);
    vec![
        ("repository.registered", carol, &names.repository),
        ("workflow.created", alice, &names.bug_fix),
        ("workflow.created", alice, &names.change_review),
        ("work_item.created", bob, &names.item),
        ("work_item.claimed", bob, &names.item),
        ("work_item.started", bob, &names.item),
        ("work_item.stage_completed", bob, &names.item),
        ("workflow.agent_assist.started", bob, &names.item),
        ("workflow.agent_assist.completed", bob, &names.item),
        ("work_item.recommendation.reviewed", alice, &names.item),
        ("agent.apply.success", alice, &names.patch),
        ("workflow.trigger.fired", alice, &names.change_review),
        ("agent.patch.reverted", alice, &names.patch),
    ]
}

/// What alice did anywhere, her sessions and agent reads among it; how many records.
async fn own_records(story: &Story, checks: &mut Checks) -> Result<usize, Failure> {
    let deadline = Deadline::start("alice's own records");
    let wanted = ["agent.session.created", "agent.route.completed", "agent.context.built"];
    loop {
        // Records of reads are written after the answer.
        let own = list(&mut Checks::default(), &story.alice, "").await?;
        let has = |action: &&str| own.iter().any(|event| event.action == *action);
        if wanted.iter().all(has) {
            checks.holds("alice's own records", true, ())?;
            let foreign: Vec<_> =
                own.iter().filter(|event| event.actor != story.names.alice).map(summary).collect();
            checks.holds("they are hers", foreign.is_empty(), &foreign)?;
            return Ok(own.len());
        }
        deadline.pause().await?;
    }
}

async fn refusals(story: &Story, checks: &mut Checks) -> Result<usize, Failure> {
    let deadline = Deadline::start("dave's refusals");
    loop {
        let own = list(&mut Checks::default(), &story.dave, "").await?;
        let denied: Vec<_> =
            own.iter().filter(|event| event.action == "permission.check.denied").collect();
        // Two per probe: the foreign name and the random one.
        if denied.len() >= 2 * super::isolation::PROBES {
            let all_denied = denied.iter().all(|event| event.outcome() == Outcome::Denied);
            checks.holds("they say DENIED", all_denied, &denied)?;
            checks.equal("dave's refusals", denied.len(), 2 * super::isolation::PROBES)?;
            return Ok(denied.len());
        }
        deadline.pause().await?;
    }
}

/// All records; an empty team lists the person's own.
async fn list(
    checks: &mut Checks,
    person: &Person,
    team: &str,
) -> Result<Vec<AuditEvent>, Failure> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    for _ in 0..MAX_PAGES {
        let page = checks.ok("ListAuditEvents", page(person, team, page_token).await)?;
        all.extend(page.audit_events);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        page_token = page.next_page_token;
    }
    Err(Failure::Other("the audit trail has no end".into()))
}

async fn page(
    person: &Person,
    team: &str,
    page_token: String,
) -> Result<Response<ListAuditEventsResponse>, Status> {
    let request = ListAuditEventsRequest {
        team: team.to_owned(),
        page_size: PAGE,
        page_token,
        ..Default::default()
    };
    person.audit().list_audit_events(request).await
}

fn summary(event: &AuditEvent) -> String {
    format!("{} {} {:?} by {}", event.action, event.resource, event.outcome(), event.actor)
}
