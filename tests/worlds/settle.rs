//! How a random world comes about: people, teams, roles, and things of each owner.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use directory::{SeedTeam, SeedUser};
use primitives::{Clock as _, RoleId, SystemClock, TeamId, UserId};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use server::dev::DevKey;
use testkit::database::{Backend, TestDb};
use testkit::world::shapes::{human, on, workflow};
use testkit::world::{Repo, World};

use crate::bench::Bench;
use crate::facts::{Held, Levels, Owner, Person, Tables};
use crate::things::{Kind, Thing};

/// Longer than any run.
const TOKEN_LIFE: Duration = Duration::from_hours(6);
const STANDARD: [&str; 5] = ["guest", "member", "developer", "lead", "admin"];
/// Keys that a team's own role may grant.
const TEAM_KEYS: [&str; 13] = [
    "workflows.view",
    "workflows.create",
    "workflows.edit",
    "workflows.manage",
    "workflows.delete",
    "analytics.view",
    "code.use",
    "code.edit",
    "repositories.manage",
    "team.manage",
    "audit.read",
    "audit.export",
    "learning.use",
];
const LEVEL_NAMES: [&str; 4] = ["NONE", "READ", "WRITE", "ADMIN"];
/// People of every world: name, team or `system`, role. Those without a line are drawn.
const KNOWN: [(&str, &str, &str); 10] = [
    ("alice", "core", "lead"),
    ("bob", "core", "developer"),
    ("carol", "core", "admin"),
    ("mia", "core", "member"),
    ("gus", "core", "guest"),
    ("dave", "payments", "lead"),
    ("pat", "payments", "admin"),
    ("olga", "ops", "admin"),
    ("quinn", "quiet", "admin"),
    ("erin", "system", "founder"),
];
/// Nothing of theirs is drawn: they keep a place's things.
const STEWARDS: [(&str, &str); 4] =
    [("core", "carol"), ("payments", "pat"), ("ops", "olga"), ("quiet", "quinn")];
/// With a root for repositories of their own.
const ROOTED: [&str; 3] = ["alice", "bob", "dave"];
const DRAWN: usize = 8;

/// A role to be given, before it is.
struct Plan {
    person: usize,
    team: Option<String>,
    role: String,
    ended: bool,
}

struct Builder {
    bench: Bench,
    /// `teams/{uuid}` by slug.
    slugs: BTreeMap<String, String>,
    key: DevKey,
}

/// A world on a fresh database.
pub(crate) async fn settle(db: TestDb, tables: Tables, rng: &mut StdRng) -> Bench {
    let world = World::start(db).await;
    let key = DevKey::open(&world.data_dir()).expect("the world's key");
    let operators = world.admin_channel();
    let bench = Bench {
        world,
        tables,
        people: Vec::new(),
        teams: Vec::new(),
        things: Vec::new(),
        lines: BTreeMap::new(),
        stewards: BTreeMap::new(),
        repos: BTreeMap::new(),
        roots: BTreeMap::new(),
        role_names: BTreeMap::new(),
        team_roles: BTreeMap::new(),
        operators,
        made: 0,
    };
    let mut builder = Builder { bench, slugs: BTreeMap::new(), key };
    builder.teams().await;
    builder.known().await;
    builder.custom_roles(rng).await;
    builder.leavers().await;
    builder.things(rng).await;
    builder.bench.world.settles().await;
    builder.drawn(rng).await;
    builder.departures().await;
    builder.bench
}

impl Builder {
    async fn teams(&mut self) {
        for slug in ["core", "payments", "ops", "quiet"] {
            let team = SeedTeam {
                id: TeamId::generate(),
                slug: slug.to_owned(),
                display_name: slug.to_owned(),
            };
            let policy = self.bench.world.policy();
            let id = policy.ensure_team(&team, SystemClock.now()).await.expect("a team");
            self.bench.teams.push(id.to_string());
            self.slugs.insert(slug.to_owned(), id.to_string());
        }
        for slug in ["core", "payments"] {
            let root = self.bench.world.root_of(slug);
            self.bench.roots.insert(Owner::Team(self.slugs[slug].clone()), root);
        }
    }

