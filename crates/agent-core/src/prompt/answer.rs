//! What a model's answer must look like, and whether it does.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::context::Redactor;
use crate::model::{PlannedFile, PlannedStep, Risk};
use crate::plan::{MANY_STEPS, PlanDraft};
use crate::port::workspace::Snapshot;

const MAX_ANSWER_BYTES: usize = 256 << 10;
const MAX_STEPS: usize = 20;
const MAX_FILES: usize = 20;
const MAX_SYMBOLS: usize = 20;
const MAX_RISKS: usize = 20;
const MAX_MINUTES: u32 = 10_000;
const MAX_TEXT_CHARS: usize = 2_000;
const MAX_NAME_CHARS: usize = 200;
const MAX_PATH_BYTES: usize = 512;
/// Problems listed at most.
const MAX_PROBLEMS: usize = 12;

/// What is wrong with an answer. Names places and rules, never the answer's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerProblem {
    /// One line each, at least one.
    pub problems: Vec<String>,
}

impl fmt::Display for AnswerProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

/// The JSON Schema of an answer.
pub fn schema() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let object = |properties: Value| {
        let required: Vec<String> =
            properties.as_object().map(|p| p.keys().cloned().collect()).unwrap_or_default();
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    };
    let file = object(json!({
        "path": text("relative to the top of the repository"),
        "is_new": {"type": "boolean", "description": "true only if the step creates it"},
        "reason": text("why this file"),
        "symbols": {"type": "array", "items": {"type": "string"}},
    }));
    let step = object(json!({
        "description": text("what to do, at most 2,000 characters"),
        "risk": {"type": "string", "enum": ["low", "medium", "high"]},
        "risk_reason": text("what the risk rests on"),
        "minutes": {"type": "integer", "minimum": 1, "maximum": MAX_MINUTES},
        "minutes_reason": text("what the minutes rest on"),
        "files": {"type": "array", "items": file},
    }));
    let mut schema = object(json!({
        "summary": text("one paragraph"),
        "steps": {"type": "array", "items": step},
        "risks": {"type": "array", "items": {"type": "string"}},
    }));
    if let Some(map) = schema.as_object_mut() {
        map.insert("required".to_owned(), json!(["summary", "steps", "risks"]));
    }
    schema
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    summary: String,
    steps: Vec<AnswerStep>,
    risks: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerStep {
    description: String,
    risk: String,
    risk_reason: String,
    minutes: u32,
    minutes_reason: String,
    files: Vec<AnswerFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerFile {
    path: String,
    is_new: bool,
    reason: String,
    symbols: Vec<String>,
}

/// Reads and checks an answer. Paths must exist at the commit or be marked new; the sums
/// and the need for confirmation are computed here, not taken from the model; secrets that
/// it repeats are redacted.
pub fn parse_answer(
    text: &str,
    snapshot: &Snapshot,
    redactor: &Redactor,
) -> Result<PlanDraft, AnswerProblem> {
    let refuse = |problem: String| AnswerProblem { problems: vec![problem] };
    if text.len() > MAX_ANSWER_BYTES {
        return Err(refuse(format!("the answer has more than {MAX_ANSWER_BYTES} bytes")));
    }
    let answer: Answer =
        serde_json::from_str(unfenced(text)).map_err(|e| refuse(json_problem(&e)))?;
    let mut check = Check {
        paths: snapshot.files.iter().map(|f| f.path.as_str()).collect(),
        redactor,
        problems: Vec::new(),
    };
    let draft = check.draft(answer);
    if check.problems.is_empty() {
        Ok(draft)
    } else {
        Err(AnswerProblem { problems: check.problems })
    }
}

/// Where the JSON is wrong; serde's own words can repeat the answer's, so only the kind and
/// the place are used.
fn json_problem(error: &serde_json::Error) -> String {
    let what = if error.is_data() {
        "a field is missing, unknown or of the wrong type"
    } else {
        "it is not one JSON object"
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// Models often put JSON between code fences although the schema forbids it.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```json").or_else(|| text.strip_prefix("```"));
    inner.and_then(|rest| rest.strip_suffix("```")).map_or(text, str::trim)
}

struct Check<'a> {
    paths: HashSet<&'a str>,
    redactor: &'a Redactor,
    problems: Vec<String>,
}

impl Check<'_> {
    fn wrong(&mut self, place: &str, rule: &str) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(format!("{place} {rule}"));
        }
    }

    fn draft(&mut self, answer: Answer) -> PlanDraft {
        let summary = self.text("summary", &answer.summary, true);
        if answer.steps.is_empty() || answer.steps.len() > MAX_STEPS {
            self.wrong("steps", &format!("must have 1 to {MAX_STEPS} entries"));
        }
        if answer.risks.len() > MAX_RISKS {
            self.wrong("risks", &format!("must have at most {MAX_RISKS} entries"));
        }
        let steps: Vec<PlannedStep> = answer
            .steps
            .into_iter()
            .take(MAX_STEPS)
            .enumerate()
            .map(|(at, step)| self.step(&format!("steps[{at}]"), step))
            .collect();
        let mut risks = Vec::new();
        for (at, risk) in answer.risks.iter().take(MAX_RISKS).enumerate() {
            risks.push(self.text(&format!("risks[{at}]"), risk, true));
        }
        let estimated_minutes = steps.iter().fold(0_u32, |sum, s| sum.saturating_add(s.minutes));
        PlanDraft {
            summary,
            risks,
            requires_confirmation: steps.len() > MANY_STEPS
                || steps.iter().any(|step| step.risk == Risk::High),
            estimated_minutes,
            estimate_reason: format!("sum of the model's figures for {} step(s)", steps.len()),
            steps,
        }
    }

    fn step(&mut self, place: &str, step: AnswerStep) -> PlannedStep {
        let risk = match step.risk.as_str() {
            "low" => Risk::Low,
            "medium" => Risk::Medium,
            "high" => Risk::High,
            _ => {
                self.wrong(&format!("{place}.risk"), "must be low, medium or high");
                Risk::High
            }
        };
        if step.minutes == 0 || step.minutes > MAX_MINUTES {
            self.wrong(&format!("{place}.minutes"), &format!("must be 1 to {MAX_MINUTES}"));
        }
        if step.files.len() > MAX_FILES {
            self.wrong(
                &format!("{place}.files"),
                &format!("must have at most {MAX_FILES} entries"),
            );
        }
        let mut files: Vec<PlannedFile> = Vec::new();
        for (at, file) in step.files.into_iter().take(MAX_FILES).enumerate() {
            let file = self.file(&format!("{place}.files[{at}]"), file);
            if files.iter().all(|known| known.path != file.path) {
                files.push(file);
            }
        }
        PlannedStep {
            description: self.text(&format!("{place}.description"), &step.description, true),
            risk,
            risk_reason: self.text(&format!("{place}.risk_reason"), &step.risk_reason, true),
            minutes: step.minutes,
            minutes_reason: self.text(
                &format!("{place}.minutes_reason"),
                &step.minutes_reason,
                true,
            ),
            files,
        }
    }

    fn file(&mut self, place: &str, file: AnswerFile) -> PlannedFile {
        let known = self.paths.contains(file.path.as_str());
        if !known && !file.is_new {
            self.wrong(
                &format!("{place}.path"),
                "does not exist at the commit and is_new is false",
            );
        } else if known && file.is_new {
            self.wrong(&format!("{place}.is_new"), "is true, but the path exists at the commit");
        } else if file.is_new && !is_sound_path(&file.path) {
            self.wrong(&format!("{place}.path"), "must be a relative path inside the repository");
        }
        if file.symbols.len() > MAX_SYMBOLS {
            self.wrong(
                &format!("{place}.symbols"),
                &format!("must have at most {MAX_SYMBOLS} entries"),
            );
        }
        let mut symbols = Vec::new();
        for symbol in file.symbols.iter().take(MAX_SYMBOLS) {
            if symbol.chars().count() > MAX_NAME_CHARS {
                self.wrong(&format!("{place}.symbols"), "has a name that is too long");
            }
            symbols.push(self.clean(symbol));
        }
        let reason = self.text(&format!("{place}.reason"), &file.reason, false);
        PlannedFile { path: file.path, is_new: file.is_new, reason, symbols }
    }

    fn text(&mut self, place: &str, text: &str, required: bool) -> String {
        let length = text.trim().chars().count();
        if length > MAX_TEXT_CHARS {
            self.wrong(place, &format!("must have at most {MAX_TEXT_CHARS} characters"));
        } else if required && length == 0 {
            self.wrong(place, "must not be empty");
        }
        self.clean(text)
    }

    /// Without secrets and without control characters, which databases and terminals fear.
    fn clean(&self, text: &str) -> String {
        let visible = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
        self.redactor.redact(text.trim()).text.chars().filter(visible).collect()
    }
}

