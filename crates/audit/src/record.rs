//! The stored form of a record.

use hmac::{Hmac, Mac};
use prost::Message;
use rand::RngCore;
use sha2::{Digest, Sha256};

use crate::AuditEvent;

/// Canonical form, version 1. Encoded deterministically: no maps, fields in order.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AuditRecord {
    /// 1.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// Name of the record.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Microseconds since the epoch.
    #[prost(int64, tag = "3")]
    pub time_micros: i64,
    /// Name of the actor.
    #[prost(string, tag = "4")]
    pub actor: String,
    /// `teams/…`, `users/…` or `global`.
    #[prost(string, tag = "5")]
    pub tenant: String,
    /// Dotted action.
    #[prost(string, tag = "6")]
    pub action: String,
    /// Name of the object.
    #[prost(string, tag = "7")]
    pub resource: String,
    /// `SUCCESS`, `FAILURE` or `DENIED`.
    #[prost(string, tag = "8")]
    pub outcome: String,
    /// Correlates with logs.
    #[prost(string, tag = "9")]
    pub request_id: String,
    /// The policy epoch that decided.
    #[prost(int64, tag = "10")]
    pub policy_epoch: i64,
    /// HMAC-SHA256(salt, payload): the payload itself can be erased.
    #[prost(bytes = "vec", tag = "11")]
    pub payload_mac: Vec<u8>,
}

/// A record ready for storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRecord {
    /// Canonical bytes of an [`AuditRecord`].
    pub bytes: Vec<u8>,
    /// SHA-256(0x00 ‖ bytes), a leaf of RFC 6962.
    pub leaf: [u8; 32],
    /// JSON text of the payload, erasable.
    pub payload: String,
    /// 32 random bytes, erased with the payload.
    pub salt: [u8; 32],
}

impl SealedRecord {
    /// Binds an event with a fresh salt.
    pub fn of(event: &AuditEvent) -> Self {
        let mut salt = [0; 32];
        rand::rng().fill_bytes(&mut salt);
        Self::with_salt(event, salt)
    }

    fn with_salt(event: &AuditEvent, salt: [u8; 32]) -> Self {
        let payload = event.payload.to_string();
        let record = AuditRecord {
            version: 1,
            name: event.id.to_string(),
            time_micros: event.time.as_micros(),
            actor: event.actor.to_string(),
            tenant: event.tenant.to_string(),
            action: event.action.to_owned(),
            resource: event.resource.clone(),
            outcome: event.outcome.as_str().to_owned(),
            request_id: event.request_id.clone(),
            policy_epoch: event.policy_epoch,
            payload_mac: mac(&salt, payload.as_bytes()),
        };
        let bytes = record.encode_to_vec();
        let leaf = Sha256::new().chain_update([0]).chain_update(&bytes).finalize().into();
        Self { bytes, leaf, payload, salt }
    }

    /// Whether payload and salt belong to these bytes.
    pub fn payload_matches(&self) -> bool {
        AuditRecord::decode(self.bytes.as_slice())
            .is_ok_and(|record| record.payload_mac == mac(&self.salt, self.payload.as_bytes()))
    }
}

fn mac(salt: &[u8; 32], payload: &[u8]) -> Vec<u8> {
    <Hmac<Sha256> as Mac>::new_from_slice(salt)
        .map(|mac| mac.chain_update(payload).finalize().into_bytes().to_vec())
        .unwrap_or_default() // HMAC takes keys of any length
}

#[cfg(test)]
mod tests {
    use primitives::{AuditEventId, Tenant, Timestamp, UserId};

    use super::*;
    use crate::Outcome;

    #[test]
    fn a_changed_payload_or_salt_no_longer_matches() {
        let user = UserId::generate();
        let event = AuditEvent {
            id: AuditEventId::generate(),
            time: Timestamp::from_micros(1),
            actor: user,
            tenant: Tenant::Person(user),
            action: "work_item.claimed",
            resource: String::new(),
            outcome: Outcome::Success,
            request_id: "r".into(),
            policy_epoch: 1,
            payload: serde_json::json!({"a": 1}),
        };
        let sealed = SealedRecord::of(&event);
        assert!(sealed.payload_matches());
        assert_ne!(sealed.salt, SealedRecord::of(&event).salt);
        assert!(!SealedRecord { payload: r#"{"a":2}"#.into(), ..sealed.clone() }.payload_matches());
        assert!(!SealedRecord { salt: [0; 32], ..sealed }.payload_matches());
    }
}
