use primitives::Checked;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::Data;
use crate::model::condition::tests::item;

fn select(key: &str, values: &[&str]) -> FormField {
    let option = |value: &&str| FieldOption { value: (*value).into(), label: String::new() };
    FormField {
        options: values.iter().map(option).collect(),
        ..FormField::new(key, FieldType::Select)
    }
}

fn form(fields: Vec<FormField>) -> Form {
    Form { fields, ..Form::default() }
}

fn required(field: FormField) -> FormField {
    FormField { required: true, ..field }
}

fn refused<T: std::fmt::Debug>(judged: Checked<T>) -> (&'static str, Vec<String>) {
    let refused = judged.unwrap_err();
    assert!(refused.fields.iter().all(|fault| !fault.description.is_empty()));
    (refused.reason, refused.fields.into_iter().map(|fault| fault.field).collect())
}

fn filled(form: &Form, data: Value) -> Checked<Data> {
    form.fill("data", &item(data))
}

#[test]
fn a_form_is_judged_field_by_field() {
    use FieldType::{Checkbox, Multiselect, Number, Select, Text, Textarea};
    type Spoil = fn(&mut FormField);
    let cases: [(FieldType, Spoil, &str); 21] = [
        (Text, |f| f.key = "1a".into(), "key"),
        (Text, |f| f.key = String::new(), "key"),
        (Text, |f| f.key = "x".repeat(65), "key"),
        (Text, |f| f.key = "agent_x".into(), "key"),
        (Text, |f| f.key = "triggered_by".into(), "key"),
        (Text, |f| f.label = " ".into(), "label"),
        (Text, |f| f.label = "x".repeat(101), "label"),
        (Text, |f| f.options.push(FieldOption::default()), "options"),
        (Select, |_| {}, "options"),
        (Multiselect, |_| {}, "options"),
        (Text, |f| f.pattern = "(".into(), "pattern"),
        (Textarea, |f| f.pattern = "a".into(), "pattern"),
        (Text, |f| f.max_length = 10_001, "max_length"),
        (Text, |f| (f.min_length, f.max_length) = (3, 2), "min_length"),
        (Number, |f| f.max_length = 2, "max_length"),
        (Text, |f| f.min_value = Some(1.into()), "min_value"),
        (Number, |f| (f.min_value, f.max_value) = (Some(2.into()), Some(1.into())), "min_value"),
        (Number, |f| f.default_value = Some(json!("1")), "default_value"),
        (Text, |f| f.default_value = Some(json!("")), "default_value"),
        (Checkbox, |f| (f.required, f.default_value) = (true, Some(json!(true))), "default_value"),
        (Text, |f| f.placeholder = "a\nb".into(), "placeholder"),
    ];
    for (kind, spoil, path) in cases {
        let mut field = FormField::new("a", kind);
        spoil(&mut field);
        let found = refused(form(vec![FormField::new("z", Text), field]).check("form"));
        assert_eq!(found, ("INVALID_ARGUMENT", vec![format!("form.fields[1].{path}")]));
    }
    let twice = form(vec![FormField::new("a", Text), FormField::new("a", Number)]);
    assert_eq!(refused(twice.check("f")).1, ["f.fields[1].key"]);
    let odd = FormField { show_if: "data.x ==".into(), ..FormField::new("a", Text) };
    assert_eq!(
        refused(form(vec![odd]).check("f")),
        ("INVALID_CONDITION", vec!["f.fields[0].show_if".to_owned()])
    );
    let options = refused(form(vec![select("a", &["x", "y", "x", " z"])]).check("f")).1;
    assert_eq!(options, ["f.fields[0].options[2].value", "f.fields[0].options[3].value"]);
    assert_eq!(refused(form(vec![]).check("f")).1, ["f.fields"]);
    let many = (0..=50).map(|n| FormField::new(format!("f{n}"), Text)).collect();
    assert_eq!(refused(form(many).check("f")).1, ["f.fields"]);
}

