//! [`RoleTx`](directory::store::RoleTx) and the lists of roles: what teams make for
//! themselves, and who holds what.

use directory::store::{HoldingFilter, StoreError};
use directory::{Holding, TeamRole};
use permissions::{AssignmentScope, AssignmentSource, Key, Level, Levels, Role, TeamRead};
use primitives::{PageRequest, RoleAssignmentId, RoleId, TeamId, Timestamp, UserId};

use super::directory::{change, clear, current, epoch, founder};
use super::values::at;
use super::{Stand, all_pages};

/// A role of a team.
pub(super) fn team_role(team: TeamId, slug: &str) -> TeamRole {
    let levels =
        Levels::NONE.with(Key::WorkflowsView, Level::Read).with(Key::TeamManage, Level::Admin);
    TeamRole {
        id: RoleId::generate(),
        team,
        slug: slug.into(),
        display_name: "Größe ✓".into(),
        levels,
        created_at: at(10),
        version: 1,
    }
}

/// A role held without an end.
pub(super) fn held(user: UserId, scope: AssignmentScope, role: impl Into<Role>) -> Holding {
    Holding {
        id: RoleAssignmentId::generate(),
        user,
        scope,
        role: role.into(),
        source: AssignmentSource::Given,
        creator: Some(user),
        created_at: at(10),
        expires_at: None,
    }
}

fn stale<T: std::fmt::Debug>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Stale))
}

