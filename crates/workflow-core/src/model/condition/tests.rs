use primitives::{TeamId, Tenant, Timestamp, UserId, VisitId, WorkItemId, WorkflowId};
use serde_json::json;

use super::*;
use crate::model::{ItemState, StageId};

pub(crate) fn item(data: Json) -> WorkItem {
    let Json::Object(data) = data else { panic!("data is an object") };
    WorkItem {
        id: WorkItemId::generate(),
        tenant: Tenant::Team(TeamId::generate()),
        workflow: WorkflowId::generate(),
        revision: 1,
        title: "Crash on save".into(),
        description: String::new(),
        state: ItemState::Claimed,
        stage: StageId("intake".into()),
        visit: VisitId::generate(),
        entered_stage_at: Timestamp::from_micros(0),
        assignee: None,
        priority: Priority::High,
        tags: vec!["ui".into(), "regression".into()],
        data,
        repository: None,
        creator: UserId::generate(),
        cause: None,
        claimed_at: None,
        closed_at: None,
        created_at: Timestamp::from_micros(0),
        updated_at: Timestamp::from_micros(0),
        version: 1,
        number: 0,
        external_id: None,
        due_at: None,
        block: None,
        blocked_by: Vec::new(),
        stage_due_at: None,
        authors: Vec::new(),
        votes: Vec::new(),
        is_blocker: false,
        live_run: None,
    }
}

fn holds_for(source: &str, data: Json) -> bool {
    check(source).unwrap_or_else(|fault| panic!("{source}: {fault}"));
    holds(source, &Facts::of(&item(data)))
}

#[test]
fn conditions_see_the_item_and_its_data() {
    let data = json!({
        "severity": "high", "count": 3, "wire": 3.0, "ratio": 0.5, "done": false, "none": null,
        "list": [1, 2, 3], "files": [{"path": "a.rs", "risk": "low"}], "deep": {"a": {"b": 1}},
    });
    for source in [
        "data.severity == 'high'",
        "item.data.severity == data.severity",
        "data.count > 2 && data.count + 1 == 4",
        "data.wire == 3 && data.wire >= data.count && data.wire + 1 == 4",
        "data.ratio < 1 && data.ratio > 0.25",
        "data.count < 3.5",
        "!data.done",
        "data.none == null",
        "size(data.list) == 3 && data.list[0] == 1 && 2 in data.list",
        "data.list.exists(n, n == 3) && data.list.all(n, n > 0)",
        "data.files.filter(f, f.risk == 'low').size() == 1",
        "data.files.map(f, f.path) == ['a.rs']",
        "data.files.exists_one(f, f.path.endsWith('.rs'))",
        "has(data.severity) && !has(data.missing)",
        "has(data.missing) ? data.missing == 1 : data.deep.a.b == 1",
        "data['severity'].startsWith('hi')",
        "'severity' in data",
        "item.title.contains('Crash') && item.priority == 'HIGH' && 'ui' in item.tags",
        "item.state == 'CLAIMED'",
        "int(data.ratio * 4.0) == 2 && string(data.count) == '3'",
        "true",
    ] {
        assert!(holds_for(source, data.clone()), "{source}");
    }
}

#[test]
fn what_cannot_be_evaluated_does_not_hold() {
    for source in [
        "data.missing == 1",
        "data.missing",
        "data.a.b.c == 1",
        "data.text > 1",
        "data.text + 1 == 2",
        "data.number / 0 == 1",
        "data.number % 0 == 1",
        "data.number * 9223372036854775807 > 0",
        "-data.least == 1",
        "data.list[7] == 1",
        "data.list[-1] == 1",
        "int(data.text) == 1",
        "int(data.huge) == 1",
        "data.number",
        "data.text",
        "'yes'",
        "data.text.all(c, true)",
        "data.number.exists(n, true)",
        "size(data.number) > 0",
    ] {
        let data = json!({
            "text": "x", "number": 7, "list": [1], "huge": 1e300, "least": i64::MIN,
        });
        assert!(!holds_for(source, data), "{source}");
    }
}

