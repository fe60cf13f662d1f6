//! Who calls: bearer tokens, the keys they are signed with, and tokens for development.
//!
//! **Invariants:** a key's algorithm is fixed by the key, never by the token; keys are found
//! by `kid` in memory only; what a token says about keys (`jku`, `x5u`, `jwk`) is not read;
//! every refusal looks the same to the caller.

mod der;
mod issuer;
mod json;
mod keys;
mod verifier;

pub use issuer::TokenIssuer;
pub use keys::{KeyError, VerificationKey};
pub use verifier::{Rejected, Verifier, VerifierConfig, VerifierError};
