//! Answers in the form that all calls share: never cached, never indexed, no validators.

use super::docs::Page;
use super::{Asked, Caller};
use crate::gate::cookie;
use crate::rooms::LiveRoom;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;

/// JSON of a value.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Bytes> {
    json_text(status, serde_json::to_string(value).unwrap_or_default())
}

/// JSON that is text already.
pub fn json_text(status: StatusCode, text: String) -> Response<Bytes> {
    build(status, "application/json", Bytes::from(text))
}

/// A page of the documentation, with its policy.
pub fn page(page: &Page) -> Response<Bytes> {
    let mut response = build(StatusCode::OK, "text/html; charset=utf-8", Bytes::from(page.html.clone()));
    if let Ok(policy) = HeaderValue::from_str(&page.csp) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        response.headers_mut().insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    response
}

/// The answer to OPTIONS.
pub fn options(allow: &'static str) -> Response<Bytes> {
    let mut response = build(StatusCode::NO_CONTENT, "", Bytes::new());
    response.headers_mut().remove(header::CONTENT_TYPE);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

fn build(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(12); // with what is added later
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    response
}

/// Gives the visitor a token to keep.
pub fn set_cookie(response: &mut Response<Bytes>, asked: &Asked<'_>, room: &LiveRoom, token: &str) {
    let Caller { cookie: options, is_https, .. } = asked.caller;
    let line = cookie::line(room.name(), token, options, *is_https, &room.view().settings);
    if let Ok(line) = HeaderValue::from_str(&line) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
}

/// What a script of another origin may read beside the body: when to come again, and whom to name in a complaint.
const EXPOSED: &str = "Retry-After, RateLimit, RateLimit-Policy, Gatekeeper-Store, X-Request-Id";

/// Lets scripts of the `configured` origins read the answer, and call at all (Fetch standard, CORS protocol).
pub fn allow_origin(response: &mut Response<Bytes>, configured: &[String], request: &HeaderMap) {
    if configured.is_empty() {
        return;
    }
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = request.get(header::ORIGIN) else { return };
    if !configured.iter().any(|known| known.as_bytes() == origin.as_bytes()) {
        return;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    if let Some(allow) = headers.get(header::ALLOW).cloned() {
        let allowed = "business_id, business-id, user_id, user-id, jwt, Authorization, Content-Type";
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}
