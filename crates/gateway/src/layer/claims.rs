//! Roles that follow from what a caller's token says.
//!
//! **Invariant:** what a token stands for no more is taken away before the call is judged; if
//! that cannot be done, the call is refused.

use directory::DirectoryError;
use directory::service::Claims;

use super::{HttpRequest, HttpResponse, Next, Wrap, context, refuse};
use crate::status;

/// Makes callers hold what their tokens stand for. Without a mapping it does nothing.
#[derive(Clone)]
pub(crate) struct FollowClaims(pub(crate) Option<Claims>);

impl Wrap for FollowClaims {
    async fn wrap<N: Next>(self, request: HttpRequest, next: N) -> HttpResponse {
        let context = context(&request);
        let Self(Some(claims)) = self else { return next.run(request).await };
        // A certificate says nothing of groups, so it changes nothing.
        let (Some(groups), Some(caller)) = (context.groups(), context.caller()) else {
            return next.run(request).await;
        };
        match claims.follow(caller, groups).await {
            Ok(None) => {}
            Ok(Some(renewed)) => context.follow_caller(renewed),
            // Deactivated while this call was on its way.
            Err(DirectoryError::NotFound(_)) => return refuse(status::unauthenticated()),
            Err(error) => return refuse(status::to_status(&error, context.request_id())),
        }
        next.run(request).await
    }
}
