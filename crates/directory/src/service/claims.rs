//! Roles that follow from what a token says of its subject, by the operator's mapping.
//!
//! **Invariants:** roles that somebody gave are never touched, and none is held system-wide;
//! what a claim says no more is taken away at the next call, and without any call it ends on
//! its own; a call whose caller holds already what its token says costs no statement.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audit::AuditEvent;
use permissions::{AssignmentScope, AssignmentSource, Caller, ClaimKeeper, Role, TEAM_ROLES};
use primitives::{RoleAssignmentId, TeamId, Tenant, Timestamp, UserId};
use serde_json::json;

use super::DirectoryDeps;
use super::roles::depart;
use crate::store::{DirectoryTx, StoreError};
use crate::{DirectoryError, Holding};

/// How often it is tried while others change the policy.
const TRIES: usize = 4;

/// Whoever has `value` in the claim holds `role` in `team`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRule {
    pub value: String,
    pub team: TeamId,
    /// Of the standard roles of teams; any other stands for nothing.
    pub role: String,
}

/// A standard role in a team.
type Place = (TeamId, &'static str);

/// Follows claims.
#[derive(Clone)]
pub struct Claims {
    deps: DirectoryDeps,
    keeper: ClaimKeeper,
    keep: Duration,
    rules: Arc<HashMap<String, Vec<Place>>>,
    /// Teams that were deleted since the start.
    gone: Arc<Mutex<BTreeSet<TeamId>>>,
}

/// A role held in a team now.
#[derive(Clone, Copy, Debug)]
struct Held<'h> {
    place: (TeamId, &'h Role),
    source: AssignmentSource,
    expires_at: Option<Timestamp>,
}

/// What has to change.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Given, or kept for longer.
    keep: Vec<Place>,
    /// Of these, those that are not held yet.
    new: Vec<Place>,
    take: BTreeSet<(TeamId, Role)>,
}

impl Claims {
    /// `keep` is how long a role is held without a call; half of it before it is renewed.
    pub fn new(
        deps: DirectoryDeps,
        keeper: ClaimKeeper,
        keep: Duration,
        rules: impl IntoIterator<Item = ClaimRule>,
    ) -> Self {
        let mut by_value: HashMap<String, Vec<Place>> = HashMap::new();
        for ClaimRule { value, team, role } in rules {
            if let Some(role) = TEAM_ROLES.into_iter().find(|known| *known == role) {
                by_value.entry(value).or_default().push((team, role));
            }
        }
        Self { deps, keeper, keep, rules: Arc::new(by_value), gone: Arc::default() }
    }

    /// Makes a caller hold what the groups of his token stand for, and no more by claims.
    /// Returns him with his new rights if anything changed.
    #[tracing::instrument(
        name = "claims.follow",
        level = "debug",
        skip_all,
        fields(user.id = %caller.user()),
        err(level = "debug")
    )]
    pub async fn follow(
        &self,
        caller: &Caller,
        groups: &[String],
    ) -> Result<Option<Caller>, DirectoryError> {
        let mut newest = None;
        for _ in 0..TRIES {
            let current = newest.as_ref().unwrap_or(caller);
            let now = self.deps.clock.now();
            let wanted = self.wanted(groups);
            if Plan::of(held(current), &wanted, self.renewed_before(now)) == Plan::default() {
                return Ok(newest);
            }
            match self.carry_out(current, &wanted, now).await {
                Ok(()) | Err(DirectoryError::Store(StoreError::PolicyMoved(_))) => {}
                Err(error) => return Err(error),
            }
            newest = Some(self.again(current).await?);
        }
        Err(StoreError::PolicyMoved(self.deps.authorizer.epoch()).into())
    }

    async fn carry_out(
        &self,
        caller: &Caller,
        wanted: &BTreeSet<Place>,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let mut tx = self.deps.begin(&caller.scope()).await?;
        let mut rows = tx.holdings_of(caller.user()).await?;
        rows.retain(|held| held.expires_at.is_none_or(|end| end > now));
        let plan = Plan::of(rows.iter().filter_map(in_team), wanted, self.renewed_before(now));
        for place in &plan.keep {
            if tx.find_team(place.0).await?.is_none() {
                self.gone.lock().unwrap_or_else(PoisonError::into_inner).insert(place.0);
                continue;
            }
            let holding = self.claimed(caller.user(), *place, now);
            let Some(cleared) = self.keeper.clear(caller, holding) else { continue };
            let stands = tx.put_holding(cleared).await?;
            if plan.new.contains(place) {
                record(tx.as_mut(), caller, "role.assigned", &stands, now).await?;
            }
        }
        self.take(tx.as_mut(), caller, &plan, rows, now).await?;
        Ok(tx.commit().await?)
    }

    async fn take(
        &self,
        tx: &mut dyn DirectoryTx,
        caller: &Caller,
        plan: &Plan,
        rows: Vec<Holding>,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let teams: BTreeSet<_> = plan.take.iter().map(|(team, _)| *team).collect();
        for team in teams {
            let place = AssignmentScope::Team(team);
            let here = rows.iter().filter(|held| held.scope == place).cloned();
            let (taken, mut left): (Vec<_>, Vec<_>) =
                here.partition(|held| plan.take.contains(&(team, held.role.clone())));
            let kept = plan.keep.iter().filter(|(of, _)| *of == team);
            left.extend(kept.map(|place| self.claimed(caller.user(), *place, now)));
            depart(tx, caller, team, &taken, &left, now).await?;
            for held in &taken {
                record(tx, caller, "role.removed", held, now).await?;
            }
            let cleared = taken.into_iter().filter_map(|held| caller.give_up(held)).collect();
            tx.remove_holdings(cleared).await?;
        }
        Ok(())
    }

    /// The same caller with the rights of the newest policy.
    async fn again(&self, caller: &Caller) -> Result<Caller, DirectoryError> {
        let authorizer = &self.deps.authorizer;
        authorizer.refresh().await.map_err(|error| StoreError::Unavailable(error.0))?;
        let newest = authorizer.caller_of(caller.user(), caller.request_id());
        newest.ok_or(DirectoryError::NotFound("USER"))
    }

    fn wanted(&self, groups: &[String]) -> BTreeSet<Place> {
        let places = groups.iter().filter_map(|value| self.rules.get(value)).flatten().copied();
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        places.filter(|(team, _)| !gone.contains(team)).collect()
    }

    /// What ends before this is kept for longer.
    fn renewed_before(&self, now: Timestamp) -> Timestamp {
        now + self.keep / 2
    }

    fn claimed(&self, user: UserId, (team, role): Place, now: Timestamp) -> Holding {
        Holding {
            id: RoleAssignmentId::generate(),
            user,
            scope: AssignmentScope::Team(team),
            role: Role::Standard(role.to_owned()),
            source: AssignmentSource::Claim,
            creator: None,
            created_at: now,
            expires_at: Some(now + self.keep),
        }
    }
}

