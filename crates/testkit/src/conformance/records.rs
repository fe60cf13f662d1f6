//! [`AuditTrail`](audit::AuditTrail) and [`AuditReader`](audit::port::AuditReader): records
//! commit with their change and are read by those they are filed under.

use audit::port::{AuditFilter, AuditPlace, StoredEvent};
use audit::{AuditEvent, Outcome};
use primitives::{PageRequest, Tenant, UserId};
use serde_json::json;

use super::values::at;
use super::{Stand, agent, all_pages};

fn event(stand: &Stand, actor: UserId, tenant: Tenant) -> AuditEvent {
    let caller = stand.caller(actor);
    AuditEvent::of(&caller, at(0), tenant, "work_item.claimed", "workItems/1")
        .with(json!({"from": "PENDING", "text": "ü"}))
}

async fn record(stand: &Stand, events: Vec<AuditEvent>) {
    for event in events {
        let mut tx = stand.agent_tx_of(event.actor).await;
        tx.record(vec![event]).await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn filter(place: AuditPlace) -> AuditFilter {
    AuditFilter { place, action_prefix: None, resource: None }
}

async fn list(stand: &Stand, user: UserId, filter: AuditFilter) -> Vec<StoredEvent> {
    let scope = stand.scope(user);
    let page = PageRequest::first();
    stand.ports.audit.list_events(&scope, &filter, page).await.unwrap().items
}

/// Every field is read back as it was written, from both kinds of transaction.
pub async fn records_come_back_as_they_were_written(stand: Stand) {
    let written = event(&stand, stand.alice, stand.team()).ended(Outcome::Failure);
    let mut tx = stand.workflow_tx().await;
    tx.record(vec![written.clone()]).await.unwrap();
    tx.record(vec![]).await.unwrap();
    tx.commit().await.unwrap();
    let read = list(&stand, stand.alice, filter(AuditPlace::Tenant(stand.team()))).await;
    let expected = StoredEvent {
        id: written.id,
        time: written.time,
        actor: stand.alice,
        tenant: stand.team(),
        action: written.action.into(),
        resource: written.resource,
        outcome: Outcome::Failure,
        request_id: "conformance".into(),
        payload: Some(written.payload),
    };
    assert_eq!(read, [expected]);
}

/// What did not commit did not happen.
pub async fn records_commit_with_their_change(stand: Stand) {
    let mut tx = stand.agent_tx().await;
    tx.record(vec![event(&stand, stand.alice, stand.team())]).await.unwrap();
    drop(tx);
    let mut tx = stand.workflow_tx().await;
    tx.record(vec![event(&stand, stand.alice, stand.team())]).await.unwrap();
    drop(tx);
    assert!(list(&stand, stand.alice, filter(AuditPlace::Tenant(stand.team()))).await.is_empty());
}

/// A place holds what is filed there; a person's own also what he did elsewhere.
pub async fn records_are_listed_by_place(stand: Stand) {
    let own = Tenant::Person(stand.alice);
    let team = event(&stand, stand.alice, stand.team());
    let others = event(&stand, stand.bob, stand.team());
    let personal = event(&stand, stand.alice, own);
    let foreign = event(&stand, stand.dave, Tenant::Team(stand.other));
    let all = [&team, &others, &personal, &foreign].map(Clone::clone);
    record(&stand, all.to_vec()).await;

    let ids = async |user, place| {
        let mut ids: Vec<_> =
            list(&stand, user, filter(place)).await.into_iter().map(|row| row.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(stand.alice, AuditPlace::Tenant(stand.team())).await, [team.id, others.id]);
    assert_eq!(ids(stand.alice, AuditPlace::Tenant(own)).await, [personal.id]);
    assert_eq!(ids(stand.alice, AuditPlace::Own(stand.alice)).await, [team.id, personal.id]);
    assert_eq!(ids(stand.dave, AuditPlace::Own(stand.dave)).await, [foreign.id]);
}

/// A scope that does not see a tenant reads nothing of it, whatever the filter says.
pub async fn foreign_records_look_absent(stand: Stand) {
    record(&stand, vec![event(&stand, stand.alice, stand.team())]).await;
    for user in [stand.dave, stand.erin] {
        let rows = list(&stand, user, filter(AuditPlace::Tenant(stand.team()))).await;
        assert!(rows.is_empty());
        assert!(list(&stand, user, filter(AuditPlace::Own(stand.alice))).await.is_empty());
    }
}

/// Filters narrow by the action's beginning and by the exact resource; both are data.
pub async fn records_are_narrowed(stand: Stand) {
    let claimed = event(&stand, stand.alice, stand.team());
    let mut created = event(&stand, stand.alice, stand.team());
    created.action = "workflow.created";
    created.resource = "workflows/1".into();
    let (claimed_id, created_id) = (claimed.id, created.id);
    record(&stand, vec![claimed, created]).await;
    for (prefix, resource, expected) in [
        (Some("work_item."), None, vec![claimed_id]),
        (Some("workflow"), None, vec![created_id]),
        (None, Some("workflows/1"), vec![created_id]),
        (None, Some("workflows/"), vec![]),
        (Some("work_item."), Some("workflows/1"), vec![]),
        (Some("%"), None, vec![]),
        (Some("work%"), None, vec![]),
        (Some("WORK_ITEM."), None, vec![]),
    ] {
        let filter = AuditFilter {
            place: AuditPlace::Tenant(stand.team()),
            action_prefix: prefix.map(Into::into),
            resource: resource.map(Into::into),
        };
        let ids: Vec<_> =
            list(&stand, stand.alice, filter).await.into_iter().map(|row| row.id).collect();
        assert_eq!(ids, expected, "{prefix:?} {resource:?}");
    }
}

/// Pages neither lose nor double records with equal times.
pub async fn records_are_paged(stand: Stand) {
    let at_time = |time| AuditEvent { time, ..event(&stand, stand.alice, stand.team()) };
    record(&stand, (0..7).map(|number| at_time(at(number.max(4)))).collect()).await;
    let scope = stand.scope(stand.alice);
    for place in [AuditPlace::Tenant(stand.team()), AuditPlace::Own(stand.alice)] {
        let filter = filter(place);
        let before = list(&stand, stand.alice, filter.clone()).await.len();
        let read = |page| stand.ports.audit.list_events(&scope, &filter, page);
        let newer = || async { record(&stand, vec![at_time(at(1000))]).await };
        let rows = all_pages(3, read, newer).await;
        let keys: Vec<_> = rows.iter().map(|row| (row.time, row.id)).collect();
        agent::assert_newest_first(&keys, before);
    }
}
