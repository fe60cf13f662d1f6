//! The contract in Rust: messages, clients and servers generated from `proto/`, and what
//! both ends of a connection need to hold to it.
//!
//! **Invariant:** bytes that are not a valid message, or too many of them, are answered
//! with the codes and reasons of the contract before any handler runs: [`limit`] watches the
//! bytes as they come, [`codec`] decodes them, [`answers`] mends what tonic says by itself.

pub mod answers;
pub mod codec;
pub mod limit;
mod parts;
mod refusal;

pub use refusal::ERROR_DOMAIN;

/// Generated modules, nested as the packages are: they refer to each other that way.
#[expect(clippy::all, clippy::pedantic, unreachable_pub, reason = "generated")]
mod elohim {
    pub mod admin {
        pub mod v1 {
            tonic::include_proto!("elohim.admin.v1");
        }
    }
    pub mod agent {
        pub mod v1 {
            tonic::include_proto!("elohim.agent.v1");
        }
    }
    pub mod audit {
        pub mod v1 {
            tonic::include_proto!("elohim.audit.v1");
        }
    }
    pub mod permissions {
        pub mod v1 {
            tonic::include_proto!("elohim.permissions.v1");
        }
    }
    pub mod workflow {
        pub mod v1 {
            tonic::include_proto!("elohim.workflow.v1");
        }
    }
}

pub use elohim::admin::v1 as admin;
pub use elohim::agent::v1 as agent;
pub use elohim::audit::v1 as audit;
pub use elohim::permissions::v1 as permissions;
pub use elohim::workflow::v1 as workflow;

/// The encoded `FileDescriptorSet` of all packages with imports, comments and options.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The access table beside the protos: who may call which method, and what is recorded.
pub const ACCESS_TABLE: &str = include_str!("../../../proto/access.csv");
