//! The only file that writes a response to a session.

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use std::time::Duration;

/// An unread body is read up to here after an early answer; what is longer closes the connection.
const DRAIN_BYTES: usize = 64 * 1024;
const DRAIN_TIME: Duration = Duration::from_millis(500);
/// A body of an API call has to be here in this time.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Lets the frames of an answer leave before its HTTP/2 stream is reset (curl drops the answer otherwise).
const H2_LINGER: Duration = Duration::from_millis(20);

/// Sends an answer; HEAD gets its header alone.
pub async fn send(session: &mut Session, response: Response<Bytes>) -> Result<()> {
    let (parts, body) = response.into_parts();
    let header = ResponseHeader::from(parts);
    let has_no_body = session.req_header().method == Method::HEAD || body.is_empty();
    session.write_response_header(Box::new(header), has_no_body).await?;
    if !has_no_body {
        session.write_response_body(Some(body), true).await?;
    }
    finish_early(session).await;
    Ok(())
}

/// Sends an answer after a failure: nothing, where a part of another answer has left already.
pub async fn send_failure(session: &mut Session, response: Response<Bytes>) {
    if session.response_written().is_some() {
        return;
    }
    let (parts, body) = response.into_parts();
    let body = if session.req_header().method == Method::HEAD { Bytes::new() } else { body };
    if let Err(error) = session.write_error_response(ResponseHeader::from(parts), body).await {
        tracing::debug!(error = %error.etype().as_str(), "the client left before it was answered");
    }
    finish_early(session).await;
    if !session.is_http2() {
        session.as_downstream_mut().shutdown().await; // pingora would drop it, and with it what the client has not read
    }
}

/// Over HTTP/2 an answer to a request whose body wasn't read is followed by a reset: read a little, or linger.
async fn finish_early(session: &mut Session) {
    if !session.is_http2() || session.as_downstream_mut().is_body_done() {
        return;
    }
    let drain = async {
        let mut read = 0;
        while let Ok(Some(chunk)) = session.as_downstream_mut().read_request_body().await {
            read += chunk.len();
            if read > DRAIN_BYTES {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, drain).await; // running out of time is fine
    if !session.as_downstream_mut().is_body_done() {
        tokio::time::sleep(H2_LINGER).await;
    }
}

/// How long a body will be, as the header says it; 0 where it says nothing.
pub fn announced_length(session: &Session) -> u64 {
    let length = session.req_header().headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or_default()
}

/// Reads the body of an API call; `None` where it is longer than `limit`.
pub async fn read_body(session: &mut Session, limit: u64) -> Result<Option<Bytes>> {
    if session.as_downstream_mut().is_body_empty() {
        return Ok(Some(Bytes::new()));
    }
    if announced_length(session) > limit {
        return Ok(None);
    }
    let expects = session.req_header().headers.contains_key(header::EXPECT);
    if expects {
        session.as_downstream_mut().write_continue_response().await?;
    }
    let read = async {
        let mut body = Vec::new();
        while let Some(chunk) = session.as_downstream_mut().read_request_body().await.map_err(Error::into_down)? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(Bytes::from(body)))
    };
    match tokio::time::timeout(BODY_TIME, read).await {
        Ok(body) => body,
        Err(_) => Err(Error::explain(ErrorType::HTTPStatus(StatusCode::REQUEST_TIMEOUT.as_u16()), "body too slow")),
    }
}
