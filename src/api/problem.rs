//! What went wrong, told to a client: status, machine code and a sentence, as `application/problem+json` (RFC 9457).
//!
//! This is the only mapping of an error to HTTP. Promises: the codes are stable; the detail says what was wrong and what
//! would be right; no token, key, header value or body of the request is repeated (names of unknown fields are, cut); no
//! answer may be cached. To add one: a variant, its line in [`Problem::row`], its sentence in [`Problem::detail`], an
//! entry in `samples` (the pinned bodies are compared with it) and in `openapi.json`.

use crate::queue::FieldError;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::header::{HeaderMap, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use serde::Serialize;

/// So many refused fields are listed in one answer at most.
const MAX_ERRORS: usize = 50;
/// A refused field's name is cut to so many characters: it is the client's.
const MAX_FIELD_NAME: usize = 64;

/// An error as a client sees it, one variant a row of API.md's table; below them what only the proxy meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The two spellings of a header hold different values.
    ConflictingHeaders,
    MissingKey,
    UnknownKey,
    MissingToken,
    /// Malformed, or not signed by us.
    InvalidToken,
    /// Genuine, but too old for this call.
    ExpiredToken,
    /// The key's scope does not cover this call.
    KeyScope,
    /// The token's room is not the key's.
    WrongRoom,
    NotFound,
    /// The methods that the path takes, as in `Allow`: `"GET, HEAD, OPTIONS"`.
    MethodNotAllowed(&'static str),
    /// The body's media type isn't JSON: 415.
    NotJsonType,
    /// The body isn't JSON: 400.
    NotJson,
    /// The body is larger than so many bytes.
    TooLarge {
        limit: u64,
    },
    /// Refused fields, each with what would be right; nothing was changed.
    InvalidField(Vec<FieldError>),
    RateLimited(RateLimit),
    /// The room takes nobody; ask again in so many seconds.
    RoomClosed {
        retry_after: u64,
    },
    /// Can't be answered without the store; ask again in so many seconds (5 to 15, so that not all come at once).
    StoreUnavailable {
        retry_after: u64,
    },
    /// The request itself makes no sense.
    BadRequest,
    /// No site has this host.
    Misdirected,
    HeaderTooLarge,
    UriTooLong,
    /// The body did not arrive in time.
    RequestTimeout,
    /// No origin answered, or it answered nonsense.
    BadGateway,
    /// The origin did not answer in time.
    GatewayTimeout,
    /// A fault of ours; the log knows more.
    Internal,
}

/// A limit that was met, and the fields that say so
/// ([draft-ietf-httpapi-ratelimit-headers](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The limit's name: letters, digits, `-`, `_`.
    pub policy: &'static str,
    /// Calls per window.
    pub limit: u64,
    /// Its length in seconds.
    pub window: u64,
    /// Calls left.
    pub remaining: u64,
    /// Seconds until there are `limit` again.
    pub reset: u64,
    /// Seconds until a call may succeed.
    pub retry_after: u64,
}

impl RateLimit {
    /// The value of `RateLimit`: `"enqueue";r=0;t=12`.
    pub fn state(&self) -> String {
        format!("\"{}\";r={};t={}", self.policy, self.remaining, self.reset)
    }

    /// The value of `RateLimit-Policy`: `"enqueue";q=100;w=60`.
    pub fn terms(&self) -> String {
        format!("\"{}\";q={};w={}", self.policy, self.limit, self.window)
    }
}

impl Problem {
    /// The answer, ready to be sent. For HEAD leave the body out and keep the header.
    pub fn into_response(self) -> Response<Bytes> {
        let body = serde_json::to_vec(&self.body()).unwrap_or_default(); // strings and a number: can't fail
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status();
        let length = HeaderValue::from(response.body().len());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
        self.add_headers(headers);
        response
    }

    pub const fn status(&self) -> StatusCode {
        self.row().0
    }

