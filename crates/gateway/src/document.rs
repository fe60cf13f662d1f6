//! A definition as one YAML document: to keep beside code, to review, to bring elsewhere.
//!
//! **Invariant:** what [`write()`] writes, [`read`] reads back as the same definition, in every
//! field. Owners, names, people's rights and history are no part of a document.

use primitives::{Checked, InvalidArgs, clip};
use serde::{Deserialize, Serialize};
use workflow_core::service::WorkflowInput;

/// What a document of this shape says it is.
pub const KIND: &str = "elohim.workflow/v1";
/// Bytes of one document.
pub const MAX_BYTES: usize = 512 * 1024;
const REASON: &str = "INVALID_DOCUMENT";
const FIELD: &str = "document";
const SHOWN: usize = 150;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    kind: String,
    workflow: WorkflowInput,
}

#[derive(Serialize)]
struct Written<'a> {
    kind: &'a str,
    workflow: &'a WorkflowInput,
}

/// Reads a document. Whether the definition is a valid one is judged elsewhere.
pub fn read(text: &str) -> Checked<WorkflowInput> {
    if text.len() > MAX_BYTES {
        return Err(wrong(&format!("must not be longer than {MAX_BYTES} bytes")));
    }
    let Read { kind, workflow } = serde_saphyr::from_str(text).map_err(|error| {
        let text = error.to_string();
        wrong(text.lines().next().unwrap_or("is not valid YAML"))
    })?;
    if kind != KIND {
        return Err(wrong(&format!("must begin with `kind: {KIND}`")));
    }
    Ok(workflow)
}

/// Writes a definition. The error says why a value cannot be written.
pub fn write(workflow: &WorkflowInput) -> Result<String, String> {
    let document = Written { kind: KIND, workflow };
    serde_saphyr::to_string(&document).map_err(|error| error.to_string())
}

