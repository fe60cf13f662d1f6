//! One record before it is stored.

use permissions::{Caller, Grant, Permission};
use primitives::{AuditEventId, Tenant, Timestamp, UserId};
use serde_json::{Map, Value};

/// How the recorded attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Done.
    Success,
    /// Allowed, but it failed.
    Failure,
    /// Not allowed, or not visible.
    Denied,
}

impl Outcome {
    /// The stored text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Denied => "DENIED",
        }
    }

    /// Reads [`Outcome::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Success, Self::Failure, Self::Denied].into_iter().find(|o| o.as_str() == text)
    }
}

/// Who did what to which object, and how it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent {
    /// Identifies the record.
    pub id: AuditEventId,
    /// When.
    pub time: Timestamp,
    /// The accountable human or service account.
    pub actor: UserId,
    /// Under whose name it is filed, and so who may read it.
    pub tenant: Tenant,
    /// Dotted action, as in `work_item.claimed`.
    pub action: &'static str,
    /// Name of the object, as in `workItems/…`; empty when there is none.
    pub resource: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Correlates with logs and the response header.
    pub request_id: String,
    /// The policy epoch that allowed or refused it.
    pub policy_epoch: i64,
    /// Details without contents: no prompts, patches, tokens, file texts.
    pub payload: Value,
}

impl AuditEvent {
    /// A success of the grant's holder on an object of `tenant`.
    pub fn by<P: Permission>(
        grant: &Grant<P>,
        time: Timestamp,
        tenant: Tenant,
        action: &'static str,
        resource: impl ToString,
    ) -> Self {
        Self::of(grant.caller(), time, tenant, action, resource)
    }

    /// A success of a caller whose method needs no permission.
    pub fn of(
        caller: &Caller,
        time: Timestamp,
        tenant: Tenant,
        action: &'static str,
        resource: impl ToString,
    ) -> Self {
        Self {
            id: AuditEventId::generate(),
            time,
            actor: caller.user(),
            tenant,
            action,
            resource: resource.to_string(),
            outcome: Outcome::Success,
            request_id: caller.request_id().to_owned(),
            policy_epoch: caller.epoch(),
            payload: Value::Object(Map::new()),
        }
    }

    /// What a run did for its principal, who may have lost his rights meanwhile.
    pub fn on_behalf(
        principal: UserId,
        time: Timestamp,
        tenant: Tenant,
        action: &'static str,
        resource: impl ToString,
        request_id: impl ToString,
    ) -> Self {
        Self {
            id: AuditEventId::generate(),
            time,
            actor: principal,
            tenant,
            action,
            resource: resource.to_string(),
            outcome: Outcome::Success,
            request_id: request_id.to_string(),
            policy_epoch: 0,
            payload: Value::Object(Map::new()),
        }
    }

    /// The refusal of `method`, filed under `tenant` (the visible object's) or the caller.
    pub fn refusal(
        caller: &Caller,
        time: Timestamp,
        tenant: Option<Tenant>,
        payload: Value,
    ) -> Self {
        let tenant = tenant.unwrap_or(Tenant::Person(caller.user()));
        Self::of(caller, time, tenant, "permission.check.denied", "")
            .ended(Outcome::Denied)
            .with(payload)
    }

    /// The same with another outcome.
    #[must_use]
    pub fn ended(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// The same with details, a JSON object.
    #[must_use]
    pub fn with(mut self, payload: Value) -> Self {
        self.payload = payload;
        self
    }
}
