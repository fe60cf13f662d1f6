//! Who lives in a world: the people of development servers, and two more of team *core*.

use std::collections::BTreeMap;
use std::time::Duration;

use directory::store::PolicyAdmin;
use directory::{NewAssignment, SeedUser};
use permissions::AssignmentScope;
use primitives::{Clock as _, SystemClock, TeamId, UserId};
use server::dev::{DevKey, PEOPLE, Role, seed};
use storage::Storage;
use tonic::transport::Channel;

use super::person::{Bearer, Person};

/// Longer than any test.
const TOKEN_LIFE: Duration = Duration::from_hours(1);

/// Members of *core* that development servers do not have.
const MORE_OF_CORE: [(&str, &str); 2] = [("mia", "member"), ("gus", "guest")];

/// Ids of people and teams by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Census {
    pub(super) teams: BTreeMap<String, TeamId>,
    /// With the slug of their team, if they are in one.
    people: BTreeMap<String, (UserId, Option<String>)>,
}

/// Writes people, teams and roles through the port that bumps the policy epoch.
pub(super) async fn populate(storage: &Storage) -> Census {
    let seeded = seed(storage, &SystemClock).await.expect("people are seeded");
    let mut census = Census::default();
    for (slug, id) in seeded.teams {
        census.teams.insert(slug.to_owned(), id);
    }
    for person in PEOPLE {
        let team = match person.role {
            Role::InTeam(team, _) => Some(team.to_owned()),
            Role::System(_) => None,
        };
        census.people.insert(person.name.to_owned(), (seeded.people[person.name], team));
    }
    for (name, role) in MORE_OF_CORE {
        let user = add_person(storage, name).await;
        let core = census.teams["core"];
        assign(storage, user, AssignmentScope::Team(core), role).await;
        census.people.insert(name.to_owned(), (user, Some("core".to_owned())));
    }
    census
}

pub(super) async fn add_person(storage: &Storage, name: &str) -> UserId {
    let user = SeedUser {
        id: UserId::generate(),
        subject: name.to_owned(),
        display_name: name.to_owned(),
    };
    storage.ensure_user(&user, SystemClock.now()).await.expect("a person is added")
}

pub(super) async fn assign(storage: &Storage, user: UserId, scope: AssignmentScope, role: &str) {
    let assignment = NewAssignment { user, scope, role: role.into(), expires_at: None };
    storage.assign(&assignment, SystemClock.now()).await.expect("a role is given");
}

impl Person {
    /// Somebody in no team.
    pub(super) fn new(subject: &str, user: &str, key: &DevKey, channel: Channel) -> Self {
        Self {
            name: subject.to_owned(),
            id: user.parse().expect("the name of a user"),
            user: user.to_owned(),
            team: String::new(),
            bearer: Bearer::new(&key.token(subject, TOKEN_LIFE)),
            channel,
        }
    }
}

impl Census {
    /// The person, on this connection.
    pub(super) fn person(&self, name: &str, key: &DevKey, channel: Channel) -> Person {
        let (id, team) = self.people.get(name).unwrap_or_else(|| panic!("nobody is {name}"));
        let token = key.token(name, TOKEN_LIFE);
        let team = team.as_ref().map(|slug| self.teams[slug].to_string());
        Person {
            name: name.to_owned(),
            id: *id,
            user: id.to_string(),
            team: team.unwrap_or_default(),
            bearer: Bearer::new(&token),
            channel,
        }
    }

    pub(super) fn id_of(&self, name: &str) -> UserId {
        self.people.get(name).unwrap_or_else(|| panic!("nobody is {name}")).0
    }
}
