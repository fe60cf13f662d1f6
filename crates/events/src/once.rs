//! Idempotent retries.

use primitives::UserId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Identifies one mutation attempt: the same key and body replay the first answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// Who asked.
    pub principal: UserId,
    /// Full method path.
    pub method: &'static str,
    /// The caller's `request_id`.
    pub key: Uuid,
    /// SHA-256 of the encoded request.
    pub body_hash: [u8; 32],
}

impl Once {
    /// Binds a key to the encoded request.
    pub fn new(principal: UserId, method: &'static str, key: Uuid, body: &[u8]) -> Self {
        Self { principal, method, key, body_hash: Sha256::digest(body).into() }
    }
}
