//! Asking a language model for a plan.
//!
//! **Invariants:** what comes from repositories and work items is framed as data between
//! boundaries that it cannot contain; the answer is checked against the commit before
//! anybody sees it; a wrong answer gets one chance of repair and no second one.

mod answer;
mod text;

use primitives::{Classify, ErrorKind};

use crate::context::{Bundle, Redactor};
use crate::plan::{PlanDraft, PlanningTask};
use crate::port::model::{Model, ModelError, ModelRequest};
use crate::port::workspace::Snapshot;

pub use answer::{AnswerProblem, parse_answer, schema};
pub use text::{default_prompt, repair_text, system_text, user_text};

/// Which wording of the prompt is used; changes with every change of the texts.
pub const PROMPT_VERSION: &str = "plan-1";
/// Name of the answer's schema.
pub const SCHEMA_NAME: &str = "plan";
/// Upper bound of the answer in tokens.
pub const MAX_ANSWER_TOKENS: u32 = 6_000;

/// Why a model gave no plan. Carries neither prompt nor answer.
#[derive(Debug, thiserror::Error)]
pub enum PlanningError {
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Invalid twice: at first and after the repair.
    #[error("the model gave no valid plan, also after one repair: {0}")]
    AnswerInvalid(AnswerProblem),
}

impl Classify for PlanningError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Model(ModelError::Unavailable(_)) => ErrorKind::Unavailable,
            Self::Model(ModelError::Refused(_) | ModelError::Malformed(_))
            | Self::AnswerInvalid(_) => ErrorKind::WrongState,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Model(ModelError::Unavailable(_)) => "MODEL_UNAVAILABLE",
            Self::Model(ModelError::Refused(_)) => "MODEL_REFUSED",
            Self::Model(ModelError::Malformed(_)) | Self::AnswerInvalid(_) => {
                "MODEL_ANSWER_INVALID"
            }
        }
    }
}

/// The request for a plan.
///
/// `model` is the name to ask for, `None` for the configured one.
pub fn plan_request(
    model: Option<&str>,
    task: &PlanningTask,
    bundle: &Bundle,
    redactor: &Redactor,
) -> ModelRequest {
    ModelRequest {
        model: model.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned),
        system: system_text(),
        user: user_text(task, bundle, redactor),
        schema_name: SCHEMA_NAME,
        schema: schema(),
        max_tokens: MAX_ANSWER_TOKENS,
    }
}

