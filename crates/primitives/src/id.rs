//! Typed ids and the resource names made of them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Identifies one `K`. Ids of different kinds do not mix:
/// passing a workflow id where an item id is expected does not compile.
pub struct Id<K> {
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

/// Names the thing an [`Id`] identifies.
pub trait Kind: 'static {
    /// The collection in resource names, as in `workItems/018f…`.
    const COLLECTION: &'static str;
    /// Upper-snake type for error reasons, as in `WORK_ITEM` of `WORK_ITEM_NOT_FOUND`.
    const TYPE: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $id:ident, $collection:literal, $type:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $kind {}
        impl Kind for $kind {
            const COLLECTION: &'static str = $collection;
            const TYPE: &'static str = $type;
        }
        $(#[$doc])*
        pub type $id = Id<$kind>;
    )*

        /// Each collection, with what a text reads back as when it is a name there.
        #[cfg(feature = "fuzzing")]
        #[doc(hidden)]
        pub const NAMES: &[(&str, fn(&str) -> Option<String>)] =
            &[$(($collection, |name| name.parse::<$id>().ok().map(|id| id.to_string()))),*];
    };
}

kinds! {
    /// A person or a service account.
    User, UserId, "users", "USER";
    /// A group of people that owns things.
    Team, TeamId, "teams", "TEAM";
    /// A role that a team made for itself.
    CustomRole, RoleId, "roles", "ROLE";
    /// One role held by one user in one place.
    RoleAssignment, RoleAssignmentId, "roleAssignments", "ROLE_ASSIGNMENT";
    /// A definition of stages that items move through.
    Workflow, WorkflowId, "workflows", "WORKFLOW";
    /// A reusable blueprint of a workflow.
    Template, TemplateId, "templates", "TEMPLATE";
    /// One unit of work in a workflow.
    WorkItem, WorkItemId, "workItems", "WORK_ITEM";
    /// One move of an item, append-only.
    Transition, TransitionId, "transitions", "TRANSITION";
    /// One stay of an item in a stage.
    Visit, VisitId, "visits", "VISIT";
    /// What makes an event create an item in a workflow.
    Trigger, TriggerId, "triggers", "TRIGGER";
    /// One event meeting one trigger.
    Firing, FiringId, "firings", "FIRING";
    /// A fact other parts react to.
    Event, EventId, "events", "EVENT";
    /// What the agent proposes for an item.
    Recommendation, RecommendationId, "recommendations", "RECOMMENDATION";
    /// What somebody said about an item.
    Comment, CommentId, "comments", "COMMENT";
    /// A person's agent context.
    Session, SessionId, "sessions", "SESSION";
    /// Steps proposed by a planner.
    Plan, PlanId, "plans", "PLAN";
    /// One durable piece of agent work.
    Run, RunId, "runs", "RUN";
    /// A change of a repository's tree.
    Patch, PatchId, "patches", "PATCH";
    /// A registered git repository.
    Repository, RepositoryId, "repositories", "REPOSITORY";
    /// A record of who did what.
    AuditEvent, AuditEventId, "auditEvents", "AUDIT_EVENT";
}

impl<K> Id<K> {
    /// A fresh UUIDv7, so that ids sort by creation time.
    #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
    pub fn generate() -> Self {
        Self::from_uuid(Uuid::now_v7())
    }

    /// Wraps a uuid read from storage.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self { uuid, kind: PhantomData }
    }

    /// The bare uuid, for storage.
    pub const fn as_uuid(&self) -> Uuid {
        self.uuid
    }
}

impl<K: Kind> Id<K> {
    /// Parses the bare uuid in its canonical text form.
    pub fn parse_bare(text: &str) -> Result<Self, MalformedName> {
        let malformed = || MalformedName { expected: K::COLLECTION };
        let uuid = Uuid::try_parse(text).map_err(|_| malformed())?;
        // One spelling per name: other forms a lenient parser takes would alias it.
        if uuid.hyphenated().to_string() != text {
            return Err(malformed());
        }
        Ok(Self::from_uuid(uuid))
    }
}

/// A text that is not a resource name of the expected collection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a name of the form {expected}/{{uuid}}")]
pub struct MalformedName {
    /// The collection that was expected.
    pub expected: &'static str,
}

impl<K: Kind> FromStr for Id<K> {
    type Err = MalformedName;

    fn from_str(name: &str) -> Result<Self, MalformedName> {
        let bare = name
            .strip_prefix(K::COLLECTION)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or(MalformedName { expected: K::COLLECTION })?;
        Self::parse_bare(bare)
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", K::COLLECTION, self.uuid.hyphenated())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.uuid.cmp(&other.uuid)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_parses_back_and_other_spellings_do_not() {
        let id = WorkItemId::generate();
        let name = id.to_string();
        assert_eq!(name.parse(), Ok(id));
        for bad in [
            name.to_uppercase(),
            name.replace("workItems", "workflows"),
            format!("{name}/"),
            name.replace('-', ""),
            String::new(),
        ] {
            assert!(bad.parse::<WorkItemId>().is_err(), "{bad}");
        }
    }
}