    async fn known(&mut self) {
        for (name, place, role) in KNOWN {
            let at = self.person(name).await;
            let team = (place != "system").then(|| self.slugs[place].clone());
            self.give(Plan { person: at, team, role: role.to_owned(), ended: false }).await;
            let user = self.bench.people[at].user.clone();
            self.bench.stewards.insert(Owner::Person(user.clone()), user.clone());
            if name == "erin" {
                self.bench.stewards.insert(Owner::Global, user.clone());
            }
            if let Some((slug, _)) = STEWARDS.iter().find(|(_, steward)| *steward == name) {
                self.bench.stewards.insert(Owner::Team(self.slugs[*slug].clone()), user.clone());
            }
            if ROOTED.contains(&name) {
                let root = self.bench.world.root_of(&format!("user:{name}"));
                self.bench.roots.insert(Owner::Person(user), root);
            }
        }
    }

    /// Somebody by token subject, made if missing. Where they stand is told by `give`.
    async fn person(&mut self, name: &str) -> usize {
        if let Some(at) = self.bench.people.iter().position(|person| person.name == name) {
            return at;
        }
        let user = SeedUser {
            id: UserId::generate(),
            subject: name.to_owned(),
            display_name: name.to_owned(),
        };
        let policy = self.bench.world.policy();
        let id = policy.ensure_user(&user, SystemClock.now()).await.expect("a person");
        let mut line = self.bench.world.person("alice");
        line = line.with_token(&self.key.token(name, TOKEN_LIFE));
        (line.name, line.id, line.user) = (name.to_owned(), id, id.to_string());
        line.team = String::new();
        self.bench.lines.insert(id.to_string(), line);
        self.bench.stewards.insert(Owner::Person(id.to_string()), id.to_string());
        self.bench.people.push(Person {
            name: name.to_owned(),
            user: id.to_string(),
            active: true,
            may_apply: true,
            held: Vec::new(),
        });
        self.bench.people.len() - 1
    }

    async fn give(&mut self, plan: Plan) {
        let Plan { person, team, role, ended } = plan;
        let held = Held { place: team.unwrap_or_else(|| "system".to_owned()), role, ended };
        let already = &self.bench.people[person].held;
        // A role is held once in a place: giving it again would change when it ends.
        if already.iter().any(|other| other.place == held.place && other.role == held.role) {
            return;
        }
        let user = self.bench.people[person].user.clone();
        self.bench.give(&user, &held).await;
        self.bench.people[person].held.push(held);
    }

    /// Two roles of each team's own, with levels of any kind: also ones that see little.
    async fn custom_roles(&mut self, rng: &mut StdRng) {
        for team in self.bench.teams.clone() {
            for number in 0..3 {
                let mut levels = Levels::new();
                for key in TEAM_KEYS {
                    if rng.random_bool(0.5) {
                        levels.insert(key.to_owned(), rng.random_range(1..=3));
                    }
                }
                let id = RoleId::generate();
                let mut name = format!("custom-{number}-{}", self.bench.tables.roles.len());
                if number == 2 {
                    let slug = self.slugs.iter().find(|(_, name)| **name == team);
                    name = format!("blind{}", slug.map_or("", |(slug, _)| slug.as_str()));
                    levels = Levels::from([("learning.use".to_owned(), 1)]);
                }
                self.insert_role(&team, id, &name, &levels).await;
                self.bench.tables.roles.insert(name.clone(), levels);
                self.bench.role_names.insert(name.clone(), id.to_string());
                self.bench.team_roles.entry(team.clone()).or_default().push(name);
                let owner = Owner::Team(team.clone());
                self.bench.things.push(Thing::new(Kind::Role, &id.to_string(), &owner));
            }
        }
    }

    /// Written as a row; the next role that is given lets everybody know.
    async fn insert_role(&self, team: &str, id: RoleId, slug: &str, levels: &Levels) {
        let team: TeamId = team.parse().expect("a team's name");
        let mut json = String::new();
        for (key, level) in levels {
            let comma = if json.is_empty() { "" } else { "," };
            let _ = write!(json, "{comma}\"{key}\":\"{}\"", LEVEL_NAMES[usize::from(*level)]);
        }
        let (id, team) = (self.uuid(id.as_uuid()), self.uuid(team.as_uuid()));
        let statement = format!(
            "insert into custom_role \
             (id, team_id, slug, display_name, levels, created_at, version) \
             values ({id}, {team}, '{slug}', '{slug}', '{{{json}}}', 1, 1)"
        );
        self.bench.world.probe().changes(&statement).await;
    }

    fn uuid(&self, id: uuid::Uuid) -> String {
        match self.bench.world.backend() {
            Backend::Sqlite => format!("x'{}'", id.simple()),
            Backend::Postgres => format!("'{id}'"),
        }
    }

