//! Two ports: what is served at one is unknown at the other, behind the same layers.

use api::admin::SetKillSwitchRequest;
use testkit::world::{Person, Refused as _, Setup, World, eventually, refused};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

const OVERVIEW: &str = "elohim.admin.v1.AdminService/GetSystemOverview";
const KILL_SWITCH: &str = "elohim.admin.v1.AdminService/SetKillSwitch";
const GET_ME: &str = "elohim.permissions.v1.DirectoryService/GetMe";

/// Names of the services that reflection tells somebody about.
async fn services(person: &Person) -> Vec<String> {
    let mut client = ServerReflectionClient::new(person.line());
    let request = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let answer = client.server_reflection_info(tokio_stream::once(request)).await.unwrap();
    let answer = answer.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}");
    };
    list.service.into_iter().map(|service| service.name).collect()
}

testkit::on_both! {
    /// Operators' methods are unknown at everybody's port and the other way round, for those
    /// with a credential; without one both look the same.
    async fn each_port_serves_its_own(db: TestDb) {
        let world = World::start(db).await;
        let [erin, bob] = world.people(["erin", "bob"]);
        refused(erin.sends(OVERVIEW, Vec::new()).await, Code::Unimplemented, "METHOD_NOT_FOUND");
        erin.sends(GET_ME, Vec::new()).await.unwrap();
        let at_admin = |person: &Person| person.over(world.admin_channel());
        refused(at_admin(&erin).sends(GET_ME, Vec::new()).await, Code::Unimplemented, "METHOD_NOT_FOUND");
        if let Err(status) = at_admin(&erin).sends(OVERVIEW, Vec::new()).await {
            // Known there, whether or not it works yet.
            assert_eq!(status.reason(), "UNIMPLEMENTED", "{status:?}");
        }
        let nobody = bob.without_token();
        for (person, method) in [(&nobody, OVERVIEW), (&nobody, GET_ME)] {
            let here = refused(person.sends(method, Vec::new()).await, Code::Unauthenticated, "UNAUTHENTICATED");
            let there = at_admin(person).sends(method, Vec::new()).await;
            let there = refused(there, Code::Unauthenticated, "UNAUTHENTICATED");
            assert_eq!(here.refusal(), there.refusal());
        }
    }

    /// The access table stands before operators' methods too, and a refusal leaves a record.
    async fn operators_port_is_guarded_alike(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob").over(world.admin_channel());
        let status = refused(bob.sends(OVERVIEW, Vec::new()).await, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(status.fact("permission").as_deref(), Some("admin.support"));
        // An admin of a team may come as far as the handler, which knows whose switch it is.
        let status = refused(bob.sends(KILL_SWITCH, Vec::new()).await, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(status.fact("permission").as_deref(), Some("admin.ops"));
        let carol = world.person("carol").over(world.admin_channel());
        let own = SetKillSwitchRequest { team: carol.team.clone(), ..Default::default() };
        carol.calls(KILL_SWITCH, &own).await.expect("her own team's switch");
        eventually(async || {
            let records = world.probe().recorded().await;
            let denied = records.iter().filter(|record| {
                record.outcome == "DENIED"
                    && record.payload.contains("elohim.admin.v1")
                    && bob.user.replace('-', "").ends_with(&record.actor)
            });
            match denied.count() {
                2 => Ok(()),
                count => Err(format!("{count} records")),
            }
        })
        .await;
    }

    /// Liveness and reflection are at both; reflection needs a credential and tells of the
    /// port's own services; liveness tells nothing but that the process serves.
    async fn liveness_and_reflection_are_at_both(db: TestDb) {
        let variables = vec![("ELOHIM_GATEWAY__REFLECTION", "true".to_owned())];
        let world = World::with(db, Setup { variables, ..Setup::default() }).await;
        let bob = world.person("bob");
        for (channel, own, others) in [
            (world.another_channel(), "elohim.agent.v1.", "elohim.admin.v1."),
            (world.admin_channel(), "elohim.admin.v1.", "elohim.agent.v1."),
        ] {
            let bob = bob.over(channel.clone());
            let names = services(&bob).await;
            assert!(names.iter().any(|name| name.starts_with(own)), "{names:?}");
            assert!(!names.iter().any(|name| name.starts_with(others)), "{names:?}");
            assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
            let mut nobody = ServerReflectionClient::new(bob.without_token().line());
            let nothing = tokio_stream::empty::<ServerReflectionRequest>();
            let refusal = nobody.server_reflection_info(nothing).await;
            refused(refusal.map(drop), Code::Unauthenticated, "UNAUTHENTICATED");

            let mut health = HealthClient::new(channel);
            let answer = health.check(HealthCheckRequest::default()).await.unwrap();
            let names: Vec<_> = answer.metadata().keys().map(|key| format!("{key:?}")).collect();
            assert!(!names.iter().any(|name| name.contains("server") || name.contains("version")), "{names:?}");
            assert_eq!(answer.into_inner().status, 1);
            let unknown = HealthCheckRequest { service: "elohim.agent.v1.AgentService".into() };
            assert_eq!(health.check(unknown).await.unwrap_err().code(), Code::NotFound);
        }
    }
}
