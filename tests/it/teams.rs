//! Teams and who is in them.

use std::time::Duration;

use api::permissions::{
    AddMemberRequest, AssignRoleRequest, CreateRoleRequest, CreateTeamRequest, DeleteTeamRequest,
    EffectivePermission, GetTeamRequest, LeaveTeamRequest, Level, ListMembersRequest,
    ListTeamsRequest, Member, RemoveMemberRequest, Role, Team, TeamState, UpdateTeamRequest,
};
use primitives::{Clock as _, SystemClock};
use prost_types::Timestamp;
use testkit::world::shapes::{human, workflow};
use testkit::world::{Person, Refused as _, World, refused};
use tonic::Code;

use crate::directory::{Answer, adds, deactivates, mask, me, newcomer, uuid};

const STATE: Code = Code::FailedPrecondition;
const DENIED: Code = Code::PermissionDenied;
const WRONG: Code = Code::InvalidArgument;
const ABSENT: Code = Code::NotFound;

async fn founds(by: &Person, slug: &str) -> Answer<Team> {
    let team = Team { slug: slug.into(), display_name: slug.to_uppercase(), ..Default::default() };
    let request = CreateTeamRequest { team: Some(team), ..Default::default() };
    Ok(by.directory().create_team(request).await?.into_inner())
}

async fn sees(by: &Person, team: &str) -> Answer<Team> {
    Ok(by.directory().get_team(GetTeamRequest { name: team.to_owned() }).await?.into_inner())
}

async fn lists(by: &Person) -> Vec<Team> {
    by.directory().list_teams(ListTeamsRequest::default()).await.unwrap().into_inner().teams
}

async fn renames(by: &Person, team: Team) -> Answer<Team> {
    let team = Some(Team { display_name: "Renamed".into(), ..team });
    let request = UpdateTeamRequest { team, update_mask: mask(&["*"]), ..Default::default() };
    Ok(by.directory().update_team(request).await?.into_inner())
}

async fn ends(by: &Person, team: &str, force: bool) -> Answer<Team> {
    let request = DeleteTeamRequest { name: team.to_owned(), force, ..Default::default() };
    Ok(by.directory().delete_team(request).await?.into_inner())
}

async fn members(by: &Person, team: &str) -> Answer<Vec<Member>> {
    let request = ListMembersRequest { team: team.to_owned(), ..Default::default() };
    Ok(by.directory().list_members(request).await?.into_inner().members)
}

async fn removes(by: &Person, team: &str, user: &str) -> Answer<()> {
    let request =
        RemoveMemberRequest { team: team.to_owned(), user: user.to_owned(), ..Default::default() };
    by.directory().remove_member(request).await.map(drop)
}

async fn leaves(who: &Person, team: &str) -> Answer<()> {
    let request = LeaveTeamRequest { team: team.to_owned(), ..Default::default() };
    who.directory().leave_team(request).await.map(drop)
}

/// A role that grants one thing, and gives it to somebody.
async fn gives_own_role(by: &Person, to: &Person, slug: &str, key: &str, level: Level) -> Role {
    let permissions = vec![EffectivePermission { permission: key.into(), level: level.into() }];
    let role =
        Role { slug: slug.into(), display_name: slug.into(), permissions, ..Default::default() };
    let request =
        CreateRoleRequest { team: by.team.clone(), role: Some(role), ..Default::default() };
    let role = by.permissions().create_role(request).await.unwrap().into_inner();
    let request = AssignRoleRequest {
        team: by.team.clone(),
        user: to.user.clone(),
        role: role.name.clone(),
        ..Default::default()
    };
    by.permissions().assign_role(request).await.unwrap();
    role
}

#[expect(clippy::unnecessary_wraps, reason = "fields that are messages are optional")]
fn in_seconds(seconds: i64) -> Option<Timestamp> {
    let (now, _) = SystemClock.now().to_seconds_nanos();
    Some(Timestamp { seconds: now + seconds, nanos: 0 })
}