/// Asks a model for a plan, and once more with what was wrong if its answer is invalid.
/// Returns the plan and the model's name as its endpoint reports it.
pub async fn plan_with_model(
    model: &dyn Model,
    name: Option<&str>,
    task: &PlanningTask,
    bundle: &Bundle,
    snapshot: &Snapshot,
    redactor: &Redactor,
) -> Result<(PlanDraft, String), PlanningError> {
    let request = plan_request(name, task, bundle, redactor);
    let first = model.complete(&request).await?;
    let problem = match parse_answer(&first.text, snapshot, redactor) {
        Ok(draft) => return Ok((draft, first.model)),
        Err(problem) => problem,
    };
    let user = repair_text(&request.user, &first.text, &problem, redactor);
    let second = model.complete(&ModelRequest { user, ..request }).await?;
    match parse_answer(&second.text, snapshot, redactor) {
        Ok(draft) => Ok((draft, second.model)),
        Err(problem) => Err(PlanningError::AnswerInvalid(problem)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use serde_json::json;

    use super::*;
    use crate::context::{Inputs, Query, build, select_candidates};
    use crate::port::model::ModelAnswer;
    use crate::port::workspace::{ObjectId, TreeFile};

    /// Answers from a list and remembers what it was asked.
    struct Scripted {
        answers: Mutex<Vec<Result<String, ModelError>>>,
        asked: Mutex<Vec<ModelRequest>>,
    }

    impl Scripted {
        fn new(mut answers: Vec<Result<String, ModelError>>) -> Self {
            answers.reverse();
            Self { answers: Mutex::new(answers), asked: Mutex::default() }
        }

        fn asked(&self) -> Vec<ModelRequest> {
            self.asked.lock().unwrap().clone()
        }
    }

    #[async_trait]
    impl Model for Scripted {
        fn name(&self) -> &'static str {
            "scripted"
        }

        async fn complete(&self, request: &ModelRequest) -> Result<ModelAnswer, ModelError> {
            self.asked.lock().unwrap().push(request.clone());
            let text = self.answers.lock().unwrap().pop().unwrap()?;
            Ok(ModelAnswer { model: "scripted-2".into(), text })
        }
    }

    fn snapshot() -> Snapshot {
        let id = ObjectId::parse(&"b".repeat(40)).unwrap();
        let file = TreeFile { path: "src/cart.rs".into(), blob: id.clone(), size: 30 };
        Snapshot { commit: id.clone(), tree: id, files: vec![file], skipped: BTreeMap::new() }
    }

    fn bundle(snapshot: &Snapshot, text: &str) -> Bundle {
        let redactor = Redactor::new(&[]);
        let query = Query { text: "cart discount", ..Query::default() };
        let selection = select_candidates(snapshot, &query, &redactor);
        build(&Inputs {
            snapshot,
            selection: &selection,
            texts: &[Some(text.to_owned())],
            commits: &[],
            status: &[],
            query,
            budget: 2_000,
            redactor: &redactor,
        })
    }

    fn answer(path: &str) -> String {
        json!({
            "summary": "Round once.",
            "steps": [{
                "description": "Round the total once.",
                "risk": "medium",
                "risk_reason": "orders use it",
                "minutes": 20,
                "minutes_reason": "one function",
                "files": [{"path": path, "is_new": false, "reason": "holds it", "symbols": ["total"]}],
            }],
            "risks": [],
        })
        .to_string()
    }

    async fn plan(model: &Scripted) -> Result<(PlanDraft, String), PlanningError> {
        let snapshot = snapshot();
        let bundle = bundle(&snapshot, "fn discount(cart: &Cart) {}\n");
        let task = PlanningTask::of_input("Fix the discount");
        plan_with_model(model, Some("big"), &task, &bundle, &snapshot, &Redactor::new(&[])).await
    }

    #[tokio::test]
    async fn a_valid_answer_needs_one_request() {
        let model = Scripted::new(vec![Ok(answer("src/cart.rs"))]);
        let (draft, used) = plan(&model).await.unwrap();
        assert_eq!((draft.steps.len(), used.as_str()), (1, "scripted-2"));
        let asked = model.asked();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].model.as_deref(), Some("big"));
        assert_eq!(asked[0].schema["required"][0], "summary");
    }

    #[tokio::test]
    async fn an_invalid_answer_is_repaired_once_with_the_problem_named() {
        let model = Scripted::new(vec![Ok(answer("src/nowhere.rs")), Ok(answer("src/cart.rs"))]);
        assert!(plan(&model).await.is_ok());
        let asked = model.asked();
        assert_eq!(asked.len(), 2);
        assert!(asked[1].user.contains("steps[0].files[0].path"), "{}", asked[1].user);
        assert!(asked[1].user.contains("src/nowhere.rs"));
    }

    #[tokio::test]
    async fn a_second_invalid_answer_is_an_error_that_repeats_nothing() {
        let model = Scripted::new(vec![Ok("no json, hunter2".into()), Ok(answer("/etc/passwd"))]);
        let error = plan(&model).await.unwrap_err();
        assert_eq!(model.asked().len(), 2);
        assert_eq!(error.reason(), "MODEL_ANSWER_INVALID");
        let text = error.to_string();
        assert!(!text.contains("hunter2") && !text.contains("passwd"), "{text}");
    }

    #[tokio::test]
    async fn an_endpoint_that_fails_is_not_asked_to_repair() {
        let model = Scripted::new(vec![Err(ModelError::Unavailable("no route".into()))]);
        let error = plan(&model).await.unwrap_err();
        assert_eq!((error.reason(), error.kind()), ("MODEL_UNAVAILABLE", ErrorKind::Unavailable));
        assert_eq!(model.asked().len(), 1);
    }
}
