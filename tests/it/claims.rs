//! Roles by what a token says of its subject: given, kept and taken with it.

use api::permissions::{DeleteTeamRequest, ListRoleAssignmentsRequest, RoleAssignment, RoleSource};
use server::dev::{AUDIENCE, ISSUER};
use testkit::database::TestDb;
use testkit::world::{Person, Setup, World, refused};
use tonic::Code;

use crate::directory::me;
use crate::key_server::{KeyServer, Manner};
use crate::signer::{Signer, claims};

const MAP: &str = "devs=core:developer,leads=core:lead,ghosts=nowhere:member";

/// A world that maps groups, and who signs tokens for it.
struct Mapped {
    world: World,
    signer: Signer,
    _keys: KeyServer,
}

impl Mapped {
    async fn start(db: TestDb) -> Self {
        let signer = Signer::new("groups");
        let keys = KeyServer::start(Manner::Keys(vec![signer.jwk()])).await;
        let variables = vec![
            ("ELOHIM_IDENTITY__ISSUER", ISSUER.to_owned()),
            ("ELOHIM_IDENTITY__AUDIENCE", AUDIENCE.to_owned()),
            ("ELOHIM_IDENTITY__JWKS_URL", keys.url()),
            ("ELOHIM_IDENTITY__TEAMS__CLAIM", "groups".to_owned()),
            ("ELOHIM_IDENTITY__TEAMS__MAP", MAP.to_owned()),
            ("ELOHIM_IDENTITY__TEAMS__KEEP", "60".to_owned()),
        ];
        let world = World::with(db, Setup { variables, ..Setup::default() }).await;
        Self { world, signer, _keys: keys }
    }

    /// Somebody whose token says these groups.
    fn person(&self, name: &str, groups: &[&str]) -> Person {
        let mut said = claims(name);
        said["groups"] = groups.into();
        let token = self.signer.sign(&self.signer.header().to_string(), &said.to_string());
        self.world.person(name).with_token(&token)
    }

    async fn epoch(&self) -> i64 {
        self.world.probe().count("select epoch from policy_epoch").await
    }
}

/// Short names of the roles that somebody holds, with their teams' slugs.
async fn held(person: &Person) -> Vec<String> {
    let memberships = me(person).await.unwrap().memberships;
    let of = |held: api::permissions::Membership| {
        held.roles.into_iter().map(move |role| format!("{}:{role}", held.slug))
    };
    memberships.into_iter().flat_map(of).collect()
}

async fn assignments(by: &Person, of: &Person) -> Vec<RoleAssignment> {
    let request = ListRoleAssignmentsRequest {
        team: by.team.clone(),
        user: of.user.clone(),
        ..Default::default()
    };
    let listed = by.permissions().list_role_assignments(request).await.unwrap();
    listed.into_inner().role_assignments
}

testkit::on_both! {
    /// What a token stands for is held in the very call that brings it, and not in the next
    /// one whose token stands for it no more; what somebody gave stays.
    async fn roles_come_and_go_with_the_token(db: TestDb) {
        let mapped = Mapped::start(db).await;
        assert_eq!(held(&mapped.person("dave", &[])).await, ["payments:lead"]);
        let dave = mapped.person("dave", &["devs", "ghosts", "others"]);
        assert_eq!(held(&dave).await, ["core:developer", "payments:lead"]);
        let given = assignments(&mapped.person("carol", &[]), &dave).await;
        let [given] = given.as_slice() else { panic!("{given:#?}") };
        assert_eq!((given.source(), given.creator.as_str()), (RoleSource::Claim, ""));
        assert!(given.expire_time.is_some());
        let changed = mapped.person("dave", &["leads"]);
        assert_eq!(held(&changed).await, ["core:lead", "payments:lead"]);
        assert_eq!(held(&mapped.person("dave", &[])).await, ["payments:lead"]);

        let alice = mapped.person("alice", &["leads"]);
        assert_eq!(held(&alice).await, ["core:lead"]);
        assert_eq!(held(&mapped.person("alice", &[])).await, ["core:lead"]);
        let nobody = mapped.world.known_as("zoe", &World::unused("users/x"));
        let mut said = claims("zoe");
        said["groups"] = ["devs"].as_slice().into();
        let token = mapped.signer.sign(&mapped.signer.header().to_string(), &said.to_string());
        refused(me(&nobody.with_token(&token)).await, Code::Unauthenticated, "UNAUTHENTICATED");

        let records = mapped.world.probe().recorded().await;
        let count = |action: &str| records.iter().filter(|record| record.action == action).count();
        assert_eq!((count("role.assigned"), count("role.removed")), (2, 2), "{records:#?}");
        let own = dave.id.as_uuid().simple().to_string();
        let of_roles = records.iter().filter(|record| record.action.starts_with("role."));
        assert!(of_roles.clone().all(|record| record.actor == own && record.tenant_kind == "team"));
    }

    /// Calls that change nothing write nothing; a role that is about to end is kept for
    /// longer by a call.
    async fn a_role_is_kept_while_calls_come(db: TestDb) {
        let mapped = Mapped::start(db).await;
        let dave = mapped.person("dave", &["devs"]);
        let first = futures::future::join_all((0..8).map(|_| me(&dave))).await;
        assert!(first.iter().all(|answer| answer.as_ref().unwrap().memberships.len() == 2));
        let epoch = mapped.epoch().await;
        for _ in 0..5 {
            me(&dave).await.unwrap();
        }
        assert_eq!(mapped.epoch().await, epoch);

        let carol = mapped.person("carol", &[]);
        let end = async || assignments(&carol, &dave).await[0].expire_time.unwrap().seconds;
        let before = end().await;
        let probe = mapped.world.probe();
        probe.changes("update role_assignment set expires_at = expires_at - 40000000 where source = 'claim'").await;
        probe.changes("update policy_epoch set epoch = epoch + 1").await;
        assert!(end().await < before - 30);
        me(&dave).await.unwrap();
        assert!(end().await >= before, "renewed");
        probe.changes("update role_assignment set expires_at = 1 where source = 'claim'").await;
        probe.changes("update policy_epoch set epoch = epoch + 1").await;
        assert!(assignments(&carol, &carol).await.len() == 1);
        assert_eq!(held(&dave).await, ["core:developer", "payments:lead"], "had again after its end");
    }

    /// A team that is gone is given to nobody, and costs nothing.
    async fn a_deleted_team_is_given_to_nobody(db: TestDb) {
        let mapped = Mapped::start(db).await;
        let dave = mapped.person("dave", &["devs"]);
        assert_eq!(held(&dave).await.len(), 2);
        let request = DeleteTeamRequest {
            name: mapped.world.team("core"),
            force: true,
            ..Default::default()
        };
        mapped.person("erin", &[]).directory().delete_team(request).await.unwrap();
        assert_eq!(held(&dave).await, ["payments:lead"]);
        let epoch = mapped.epoch().await;
        assert_eq!(held(&dave).await, ["payments:lead"]);
        assert_eq!(mapped.epoch().await, epoch);
    }
}
