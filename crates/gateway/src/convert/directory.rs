//! People, and what they may do.

use api::permissions as wire;
use directory::Person;
use permissions::{Caller, HeldRole, Key, Level, Levels, Membership};
use primitives::{Checked, InvalidArgs, Tenant};

/// The caller as he sees himself.
pub(crate) fn me(person: Person, caller: &Caller) -> wire::GetMeResponse {
    let mut memberships: Vec<_> =
        caller.teams().iter().map(|held| membership(held, &person)).collect();
    memberships.sort_by(|one, other| one.slug.cmp(&other.slug));
    wire::GetMeResponse {
        user: caller.user().to_string(),
        display_name: person.user.display_name,
        memberships,
        system_roles: names(caller.system_roles()),
        may_apply: person.user.may_apply,
        personal_permissions: effective(caller.levels_in(Tenant::Person(caller.user()))),
        global_permissions: effective(
            caller.levels_in(Tenant::Global).union(caller.system_levels()),
        ),
    }
}

fn membership(held: &Membership, person: &Person) -> wire::Membership {
    let team = person.teams.iter().find(|team| team.id == held.team);
    wire::Membership {
        team: held.team.to_string(),
        slug: team.map(|team| team.slug.clone()).unwrap_or_default(),
        display_name: team.map(|team| team.display_name.clone()).unwrap_or_default(),
        roles: names(&held.roles),
        permissions: effective(held.levels),
    }
}

fn names(roles: &[HeldRole]) -> Vec<String> {
    roles.iter().map(|held| held.name.clone()).collect()
}

/// What is held, by key.
fn effective(levels: Levels) -> Vec<wire::EffectivePermission> {
    let held = Key::ALL.iter().map(|key| (key.name(), levels.of(*key)));
    let mut held: Vec<_> = held
        .filter(|(_, held)| *held != Level::None)
        .map(|(key, held)| wire::EffectivePermission {
            permission: key.to_owned(),
            level: level(held).into(),
        })
        .collect();
    held.sort_by(|one, other| one.permission.cmp(&other.permission));
    held
}

/// A level on the wire.
pub(crate) const fn level(level: Level) -> wire::Level {
    match level {
        Level::None => wire::Level::Unspecified,
        Level::Read => wire::Level::Read,
        Level::Write => wire::Level::Write,
        Level::Admin => wire::Level::Admin,
    }
}

/// A level to ask for.
pub(crate) fn asked_level(given: i32) -> Checked<Level> {
    match wire::Level::try_from(given) {
        Ok(wire::Level::Read) => Ok(Level::Read),
        Ok(wire::Level::Write) => Ok(Level::Write),
        Ok(wire::Level::Admin) => Ok(Level::Admin),
        Ok(wire::Level::Unspecified) | Err(_) => {
            Err(InvalidArgs::new("level", "must be READ, WRITE or ADMIN"))
        }
    }
}

/// A permission to ask for.
pub(crate) fn asked_key(given: &str) -> Checked<Key> {
    let known = || Key::ALL.iter().map(|key| key.name()).collect::<Vec<_>>().join(", ");
    Key::parse(given)
        .ok_or_else(|| InvalidArgs::new("permission", format!("must be one of {}", known())))
}