#[test]
fn what_callers_must_not_write_is_refused_with_a_hint() {
    let refused = |source: &str| check(source).expect_err(source);
    assert!(refused(&format!("data.a == '{}'", "x".repeat(MAX_BYTES))).contains("longer"));
    assert!(refused("data.name.matches('(a+)+$')").contains("`matches` is not available"));
    assert!(refused("matches(data.name, 'a')").contains("not available"));
    assert!(refused("data.a.exists(x, data.b.exists(y, x == y))").contains("in a comprehension"));
    assert!(refused("data.a.filter(x, x).map(y, y) == []").contains("in a comprehension"));
    assert!(refused("data.a.map(x, x + x) == []").contains("+ inside"));
    assert!(refused("[data.a].map(x,[x,x]).map(x,[x,x]) == []").contains("in a comprehension"));
    assert!(refused(&vec!["data.s"; 20].join("+")).contains("more than 16 +"));
    assert!(refused("severity == 'high'").contains("not `severity`"));
    assert!(refused("data.a.exists(x, x == 1) && x == 1").contains("not `x`"));
    assert!(refused("timestamp(data.a) == data.b").contains("not available"));
    assert!(refused("duration('1s') == data.b").contains("not available"));
    assert!(refused("google.protobuf.Duration{seconds: 1} == data").contains("messages"));
    assert!(refused("type(data) == data").contains("not available"));
    assert!(refused("data.a == \u{0}1").contains("control"));
    for broken in
        ["", "  ", "data.", "data ==", "(data.a", "data.a)", "a b", "1 +", "\"", "'''", "`"]
    {
        assert!(check(broken).is_err(), "{broken:?}");
    }
}

/// The stack of a thread that serves calls, as Tokio makes them; half of it is for the callers
/// of conditions.
const HALF_A_STACK: usize = 1024 * 1024;

#[test]
fn the_deepest_condition_fits_the_stack() {
    let deepest = [("(", ")"), ("[", "][0]"), ("!(", ")"), ("-(", ")"), ("{'a': ", "}.a")];
    let sources = deepest.map(|(open, close)| {
        let (open, close) = (open.repeat(MAX_NESTING), close.repeat(MAX_NESTING));
        format!("{open}data.a{close}")
    });
    let judged = std::thread::Builder::new().stack_size(HALF_A_STACK).spawn(move || {
        let facts = Facts::of(&item(json!({ "a": true })));
        sources.map(|source| (check(&source), holds(&source, &facts)))
    });
    let judged = judged.unwrap().join().unwrap();
    assert!(judged.iter().any(|(check, holds)| check.is_ok() && *holds), "{judged:?}");
}

