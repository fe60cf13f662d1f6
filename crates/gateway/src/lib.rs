//! gRPC in and out: limits, layers, the access table, handlers, conversions.
//!
//! **Invariants:** a method that is not in the access table is refused; every call but the
//! liveness check needs a credential; every error is made by [`status`] or mended by
//! `api::answers`, so it carries an `ErrorInfo`; a call that began finishes, whatever
//! becomes of its caller. Nothing here knows a database or an engine.

mod access;
mod call;
mod config;
mod context;
mod convert;
mod error;
mod identity;
mod layer;
mod observe;
mod page;
mod rpc;
mod server;
mod status;

pub use access::AccessTableError;
pub use config::GatewayConfig;
pub use identity::{
    KeyError, Rejected, TokenIssuer, VerificationKey, Verifier, VerifierConfig, VerifierError,
};
pub use observe::{FinishedCall, Ignore, RpcObserver};
pub use page::PageKey;
pub use server::{Gateway, GatewayError, Parts, ServeError, Services};
