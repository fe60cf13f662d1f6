//! Roles that teams make, who holds them, and what decides a permission.

use std::time::Duration;

use api::permissions::{
    AssignRoleRequest, BatchCheckPermissionsRequest, CheckPermissionRequest, CreateRoleRequest,
    DeleteRoleRequest, EffectivePermission, ExplainPermissionRequest, Level,
    ListEffectivePermissionsRequest, ListPermissionsRequest, ListRoleAssignmentsRequest,
    ListRolesRequest, Role, RoleAssignment, UnassignRoleRequest, UpdateRoleRequest, Visibility,
};
use prost_types::{FieldMask, Timestamp};
use testkit::world::shapes::{human, item, workflow};
use testkit::world::{Person, World, refused};
use tonic::{Code, Status};

const STATE: Code = Code::FailedPrecondition;
const DENIED: Code = Code::PermissionDenied;

fn grants(pairs: &[(&str, Level)]) -> Vec<EffectivePermission> {
    let one = |(key, level): &(&str, Level)| EffectivePermission {
        permission: (*key).to_owned(),
        level: (*level).into(),
    };
    pairs.iter().map(one).collect()
}

fn a_role(slug: &str, pairs: &[(&str, Level)]) -> Role {
    Role {
        slug: slug.to_owned(),
        display_name: format!("The {slug}"),
        permissions: grants(pairs),
        ..Role::default()
    }
}

async fn makes(person: &Person, team: &str, role: Role) -> Result<Role, Status> {
    let request = CreateRoleRequest {
        team: team.to_owned(),
        role: Some(role),
        ..CreateRoleRequest::default()
    };
    Ok(person.permissions().create_role(request).await?.into_inner())
}

async fn gives(
    person: &Person,
    to: &Person,
    role: &str,
    end: Option<Timestamp>,
) -> Result<RoleAssignment, Status> {
    let request = AssignRoleRequest {
        team: to.team.clone(),
        user: to.user.clone(),
        role: role.to_owned(),
        expire_time: end,
        ..AssignRoleRequest::default()
    };
    Ok(person.permissions().assign_role(request).await?.into_inner())
}

async fn takes(person: &Person, assignment: &str) -> Result<(), Status> {
    let request =
        UnassignRoleRequest { name: assignment.to_owned(), ..UnassignRoleRequest::default() };
    person.permissions().unassign_role(request).await.map(drop)
}

async fn held(person: &Person, of: &Person) -> Result<Vec<RoleAssignment>, Status> {
    let request = ListRoleAssignmentsRequest {
        team: of.team.clone(),
        user: of.user.clone(),
        ..ListRoleAssignmentsRequest::default()
    };
    Ok(person.permissions().list_role_assignments(request).await?.into_inner().role_assignments)
}

fn in_a_moment(wait: Duration) -> Timestamp {
    let now = primitives::Clock::now(&primitives::SystemClock).as_micros();
    let end = now + i64::try_from(wait.as_micros()).unwrap();
    let nanos = i32::try_from(end % 1_000_000 * 1_000).unwrap();
    Timestamp { seconds: end / 1_000_000, nanos }
}

