//! Who may do what, said once more in a few lines: what real answers are compared with.
//!
//! It knows two tables (who may call what, what a role grants) and the facts of a world, and
//! nothing of the product. The command fails when this file grows beyond 80 lines of code.

use crate::facts::{Call, Class, Named, Need, Owner, Person, Tables};

/// What becomes of a call; checks come in the order of the contract.
pub(crate) fn expected(tables: &Tables, caller: Option<&Person>, call: &Call) -> Class {
    let Some(person) = caller.filter(|person| person.active) else {
        return Class::Unauthenticated;
    };
    let row = &tables.access[&call.method];
    let level = |owner: &Owner, key: &str| level_on(tables, person, owner, key, &call.method);
    let places = person.places();
    if !row.ways.iter().any(|(key, least)| places.iter().any(|at| level(at, key) >= *least)) {
        return Class::Denied;
    }
    let offices = ["directory.manage", "admin.support", "admin.ops"];
    let keeps_all = offices.iter().any(|key| level(&Owner::system(), key) > 0);
    let sees = |owner: &Owner| match owner {
        Owner::Team(team) => person.live().any(|held| held.place == *team),
        Owner::Person(user) => person.user == *user,
        Owner::Global => true,
    };
    let is_seen = |named: &&Named| {
        let owner = named.owner.as_ref();
        owner.is_some_and(|owner| sees(owner) || (named.metadata && keeps_all))
    };
    let (late, early): (Vec<_>, Vec<_>) = call.names.iter().partition(|named| named.late);
    if !early.iter().all(is_seen) {
        return Class::NotFound;
    }
    for named in early {
        let Some(owner) = &named.owner else { continue };
        let holds = |(key, least): &(String, u8)| level(owner, key) >= *least;
        let (has_row, has_brackets) = (holds(&row.own), row.brackets.iter().all(holds));
        let is_enough = match named.need {
            Need::Sight => true,
            Need::Row => has_row,
            Need::Brackets => has_brackets,
            Need::RowOrBrackets => has_row || has_brackets,
            Need::RowAndBrackets => has_row && has_brackets,
        };
        if !is_enough {
            return Class::Denied;
        }
    }
    if late.iter().any(|named| named.owner.is_none()) {
        return Class::NotFound;
    }
    for handed in &call.handed {
        let levels = handed.role.as_ref().map_or(&handed.levels, |role| &tables.roles[role]);
        let place = Owner::Team(handed.place.clone());
        if levels.iter().any(|(key, given)| level(&place, key) < *given) {
            return Class::Denied;
        }
    }
    Class::Allowed
}

/// What is held on an owner's rows; what is held system-wide is held there too.
fn level_on(tables: &Tables, person: &Person, owner: &Owner, key: &str, method: &str) -> u8 {
    let granted = |role: &str, key: &str| tables.roles[role].get(key).copied().unwrap_or(0);
    let at = |place: &str, key: &str| {
        let held = person.live().filter(|held| held.place == place);
        held.map(|held| granted(&held.role, key)).max().unwrap_or(0)
    };
    let moves_items = ["workflows.create", "workflows.edit"].contains(&key);
    let held = match owner {
        _ if key == "any" => 3,
        Owner::Team(team) => at(team, key),
        Owner::Person(user) if *user != person.user => 0,
        Owner::Person(_) if key == "code.edit" && !person.may_apply => 0,
        Owner::Person(_) => granted("personal", key),
        Owner::Global if key.starts_with("workflows.") && at("system", "global.manage") == 3 => 3,
        // Items on everyone's boards are moved by whoever may do so in some team.
        Owner::Global if moves_items && method.contains("WorkItemService") => {
            person.live().map(|held| at(&held.place, key)).max().unwrap_or(0)
        }
        Owner::Global => granted("global", key),
    };
    held.max(at("system", key))
}
