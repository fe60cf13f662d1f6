//! Who calls: bearer tokens, the keys they are signed with, and tokens for development.
//!
//! **Invariants:** a key's algorithm is fixed by the key, never by the token; keys are found
//! by `kid` in memory only; what a token says about keys (`jku`, `x5u`, `jwk`) is not read;
//! no call makes the server read keys from elsewhere more often than it would anyway, apart
//! from one reading in some seconds; every refusal looks the same to the caller.

mod der;
mod fetch;
mod groups;
mod issuer;
mod json;
mod keyring;
mod keys;
mod keyset;
mod verifier;

pub use fetch::{FetchError, KeySetUrl, UrlError};
pub use groups::{GroupsClaim, Identified};
pub use issuer::TokenIssuer;
pub use keyring::DuplicateKid;
pub use keys::{KeyError, VerificationKey};
pub use keyset::KeySet;
pub use verifier::{Rejected, Verifier, VerifierConfig, VerifierError};
