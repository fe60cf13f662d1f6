//! People and service accounts: made known, changed, ended, brought back.

use std::collections::BTreeSet;

use api::permissions::{
    AddMemberRequest, CreateServiceAccountRequest, CreateUserRequest, DeactivateUserRequest,
    GetMeRequest, GetMeResponse, ListUsersRequest, Member, UpdateUserRequest, User, UserKind,
    UserState,
};
use prost_types::FieldMask;
use testkit::world::{Person, Refused as _, World, refused};
use tonic::{Code, Status};

const STATE: Code = Code::FailedPrecondition;
const DENIED: Code = Code::PermissionDenied;
const WRONG: Code = Code::InvalidArgument;

pub(crate) type Answer<T> = Result<T, Status>;

pub(crate) fn uuid() -> String {
    World::unused("requests/x").split_once('/').expect("a name").1.to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "fields that are messages are optional")]
pub(crate) fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

fn named(subject: &str) -> User {
    User { display_name: subject.to_uppercase(), subject: subject.into(), ..Default::default() }
}

async fn makes(by: &Person, user: User) -> Answer<User> {
    let request = CreateUserRequest { user: Some(user), ..Default::default() };
    Ok(by.directory().create_user(request).await?.into_inner())
}

/// Somebody new, made known by erin.
pub(crate) async fn newcomer(world: &World, subject: &str) -> Person {
    let made = makes(&world.person("erin"), named(subject)).await.unwrap();
    world.known_as(subject, &made.name)
}

async fn makes_account(by: &Person, user: User) -> Answer<User> {
    let request = CreateServiceAccountRequest { user: Some(user), ..Default::default() };
    Ok(by.directory().create_service_account(request).await?.into_inner())
}

/// A program, made known by somebody.
pub(crate) async fn new_service(by: &Person, subject: &str) -> String {
    makes_account(by, named(subject)).await.unwrap().name
}

async fn updates(by: &Person, user: User, paths: &[&str]) -> Answer<User> {
    let update_mask = mask(paths);
    let request = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
    Ok(by.directory().update_user(request).await?.into_inner())
}

pub(crate) async fn deactivates(by: &Person, user: &str) -> Answer<User> {
    let request = DeactivateUserRequest { name: user.to_owned(), ..Default::default() };
    Ok(by.directory().deactivate_user(request).await?.into_inner())
}

pub(crate) async fn me(person: &Person) -> Answer<GetMeResponse> {
    Ok(person.directory().get_me(GetMeRequest {}).await?.into_inner())
}

pub(crate) async fn adds(by: &Person, team: &str, user: &str, role: &str) -> Answer<Member> {
    let request = AddMemberRequest {
        team: team.to_owned(),
        user: user.to_owned(),
        role: format!("roles/{role}"),
        ..Default::default()
    };
    Ok(by.directory().add_member(request).await?.into_inner())
}

async fn finds(by: &Person, name: &str) -> User {
    let request = ListUsersRequest { show_deactivated: true, page_size: 200, ..Default::default() };
    let users = by.directory().list_users(request).await.unwrap().into_inner().users;
    users.into_iter().find(|user| user.name == name).expect("a user")
}

