//! Stages where people take turns, and queues with a name.

use std::collections::BTreeMap;

use api::permissions::{
    AssignRoleRequest, ListUsersRequest, RemoveMemberRequest, UpdateUserRequest, User,
};
use api::workflow::{
    Assignment, AssignmentType, ExplainWorkItemRequest, ExplainWorkItemResponse, ListQueueRequest,
    Stage, VerifyLedgerRequest, WorkItem, WorkItemState, WorkItemVerb, Workflow,
};
use futures::future::join_all;
use prost_types::{FieldMask, Timestamp};
use testkit::world::shapes::{assist, human, item, to, workflow};
use testkit::world::{Person, Refused as _, World, refused};
use tonic::Code;

const WRONG: Code = Code::InvalidArgument;

fn by_role(role: &str) -> Assignment {
    Assignment {
        r#type: AssignmentType::RoundRobin.into(),
        role: role.into(),
        ..Default::default()
    }
}

fn among(people: &[&Person]) -> Assignment {
    let users = people.iter().map(|person| person.user.clone()).collect();
    Assignment { r#type: AssignmentType::RoundRobin.into(), users, ..Default::default() }
}

fn queue(name: &str, role: &str) -> Assignment {
    let (queue, role) = (name.into(), role.into());
    Assignment { r#type: AssignmentType::Queue.into(), queue, role, ..Default::default() }
}

fn at(id: &str, assignment: Assignment) -> Stage {
    Stage { assignment: Some(assignment), ..human(id) }
}

async fn flow(lead: &Person, stages: impl IntoIterator<Item = Stage>) -> Workflow {
    lead.creates_workflow(workflow("Work", &lead.team, stages)).await.unwrap()
}

async fn makes(person: &Person, flow: &Workflow) -> WorkItem {
    person.creates_item(item(&flow.name, "One of many")).await.unwrap()
}

/// How many each was given.
fn counts<'a>(items: impl IntoIterator<Item = &'a WorkItem>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        assert_eq!(item.state(), WorkItemState::Claimed, "{item:?}");
        *counts.entry(item.assignee.clone()).or_default() += 1;
    }
    counts
}

fn is_fair(counts: &BTreeMap<String, usize>, people: usize) {
    assert_eq!(counts.len(), people, "{counts:?}");
    let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
    assert!(most - least <= 1, "{counts:?}");
}

async fn explained(person: &Person, item: &WorkItem) -> ExplainWorkItemResponse {
    let request = ExplainWorkItemRequest { name: item.name.clone() };
    person.items().explain_work_item(request).await.unwrap().into_inner()
}

fn codes(explained: &ExplainWorkItemResponse) -> Vec<&str> {
    explained.because.iter().map(|because| because.code.as_str()).collect()
}

/// carol takes somebody out of her team.
async fn leaves(world: &World, who: &Person) {
    let carol = world.person("carol");
    let (team, user) = (carol.team.clone(), who.user.clone());
    let request = RemoveMemberRequest { team, user, ..Default::default() };
    carol.directory().remove_member(request).await.unwrap();
}

async fn becomes_developer(world: &World, who: &Person) {
    let (team, user) = (who.team.clone(), who.user.clone());
    let request =
        AssignRoleRequest { team, user, role: "roles/developer".into(), ..Default::default() };
    world.person("carol").permissions().assign_role(request).await.unwrap();
}

async fn adds_up(who: &Person, flow: &Workflow) {
    let request = VerifyLedgerRequest { name: flow.name.clone() };
    let report = who.analytics().verify_ledger(request).await.unwrap().into_inner();
    assert!(report.violations.is_empty(), "{report:?}");
}