testkit::on_both! {
    /// What a custom role grants holds from the next call on, is taken from the next call on,
    /// and changes for all who hold it.
    async fn a_teams_own_role_counts_at_once(db: TestDb) {
        let world = World::start(db).await;
        let [carol, gus] = world.people(["carol", "gus"]);
        let flow = workflow("Work", &carol.team, [human("do")]);
        let flow = carol.creates_workflow(flow).await.unwrap();
        let tries = async || gus.creates_item(item(&flow.name, "Something")).await;
        refused(tries().await, DENIED, "PERMISSION_DENIED");

        let pairs = [("workflows.view", Level::Read), ("workflows.create", Level::Write)];
        let made = makes(&carol, &carol.team, a_role("reporter", &pairs)).await.unwrap();
        assert_eq!((made.slug.as_str(), made.team.as_str()), ("reporter", carol.team.as_str()));
        let given = gives(&carol, &gus, &made.name, None).await.unwrap();
        assert_eq!((given.role_slug.as_str(), &given.creator), ("reporter", &carol.user));
        tries().await.unwrap();

        let change = Role { permissions: grants(&pairs[..1]), ..made.clone() };
        let request = UpdateRoleRequest {
            role: Some(change.clone()),
            update_mask: Some(FieldMask { paths: vec!["permissions".to_owned()] }),
            validate_only: true,
            ..UpdateRoleRequest::default()
        };
        carol.permissions().update_role(request.clone()).await.unwrap();
        tries().await.unwrap();
        let request = UpdateRoleRequest { validate_only: false, ..request };
        let changed = carol.permissions().update_role(request.clone()).await.unwrap().into_inner();
        assert_ne!(changed.etag, made.etag);
        refused(tries().await, DENIED, "PERMISSION_DENIED");
        let stale = carol.permissions().update_role(request).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");

        let delete = |force| DeleteRoleRequest {
            name: made.name.clone(),
            force,
            ..DeleteRoleRequest::default()
        };
        let in_use = carol.permissions().delete_role(delete(false)).await;
        refused(in_use, STATE, "ROLE_IN_USE");
        carol.permissions().delete_role(delete(true)).await.unwrap();
        let left: Vec<_> = held(&carol, &gus).await.unwrap();
        assert_eq!(left.iter().map(|one| one.role.as_str()).collect::<Vec<_>>(), ["roles/guest"]);
        let gone = gives(&carol, &gus, &made.name, None).await;
        refused(gone, Code::NotFound, "ROLE_NOT_FOUND");
    }

    /// A role that ends on its own is not held any more after that, without anybody's doing.
    async fn a_role_ends_on_its_own(db: TestDb) {
        let world = World::start(db).await;
        let [carol, gus] = world.people(["carol", "gus"]);
        let flow = carol.creates_workflow(workflow("W", &carol.team, [human("do")])).await.unwrap();
        let end = in_a_moment(Duration::from_secs(2));
        let given = gives(&carol, &gus, "roles/member", Some(end)).await.unwrap();
        assert_eq!(given.expire_time.map(|end| end.seconds), Some(end.seconds));
        gus.creates_item(item(&flow.name, "In time")).await.unwrap();

        tokio::time::sleep(Duration::from_millis(2_100)).await;

        let late = gus.creates_item(item(&flow.name, "Too late")).await;
        refused(late, DENIED, "PERMISSION_DENIED");
        let roles: Vec<_> = held(&carol, &gus).await.unwrap();
        assert_eq!(roles.len(), 1, "{roles:#?}");
        let past = gives(&carol, &gus, "roles/member", Some(Timestamp { seconds: 1, nanos: 0 }));
        refused(past.await, Code::InvalidArgument, "INVALID_ARGUMENT");
    }

    /// Nobody hands on, or takes away, more than he holds; nobody learns of other teams.
    async fn nobody_above_his_own_level(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol, dave, gus] =
            world.people(["alice", "bob", "carol", "dave", "gus"]);
        // gus may manage members, and grants nothing beyond what he holds himself.
        let helper = a_role("helper", &[("team.manage", Level::Write)]);
        let helper = makes(&carol, &carol.team, helper).await.unwrap();
        gives(&carol, &gus, &helper.name, None).await.unwrap();
        refused(gives(&gus, &bob, "roles/admin", None).await, DENIED, "PERMISSION_DENIED");
        refused(gives(&gus, &gus, "roles/lead", None).await, DENIED, "PERMISSION_DENIED");
        let bobs = held(&carol, &bob).await.unwrap();
        refused(takes(&gus, &bobs[0].name).await, DENIED, "PERMISSION_DENIED");
        gives(&gus, &bob, "roles/guest", None).await.unwrap();

        // A lead looks at members and changes none.
        held(&alice, &bob).await.unwrap();
        let lead = gives(&alice, &bob, "roles/guest", None).await;
        refused(lead, DENIED, "PERMISSION_DENIED");
        // What is another team's does not exist.
        refused(takes(&dave, &bobs[0].name).await, DENIED, "PERMISSION_DENIED");
        let elsewhere = makes(&carol, &dave.team, a_role("spy", &[("code.use", Level::Read)]));
        refused(elsewhere.await, Code::NotFound, "TEAM_NOT_FOUND");
        let system = makes(&carol, &carol.team, a_role("boss", &[("admin.ops", Level::Read)]));
        refused(system.await, Code::InvalidArgument, "INVALID_ARGUMENT");
        let reserved = makes(&carol, &carol.team, a_role("founder", &[("code.use", Level::Read)]));
        refused(reserved.await, Code::InvalidArgument, "INVALID_ARGUMENT");
        let founder = gives(&carol, &bob, "roles/founder", None).await;
        refused(founder, Code::NotFound, "ROLE_NOT_FOUND");
        let absent = takes(&carol, &format!("roleAssignments/{}", uuid::Uuid::from_u128(rand::random()))).await;
        refused(absent, Code::NotFound, "ROLE_ASSIGNMENT_NOT_FOUND");
    }

    /// A team keeps somebody who can manage it for good.
    async fn the_last_admin_stays(db: TestDb) {
        let world = World::start(db).await;
        let [bob, carol] = world.people(["bob", "carol"]);
        let own = held(&carol, &carol).await.unwrap();
        refused(takes(&carol, &own[0].name).await, STATE, "LAST_ADMIN");
        let end = Some(in_a_moment(Duration::from_mins(5)));
        refused(gives(&carol, &carol, "roles/admin", end).await, STATE, "LAST_ADMIN");
        let other = gives(&carol, &bob, "roles/admin", end).await.unwrap();
        refused(takes(&carol, &own[0].name).await, STATE, "LAST_ADMIN");
        gives(&carol, &bob, "roles/admin", None).await.unwrap();
        takes(&carol, &own[0].name).await.unwrap();
        refused(takes(&bob, &other.name).await, STATE, "LAST_ADMIN");
        // carol held nothing else, so she has left.
        let gone = held(&carol, &carol).await;
        refused(gone, DENIED, "PERMISSION_DENIED");
    }

    /// Of two who take each other's role at once, one stays.
    async fn two_admins_cannot_end_each_other(db: TestDb) {
        let world = World::start(db).await;
        let [bob, carol] = world.people(["bob", "carol"]);
        for _ in 0..5 {
            let bobs = gives(&carol, &bob, "roles/admin", None).await.unwrap();
            let own = held(&carol, &carol).await.unwrap();
            let carols = own.iter().find(|one| one.role == "roles/admin").unwrap();
            let (one, other) = tokio::join!(takes(&bob, &carols.name), takes(&carol, &bobs.name));
            assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
            if one.is_ok() {
                gives(&bob, &carol, "roles/admin", None).await.expect_err("she has left");
                world.assign("carol", "core", "admin").await;
            }
        }
    }

    /// Standard roles first, then the team's; pages of any size show the same.
    async fn roles_are_listed_whole(db: TestDb) {
        let world = World::start(db).await;
        let [carol, dave] = world.people(["carol", "dave"]);
        for slug in ["one", "two", "three"] {
            makes(&carol, &carol.team, a_role(slug, &[("code.use", Level::Read)])).await.unwrap();
        }
        let taken = makes(&carol, &carol.team, a_role("one", &[("code.use", Level::Read)])).await;
        refused(taken, STATE, "SLUG_TAKEN");
        let list = async |person: &Person, size, team: &str| {
            let (mut slugs, mut token) = (Vec::new(), String::new());
            loop {
                let request = ListRolesRequest {
                    team: team.to_owned(),
                    page_size: size,
                    page_token: token,
                    ..ListRolesRequest::default()
                };
                let page = person.permissions().list_roles(request).await?.into_inner();
                slugs.extend(page.roles.into_iter().map(|role| role.slug));
                token = page.next_page_token;
                if token.is_empty() {
                    return Ok::<_, Status>(slugs);
                }
            }
        };
        let standard = ["guest", "member", "developer", "lead", "admin", "support", "founder"];
        let whole: Vec<_> = standard.into_iter().chain(["one", "two", "three"]).collect();
        for size in [1, 2, 7, 8, 50] {
            assert_eq!(list(&carol, size, "").await.unwrap(), whole, "pages of {size}");
        }
        let in_team: Vec<_> = standard[..5].iter().copied().chain(["one", "two", "three"]).collect();
        assert_eq!(list(&carol, 3, &carol.team).await.unwrap(), in_team);
        assert_eq!(list(&dave, 3, "").await.unwrap(), standard);
        refused(list(&dave, 3, &carol.team).await, Code::NotFound, "TEAM_NOT_FOUND");
    }

    /// An explanation names the role that decides, or the roles that would.
    async fn explanations_name_what_decides(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol, dave, erin] =
            world.people(["alice", "bob", "carol", "dave", "erin"]);
        let ask = |key: &str, team: &str, user: &str| ExplainPermissionRequest {
            permission: key.to_owned(),
            level: Level::Write.into(),
            team: team.to_owned(),
            user: user.to_owned(),
            ..ExplainPermissionRequest::default()
        };
        let explain = async |person: &Person, request: ExplainPermissionRequest| {
            Ok::<_, Status>(person.permissions().explain_permission(request).await?.into_inner())
        };

        let yes = explain(&bob, ask("code.edit", &bob.team, "")).await.unwrap();
        assert!(yes.allowed && yes.held_level() == Level::Write);
        let ground = &yes.grounds[0];
        assert_eq!((ground.role.as_str(), &ground.team), ("roles/developer", &bob.team));
        let no = explain(&bob, ask("workflows.manage", &bob.team, "")).await.unwrap();
        assert!(!no.allowed && no.held_level() == Level::Read, "{no:?}");
        assert_eq!(no.missing_roles, ["roles/lead", "roles/admin"]);
        let anywhere = explain(&erin, ask("directory.manage", "", "")).await.unwrap();
        assert!(anywhere.allowed && anywhere.grounds[0].system, "{anywhere:?}");

        // About somebody else: with team.manage READ, in a team of both.
        let of_bob = explain(&alice, ask("code.edit", &bob.team, &bob.user)).await.unwrap();
        assert_eq!(of_bob.grounds, yes.grounds);
        let by_bob = explain(&bob, ask("code.edit", &bob.team, &alice.user)).await;
        refused(by_bob, DENIED, "PERMISSION_DENIED");
        let elsewhere = explain(&alice, ask("code.edit", &dave.team, &dave.user)).await;
        refused(elsewhere, Code::NotFound, "TEAM_NOT_FOUND");
        let stranger = explain(&alice, ask("code.edit", &alice.team, &dave.user)).await;
        refused(stranger, Code::NotFound, "USER_NOT_FOUND");
        let placeless = explain(&alice, ask("code.edit", "", &bob.user)).await;
        refused(placeless, Code::InvalidArgument, "INVALID_ARGUMENT");

        // The list says the same as the single questions.
        let request = ListEffectivePermissionsRequest {
            team: carol.team.clone(),
            ..ListEffectivePermissionsRequest::default()
        };
        let all = carol.permissions().list_effective_permissions(request).await.unwrap();
        let keys = carol.permissions().list_permissions(ListPermissionsRequest {}).await.unwrap();
        let checks = keys.get_ref().permissions.iter().map(|info| CheckPermissionRequest {
            permission: info.permission.clone(),
            level: Level::Read.into(),
            visibility: Visibility::Team.into(),
            team: carol.team.clone(),
        });
        let batch = BatchCheckPermissionsRequest { checks: checks.collect() };
        let batch = carol.permissions().batch_check_permissions(batch).await.unwrap().into_inner();
        let listed = |key: &str| {
            all.get_ref().permissions.iter().find(|one| one.permission == key).map(|one| one.level)
        };
        for (info, answer) in keys.get_ref().permissions.iter().zip(batch.results) {
            assert_eq!(listed(&info.permission), answer.allowed.then_some(answer.held_level));
        }
    }

    /// A batch is answered whole or not at all.
    async fn a_batch_is_whole(db: TestDb) {
        let world = World::start(db).await;
        let [bob, dave] = world.people(["bob", "dave"]);
        let check = |team: &str, key: &str| CheckPermissionRequest {
            permission: key.to_owned(),
            level: Level::Read.into(),
            team: team.to_owned(),
            ..CheckPermissionRequest::default()
        };
        let ask = async |checks: Vec<CheckPermissionRequest>| {
            bob.permissions().batch_check_permissions(BatchCheckPermissionsRequest { checks }).await
        };
        let good = check(&bob.team, "code.use");
        assert!(ask(vec![good.clone()]).await.unwrap().into_inner().results[0].allowed);
        let foreign = ask(vec![good.clone(), check(&dave.team, "nonsense")]).await;
        refused(foreign, Code::NotFound, "TEAM_NOT_FOUND");
        let broken = ask(vec![good.clone(), check(&bob.team, "nonsense")]).await.unwrap_err();
        assert!(format!("{broken:?}").contains("checks[1].permission"), "{broken:?}");
        for count in [0, 101] {
            let answer = ask(vec![good.clone(); count]).await;
            refused(answer, Code::InvalidArgument, "INVALID_ARGUMENT");
        }
    }

    /// A team has a hundred roles of its own at most.
    async fn a_team_has_not_too_many_roles(db: TestDb) {
        let world = World::start(db).await;
        let carol = world.person("carol");
        for at in 0..100 {
            let role = a_role(&format!("role-{at}"), &[("code.use", Level::Read)]);
            makes(&carol, &carol.team, role).await.unwrap();
        }
        let more = makes(&carol, &carol.team, a_role("more", &[("code.use", Level::Read)])).await;
        refused(more, STATE, "TOO_MANY_ROLES");
    }
}
