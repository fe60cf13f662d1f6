//! Etags and request ids: what makes a retry safe.

use api::workflow::{ClaimWorkItemRequest, CompleteStageRequest, CreateWorkItemRequest, WorkItem};
use prost_types::Struct;
use testkit::world::shapes::item;
use testkit::world::{Refused as _, World, refused};
use tonic::Code;

use crate::items::simple_item;

fn claim(item: &WorkItem, etag: &str, request_id: &str) -> ClaimWorkItemRequest {
    ClaimWorkItemRequest {
        name: item.name.clone(),
        etag: etag.to_owned(),
        request_id: request_id.to_owned(),
    }
}

fn complete(item: &WorkItem, stage: &str, data: Option<Struct>) -> CompleteStageRequest {
    CompleteStageRequest {
        name: item.name.clone(),
        stage_id: stage.to_owned(),
        data,
        ..Default::default()
    }
}

fn uuid() -> String {
    World::unused("requests/x").split_once('/').expect("a name").1.to_owned()
}

testkit::on_both! {
    /// An etag that is no longer the item's is refused, a current one accepted.
    async fn a_stale_etag_is_refused(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let made = simple_item(&world).await;
        let claimed = bob.items().claim_work_item(claim(&made, &made.etag, "")).await.unwrap().into_inner();
        assert_ne!(claimed.etag, made.etag);
        let stale = CompleteStageRequest { etag: made.etag.clone(), ..complete(&made, "one", None) };
        let answer = bob.items().complete_stage(stale).await;
        refused(answer, Code::Aborted, "ETAG_MISMATCH");
        let fresh = CompleteStageRequest { etag: claimed.etag, ..complete(&made, "one", None) };
        bob.items().complete_stage(fresh).await.unwrap();
        for etag in ["x", "\u{0}", &"9".repeat(5_000)] {
            let answer = bob.items().claim_work_item(claim(&made, etag, "")).await;
            let status = answer.unwrap_err();
            let known = [Code::Aborted, Code::InvalidArgument];
            assert!(known.contains(&status.code()), "{status:?}");
        }
    }

    /// A request id repeats the first answer; another body under it is refused; others may
    /// use the same one.
    async fn a_request_id_repeats_the_first_answer(db: TestDb) {
        let world = World::start(db).await;
        let [bob, mia] = world.people(["bob", "mia"]);
        let made = simple_item(&world).await;
        let request_id = uuid();
        let request = claim(&made, "", &request_id);

        let first = bob.items().claim_work_item(request.clone()).await.unwrap().into_inner();
        bob.completes(&first).await.unwrap();
        let second = bob.items().claim_work_item(request.clone()).await.unwrap().into_inner();
        assert_eq!(second, first, "the first answer, though the item has moved on");

        let another = claim(&made, &first.etag, &request_id);
        let answer = bob.items().claim_work_item(another).await;
        let status = refused(answer, Code::InvalidArgument, "REQUEST_ID_REUSED");
        assert_eq!(status.fields(), ["request_id"]);
        let theirs = mia.items().claim_work_item(request).await.unwrap().into_inner();
        assert_eq!((theirs.stage_id.as_str(), theirs.assignee), ("two", mia.user));
        let answer = bob.items().claim_work_item(claim(&made, "", "not a uuid")).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_ARGUMENT");
        assert_eq!(status.fields(), ["request_id"]);
    }

    /// Many copies of one request at once make one item.
    async fn copies_of_one_request_make_one_item(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let made = simple_item(&world).await;
        let request = CreateWorkItemRequest {
            work_item: Some(item(&made.workflow, "Once")),
            request_id: uuid(),
        };
        let calls = (0..8).map(|_| {
            let (bob, request) = (bob.clone(), request.clone());
            async move { bob.items().create_work_item(request).await }
        });
        let answers = futures::future::join_all(calls).await;
        for status in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert_eq!((status.code(), status.reason().as_str()), (Code::Aborted, "CONCURRENT_CHANGE"));
        }
        let again = bob.items().create_work_item(request).await.unwrap().into_inner();
        for answer in answers.into_iter().flatten() {
            assert_eq!(answer.into_inner(), again);
        }
        assert_eq!(bob.lists_items(&made.workflow).await.unwrap().len(), 2);
    }
}
