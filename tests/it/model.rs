//! What a model endpoint is asked, and what becomes of its answers.

use api::agent::{PlanRequest, Planner};
use api::workflow::Stage;
use serde_json::{Value, json};
use testkit::model_server::{Reply, ScriptedModel};
use testkit::world::shapes::{assist, item_on, workflow};
use testkit::world::{Setup, World, log, refused};
use tonic::Code;

const HINT: &str = "large-and-slow";

/// A key that occurs nowhere else, so that finding it anywhere is a leak.
fn secret_key() -> String {
    format!("sk-{}", uuid::Uuid::from_bytes(*b"a key for a test").simple())
}

fn asking(model: &ScriptedModel) -> Setup {
    let endpoint = (model.base_url(), "small".to_owned(), secret_key());
    Setup { model: Some(endpoint), ..Setup::default() }
}

/// An answer that keeps to the schema sent with the request.
fn valid_answer() -> Value {
    json!({
        "summary": "Make carts forget",
        "steps": [{
            "description": "Empty the cart",
            "risk": "low",
            "risk_reason": "few use it",
            "minutes": 10,
            "minutes_reason": "one function",
            "files": [{ "path": "src/cart.rs", "is_new": false, "reason": "it is about carts", "symbols": ["clear"] }],
        }],
        "risks": ["Totals change"],
    })
}