fn wrong(text: &str) -> InvalidArgs {
    let text = clip(text, SHOWN).replace(char::is_control, " ");
    InvalidArgs::because(REASON, FIELD, text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use workflow_core::model::{AgentOutput, FieldOption, FieldType, Form, FormField, StageType};
    use workflow_core::service::{
        AssignmentInput, QueueInput, RotaInput, RouteInput, StageInput, TriggerInput,
    };

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\PC{0,20}",
            "[ a-z\n\t:#'\"{}\\[\\],&*!|>%@`-]{0,60}",
            "(true|null|~|1e3|0x1|on|no|- a|: b|yes|2020-01-01|\\.inf)",
            "[a-z ]{100,300}",
            "([a-z]{1,9} ?\n){1,5} *\n*",
        ]
    }

    fn assignment() -> impl Strategy<Value = AssignmentInput> {
        prop_oneof![
            Just(AssignmentInput::Anyone),
            text().prop_map(AssignmentInput::Role),
            text().prop_map(AssignmentInput::User),
            (text(), text())
                .prop_map(|(name, role)| AssignmentInput::Queue(QueueInput { name, role })),
            (text(), prop::collection::vec(text(), 0..3))
                .prop_map(|(role, users)| AssignmentInput::RoundRobin(RotaInput { role, users })),
        ]
    }

    fn kind() -> impl Strategy<Value = Option<StageType>> {
        prop::option::of(prop::sample::select(StageType::ALL.to_vec()))
    }

    fn default() -> impl Strategy<Value = serde_json::Value> {
        prop_oneof![
            text().prop_map(Into::into),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            (-1e9..1e9).prop_map(Into::into),
            prop::collection::vec(text(), 0..3).prop_map(Into::into),
            (text(), 0..9_i32)
                .prop_map(|(name, size)| serde_json::json!({"name": name, "size": size})),
        ]
    }

    prop_compose! {
        fn field()(
            (key, label, show_if, pattern) in (text(), text(), text(), text()),
            kind in prop::sample::select(FieldType::ALL.to_vec()),
            default_value in prop::option::of(default()),
            (required, max_length) in (any::<bool>(), 0..9_u32),
            (min, max) in (prop::option::of(any::<i64>()), prop::option::of(-1e3..1e3)),
            options in prop::collection::vec((text(), text()), 0..3),
        ) -> FormField {
            let option = |(value, label)| FieldOption { value, label };
            FormField {
                label, show_if, pattern, default_value, required, max_length,
                min_value: min.map(Into::into),
                max_value: max.and_then(serde_json::Number::from_f64),
                options: options.into_iter().map(option).collect(),
                ..FormField::new(key, kind)
            }
        }
    }

    fn form() -> impl Strategy<Value = Form> {
        (text(), prop::collection::vec(field(), 0..3)).prop_map(|(display_name, fields)| Form {
            display_name,
            fields,
            ..Form::default()
        })
    }

    prop_compose! {
        fn stage()(
            (id, display_name, description) in (text(), text(), text()),
            (kind, assignment) in (kind(), assignment()),
            routes in prop::collection::vec((text(), text(), text()), 0..3),
            (agent_prompt, agent_target_path, agent_model_hint) in (text(), text(), text()),
            (patch, agent_auto_apply) in (any::<bool>(), any::<bool>()),
            form in prop::option::of(form()),
        ) -> StageInput {
            let route = |(condition, target, description)| RouteInput { condition, target, description };
            StageInput {
                id, display_name, description, kind, assignment,
                routes: routes.into_iter().map(route).collect(),
                agent_prompt, agent_target_path, agent_model_hint,
                agent_output: if patch { AgentOutput::Patch } else { AgentOutput::Plan },
                agent_auto_apply, form,
                ..StageInput::default()
            }
        }
    }

    prop_compose! {
        fn workflow()(
            (display_name, description, icon, category) in (text(), text(), text(), text()),
            tags in prop::collection::vec(text(), 0..3),
            stages in prop::collection::vec(stage(), 0..4),
            triggers in prop::collection::vec((text(), any::<bool>(), text()), 0..3),
            allow_manual_creation in prop::option::of(any::<bool>()),
            require_approval_to_start in any::<bool>(),
        ) -> WorkflowInput {
            let trigger = |(event_type, enabled, description)| TriggerInput { event_type, enabled, description };
            WorkflowInput {
                display_name, description, icon, category, tags, stages,
                triggers: triggers.into_iter().map(trigger).collect(),
                allow_manual_creation, require_approval_to_start,
                ..WorkflowInput::default()
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(workflow in workflow()) {
            let written = write(&workflow).unwrap();
            let back = read(&written).unwrap();
            prop_assert_eq!(&back, &workflow);
            prop_assert_eq!(write(&back).unwrap(), written);
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,200}|[ \n:{}&*-]{0,80}") {
            let _ = read(&text);
        }
    }

    #[test]
    fn what_is_no_document_is_refused_in_words() {
        let fine = "kind: elohim.workflow/v1\nworkflow:\n  display_name: x\n";
        assert!(read(fine).is_ok());
        let laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n";
        let laughs = (0..12).fold(laughs.to_owned(), |text, n| {
            let (last, next) = (char::from(b'a' + n), char::from(b'b' + n));
            format!("{text}{next}: &{next} [{}]\n", vec![format!("*{last}"); 9].join(","))
        });
        for (text, said) in [
            ("", ""),
            ("kind: other\nworkflow: {}", "kind: elohim.workflow/v1"),
            ("kind: elohim.workflow/v1\nworkflow:\n  stagse: []", "stagse"),
            ("kind: elohim.workflow/v1\nworkflow:\n  tags: 7", ""),
            ("kind: [", ""),
            (&format!("{fine}---\n{fine}"), ""),
            (&laughs, ""),
            (&"x".repeat(MAX_BYTES + 1), "longer"),
        ] {
            let refused = read(text).unwrap_err();
            assert_eq!(refused.reason, REASON);
            let description = &refused.fields[0].description;
            assert!(description.contains(said) && description.len() < 200, "{description}");
        }
    }
}
