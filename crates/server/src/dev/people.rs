//! Who lives in the world for development.

use std::collections::BTreeMap;

use directory::store::{PolicyAdmin, StoreError};
use directory::{NewAssignment, SeedTeam, SeedUser};
use permissions::AssignmentScope;
use primitives::{Clock, TeamId, UserId};

/// One team.
#[derive(Clone, Copy, Debug)]
pub struct TeamSpec {
    pub slug: &'static str,
    pub display_name: &'static str,
}

/// What a person is, and where.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// In the team with this slug.
    InTeam(&'static str, &'static str),
    /// System-wide.
    System(&'static str),
}

/// One person; the name is the token's subject.
#[derive(Clone, Copy, Debug)]
pub struct PersonSpec {
    pub name: &'static str,
    pub display_name: &'static str,
    pub role: Role,
}

pub const TEAMS: [TeamSpec; 2] = [
    TeamSpec { slug: "core", display_name: "Core" },
    TeamSpec { slug: "payments", display_name: "Payments" },
];

pub const PEOPLE: [PersonSpec; 5] = [
    PersonSpec { name: "alice", display_name: "Alice", role: Role::InTeam("core", "lead") },
    PersonSpec { name: "bob", display_name: "Bob", role: Role::InTeam("core", "developer") },
    PersonSpec { name: "carol", display_name: "Carol", role: Role::InTeam("core", "admin") },
    PersonSpec { name: "dave", display_name: "Dave", role: Role::InTeam("payments", "lead") },
    PersonSpec { name: "erin", display_name: "Erin", role: Role::System("founder") },
];

impl PersonSpec {
    /// As in `lead of core`.
    pub fn title(&self) -> String {
        match self.role {
            Role::InTeam(team, role) => format!("{role} of {team}"),
            Role::System(role) => format!("{role}, in no team"),
        }
    }
}

/// The ids that names got.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub teams: BTreeMap<&'static str, TeamId>,
    pub people: BTreeMap<&'static str, UserId>,
}

/// The people cannot be seeded.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tables above contradict themselves.
    #[error("{person} is of the unknown team {team}")]
    UnknownTeam { person: &'static str, team: &'static str },
}

/// Makes what is missing; nothing changes on the second start.
pub async fn seed(admin: &dyn PolicyAdmin, clock: &dyn Clock) -> Result<World, SeedError> {
    let mut world = World::default();
    for team in TEAMS {
        let row = SeedTeam {
            id: TeamId::generate(),
            slug: team.slug.into(),
            display_name: team.display_name.into(),
        };
        world.teams.insert(team.slug, admin.ensure_team(&row, clock.now()).await?);
    }
    for person in PEOPLE {
        let row = SeedUser {
            id: UserId::generate(),
            subject: person.name.into(),
            display_name: person.display_name.into(),
        };
        let user = admin.ensure_user(&row, clock.now()).await?;
        world.people.insert(person.name, user);
        let (scope, role) = match person.role {
            Role::System(role) => (AssignmentScope::System, role),
            Role::InTeam(team, role) => match world.teams.get(team) {
                Some(id) => (AssignmentScope::Team(*id), role),
                None => return Err(SeedError::UnknownTeam { person: person.name, team }),
            },
        };
        let assignment = NewAssignment { user, scope, role: role.into(), expires_at: None };
        admin.assign(&assignment, clock.now()).await?;
    }
    Ok(world)
}
