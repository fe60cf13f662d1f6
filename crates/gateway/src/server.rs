//! The server: what it is made of, and its two ports.
//!
//! **Invariant:** both ports stand behind the same layers and share their counts, so that a
//! limit holds over both; what is served at one is unknown at the other.

use std::sync::Arc;

use agent_core::port::engine::Engine;
use agent_core::service::{Applying, Planning, Repositories, Reverting, Runs, Sessions};
use audit::{AuditReader, RefusalSink};
use directory::service::{
    Administration, Assignments, Claims, Members, Questions, Roles, Teams, Users,
};
use directory::store::DirectoryStore;
use events::SharedLimits;
use permissions::Authorizer;
use primitives::Clock;
use tonic::service::Routes;
use workflow_core::service::{Analytics, Comments, Items, Reviews, Templates, Triggers, Workflows};

use crate::access::{AccessTableError, Methods, Side};
use crate::call::{Rpc, Shared};
use crate::edge::{Edge, Layers};
use crate::layer::{
    AccessTable, Admission, Authentication, Deadlines, FollowClaims, Places, Rates, Refusals,
    Streams, Trace,
};
use crate::reflection::Described;
use crate::{GatewayConfig, PageKey, RpcObserver, Verifier};

/// The domain services that handlers call, and the ports they read without one.
#[derive(Clone)]
pub struct Services {
    pub workflows: Workflows,
    pub templates: Templates,
    pub items: Items,
    pub reviews: Reviews,
    pub comments: Comments,
    pub triggers: Triggers,
    pub analytics: Analytics,
    pub repositories: Repositories,
    pub sessions: Sessions,
    pub planning: Planning,
    pub applying: Applying,
    pub reverting: Reverting,
    pub runs: Runs,
    pub roles: Roles,
    pub assignments: Assignments,
    pub questions: Questions,
    pub administration: Administration,
    pub users: Users,
    pub teams: Teams,
    pub members: Members,
    /// Who people are.
    pub people: Arc<dyn DirectoryStore>,
    /// What was recorded.
    pub audit: Arc<dyn AuditReader>,
    /// In order of preference; for `ListEngines`.
    pub engines: Vec<Arc<dyn Engine>>,
    /// `postgres` or `sqlite`.
    pub database: &'static str,
    /// Name of the configured model, if there is one.
    pub model: Option<String>,
}

/// Everything a gateway is made of.
pub struct Parts {
    pub config: GatewayConfig,
    pub services: Services,
    pub authorizer: Arc<Authorizer>,
    pub verifier: Arc<Verifier>,
    /// Takes records of refusals and of reading the records.
    pub notes: Arc<dyn RefusalSink>,
    pub observer: Arc<dyn RpcObserver>,
    pub clock: Arc<dyn Clock>,
    /// The same on every replica.
    pub page_key: PageKey,
    /// What callers have spent at all processes; without it, each process counts alone.
    pub shared_limits: Option<Arc<dyn SharedLimits>>,
    /// What tokens stand for beside their subject; without it, nothing.
    pub claims: Option<Claims>,
}

/// The gateway cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    AccessTable(#[from] AccessTableError),
    /// The embedded descriptors cannot be served.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The embedded descriptors cannot be read.
    #[error("descriptors: {0}")]
    Descriptors(#[from] prost::DecodeError),
}

/// A gRPC server, ready to serve at two ports.
pub struct Gateway {
    /// For everybody.
    pub tenants: Edge,
    /// For operators: `elohim.admin.v1`.
    pub operators: Edge,
}

impl Gateway {
    /// Puts the server together. Refuses an access table that does not fit the contract.
    pub fn new(parts: Parts) -> Result<Self, GatewayError> {
        let Parts {
            config,
            services,
            authorizer,
            verifier,
            notes,
            observer,
            clock,
            page_key,
            shared_limits,
            claims,
        } = parts;
        let limits = Arc::new(config.limits.clone());
        let refusals = Refusals { sink: Arc::clone(&notes), clock: Arc::clone(&clock) };
        let layers = Layers {
            trace: Trace { methods: Arc::new(Methods::load()?), side: Side::Tenants, observer },
            deadlines: Deadlines { quick: config.quick_deadline, long: config.long_deadline },
            admission: Admission::new(Arc::clone(&limits)),
            authentication: Authentication::new(verifier, Arc::clone(&authorizer)),
            rates: Rates::new(&limits, shared_limits),
            claims: FollowClaims(claims),
            access: AccessTable { authorizer: Arc::clone(&authorizer) },
            streams: Streams::new(config.streams, Arc::clone(&authorizer), refusals.clone()),
            refusals,
            places: Places::new(&limits),
        };
        let rpc = Rpc(Arc::new(Shared { services, authorizer, notes, clock, page_key }));
        let (health, health_server) = tonic_health::server::health_reporter();
        let edge = |side| {
            let mut routes = Routes::builder();
            routes.add_service(health_server.clone());
            match side {
                Side::Tenants => crate::rpc::add_services(&mut routes, &rpc, &config),
                Side::Operators => crate::rpc::add_admin_services(&mut routes, &rpc, &config),
            }
            if config.reflection {
                Described::of(side, api::DESCRIPTORS)?.add_to(&mut routes)?;
            }
            Ok::<_, GatewayError>(Edge {
                config: config.clone(),
                routes: routes.routes().prepare(),
                health: health.clone(),
                layers: layers.clone().at(side),
            })
        };
        Ok(Self { tenants: edge(Side::Tenants)?, operators: edge(Side::Operators)? })
    }
}