#[test]
fn each_type_takes_its_values_and_no_others() {
    use FieldType as T;
    let file =
        json!({"name": "a.txt", "uri": "https://x.test/a", "media_type": "text/plain", "size": 3});
    let cases: [(FieldType, Vec<Value>, Vec<Value>); 13] = [
        (
            T::Text,
            vec![json!("ü"), json!("")],
            vec![json!("a\nb"), json!(1), json!("x".repeat(10_001))],
        ),
        (T::Textarea, vec![json!("a\nb\t")], vec![json!("\u{7}"), json!([])]),
        (T::Number, vec![json!(1), json!(-0.5)], vec![json!("1"), json!(""), json!(true)]),
        (
            T::Date,
            vec![json!("2024-02-29"), json!("")],
            vec![json!("2023-02-29"), json!("2024-2-1"), json!("x")],
        ),
        (
            T::Time,
            vec![json!("23:59"), json!("00:00:01")],
            vec![json!("24:00"), json!("9:00"), json!("23:59Z")],
        ),
        (
            T::Datetime,
            vec![json!("2026-01-31T23:59:59Z"), json!("2026-01-31T00:00:00.5+02:00")],
            vec![json!("2026-02-30T00:00:00Z"), json!("2026-01-31T23:59:59"), json!("2026-01-31")],
        ),
        (T::Checkbox, vec![json!(true), json!(false)], vec![json!("true"), json!(1)]),
        (
            T::Email,
            vec![json!("a.b@x.test"), json!("a@b")],
            vec![json!("a"), json!("a@"), json!("a@b c"), json!("@b")],
        ),
        (
            T::Phone,
            vec![json!("+49 (89) 123-45"), json!("112")],
            vec![json!("11"), json!("abc"), json!("+")],
        ),
        (
            T::Url,
            vec![json!("https://x.test/a?b#c"), json!("http://[::1]:80"), json!("https://ü.test")],
            vec![
                json!("x.test"),
                json!("ftp://x.test"),
                json!("https://"),
                json!("https://a b"),
                json!("javascript:1"),
            ],
        ),
        (
            T::FileUpload,
            vec![file.clone(), json!({"name": "a", "uri": "http://x"})],
            vec![
                json!("a"),
                json!({"name": "a"}),
                json!({"name": "a/b", "uri": "http://x"}),
                json!({"name": "a", "uri": "http://x", "size": -1}),
                json!({"name": "a", "uri": "http://x", "more": 1}),
            ],
        ),
        (T::Select, vec![json!("x")], vec![json!("z"), json!(["x"])]),
        (
            T::Multiselect,
            vec![json!(["x", "y"]), json!([])],
            vec![json!(["x", "x"]), json!(["z"]), json!("x")],
        ),
    ];
    for (kind, right, wrong) in cases {
        let with = FormField { kind, ..select("a", &["x", "y"]) };
        let field = if kind.has_options() { with } else { FormField::new("a", kind) };
        let form = form(vec![field]).check("form").unwrap();
        for value in right {
            assert_eq!(filled(&form, json!({ "a": value })), Ok(Data::new()), "{kind:?} {value}");
        }
        for value in wrong {
            let found = refused(filled(&form, json!({ "a": value })));
            assert_eq!(found, ("FORM_INVALID", vec!["data.a".to_owned()]), "{kind:?} {value}");
        }
        assert!(filled(&form, json!({"b": 1})).is_ok(), "what is not required may be absent");
        let asked = Form { fields: vec![required(form.fields[0].clone())], ..form };
        for nothing in
            [json!({}), json!({"a": if kind == T::Multiselect { json!([]) } else { json!("") }})]
        {
            assert!(filled(&asked, nothing).is_err(), "{kind:?}");
        }
    }
    let box_ = form(vec![required(FormField::new("a", T::Checkbox))]);
    assert!(
        filled(&box_, json!({"a": false})).is_err() && filled(&box_, json!({"a": true})).is_ok()
    );
}

#[test]
fn what_is_not_shown_is_not_judged_and_defaults_are_seen_below() {
    let kind = FormField { default_value: Some(json!("bug")), ..select("kind", &["bug", "task"]) };
    let severity = FormField {
        show_if: r#"data.kind == "bug""#.into(),
        ..required(select("severity", &["low", "high"]))
    };
    let why = FormField {
        show_if: r#"data.severity == "high""#.into(),
        default_value: Some(json!("?")),
        ..FormField::new("why", FieldType::Text)
    };
    let form = form(vec![kind, severity, why]).check("form").unwrap();
    assert_eq!(refused(filled(&form, json!({}))).1, ["data.severity"]);
    assert_eq!(filled(&form, json!({"kind": "task", "severity": 7})), Ok(Data::new()));
    let low = filled(&form, json!({"severity": "low"})).unwrap();
    assert_eq!(Value::Object(low), json!({"kind": "bug"}));
    let high = filled(&form, json!({"severity": "high", "more": [1]})).unwrap();
    assert_eq!(Value::Object(high), json!({"kind": "bug", "why": "?"}));
}

