//! The visitor's token: a place in the line, signed, in the visitor's own hands.
//!
//! A token is a JWT (RFC 7519) of the kind JWS compact (RFC 7515): HMAC-SHA256, or, where the operator
//! gives a pair of keys, EdDSA or ES256, which backends can check for themselves. Whoever shows a genuine one has the
//! place that its `tkt` names; nothing here asks a store, so a token is as good while the store is away.
//!
//! This module promises: the algorithm comes from the key and never from the token; nothing that a token says makes us
//! fetch or open anything; a token of another room is told apart from a forged one, and every other defect is just
//! [`TokenError::Invalid`]; being past `exp` is a fact about a genuine token ([`Verified::expired`]) and not an error,
//! because whether that matters is up to the call; no secret is ever shown, not by `Debug` and not by an error.
//!
//! To add a claim: a field in `claims.rs`, optional or with a default, so that the tokens already handed out stay good;
//! a row in the tables of tests in `tests.rs`.

mod claims;
mod hashed;
mod keys;
mod signing;
mod strength;
#[cfg(test)]
mod tests;

pub use claims::{Claims, ISSUER};
pub use keys::{Keyring, LEEWAY_SECONDS, MAX_TOKEN_BYTES, TokenError, Verified};
pub use signing::BadSigningKey;
pub use strength::{MIN_SECRET_BYTES, WeakSecret};
