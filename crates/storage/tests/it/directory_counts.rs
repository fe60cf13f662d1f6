//! Statements per call of the directory, pinned, as its own services make them.
//! BEGIN and COMMIT are not counted.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use directory::NewAssignment;
use directory::service::{
    AssignInput, Assignments, Change, DirectoryDeps, MemberInput, Members, RoleChange, RoleInput,
    Roles, Slug, Subject, TeamChange, TeamEnd, TeamInput, Teams, UserChange, UserInput, Users,
    Whom,
};
use events::Once;
use permissions::{
    AssignmentScope, Authorizer, Caller, DirectoryAdmin, DirectoryRead, DirectoryWrite, Grant, Key,
    Level, Levels, Permission, TeamAdmin, TeamRead, TeamWrite, UserKind,
};
use primitives::{PageRequest, RunId, SystemClock, UserId};
use storage::Storage;
use testkit::conformance::Stand;
use testkit::conformance::values::at;
use testkit::database::Backend;

use super::open;

/// The services over one storage.
struct Services {
    deps: DirectoryDeps,
    storage: Storage,
    table: String,
}

impl Services {
    async fn over(storage: &Storage) -> Self {
        let store = Arc::new(storage.clone());
        let clock = Arc::new(SystemClock);
        let authorizer = Authorizer::start(store.clone(), clock.clone()).await.unwrap();
        let deps = DirectoryDeps { store, authorizer: Arc::new(authorizer), clock };
        Self { deps, storage: storage.clone(), table: String::new() }
    }

    /// Somebody with the rights that are stored now.
    async fn caller(&self, user: UserId) -> Caller {
        self.deps.authorizer.refresh().await.unwrap();
        self.deps.authorizer.caller_of(user, "counts").unwrap()
    }

    async fn grant<P: Permission>(&self, user: UserId) -> Grant<P> {
        self.caller(user).await.require().unwrap()
    }

    /// Runs a call that must succeed, and writes down how many statements it sent.
    async fn count<T, E: std::fmt::Debug>(
        &mut self,
        name: &str,
        call: impl Future<Output = Result<T, E>>,
    ) -> T {
        let before = self.storage.statements();
        let answer = call.await.unwrap();
        let sent = self.storage.statements() - before;
        writeln!(self.table, "{name}: {sent}").unwrap();
        answer
    }
}

fn once(user: UserId) -> Once {
    Once::new(user, "/test", RunId::generate().as_uuid(), b"body")
}

fn slug(text: &str) -> Slug {
    Slug::check("slug", text).unwrap()
}

fn frank() -> UserInput {
    UserInput {
        kind: UserKind::Person,
        display_name: "Frank".into(),
        subject: Some(Subject::check("subject", "frank").unwrap()),
        certificate_name: None,
        may_apply: true,
        system_roles: BTreeSet::new(),
    }
}

async fn of_users(services: &mut Services, founder: UserId) -> UserId {
    let users = Users::new(services.deps.clone());
    let (grant, once) = (services.grant::<DirectoryWrite>(founder).await, once(founder));
    let made = users.create(&grant, Ok(frank()), Some(&once));
    let frank = services.count("create user", made).await.user;
    let (grant, once) = (services.grant(founder).await, self::once(founder));
    let renamed = UserChange {
        version: 1,
        display_name: Change::To("Franz".into()),
        ..UserChange::default()
    };
    let renamed = users.update(&grant, frank.id, Ok(renamed), Some(&once));
    services.count("rename user", renamed).await;
    let grant = services.grant::<DirectoryRead>(founder).await;
    let list = users.list(&grant, false, Ok(PageRequest::first()));
    services.count("list users", list).await;
    frank.id
}

async fn of_members(services: &mut Services, stand: &Stand, frank: UserId) {
    let members = Members::new(services.deps.clone());
    let assignments = Assignments::new(services.deps.clone());
    let member =
        MemberInput { whom: Whom::User(frank), role: "developer".into(), expires_at: None };
    let (carol, retry) = (services.caller(stand.carol).await, once(stand.carol));
    let added = members.add(&carol, stand.core, Ok(member), Ok(()), Some(&retry));
    services.count("add member", added).await;

    let (grant, retry) = (services.grant::<TeamWrite>(stand.carol).await, once(stand.carol));
    let role =
        AssignInput { team: stand.core, user: frank, role: "guest".into(), expires_at: Ok(None) };
    let assigned = assignments.assign(&grant, role, Some(&retry));
    let held = services.count("assign role", assigned).await.holding;
    let grant = services.grant::<TeamRead>(stand.carol).await;
    let list = assignments.list(&grant, stand.core, None, Ok(PageRequest::first()));
    services.count("list role assignments", list).await;
    let carol = services.caller(stand.carol).await;
    let list = members.list(&carol, stand.core, Ok(PageRequest::first()));
    services.count("list members", list).await;
    let (grant, retry) = (services.grant(stand.carol).await, once(stand.carol));
    let gone = assignments.unassign(&grant, held.id, Ok(()), Some(&retry));
    services.count("unassign role", gone).await;
    let (grant, retry) = (services.grant(stand.carol).await, once(stand.carol));
    let gone = members.remove(&grant, stand.core, frank, Ok(()), Some(&retry));
    services.count("remove member", gone).await;
}

