//! How a connection's seat travels through pingora.

use super::seats::Seat;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::protocols::raw_connect::ProxyDigest;
use std::sync::Arc;

/// What carries a seat: pingora hands it on to whoever asks for the connection's digest, through TLS and HTTP/2. Meant for
/// what a proxy on the way to an origin said; on a client's connection nobody else uses it.
///
/// # Errors
/// Never: 200 is a status.
pub fn carried(seat: &Arc<Seat>) -> Result<ProxyDigest> {
    let nothing = ResponseHeader::build(200, None)?;
    Ok(ProxyDigest::new(Box::new(nothing), Some(Box::new(Arc::clone(seat)))))
}

/// The seat that a connection has.
pub fn seat_of(digest: &ProxyDigest) -> Option<Arc<Seat>> {
    digest.user_data.as_deref()?.downcast_ref::<Arc<Seat>>().cloned()
}