testkit::on_both! {
    /// However many items come to a stage at once, new or from the stage before, everybody is
    /// given the same number, give or take one.
    async fn turns_are_fair_however_many_come_at_once(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia] = world.people(["alice", "bob", "mia"]);
        let people = [&alice, &bob, &mia];
        let flow = flow(&alice, [at("first", among(&people)), at("then", among(&people))]).await;
        let lines: Vec<Person> = (0..4).map(|_| bob.over(world.another_channel())).collect();
        let made = join_all((0..40).map(|n| makes(&lines[n % 4], &flow))).await;
        is_fair(&counts(&made), 3);
        let moved = join_all(made.iter().map(|item| async {
            let who = people.into_iter().find(|person| person.user == item.assignee).unwrap();
            who.completes(item).await.unwrap()
        }))
        .await;
        assert!(moved.iter().all(|item| item.stage_id == "then"));
        is_fair(&counts(&moved), 3);
        adds_up(&alice, &flow).await;
    }

    /// What comes in batches is shared out like what comes one by one.
    async fn turns_are_fair_in_batches_too(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia] = world.people(["alice", "bob", "mia"]);
        let flow = flow(&alice, [at("do", among(&[&alice, &bob, &mia]))]).await;
        let many = |n: usize| (0..n).map(|_| item(&flow.name, "One of many"));
        let other = bob.over(world.another_channel());
        let (one, two) = tokio::join!(bob.creates_items(&flow.name, many(20)), other.creates_items(&flow.name, many(15)));
        let (one, two) = (one.unwrap(), two.unwrap());
        is_fair(&counts(&one), 3);
        is_fair(&counts(one.iter().chain(&two)), 3);
        adds_up(&alice, &flow).await;
    }

    /// An item is given away by a move of its own, in the name of whoever brought it there.
    async fn giving_is_a_move_like_others(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia] = world.people(["alice", "bob", "mia"]);
        let flow = flow(&alice, [human("first"), at("then", among(&[&mia]))]).await;
        let made = makes(&bob, &flow).await;
        assert_eq!((made.state(), made.assignee.as_str()), (WorkItemState::Pending, ""));
        let moved = bob.does(&made).await.unwrap();
        assert_eq!((moved.state(), moved.assignee.as_str()), (WorkItemState::Claimed, mia.user.as_str()));
        assert_eq!(mia.sees_item(&made.name).await.unwrap(), moved, "the answer is how it is");
        let history = bob.sees_history(&made.name).await.unwrap();
        let said: Vec<_> = history.iter().map(|t| (t.verb(), t.actor.as_str(), t.to_state(), t.note.as_str())).collect();
        assert_eq!(said[2..], [
            (WorkItemVerb::CompleteStage, bob.user.as_str(), WorkItemState::Pending, ""),
            (WorkItemVerb::Assign, bob.user.as_str(), WorkItemState::Claimed, "in turn"),
        ]);
        refused(bob.starts(&moved).await, Code::FailedPrecondition, "NOT_ASSIGNEE");
        mia.starts(&moved).await.unwrap();
        adds_up(&alice, &flow).await;
    }

    /// Whoever has left is passed over from then on, and whoever has got the role has his turns;
    /// those who are there all the time have the same, give or take one.
    async fn who_comes_and_goes_changes_nothing_for_others(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia, gus] = world.people(["alice", "bob", "mia", "gus"]);
        for person in [&alice, &mia] {
            becomes_developer(&world, person).await;
        }
        let flow = flow(&alice, [at("do", by_role("developer"))]).await;
        let mut made = Vec::new();
        let comes = async |made: &mut Vec<WorkItem>, times: usize| {
            for _ in 0..times {
                made.push(makes(&alice, &flow).await);
            }
            counts(&made[made.len() - times..])
        };
        is_fair(&comes(&mut made, 7).await, 3);
        leaves(&world, &bob).await;
        let without = comes(&mut made, 5).await;
        assert!(!without.contains_key(&bob.user), "{without:?}");
        is_fair(&without, 2);
        becomes_developer(&world, &gus).await;
        assert!(comes(&mut made, 4).await.contains_key(&gus.user));
        let mut stayed = counts(&made);
        stayed.retain(|user, _| *user == alice.user || *user == mia.user);
        is_fair(&stayed, 2);
        for person in [&mia, &gus] {
            leaves(&world, person).await;
        }
        assert_eq!(comes(&mut made, 3).await, [(alice.user.clone(), 3)].into());
    }

    /// Who is away is given nothing until he is back.
    async fn who_is_away_is_given_nothing(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia, erin] = world.people(["alice", "bob", "mia", "erin"]);
        let flow = flow(&alice, [at("do", among(&[&bob, &mia]))]).await;
        let away = async |until: i64| {
            let request = ListUsersRequest { page_size: 200, ..Default::default() };
            let users = erin.directory().list_users(request).await.unwrap().into_inner().users;
            let known = users.into_iter().find(|user| user.name == bob.user).unwrap();
            let away_until = Some(Timestamp { seconds: until, nanos: 0 });
            let request = UpdateUserRequest {
                user: Some(User { away_until, ..known }),
                update_mask: Some(FieldMask { paths: vec!["away_until".into()] }),
                ..Default::default()
            };
            let changed = erin.directory().update_user(request).await.unwrap().into_inner();
            assert_eq!(changed.away_until, away_until);
        };
        let gives = async || {
            let (one, other) = (makes(&alice, &flow).await, makes(&alice, &flow).await);
            counts([&one, &other])
        };
        is_fair(&gives().await, 2);
        away(4_000_000_000).await;
        assert_eq!(gives().await, [(mia.user.clone(), 2)].into());
        away(1_000_000_000).await;
        is_fair(&gives().await, 2);
    }

    /// Who has no room is passed over; when nobody has, the item waits for any of them, and so
    /// does what is given back.
    async fn what_nobody_can_take_waits_for_any_of_them(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia, gus] = world.people(["alice", "bob", "mia", "gus"]);
        let stage = Stage { wip_limit_per_person: 2, ..at("do", among(&[&bob, &mia, &gus])) };
        let flow = flow(&alice, [stage]).await;
        let mut made = Vec::new();
        for _ in 0..4 {
            made.push(makes(&alice, &flow).await);
        }
        is_fair(&counts(&made), 2);
        assert!(made.iter().all(|item| item.assignee != gus.user), "he may not work on it");
        let left = makes(&alice, &flow).await;
        assert_eq!(left.state(), WorkItemState::Pending);
        let why = explained(&bob, &left).await;
        assert_eq!((codes(&why), why.may_claim), (vec!["WIP_LIMIT_REACHED", "AWAITS_TURN"], false));

        let his = made.iter().find(|item| item.assignee == bob.user).unwrap();
        let back = bob.releases(his).await.unwrap();
        assert_eq!(back.state(), WorkItemState::Pending, "nobody is given it again");
        let why = explained(&bob, &left).await;
        assert_eq!((codes(&why), why.may_claim), (vec!["AWAITS_TURN"], true));
        refused(alice.claims(&left).await, Code::FailedPrecondition, "NOT_ASSIGNEE");
        bob.claims(&left).await.unwrap();
        assert_eq!(makes(&alice, &flow).await.state(), WorkItemState::Pending);
        let hers = made.iter().find(|item| item.assignee == mia.user).unwrap();
        mia.completes(hers).await.unwrap();
        assert_eq!(makes(&alice, &flow).await.assignee, mia.user);
    }

    /// A full stage gives away nothing more, and neither does one that is paused, nor an item
    /// that waits for another.
    async fn where_nothing_may_begin_nothing_is_given(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia] = world.people(["alice", "bob", "mia"]);
        let stage = Stage { wip_limit: 2, ..at("do", among(&[&bob, &mia])) };
        let flow = flow(&alice, [human("in"), stage]).await;
        let comes = async || alice.does(&makes(&alice, &flow).await).await.unwrap();
        alice.pauses(&flow.name, "do").await.unwrap();
        let paused = comes().await;
        assert_eq!(paused.state(), WorkItemState::Pending);
        let why = explained(&bob, &paused).await;
        assert_eq!((codes(&why), why.may_claim), (vec!["STAGE_PAUSED", "AWAITS_TURN"], false));
        alice.pauses(&flow.name, "").await.unwrap();
        let why = explained(&bob, &paused).await;
        assert_eq!((codes(&why), why.may_claim), (vec!["WORKFLOW_PAUSED", "AWAITS_TURN"], false));
        alice.resumes(&flow.name, "").await.unwrap();
        alice.resumes(&flow.name, "do").await.unwrap();
        assert!(explained(&bob, &paused).await.may_claim);

        let (first, second) = (comes().await, comes().await);
        is_fair(&counts([&first, &second]), 2);
        assert_eq!(comes().await.state(), WorkItemState::Pending, "the stage is full");
        for (item, who) in [(&first, &bob), (&second, &mia)] {
            let who = if item.assignee == bob.user { &bob } else { who };
            let who = if item.assignee == mia.user { &mia } else { who };
            who.completes(item).await.unwrap();
        }
        let waits = makes(&alice, &flow).await;
        let waits = alice.claims(&waits).await.unwrap();
        let blocked_by = vec![paused.name.clone()];
        let waits = alice.updates(WorkItem { blocked_by, ..waits }, &["blocked_by"]).await.unwrap();
        assert_eq!(alice.completes(&waits).await.unwrap().state(), WorkItemState::Pending);
        assert_eq!(comes().await.state(), WorkItemState::Claimed);
    }

    /// What a run's result, or a decision, brings to a stage has its turn, too.
    async fn however_an_item_comes_it_has_its_turn(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let think = Stage { auto_advance: "true".into(), ..assist("think") };
        let flow = flow(&alice, [think, at("do", among(&[&bob]))]).await;
        let made = makes(&alice, &flow).await;
        let come = bob.awaits_item(&made.name, |item| item.stage_id == "do").await;
        assert_eq!((come.state(), come.assignee.as_str()), (WorkItemState::Claimed, bob.user.as_str()));
        let history = bob.sees_history(&made.name).await.unwrap();
        assert_eq!(history.last().unwrap().actor, alice.user, "on behalf of who started the run");
    }

    /// What comes back to a stage, or is opened again, has its turn as what comes anew; what is
    /// unblocked was there all the time.
    async fn what_comes_back_has_its_turn(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = flow(&alice, [at("do", among(&[&bob])), human("check")]).await;
        let made = makes(&alice, &flow).await;
        let checked = bob.completes(&made).await.unwrap();
        let checked = alice.claims(&checked).await.unwrap();
        let back = alice.returns(&checked, "do").await.unwrap();
        assert_eq!((back.state(), back.assignee.as_str()), (WorkItemState::Claimed, bob.user.as_str()));
        let ended = bob.cancels(&back).await.unwrap();
        let again = alice.reopens(&ended).await.unwrap();
        assert_eq!((again.state(), again.assignee.as_str()), (WorkItemState::Claimed, bob.user.as_str()));
        let free = bob.releases(&again).await.unwrap();
        let blocked = alice.blocks(&free, "Rain").await.unwrap();
        assert_eq!(alice.unblocks(&blocked).await.unwrap().state(), WorkItemState::Pending);
    }

    /// Several stages feed one queue; whoever takes from it sees what waits there, in one order.
    async fn several_stages_feed_one_queue(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia] = world.people(["alice", "bob", "mia"]);
        let stages = [
            Stage { routes: vec![to("second")], ..at("first", queue("Bugs", "")) },
            Stage { routes: vec![to("other")], ..at("second", queue("Bugs", "developer")) },
            at("other", queue("Else", "")),
        ];
        let flow = flow(&alice, stages).await;
        let (one, two, three) = (makes(&bob, &flow).await, makes(&bob, &flow).await, makes(&bob, &flow).await);
        let two = alice.does(&two).await.unwrap();
        let three = bob.does(&alice.does(&three).await.unwrap()).await.unwrap();
        let waits = async |who: &Person, name: &str| {
            let request = ListQueueRequest { parent: flow.name.clone(), queue: name.into(), ..Default::default() };
            let found = who.items().list_queue(request).await.unwrap().into_inner().work_items;
            found.into_iter().map(|item| item.name).collect::<Vec<_>>()
        };
        assert_eq!(waits(&bob, "Bugs").await, [one.name.clone(), two.name.clone()]);
        assert_eq!(waits(&alice, "Bugs").await.join(" "), one.name, "she is no developer");
        assert_eq!(waits(&mia, "Else").await.join(" "), three.name);
        assert_eq!(waits(&bob, "").await.len(), 3);
        assert!(waits(&bob, "Nothing").await.is_empty());
        let why = explained(&alice, &two).await;
        assert_eq!((codes(&why), why.may_claim, why.because[0].queue.as_str()), (vec!["AWAITS_QUEUE"], false, "Bugs"));
        assert!(explained(&bob, &two).await.may_claim);
        refused(alice.claims(&two).await, Code::FailedPrecondition, "NOT_ASSIGNEE");
        bob.claims(&two).await.unwrap();
        alice.claims(&one).await.unwrap();
    }

    /// Who is found how is judged when it is published, and shown as it was asked for.
    async fn who_is_found_is_judged_and_shown(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, mia] = world.people(["alice", "bob", "mia"]);
        let automation = Assignment { r#type: AssignmentType::Automation.into(), ..Default::default() };
        for (wrong, team, reason, field) in [
            (queue(" ", ""), true, "INVALID_ARGUMENT", "queue"),
            (queue("x", "boss"), true, "INVALID_ARGUMENT", "role"),
            (queue("x", "developer"), false, "INVALID_ARGUMENT", "role"),
            (by_role("boss"), true, "INVALID_ARGUMENT", "role"),
            (by_role("developer"), false, "INVALID_ARGUMENT", "role"),
            (among(&[]), true, "INVALID_ARGUMENT", "users"),
            (Assignment { role: "developer".into(), ..among(&[&bob]) }, true, "INVALID_ARGUMENT", "users"),
            (Assignment { users: vec!["bob".into()], ..among(&[]) }, true, "INVALID_ARGUMENT", "users[0]"),
            (Assignment { queue: "x".into(), ..among(&[&bob]) }, true, "INVALID_ARGUMENT", "queue"),
            (Assignment { users: vec![bob.user.clone()], ..queue("x", "") }, true, "INVALID_ARGUMENT", "users"),
            (automation, true, "FIELD_NOT_SUPPORTED", "type"),
        ] {
            let team = if team { alice.team.as_str() } else { "" };
            let answer = alice.creates_workflow(workflow("Work", team, [at("do", wrong)])).await;
            let status = refused(answer, WRONG, reason);
            assert_eq!(status.fields(), [format!("workflow.stages[0].assignment.{field}")]);
        }
        let unknown = Assignment { users: vec![World::unused("users/x")], ..among(&[]) };
        let answer = alice.creates_workflow(workflow("Work", &alice.team, [at("do", unknown)])).await;
        refused(answer, Code::NotFound, "USER_NOT_FOUND");

        let asked = [
            at("a", queue("Bugs", "")),
            at("b", queue("Bugs", "developer")),
            at("c", by_role("developer")),
            at("d", among(&[&bob, &mia])),
        ];
        let made = flow(&alice, asked.clone()).await;
        let shown: Vec<_> = made.stages.iter().map(|stage| stage.assignment.clone().unwrap()).collect();
        let mut expected: Vec<_> = asked.iter().map(|stage| stage.assignment.clone().unwrap()).collect();
        expected[3].users.sort();
        assert_eq!(shown, expected);
        let document = alice.exports(&made.name).await.unwrap();
        assert_eq!(alice.imports(&document).await.unwrap().stages, made.stages);
        let template = alice.publishes(&made.name).await.unwrap();
        assert_eq!(template.stages[3].assignment, None, "people stay where they are");
        assert_eq!(template.stages[2].assignment.as_ref(), Some(&shown[2]));
    }
}
