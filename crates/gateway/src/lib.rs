//! gRPC in and out: limits, layers, the access table, handlers, conversions.
//!
//! **Invariants:** a method that is not in the access table is refused; every call but the
//! liveness check needs a credential; every error is made by [`status`] or mended by
//! `api::answers`, so it carries an `ErrorInfo`; a call that began finishes, whatever
//! becomes of its caller. Nothing here knows a database or an engine.

mod access;
mod call;
mod class;
mod config;
mod context;
mod convert;
pub mod document;
mod edge;
mod error;
mod flood;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod layer;
mod observe;
mod page;
mod reflection;
mod rpc;
mod server;
mod status;
mod tls;

pub use access::AccessTableError;
pub use class::Class;
pub use config::{ClassLimits, GatewayConfig, Limits, StreamLimits};
pub use edge::{Edge, ServeError};
pub use identity::{
    DuplicateKid, FetchError, GroupsClaim, Identified, KeyError, KeySet, KeySetUrl, Rejected,
    TokenIssuer, UrlError, VerificationKey, Verifier, VerifierConfig, VerifierError,
};
pub use observe::{FinishedCall, Ignore, KeyObserver, RpcObserver};
pub use page::PageKey;
pub use server::{Gateway, GatewayError, Parts, Services};
pub use tls::{Connection, Incoming, Peer, Tls, TlsError, TlsFiles};