#[test]
fn hostile_texts_neither_panic_nor_take_long() {
    let repeat = |unit: &str| unit.repeat(MAX_BYTES / unit.len());
    let mut hostile: Vec<String> = [
        "(",
        "[",
        "{",
        ")",
        "!",
        "-",
        "!-",
        "data.",
        ".",
        "a.b.",
        "a[",
        "a(",
        "?",
        "1?",
        "1?1:",
        "a&&",
        "a||",
        "data.a&&",
        "data.a||!",
        "1+",
        "1==",
        "'",
        "\"",
        "\\",
        "\"\\",
        "b'",
        "r'",
        "//",
        "\n",
        "0x",
        "9",
        "1.",
        "1e9",
        "1u",
        "'\\u",
        "'\\x",
        "[1,",
        "{1:",
        "{'a':",
        "has(",
        "[].all(x,",
        "x.map(x,",
        "data.exists(",
        "\u{202e}",
        "\u{1f980}",
        "é",
        "in ",
        "data in ",
        "true?",
        "..",
        "::",
        "@",
        "#",
        "$",
        "data[0]",
        "null",
        "data.?",
        "data[?",
        "{?",
        "a{",
    ]
    .iter()
    .map(|unit| repeat(unit))
    .collect();
    for close in [("(", ")"), ("[", "]"), ("!(", ")"), ("-(", ")"), ("[].all(x,", ")")] {
        let half = MAX_BYTES / (close.0.len() + close.1.len() + 1);
        hostile.push(format!("{}1{}", close.0.repeat(half), close.1.repeat(half)));
        hostile.push(format!("{}1{}", close.0.repeat(11), close.1.repeat(11)));
    }
    hostile.push("9".repeat(400));
    hostile.push(format!("data.{}", "a".repeat(1_000)));
    let began = std::time::Instant::now();
    for source in &hostile {
        let one = std::time::Instant::now();
        if check(source).is_ok() {
            holds(source, &Facts::of(&item(json!({"a": true}))));
        }
        let took = one.elapsed();
        assert!(took.as_millis() < 2_000, "{took:?} for {:?}", primitives::clip(source, 40));
    }
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn work_is_bounded_whatever_the_data() {
    let long = "x".repeat(200_000);
    let data = json!({ "list": vec![1; 20_000], "s": long });
    let began = std::time::Instant::now();
    assert!(!holds_for("data.list.all(n, data.s.contains('y') || n == 1)", data.clone()));
    assert!(!holds_for("data.list.map(n, data) == []", data.clone()));
    let sums = vec!["data.s"; 17].join("+");
    assert!(holds_for(&format!("size({sums}) == 3400000"), data.clone()));
    assert!(holds_for("!has(data.mapping) && size(data.list) == 20000", data));
    let some = json!({ "list": vec![json!({"risk": "high", "text": "y".repeat(200)}); 200] });
    assert!(holds_for("data.list.all(f, f.risk == 'high')", some));
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[test]
fn the_first_route_that_holds_is_taken_and_the_default_last() {
    let route = |condition: Option<&str>, target: &str| StageRoute {
        condition: condition.map(str::to_owned),
        target: Some(StageId(target.into())),
        description: String::new(),
    };
    let routes = [
        route(Some("data.n > 10"), "big"),
        route(Some("data.n > 5"), "middle"),
        route(None, "small"),
    ];
    let taken = |data: Json| {
        let route = choose(&routes, &item(data)).unwrap();
        route.target.clone().unwrap().0
    };
    assert_eq!(taken(json!({"n": 11})), "big");
    assert_eq!(taken(json!({"n": 6})), "middle");
    assert_eq!(taken(json!({"n": 1})), "small");
    assert_eq!(taken(json!({})), "small");
    assert_eq!(taken(json!({"n": "many"})), "small");
    assert!(choose(&routes[..2], &item(json!({}))).is_none());
}

proptest::proptest! {
    #[test]
    fn no_text_panics(source in "[data.item()\\[\\]{}!&|=<>+*?:,'\"0-9 xé-]{0,80}") {
        if check(&source).is_ok() {
            let facts = Facts::of(&item(json!({"a": [1, "x", {"b": null}], "t": true})));
            proptest::prop_assert_eq!(holds(&source, &facts), holds(&source, &facts));
        }
    }

    #[test]
    fn no_bytes_panic(source in ".{0,60}") {
        let _ = check(&source);
    }
}

const TOKENS: [&str; 44] = [
    "data",
    "item",
    ".a",
    ".list",
    ".n",
    ".title",
    "[0]",
    "['a']",
    "[-1]",
    "x",
    "1",
    "2.5",
    "0",
    "-",
    "!",
    "'t'",
    "true",
    "null",
    "==",
    "!=",
    "<",
    ">=",
    "&&",
    "||",
    "+",
    "*",
    "/",
    "%",
    "in",
    "?",
    ":",
    "(",
    ")",
    "[",
    "]",
    ",",
    "size(",
    "has(",
    "int(",
    "string(",
    ".exists(x,",
    ".filter(x,",
    ".map(x,",
    ".contains(",
];

proptest::proptest! {
    /// Texts that are nearly conditions reach further than random characters do.
    #[test]
    fn no_sentence_panics(
        words in proptest::collection::vec(proptest::sample::select(&TOKENS[..]), 1..24),
    ) {
        let source = words.join(" ");
        if check(&source).is_ok() {
            let data = json!({
                "a": {"b": [1]}, "list": [1, 2.5, "x", null, {"a": 1}], "n": i64::MAX, "t": "é",
            });
            let facts = Facts::of(&item(data));
            proptest::prop_assert_eq!(holds(&source, &facts), holds(&source, &facts));
        }
    }
}