    /// The stable machine code, also the word for logs and metrics.
    pub const fn code(&self) -> &'static str {
        self.row().1
    }

    /// The table: status and code.
    const fn row(&self) -> (StatusCode, &'static str) {
        match self {
            Self::ConflictingHeaders => (StatusCode::BAD_REQUEST, "conflicting_headers"),
            Self::MissingKey => (StatusCode::UNAUTHORIZED, "missing_key"),
            Self::UnknownKey => (StatusCode::UNAUTHORIZED, "unknown_key"),
            Self::MissingToken => (StatusCode::UNAUTHORIZED, "missing_token"),
            Self::InvalidToken => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::ExpiredToken => (StatusCode::UNAUTHORIZED, "expired_token"),
            Self::KeyScope => (StatusCode::FORBIDDEN, "key_scope"),
            Self::WrongRoom => (StatusCode::FORBIDDEN, "wrong_room"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NotJsonType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json"),
            Self::NotJson => (StatusCode::BAD_REQUEST, "not_json"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::InvalidField(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_field"),
            Self::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::RoomClosed { .. } => (StatusCode::SERVICE_UNAVAILABLE, "room_closed"),
            Self::StoreUnavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::Misdirected => (StatusCode::MISDIRECTED_REQUEST, "misdirected"),
            Self::HeaderTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "header_too_large"),
            Self::UriTooLong => (StatusCode::URI_TOO_LONG, "uri_too_long"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            Self::BadGateway => (StatusCode::BAD_GATEWAY, "bad_gateway"),
            Self::GatewayTimeout => (StatusCode::GATEWAY_TIMEOUT, "gateway_timeout"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// What was wrong, and what would be right.
    fn detail(&self) -> String {
        match self {
            Self::MethodNotAllowed(allow) => format!("This path does not take that method. It takes {allow}."),
            Self::TooLarge { limit } => format!("The body is too large. Send at most {limit} bytes."),
            Self::RateLimited(limit) => format!(
                "Too many calls: {} in {} s are allowed. Try again in {} s; nobody loses a place by this.",
                limit.limit, limit.window, limit.retry_after
            ),
            Self::RoomClosed { retry_after } => {
                format!("The room takes nobody at the moment. Try again in {retry_after} s.")
            }
            Self::StoreUnavailable { retry_after } => {
                format!("This needs the store, which cannot be reached at the moment. Try again in {retry_after} s.")
            }
            fixed => fixed.sentence().to_owned(),
        }
    }

    /// The sentences that hold no number.
    const fn sentence(&self) -> &'static str {
        match self {
            Self::ConflictingHeaders => {
                "A header came in both spellings (business_id and business-id, or user_id and user-id) with different \
                 values. Send one of the two."
            }
            Self::MissingKey => {
                "The API key is missing. Send it in the header business_id. If you did: some proxies drop header names \
                 with underscores, and business-id works too."
            }
            Self::UnknownKey => "No room has this API key. Send a configured key in business_id or business-id.",
            Self::MissingToken => {
                "The token is missing. Send it in the header jwt, as Authorization: Bearer, or as the visitor's cookie."
            }
            Self::InvalidToken => {
                "The token is malformed or was not signed here. Send the newest one that enqueue or status returned."
            }
            Self::ExpiredToken => {
                "The token is too old for this call. GET /queue/status takes it and returns a fresh one."
            }
            Self::KeyScope => "A browser key may only enqueue and ask for status. Use a key with full scope.",
            Self::WrongRoom => "The token belongs to another room than the API key. Use a token and a key of one room.",
            Self::NotFound => "There is no such call. /openapi.json, below the same prefix, lists them all.",
            Self::NotJsonType => "The body's media type is not JSON. Send it with Content-Type: application/json.",
            Self::NotJson => "The body is not a JSON object. Send one, for example {\"admission_limit\": 100}.",
            Self::InvalidField(_) => "Nothing was changed. Each entry of errors names a field and what would be right.",
            Self::BadRequest => "The request is malformed. Send well-formed HTTP with one Host and a valid path.",
            Self::Misdirected => "No site with this host is served here. Check the address, or the hosts of the sites.",
            Self::HeaderTooLarge => {
                "The request's header is too large. Send fewer or smaller header fields or cookies."
            }
            Self::UriTooLong => "The address is too long. Send a shorter path or query.",
            Self::RequestTimeout => "The request's body did not arrive in time. Send it again without pauses.",
            Self::BadGateway => "The site could not be reached or gave no valid answer. Try again in a moment.",
            Self::GatewayTimeout => "The site did not answer in time. Try again in a moment.",
            _ => "Something failed here. Try again; the operator finds the cause in the log by the request's id.",
        }
    }

    fn body(&self) -> Body {
        let status = self.status();
        let errors = match self {
            Self::InvalidField(errors) => errors.iter().take(MAX_ERRORS).map(Refused::from).collect(),
            _ => Vec::new(),
        };
        Body {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.detail(),
            code: self.code(),
            errors,
        }
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        match self {
            Self::MissingKey | Self::UnknownKey => challenge(headers, "ApiKey realm=\"gatekeeper\""),
            Self::MissingToken => challenge(headers, "Bearer realm=\"gatekeeper\""),
            Self::InvalidToken | Self::ExpiredToken => {
                challenge(headers, "Bearer realm=\"gatekeeper\", error=\"invalid_token\"");
            }
            Self::MethodNotAllowed(allow) => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::RoomClosed { retry_after } | Self::StoreUnavailable { retry_after } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after));
            }
            Self::RateLimited(limit) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(limit.retry_after));
                insert_text(headers, HeaderName::from_static("ratelimit"), &limit.state());
                insert_text(headers, HeaderName::from_static("ratelimit-policy"), &limit.terms());
            }
            _ => {}
        }
    }
}

