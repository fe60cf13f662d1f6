//! People, teams and roles that calls name, made for one call each: what is done to them
//! changes nothing for anybody who calls.

use api::permissions::*;
use directory::NewAssignment;
use permissions::{AssignmentScope, Role as Given};
use primitives::{Clock as _, SystemClock, Timestamp};

use crate::bench::Bench;
use crate::facts::{Held, Owner, Person};
use crate::things::{Kind, Thing};

impl Bench {
    /// Gives a role behind the server's back.
    pub(crate) async fn give(&self, user: &str, held: &Held) {
        let scope = match held.place.as_str() {
            "system" => AssignmentScope::System,
            team => AssignmentScope::Team(team.parse().expect("a team's name")),
        };
        let role = match self.role_names.get(&held.role) {
            Some(name) => Given::Custom(name.parse().expect("a role's name")),
            None => Given::Standard(held.role.clone()),
        };
        let now = SystemClock.now();
        let before = Timestamp::from_micros(now.as_micros() - 1_000_000);
        let expires_at = held.ended.then_some(before);
        let user = user.parse().expect("a user's name");
        let assignment = NewAssignment { user, scope, role, expires_at };
        self.world.policy().assign(&assignment, now).await.expect("a role is given");
    }

    /// Who has left a team gets back all that was held.
    pub(crate) async fn rejoins(&self, person: &Person) {
        for held in &person.held {
            self.give(&person.user, held).await;
        }
        // What happens to those who leave must not happen later.
        self.world.settles().await;
    }

    /// What is named inside a team, with the role that is handed on.
    pub(crate) async fn in_team(
        &mut self,
        kind: Kind,
        owner: &Owner,
        role: Option<&str>,
        caller: &str,
    ) -> Option<Thing> {
        let role = role.unwrap_or("guest");
        match (kind, owner) {
            (Kind::SpareTeam, _) => Some(self.make_team().await),
            (Kind::Newcomer, _) => Some(self.make_user().await),
            (Kind::Grantable, _) => {
                let standard = format!("roles/{role}");
                let name = self.role_names.get(role).cloned().unwrap_or(standard);
                Some(Thing::new(kind, &name, owner))
            }
            (Kind::Member, Owner::Team(team)) => {
                let is_in = |person: &&Person| {
                    person.user != caller
                        && person.active
                        && person.held.iter().any(|held| held.place == *team && !held.ended)
                };
                let member = self.people.iter().find(is_in)?;
                Some(Thing::new(kind, &member.user, owner))
            }
            (Kind::SpareMember, Owner::Team(team)) => Some(self.make_member(team, role).await),
            (Kind::ToUnassign, Owner::Team(team)) => {
                let first = if role == "guest" { "member" } else { "guest" };
                let member = self.make_member(team, first).await;
                let request = AssignRoleRequest {
                    team: team.clone(),
                    user: member.name,
                    role: format!("roles/{role}"),
                    ..Default::default()
                };
                let given = self.steward(owner).permissions().assign_role(request).await;
                let given = given.expect("a role is given").into_inner();
                Some(Thing::new(Kind::Assignment, &given.name, owner))
            }
            _ => None,
        }
    }

    /// Somebody new, in no team.
    pub(crate) async fn make_user(&mut self) -> Thing {
        self.made += 1;
        let user = User {
            display_name: "New".to_owned(),
            subject: format!("new-{}", self.made),
            ..Default::default()
        };
        let request = CreateUserRequest { user: Some(user), ..Default::default() };
        let made = self.steward(&Owner::Global).directory().create_user(request).await;
        let made = made.expect("a user").into_inner();
        let owner = Owner::Person(made.name.clone());
        Thing { etag: made.etag, ..Thing::new(Kind::User, &made.name, &owner) }
    }

    /// A team in which nobody is.
    async fn make_team(&mut self) -> Thing {
        self.made += 1;
        let team = Team {
            slug: format!("new-{}", self.made),
            display_name: "New".to_owned(),
            ..Default::default()
        };
        let request = CreateTeamRequest { team: Some(team), ..Default::default() };
        let made = self.steward(&Owner::Global).directory().create_team(request).await;
        let made = made.expect("a team").into_inner();
        Thing::new(Kind::EmptyTeam, &made.name, &Owner::Team(made.name.clone()))
    }

    pub(crate) async fn team_as_it_is(&self, owner: &Owner) -> Thing {
        let Owner::Team(name) = owner else { return Thing::new(Kind::Team, "", owner) };
        let request = GetTeamRequest { name: name.clone() };
        let found = self.steward(owner).directory().get_team(request).await;
        let found = found.expect("a team").into_inner();
        Thing { etag: found.etag, ..Thing::new(Kind::Team, name, owner) }
    }

    /// Somebody new in a team, with a standard role.
    async fn make_member(&mut self, team: &str, role: &str) -> Thing {
        let role = if self.role_names.contains_key(role) { "guest" } else { role };
        let owner = Owner::Team(team.to_owned());
        let user = self.make_user().await.name;
        let request = AddMemberRequest {
            team: team.to_owned(),
            user: user.clone(),
            role: format!("roles/{role}"),
            ..Default::default()
        };
        self.steward(&owner).directory().add_member(request).await.expect("a member");
        Thing::new(Kind::Member, &user, &owner)
    }

    /// A role of the team's own, which nobody holds.
    pub(crate) async fn make_role(&mut self, owner: &Owner) -> Thing {
        self.made += 1;
        let Owner::Team(team) = owner else { return Thing::new(Kind::Role, "", owner) };
        let role = Role {
            slug: format!("new-{}", self.made),
            display_name: "New".to_owned(),
            permissions: vec![EffectivePermission {
                permission: "workflows.view".to_owned(),
                level: Level::Read.into(),
            }],
            ..Default::default()
        };
        let request =
            CreateRoleRequest { team: team.clone(), role: Some(role), ..Default::default() };
        let made = self.steward(owner).permissions().create_role(request).await;
        let made = made.expect("a role").into_inner();
        Thing { etag: made.etag, ..Thing::new(Kind::Role, &made.name, owner) }
    }
}
