//! `WorkItemService`.

use api::agent::Run;
use api::workflow::work_item_service_server::WorkItemService;
use api::workflow::{
    AddCommentRequest, Comment, DeleteCommentRequest, ListCommentsRequest, ListCommentsResponse,
    UpdateCommentRequest,
};
use api::workflow::{ApproveStageRequest, RejectStageRequest};
use api::workflow::{
    AssignWorkItemRequest, BlockWorkItemRequest, CancelWorkItemRequest, ClaimWorkItemRequest,
    CompleteStageRequest, CreateWorkItemRequest, ExplainWorkItemRequest, ExplainWorkItemResponse,
    FailWorkItemRequest, GetWorkItemRequest, ListTransitionsRequest, ListTransitionsResponse,
    ListWorkItemsRequest, ListWorkItemsResponse, ReleaseWorkItemRequest, ReopenWorkItemRequest,
    RerunAgentAssistRequest, ReturnWorkItemRequest, ReviewRecommendationRequest,
    StartWorkItemRequest, UnblockWorkItemRequest, UpdateWorkItemRequest, WorkItem,
};
use api::workflow::{BatchCreateWorkItemsRequest, BatchCreateWorkItemsResponse};
use api::workflow::{
    ListMyWorkRequest, ListMyWorkResponse, ListOverdueRequest, ListOverdueResponse,
    ListQueueRequest, ListQueueResponse,
};
use permissions::{CodeUse, Grant, ItemsCreate, ItemsEdit, ItemsManage, WorkflowsView};
use tonic::{Request, Response, Status};
use workflow_core::store::ItemFilter;

use crate::call::Rpc;
use crate::convert::{item, run, scalar};

#[tonic::async_trait]
impl WorkItemService for Rpc {
    async fn create_work_item(
        &self,
        request: Request<CreateWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let retry = call.retry(&request.request_id, &request);
        let given = request.work_item.unwrap_or_default();
        let workflow = call.name("work_item.workflow", &given.workflow)?;
        let repository = call.optional_name("work_item.repository", &given.repository)?;
        let blocked_by = call.names("work_item.blocked_by", &given.blocked_by)?;
        let input = retry.and(item::input(given, repository, blocked_by));
        let (retry, input) = (&retry, &input);
        let made = call
            .run(|grant: Grant<ItemsCreate>| async move {
                let items = &self.services().items;
                items.create(&grant, workflow, repository, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(item::item(made)))
    }

    async fn batch_create_work_items(
        &self,
        request: Request<BatchCreateWorkItemsRequest>,
    ) -> Result<Response<BatchCreateWorkItemsResponse>, Status> {
        self.create_batch(request).await
    }

    async fn get_work_item(
        &self,
        request: Request<GetWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        let call = self.call(&request)?;
        let id = call.name("name", &request.get_ref().name)?;
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().items.get(&grant, id).await
            })
            .await?;
        Ok(Response::new(item::item(found)))
    }

    async fn list_work_items(
        &self,
        request: Request<ListWorkItemsRequest>,
    ) -> Result<Response<ListWorkItemsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let workflow = call.optional_name("workflow", &request.workflow)?;
        let assignee = call.optional_name("assignee", &request.assignee)?;
        let state = item::state_filter(request.state);
        let page = state.clone().and_then(|_| call.page(&request));
        let filter = ItemFilter { workflow, state: state.unwrap_or_default(), assignee };
        let (page, filter) = (&page, &filter);
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().items.list(&grant, filter, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let work_items = found.items.into_iter().map(item::item).collect();
        Ok(Response::new(ListWorkItemsResponse { work_items, next_page_token }))
    }

    async fn claim_work_item(
        &self,
        request: Request<ClaimWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        self.verb(
            request,
            |given| Ok(scalar::version(&given.etag)),
            |items, by: Grant<ItemsEdit>, id, input, once| async move {
                items.claim(&by, id, input, once.as_ref()).await
            },
        )
        .await
    }

