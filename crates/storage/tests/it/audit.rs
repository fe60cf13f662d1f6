//! The audit trail: kept, verifiable, erasable in its payloads only.

use audit::port::{AuditFilter, AuditPlace, AuditReader};
use audit::{AuditEvent, AuditTrail, RefusalSink, SealedRecord};
use permissions::Caller;
use primitives::{PageRequest, Tenant};
use sea_orm::ConnectionTrait;
use serde_json::json;
use sha2::{Digest, Sha256};
use storage::Storage;
use testkit::conformance::{Stand, values};
use testkit::database::Backend;

use super::{open, raw};

fn event(caller: &Caller, tenant: Tenant, action: &'static str, second: i64) -> AuditEvent {
    AuditEvent::of(caller, values::at(second), tenant, action, "workItems/x")
        .with(json!({"from": "PENDING", "text": "ü"}))
}

async fn record(stand: &Stand, events: Vec<AuditEvent>) {
    // By whoever did it: everybody's own records are among them.
    let actor = events.first().map_or(stand.alice, |event| event.actor);
    let mut tx = stand.workflow_tx_of(actor).await;
    let trail: &mut dyn AuditTrail = tx.as_mut();
    trail.record(events).await.unwrap();
    tx.commit().await.unwrap();
}

fn everything_of(user: primitives::UserId) -> AuditFilter {
    AuditFilter { place: AuditPlace::Own(user), action_prefix: None, resource: None }
}

async fn own(storage: &Storage, stand: &Stand, size: u32) -> usize {
    let (scope, page) = (stand.scope(stand.bob), PageRequest { size, after: None });
    let found = storage.list_events(&scope, &everything_of(stand.bob), page).await.unwrap();
    found.items.len()
}

