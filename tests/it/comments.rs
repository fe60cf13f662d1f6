//! What is said about items, by whom, and who may change it.

use api::admin::ListAllRunsRequest;
use api::workflow::{
    AddCommentRequest, Comment, DeleteCommentRequest, ListCommentsRequest, UpdateCommentRequest,
};
use testkit::world::{Person, Refused as _, World, refused};
use tonic::{Code, Response, Status};

use crate::directory::mask;
use crate::items::simple_item;

const STATE: Code = Code::FailedPrecondition;

fn saying(text: &str) -> Comment {
    Comment { text: text.to_owned(), ..Default::default() }
}

/// Says something about an item.
pub(crate) async fn adds(person: &Person, item: &str, text: &str) -> Result<Comment, Status> {
    adds_once(person, item, text, "").await
}

async fn adds_once(
    person: &Person,
    item: &str,
    text: &str,
    request_id: &str,
) -> Result<Comment, Status> {
    let request = AddCommentRequest {
        parent: item.to_owned(),
        comment: Some(saying(text)),
        request_id: request_id.to_owned(),
    };
    person.items().add_comment(request).await.map(Response::into_inner)
}

fn update(comment: &Comment, text: &str) -> UpdateCommentRequest {
    UpdateCommentRequest {
        comment: Some(Comment { text: text.to_owned(), ..comment.clone() }),
        update_mask: mask(&["text"]),
        ..Default::default()
    }
}

async fn updates(person: &Person, comment: &Comment, text: &str) -> Result<Comment, Status> {
    person.items().update_comment(update(comment, text)).await.map(Response::into_inner)
}

async fn deletes(person: &Person, comment: &Comment) -> Result<Comment, Status> {
    let request = DeleteCommentRequest { name: comment.name.clone(), ..Default::default() };
    person.items().delete_comment(request).await.map(Response::into_inner)
}

async fn lists(person: &Person, item: &str) -> Result<Vec<Comment>, Status> {
    let request =
        ListCommentsRequest { parent: item.to_owned(), page_size: 200, ..Default::default() };
    Ok(person.items().list_comments(request).await?.into_inner().comments)
}