    async fn approve_stage(
        &self,
        request: Request<ApproveStageRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        self.verb(
            request,
            |given| Ok(item::yes(given)),
            |items, by: Grant<ItemsEdit>, id, input, once| async move {
                items.approve(&by, id, input, once.as_ref()).await
            },
        )
        .await
    }

    async fn reject_stage(
        &self,
        request: Request<RejectStageRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        self.verb(
            request,
            |given| Ok(item::no(given)),
            |items, by: Grant<ItemsEdit>, id, input, once| async move {
                items.reject(&by, id, input, once.as_ref()).await
            },
        )
        .await
    }

    async fn start_work_item(
        &self,
        request: Request<StartWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        self.verb(
            request,
            |given| Ok(scalar::version(&given.etag)),
            |items, by: Grant<ItemsEdit>, id, input, once| async move {
                items.start(&by, id, input, once.as_ref()).await
            },
        )
        .await
    }

    async fn complete_stage(
        &self,
        request: Request<CompleteStageRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        self.verb(
            request,
            item::completion,
            |items, by: Grant<ItemsEdit>, id, input, once| async move {
                items.complete_stage(&by, id, input, once.as_ref()).await
            },
        )
        .await
    }

    async fn cancel_work_item(
        &self,
        request: Request<CancelWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        self.verb(
            request,
            |given| Ok(item::said(given.reason, &given.etag)),
            |items, by: Grant<ItemsEdit>, id, input, once| async move {
                items.cancel(&by, id, input, once.as_ref()).await
            },
        )
        .await
    }

    async fn release_work_item(
        &self,
        request: Request<ReleaseWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        self.verb(
            request,
            |given| Ok(item::said(given.note, &given.etag)),
            |items, by: Grant<ItemsEdit>, id, input, once| async move {
                items.release(&by, id, input, once.as_ref()).await
            },
        )
        .await
    }

    async fn block_work_item(
        &self,
        request: Request<BlockWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        self.verb(
            request,
            |given| Ok(item::said(given.reason, &given.etag)),
            |items, by: Grant<ItemsEdit>, id, input, once| async move {
                items.block(&by, id, input, once.as_ref()).await
            },
        )
        .await
    }

    async fn unblock_work_item(
        &self,
        request: Request<UnblockWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        self.verb(
            request,
            |given| Ok(item::said(given.note, &given.etag)),
            |items, by: Grant<ItemsEdit>, id, input, once| async move {
                items.unblock(&by, id, input, once.as_ref()).await
            },
        )
        .await
    }

    async fn fail_work_item(
        &self,
        request: Request<FailWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        self.verb(
            request,
            |given| Ok(item::said(given.reason, &given.etag)),
            |items, by: Grant<ItemsEdit>, id, input, once| async move {
                items.fail(&by, id, input, once.as_ref()).await
            },
        )
        .await
    }

    async fn reopen_work_item(
        &self,
        request: Request<ReopenWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        self.verb(
            request,
            |given| Ok(item::said(given.note, &given.etag)),
            |items, by: Grant<ItemsEdit>, id, input, once| async move {
                items.reopen(&by, id, input, once.as_ref()).await
            },
        )
        .await
    }

    async fn return_work_item(
        &self,
        request: Request<ReturnWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        self.verb(
            request,
            |given| Ok(item::way_back(given)),
            |items, by: Grant<ItemsEdit>, id, input, once| async move {
                items.return_to(&by, id, input, once.as_ref()).await
            },
        )
        .await
    }

