//! Parameters of templates.

use std::collections::HashMap;

use api::workflow as wire;
use primitives::{Checked, InvalidArgs};
use prost_types::Value;
use workflow_core::model::{Data, Parameter, ParameterType};
use workflow_core::service::{ParameterInput, PublishInput};

use super::faults::Faults;
use super::json;
use super::scalar::version;

/// Parameters looked at; the domain refuses fewer.
const LOOKED_AT: usize = 100;
/// The page about templates.
const PAGE: &str = "docs/templates.md";

/// Where a template is written about.
pub(crate) fn help(seed_key: Option<&str>) -> String {
    format!("{PAGE}#{}", seed_key.unwrap_or("templates-of-your-own"))
}

/// What to publish.
pub(crate) fn publish(
    request: &wire::PublishTemplateRequest,
    is_revision: bool,
) -> Checked<PublishInput> {
    let mut faults = Faults::default();
    if is_revision && (request.visibility != 0 || !request.team.is_empty()) {
        faults.note("template", "it stays where it is: leave visibility and team unset");
    }
    if request.parameters.len() > LOOKED_AT {
        return Err(InvalidArgs::new("parameters", "are too many"));
    }
    let parameters = request.parameters.iter().enumerate();
    let parameters = parameters.map(|(at, given)| asked(&mut faults, at, given)).collect();
    let display_name = request.display_name.clone();
    faults.or(PublishInput { display_name, parameters, etag: version(&request.etag) })
}

fn asked(faults: &mut Faults, at: usize, given: &wire::TemplateParameter) -> ParameterInput {
    use wire::ParameterType as Wire;
    let kind = match Wire::try_from(given.r#type) {
        Ok(Wire::String) => Some(ParameterType::String),
        Ok(Wire::Number) => Some(ParameterType::Number),
        Ok(Wire::Bool) => Some(ParameterType::Bool),
        Ok(Wire::Choice) => Some(ParameterType::Choice),
        Ok(Wire::Unspecified) | Err(_) => None,
    };
    let field = format!("parameters[{at}].default_value");
    let default = given.default_value.clone();
    let default = default.and_then(|value| faults.take(json::one(&field, value).map(Some)));
    ParameterInput {
        name: given.name.clone(),
        description: given.description.clone(),
        kind,
        choices: given.choices.clone(),
        default,
    }
}

/// Values by parameter.
pub(crate) fn values(given: HashMap<String, Value>) -> Checked<Data> {
    if given.len() > LOOKED_AT {
        return Err(InvalidArgs::new("parameters", "are too many"));
    }
    let mut faults = Faults::default();
    let mut values = Data::new();
    for (name, value) in given {
        let shown = primitives::clip(&name, 40).replace(char::is_control, "\u{fffd}");
        let value = faults.take(json::one(&format!("parameters.{shown}"), value).map(Some));
        values.extend(value.map(|value| (name, value)));
    }
    faults.or(values)
}

/// A parameter as stored.
pub(crate) fn shown(parameter: Parameter) -> wire::TemplateParameter {
    use wire::ParameterType as Wire;
    let kind = match parameter.kind {
        ParameterType::String => Wire::String,
        ParameterType::Number => Wire::Number,
        ParameterType::Bool => Wire::Bool,
        ParameterType::Choice => Wire::Choice,
    };
    wire::TemplateParameter {
        name: parameter.name,
        r#type: kind.into(),
        description: parameter.description,
        choices: parameter.choices,
        default_value: parameter.default.as_ref().map(json::wire),
    }
}
