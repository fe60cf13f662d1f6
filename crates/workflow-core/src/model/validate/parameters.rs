//! Judges parameters of templates and the values given for them.

use std::collections::BTreeSet;

use primitives::{Checked, InvalidArgs, UserId};

use super::faults::{Faults, Limits};
use super::{Place, Texts, definition};
use crate::model::parameters::{self, Parameter, Values};
use crate::model::{Data, Form, ParameterInput, ParameterType, Workflow, WorkflowInput};

const PARAMETERS: usize = 20;
const CHOICES: usize = 20;
const DESCRIPTION: Limits = Limits::line(0, 200);
const CHOICE: Limits = Limits::line(1, 100);

/// Judges the parameters of a template that is made of `workflow`: every `{{name}}` in it must
/// be one of them, as soon as there are any.
pub fn parameters(input: &[ParameterInput], workflow: &Workflow) -> Checked<Vec<Parameter>> {
    let mut faults = Faults::default();
    if input.len() > PARAMETERS {
        faults.note("parameters", format!("must not be more than {PARAMETERS}"));
        return faults.finish(Vec::new());
    }
    let mut names = BTreeSet::new();
    let mut judged = Vec::new();
    for (at, given) in input.iter().enumerate() {
        if !names.insert(given.name.as_str()) {
            faults.note(format!("parameters[{at}].name"), "another parameter has this name");
        }
        judged.extend(parameter(&mut faults, at, given));
    }
    if !input.is_empty() {
        used(&mut faults, workflow, &names);
    }
    faults.finish(judged)
}

fn parameter(faults: &mut Faults, at: usize, given: &ParameterInput) -> Option<Parameter> {
    let path = |field: &str| format!("parameters[{at}].{field}");
    if !parameters::is_name(&given.name) {
        faults.note(path("name"), "must be 1 to 32 of a-z 0-9 _, and begin with a letter");
    }
    let description = faults.text(&path("description"), DESCRIPTION, &given.description);
    let Some(kind) = given.kind else {
        faults.note(path("type"), "is required: STRING, NUMBER, BOOL or CHOICE");
        return None;
    };
    let is_choice = kind == ParameterType::Choice;
    if is_choice != (1..=CHOICES).contains(&given.choices.len()) {
        faults.note(path("choices"), format!("must be 1 to {CHOICES} with CHOICE, else none"));
        return None;
    }
    let choices = given.choices.iter().enumerate();
    let choices = choices
        .map(|(n, choice)| faults.text(&path(&format!("choices[{n}]")), CHOICE, choice))
        .collect();
    let name = given.name.clone();
    let judged = Parameter { name, description, kind, choices, default: given.default.clone() };
    if let Some(Err(fault)) = given.default.as_ref().map(|value| judged.read(value)) {
        faults.note(path("default_value"), fault);
    }
    Some(judged)
}

/// Texts of a workflow in which values can stand, without conditions.
fn texts(workflow: &mut WorkflowInput) -> Vec<&mut String> {
    let mut texts = vec![&mut workflow.display_name, &mut workflow.description];
    for stage in &mut workflow.stages {
        texts.extend([
            &mut stage.display_name,
            &mut stage.description,
            &mut stage.agent_prompt,
            &mut stage.agent_target_path,
        ]);
        texts.extend(stage.form.iter_mut().flat_map(Form::texts_mut));
        texts.extend(stage.routes.iter_mut().map(|route| &mut route.description));
    }
    texts.extend(workflow.triggers.iter_mut().map(|trigger| &mut trigger.description));
    texts
}

/// Conditions of routes and of fields, each with its path.
fn conditions(workflow: &mut WorkflowInput) -> Vec<(String, &mut String)> {
    let mut conditions = Vec::new();
    for (at, stage) in workflow.stages.iter_mut().enumerate() {
        let routes = stage.routes.iter_mut().enumerate().map(|(n, route)| {
            (format!("workflow.stages[{at}].routes[{n}].condition"), &mut route.condition)
        });
        conditions.extend(routes);
        let fields = stage.form.iter_mut().flat_map(|form| &mut form.fields).enumerate();
        conditions.extend(fields.map(|(n, field)| {
            (format!("workflow.stages[{at}].form.fields[{n}].show_if"), &mut field.show_if)
        }));
    }
    conditions
}

fn used(faults: &mut Faults, workflow: &Workflow, names: &BTreeSet<&str>) {
    let mut said = WorkflowInput::of(workflow);
    let mut unknown = BTreeSet::new();
    for text in texts(&mut said) {
        let strange = parameters::placeholders(text).filter(|name| !names.contains(name));
        unknown.extend(strange.map(ToOwned::to_owned));
    }
    for (field, condition) in conditions(&mut said) {
        let known = |name: &str| names.contains(name).then(|| "0".to_owned());
        if let Err(fault) = parameters::fill_condition(condition, known) {
            faults.because("INVALID_CONDITION", field, fault);
        }
    }
    for name in unknown {
        let text = format!("the workflow has {{{{{name}}}}}, which is no parameter");
        faults.note("parameters", text);
    }
}

/// The values of a template's parameters: what is given, else the defaults.
pub fn values(declared: &[Parameter], given: &Data) -> Checked<Values> {
    let mut faults = Faults::default();
    let mut values = Values::new();
    for name in given.keys() {
        if !declared.iter().any(|parameter| parameter.name == *name) {
            let shown = primitives::clip(name, 40).replace(char::is_control, "\u{fffd}");
            faults.note(format!("parameters.{shown}"), "the template has no such parameter");
        }
    }
    for parameter in declared {
        let field = format!("parameters.{}", parameter.name);
        match given.get(&parameter.name).or(parameter.default.as_ref()) {
            None => faults.note(field, "is required"),
            Some(value) => match parameter.read(value) {
                Ok(value) => drop(values.insert(parameter.name.clone(), value)),
                Err(fault) => faults.note(field, fault),
            },
        }
    }
    faults.finish(values)
}

/// The template with values in place of their placeholders, judged as anew: a value can make
/// a path or a condition wrong. `user` answers for what automates.
pub fn filled(template: &Workflow, values: &Values, user: UserId) -> Checked<Workflow> {
    let mut said = WorkflowInput::of(template);
    for text in texts(&mut said) {
        *text = parameters::fill(text, values);
    }
    for (field, condition) in conditions(&mut said) {
        let literal = |name: &str| values.get(name).map(parameters::Filled::literal);
        let filled = parameters::fill_condition(condition, literal);
        *condition =
            filled.map_err(|fault| InvalidArgs::because("INVALID_CONDITION", field, fault))?;
    }
    let mut faults = Faults::default();
    let Texts { display_name, description, .. } = super::texts(&mut faults, &said);
    let definition = definition::definition(&mut faults, &said, Place::Template, user);
    faults.finish(Workflow { display_name, description, definition, ..template.clone() })
}
