//! A right that is taken away is gone at once, at every process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use api::agent::{ListEnginesRequest, RouteRequest};
use api::permissions::{
    AddMemberRequest, AssignRoleRequest, CreateRoleRequest, DeactivateUserRequest,
    EffectivePermission, GetMeRequest, Level, ListPermissionsRequest, ListRoleAssignmentsRequest,
    ListRolesRequest, RemoveMemberRequest, Role, UnassignRoleRequest, UpdateRoleRequest,
    UpdateUserRequest, User, UserState,
};
use prost_types::FieldMask;
use testkit::database::TestDb;
use testkit::world::shapes::{human, item, workflow};
use testkit::world::{Person, World};
use tonic::{Code, Status};

const CYCLES: usize = 500;

/// When a call began and ended, if it succeeded.
type Success = (Instant, Instant);

/// Two administrators at one process, and who loses his rights at another one.
struct Cast {
    carol: Person,
    erin: Person,
    bob: Person,
    flow: String,
    /// Grants what it takes to make items, or only to look, in turn.
    custom: Role,
}

fn grants(level: Level) -> Vec<EffectivePermission> {
    let one = |key: &str, level: Level| EffectivePermission {
        permission: key.to_owned(),
        level: level.into(),
    };
    vec![one("workflows.view", Level::Read), one("workflows.create", level)]
}

impl Cast {
    async fn adds(&self, role: &str) {
        let request = AddMemberRequest {
            team: self.bob.team.clone(),
            user: self.bob.user.clone(),
            role: role.to_owned(),
            ..AddMemberRequest::default()
        };
        self.carol.directory().add_member(request).await.unwrap();
    }

    async fn assigns(&self, role: &str) {
        let request = AssignRoleRequest {
            team: self.bob.team.clone(),
            user: self.bob.user.clone(),
            role: role.to_owned(),
            ..AssignRoleRequest::default()
        };
        self.carol.permissions().assign_role(request).await.unwrap();
    }

    async fn unassigns(&self, role: &str) {
        let request = ListRoleAssignmentsRequest {
            team: self.bob.team.clone(),
            user: self.bob.user.clone(),
            ..ListRoleAssignmentsRequest::default()
        };
        let held = self.carol.permissions().list_role_assignments(request).await.unwrap();
        let held = held.into_inner().role_assignments;
        let name = held.into_iter().find(|held| held.role == role).unwrap().name;
        let request = UnassignRoleRequest { name, ..UnassignRoleRequest::default() };
        self.carol.permissions().unassign_role(request).await.unwrap();
    }

    async fn removes(&self) {
        let request = RemoveMemberRequest {
            team: self.bob.team.clone(),
            user: self.bob.user.clone(),
            ..RemoveMemberRequest::default()
        };
        self.carol.directory().remove_member(request).await.unwrap();
    }

    async fn levels(&mut self, level: Level) {
        let request = UpdateRoleRequest {
            role: Some(Role { permissions: grants(level), ..self.custom.clone() }),
            update_mask: Some(FieldMask { paths: vec!["permissions".to_owned()] }),
            ..UpdateRoleRequest::default()
        };
        self.custom = self.carol.permissions().update_role(request).await.unwrap().into_inner();
    }

    async fn deactivates(&self) -> User {
        let request = DeactivateUserRequest {
            name: self.bob.user.clone(),
            ..DeactivateUserRequest::default()
        };
        self.erin.directory().deactivate_user(request).await.unwrap().into_inner()
    }

    async fn brings_back(&self, gone: User) {
        let request = UpdateUserRequest {
            user: Some(User { state: UserState::Active.into(), ..gone }),
            update_mask: Some(FieldMask { paths: vec!["state".to_owned()] }),
            ..UpdateUserRequest::default()
        };
        self.erin.directory().update_user(request).await.unwrap();
    }

    /// Something that needs the right that is taken.
    async fn tries(&self, bob: &Person) -> Result<(), Status> {
        bob.creates_item(item(&self.flow, "Something")).await.map(drop)
    }
}

