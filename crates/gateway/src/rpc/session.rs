//! `SessionService`.

use agent_core::AgentError;
use agent_core::service::SessionArgs;
use api::agent::session_service_server::SessionService;
use api::agent::{
    CloseSessionRequest, CreateSessionRequest, GetSessionRequest, ListSessionsRequest,
    ListSessionsResponse, Session,
};
use permissions::{CodeUse, Grant};
use tonic::{Request, Response, Status};

use crate::call::Rpc;
use crate::convert::session;

#[tonic::async_trait]
impl SessionService for Rpc {
    async fn create_session(
        &self,
        request: Request<CreateSessionRequest>,
    ) -> Result<Response<Session>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let given = request.session.clone().unwrap_or_default();
        let arguments = SessionArgs {
            repository: call.name("session.repository", &given.repository)?,
            work_item: call.optional_name("session.work_item", &given.work_item)?,
        };
        let retry = call.retry(&request.request_id, &request);
        let retry = &retry;
        let made = call
            .run(|grant: Grant<CodeUse>| async move {
                let services = self.services();
                services.sessions.create(&grant, arguments, retry.check(), retry.once()).await
            })
            .await?;
        Ok(Response::new(session::session(made, None)))
    }

    async fn get_session(
        &self,
        request: Request<GetSessionRequest>,
    ) -> Result<Response<Session>, Status> {
        let call = self.call(&request)?;
        let id = call.name("name", &request.get_ref().name)?;
        let (found, plan) = call
            .run(|grant: Grant<CodeUse>| async move {
                let sessions = &self.services().sessions;
                let found = sessions.get(&grant, id).await?;
                let plan = sessions.current_plan(&grant, &found).await?;
                Ok::<_, AgentError>((found, plan))
            })
            .await?;
        Ok(Response::new(session::session(found, plan)))
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let page = call.page(&request);
        let (request, page) = (&request, &page);
        let found = call
            .run(|grant: Grant<CodeUse>| async move {
                let sessions = &self.services().sessions;
                sessions.list(&grant, request.active_only, page.clone()?).await
            })
            .await?;
        let next_page_token = call.next_token(request, found.next);
        let sessions = found.items.into_iter().map(session::listed).collect();
        Ok(Response::new(ListSessionsResponse { sessions, next_page_token }))
    }

    async fn close_session(
        &self,
        request: Request<CloseSessionRequest>,
    ) -> Result<Response<Session>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let retry = &retry;
        let closed = call
            .run(|grant: Grant<CodeUse>| async move {
                let sessions = &self.services().sessions;
                if let Err(refused) = retry.check() {
                    // Who does not own the session learns nothing from his arguments.
                    sessions.get(&grant, id).await?;
                    return Err(AgentError::from(refused));
                }
                sessions.close(&grant, id, retry.once()).await
            })
            .await?;
        let shown = &closed;
        let plan = call
            .run(|grant: Grant<CodeUse>| async move {
                self.services().sessions.current_plan(&grant, shown).await
            })
            .await?;
        Ok(Response::new(session::session(closed, plan)))
    }
}