    /// People who work in *core* while things are made, and lose that later.
    async fn leavers(&mut self) {
        let core = self.slugs["core"].clone();
        for name in ["lea", "dan"] {
            let person = self.person(name).await;
            let role = "developer".to_owned();
            self.give(Plan { person, team: Some(core.clone()), role, ended: false }).await;
        }
        for at in 0..DRAWN {
            self.person(&format!("drawn-{at}")).await;
        }
        self.person("sue").await;
        self.person("exa").await;
        self.program().await;
        // So that nobody is alone in a team.
        let gia = self.person("gia").await;
        for team in self.bench.teams.clone() {
            let role = "guest".to_owned();
            self.give(Plan { person: gia, team: Some(team), role, ended: false }).await;
        }
    }

    /// A program that holds roles as people do.
    async fn program(&mut self) {
        use api::permissions::{CreateServiceAccountRequest, User};
        let (display_name, subject) = ("A program".to_owned(), "bot".to_owned());
        let user = Some(User { display_name, subject, ..Default::default() });
        let request = CreateServiceAccountRequest { user, ..Default::default() };
        let founder = self.bench.steward(&Owner::Global);
        founder.directory().create_service_account(request).await.expect("a service account");
        let person = self.person("bot").await;
        for (slug, role) in [("core", "developer"), ("payments", "member")] {
            let (team, role) = (Some(self.slugs[slug].clone()), role.to_owned());
            self.give(Plan { person, team, role, ended: false }).await;
        }
    }

    async fn things(&mut self, rng: &mut StdRng) {
        let teams = self.bench.teams.clone();
        let mut owners: Vec<Owner> = teams.into_iter().map(Owner::Team).collect();
        owners.extend(self.bench.people.iter().map(|person| Owner::Person(person.user.clone())));
        owners.push(Owner::Global);
        for owner in &owners {
            self.bench.make_flow(owner, false).await;
            self.bench.make(Kind::Item, owner, None, "").await;
            let steward = self.bench.stewards[owner].clone();
            self.bench.make(Kind::Comment, owner, None, &steward).await;
            if rng.random_bool(0.4) {
                self.out_of_use(owner).await;
            }
            if self.bench.roots.contains_key(owner) {
                self.repository(owner).await;
                self.bench.make_flow(owner, true).await;
                self.bench.make_advised(owner).await;
                self.reacting(owner).await;
                self.template(owner).await;
                let steward = self.bench.stewards[owner].clone();
                self.bench.make_patch(owner, owner, &steward).await;
            }
        }
        self.seeded_templates().await;
        let core = Owner::Team(self.slugs["core"].clone());
        for name in ["alice", "bob", "dave", "lea", "dan"] {
            let user = self.user_of(name);
            let own = Owner::Person(user.clone());
            let places =
                if name == "dave" { vec![own.clone()] } else { vec![own.clone(), core.clone()] };
            for about in places {
                if self.bench.make(Kind::Session, &own, Some(&about), &user).await.is_some() {
                    self.bench.make_patch(&own, &about, &user).await;
                    self.plan(&own, &about, &user).await;
                }
            }
        }
    }

    fn user_of(&self, name: &str) -> String {
        let found = self.bench.people.iter().find(|person| person.name == name);
        found.expect("somebody of this world").user.clone()
    }

    async fn repository(&mut self, owner: &Owner) {
        let repo = Repo::shop(&self.bench.roots[owner].join("shop"));
        let mut steward = self.bench.steward(owner);
        steward.team = if let Owner::Team(team) = owner { team.clone() } else { String::new() };
        let name = steward.registers(&repo.dir).await.expect("a repository").name;
        self.bench.things.push(Thing::new(Kind::Repository, &name, owner));
        self.bench.repos.insert(name, repo);
    }

    async fn out_of_use(&mut self, owner: &Owner) {
        let made = self.bench.make_flow(owner, false).await;
        let request =
            api::workflow::DeleteWorkflowRequest { name: made.name.clone(), ..Default::default() };
        let steward = self.bench.steward(owner);
        steward.workflows().delete_workflow(request).await.expect("a workflow is deleted");
        if let Some(thing) = self.bench.things.last_mut() {
            thing.is_over = true;
        }
    }

    /// A workflow that changes of the owner's repositories bring items to.
    async fn reacting(&mut self, owner: &Owner) {
        let team = if let Owner::Team(team) = owner { team.as_str() } else { "" };
        let asked = on(workflow("Reacts", team, [human("do")]), &["agent.apply.success"]);
        let made = self.bench.steward(owner).creates_workflow(asked).await.expect("a workflow");
        self.bench.things.push(Thing::new(Kind::Workflow, &made.name, owner));
    }

