//! GET /health and /health/ready. Never queued, never limited.

use super::reply;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

/// Whether this instance should get traffic.
pub trait Readiness: Send + Sync {
    /// `Err` says why not, without internals.
    fn check(&self) -> Result<(), String>;
}

pub(super) fn alive() -> Response<Bytes> {
    reply::json(StatusCode::OK, &json!({ "status": "healthy" }))
}

pub(super) fn ready(readiness: &dyn Readiness) -> Response<Bytes> {
    match readiness.check() {
        Ok(()) => reply::json(StatusCode::OK, &json!({ "status": "ready" })),
        Err(reason) => {
            let body = json!({ "status": "not ready", "reason": reason });
            let mut response = reply::json(StatusCode::SERVICE_UNAVAILABLE, &body);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            response
        }
    }
}