testkit::on_both! {
    /// Who is made known is known from the next call on, is listed first, and holds nothing
    /// but the base role.
    async fn somebody_new_is_known_at_once(db: TestDb) {
        let world = World::start(db).await;
        let erin = world.person("erin");
        let stranger = world.known_as("ann", &World::unused("users/x"));
        refused(me(&stranger).await, Code::Unauthenticated, "UNAUTHENTICATED");
        let made = makes(&erin, named("ann")).await.unwrap();
        assert_eq!((made.display_name.as_str(), made.subject.as_str()), ("ANN", "ann"));
        assert_eq!((made.kind(), made.state(), made.may_apply), (UserKind::Person, UserState::Active, true));
        let shown = me(&stranger).await.unwrap();
        assert_eq!((&shown.user, shown.memberships.len()), (&made.name, 0));
        assert!(shown.system_roles.is_empty());

        let request = CreateUserRequest {
            user: Some(User { may_apply: true, ..named("abe") }),
            without_apply: true,
            ..Default::default()
        };
        let abe = erin.directory().create_user(request).await.unwrap().into_inner();
        assert!(!abe.may_apply);
        let list = |page_size, page_token| ListUsersRequest { page_size, page_token, ..Default::default() };
        let first = erin.directory().list_users(list(1, String::new())).await.unwrap().into_inner();
        assert_eq!(first.users, [abe]);
        let second = erin.directory().list_users(list(1, first.next_page_token)).await.unwrap();
        assert_eq!(second.into_inner().users, [made]);
        refused(makes(&erin, named("ann")).await, STATE, "SUBJECT_TAKEN");
    }

    /// Only those who manage the directory see and change it; support looks on.
    async fn the_directory_is_kept_by_few(db: TestDb) {
        let world = World::start(db).await;
        let [carol, erin] = world.people(["carol", "erin"]);
        let sam = User { system_roles: vec!["support".into()], ..named("sam") };
        let sam = makes(&erin, sam).await.unwrap();
        assert_eq!(sam.system_roles, ["support"]);
        let sam = world.known_as("sam", &sam.name);
        sam.directory().list_users(ListUsersRequest::default()).await.unwrap();
        let look = carol.directory().list_users(ListUsersRequest::default()).await;
        let status = refused(look, DENIED, "PERMISSION_DENIED");
        assert_eq!(status.fact("permission").as_deref(), Some("directory.manage"));
        for person in [&carol, &sam] {
            refused(makes(person, named("eve")).await, DENIED, "PERMISSION_DENIED");
            refused(makes_account(person, named("eve")).await, DENIED, "PERMISSION_DENIED");
            refused(deactivates(person, &erin.user).await, DENIED, "PERMISSION_DENIED");
            let own = finds(&erin, &person.user).await;
            let grab = User { system_roles: vec!["founder".into()], ..own };
            refused(updates(person, grab, &["system_roles"]).await, DENIED, "PERMISSION_DENIED");
        }
        let filter = ListUsersRequest { filter: "x".into(), ..Default::default() };
        refused(erin.directory().list_users(filter).await, WRONG, "FILTER_NOT_SUPPORTED");
    }

    /// What is changed is what the mask names, and a mask that names nothing or what cannot
    /// be changed is refused, naming it.
    async fn a_change_is_what_its_mask_names(db: TestDb) {
        let world = World::start(db).await;
        let erin = world.person("erin");
        let ann = newcomer(&world, "ann").await;
        let user = finds(&erin, &ann.user).await;
        let wanted = User { display_name: "Ann".into(), may_apply: false, ..user.clone() };
        for paths in [&[][..], &["name"], &["kind"], &["create_time"], &["display_name", "etag"]] {
            let status = refused(updates(&erin, wanted.clone(), paths).await, WRONG, "INVALID_ARGUMENT");
            assert_eq!(status.fields(), ["update_mask"], "{paths:?}");
            assert!(paths.last().is_none_or(|path| status.message().contains(path)), "{status:?}");
        }
        let unread = User { etag: String::new(), ..wanted.clone() };
        let status = refused(updates(&erin, unread, &["display_name"]).await, WRONG, "INVALID_ARGUMENT");
        assert_eq!(status.fields(), ["user.etag"]);

        let request = UpdateUserRequest {
            user: Some(wanted.clone()),
            update_mask: mask(&["display_name"]),
            validate_only: true,
            ..Default::default()
        };
        let would = erin.directory().update_user(request).await.unwrap().into_inner();
        assert_eq!((would.display_name.as_str(), &would.etag), ("Ann", &user.etag));
        assert_eq!(finds(&erin, &ann.user).await, user, "nothing was changed");

        let changed = updates(&erin, wanted.clone(), &["display_name"]).await.unwrap();
        assert_eq!((changed.display_name.as_str(), changed.may_apply), ("Ann", true));
        refused(updates(&erin, wanted, &["may_apply"]).await, Code::Aborted, "ETAG_MISMATCH");
        let all = User { may_apply: false, ..changed };
        let changed = updates(&erin, all, &["*"]).await.unwrap();
        assert!(!changed.may_apply && !me(&ann).await.unwrap().may_apply);
        let unknown = User { name: World::unused(&ann.user), ..changed.clone() };
        refused(updates(&erin, unknown, &["may_apply"]).await, Code::NotFound, "USER_NOT_FOUND");
        for (wrong, field) in [
            (User { subject: "admin".into(), ..changed.clone() }, "user.subject"),
            (User { subject: String::new(), ..changed.clone() }, "user.subject"),
            (User { certificate_name: "ci".into(), ..changed.clone() }, "user.certificate_name"),
            (User { display_name: String::new(), ..changed.clone() }, "user.display_name"),
            (User { system_roles: vec!["admin".into()], ..changed }, "user.system_roles"),
        ] {
            let status = refused(updates(&erin, wrong, &["*"]).await, WRONG, "INVALID_ARGUMENT");
            assert_eq!(status.fields(), [field]);
        }
    }

    /// The old token is refused and the new one taken from the next call on.
    async fn another_subject_holds_from_the_next_call_on(db: TestDb) {
        let world = World::start(db).await;
        let erin = world.person("erin");
        let ann = newcomer(&world, "ann").await;
        let user = finds(&erin, &ann.user).await;
        let taken = User { subject: "bob".into(), ..user.clone() };
        refused(updates(&erin, taken, &["subject"]).await, STATE, "SUBJECT_TAKEN");
        me(&ann).await.unwrap();
        updates(&erin, User { subject: "anna".into(), ..user }, &["subject"]).await.unwrap();
        refused(me(&ann).await, Code::Unauthenticated, "UNAUTHENTICATED");
        assert_eq!(me(&world.known_as("anna", &ann.user)).await.unwrap().user, ann.user);
    }

    /// Founders make founders; the last one stays.
    async fn the_last_founder_stays(db: TestDb) {
        let world = World::start(db).await;
        let erin = world.person("erin");
        let ann = newcomer(&world, "ann").await;
        let own = finds(&erin, &erin.user).await;
        let less = User { system_roles: vec!["support".into()], ..own.clone() };
        refused(updates(&erin, less.clone(), &["system_roles"]).await, STATE, "LAST_FOUNDER");
        refused(deactivates(&erin, &erin.user).await, STATE, "LAST_FOUNDER");
        let user = finds(&erin, &ann.user).await;
        let more = User { system_roles: vec!["founder".into()], ..user };
        let made = updates(&erin, more, &["system_roles"]).await.unwrap();
        assert_eq!(made.system_roles, ["founder"]);
        let changed = updates(&erin, less, &["system_roles"]).await.unwrap();
        assert_eq!(changed.system_roles, ["support"]);
        refused(makes(&erin, named("eve")).await, DENIED, "PERMISSION_DENIED");
        makes(&ann, named("eve")).await.unwrap();
        refused(deactivates(&ann, &ann.user).await, STATE, "LAST_FOUNDER");
        assert_eq!(deactivates(&ann, &erin.user).await.unwrap().system_roles, Vec::<String>::new());
    }

    /// Who is deactivated is unknown at once, and comes back without what he held.
    async fn who_is_deactivated_is_unknown_and_comes_back_with_nothing(db: TestDb) {
        let world = World::start(db).await;
        let [bob, erin] = world.people(["bob", "erin"]);
        me(&bob).await.unwrap();
        let gone = deactivates(&erin, &bob.user).await.unwrap();
        assert_eq!(gone.state(), UserState::Deactivated);
        assert!(gone.deactivate_time.is_some());
        refused(me(&bob).await, Code::Unauthenticated, "UNAUTHENTICATED");
        refused(deactivates(&erin, &bob.user).await, STATE, "USER_DEACTIVATED");
        refused(makes(&erin, named("bob")).await, STATE, "SUBJECT_TAKEN");
        let listed = erin.directory().list_users(ListUsersRequest::default()).await.unwrap();
        assert!(listed.into_inner().users.iter().all(|user| user.name != bob.user));

        let founder = User { system_roles: vec!["founder".into()], ..gone.clone() };
        refused(updates(&erin, founder, &["system_roles"]).await, STATE, "USER_DEACTIVATED");
        let twice = User { state: UserState::Deactivated.into(), ..gone.clone() };
        refused(updates(&erin, twice, &["state"]).await, WRONG, "INVALID_ARGUMENT");
        let still = updates(&erin, User { state: UserState::Active.into(), ..gone }, &["*"]).await.unwrap();
        assert_eq!(still.state(), UserState::Deactivated, "a star brings nobody back");
        let back = User { state: UserState::Active.into(), ..still };
        let back = updates(&erin, back, &["state"]).await.unwrap();
        assert_eq!((back.state(), back.deactivate_time), (UserState::Active, None));
        assert!(me(&bob).await.unwrap().memberships.is_empty());
    }

    /// A program with a token is a user like others, and is named as one.
    async fn a_service_account_works_with_its_token(db: TestDb) {
        let world = World::start(db).await;
        let [carol, erin] = world.people(["carol", "erin"]);
        let nothing = User { subject: String::new(), ..named("ci") };
        refused(makes_account(&erin, nothing).await, WRONG, "INVALID_ARGUMENT");
        let both = User { certificate_name: "spiffe://example.org/ci".into(), ..named("ci") };
        let person = makes(&erin, both.clone()).await;
        assert_eq!(refused(person, WRONG, "INVALID_ARGUMENT").fields(), ["user.certificate_name"]);
        let made = makes_account(&erin, both.clone()).await.unwrap();
        assert_eq!((made.kind(), &made.certificate_name), (UserKind::Service, &both.certificate_name));
        let again = User { subject: "ci2".into(), ..both };
        refused(makes_account(&erin, again.clone()).await, STATE, "CERTIFICATE_TAKEN");
        let by_name = User { subject: String::new(), certificate_name: "cd.example.org".into(), ..again };
        makes_account(&erin, by_name).await.unwrap();

        let member = adds(&carol, &carol.team, &made.name, "developer").await.unwrap();
        assert_eq!((member.kind(), member.roles), (UserKind::Service, vec!["developer".into()]));
        let ci = world.known_as("ci", &made.name);
        let shown = me(&ci).await.unwrap();
        assert_eq!(shown.memberships[0].team, carol.team);
        world.person("bob").sees_templates().await.unwrap();
        assert!(!ci.sees_templates().await.unwrap().is_empty());
    }

    /// A retry gets the first answer, and makes nothing twice.
    async fn a_retry_gets_the_first_answer(db: TestDb) {
        let world = World::start(db).await;
        let erin = world.person("erin");
        let request = CreateUserRequest { user: Some(named("ann")), request_id: uuid(), ..Default::default() };
        let first = erin.directory().create_user(request.clone()).await.unwrap().into_inner();
        let again = erin.directory().create_user(request.clone()).await.unwrap().into_inner();
        assert_eq!(first, again);
        let other = CreateUserRequest { user: Some(named("abe")), ..request };
        refused(erin.directory().create_user(other).await, WRONG, "REQUEST_ID_REUSED");

        let change = UpdateUserRequest {
            user: Some(User { display_name: "Ann".into(), ..first.clone() }),
            update_mask: mask(&["display_name"]),
            request_id: uuid(),
            ..Default::default()
        };
        let changed = erin.directory().update_user(change.clone()).await.unwrap().into_inner();
        let again = erin.directory().update_user(change).await.unwrap().into_inner();
        assert_eq!(changed, again, "although the etag has moved on");
        let end = DeactivateUserRequest { name: first.name, request_id: uuid(), etag: changed.etag };
        let gone = erin.directory().deactivate_user(end.clone()).await.unwrap().into_inner();
        assert_eq!(erin.directory().deactivate_user(end).await.unwrap().into_inner(), gone);
        let actions = ["user.created", "user.updated", "user.deactivated"];
        let records = world.probe().recorded().await;
        let counts: BTreeSet<_> = actions
            .iter()
            .map(|action| records.iter().filter(|record| record.action == *action).count())
            .collect();
        assert_eq!(counts, [1].into(), "{records:#?}");
    }
}
