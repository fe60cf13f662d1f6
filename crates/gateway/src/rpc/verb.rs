//! What the verbs of a work item have in common on the wire.

use api::workflow as wire;
use events::Once;
use permissions::{Grant, Permission};
use primitives::{Checked, WorkItemId};
use prost::Message;
use tonic::{Request, Response, Status};
use workflow_core::WorkflowError;
use workflow_core::service::{ItemView, Items};

use crate::call::Rpc;
use crate::convert::item;

/// A request that names one item, and may be repeated.
pub(super) trait Verb: Message + Send + Sync + 'static {
    fn name(&self) -> &str;
    fn request_id(&self) -> &str;
}

macro_rules! verbs {
    ($($request:ident)*) => {$(
        impl Verb for wire::$request {
            fn name(&self) -> &str {
                &self.name
            }
            fn request_id(&self) -> &str {
                &self.request_id
            }
        }
    )*};
}

verbs! {
    ClaimWorkItemRequest StartWorkItemRequest CompleteStageRequest CancelWorkItemRequest
    ReleaseWorkItemRequest BlockWorkItemRequest UnblockWorkItemRequest FailWorkItemRequest
    ReopenWorkItemRequest ReturnWorkItemRequest ApproveStageRequest RejectStageRequest
}

impl Rpc {
    /// One verb: `input` reads what was asked for, `act` does it under a grant.
    pub(super) async fn verb<R: Verb, P: Permission, I: Clone, Running>(
        &self,
        request: Request<R>,
        input: impl FnOnce(R) -> Checked<I>,
        act: impl Fn(Items, Grant<P>, WorkItemId, Checked<I>, Option<Once>) -> Running,
    ) -> Result<Response<wire::WorkItem>, Status>
    where
        Running: Future<Output = Result<ItemView, WorkflowError>>,
    {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", request.name())?;
        let retry = call.retry(request.request_id(), &request);
        let input = retry.and(input(request));
        let items = &self.services().items;
        let run = |grant| act(items.clone(), grant, id, input.clone(), retry.once().cloned());
        Ok(Response::new(item::item(call.run(run).await?)))
    }
}