/// Calls that need nothing but to be an active user.
async fn anything(bob: &Person, cycle: usize) -> Result<(), Status> {
    match cycle % 5 {
        0 => bob.directory().get_me(GetMeRequest {}).await.map(drop),
        1 => {
            let request = RouteRequest { input: "Fix it".to_owned(), ..RouteRequest::default() };
            bob.routes(request).await.map(drop)
        }
        2 => bob.agent().list_engines(ListEnginesRequest {}).await.map(drop),
        3 => bob.permissions().list_roles(ListRolesRequest::default()).await.map(drop),
        _ => bob.permissions().list_permissions(ListPermissionsRequest {}).await.map(drop),
    }
}

/// Over two processes on one database: nothing that begins after a revocation was
/// acknowledged succeeds, at either of them, and what is given back holds from the next call.
#[tokio::test]
async fn nothing_succeeds_after_the_acknowledgement() {
    let world = World::in_child(TestDb::postgres().await, None).await;
    let other = world.process();
    let [carol, erin, bob] = world.people(["carol", "erin", "bob"]);
    let flow = workflow("Work", &carol.team, [human("do")]);
    let flow = carol.creates_workflow(flow).await.unwrap().name;
    let role = Role {
        slug: "maker".to_owned(),
        display_name: "Maker".to_owned(),
        permissions: grants(Level::Write),
        ..Role::default()
    };
    let request = CreateRoleRequest {
        team: carol.team.clone(),
        role: Some(role),
        ..CreateRoleRequest::default()
    };
    let custom = carol.permissions().create_role(request).await.unwrap().into_inner();
    let there = bob.over(other.channel());
    let here = bob.clone();
    let mut cast = Cast { carol, erin, bob, flow, custom };

    let stop = Arc::new(AtomicBool::new(false));
    let background = {
        let (there, flow, stop) = (there.clone(), cast.flow.clone(), stop.clone());
        tokio::spawn(async move {
            let mut successes: Vec<Success> = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                if there.creates_item(item(&flow, "In between")).await.is_ok() {
                    successes.push((began, Instant::now()));
                }
            }
            successes
        })
    };

    let mut without: Vec<Success> = Vec::new();
    for cycle in 0..CYCLES {
        let gone = match cycle % 5 {
            0 => {
                cast.assigns("roles/guest").await;
                cast.unassigns("roles/developer").await;
                None
            }
            1 | 2 => {
                cast.removes().await;
                None
            }
            3 => Some(cast.deactivates().await),
            _ => {
                cast.assigns(&cast.custom.name.clone()).await;
                cast.unassigns("roles/developer").await;
                cast.levels(Level::Read).await;
                None
            }
        };
        let acknowledged = Instant::now();
        let callers = [&there, &here];
        let (first, second) = if cycle % 2 == 0 { (0, 1) } else { (1, 0) };
        for at in [first, second] {
            let refused = cast.tries(callers[at]).await.expect_err("a call after the revocation");
            let expected = match cycle % 5 {
                0 | 4 => Code::PermissionDenied,
                3 => Code::Unauthenticated,
                _ => Code::NotFound,
            };
            assert_eq!(refused.code(), expected, "cycle {cycle}: {refused:?}");
            if gone.is_some() {
                let refused = anything(callers[at], cycle / 5).await.expect_err("a stranger");
                assert_eq!(refused.code(), Code::Unauthenticated, "cycle {cycle}: {refused:?}");
            }
        }
        without.push((acknowledged, Instant::now()));
        match (cycle % 5, gone) {
            (_, Some(gone)) => {
                cast.brings_back(gone).await;
                cast.adds("roles/developer").await;
            }
            (1 | 2, None) => cast.adds("roles/developer").await,
            (0, None) => {
                cast.assigns("roles/developer").await;
                cast.unassigns("roles/guest").await;
            }
            _ => {
                cast.levels(Level::Write).await;
                cast.tries(&there).await.expect("a role that grants again");
                cast.assigns("roles/developer").await;
                cast.unassigns(&cast.custom.name.clone()).await;
            }
        }
        cast.tries(callers[first]).await.expect("a call after the right was given back");
    }
    stop.store(true, Ordering::Relaxed);
    let successes = background.await.unwrap();
    assert!(successes.len() > 100, "{} calls in between", successes.len());
    for (acknowledged, given_back) in without {
        let within = |(began, ended): &&Success| *began > acknowledged && *ended < given_back;
        assert!(!successes.iter().any(|call| within(&call)), "a call came through");
    }
}
