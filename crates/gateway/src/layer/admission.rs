//! Sheds load: what does not fit is refused at once, rather than made to wait.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{HttpRequest, HttpResponse, Next, Wrap, context, refuse};
use crate::access::Access;
use crate::status;

/// Bounds the calls at work in this process. A place is held until the call is done, also
/// when its caller has gone.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    places: Arc<Semaphore>,
}

impl Admission {
    pub(crate) fn new(calls: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS))) }
    }
}

impl Wrap for Admission {
    async fn wrap<N: Next>(self, request: HttpRequest, next: N) -> HttpResponse {
        // Liveness is answered under load too: killing a busy server helps nobody.
        let method = context(&request).method();
        if method.is_some_and(|method| method.access == Access::Public) {
            return next.run(request).await;
        }
        let Ok(_place) = self.places.try_acquire() else {
            let text = "the server has too much to do; try again in a moment";
            return refuse(status::overloaded("OVERLOADED", text));
        };
        next.run(request).await
    }
}
