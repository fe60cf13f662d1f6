//! `AgentService`.

use std::time::Duration;

use agent_core::AgentError;
use agent_core::service::{Applied, PlanArgs, TargetNames};
use api::agent::agent_service_server::AgentService;
use api::agent::apply_request::Change;
use api::agent::{
    ApplyRequest, ApplyResponse, BuildContextRequest, ContextBundle, ListEnginesRequest,
    ListEnginesResponse, Plan, PlanRequest, RouteRequest, RouteResponse,
};
use permissions::{CodeEdit, CodeUse, Grant};
use primitives::{Checked, Timestamp};
use tonic::{Request, Response, Status};

use crate::call::{Call, Rpc};
use crate::convert::{context, engine, patch, plan, run, scalar};

#[tonic::async_trait]
impl AgentService for Rpc {
    async fn route(
        &self,
        request: Request<RouteRequest>,
    ) -> Result<Response<RouteResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let names = TargetNames {
            session: call.optional_name("session", &request.session)?,
            repository: call.optional_name("repository", &request.repository)?,
            work_item: None,
        };
        let request = &request;
        let routing = call
            .run(|grant: Grant<CodeUse>| async move {
                self.services().planning.route(&grant, names, Ok(request.input.clone())).await
            })
            .await?;
        Ok(Response::new(context::routing(routing, self.services().model.as_deref())))
    }

    async fn build_context(
        &self,
        request: Request<BuildContextRequest>,
    ) -> Result<Response<ContextBundle>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let names = TargetNames {
            session: call.optional_name("session", &request.session)?,
            repository: call.optional_name("repository", &request.repository)?,
            work_item: None,
        };
        let arguments = context::arguments(request);
        let arguments = &arguments;
        let (repository, bundle) = call
            .run(|grant: Grant<CodeUse>| async move {
                self.services().planning.build_context(&grant, names, arguments.clone()).await
            })
            .await?;
        Ok(Response::new(context::bundle(&repository, bundle)))
    }

    async fn plan(&self, request: Request<PlanRequest>) -> Result<Response<Plan>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let names = TargetNames {
            session: call.optional_name("session", &request.session)?,
            repository: call.optional_name("repository", &request.repository)?,
            work_item: call.optional_name("work_item", &request.work_item)?,
        };
        let retry = call.retry(&request.request_id, &request);
        let arguments = retry.and(plan_arguments(request));
        let (arguments, retry) = (&arguments, &retry);
        let made = call
            .run(|grant: Grant<CodeUse>| async move {
                let planning = &self.services().planning;
                planning.plan(&grant, names, arguments.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(plan::plan(made)))
    }

    async fn apply(
        &self,
        request: Request<ApplyRequest>,
    ) -> Result<Response<ApplyResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let names = TargetNames {
            session: call.optional_name("session", &request.session)?,
            repository: call.optional_name("repository", &request.repository)?,
            work_item: call.optional_name("work_item", &request.work_item)?,
        };
        let plan = match &request.change {
            Some(Change::Plan(given)) => Some(call.name("plan.name", &given.name)?),
            _ => None,
        };
        let retry = call.retry(&request.request_id, &request);
        let wait = scalar::wait("wait_timeout", request.wait_timeout.as_ref());
        let arguments = retry.and(wait.clone()).and(patch::apply(request, plan));
        let wait = wait.unwrap_or_default();
        let (arguments, retry) = (&arguments, &retry);
        let mut applied = call
            .run(|grant: Grant<CodeEdit>| async move {
                let session = self.0.authorizer.require::<CodeUse>(grant.caller())?;
                let applying = &self.services().applying;
                let arguments = arguments.clone();
                applying.apply(&grant, &session, names, plan, arguments, retry.once()).await
            })
            .await?;
        if !wait.is_zero() {
            applied = self.followed(&call, applied, wait).await;
        }
        Ok(Response::new(shown(applied, self.0.clock.now())))
    }

    async fn list_engines(
        &self,
        request: Request<ListEnginesRequest>,
    ) -> Result<Response<ListEnginesResponse>, Status> {
        let call = self.call(&request)?;
        let engines = call
            .run(|_: Grant<CodeUse>| async move {
                let mut engines = Vec::new();
                for known in &self.services().engines {
                    engines.push(engine::engine(known.probe().await));
                }
                Ok::<_, AgentError>(engines)
            })
            .await?;
        let planner = Some(engine::planner(self.services().model.as_deref()));
        Ok(Response::new(ListEnginesResponse { engines, planner }))
    }
}

impl Rpc {
    /// What became of a change after some time, with its patch as it is then.
    async fn followed(&self, call: &Call<'_>, applied: Applied, wait: Duration) -> Applied {
        let Applied { run: Some(queued), patch } = applied else { return applied };
        let ended = call.wait(queued, wait).await;
        let known = match ended.patch {
            None => None,
            Some(id) => {
                let runs = &self.services().runs;
                let found = call
                    .run(|grant: Grant<CodeUse>| async move { runs.get_patch(&grant, id).await });
                found.await.ok()
            }
        };
        Applied { run: Some(ended), patch: known.or(patch) }
    }
}

fn plan_arguments(request: PlanRequest) -> Checked<PlanArgs> {
    let context = agent_core::service::ContextArgs {
        input: request.input,
        revision: request.revision,
        token_budget: context::budget(request.token_budget)?,
        ..Default::default()
    };
    Ok(PlanArgs { context, model: request.model })
}

fn shown(applied: Applied, now: Timestamp) -> ApplyResponse {
    let patch = match applied.run {
        Some(_) => applied.patch.map(patch::patch),
        None => applied.patch.map(patch::preview),
    };
    ApplyResponse { run: applied.run.map(|ended| run::run(ended, now)), patch }
}