async fn of_roles(services: &mut Services, stand: &Stand) {
    let roles = Roles::new(services.deps.clone());
    let levels = Levels::NONE.with(Key::CodeUse, Level::Read);
    let input = RoleInput { slug: slug("reviewer"), display_name: "Reviewer".into(), levels };
    let (grant, retry) = (services.grant::<TeamAdmin>(stand.carol).await, once(stand.carol));
    let made = roles.create(&grant, stand.core, Ok(input), Some(&retry));
    let role = services.count("create role", made).await;
    let (grant, retry) = (services.grant(stand.carol).await, once(stand.carol));
    let levels = Some(Levels::NONE.with(Key::CodeUse, Level::Write));
    let change = RoleChange { version: Some(1), display_name: None, levels };
    let changed = roles.update(&grant, role.id, Ok(change), false, Some(&retry));
    services.count("change role", changed).await;
    let carol = services.caller(stand.carol).await;
    services.count("list roles", roles.list(&carol, None, Ok(PageRequest::first()))).await;
    let (grant, retry) = (services.grant(stand.carol).await, once(stand.carol));
    let gone = roles.delete(&grant, role.id, Ok(None), false, Some(&retry));
    services.count("delete role", gone).await;
}

async fn of_teams(services: &mut Services, stand: &Stand, founder: UserId) {
    let teams = Teams::new(services.deps.clone());
    let input = TeamInput { slug: slug("made"), display_name: "Made".into() };
    let (grant, retry) = (services.grant::<DirectoryWrite>(founder).await, once(founder));
    let made = services.count("create team", teams.create(&grant, Ok(input), Some(&retry))).await;
    let change = TeamChange { version: 1, display_name: "Core!".into(), validate_only: false };
    let (grant, retry) = (services.grant::<TeamAdmin>(stand.carol).await, once(stand.carol));
    let renamed = teams.update(&grant, stand.core, Ok(change), Some(&retry));
    services.count("rename team", renamed).await;
    let caller = services.caller(founder).await;
    services.count("get team", teams.get(&caller, made.id)).await;
    services.count("list teams", teams.list(&caller, Ok(PageRequest::first()))).await;
    let (grant, retry) = (services.grant::<DirectoryAdmin>(founder).await, once(founder));
    let gone = teams.delete(&grant, made.id, Ok(TeamEnd::default()), Some(&retry));
    services.count("delete empty team", gone).await;
}

const POSTGRES: &str = "\
create user: 7
rename user: 11
list users: 3
add member: 9
assign role: 6
list role assignments: 4
list members: 4
unassign role: 7
remove member: 8
create role: 5
change role: 8
list roles: 2
delete role: 7
create team: 6
rename team: 5
get team: 2
list teams: 2
delete empty team: 9
deactivate user: 12
";

const SQLITE: &str = "\
create user: 10
rename user: 13
list users: 3
add member: 12
assign role: 9
list role assignments: 4
list members: 4
unassign role: 10
remove member: 12
create role: 7
change role: 11
list roles: 2
delete role: 9
create team: 8
rename team: 7
get team: 2
list teams: 2
delete empty team: 12
deactivate user: 14
";

testkit::on_both! {
    async fn each_call_sends_so_many_statements(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let founds = NewAssignment {
            user: stand.erin,
            scope: AssignmentScope::System,
            role: "founder".into(),
            expires_at: None,
        };
        stand.ports.admin.assign(&founds, at(0)).await.unwrap();
        let mut services = Services::over(&storage).await;
        let frank = of_users(&mut services, stand.erin).await;
        of_members(&mut services, &stand, frank).await;
        of_roles(&mut services, &stand).await;
        of_teams(&mut services, &stand, stand.erin).await;

        let users = Users::new(services.deps.clone());
        let (grant, retry) = (services.grant(stand.erin).await, once(stand.erin));
        let gone = users.deactivate(&grant, frank, Ok(None), Some(&retry));
        services.count("deactivate user", gone).await;

        let pinned = if db.backend() == Backend::Postgres { POSTGRES } else { SQLITE };
        assert_eq!(services.table, pinned);
    }
}
