//! `AuditService`.

use ::audit::AuditEvent;
use ::audit::port::{AuditFilter, AuditPlace};
use api::audit::audit_service_server::AuditService;
use api::audit::{ListAuditEventsRequest, ListAuditEventsResponse};
use permissions::{AuditRead, Grant};
use primitives::{Checked, TeamId, Tenant, Text};
use serde_json::json;
use tonic::{Request, Response, Status};

use crate::call::Rpc;
use crate::convert::audit;
use crate::error::EdgeError;

#[tonic::async_trait]
impl AuditService for Rpc {
    async fn list_audit_events(
        &self,
        request: Request<ListAuditEventsRequest>,
    ) -> Result<Response<ListAuditEventsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let team: Option<TeamId> = call.optional_name("team", &request.team)?;
        let words = Words::of(&request);
        let page = call.page(&request);
        let (page, words) = (&page, &words);
        let found = call
            .run(|grant: Grant<AuditRead>| async move {
                let place = place(&grant, team)?;
                let Words { action_prefix, resource } = words.clone()?;
                let filter = AuditFilter { place, action_prefix, resource };
                let page = page.clone()?;
                let found =
                    self.services().audit.list_events(&grant.scope(), &filter, page).await?;
                self.note(&grant, &filter, found.items.len());
                Ok::<_, EdgeError>(found)
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let audit_events = found.items.into_iter().map(audit::event).collect();
        Ok(Response::new(ListAuditEventsResponse { audit_events, next_page_token }))
    }
}

impl Rpc {
    /// Reading the records leaves one.
    fn note(&self, grant: &Grant<AuditRead>, filter: &AuditFilter, shown: usize) {
        let tenant = match filter.place {
            AuditPlace::Tenant(tenant) => tenant,
            AuditPlace::Own(user) => Tenant::Person(user),
        };
        let event = AuditEvent::by(grant, self.0.clock.now(), tenant, "audit.read", "");
        let (prefix, resource) = (&filter.action_prefix, &filter.resource);
        let details = json!({ "action_prefix": prefix, "resource": resource, "shown": shown });
        self.0.notes.note(event.with(details));
    }
}

/// One's own records always; a team's with the permission there.
fn place(grant: &Grant<AuditRead>, team: Option<TeamId>) -> Result<AuditPlace, EdgeError> {
    let Some(team) = team else { return Ok(AuditPlace::Own(grant.user())) };
    let tenant = Tenant::Team(team);
    if !grant.scope().sees(tenant) {
        return Err(EdgeError::NotFound("TEAM"));
    }
    grant.admit_in(tenant)?;
    Ok(AuditPlace::Tenant(tenant))
}

/// What narrows the list.
#[derive(Clone, Debug)]
struct Words {
    action_prefix: Option<String>,
    resource: Option<String>,
}

impl Words {
    fn of(request: &ListAuditEventsRequest) -> Checked<Self> {
        let word = |field, max, text: &str| {
            let text = Text { field, min: 0, max, multiline: false }.check(text)?;
            Ok((!text.is_empty()).then_some(text))
        };
        Ok(Self {
            action_prefix: word("action_prefix", 100, &request.action_prefix)?,
            resource: word("resource", 200, &request.resource)?,
        })
    }
}
