//! Approvals: who decides about an item at an APPROVAL stage, and what his word is bound to.
//!
//! **Invariant:** a vote counts for what was read and for the stay it was given in: it carries
//! the hash of both, and one with another hash counts for nothing.

use std::time::Duration;

use permissions::Caller;
use primitives::{Tenant, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::proposal::sha256_hex;
use super::{StageId, WorkItem};

/// People who may decide. One who is named in either list may; empty lists name everybody with
/// the permission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Approvers {
    /// Roles of the workflow's team.
    pub roles: Vec<String>,
    pub users: Vec<UserId>,
}

impl Approvers {
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.users.is_empty()
    }

    /// Whether the caller is one of them.
    pub fn include(&self, caller: &Caller, tenant: Tenant) -> bool {
        self.is_empty()
            || self.users.contains(&caller.user())
            || self.roles.iter().any(|role| holds_role(caller, tenant, role))
    }
}

/// Whether the caller holds a role in the team that owns what is looked at.
pub fn holds_role(caller: &Caller, tenant: Tenant, role: &str) -> bool {
    let here = caller.teams().iter().filter(|held| Tenant::Team(held.team) == tenant);
    here.into_iter().any(|held| held.holds(role))
}

/// What an APPROVAL stage asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Votes that let an item pass; at least 1.
    pub quorum: u32,
    pub approvers: Approvers,
    /// Minutes after the item came here in which the approvers can let it pass; 0 is no end.
    #[serde(default)]
    pub expires_after: u32,
    /// Who can do so afterwards; `None`: nobody, it can only be rejected.
    #[serde(default)]
    pub escalation: Option<Approvers>,
    /// Where a rejected item goes; `None`: where it came from.
    #[serde(default)]
    pub reject_to: Option<StageId>,
}

impl Approval {
    /// When the approvers can no longer let it pass.
    pub fn expires_at(&self, item: &WorkItem) -> Option<Timestamp> {
        let minutes = u64::from(self.expires_after);
        (minutes > 0).then(|| item.entered_stage_at + Duration::from_secs(minutes * 60))
    }

    /// Who can let it pass at this moment; `None` when it has expired without an escalation.
    pub fn deciders(&self, item: &WorkItem, now: Timestamp) -> Option<&Approvers> {
        let is_over = self.expires_at(item).is_some_and(|end| now >= end);
        if is_over { self.escalation.as_ref() } else { Some(&self.approvers) }
    }
}

/// Somebody's yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    pub user: UserId,
    /// [`WorkItem::content_hash`] of what he has read.
    pub hash: String,
    pub time: Timestamp,
}

/// A decision as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecideInput {
    /// The stage the caller means.
    pub stage: StageId,
    /// What the caller has read; required to approve.
    pub hash: String,
    /// Required to reject.
    pub note: String,
    pub etag: super::Etag,
}

impl WorkItem {
    /// SHA-256 in hex of what an approval is about: title, description, data and repository, in
    /// this stay at its stage.
    pub fn content_hash(&self) -> String {
        let content = (&self.title, &self.description, &self.data, &self.repository, &self.visit);
        // Texts, ids and a JSON object always have a JSON form; keys are in order.
        sha256_hex(&serde_json::to_vec(&content).unwrap_or_default())
    }

    /// The votes that count for it as it is.
    pub fn votes_for(&self, hash: &str) -> impl Iterator<Item = &Vote> {
        self.votes.iter().filter(move |vote| vote.hash == hash)
    }

    /// Notes who wrote what the item says, each once; the creator is known.
    pub fn written_by(&mut self, user: UserId) {
        if user != self.creator && !self.authors.contains(&user) {
            self.authors.push(user);
        }
    }

    /// Whether some of what the item says is his.
    pub fn is_author(&self, user: UserId) -> bool {
        user == self.creator || self.authors.contains(&user)
    }
}