testkit::on_both! {
    /// The request to the model holds the schema, the stage's prompt, the item's title and
    /// description and the target path, and asks for the model that the stage hints at. The
    /// key is in the header alone.
    async fn a_model_is_told_what_the_stage_and_the_item_say(db: TestDb) {
        let model = ScriptedModel::start([Reply::json(&valid_answer())]).await;
        let world = World::with(db, asking(&model)).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let (_, repository) = world.shop().await;
        let stage = Stage {
            agent_prompt: "Think of the accountant.".into(),
            agent_target_path: "src/tax.rs".into(),
            agent_model_hint: HINT.into(),
            ..assist("think")
        };
        let flow = workflow("Work", &alice.team, [stage]);
        let flow = alice.creates_workflow(flow).await.unwrap();
        let new = item_on(&flow.name, "Reduced rate", "Books are taxed at 7 %.", &repository);
        let item = bob.creates_item(new).await.unwrap();
        let item = bob.awaits_agent(&item.name).await;

        let advice = item.recommendation.expect("a recommendation");
        let requests = model.requests();
        assert_eq!(requests.len(), 1, "asked once");
        let request = &requests[0];
        assert!(request.schema().is_some_and(|schema| schema["properties"]["steps"].is_object()));
        let asked = format!("{}\n{}", request.system(), request.user());
        for told in ["Think of the accountant.", "Reduced rate", "Books are taxed at 7 %.", "src/tax.rs"] {
            assert!(asked.contains(told), "{told:?} is missing in {asked}");
        }
        assert_eq!(request.model(), Some(HINT));
        assert_eq!(request.header("authorization"), Some(format!("Bearer {}", secret_key()).as_str()));
        assert!(!asked.contains(&secret_key()));
        assert_eq!(advice.model_used, HINT);
        assert_eq!(advice.steps[0].description, "Empty the cart");
        assert!(!log().contains(&secret_key()), "the key is in the log");
        let stored = world.probe().dump().await;
        assert!(!format!("{stored:?}").contains(&secret_key()), "the key is in the database");
    }

    /// An answer that breaks the schema is sent back once with what is wrong about it; the
    /// second one counts.
    async fn a_broken_answer_is_repaired_once(db: TestDb) {
        let broken = json!({ "steps": "none" });
        let replies = [Reply::json(&broken), Reply::json(&valid_answer())];
        let model = ScriptedModel::start(replies).await;
        let world = World::with(db, asking(&model)).await;
        let alice = world.person("alice");
        let (_, repository) = world.shop().await;

        let plan = alice.plans_task(&repository, "Empty carts").await.unwrap();

        assert_eq!(plan.planner(), Planner::Model);
        let requests = model.requests();
        assert_eq!(requests.len(), 2);
        let repair = requests[1].raw.clone();
        let repair = String::from_utf8_lossy(&repair);
        assert!(repair.contains("steps"), "the repair says what was wrong: {repair}");
        assert_ne!(requests[0].raw, requests[1].raw);
    }

    /// Two broken answers are an error, and nobody asks a third time.
    async fn two_broken_answers_are_an_error(db: TestDb) {
        let model = ScriptedModel::start([Reply::text("no"), Reply::text("still no")]).await;
        let world = World::with(db, asking(&model)).await;
        let alice = world.person("alice");
        let (_, repository) = world.shop().await;

        let answer = alice.plans_task(&repository, "Empty carts").await;

        refused(answer, Code::FailedPrecondition, "MODEL_ANSWER_INVALID");
        assert_eq!(model.requests().len(), 2);
        assert_eq!(world.probe().count("select count(*) from plan").await, 0);
    }

    /// A path that the model made up is sent back or marked, never shown as one that exists.
    async fn a_made_up_path_is_never_shown_as_real(db: TestDb) {
        let mut answer = valid_answer();
        answer["steps"][0]["files"] = json!([
            { "path": "src/cart.rs", "is_new": true, "reason": "claims to be new", "symbols": [] },
            { "path": "src/imagined.rs", "is_new": false, "reason": "made up", "symbols": [] },
            { "path": "../../etc/passwd", "is_new": false, "reason": "outside", "symbols": [] },
        ]);
        let made_up = answer;
        let mut corrected = valid_answer();
        corrected["steps"][0]["files"] = json!([
            { "path": "src/cart.rs", "is_new": false, "reason": "carts", "symbols": [] },
            { "path": "src/wanted.rs", "is_new": true, "reason": "to be made", "symbols": [] },
        ]);
        let model = ScriptedModel::start([Reply::json(&made_up), Reply::json(&corrected)]).await;
        let world = World::with(db, asking(&model)).await;
        let alice = world.person("alice");
        let (repo, repository) = world.shop().await;

        let plan = alice.plans_task(&repository, "Empty carts").await.unwrap();

        let tracked = repo.tracked();
        for file in plan.steps.iter().flat_map(|step| &step.files) {
            assert_eq!(!file.is_new, tracked.contains(&file.path), "{file:?}");
            assert!(!file.path.contains(".."), "{file:?}");
        }
        assert!(model.requests().len() <= 2);
    }

    /// Whoever asks for the built-in planner gets it, though there is a model; without an
    /// endpoint a model cannot be asked for.
    async fn the_planner_can_be_chosen(db: TestDb) {
        let model = ScriptedModel::start([]).await;
        let world = World::with(db, asking(&model)).await;
        let alice = world.person("alice");
        let (_, repository) = world.shop().await;
        let request = PlanRequest {
            repository,
            input: "Empty carts".into(),
            model: "builtin".into(),
            ..Default::default()
        };
        let plan = alice.plans(request).await.unwrap();
        assert_eq!((plan.planner(), plan.model_used.as_str()), (Planner::Builtin, "builtin"));
        assert!(model.requests().is_empty());
    }

    async fn a_model_without_an_endpoint_is_refused(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let (_, repository) = world.shop().await;
        let request = PlanRequest {
            repository,
            input: "Empty carts".into(),
            model: "large".into(),
            ..Default::default()
        };
        refused(alice.plans(request).await, Code::FailedPrecondition, "MODEL_NOT_CONFIGURED");
    }

    /// An endpoint that is down is said to be down, one that refuses the key to refuse it.
    async fn a_model_that_does_not_help_is_named(db: TestDb) {
        let model = ScriptedModel::start_with(|_| Reply::status(401)).await;
        let world = World::with(db, asking(&model)).await;
        let alice = world.person("alice");
        let (_, repository) = world.shop().await;
        let answer = alice.plans_task(&repository, "Empty carts").await;
        let status = refused(answer, Code::FailedPrecondition, "MODEL_REFUSED");
        assert!(!status.message().contains(&secret_key()));
        drop(model);
        let answer = alice.plans_task(&repository, "Empty carts").await;
        refused(answer, Code::Unavailable, "MODEL_UNAVAILABLE");
    }
}