testkit::on_both! {
    async fn records_are_never_changed_or_deleted(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let bob = stand.caller(stand.bob);
        record(&stand, vec![event(&bob, stand.team(), "work_item.claimed", 1)]).await;

        let raw = raw(&db).await;
        let mut forbidden = vec![
            "update audit_event set outcome = 'DENIED'",
            "delete from audit_event",
            "delete from audit_event where id in (select id from audit_event)",
        ];
        if db.backend() == Backend::Postgres {
            forbidden.push("truncate audit_event cascade");
        }
        for statement in forbidden {
            let refused = raw.execute_unprepared(statement).await.unwrap_err().to_string();
            assert!(refused.contains("never changed or deleted"), "{statement}: {refused}");
        }
        assert_eq!(own(&storage, &stand, 10).await, 1);
    }

    async fn stored_records_verify_and_payloads_can_be_erased(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let bob = stand.caller(stand.bob);
        let said = event(&bob, stand.team(), "work_item.claimed", 1);
        record(&stand, vec![said.clone()]).await;

        let raw = raw(&db).await;
        let select = "select bytes, leaf, payload, salt from audit_event, audit_payload";
        let statement = sea_orm::Statement::from_string(raw.get_database_backend(), select);
        let row = raw.query_one_raw(statement).await.unwrap().unwrap();
        let bytes: Vec<u8> = row.try_get("", "bytes").unwrap();
        let leaf: Vec<u8> = row.try_get("", "leaf").unwrap();
        let salt: Vec<u8> = row.try_get("", "salt").unwrap();
        assert_eq!(leaf, Sha256::new().chain_update([0]).chain_update(&bytes).finalize().to_vec());
        let sealed = SealedRecord {
            leaf: leaf.try_into().unwrap(),
            payload: row.try_get("", "payload").unwrap(),
            salt: salt.try_into().unwrap(),
            bytes,
        };
        assert!(sealed.payload_matches());

        let list = async || {
            let filter = everything_of(stand.bob);
            let page = PageRequest::first();
            storage.list_events(&stand.scope(stand.bob), &filter, page).await.unwrap().items
        };
        let shown = list().await;
        assert_eq!(shown[0].id, said.id);
        assert_eq!(shown[0].payload.as_ref(), Some(&said.payload));
        raw.execute_unprepared("delete from audit_payload").await.unwrap();
        assert_eq!(list().await[0].payload, None);
    }

    async fn a_prefix_is_data_and_never_a_pattern(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let bob = stand.caller(stand.bob);
        let team = stand.team();
        let events = ["work_item.claimed", "work_item.started", "workflow.created"];
        record(&stand, events.map(|action| event(&bob, team, action, 1)).into()).await;

        for (prefix, expected) in
            [("work_item.", 2), ("work", 3), ("", 3), ("work%", 0), ("workXitem", 0), ("_", 0)]
        {
            let filter =
                AuditFilter { action_prefix: Some(prefix.into()), ..everything_of(stand.bob) };
            let page = PageRequest::first();
            let found = storage.list_events(&stand.scope(stand.bob), &filter, page).await.unwrap();
            assert_eq!(found.items.len(), expected, "{prefix:?}");
        }
    }

    async fn records_of_other_teams_and_people_are_not_listed(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let bob = stand.caller(stand.bob);
        record(&stand, vec![
            event(&bob, stand.team(), "a.team", 1),
            event(&bob, Tenant::Person(stand.bob), "a.own", 2),
        ]).await;
        let list = async |reader, place| {
            let filter = AuditFilter { place, action_prefix: None, resource: None };
            let scope = stand.scope(reader);
            let page = PageRequest::first();
            let found = storage.list_events(&scope, &filter, page).await.unwrap();
            found.items.into_iter().map(|row| row.action).collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(list(stand.alice, AuditPlace::Tenant(stand.team())).await, ["a.team"]);
        assert_eq!(list(stand.bob, AuditPlace::Own(stand.bob)).await, ["a.own", "a.team"]);
        assert_eq!(list(stand.alice, AuditPlace::Own(stand.bob)).await, none);
        assert_eq!(list(stand.alice, AuditPlace::Own(stand.alice)).await, none);
        assert_eq!(list(stand.dave, AuditPlace::Tenant(stand.team())).await, none);
        assert_eq!(list(stand.dave, AuditPlace::Tenant(Tenant::Person(stand.bob))).await, none);
    }

    async fn refusals_are_written_behind_the_answer(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let bob = stand.caller(stand.bob);
        let refusals = storage.refusals(512);
        for second in 0..150 {
            refusals.note(AuditEvent::refusal(&bob, values::at(second), None, json!({})));
        }
        refusals.flush().await;
        assert_eq!(refusals.lost(), 0);
        assert_eq!(own(&storage, &stand, 200).await, 150);
    }

    async fn what_does_not_fit_is_counted_as_lost(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let bob = stand.caller(stand.bob);
        let refusals = storage.refusals(4);
        // More than the queue and the writer's hand hold, whatever the scheduler does.
        for second in 0..2000 {
            refusals.note(AuditEvent::refusal(&bob, values::at(second), None, json!({})));
        }
        let lost = usize::try_from(refusals.lost()).unwrap();
        assert!(lost > 0);
        refusals.flush().await;
        let mut written = 0;
        let mut page = PageRequest { size: 200, after: None };
        loop {
            let filter = everything_of(stand.bob);
            let found = storage.list_events(&stand.scope(stand.bob), &filter, page).await.unwrap();
            written += found.items.len();
            page.after = found.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(written + usize::try_from(refusals.lost()).unwrap(), 2000);
    }

    async fn a_record_that_cannot_be_stored_is_lost_alone(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let bob = stand.caller(stand.bob);
        let refusals = storage.refusals(16);
        let good = || AuditEvent::refusal(&bob, values::at(1), None, json!({}));
        let twin = good();
        refusals.note(twin.clone());
        refusals.note(twin);
        refusals.note(good());
        refusals.flush().await;
        assert_eq!(refusals.lost(), 1);
        assert_eq!(own(&storage, &stand, 10).await, 2);
    }
}
