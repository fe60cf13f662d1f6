//! `DirectoryService`.

use api::permissions::directory_service_server::DirectoryService;
use api::permissions::{GetMeRequest, GetMeResponse};
use permissions::Caller;
use tonic::{Request, Response, Status};

use crate::call::Rpc;
use crate::convert::directory;
use crate::error::EdgeError;

#[tonic::async_trait]
impl DirectoryService for Rpc {
    async fn get_me(
        &self,
        request: Request<GetMeRequest>,
    ) -> Result<Response<GetMeResponse>, Status> {
        let call = self.call(&request)?;
        let me = call
            .run_for_caller(|caller: Caller| async move {
                let person = self.services().people.person(&caller).await?;
                let missing = || EdgeError::Internal("the caller has no row".to_owned());
                Ok::<_, EdgeError>(directory::me(person.ok_or_else(missing)?, &caller))
            })
            .await?;
        Ok(Response::new(me))
    }
}
