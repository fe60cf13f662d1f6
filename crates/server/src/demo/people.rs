//! People as callers: a name, a token, and the services.

use std::net::SocketAddr;

use api::agent::agent_service_client::AgentServiceClient;
use api::agent::patch_service_client::PatchServiceClient;
use api::agent::repository_service_client::RepositoryServiceClient;
use api::agent::run_service_client::RunServiceClient;
use api::agent::session_service_client::SessionServiceClient;
use api::audit::audit_service_client::AuditServiceClient;
use api::limit::MAX_RESPONSE_BYTES;
use api::permissions::directory_service_client::DirectoryServiceClient;
use api::permissions::permission_service_client::PermissionServiceClient;
use api::workflow::analytics_service_client::AnalyticsServiceClient;
use api::workflow::event_service_client::EventServiceClient;
use api::workflow::template_service_client::TemplateServiceClient;
use api::workflow::work_item_service_client::WorkItemServiceClient;
use api::workflow::workflow_service_client::WorkflowServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// Adds the token to each call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Calls = InterceptedService<Channel, Bearer>;

/// One caller with a connection of its own.
#[derive(Clone)]
pub(crate) struct Person {
    pub name: &'static str,
    pub token: String,
    calls: Calls,
}

macro_rules! services {
    ($($name:ident: $client:ident;)*) => {$(
        pub(crate) fn $name(&self) -> $client<Calls> {
            $client::new(self.calls.clone()).max_decoding_message_size(MAX_RESPONSE_BYTES)
        }
    )*};
}

impl Person {
    /// Connects at the first call.
    pub(crate) fn new(name: &'static str, token: String, grpc: SocketAddr) -> anyhow::Result<Self> {
        let bearer = format!("Bearer {token}").parse()?;
        let channel = Endpoint::from_shared(format!("http://{grpc}"))?.connect_lazy();
        let calls = InterceptedService::new(channel, Bearer(bearer));
        Ok(Self { name, token, calls })
    }

    /// The transport, for calls without a generated client.
    pub(crate) fn calls(&self) -> Calls {
        self.calls.clone()
    }

    services! {
        agent: AgentServiceClient;
        patches: PatchServiceClient;
        repositories: RepositoryServiceClient;
        runs: RunServiceClient;
        sessions: SessionServiceClient;
        audit: AuditServiceClient;
        directory: DirectoryServiceClient;
        permissions: PermissionServiceClient;
        analytics: AnalyticsServiceClient;
        events: EventServiceClient;
        templates: TemplateServiceClient;
        items: WorkItemServiceClient;
        workflows: WorkflowServiceClient;
    }
}
