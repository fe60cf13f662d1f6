//! The lists of [`DirectoryStore`](directory::store::DirectoryStore): users, teams and members.

use directory::store::Reach;
use directory::{Holding, Team, User};
use permissions::{AssignmentScope, DirectoryRead, Role, UserKind};
use primitives::{PageRequest, TeamId, Timestamp};

use super::directory::{add_team, change, clear, current, delete_team, founder, person, team};
use super::roles::{held, team_role};
use super::values::{at, never};
use super::{Stand, agent, all_pages};

/// Newest first; whoever is deactivated only when asked for; system roles that hold now.
pub async fn users_are_listed_newest_first(stand: Stand) {
    let founder = founder(&stand).await;
    let made: Vec<_> = (0..7)
        .map(|number| User { created_at: at(number / 2), ..person(&format!("p{number}")) })
        .collect();
    let mut tx = change(&stand, stand.erin).await;
    for user in &made {
        tx.add_user(clear(&founder, user.clone())).await.unwrap();
    }
    let system = |role, expires_at| Holding {
        expires_at,
        ..held(made[3].id, AssignmentScope::System, role)
    };
    tx.put_holding(clear(&founder, system("support", Some(never())))).await.unwrap();
    tx.put_holding(clear(&founder, system("founder", Some(at(1))))).await.unwrap();
    tx.commit().await.unwrap();
    stand.ports.admin.set_active(made[5].id, false).await.unwrap();

    let founder = current(&stand, stand.erin).await;
    let grant = founder.require::<DirectoryRead>().unwrap().admit_system().unwrap();
    let scope = founder.scope();
    let (store, scope, grant) = (&stand.ports.directory, &scope, &grant);
    let all = all_pages(3, |page| store.list_users(scope, grant, true, page), async || ()).await;
    let keys: Vec<_> = all.iter().map(|view| (view.user.created_at, view.user.id)).collect();
    agent::assert_newest_first(&keys, 12);
    let gone = all.iter().find(|view| view.user.id == made[5].id).unwrap();
    assert!(!gone.user.active && gone.user.deactivated_at.is_some());
    assert_eq!(gone.user.version, 2, "whoever holds an older etag is told");
    let named = |id| {
        let view = all.iter().find(|view| view.user.id == id).unwrap();
        view.system_roles.iter().map(String::as_str).collect::<Vec<_>>()
    };
    assert_eq!(named(stand.erin), ["founder"]);
    assert_eq!(named(made[3].id), ["support"], "what has ended is not shown");
    assert!(named(stand.carol).is_empty(), "roles in teams are not system roles");

    let active =
        all_pages(5, |page| store.list_users(scope, grant, false, page), async || ()).await;
    let without: Vec<_> = all.iter().filter(|view| view.user.id != made[5].id).cloned().collect();
    assert_eq!(active, without);
}

/// A team is seen by its members and by the directory; deleted, by nobody.
pub async fn teams_are_read_within_reach(stand: Stand) {
    let founder = founder(&stand).await;
    for number in 0..4 {
        let row = Team { created_at: at(number / 2), ..team(&format!("t{number}")) };
        add_team(&stand, &row).await;
    }
    let gone = team("gone");
    add_team(&stand, &gone).await;
    delete_team(&stand, gone.id).await;
    drop(founder);

    let store = &stand.ports.directory;
    let founder = current(&stand, stand.erin).await;
    let everything = Reach::of(&founder);
    let alices = Reach::of(&stand.caller(stand.alice));
    let get = async |reach: &Reach, id| store.get_team(reach, id).await.unwrap();
    assert_eq!(get(&everything, stand.core).await.unwrap().slug, "core");
    assert_eq!(get(&everything, gone.id).await, None);
    assert_eq!(get(&alices, stand.core).await.unwrap().slug, "core");
    assert_eq!(get(&alices, stand.other).await, None);
    assert_eq!(get(&alices, TeamId::generate()).await, None);

    let all = all_pages(2, |page| store.list_teams(&everything, page), async || ()).await;
    let keys: Vec<_> = all.iter().map(|team| (team.created_at, team.id)).collect();
    agent::assert_newest_first(&keys, 6);
    let seen = store.list_teams(&alices, PageRequest::first()).await.unwrap().items;
    assert_eq!(seen.iter().map(|team| team.id).collect::<Vec<_>>(), [stand.core]);
    stand.ports.admin.revoke(stand.erin, AssignmentScope::System, "founder").await.unwrap();
    let nobodys = Reach::of(&current(&stand, stand.erin).await);
    assert!(store.list_teams(&nobodys, PageRequest::first()).await.unwrap().items.is_empty());
    assert_eq!(get(&nobodys, stand.core).await, None);
}

