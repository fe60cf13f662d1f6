//! The handlers, one module for each service and one function for each method:
//! parse names, ask for the grant, call the service, convert the answer.

mod admin;
mod agent;
mod analytics;
mod audit;
mod batch;
mod comment;
mod directory;
mod event;
mod patch;
mod permission;
mod queue;
mod repository;
mod run;
mod session;
mod template;
mod verb;
mod work_item;
mod workflow;

use tonic::service::RoutesBuilder;

use crate::GatewayConfig;
use crate::call::Rpc;

macro_rules! served {
    ($routes:ident, $rpc:ident, $config:ident: $($server:path,)*) => {$({
        use $server as Server;
        $routes.add_service(
            Server::new($rpc.clone())
                .max_decoding_message_size($config.max_request_bytes)
                .max_encoding_message_size($config.max_response_bytes),
        );
    })*};
}

/// Adds every service of the contract that is for everybody.
pub(crate) fn add_services(routes: &mut RoutesBuilder, rpc: &Rpc, config: &GatewayConfig) {
    served! { routes, rpc, config:
        api::agent::agent_service_server::AgentServiceServer,
        api::agent::run_service_server::RunServiceServer,
        api::agent::patch_service_server::PatchServiceServer,
        api::agent::session_service_server::SessionServiceServer,
        api::agent::repository_service_server::RepositoryServiceServer,
        api::workflow::workflow_service_server::WorkflowServiceServer,
        api::workflow::template_service_server::TemplateServiceServer,
        api::workflow::work_item_service_server::WorkItemServiceServer,
        api::workflow::event_service_server::EventServiceServer,
        api::workflow::analytics_service_server::AnalyticsServiceServer,
        api::permissions::permission_service_server::PermissionServiceServer,
        api::permissions::directory_service_server::DirectoryServiceServer,
        api::audit::audit_service_server::AuditServiceServer,
    }
}

/// Adds the services for operators: `elohim.admin.v1`.
pub(crate) fn add_admin_services(routes: &mut RoutesBuilder, rpc: &Rpc, config: &GatewayConfig) {
    served! { routes, rpc, config:
        api::admin::admin_service_server::AdminServiceServer,
    }
}
