//! `RepositoryService`.

use agent_core::service::RegisterArgs;
use api::agent::repository_service_server::RepositoryService;
use api::agent::{
    GetRepositoryRequest, ListRepositoriesRequest, ListRepositoriesResponse,
    RegisterRepositoryRequest, Repository,
};
use permissions::{CodeUse, Grant, RepositoriesManage};
use primitives::{Checked, InvalidArgs, Tenant};
use tonic::{Request, Response, Status};

use crate::call::{Call, Rpc};
use crate::convert::owner::OwnerFields;
use crate::convert::repository;

#[tonic::async_trait]
impl RepositoryService for Rpc {
    async fn register_repository(
        &self,
        request: Request<RegisterRepositoryRequest>,
    ) -> Result<Response<Repository>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let tenant = owner(&call, &request);
        let retry = call.retry(&request.request_id, &request);
        let arguments = RegisterArgs { path: request.path, display_name: request.display_name };
        let (arguments, retry, tenant) = (&arguments, &retry, &tenant);
        let registered = call
            .run(|grant: Grant<RepositoriesManage>| async move {
                let repositories = &self.services().repositories;
                let arguments = retry.and(Ok(arguments.clone()));
                repositories.register(&grant, tenant.clone()?, arguments, retry.once()).await
            })
            .await?;
        Ok(Response::new(repository::repository(registered)))
    }

    async fn get_repository(
        &self,
        request: Request<GetRepositoryRequest>,
    ) -> Result<Response<Repository>, Status> {
        let call = self.call(&request)?;
        let id = call.name("name", &request.get_ref().name)?;
        let found = call
            .run(|grant: Grant<CodeUse>| async move {
                self.services().repositories.get(&grant, id).await
            })
            .await?;
        Ok(Response::new(repository::repository(found)))
    }

    async fn list_repositories(
        &self,
        request: Request<ListRepositoriesRequest>,
    ) -> Result<Response<ListRepositoriesResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let page = call.page(&request);
        let page = &page;
        let found = call
            .run(|grant: Grant<CodeUse>| async move {
                self.services().repositories.list(&grant, page.clone()?).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let repositories = found.items.into_iter().map(repository::repository).collect();
        Ok(Response::new(ListRepositoriesResponse { repositories, next_page_token }))
    }
}

/// Source code is never everyone's.
fn owner(call: &Call<'_>, request: &RegisterRepositoryRequest) -> Checked<Tenant> {
    let fields = OwnerFields { visibility: request.visibility, team: &request.team, prefix: "" };
    match fields.owner(call.caller())? {
        Tenant::Global => {
            Err(InvalidArgs::new("visibility", "a repository belongs to a team or a person"))
        }
        tenant => Ok(tenant),
    }
}
