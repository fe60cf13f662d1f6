//! People as values: each has a token and calls the server over TCP.
//!
//! Verbs return what the server answered; a story decides whether that is right. What has
//! no verb is called with a generated client ([`Person::items`] and its like) or by its
//! path ([`Person::calls`]).

use api::admin::admin_service_client::AdminServiceClient;
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
use primitives::UserId;
use prost::Message;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::raw::RawCodec;

/// A connection that sends a person's token.
pub type Line = InterceptedService<Channel, Bearer>;

/// Adds a token to each request.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    pub(super) fn new(token: &str) -> Self {
        let value = format!("Bearer {token}").parse();
        Self(Some(value.expect("a token is ASCII")))
    }

    pub(super) const fn nobody() -> Self {
        Self(None)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// Somebody with a token.
#[derive(Clone)]
pub struct Person {
    /// The token's subject, as in `alice`.
    pub name: String,
    pub id: UserId,
    /// `users/{uuid}`.
    pub user: String,
    /// `teams/{uuid}` of the team they are in; empty for nobody's member.
    pub team: String,
    pub(super) bearer: Bearer,
    pub(super) channel: Channel,
}

macro_rules! clients {
    ($($(#[$doc:meta])* $verb:ident: $client:ident;)*) => {$(
        $(#[$doc])*
        pub fn $verb(&self) -> $client<Line> {
            $client::with_interceptor(self.channel.clone(), self.bearer.clone())
                .max_decoding_message_size(MAX_RESPONSE_BYTES)
        }
    )*};
}

impl Person {
    clients! {
        agent: AgentServiceClient;
        runs: RunServiceClient;
        patches: PatchServiceClient;
        sessions: SessionServiceClient;
        repositories: RepositoryServiceClient;
        workflows: WorkflowServiceClient;
        templates: TemplateServiceClient;
        items: WorkItemServiceClient;
        events: EventServiceClient;
        analytics: AnalyticsServiceClient;
        permissions: PermissionServiceClient;
        directory: DirectoryServiceClient;
        audit: AuditServiceClient;
        /// Answered at the port for operators only.
        administration: AdminServiceClient;
    }

    /// The connection with his token, for clients of services that have no verb.
    pub fn line(&self) -> Line {
        InterceptedService::new(self.channel.clone(), self.bearer.clone())
    }

    /// The same person over another connection.
    #[must_use]
    pub fn over(&self, channel: Channel) -> Self {
        Self { channel, ..self.clone() }
    }

    /// The same connection with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { bearer: Bearer::new(token), ..self.clone() }
    }

    /// The same connection without a token.
    #[must_use]
    pub fn without_token(&self) -> Self {
        Self { bearer: Bearer::nobody(), ..self.clone() }
    }

    /// Calls a unary method by its path, as in `elohim.agent.v1.RunService/GetRun`, and
    /// returns the encoded answer.
    pub async fn calls(&self, method: &str, request: &impl Message) -> Result<Vec<u8>, Status> {
        self.sends(method, request.encode_to_vec()).await
    }

    /// As [`calls`](Self::calls), with any bytes as the message.
    pub async fn sends(&self, method: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Status> {
        let line = InterceptedService::new(self.channel.clone(), self.bearer.clone());
        let mut client =
            tonic::client::Grpc::new(line).max_decoding_message_size(MAX_RESPONSE_BYTES);
        let path = format!("/{method}").parse::<PathAndQuery>().expect("a method's path");
        client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
        let answer = client.unary(Request::new(bytes), path, RawCodec).await?;
        Ok(answer.into_inner())
    }
}
