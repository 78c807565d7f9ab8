//! The answers of the gate itself: the waiting page, its JSON, and failures, for people and for programs.

use super::Door;
use super::context::{Outcome, RequestContext};
use crate::api::problem::Problem;
use crate::api::{PREFIX, StatusBody, allow_origin, status_body};
use crate::gate::{Guest, State, Status, cookie};
use crate::page::{LocalUrl, PageContext, PageEta, PageState};
use crate::queue::Mode;
use crate::rooms::LiveRoom;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use pingora::proxy::Session;
use serde::Serialize;

/// Every answer of the gate is chosen by these.
const CHOSEN_BY: HeaderValue =
    HeaderValue::from_static("Accept, Accept-Encoding, Accept-Language, Sec-Fetch-Mode, Sec-Fetch-Dest, Cookie");

/// For browsers that don't know `frame-ancestors`.
const NO_FRAME: HeaderValue = HeaderValue::from_static("DENY");

/// What a program gets instead of the page.
#[derive(Debug, Serialize)]
struct WaitingBody {
    #[serde(flatten)]
    status: StatusBody,
    waiting_room: bool,
    status_url: String,
    enqueue_url: String,
}

/// The page or the JSON.
pub fn answer(
    door: &Door,
    session: &mut Session,
    context: &RequestContext,
    room: &LiveRoom,
    status: Status,
) -> Response<Bytes> {
    let token = status.token.clone().filter(|_| status.is_new);
    let retry_after = status.poll_after_ms.div_ceil(1000).max(1);
    let mut response = if context.wants_page {
        page(door, session, context, room, &status).unwrap_or_else(|| Problem::Internal.into_response())
    } else {
        json(room, status)
    };
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
    headers.insert(header::VARY, CHOSEN_BY);
    if let (Some(token), Some(site), Some(client)) = (token, context.site(), &context.client) {
        let line = cookie::line(room.name(), &token, &site.cookie, client.is_https(), &room.view().settings);
        append(headers, header::SET_COOKIE, &line);
    }
    if !context.wants_page {
        allow_origin(&mut response, &context.config.server.cors_origins, &session.req_header().headers);
    }
    response
}

fn json(room: &LiveRoom, status: Status) -> Response<Bytes> {
    let body = WaitingBody {
        status: StatusBody { jwt_token: String::new(), ..status_body(status) },
        waiting_room: true,
        status_url: format!("{PREFIX}/queue/status?room={}", room.name()),
        enqueue_url: format!("{PREFIX}/queue/enqueue?room={}", room.name()),
    };
    let text = serde_json::to_vec(&body).unwrap_or_default();
    build(StatusCode::SERVICE_UNAVAILABLE, "application/json", text)
}

fn page(
    door: &Door,
    session: &mut Session,
    context: &RequestContext,
    room: &LiveRoom,
    status: &Status,
) -> Option<Response<Bytes>> {
    let site = context.site()?;
    let page = door.pages.load().get(context.site?).cloned()?;
    let wishes = accept_language(session);
    let spoken = page.speak(&wishes);
    let takes_gzip = takes_gzip(session);
    let made = spoken.make(&page_context(session, context, room, status), takes_gzip).ok()?;
    let code = StatusCode::from_u16(site.waiting_status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = build(code, "text/html; charset=utf-8", made.bytes);
    if made.is_gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    append(response.headers_mut(), header::CONTENT_SECURITY_POLICY, page.csp());
    if !site.cookie.embed {
        response.headers_mut().insert(header::X_FRAME_OPTIONS, NO_FRAME);
    }
    append(response.headers_mut(), header::CONTENT_LANGUAGE, spoken.language());
    Some(response)
}

/// Whether the visitor reads gzip: every browser does, and says so plainly.
fn takes_gzip(session: &Session) -> bool {
    let lines = session.req_header().headers.get_all(header::ACCEPT_ENCODING);
    let mut codings = lines.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    codings.any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_refused = parts.any(|q| q.strip_prefix("q=").is_some_and(|q| q.trim_end_matches(['0', '.']).is_empty()));
        is_gzip && !is_refused
    })
}

/// The visitor's languages; several header lines are one list.
fn accept_language(session: &Session) -> String {
    let lines = session.req_header().headers.get_all(header::ACCEPT_LANGUAGE);
    lines.iter().filter_map(|line| line.to_str().ok()).collect::<Vec<_>>().join(",")
}

