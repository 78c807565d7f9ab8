//! GET /.gatekeeper/jwks.json: the public keys, with which a backend checks tokens by itself.
//!
//! Public by nature: it needs no key, and there is nothing in it of a shared secret.

use super::{Asked, reply};
use bytes::Bytes;
use http::{Response, StatusCode};

/// The set of RFC 7517; without keys where tokens are signed with a secret.
pub(super) fn jwks(asked: &Asked<'_>) -> Response<Bytes> {
    reply::json(StatusCode::OK, &asked.api.gate.keys().public())
}