    async fn assign_work_item(
        &self,
        request: Request<AssignWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let assignee = call.name("assignee", &request.assignee)?;
        let retry = call.retry(&request.request_id, &request);
        let input = retry.and(Ok(item::said(request.note, &request.etag)));
        let (retry, input) = (&retry, &input);
        let assigned = call
            .run(|by: Grant<ItemsManage>| async move {
                let items = &self.services().items;
                items.assign(&by, id, assignee, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(item::item(assigned)))
    }

    async fn update_work_item(
        &self,
        request: Request<UpdateWorkItemRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let given = request.work_item.as_ref().map_or(("", ""), |g| (&g.name, &g.repository));
        let id = call.name("work_item.name", given.0)?;
        let repository = call.optional_name("work_item.repository", given.1)?;
        let named = request.work_item.as_ref().map_or(&[][..], |given| &given.blocked_by);
        let blocked_by = call.names("work_item.blocked_by", named)?;
        let retry = call.retry(&request.request_id, &request);
        let input = retry.and(item::changes(request, repository, blocked_by));
        let (retry, input) = (&retry, &input);
        let updated = call
            .run(|by: Grant<ItemsEdit>| async move {
                let items = &self.services().items;
                items.update(&by, id, repository, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(item::item(updated)))
    }

    async fn explain_work_item(
        &self,
        request: Request<ExplainWorkItemRequest>,
    ) -> Result<Response<ExplainWorkItemResponse>, Status> {
        let call = self.call(&request)?;
        let id = call.name("name", &request.get_ref().name)?;
        let known = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().items.explain(&grant, id).await
            })
            .await?;
        Ok(Response::new(item::explanation(known)))
    }

    async fn list_transitions(
        &self,
        request: Request<ListTransitionsRequest>,
    ) -> Result<Response<ListTransitionsResponse>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("parent", &request.parent)?;
        let page = call.page(&request);
        let page = &page;
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().items.list_transitions(&grant, id, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(&request, found.next);
        let transitions = found.items.into_iter().map(item::transition).collect();
        Ok(Response::new(ListTransitionsResponse { transitions, next_page_token }))
    }

    async fn review_recommendation(
        &self,
        request: Request<ReviewRecommendationRequest>,
    ) -> Result<Response<WorkItem>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let input = retry.and(item::review(request));
        let (retry, input) = (&retry, &input);
        let reviewed = call
            .run(|grant: Grant<ItemsEdit>| async move {
                self.services().reviews.review(&grant, id, input.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(item::item(reviewed)))
    }

    async fn rerun_agent_assist(
        &self,
        request: Request<RerunAgentAssistRequest>,
    ) -> Result<Response<Run>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, &request);
        let etag = retry.and(Ok(scalar::version(&request.etag)));
        let (retry, etag) = (&retry, &etag);
        let order = call
            .run(|grant: Grant<CodeUse>| async move {
                self.services().items.rerun_agent(&grant, id, etag.clone(), retry.once()).await
            })
            .await?;
        let queued = call
            .run(|grant: Grant<CodeUse>| async move {
                self.services().runs.get(&grant, order.run).await
            })
            .await?;
        Ok(Response::new(run::run(queued, self.0.clock.now())))
    }

    async fn add_comment(
        &self,
        request: Request<AddCommentRequest>,
    ) -> Result<Response<Comment>, Status> {
        self.adds_comment(&request).await
    }

    async fn list_comments(
        &self,
        request: Request<ListCommentsRequest>,
    ) -> Result<Response<ListCommentsResponse>, Status> {
        self.lists_comments(&request).await
    }

    async fn update_comment(
        &self,
        request: Request<UpdateCommentRequest>,
    ) -> Result<Response<Comment>, Status> {
        self.updates_comment(&request).await
    }

    async fn delete_comment(
        &self,
        request: Request<DeleteCommentRequest>,
    ) -> Result<Response<Comment>, Status> {
        self.deletes_comment(&request).await
    }

    async fn list_queue(
        &self,
        request: Request<ListQueueRequest>,
    ) -> Result<Response<ListQueueResponse>, Status> {
        self.lists_queue(&request).await
    }

    async fn list_my_work(
        &self,
        request: Request<ListMyWorkRequest>,
    ) -> Result<Response<ListMyWorkResponse>, Status> {
        self.lists_my_work(&request).await
    }

    async fn list_overdue(
        &self,
        request: Request<ListOverdueRequest>,
    ) -> Result<Response<ListOverdueResponse>, Status> {
        self.lists_overdue(&request).await
    }
}