fn page_context(session: &mut Session, context: &RequestContext, room: &LiveRoom, status: &Status) -> PageContext {
    let has_body = !session.as_downstream_mut().is_body_empty();
    let request = session.req_header();
    let configured = context.config.room(room.name());
    let title = configured.and_then(|known| known.title.clone()).unwrap_or_else(|| context.host.clone());
    let view = room.view();
    let settings = &view.settings;
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let has_ticket = status.token.is_some();
    PageContext {
        state: match status.state {
            State::Paused => PageState::Paused,
            State::Closed => PageState::Closed,
            State::Ready => PageState::Ready,
            // A cross-site form has no place, but its sender sees what everybody sees.
            State::Unknown if settings.mode == Mode::Pause => PageState::Paused,
            State::Waiting | State::Unknown if !status.connected => PageState::Reconnecting,
            State::Waiting | State::Unknown => PageState::Waiting,
        },
        waiting: Some(status.waiting),
        eta: status.estimate.map(|range| PageEta { low_seconds: range.low_seconds, high_seconds: range.high_seconds }),
        joined_ms: status.joined.map(|time| time.0),
        message: status.message.clone().unwrap_or_default(),
        nothing_sent: has_body,
        cookies_missing: false,
        status_url: LocalUrl::new(&format!("{PREFIX}/queue/status?room={}", room.name())),
        enqueue_url: (!has_ticket && status.state == State::Unknown)
            .then(|| LocalUrl::new(&format!("{PREFIX}/queue/enqueue?room={}", room.name()))),
        reload_url: LocalUrl::new(target),
        poll_after_ms: status.poll_after_ms,
        ready_ttl_seconds: settings.ready_ttl_seconds,
        ready_renews: settings.renew_ready,
        ready_max_seconds: settings.ready_max(),
        ..PageContext::new(room.name(), &title)
            .at(status.position)
            .kept_for(settings.retention(), settings.presence_seconds)
    }
}

/// Moves the token from the address into the cookie.
pub fn redirect(location: &str, guest: &Guest, room: &LiveRoom, context: &RequestContext) -> Response<Bytes> {
    let mut response = build(StatusCode::SEE_OTHER, "text/plain", Vec::new());
    append(response.headers_mut(), header::LOCATION, location);
    response.headers_mut().insert(header::VARY, CHOSEN_BY);
    for line in context.cookies_of(&Guest { is_new: true, ..guest.clone() }, room) {
        append(response.headers_mut(), header::SET_COOKIE, &line);
    }
    response
}

/// A refusal: a short page for people, the problem for programs.
pub fn refusal(problem: Problem, context: &RequestContext, asked: &HeaderMap) -> Response<Bytes> {
    failure(problem, context, asked)
}

/// A failure: a short page with the request's id for people, the problem for programs. `asked`: the request's header.
///
/// Whoever got a turn by this request gets its cookie, too: "your turn is kept" has to be true of it.
///
/// The origin can't say that another site's script may read what it never saw, so the gate does.
pub fn failure(problem: Problem, context: &RequestContext, asked: &HeaderMap) -> Response<Bytes> {
    let has_turn = matches!(context.outcome, Outcome::Forward { guest: Some(_) });
    let (status, words) = (problem.status(), words_for(&problem, has_turn));
    let mut response = problem.into_response();
    response.headers_mut().insert(header::VARY, CHOSEN_BY);
    append(response.headers_mut(), HeaderName::from_static("x-request-id"), &context.request_id);
    if let (Some(room), Outcome::Forward { guest: Some(guest) }) = (&context.room, &context.outcome) {
        for line in context.cookies_of(guest, room) {
            append(response.headers_mut(), header::SET_COOKIE, &line);
        }
    }
    if !context.wants_page {
        allow_origin(&mut response, &context.config.server.cors_origins, asked);
        return response;
    }
    let (title, text) = words;
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title}</title><main><h1>{title}</h1><p>{text}</p><p>Request {}</p></main></html>",
        context.request_id
    );
    let headers = std::mem::take(response.headers_mut());
    let mut page = build(status, "text/html; charset=utf-8", html.into_bytes());
    append(page.headers_mut(), header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    page.headers_mut().insert(header::X_FRAME_OPTIONS, NO_FRAME);
    for name in
        [header::RETRY_AFTER, header::ALLOW, header::VARY, header::SET_COOKIE, HeaderName::from_static("x-request-id")]
    {
        for value in headers.get_all(&name) {
            page.headers_mut().append(&name, value.clone());
        }
    }
    page
}

/// `has_turn`: who asks came in by a turn, and keeps it.
fn words_for(problem: &Problem, has_turn: bool) -> (&'static str, &'static str) {
    match problem {
        Problem::BadGateway if has_turn => (
            "The site does not answer",
            "You are past the waiting room, but the site behind it could not be reached. Your turn is kept: please try again in a moment.",
        ),
        Problem::BadGateway => {
            ("The site does not answer", "The site could not be reached. Please try again in a moment.")
        }
        Problem::GatewayTimeout if has_turn => (
            "The site takes too long",
            "You are past the waiting room, but the site behind it did not answer in time. Your turn is kept: please try again in a moment.",
        ),
        Problem::GatewayTimeout => {
            ("The site takes too long", "The site did not answer in time. Please try again in a moment.")
        }
        Problem::RateLimited(_) => (
            "Too many requests",
            "Many requests came from your network in a short time. No place in line is lost: please try again in a moment.",
        ),
        Problem::Misdirected => ("Unknown address", "This server does not know the site that you asked for."),
        Problem::Internal => ("Something went wrong", "The fault is ours. Please try again in a moment."),
        _ => ("This request can't be served", "The server could not make sense of the request."),
    }
}

fn build(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let length = HeaderValue::from(response.body().len());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    response
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(name, value);
    }
}
