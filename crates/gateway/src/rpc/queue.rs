//! The methods of `WorkItemService` that say what is to be done next.

use api::workflow::{
    ListMyWorkRequest, ListMyWorkResponse, ListOverdueRequest, ListOverdueResponse,
    ListQueueRequest, ListQueueResponse,
};
use permissions::{Grant, WorkflowsView};
use tonic::{Request, Response, Status};
use workflow_core::model::StageId;
use workflow_core::service::QueueFilter;

use crate::call::Rpc;
use crate::convert::item;

impl Rpc {
    pub(super) async fn lists_queue(
        &self,
        request: &Request<ListQueueRequest>,
    ) -> Result<Response<ListQueueResponse>, Status> {
        let call = self.call(request)?;
        let request = request.get_ref();
        let workflow = call.name("parent", &request.parent)?;
        let stage = (!request.stage_id.is_empty()).then(|| StageId(request.stage_id.clone()));
        let queue = Some(request.queue.as_str()).filter(|queue| !queue.is_empty());
        let (only, page) = (QueueFilter { stage: stage.as_ref(), queue }, &call.page(request));
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().items.queue(&grant, workflow, only, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(request, found.next);
        let work_items = found.items.into_iter().map(item::item).collect();
        Ok(Response::new(ListQueueResponse { work_items, next_page_token }))
    }

    pub(super) async fn lists_my_work(
        &self,
        request: &Request<ListMyWorkRequest>,
    ) -> Result<Response<ListMyWorkResponse>, Status> {
        let call = self.call(request)?;
        let request = request.get_ref();
        let page = &call.page(request);
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().items.my_work(&grant, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(request, found.next);
        let work_items = found.items.into_iter().map(item::item).collect();
        Ok(Response::new(ListMyWorkResponse { work_items, next_page_token }))
    }

    pub(super) async fn lists_overdue(
        &self,
        request: &Request<ListOverdueRequest>,
    ) -> Result<Response<ListOverdueResponse>, Status> {
        let call = self.call(request)?;
        let request = request.get_ref();
        let page = &call.page(request);
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().items.overdue(&grant, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(request, found.next);
        let work_items = found.items.into_iter().map(item::item).collect();
        Ok(Response::new(ListOverdueResponse { work_items, next_page_token }))
    }
}