impl Plan {
    fn of<'h>(
        held: impl Iterator<Item = Held<'h>>,
        wanted: &BTreeSet<Place>,
        renewed_before: Timestamp,
    ) -> Self {
        let mut plan = Self::default();
        let mut settled = BTreeSet::new();
        for Held { place: (team, role), source, expires_at } in held {
            let same = |(of, name): &&Place| {
                *of == team && matches!(role, Role::Standard(held) if held == name)
            };
            let asked = wanted.iter().find(same);
            match (asked, source) {
                (Some(place), AssignmentSource::Given) => {
                    settled.insert(*place);
                }
                (Some(place), AssignmentSource::Claim) => {
                    settled.insert(*place);
                    if expires_at.is_none_or(|end| end < renewed_before) {
                        plan.keep.push(*place);
                    }
                }
                (None, AssignmentSource::Claim) => {
                    plan.take.insert((team, role.clone()));
                }
                (None, AssignmentSource::Given) => {}
            }
        }
        plan.new = wanted.difference(&settled).copied().collect();
        plan.keep.extend(&plan.new);
        plan
    }
}

fn held(caller: &Caller) -> impl Iterator<Item = Held<'_>> {
    caller.teams().iter().flat_map(|membership| {
        membership.roles.iter().map(|held| Held {
            place: (membership.team, &held.role),
            source: held.source,
            expires_at: held.expires_at,
        })
    })
}

fn in_team(held: &Holding) -> Option<Held<'_>> {
    match held.scope {
        AssignmentScope::Team(team) => Some(Held {
            place: (team, &held.role),
            source: held.source,
            expires_at: held.expires_at,
        }),
        AssignmentScope::System => None,
    }
}

async fn record(
    tx: &mut dyn DirectoryTx,
    caller: &Caller,
    action: &'static str,
    held: &Holding,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let AssignmentScope::Team(team) = held.scope else { return Ok(()) };
    let event = AuditEvent::of(caller, now, Tenant::Team(team), action, held.id);
    let details = json!({
        "user": held.user,
        "role": held.role.to_string(),
        "source": "claim",
        "expires_at": held.expires_at.map(Timestamp::as_micros),
    });
    tx.record(vec![event.with(details)]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    #[test]
    fn only_what_differs_is_changed_and_given_roles_stay() {
        let [one, two, three] = [(); 3].map(|()| TeamId::generate());
        let role = |name: &str| Role::Standard(name.to_owned());
        let (member, lead, own) =
            (role("member"), role("lead"), Role::Custom(primitives::RoleId::generate()));
        let claim = |team, role, ends: u64| Held {
            place: (team, role),
            source: AssignmentSource::Claim,
            expires_at: Some(NOW + Duration::from_secs(ends)),
        };
        let given = |team, role| Held {
            place: (team, role),
            source: AssignmentSource::Given,
            expires_at: None,
        };
        let plan = |held: &[Held<'_>], wanted: &[Place]| {
            let wanted = wanted.iter().copied().collect();
            Plan::of(held.iter().copied(), &wanted, NOW + Duration::from_secs(100))
        };

        assert_eq!(plan(&[], &[]), Plan::default());
        assert_eq!(plan(&[claim(one, &member, 150)], &[(one, "member")]), Plan::default());
        assert_eq!(
            plan(&[given(one, &member), given(two, &own)], &[(one, "member")]),
            Plan::default()
        );
        let late = plan(&[claim(one, &member, 50)], &[(one, "member")]);
        assert_eq!((late.keep, late.new.len(), late.take.len()), (vec![(one, "member")], 0, 0));
        let moved = plan(
            &[claim(one, &member, 150), given(one, &lead), claim(three, &lead, 150)],
            &[(two, "member"), (three, "lead")],
        );
        assert_eq!(moved.new, [(two, "member")]);
        assert_eq!(moved.keep, moved.new);
        assert_eq!(moved.take, [(one, member.clone())].into());
    }
}