/// A 401 names how to authenticate (RFC 9110, 11.6.1; RFC 6750, 3). No browser asks for a password on these schemes.
fn challenge(headers: &mut HeaderMap, value: &'static str) {
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(value));
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// RFC 9457, section 3. With the type "about:blank" the title is the status phrase (4.2.1); `code` tells problems apart.
#[derive(Debug, Serialize)]
struct Body {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Refused {
    field: String,
    message: String,
}

impl From<&FieldError> for Refused {
    fn from(error: &FieldError) -> Self {
        Self { field: error.field.chars().take(MAX_FIELD_NAME).collect(), message: error.message.clone() }
    }
}

/// One of each, with the numbers that the tests pin.
#[cfg(test)]
pub(crate) fn samples() -> Vec<Problem> {
    vec![
        Problem::ConflictingHeaders,
        Problem::MissingKey,
        Problem::UnknownKey,
        Problem::MissingToken,
        Problem::InvalidToken,
        Problem::ExpiredToken,
        Problem::KeyScope,
        Problem::WrongRoom,
        Problem::NotFound,
        Problem::MethodNotAllowed("GET, HEAD, OPTIONS"),
        Problem::NotJsonType,
        Problem::NotJson,
        Problem::TooLarge { limit: 65_536 },
        Problem::InvalidField(vec![FieldError {
            field: "admission_limit".into(),
            message: "must be a whole number from 1 to 1000000".into(),
        }]),
        Problem::RateLimited(RateLimit {
            policy: "enqueue",
            limit: 100,
            window: 60,
            remaining: 0,
            reset: 12,
            retry_after: 12,
        }),
        Problem::RoomClosed { retry_after: 60 },
        Problem::StoreUnavailable { retry_after: 7 },
        Problem::BadRequest,
        Problem::Misdirected,
        Problem::HeaderTooLarge,
        Problem::UriTooLong,
        Problem::RequestTimeout,
        Problem::BadGateway,
        Problem::GatewayTimeout,
        Problem::Internal,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(response: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    /// In the order of `samples`.
    const BODIES: &[&str] = &[
        r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"A header came in both spellings (business_id and business-id, or user_id and user-id) with different values. Send one of the two.","code":"conflicting_headers"}"#,
        r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The API key is missing. Send it in the header business_id. If you did: some proxies drop header names with underscores, and business-id works too.","code":"missing_key"}"#,
        r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"No room has this API key. Send a configured key in business_id or business-id.","code":"unknown_key"}"#,
        r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The token is missing. Send it in the header jwt, as Authorization: Bearer, or as the visitor's cookie.","code":"missing_token"}"#,
        r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The token is malformed or was not signed here. Send the newest one that enqueue or status returned.","code":"invalid_token"}"#,
        r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The token is too old for this call. GET /queue/status takes it and returns a fresh one.","code":"expired_token"}"#,
        r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"A browser key may only enqueue and ask for status. Use a key with full scope.","code":"key_scope"}"#,
        r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"The token belongs to another room than the API key. Use a token and a key of one room.","code":"wrong_room"}"#,
        r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"There is no such call. /openapi.json, below the same prefix, lists them all.","code":"not_found"}"#,
        r#"{"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"This path does not take that method. It takes GET, HEAD, OPTIONS.","code":"method_not_allowed"}"#,
        r#"{"type":"about:blank","title":"Unsupported Media Type","status":415,"detail":"The body's media type is not JSON. Send it with Content-Type: application/json.","code":"not_json"}"#,
        r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"The body is not a JSON object. Send one, for example {\"admission_limit\": 100}.","code":"not_json"}"#,
        r#"{"type":"about:blank","title":"Payload Too Large","status":413,"detail":"The body is too large. Send at most 65536 bytes.","code":"too_large"}"#,
        r#"{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"Nothing was changed. Each entry of errors names a field and what would be right.","code":"invalid_field","errors":[{"field":"admission_limit","message":"must be a whole number from 1 to 1000000"}]}"#,
        r#"{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"Too many calls: 100 in 60 s are allowed. Try again in 12 s; nobody loses a place by this.","code":"rate_limited"}"#,
        r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The room takes nobody at the moment. Try again in 60 s.","code":"room_closed"}"#,
        r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"This needs the store, which cannot be reached at the moment. Try again in 7 s.","code":"store_unavailable"}"#,
        r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"The request is malformed. Send well-formed HTTP with one Host and a valid path.","code":"bad_request"}"#,
        r#"{"type":"about:blank","title":"Misdirected Request","status":421,"detail":"No site with this host is served here. Check the address, or the hosts of the sites.","code":"misdirected"}"#,
        r#"{"type":"about:blank","title":"Request Header Fields Too Large","status":431,"detail":"The request's header is too large. Send fewer or smaller header fields or cookies.","code":"header_too_large"}"#,
        r#"{"type":"about:blank","title":"URI Too Long","status":414,"detail":"The address is too long. Send a shorter path or query.","code":"uri_too_long"}"#,
        r#"{"type":"about:blank","title":"Request Timeout","status":408,"detail":"The request's body did not arrive in time. Send it again without pauses.","code":"request_timeout"}"#,
        r#"{"type":"about:blank","title":"Bad Gateway","status":502,"detail":"The site could not be reached or gave no valid answer. Try again in a moment.","code":"bad_gateway"}"#,
        r#"{"type":"about:blank","title":"Gateway Timeout","status":504,"detail":"The site did not answer in time. Try again in a moment.","code":"gateway_timeout"}"#,
        r#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"Something failed here. Try again; the operator finds the cause in the log by the request's id.","code":"internal"}"#,
    ];

    #[test]
    fn every_body_is_as_documented() {
        let bodies: Vec<String> =
            samples().into_iter().map(|p| String::from_utf8(p.into_response().into_body().to_vec()).unwrap()).collect();
        for (body, pinned) in bodies.iter().zip(BODIES) {
            assert_eq!(body, pinned);
        }
        assert_eq!(bodies.len(), BODIES.len());
    }

    #[test]
    fn no_answer_may_be_cached_indexed_or_validated() {
        for problem in samples() {
            let (status, code) = (problem.status(), problem.code());
            let response = problem.into_response();
            assert_eq!(response.status(), status, "{code}");
            assert_eq!(header(&response, "content-type"), Some("application/problem+json"));
            assert_eq!(header(&response, "content-length"), Some(response.body().len().to_string().as_str()));
            assert_eq!(header(&response, "cache-control"), Some("no-store"));
            assert_eq!(header(&response, "x-robots-tag"), Some("noindex"));
            assert_eq!(header(&response, "referrer-policy"), Some("no-referrer"));
            assert_eq!(header(&response, "etag"), None);
            assert_eq!(header(&response, "last-modified"), None);
        }
    }

    #[test]
    fn status_dependent_fields_stand_where_they_must() {
        for problem in samples() {
            let code = problem.code();
            let response = problem.into_response();
            let status = response.status().as_u16();
            assert_eq!(header(&response, "retry-after").is_some(), [429, 503].contains(&status), "{code}");
            assert_eq!(header(&response, "ratelimit").is_some(), status == 429, "{code}");
            assert_eq!(header(&response, "allow").is_some(), status == 405, "{code}");
            assert_eq!(header(&response, "www-authenticate").is_some(), status == 401, "{code}");
        }
    }

    #[test]
    fn a_limit_is_told_as_structured_fields() {
        let limit = RateLimit { policy: "status", limit: 600, window: 60, remaining: 0, reset: 12, retry_after: 3 };
        let response = Problem::RateLimited(limit).into_response();
        assert_eq!(header(&response, "ratelimit"), Some("\"status\";r=0;t=12"));
        assert_eq!(header(&response, "ratelimit-policy"), Some("\"status\";q=600;w=60"));
        assert_eq!(header(&response, "retry-after"), Some("3"));
    }

    #[test]
    fn what_a_client_sent_is_cut() {
        let field = || FieldError { field: "x".repeat(10_000), message: "is not a setting of a room".into() };
        let response = Problem::InvalidField((0..1000).map(|_| field()).collect()).into_response();
        assert!(response.body().len() < 10_000, "{}", response.body().len());
    }
}
