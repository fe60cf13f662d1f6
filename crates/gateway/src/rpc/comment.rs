//! The methods of `WorkItemService` that are about comments.

use api::workflow::{
    AddCommentRequest, Comment, DeleteCommentRequest, ListCommentsRequest, ListCommentsResponse,
    UpdateCommentRequest,
};
use permissions::{Grant, ItemsEdit, WorkflowsView};
use tonic::{Request, Response, Status};

use crate::call::Rpc;
use crate::convert::{comment, scalar};

impl Rpc {
    pub(super) async fn adds_comment(
        &self,
        request: &Request<AddCommentRequest>,
    ) -> Result<Response<Comment>, Status> {
        let call = self.call(request)?;
        let request = request.get_ref();
        let item = call.name("parent", &request.parent)?;
        let retry = call.retry(&request.request_id, request);
        let text = request.comment.as_ref().map(|given| given.text.clone()).unwrap_or_default();
        let (retry, text) = (&retry, &retry.and(Ok(text)));
        let added = call
            .run(|grant: Grant<ItemsEdit>| async move {
                self.services().comments.add(&grant, item, text.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(comment::comment(added)))
    }

    pub(super) async fn lists_comments(
        &self,
        request: &Request<ListCommentsRequest>,
    ) -> Result<Response<ListCommentsResponse>, Status> {
        let call = self.call(request)?;
        let request = request.get_ref();
        let item = call.name("parent", &request.parent)?;
        let page = &call.page(request);
        let found = call
            .run(|grant: Grant<WorkflowsView>| async move {
                self.services().comments.list(&grant, item, page.clone()).await
            })
            .await?;
        let next_page_token = call.next_token(request, found.next);
        let comments = found.items.into_iter().map(comment::comment).collect();
        Ok(Response::new(ListCommentsResponse { comments, next_page_token }))
    }

    pub(super) async fn updates_comment(
        &self,
        request: &Request<UpdateCommentRequest>,
    ) -> Result<Response<Comment>, Status> {
        let call = self.call(request)?;
        let request = request.get_ref();
        let given = request.comment.clone().unwrap_or_default();
        let id = call.name("comment.name", &given.name)?;
        let retry = call.retry(&request.request_id, request);
        let change = comment::change(given, request.update_mask.as_ref(), request.validate_only);
        let (retry, change) = (&retry, &retry.and(change));
        let changed = call
            .run(|grant: Grant<ItemsEdit>| async move {
                self.services().comments.update(&grant, id, change.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(comment::comment(changed)))
    }

    pub(super) async fn deletes_comment(
        &self,
        request: &Request<DeleteCommentRequest>,
    ) -> Result<Response<Comment>, Status> {
        let call = self.call(request)?;
        let request = request.get_ref();
        let id = call.name("name", &request.name)?;
        let retry = call.retry(&request.request_id, request);
        let etag = &retry.and(Ok(scalar::version(&request.etag)));
        let retry = &retry;
        let deleted = call
            .run(|grant: Grant<ItemsEdit>| async move {
                self.services().comments.delete(&grant, id, etag.clone(), retry.once()).await
            })
            .await?;
        Ok(Response::new(comment::comment(deleted)))
    }
}