#[test]
fn a_schema_says_what_is_asked() {
    let count = FormField {
        min_value: Some(1.into()),
        default_value: Some(json!(2)),
        ..required(FormField::new("count", FieldType::Number))
    };
    let hidden = FormField { show_if: "data.count > 1".into(), ..required(select("why", &["x"])) };
    let form = form(vec![required(select("kind", &["bug"])), count, hidden]);
    assert_eq!(
        form.schema(),
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "kind": {"title": "kind", "type": "string", "enum": ["bug"]},
                "count": {"title": "count", "default": 2, "type": "number", "minimum": 1},
                "why": {
                    "title": "why",
                    "x-show-if": "data.count > 1",
                    "x-when-shown": {"type": "string", "enum": ["x"]},
                },
            },
            "required": ["kind"],
        })
    );
}

fn field() -> impl Strategy<Value = FormField> {
    let kinds = FieldType::ALL.into_iter();
    let kinds = kinds.filter(|kind| !matches!(kind, FieldType::Date | FieldType::Datetime));
    let kinds: Vec<_> = kinds.collect();
    let patterns = ["", "", r"[a-z]+", r"\d{1,3}", r".*@x\.test", "(a|bc)?x?", r"[^\s-]*"];
    (
        prop::sample::select(kinds),
        any::<bool>(),
        (0..4_u32, 0..6_u32),
        (prop::option::of(-3..3), prop::option::of(-3..3)),
        prop::sample::select(patterns.to_vec()),
    )
        .prop_map(|(kind, required, (least, most), (min, max), pattern)| {
            let mut field = FormField { required, ..FormField::new("a", kind) };
            if kind.is_free_text() || kind == FieldType::Multiselect {
                (field.min_length, field.max_length) = (least, most);
            }
            if kind == FieldType::Number {
                (field.min_value, field.max_value) = (min.map(Into::into), max.map(Into::into));
            }
            if kind.has_pattern() {
                field.pattern = pattern.into();
            }
            if kind.has_options() {
                field.options = select("a", &["x", "y", "z"]).options;
            }
            field
        })
}

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-cx0-9@. -]{0,6}",
        "[a-z]{1,2}@[a-z]{1,2}(\\.test)?",
        "https?://[a-z:/?#@\\[\\]0-9 ]{0,6}",
        "[+]?[0-9 ()/-]{0,8}",
        "[0-2][0-9]:[0-6][0-9](:[0-6][0-9])?",
        "\\PC{0,5}",
        "[a\n\r\t\u{7}\u{85}\u{2028}ü]{0,4}",
        prop::sample::select(vec!["x", "y", "", "w"]).prop_map(str::to_owned),
    ];
    let file =
        (text.clone(), text.clone(), prop::option::of(-1.0..9.0), prop::option::of(text.clone()))
            .prop_map(|(name, host, size, kind)| {
                let mut file = json!({"name": name, "uri": format!("https://x/{host}")});
                if let Some(size) = size {
                    file["size"] = if size < 4.0 { json!(size) } else { json!(f64::round(size)) };
                }
                if let Some(kind) = kind {
                    file["media_type"] = json!(format!("text/{kind}"));
                }
                file
            });
    prop_oneof![
        4 => text.clone().prop_map(Value::String),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => (-4..4).prop_map(Value::from),
        1 => (-4.0..4.0).prop_map(Value::from),
        1 => prop::collection::vec(prop::sample::select(vec!["x", "y", "z", "w"]), 0..4).prop_map(Value::from),
        1 => prop::collection::vec(text, 0..3).prop_map(Value::from),
        2 => file,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What an independent reader of the schema says of a value is what the server says.
    #[test]
    fn the_schema_and_the_server_agree(field in field(), value in prop::option::weighted(0.95, value())) {
        let Ok(form) = form(vec![field]).check("form") else { return Ok(()) };
        let reader = jsonschema::draft202012::new(&form.schema()).expect("a schema");
        let data = value.map_or_else(|| json!({}), |value| json!({ "a": value, "b": null }));
        let (server, schema) = (filled(&form, data.clone()), reader.is_valid(&data));
        prop_assert_eq!(server.is_ok(), schema, "{:?} {} {:?}", form, data, server);
    }

    #[test]
    fn what_is_published_is_stored_and_read_back(field in field()) {
        let form = form(vec![field]);
        let stored = serde_json::to_string(&form).unwrap();
        prop_assert_eq!(serde_json::from_str::<Form>(&stored).unwrap(), form);
    }
}