/// One row a user, with all roles he holds now, since the oldest of them.
pub async fn members_are_listed_once(stand: Stand) {
    let founder = founder(&stand).await;
    let place = AssignmentScope::Team(stand.core);
    let own = team_role(stand.core, "reviewer");
    let users: Vec<_> = (0..5).map(|number| person(&format!("m{number}"))).collect();
    let mut tx = change(&stand, stand.erin).await;
    tx.add_role(clear(&founder, own.clone())).await.unwrap();
    for user in &users {
        tx.add_user(clear(&founder, user.clone())).await.unwrap();
        for (role, created_at, expires_at) in [
            ("member".into(), at(3), None),
            (Role::Custom(own.id), at(1), Some(at(100))),
            ("guest".into(), at(0), Some(at(50))),
        ] {
            let holding = held(user.id, place, role);
            let holding = Holding { created_at, expires_at, ..holding };
            tx.put_holding(clear(&founder, holding)).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    stand.ports.admin.set_active(users[4].id, false).await.unwrap();
    stand.authorizer.refresh().await.unwrap();

    let store = &stand.ports.directory;
    let reach = Reach::of(&stand.caller(stand.alice));
    let read = async |now: Timestamp, size| {
        let read = |page| store.list_members(&reach, stand.core, now, page);
        all_pages(size, read, async || ()).await
    };
    let members = read(at(60), 2).await;
    let mut expected: Vec<_> = users[..4].iter().map(|user| user.id).collect();
    expected.extend([stand.alice, stand.bob, stand.carol]);
    expected.sort_unstable();
    assert_eq!(members.iter().map(|member| member.user).collect::<Vec<_>>(), expected);
    let member = members.iter().find(|member| member.user == users[0].id).unwrap();
    assert_eq!(member.roles, ["member", "reviewer"]);
    assert_eq!((member.joined_at, member.kind), (at(1), UserKind::Person));
    assert_eq!(member.display_name, "Größe ✓");

    let earlier = read(at(49), 3).await;
    let member = earlier.iter().find(|member| member.user == users[0].id).unwrap();
    assert_eq!(member.roles, ["guest", "member", "reviewer"]);
    assert_eq!(member.joined_at, at(0));
    let later = read(at(100), 100).await;
    let member = later.iter().find(|member| member.user == users[0].id).unwrap();
    assert_eq!(
        (member.roles.as_slice(), member.joined_at),
        (["member".to_owned()].as_slice(), at(3))
    );

    let page = PageRequest::first();
    let daves = Reach::of(&stand.caller(stand.dave));
    let foreign = store.list_members(&daves, stand.core, at(0), page).await.unwrap();
    assert!(foreign.items.is_empty() && foreign.next.is_none());
    let everything = Reach::of(&stand.caller(stand.erin));
    let seen = store.list_members(&everything, stand.core, at(60), page).await.unwrap();
    assert_eq!(seen.items, members);
    delete_team(&stand, stand.core).await;
    let everything = Reach::of(&current(&stand, stand.erin).await);
    let seen = store.list_members(&everything, stand.core, at(60), page).await.unwrap();
    assert!(seen.items.is_empty(), "a deleted team has no members");
}