async fn add_roles(stand: &Stand, roles: &[TeamRole]) {
    let founder = founder(stand).await;
    let mut tx = change(stand, stand.erin).await;
    for role in roles {
        tx.add_role(clear(&founder, role.clone())).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn put(stand: &Stand, holdings: &[Holding]) {
    let founder = founder(stand).await;
    let mut tx = change(stand, stand.erin).await;
    for holding in holdings {
        let stored = tx.put_holding(clear(&founder, holding.clone())).await.unwrap();
        assert_eq!(&stored, holding);
    }
    tx.commit().await.unwrap();
}

/// Roles are read back whole, those of a team by slug; a change of what they grant raises the
/// epoch, one of their name for people does not.
pub async fn roles_come_back_as_they_were_stored(stand: Stand) {
    let founder = founder(&stand).await;
    let (b, a) = (team_role(stand.core, "b-role"), team_role(stand.core, "a-role"));
    let foreign = team_role(stand.other, "a-role");
    let before = epoch(&stand).await;
    add_roles(&stand, &[b.clone(), a.clone(), foreign.clone()]).await;
    assert_eq!(epoch(&stand).await, before, "nobody holds a new role");

    let mut tx = change(&stand, stand.erin).await;
    assert_eq!(tx.find_role(b.id).await.unwrap(), Some(b.clone()));
    assert_eq!(tx.find_role(RoleId::generate()).await.unwrap(), None);
    assert_eq!(tx.roles_of(stand.core).await.unwrap(), [a.clone(), b.clone()]);
    assert_eq!(tx.roles_of(stand.other).await.unwrap(), [foreign]);
    let renamed = TeamRole { display_name: "Other".into(), ..a.clone() };
    tx.save_role(clear(&founder, renamed.clone())).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(epoch(&stand).await, before);

    let levels = Levels::NONE.with(Key::CodeUse, Level::Write);
    let weaker = TeamRole { levels, version: 2, ..renamed };
    let mut tx = change(&stand, stand.erin).await;
    tx.save_role(clear(&founder, weaker.clone())).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(epoch(&stand).await, before + 1, "levels");
    let mut tx = change(&stand, stand.erin).await;
    let respelt = TeamRole { slug: "c-role".into(), version: 3, ..weaker };
    tx.save_role(clear(&founder, respelt.clone())).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(epoch(&stand).await, before + 2, "the name that the policy knows");
    let mut tx = change(&stand, stand.erin).await;
    assert_eq!(tx.find_role(a.id).await.unwrap(), Some(TeamRole { version: 4, ..respelt }));
}

/// A slug names one role of a team; versions are minded; a role stays with its team.
pub async fn slugs_and_versions_of_roles_are_minded(stand: Stand) {
    let founder = founder(&stand).await;
    let (one, two) = (team_role(stand.core, "one"), team_role(stand.core, "two"));
    add_roles(&stand, &[one.clone(), two.clone(), team_role(stand.other, "one")]).await;

    let mut tx = change(&stand, stand.erin).await;
    assert!(stale(&tx.add_role(clear(&founder, team_role(stand.core, "one"))).await));
    drop(tx);
    let respelt = TeamRole { slug: "one".into(), ..two.clone() };
    let older = TeamRole { version: 0, ..two.clone() };
    let newer = TeamRole { version: 2, ..two.clone() };
    let moved = TeamRole { team: stand.other, ..two.clone() };
    let absent = TeamRole { id: RoleId::generate(), slug: "three".into(), ..two.clone() };
    for wrong in [respelt, older.clone(), newer.clone(), moved, absent.clone()] {
        let mut tx = change(&stand, stand.erin).await;
        assert!(stale(&tx.save_role(clear(&founder, wrong.clone())).await), "{wrong:?}");
    }
    for wrong in [older, newer, absent] {
        let mut tx = change(&stand, stand.erin).await;
        assert!(stale(&tx.remove_role(clear(&founder, wrong.clone())).await), "{wrong:?}");
    }
    let mut tx = change(&stand, stand.erin).await;
    assert_eq!(tx.roles_of(stand.core).await.unwrap(), [one, two]);
}

/// A role goes with what ended of it and what deactivated users hold, and with nothing else.
pub async fn a_removed_role_leaves_nothing_held(stand: Stand) {
    let founder = founder(&stand).await;
    let (gone, kept) = (team_role(stand.core, "gone"), team_role(stand.core, "kept"));
    add_roles(&stand, &[gone.clone(), kept.clone()]).await;
    let place = AssignmentScope::Team(stand.core);
    let ended =
        Holding { expires_at: Some(at(1)), ..held(stand.bob, place, Role::Custom(gone.id)) };
    let other = held(stand.bob, place, Role::Custom(kept.id));
    put(&stand, &[ended.clone(), other.clone()]).await;

    let before = epoch(&stand).await;
    let mut tx = change(&stand, stand.erin).await;
    tx.remove_role(clear(&founder, gone.clone())).await.unwrap();
    assert_eq!(tx.find_role(gone.id).await.unwrap(), None);
    assert_eq!(tx.find_holding(ended.id).await.unwrap(), None);
    assert_eq!(tx.find_holding(other.id).await.unwrap(), Some(other));
    tx.commit().await.unwrap();
    assert_eq!(epoch(&stand).await, before + 1, "a holding went");

    let before = epoch(&stand).await;
    let mut tx = change(&stand, stand.erin).await;
    let spare = team_role(stand.core, "spare");
    tx.add_role(clear(&founder, spare.clone())).await.unwrap();
    tx.remove_role(clear(&founder, spare)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(epoch(&stand).await, before, "nobody held it");
}

/// Roles of teams that are seen and asked for, oldest first.
pub async fn roles_are_listed_of_seen_teams(stand: Stand) {
    let roles: Vec<_> = (0..7)
        .map(|number| TeamRole {
            created_at: at(number / 2),
            ..team_role(stand.core, &format!("r{}", 9 - number))
        })
        .collect();
    add_roles(&stand, &roles).await;
    add_roles(&stand, &[team_role(stand.other, "foreign")]).await;

    let store = &stand.ports.directory;
    let scope = current(&stand, stand.alice).await.scope();
    let teams = [stand.core, stand.other, TeamId::generate()];
    let seen = all_pages(3, |page| store.list_roles(&scope, &teams, page), async || ()).await;
    let mut expected = roles.clone();
    expected.sort_by_key(|role| (role.created_at, role.id));
    assert_eq!(seen, expected);
    let page = PageRequest::first();
    for teams in [&[][..], &[stand.other]] {
        assert!(store.list_roles(&scope, teams, page).await.unwrap().items.is_empty());
    }
}

/// The same role in the same place is one row: its end, source and creator change, its name
/// and age do not. What changes nothing raises no epoch.
pub async fn a_role_is_held_once_in_a_place(stand: Stand) {
    let founder = founder(&stand).await;
    let place = AssignmentScope::Team(stand.core);
    let first = held(stand.dave, place, "guest");
    let before = epoch(&stand).await;
    put(&stand, std::slice::from_ref(&first)).await;
    assert_eq!(epoch(&stand).await, before + 1);

    let second = Holding {
        source: AssignmentSource::Claim,
        creator: None,
        created_at: at(99),
        expires_at: Some(at(500)),
        ..held(stand.dave, place, "guest")
    };
    let standing = Holding { id: first.id, created_at: first.created_at, ..second.clone() };
    for (round, rises) in [(0, 1), (1, 0)] {
        let before = epoch(&stand).await;
        let mut tx = change(&stand, stand.erin).await;
        let stored = tx.put_holding(clear(&founder, second.clone())).await.unwrap();
        assert_eq!(stored, standing, "{round}");
        assert_eq!(tx.find_holding(first.id).await.unwrap(), Some(standing.clone()));
        assert_eq!(tx.find_holding(second.id).await.unwrap(), None);
        tx.commit().await.unwrap();
        assert_eq!(epoch(&stand).await - before, rises, "{round}");
    }
    // Elsewhere, and another role there, are rows of their own.
    let elsewhere = held(stand.dave, AssignmentScope::System, "guest");
    let another = held(stand.dave, place, "member");
    put(&stand, &[elsewhere, another]).await;
    let mut tx = change(&stand, stand.erin).await;
    assert_eq!(tx.holdings_of(stand.dave).await.unwrap().len(), 4);
}

/// Who holds what in a place: active users, until the end and not a moment longer.
pub async fn holdings_are_of_active_users_now(stand: Stand) {
    let place = AssignmentScope::Team(stand.core);
    let role = |user, role: &str, age, end: Option<Timestamp>| Holding {
        created_at: at(age),
        expires_at: end,
        ..held(user, place, role)
    };
    let ends = role(stand.dave, "guest", -1, Some(at(50)));
    let stays = role(stand.dave, "member", -2, None);
    put(&stand, &[ends.clone(), stays.clone()]).await;
    put(&stand, &[held(stand.dave, AssignmentScope::System, "support")]).await;

    let mut tx = change(&stand, stand.erin).await;
    let users = async |tx: &mut dyn directory::store::DirectoryTx, now| {
        let held = tx.holdings_in(place, now).await.unwrap();
        held.into_iter().map(|held| held.id).collect::<Vec<_>>()
    };
    let before = users(tx.as_mut(), at(49)).await;
    assert_eq!(before.len(), 5);
    let places: Vec<_> =
        [&stays, &ends].map(|held| before.iter().position(|id| *id == held.id)).into();
    assert!(places[0] < places[1], "oldest first: {places:?}");
    let after = users(tx.as_mut(), at(50)).await;
    assert_eq!(after, before.iter().copied().filter(|id| *id != ends.id).collect::<Vec<_>>());
    let system = tx.holdings_in(AssignmentScope::System, at(0)).await.unwrap();
    let mut holders: Vec<_> = system.iter().map(|held| held.user).collect();
    holders.sort_unstable();
    let mut expected = vec![stand.dave, stand.erin];
    expected.sort_unstable();
    assert_eq!(holders, expected);
    drop(tx);

    stand.ports.admin.set_active(stand.dave, false).await.unwrap();
    let mut tx = change(&stand, stand.erin).await;
    assert_eq!(users(tx.as_mut(), at(49)).await.len(), 3, "deactivated users hold nothing");
    let all = tx.holdings_of(stand.dave).await.unwrap();
    assert_eq!(all.len(), 4, "but what they held is kept: {all:?}");
}

/// Exactly those: what is gone already fails the whole change.
pub async fn holdings_are_removed_exactly(stand: Stand) {
    let founder = founder(&stand).await;
    let place = AssignmentScope::Team(stand.core);
    let holdings: Vec<_> =
        ["guest", "member", "developer"].map(|role| held(stand.dave, place, role)).into();
    put(&stand, &holdings).await;
    let (gone, kept) = holdings.split_at(1);

    let before = epoch(&stand).await;
    let mut tx = change(&stand, stand.erin).await;
    tx.remove_holdings(vec![]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(epoch(&stand).await, before);
    let mut tx = change(&stand, stand.erin).await;
    tx.remove_holdings(vec![clear(&founder, gone[0].clone())]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(epoch(&stand).await, before + 1);

    let mut tx = change(&stand, stand.erin).await;
    let all = holdings.iter().map(|held| clear(&founder, held.clone())).collect();
    assert!(stale(&tx.remove_holdings(all).await));
    assert!(tx.commit().await.is_err());
    let mut tx = change(&stand, stand.erin).await;
    for held in kept {
        assert_eq!(tx.find_holding(held.id).await.unwrap().as_ref(), Some(held));
    }
    assert_eq!(tx.find_holding(gone[0].id).await.unwrap(), None);
}

/// What is held in a team, page by page; of one user when asked for.
pub async fn holdings_are_paged(stand: Stand) {
    let place = AssignmentScope::Team(stand.core);
    let mut rows: Vec<_> = ["guest", "member", "developer", "lead", "admin"]
        .into_iter()
        .enumerate()
        .map(|(number, role)| Holding {
            created_at: at(i64::try_from(number / 2).unwrap()),
            ..held(stand.dave, place, role)
        })
        .collect();
    put(&stand, &rows).await;
    let ended = Holding { expires_at: Some(at(5)), ..held(stand.erin, place, "guest") };
    put(&stand, &[ended]).await;

    let store = &stand.ports.directory;
    let carol = current(&stand, stand.carol).await;
    let manages = carol.require::<TeamRead>().unwrap().admit_in(stand.team()).unwrap();
    let scope = carol.scope();
    let read = async |user, size| {
        let filter = HoldingFilter { user };
        let read = |page| store.list_holdings(&scope, &manages, filter, at(5), page);
        all_pages(size, read, async || ()).await
    };
    rows.sort_by_key(|held| (held.created_at, held.id));
    assert_eq!(read(Some(stand.dave), 2).await, rows);
    let all = read(None, 3).await;
    assert_eq!(all.len(), 8);
    assert!(all.is_sorted_by_key(|held| (held.created_at, held.id)));
    assert!(read(Some(stand.erin), 10).await.is_empty(), "what has ended");
    // Proof and scope of different people: the scope's reach decides.
    let foreign = stand.scope(stand.erin);
    let page = PageRequest::first();
    let filter = HoldingFilter::default();
    let shown = store.list_holdings(&foreign, &manages, filter, at(5), page).await.unwrap();
    assert!(shown.items.is_empty());

    stand.ports.admin.set_active(stand.dave, false).await.unwrap();
    let scope = current(&stand, stand.carol).await.scope();
    let shown = store.list_holdings(&scope, &manages, filter, at(5), page).await.unwrap();
    assert_eq!(shown.items.len(), 3);
}