    /// No method makes templates yet.
    async fn template(&mut self, owner: &Owner) {
        let made = self.bench.make_flow(owner, false).await;
        self.bench.things.pop();
        let id: primitives::WorkflowId = made.name.parse().expect("a workflow's name");
        let id = self.uuid(id.as_uuid());
        let statement = format!("update workflow set is_template = true where id = {id}");
        self.bench.world.probe().changes(&statement).await;
        let name = made.name.replace("workflows/", "templates/");
        self.bench.things.push(Thing::new(Kind::Template, &name, owner));
    }

    async fn seeded_templates(&mut self) {
        let templates = self.bench.steward(&Owner::Global).sees_templates().await;
        for template in templates.expect("templates are listed") {
            self.bench.things.push(Thing::new(Kind::Template, &template.name, &Owner::Global));
        }
    }

    async fn plan(&mut self, owner: &Owner, about: &Owner, user: &str) {
        let repository = self.bench.of(Kind::Repository, about).next().expect("one").name.clone();
        let made = self.bench.line(user).plans_task(&repository, "Fix the cart").await;
        let name = made.expect("a plan").name;
        self.bench.things.push(Thing::new(Kind::Plan, &name, owner));
    }

    /// Roles at random: none, one or several, lasting or ended, standard or the team's own.
    async fn drawn(&mut self, rng: &mut StdRng) {
        for at in 0..DRAWN {
            let person = self.person(&format!("drawn-{at}")).await;
            let teams: Vec<String> = self.bench.teams.clone();
            for team in teams.choose_multiple(rng, at % 4) {
                for _ in 0..rng.random_range(1..=2) {
                    let role = self.any_role(team, rng);
                    let ended = rng.random_bool(0.2);
                    self.give(Plan { person, team: Some(team.clone()), role, ended }).await;
                }
            }
            if rng.random_bool(0.15) {
                let role = ["support", "founder"][rng.random_range(0..2)].to_owned();
                let ended = rng.random_bool(0.3);
                self.give(Plan { person, team: None, role, ended }).await;
            }
        }
        // Two who are in a team and hold little there, and nothing that looks.
        for (name, slug) in [("vic", "core"), ("val", "payments")] {
            let person = self.person(name).await;
            let team = Some(self.slugs[slug].clone());
            let role = "blind".to_owned() + slug;
            self.give(Plan { person, team, role, ended: false }).await;
        }
        let sue = self.person("sue").await;
        self.give(Plan { person: sue, team: None, role: "support".into(), ended: false }).await;
        let exa = self.person("exa").await;
        for team in self.bench.teams.clone() {
            let role = "admin".into();
            self.give(Plan { person: exa, team: Some(team), role, ended: true }).await;
        }
    }

    fn any_role(&self, team: &str, rng: &mut StdRng) -> String {
        let own = &self.bench.team_roles[team];
        if rng.random_bool(0.3) {
            own.choose(rng).cloned().unwrap_or_default()
        } else {
            (*STANDARD.choose(rng).expect("roles")).to_owned()
        }
    }

    /// Lea leaves her team, dan the company; some lose the right to apply on their own.
    async fn departures(&mut self) {
        use api::permissions::{DeactivateUserRequest, LeaveTeamRequest};
        let (lea, dan) = (self.person("lea").await, self.person("dan").await);
        let (people, core) = (&mut self.bench.people, self.slugs["core"].clone());
        let line = self.bench.lines[&people[lea].user].clone();
        let request = LeaveTeamRequest { team: core, ..Default::default() };
        line.directory().leave_team(request).await.expect("a team is left");
        let founder = &self.bench.lines[&self.bench.stewards[&Owner::Global]];
        let name = people[dan].user.clone();
        let request = DeactivateUserRequest { name, ..Default::default() };
        founder.directory().deactivate_user(request).await.expect("a user is deactivated");
        people[lea].held.clear();
        people[dan].held.clear();
        people[dan].active = false;
        for name in ["mia", "drawn-1", "drawn-2"] {
            let at = self.person(name).await;
            let id: UserId = self.bench.people[at].user.parse().expect("a user's name");
            let policy = self.bench.world.policy();
            policy.set_may_apply(id, false).await.expect("a right is taken");
            self.bench.people[at].may_apply = false;
        }
        self.bench.world.settles().await;
    }
}