testkit::on_both! {
    /// What is said is listed oldest first and paged; its author changes it and takes it
    /// back; the place of what was taken back stays.
    async fn comments_are_listed_changed_and_taken_back(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, gus] = world.people(["alice", "bob", "gus"]);
        let made = simple_item(&world).await;
        let first = adds(&bob, &made.name, "  It rains in.\nTwice. ").await.unwrap();
        assert_eq!((first.text.as_str(), &first.author), ("It rains in.\nTwice.", &bob.user));
        assert_eq!((&first.work_item, first.create_time), (&made.name, first.update_time));
        assert!(first.name.starts_with("comments/") && first.delete_time.is_none());
        let second = adds(&alice, &made.name, "Where?").await.unwrap();
        let third = adds(&bob, &made.name, "By the door").await.unwrap();

        let changed = updates(&bob, &first, "It rains in.").await.unwrap();
        assert_eq!((changed.text.as_str(), changed.create_time), ("It rains in.", first.create_time));
        assert_ne!(changed.etag, first.etag);
        let gone = deletes(&alice, &second).await.unwrap();
        assert!(gone.text.is_empty() && gone.delete_time.is_some());

        let listed = lists(&gus, &made.name).await.unwrap();
        assert_eq!(listed, [changed.clone(), gone, third]);
        let seen = bob.sees_item(&made.name).await.unwrap();
        assert_eq!(seen, made, "the item itself does not change");
        let page = |page_token: &str| ListCommentsRequest {
            parent: made.name.clone(),
            page_size: 2,
            page_token: page_token.to_owned(),
            ..Default::default()
        };
        let one = gus.items().list_comments(page("")).await.unwrap().into_inner();
        let two = gus.items().list_comments(page(&one.next_page_token)).await.unwrap().into_inner();
        assert_eq!(two.next_page_token, "");
        assert_eq!([one.comments, two.comments].concat(), listed);
    }

    /// A closed item can still be commented.
    async fn a_closed_item_can_be_commented(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let made = simple_item(&world).await;
        bob.cancels(&made).await.unwrap();
        let said = adds(&bob, &made.name, "It came back").await.unwrap();
        updates(&bob, &said, "It came back twice").await.unwrap();
        assert_eq!(lists(&bob, &made.name).await.unwrap().len(), 1);
    }

    /// Nobody but its author changes a comment, not even who manages the workflow; what was
    /// taken back, or was never there, is not found.
    async fn only_its_author_changes_a_comment(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob, gus, dave] = world.people(["alice", "bob", "gus", "dave"]);
        let made = simple_item(&world).await;
        let said = adds(&bob, &made.name, "Mine").await.unwrap();

        refused(updates(&alice, &said, "Hers").await, STATE, "NOT_AUTHOR");
        refused(deletes(&alice, &said).await, STATE, "NOT_AUTHOR");
        refused(adds(&gus, &made.name, "Me too").await, Code::PermissionDenied, "PERMISSION_DENIED");
        refused(updates(&gus, &said, "His").await, Code::PermissionDenied, "PERMISSION_DENIED");
        refused(lists(&dave, &made.name).await, Code::NotFound, "WORK_ITEM_NOT_FOUND");
        refused(adds(&dave, &made.name, "x").await, Code::NotFound, "WORK_ITEM_NOT_FOUND");
        refused(updates(&dave, &said, "x").await, Code::NotFound, "COMMENT_NOT_FOUND");
        assert_eq!(lists(&bob, &made.name).await.unwrap(), std::slice::from_ref(&said));

        deletes(&bob, &said).await.unwrap();
        refused(updates(&bob, &said, "Again").await, Code::NotFound, "COMMENT_NOT_FOUND");
        refused(deletes(&bob, &said).await, Code::NotFound, "COMMENT_NOT_FOUND");
    }

    /// A text has 1 to 10,000 characters and no control characters; a change names its mask
    /// and the etag that was read.
    async fn wrong_comments_are_refused_by_field(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let made = simple_item(&world).await;
        let wrong = [String::new(), " \n ".to_owned(), "a\0b".to_owned(), "a\u{1b}[31m".to_owned(), "ä".repeat(10_001)];
        for text in &wrong {
            let answer = adds(&bob, &made.name, text).await;
            let status = refused(answer, Code::InvalidArgument, "INVALID_ARGUMENT");
            assert_eq!(status.fields(), ["comment.text"]);
        }
        let said = adds(&bob, &made.name, &"ä".repeat(10_000)).await.unwrap();
        for text in &wrong {
            let answer = updates(&bob, &said, text).await;
            assert_eq!(refused(answer, Code::InvalidArgument, "INVALID_ARGUMENT").fields(), ["comment.text"]);
        }
        let unread = Comment { etag: String::new(), ..said.clone() };
        let status = refused(updates(&bob, &unread, "x").await, Code::InvalidArgument, "INVALID_ARGUMENT");
        assert_eq!(status.fields(), ["comment.etag"]);
        for paths in [&[][..], &["author"], &["text", "delete_time"]] {
            let request = UpdateCommentRequest { update_mask: mask(paths), ..update(&said, "x") };
            let answer = bob.items().update_comment(request).await;
            let status = refused(answer, Code::InvalidArgument, "INVALID_ARGUMENT");
            assert_eq!(status.fields(), ["update_mask"]);
        }
        let tried = UpdateCommentRequest { validate_only: true, ..update(&said, "x") };
        assert_eq!(bob.items().update_comment(tried).await.unwrap().into_inner().text, "x");
        updates(&bob, &said, "Short").await.unwrap();
        refused(updates(&bob, &said, "Late").await, Code::Aborted, "ETAG_MISMATCH");
        let late = DeleteCommentRequest { name: said.name.clone(), etag: said.etag.clone(), ..Default::default() };
        refused(bob.items().delete_comment(late).await, Code::Aborted, "ETAG_MISMATCH");
        assert_eq!(lists(&bob, &made.name).await.unwrap()[0].text, "Short");
    }

    /// A repeated call says nothing twice, and answers as it did the first time.
    async fn a_repeated_comment_is_said_once(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let made = simple_item(&world).await;
        let id = "0b5ecb5e-6b1c-4f3b-8a42-3a1d0c9b5f10";
        let said = adds_once(&bob, &made.name, "Once", id).await.unwrap();
        assert_eq!(adds_once(&bob, &made.name, "Once", id).await.unwrap(), said);
        refused(adds_once(&bob, &made.name, "Twice", id).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
        assert_eq!(lists(&bob, &made.name).await.unwrap(), std::slice::from_ref(&said));

        let change = UpdateCommentRequest { request_id: id.into(), ..update(&said, "Better") };
        let changed = bob.items().update_comment(change.clone()).await.unwrap().into_inner();
        assert_eq!(bob.items().update_comment(change).await.unwrap().into_inner(), changed);
        let end = DeleteCommentRequest { name: said.name.clone(), request_id: id.into(), ..Default::default() };
        let gone = bob.items().delete_comment(end.clone()).await.unwrap().into_inner();
        assert_eq!(bob.items().delete_comment(end).await.unwrap().into_inner(), gone);
    }

    /// The text of a comment is in its row alone: the trail, remembered answers and what
    /// operators are told do not have it, and nothing has it once it was taken back.
    async fn a_text_is_nowhere_else_and_gone_when_taken_back(db: TestDb) {
        const SECRET: &str = "the-vault-code-is-4711";
        let world = World::start(db).await;
        let [bob, erin] = world.people(["bob", "erin"]);
        let made = simple_item(&world).await;
        let id = "0b5ecb5e-6b1c-4f3b-8a42-3a1d0c9b5f11";
        let said = adds_once(&bob, &made.name, SECRET, id).await.unwrap();
        let holding = async || {
            let dump = world.probe().dump().await;
            let has = |rows: &Vec<String>| rows.iter().any(|row| row.contains(SECRET));
            dump.into_iter().filter(|(_, rows)| has(rows)).map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(holding().await, ["item_comment"]);

        refused(lists(&erin, &made.name).await, Code::NotFound, "WORK_ITEM_NOT_FOUND");
        let operators = erin.over(world.admin_channel());
        let runs = operators.administration().list_all_runs(ListAllRunsRequest::default()).await;
        assert!(!format!("{runs:?}").contains(SECRET));
        let records = world.probe().recorded().await;
        let about: Vec<_> = records.iter().filter(|r| r.action == "work_item.commented").collect();
        assert_eq!((about.len(), about[0].resource.as_str()), (1, made.name.as_str()));
        assert!(about[0].payload.contains(&said.name), "{about:?}");

        deletes(&bob, &said).await.unwrap();
        assert_eq!(holding().await, [""; 0]);
    }
}
