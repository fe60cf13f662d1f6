//! A team keeps somebody who can manage it.

use permissions::{Key, Level, Levels, Role, RoleTable};

use crate::{DirectoryError, Holding, TeamRole};

/// How well a team is managed. A change must not lower it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Managed {
    /// By nobody.
    No,
    /// By somebody whose role ends on its own.
    ForNow,
    /// By somebody for good.
    ForGood,
}

/// What roles grant in one team.
pub(super) struct Grants<'a> {
    pub table: &'a RoleTable,
    pub own: &'a [TeamRole],
}

impl Grants<'_> {
    /// What a role grants; `None` when it cannot be held in the team.
    pub(super) fn of(&self, role: &Role) -> Option<Levels> {
        match role {
            Role::Standard(name) => permissions::TEAM_ROLES
                .contains(&name.as_str())
                .then(|| self.table.grants(name).in_team()),
            Role::Custom(id) => {
                self.own.iter().find(|role| role.id == *id).map(|role| role.levels.in_team())
            }
        }
    }

    /// How well a team is managed in which active users hold this.
    pub(super) fn managed<'h>(&self, holdings: impl IntoIterator<Item = &'h Holding>) -> Managed {
        let manages = |held: &Holding| {
            self.of(&held.role).is_some_and(|levels| levels.has(Key::TeamManage, Level::Admin))
        };
        let managers = holdings.into_iter().filter(|held| manages(held));
        let strength = |held: &Holding| match held.expires_at {
            None => Managed::ForGood,
            Some(_) => Managed::ForNow,
        };
        managers.map(strength).max().unwrap_or(Managed::No)
    }
}

/// Refuses a change after which the team is managed worse than before.
pub(super) fn keep_managed(before: Managed, after: Managed) -> Result<(), DirectoryError> {
    if after >= before {
        return Ok(());
    }
    Err(DirectoryError::wrong_state(
        "LAST_ADMIN",
        "nobody would manage the team: give somebody else the role admin without an end first",
    ))
}