/// A path that a step may create; what may really be written is judged when a patch is.
fn is_sound_path(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.eq_ignore_ascii_case(".git")
            && !part.chars().any(|c| c.is_control() || c == '\\' || c == ':')
    };
    path.len() <= MAX_PATH_BYTES && path.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::port::workspace::{ObjectId, TreeFile};

    fn parse(answer: &Value) -> Result<PlanDraft, AnswerProblem> {
        parse_text(&answer.to_string())
    }

    fn parse_text(text: &str) -> Result<PlanDraft, AnswerProblem> {
        let id = ObjectId::parse(&"c".repeat(40)).unwrap();
        let file = TreeFile { path: "src/a.rs".into(), blob: id.clone(), size: 1 };
        let snapshot =
            Snapshot { commit: id.clone(), tree: id, files: vec![file], skipped: BTreeMap::new() };
        parse_answer(text, &snapshot, &Redactor::new(&["hunter2hunter2".to_owned()]))
    }

    fn step(risk: &str, path: &str, is_new: bool) -> Value {
        json!({
            "description": "d", "risk": risk, "risk_reason": "r", "minutes": 5,
            "minutes_reason": "m",
            "files": [{"path": path, "is_new": is_new, "reason": "f", "symbols": []}],
        })
    }

    fn answer(step: Value) -> Value {
        json!({"summary": "s", "steps": [step], "risks": ["one"]})
    }

    #[test]
    fn sums_and_confirmation_are_computed_here() {
        let draft = parse(&answer(step("high", "src/a.rs", false))).unwrap();
        assert_eq!((draft.estimated_minutes, draft.requires_confirmation), (5, true));
        let draft = parse(&answer(step("low", "src/new.rs", true))).unwrap();
        assert!(!draft.requires_confirmation && draft.steps[0].files[0].is_new);
        let fenced = format!("```json\n{}\n```", answer(step("low", "src/a.rs", false)));
        assert!(parse_text(&fenced).is_ok());
    }

    #[test]
    fn each_broken_rule_is_named_with_its_place() {
        let table = [
            (step("awful", "src/a.rs", false), "steps[0].risk must be"),
            (step("low", "src/b.rs", false), "steps[0].files[0].path does not exist"),
            (step("low", "src/a.rs", true), "steps[0].files[0].is_new is true"),
            (step("low", "../x", true), "must be a relative path"),
            (step("low", "/etc/x", true), "must be a relative path"),
            (step("low", "a/.GIT/config", true), "must be a relative path"),
            (step("low", "a//b", true), "must be a relative path"),
        ];
        for (step, expected) in table {
            let problem = parse(&answer(step)).unwrap_err().to_string();
            assert!(problem.contains(expected), "{problem}");
        }
        let mut long = answer(step("low", "src/a.rs", false));
        long["summary"] = json!("x".repeat(MAX_TEXT_CHARS + 1));
        assert!(parse(&long).unwrap_err().to_string().contains("summary must have at most"));
        let mut late = answer(step("low", "src/a.rs", false));
        late["steps"][0]["minutes"] = json!(0);
        assert!(parse(&late).unwrap_err().to_string().contains("steps[0].minutes"));
        let none = json!({"summary": "s", "steps": [], "risks": []});
        assert!(parse(&none).unwrap_err().to_string().contains("steps must have 1"));
    }

    #[test]
    fn what_is_not_the_schema_is_refused_without_repeating_it() {
        let mut extra = answer(step("low", "src/a.rs", false));
        extra["secret_field"] = json!(1);
        for text in
            ["", "[]", "{", "hello there", "null", &extra.to_string(), "{\"summary\":\"s\"}"]
        {
            let problem = parse_text(text).unwrap_err().to_string();
            assert!(!problem.contains("hello") && !problem.contains("secret_field"), "{problem}");
        }
        assert!(parse_text(&" ".repeat(MAX_ANSWER_BYTES + 1)).is_err());
        assert!(parse_text(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn secrets_and_control_characters_do_not_survive() {
        let mut value = answer(step("low", "src/a.rs", false));
        value["summary"] = json!("uses hunter2hunter2\u{0} \u{1b}[31m");
        let summary = parse(&value).unwrap().summary;
        assert_eq!(summary, "uses [redacted:known_value] [31m");
    }
}