testkit::on_both! {
    /// A team is seen by its members and by those who manage the directory; to everybody else
    /// it is as if it did not exist.
    async fn a_team_is_seen_by_its_own(db: TestDb) {
        let world = World::start(db).await;
        let [gus, dave, erin] = world.people(["gus", "dave", "erin"]);
        let core = world.team("core");
        assert_eq!(sees(&gus, &core).await.unwrap().slug, "core");
        assert_eq!(sees(&erin, &core).await.unwrap(), sees(&gus, &core).await.unwrap());
        let foreign = refused(sees(&dave, &core).await, ABSENT, "TEAM_NOT_FOUND");
        let random = refused(sees(&dave, &World::unused(&core)).await, ABSENT, "TEAM_NOT_FOUND");
        assert_eq!(foreign.refusal(), random.refusal());
        assert_eq!(lists(&dave).await.len(), 1);
        assert_eq!(lists(&erin).await.len(), 2);
        let names: Vec<_> = members(&gus, &core).await.unwrap().into_iter().map(|m| m.display_name).collect();
        assert_eq!(names.len(), 5, "{names:?}");
        assert_eq!(members(&erin, &core).await.unwrap().len(), 5);
        refused(members(&dave, &core).await, ABSENT, "TEAM_NOT_FOUND");
        let page = |page_token| ListMembersRequest { team: core.clone(), page_size: 3, page_token, ..Default::default() };
        let first = gus.directory().list_members(page(String::new())).await.unwrap().into_inner();
        let rest = gus.directory().list_members(page(first.next_page_token)).await.unwrap().into_inner();
        assert_eq!((first.members.len(), rest.members.len(), rest.next_page_token.len()), (3, 2, 0));
        assert!(first.members.iter().all(|one| rest.members.iter().all(|other| one.user < other.user)));
    }

    /// Whose role does not let him look is told so about his own team.
    async fn a_role_that_grants_no_look_shows_no_team(db: TestDb) {
        let world = World::start(db).await;
        let carol = world.person("carol");
        let ann = newcomer(&world, "ann").await;
        adds(&carol, &carol.team, &ann.user, "guest").await.unwrap();
        gives_own_role(&carol, &ann, "auditor", "audit.read", Level::Read).await;
        let held = api::permissions::ListRoleAssignmentsRequest {
            team: carol.team.clone(),
            user: ann.user.clone(),
            ..Default::default()
        };
        let held = carol.permissions().list_role_assignments(held).await.unwrap().into_inner();
        let guest = held.role_assignments.iter().find(|held| held.role == "roles/guest").unwrap();
        let request = api::permissions::UnassignRoleRequest { name: guest.name.clone(), ..Default::default() };
        carol.permissions().unassign_role(request).await.unwrap();
        for answer in [sees(&ann, &carol.team).await.map(drop), members(&ann, &carol.team).await.map(drop)] {
            let status = refused(answer, DENIED, "PERMISSION_DENIED");
            assert_eq!(status.fact("permission").as_deref(), Some("workflows.view"));
        }
        leaves(&ann, &carol.team).await.unwrap();
        refused(sees(&ann, &carol.team).await, ABSENT, "TEAM_NOT_FOUND");
    }

    /// A team's admins change its name, nobody else does.
    async fn a_team_is_renamed_by_its_admins(db: TestDb) {
        let world = World::start(db).await;
        let [alice, carol, dave, erin] = world.people(["alice", "carol", "dave", "erin"]);
        let core = sees(&carol, &carol.team).await.unwrap();
        for person in [&alice, &dave, &erin] {
            refused(renames(person, core.clone()).await, DENIED, "PERMISSION_DENIED");
        }
        let request = UpdateTeamRequest {
            team: Some(Team { display_name: "Kernel".into(), ..core.clone() }),
            update_mask: mask(&["display_name"]),
            validate_only: true,
            ..Default::default()
        };
        let would = carol.directory().update_team(request.clone()).await.unwrap().into_inner();
        assert_eq!((would.display_name.as_str(), &would.etag), ("Kernel", &core.etag));
        assert_eq!(sees(&carol, &carol.team).await.unwrap(), core);
        let slug = UpdateTeamRequest { update_mask: mask(&["slug"]), ..request.clone() };
        let status = refused(carol.directory().update_team(slug).await, WRONG, "INVALID_ARGUMENT");
        assert_eq!(status.fields(), ["update_mask"]);
        let request = UpdateTeamRequest { validate_only: false, request_id: uuid(), ..request };
        let changed = carol.directory().update_team(request.clone()).await.unwrap().into_inner();
        assert_eq!(sees(&alice, &carol.team).await.unwrap(), changed);
        let again = carol.directory().update_team(request).await.unwrap().into_inner();
        assert_eq!(again, changed);
        refused(renames(&carol, core).await, Code::Aborted, "ETAG_MISMATCH");
        let payments = sees(&dave, &dave.team).await.unwrap();
        refused(renames(&carol, payments).await, ABSENT, "TEAM_NOT_FOUND");
    }

    /// A team that owns something ends by force only; one that is made later under the same
    /// slug has nothing of it.
    async fn a_recreated_team_inherits_nothing(db: TestDb) {
        let world = World::start(db).await;
        let [bob, carol, erin] = world.people(["bob", "carol", "erin"]);
        refused(founds(&erin, "core").await, STATE, "SLUG_TAKEN");
        refused(founds(&carol, "more").await, DENIED, "PERMISSION_DENIED");
        for slug in ["admin", "global", "Core", "x"] {
            let status = refused(founds(&erin, slug).await, WRONG, "INVALID_ARGUMENT");
            assert_eq!(status.fields(), ["team.slug"]);
        }
        let flow = carol.creates_workflow(workflow("Work", &carol.team, [human("do")])).await.unwrap();
        gives_own_role(&carol, &bob, "reader", "audit.read", Level::Read).await;
        refused(ends(&carol, &carol.team, true).await, DENIED, "PERMISSION_DENIED");
        refused(ends(&erin, &World::unused(&carol.team), true).await, ABSENT, "TEAM_NOT_FOUND");
        refused(ends(&erin, &carol.team, false).await, STATE, "TEAM_NOT_EMPTY");
        let gone = ends(&erin, &carol.team, true).await.unwrap();
        assert_eq!(gone.state(), TeamState::Deleted);
        refused(bob.sees_workflow(&flow.name).await, ABSENT, "WORKFLOW_NOT_FOUND");
        assert!(me(&bob).await.unwrap().memberships.is_empty());
        refused(ends(&erin, &carol.team, true).await, ABSENT, "TEAM_NOT_FOUND");
        refused(sees(&erin, &carol.team).await, ABSENT, "TEAM_NOT_FOUND");

        let again = founds(&erin, "core").await.unwrap();
        assert_ne!(again.name, carol.team);
        assert!(members(&erin, &again.name).await.unwrap().is_empty());
        let admin = adds(&erin, &again.name, &carol.user, "admin").await.unwrap();
        assert_eq!(admin.roles, ["admin"]);
        refused(carol.sees_workflow(&flow.name).await, ABSENT, "WORKFLOW_NOT_FOUND");
        adds(&carol, &again.name, &bob.user, "developer").await.unwrap();
        let roles = api::permissions::ListRolesRequest { team: again.name, ..Default::default() };
        let roles = carol.permissions().list_roles(roles).await.unwrap().into_inner().roles;
        assert!(roles.iter().all(|role| role.team.is_empty()), "{roles:#?}");
    }

    /// Members come by name or by subject, with a role of the team, and count at once.
    async fn somebody_taken_in_counts_at_once(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol, dave] = world.people(["alice", "bob", "carol", "dave"]);
        let ann = newcomer(&world, "ann").await;
        let core = carol.team.clone();
        let add = AddMemberRequest {
            team: core.clone(),
            subject: "ann".into(),
            role: "roles/developer".into(),
            request_id: uuid(),
            ..Default::default()
        };
        refused(alice.directory().add_member(add.clone()).await, DENIED, "PERMISSION_DENIED");
        refused(dave.directory().add_member(add.clone()).await, DENIED, "PERMISSION_DENIED");
        let both = AddMemberRequest { user: ann.user.clone(), ..add.clone() };
        let past = AddMemberRequest { expire_time: in_seconds(-5), ..add.clone() };
        let neither = AddMemberRequest { subject: String::new(), ..add.clone() };
        for (wrong, field) in [(both, "user"), (neither, "user"), (past, "expire_time")] {
            let status = refused(carol.directory().add_member(wrong).await, WRONG, "INVALID_ARGUMENT");
            assert_eq!(status.fields(), [field]);
        }
        let member = carol.directory().add_member(add.clone()).await.unwrap().into_inner();
        assert_eq!((&member.user, member.roles.as_slice()), (&ann.user, &["developer".to_owned()][..]));
        assert!(members(&ann, &core).await.unwrap().contains(&member));
        let again = carol.directory().add_member(add.clone()).await.unwrap().into_inner();
        assert_eq!(again, member);
        let fresh = AddMemberRequest { request_id: String::new(), ..add.clone() };
        refused(carol.directory().add_member(fresh.clone()).await, STATE, "ALREADY_MEMBER");
        let nobody = AddMemberRequest { subject: "nobody-known".into(), ..fresh.clone() };
        refused(carol.directory().add_member(nobody).await, ABSENT, "USER_NOT_FOUND");
        refused(adds(&carol, &core, &World::unused(&bob.user), "guest").await, ABSENT, "USER_NOT_FOUND");
        for role in ["founder", "base-personal", "no-such", World::unused("roles/x").strip_prefix("roles/").unwrap()] {
            refused(adds(&carol, &core, &dave.user, role).await, ABSENT, "ROLE_NOT_FOUND");
        }
        refused(adds(&carol, &dave.team, &ann.user, "guest").await, ABSENT, "TEAM_NOT_FOUND");
        deactivates(&world.person("erin"), &dave.user).await.unwrap();
        refused(adds(&carol, &core, &dave.user, "guest").await, ABSENT, "USER_NOT_FOUND");
    }

    /// A membership that ends on its own is over then, and can be had again.
    async fn a_membership_ends_on_its_own(db: TestDb) {
        let world = World::start(db).await;
        let carol = world.person("carol");
        let ann = newcomer(&world, "ann").await;
        let add = AddMemberRequest {
            team: carol.team.clone(),
            user: ann.user.clone(),
            role: "roles/guest".into(),
            expire_time: in_seconds(3),
            ..Default::default()
        };
        let first = carol.directory().add_member(add.clone()).await.unwrap().into_inner();
        sees(&ann, &carol.team).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        refused(sees(&ann, &carol.team).await, ABSENT, "TEAM_NOT_FOUND");
        refused(removes(&carol, &carol.team, &ann.user).await, ABSENT, "USER_NOT_FOUND");
        let add = AddMemberRequest { expire_time: None, ..add };
        let second = carol.directory().add_member(add).await.unwrap().into_inner();
        assert!(second.join_time.unwrap().seconds > first.join_time.unwrap().seconds);
        sees(&ann, &carol.team).await.unwrap();
    }

    /// Nobody gives or takes more than he holds himself.
    async fn nobody_gives_or_takes_above_his_own_level(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, carol] = world.people(["alice", "bob", "carol"]);
        let ann = newcomer(&world, "ann").await;
        gives_own_role(&carol, &alice, "keeper", "team.manage", Level::Write).await;
        let core = &carol.team;
        let status = refused(adds(&alice, core, &ann.user, "admin").await, DENIED, "PERMISSION_DENIED");
        assert_eq!(status.fact("level").as_deref(), Some("ADMIN"));
        refused(removes(&alice, core, &carol.user).await, DENIED, "PERMISSION_DENIED");
        refused(removes(&bob, core, &carol.user).await, DENIED, "PERMISSION_DENIED");
        adds(&alice, core, &ann.user, "developer").await.unwrap();
        removes(&alice, core, &ann.user).await.unwrap();
        refused(sees(&ann, core).await, ABSENT, "TEAM_NOT_FOUND");
        removes(&alice, core, &alice.user).await.unwrap();
        refused(sees(&alice, core).await, ABSENT, "TEAM_NOT_FOUND");
    }

    /// Those who manage the directory appoint the first admin of a team, and nobody else.
    async fn the_first_admin_is_appointed(db: TestDb) {
        let world = World::start(db).await;
        let [dave, erin] = world.people(["dave", "erin"]);
        let [ann, abe] = [newcomer(&world, "ann").await, newcomer(&world, "abe").await];
        let payments = world.team("payments");
        refused(adds(&erin, &payments, &ann.user, "member").await, DENIED, "PERMISSION_DENIED");
        adds(&erin, &payments, &ann.user, "admin").await.unwrap();
        let status = refused(adds(&erin, &payments, &abe.user, "admin").await, DENIED, "PERMISSION_DENIED");
        assert_eq!(status.fact("permission").as_deref(), Some("team.manage"));
        refused(removes(&erin, &payments, &dave.user).await, DENIED, "PERMISSION_DENIED");
        adds(&ann, &payments, &abe.user, "admin").await.unwrap();
        deactivates(&erin, &ann.user).await.unwrap();
        deactivates(&erin, &abe.user).await.unwrap();
        let zoe = newcomer(&world, "zoe").await;
        adds(&erin, &payments, &zoe.user, "admin").await.unwrap();
    }

    /// Somebody always manages a team that somebody manages; a retry of leaving is answered
    /// as the first time.
    async fn the_last_admin_stays(db: TestDb) {
        let world = World::start(db).await;
        let [bob, carol] = world.people(["bob", "carol"]);
        let core = carol.team.clone();
        refused(leaves(&carol, &core).await, STATE, "LAST_ADMIN");
        refused(removes(&carol, &core, &carol.user).await, STATE, "LAST_ADMIN");
        let ann = newcomer(&world, "ann").await;
        let add = AddMemberRequest {
            team: core.clone(),
            user: ann.user.clone(),
            role: "roles/admin".into(),
            expire_time: in_seconds(3_600),
            ..Default::default()
        };
        carol.directory().add_member(add).await.unwrap();
        refused(leaves(&carol, &core).await, STATE, "LAST_ADMIN");
        removes(&carol, &core, &ann.user).await.unwrap();
        adds(&carol, &core, &ann.user, "admin").await.unwrap();
        let leave = LeaveTeamRequest { team: core.clone(), request_id: uuid() };
        carol.directory().leave_team(leave.clone()).await.unwrap();
        carol.directory().leave_team(leave).await.unwrap();
        refused(leaves(&carol, &core).await, ABSENT, "TEAM_NOT_FOUND");
        let remove = RemoveMemberRequest { team: core.clone(), user: bob.user.clone(), request_id: uuid() };
        ann.directory().remove_member(remove.clone()).await.unwrap();
        ann.directory().remove_member(remove).await.unwrap();
        refused(removes(&ann, &core, &bob.user).await, ABSENT, "USER_NOT_FOUND");
        let records = world.probe().recorded().await;
        assert_eq!(records.iter().filter(|record| record.action == "team.member.removed").count(), 3);
    }

    /// Two admins who take each other out at once: one of them stays.
    async fn two_admins_cannot_remove_each_other_at_once(db: TestDb) {
        let world = World::start(db).await;
        let [carol, erin] = world.people(["carol", "erin"]);
        let core = carol.team.clone();
        for round in 0..5 {
            let team = founds(&erin, &format!("race-{round}")).await.unwrap().name;
            let [ann, abe] = [newcomer(&world, &format!("ann{round}")).await, newcomer(&world, &format!("abe{round}")).await];
            adds(&erin, &team, &ann.user, "admin").await.unwrap();
            adds(&ann, &team, &abe.user, "admin").await.unwrap();
            let abe = abe.over(world.another_channel());
            let (one, other) = tokio::join!(removes(&ann, &team, &abe.user), removes(&abe, &team, &ann.user));
            let lost = match (one, other) {
                (Ok(()), Err(status)) | (Err(status), Ok(())) => status,
                both => panic!("{both:?}"),
            };
            // The loser holds nothing any more.
            assert!([DENIED, ABSENT].contains(&lost.code()), "{lost:?}");
            assert_eq!(members(&erin, &team).await.unwrap().len(), 1);
        }
        assert_eq!(members(&carol, &core).await.unwrap().len(), 5);
    }
}
