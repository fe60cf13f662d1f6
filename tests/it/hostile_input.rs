//! Oversized and malformed input: the code and reason of the contract, and no panic.

use api::agent::apply_request::Change;
use api::agent::{ApplyRequest, PlanRequest, SearchReplace, SearchReplaceEdits};
use api::workflow::{
    CompleteStageRequest, GetWorkItemRequest, ListWorkItemsRequest, Stage, StageRoute, StageType,
    Trigger, WorkItem,
};
use prost_types::{Duration, Struct};
use serde_json::{Value, json};
use testkit::world::shapes::{assist, data, human, item, to, workflow};
use testkit::world::{Refused as _, World, panics, refused};
use tonic::{Code, Status};

use crate::scene::methods;

const ARGUMENT: Code = Code::InvalidArgument;

fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({ "k": inner }))
}

fn invalid<T: std::fmt::Debug>(answer: Result<T, Status>, field: &str) {
    let status = refused(answer, ARGUMENT, "INVALID_ARGUMENT");
    assert!(status.fields().iter().any(|named| named == field), "{field}: {status:?}");
}

testkit::on_both! {
    /// Bytes that are no message are MALFORMED_MESSAGE at every method, too many of them
    /// MESSAGE_TOO_LARGE.
    async fn bytes_that_are_no_message(db: TestDb) {
        let world = World::start(db).await;
        let [alice, carol, erin] = world.people(["alice", "carol", "erin"]);
        // The deepest is a message within a message within …, as far as any client may go.
        let mut deep = Vec::new();
        for _ in 0..200 {
            deep = [vec![0x0a, u8::try_from(deep.len().min(100)).unwrap()], deep].concat();
        }
        let broken = [vec![0xff; 40], vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], vec![0x0a, 0x02, 0xc3, 0x28], vec![0x0b]];
        for method in methods() {
            let person = match method.key.as_str() {
                "team.manage" => &carol,
                "directory.manage" => &erin,
                _ => &alice,
            };
            for bytes in &broken {
                if let Err(status) = person.sends(&method.path, bytes.clone()).await {
                    let got = (status.code(), status.reason());
                    assert_eq!(got, (ARGUMENT, "MALFORMED_MESSAGE".into()), "{} {bytes:?}", method.path);
                } else {
                    // A method without fields skips what it does not know.
                    let empty = ["/GetMe", "/ListEngines", "/ListPermissions", "/ListStarredWorkflows"];
                    assert!(empty.iter().any(|end| method.path.ends_with(end)), "{}", method.path);
                }
            }
            if let Err(status) = person.sends(&method.path, deep.clone()).await {
                assert_ne!(status.code(), Code::Internal, "{} {status:?}", method.path);
            }
        }
        let large = GetWorkItemRequest { name: "x".repeat(5 << 20) };
        let answer = alice.items().get_work_item(large).await;
        refused(answer, Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
        let answer = alice.sends("elohim.agent.v1.AgentService/Nothing", Vec::new()).await;
        assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
        assert_eq!(panics(), Vec::<String>::new());
    }

    /// A name that is none is INVALID_ARGUMENT, whatever is in it.
    async fn names_that_are_none(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let long = format!("workItems/{}", "0".repeat(100_000));
        let odd = [
            "", "workItems/", "workItems", "x", "workItems/x", "workflows/018f0000-0000-7000-8000-000000000000",
            "workItems/018F0000-0000-7000-8000-000000000000", "workItems/018f00000000700080000000000000000",
            "workItems/018f0000-0000-7000-8000-000000000000/", "workItems/../../etc/passwd", "workItems/'; drop table work_item; --",
            "workItems/\u{0}", "workItems/%00", "workItems/\u{202e}", long.as_str(),
        ];
        for name in odd {
            let status = bob.sees_item(name).await.unwrap_err();
            assert_eq!(status.code(), ARGUMENT, "{name:?} {status:?}");
            assert_eq!(status.fields(), ["name"], "{name:?}");
            assert!(status.message().len() < 1_000, "a long name is not repeated whole");
        }
        assert_eq!(panics(), Vec::<String>::new());
    }

    /// An item's data has limits; what is beyond them is refused by name of the field.
    async fn an_items_texts_and_data_have_limits(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = workflow("Work", &alice.team, [human("do"), human("end")]);
        let flow = alice.creates_workflow(flow).await.unwrap().name;
        let new = |change: Value| WorkItem { data: Some(data(change)), ..item(&flow, "x") };
        let keys: Value = (0..1_001).map(|at| (at.to_string(), json!(1))).collect::<serde_json::Map<_, _>>().into();
        for (case, too_much) in [
            ("deep", nested(33)),
            ("keys", keys),
            ("bytes", json!({ "k": "x".repeat(257 << 10) })),
            ("nul", json!({ "k": "a\u{0}b" })),
            ("nul in a key", json!({ "a\u{0}": 1 })),
        ] {
            let answer = bob.creates_item(new(too_much)).await;
            let status = refused(answer, ARGUMENT, "INVALID_ARGUMENT");
            assert!(status.fields()[0].starts_with("work_item.data"), "{case}: {status:?}");
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let value = prost_types::Value { kind: Some(prost_types::value::Kind::NumberValue(number)) };
            let object = Struct { fields: [("n".to_owned(), value)].into() };
            let answer = bob.creates_item(WorkItem { data: Some(object), ..item(&flow, "x") }).await;
            refused(answer, ARGUMENT, "INVALID_ARGUMENT");
        }
        let kindless = Struct { fields: [("k".to_owned(), prost_types::Value { kind: None })].into() };
        let made = bob.creates_item(WorkItem { data: Some(kindless), ..item(&flow, "x") }).await;
        assert!(made.is_ok() || made.unwrap_err().code() == ARGUMENT);

        invalid(bob.creates_item(item(&flow, "")).await, "work_item.title");
        invalid(bob.creates_item(item(&flow, "  ")).await, "work_item.title");
        invalid(bob.creates_item(item(&flow, "two\nlines")).await, "work_item.title");
        invalid(bob.creates_item(item(&flow, &"x".repeat(201))).await, "work_item.title");
        invalid(bob.creates_item(item(&flow, "a\u{0}b")).await, "work_item.title");
        let long = WorkItem { description: "x".repeat(10_001), ..item(&flow, "x") };
        invalid(bob.creates_item(long).await, "work_item.description");
        let tags = WorkItem { tags: vec!["t".into(); 21], ..item(&flow, "x") };
        invalid(bob.creates_item(tags).await, "work_item.tags");
        let priority = WorkItem { priority: 99, ..item(&flow, "x") };
        invalid(bob.creates_item(priority).await, "work_item.priority");

        let largest = json!({ "k": "x".repeat(250 << 10), "deep": nested(31) });
        let made = bob.creates_item(new(largest)).await.unwrap();
        bob.claims(&made).await.unwrap();
        let more = data(json!({ "more": "x".repeat(10 << 10) }));
        let answer = bob.completes_with(&made, Some(more)).await;
        let status = refused(answer, ARGUMENT, "INVALID_ARGUMENT");
        assert_eq!(status.fields(), ["data"], "the result counts");
        let note = CompleteStageRequest {
            name: made.name.clone(),
            stage_id: "do".into(),
            note: "x".repeat(2_001),
            ..Default::default()
        };
        invalid(bob.items().complete_stage(note).await, "note");
        assert_eq!(panics(), Vec::<String>::new());
    }

    /// Texts of any script, with marks and emoji, come back as they were sent.
    async fn texts_of_any_script_come_back_as_sent(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = alice.creates_workflow(workflow("Ünïcödé 工作流 🦀", &alice.team, [human("do")])).await.unwrap();
        assert_eq!(flow.display_name, "Ünïcödé 工作流 🦀");
        for title in ["日本語", "עברית", "e\u{301}", "👩‍👩‍👧", "'; drop table work_item; --", "%s%n$1", "\\u0000"] {
            let description = format!("{title}\n{title}");
            let new = WorkItem {
                description: description.clone(),
                data: Some(data(json!({ title: title }))),
                ..item(&flow.name, title)
            };
            let made = bob.creates_item(new.clone()).await.unwrap();
            let seen = bob.sees_item(&made.name).await.unwrap();
            assert_eq!((seen.title.as_str(), seen.description), (title, description));
            assert_eq!(seen.data, new.data);
        }
    }

    /// Definitions that could not work are refused with what is wrong.
    async fn definitions_that_could_not_work(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let create = async |stages: Vec<Stage>| {
            alice.creates_workflow(workflow("Work", &alice.team, stages)).await
        };
        let route = |condition: &str, target: &str| StageRoute { condition: condition.into(), ..to(target) };
        let conditional = |condition: &str| vec![
            Stage { routes: vec![route(condition, "b"), to("")], ..human("a") },
            human("b"),
        ];
        for (case, stages) in [
            ("none", vec![]),
            ("twice", vec![human("a"), human("a")]),
            ("nowhere", vec![Stage { routes: vec![to("nowhere")], ..human("a") }]),
            ("unreachable", vec![Stage { routes: vec![to("")], ..human("a") }, human("b")]),
            ("no default", vec![Stage { routes: vec![route("true", "b")], ..human("a") }, human("b")]),
            ("default first", vec![Stage { routes: vec![to("b"), route("true", "b")], ..human("a") }, human("b")]),
            ("no end", vec![Stage { routes: vec![to("b")], ..human("a") }, Stage { routes: vec![to("a")], ..human("b") }]),
        ] {
            let status = create(stages).await.expect_err(case);
            let known = ["INVALID_GRAPH", "INVALID_ARGUMENT"];
            assert!(status.code() == ARGUMENT && known.contains(&status.reason().as_str()), "{case}: {status:?}");
        }
        for condition in [
            "data.severity ==", "data.x.matches('a*')", "[1].all(x, [2].all(y, x < y))", "nobody.knows",
            "true && \u{0}", &format!("data.x == '{}'", "y".repeat(1_100)), &"(".repeat(900), &"!".repeat(1_000),
        ] {
            let status = create(conditional(condition)).await.expect_err(condition);
            let known = ["INVALID_CONDITION", "INVALID_ARGUMENT"];
            assert!(status.code() == ARGUMENT && known.contains(&status.reason().as_str()), "{condition}: {status:?}");
        }
        for kind in [StageType::Automation, StageType::Ai] {
            let answer = create(vec![Stage { r#type: kind.into(), ..human("a") }]).await;
            refused(answer, ARGUMENT, "STAGE_TYPE_NOT_SUPPORTED");
        }
        for unsupported in [
            Stage { agent_output: 2, ..assist("a") },
        ] {
            refused(create(vec![unsupported]).await, ARGUMENT, "FIELD_NOT_SUPPORTED");
        }
        for odd in [
            Stage { r#type: 0, ..human("a") },
            Stage { r#type: 77, ..human("a") },
            Stage { sla_minutes: i32::MIN, ..human("a") },
            Stage { stage_id: "ü".into(), ..human("a") },
            Stage { stage_id: "x".repeat(65), ..human("a") },
            Stage { display_name: String::new(), ..human("a") },
            Stage { agent_target_path: "../x".into(), ..assist("a") },
            Stage { agent_prompt: "for nobody".into(), ..human("a") },
        ] {
            let status = create(vec![odd.clone()]).await.expect_err(&format!("{odd:?}"));
            assert_eq!(status.code(), ARGUMENT, "{odd:?} {status:?}");
        }
        let mut listening = workflow("Work", &alice.team, [human("a")]);
        listening.triggers = vec![Trigger { event_type: "work_item.created".into(), enabled: true, ..Default::default() }];
        refused(alice.creates_workflow(listening).await, ARGUMENT, "EVENT_TYPE_NOT_SUPPORTED");
        let many = (0..2_000).map(|at| human(&format!("s{at}"))).collect();
        assert_eq!(create(many).await.unwrap_err().code(), ARGUMENT);
        assert_eq!(panics(), Vec::<String>::new());
    }

    /// Page sizes, page tokens, filters and orders that a list does not know.
    async fn lists_refuse_what_they_do_not_know(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let list = async |request: ListWorkItemsRequest| bob.items().list_work_items(request).await;
        for page_size in [-1, i32::MIN] {
            invalid(list(ListWorkItemsRequest { page_size, ..Default::default() }).await, "page_size");
        }
        list(ListWorkItemsRequest { page_size: i32::MAX, ..Default::default() }).await.unwrap();
        for page_token in ["x", "AAAA", "\u{0}", "====", &"A".repeat(100_000)] {
            let request = ListWorkItemsRequest { page_token: page_token.into(), ..Default::default() };
            let status = refused(list(request).await, ARGUMENT, "INVALID_PAGE_TOKEN");
            assert_eq!(status.fields(), ["page_token"]);
        }
        invalid(list(ListWorkItemsRequest { state: 99, ..Default::default() }).await, "state");
        for request in [
            ListWorkItemsRequest { filter: "state = DONE".into(), ..Default::default() },
            ListWorkItemsRequest { order_by: "title".into(), ..Default::default() },
        ] {
            refused(list(request).await, ARGUMENT, "FILTER_NOT_SUPPORTED");
        }
        assert_eq!(panics(), Vec::<String>::new());
    }

    /// Durations beyond all sense, sizes below zero and texts beyond all bounds.
    async fn numbers_and_times_at_their_limits(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let (repo, repository) = world.shop().await;
        let change = Some(Change::UnifiedDiff(repo.diff_adding("README.md", "x")));
        for wait in [
            Duration { seconds: -1, nanos: 0 },
            Duration { seconds: i64::MIN, nanos: 0 },
            Duration { seconds: 0, nanos: -1 },
            Duration { seconds: 1, nanos: i32::MIN },
            Duration { seconds: 0, nanos: i32::MAX },
        ] {
            let request = ApplyRequest { repository: repository.clone(), change: change.clone(), wait_timeout: Some(wait), ..Default::default() };
            let answer = alice.agent().apply(request).await;
            invalid(answer, "wait_timeout");
        }
        let forever = Duration { seconds: i64::MAX, nanos: 999_999_999 };
        let request = ApplyRequest { repository: repository.clone(), change, wait_timeout: Some(forever), ..Default::default() };
        alice.agent().apply(request).await.unwrap();
        for (input, token_budget) in [("", 0), ("x", -1), ("x", i32::MIN), (&*"x".repeat(1 << 20), 0)] {
            let request = PlanRequest { repository: repository.clone(), input: input.into(), token_budget, ..Default::default() };
            let status = alice.plans(request).await.unwrap_err();
            assert_eq!(status.code(), ARGUMENT, "{token_budget} {status:?}");
        }
        let request = PlanRequest { repository: repository.clone(), input: "x".into(), token_budget: i32::MAX, ..Default::default() };
        let answer = alice.plans(request).await;
        assert!(answer.is_ok() || answer.unwrap_err().code() == ARGUMENT);
        let none = ApplyRequest { repository: repository.clone(), change: None, ..Default::default() };
        assert_eq!(alice.applies(none).await.unwrap_err().code(), ARGUMENT);
        let edit = SearchReplace { path: "README.md".into(), search: "x".into(), replace: "y".repeat(3 << 20) };
        let edits = Change::Edits(SearchReplaceEdits { edits: vec![edit] });
        let request = ApplyRequest { repository, change: Some(edits), ..Default::default() };
        assert_eq!(alice.applies(request).await.unwrap_err().code(), ARGUMENT);
        assert_eq!(panics(), Vec::<String>::new());
    }
}
