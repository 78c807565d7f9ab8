//! GET /queue/status: where a visitor stands.

use super::problem::{Problem, RateLimit};
use super::{Asked, auth, reply};
use crate::config::Scope;
use crate::gate::{Place, State, Status};
use crate::limit::{Subject, key};
use crate::queue::Mode;
use crate::rooms::LiveRoom;
use crate::telemetry::rfc3339;
use crate::telemetry::words::PollResult;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

/// Told beside the body: `away` while the store doesn't answer, so that nothing moves but no place is lost.
const STORE: HeaderName = HeaderName::from_static("gatekeeper-store");

/// The body of the answer, and what the waiting JSON is made of.
#[derive(Clone, Debug, Serialize)]
pub struct StatusBody {
    pub warning_msg: Option<&'static str>,
    pub jwt_token: String,
    pub position: Option<u64>,
    pub ready: bool,
    pub state: &'static str,
    pub waiting: u64,
    pub eta_seconds: Option<Eta>,
    pub poll_after_ms: u64,
    pub expires_at: Option<String>,
    pub message: Option<String>,
}

/// A range of seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Eta {
    pub low: u64,
    pub high: u64,
}

/// What a visitor is told, as JSON has it.
pub fn status_body(status: Status) -> StatusBody {
    let eta = status.estimate.map(|range| Eta { low: range.low_seconds, high: range.high_seconds });
    StatusBody {
        warning_msg: (status.state == State::Unknown).then_some("User not found in queue. Enqueue again."),
        jwt_token: status.token.unwrap_or_default(),
        position: status.position,
        ready: status.state == State::Ready,
        state: status.state.name(),
        waiting: status.waiting,
        eta_seconds: eta,
        poll_after_ms: status.poll_after_ms,
        expires_at: status.expires_at.map(|time| rfc3339(time.0)),
        message: status.message,
    }
}

pub(super) async fn status(asked: &Asked<'_>) -> Result<Response<Bytes>, Problem> {
    let by_cookie = auth::is_by_cookie(asked)?;
    let room = if by_cookie { auth::page_room(asked)? } else { auth::room(asked, Scope::Browser)? };
    let answer = told(asked, &room, by_cookie).await;
    room.metrics().poll(match &answer {
        Ok((_, State::Waiting)) => PollResult::Waiting,
        Ok((_, State::Ready)) => PollResult::Ready,
        Ok((_, State::Paused)) => PollResult::Paused,
        Ok((_, State::Closed)) => PollResult::Closed,
        Ok((_, State::Unknown)) => PollResult::Unknown,
        Err(Problem::RateLimited(_)) => PollResult::Limited,
        Err(_) => PollResult::Refused,
    });
    answer.map(|(response, _)| response)
}

async fn told(asked: &Asked<'_>, room: &LiveRoom, by_cookie: bool) -> Result<(Response<Bytes>, State), Problem> {
    if !by_cookie {
        limit(asked, room, Subject::Address(asked.caller.address()))?;
    }
    let genuine = match if by_cookie { auth::cookie_token(asked, room) } else { auth::token(asked, room) } {
        // The page of a room that takes nobody holds no ticket, and wants to know when that changes.
        Err(Problem::MissingToken) if by_cookie && room.view().settings.mode == Mode::Closed => {
            let status = Status { state: State::Closed, ..asked.api.gate.status(room, &Place::Gone) };
            return Ok((reply::json(StatusCode::OK, &status_body(status)), State::Closed));
        }
        genuine => genuine?,
    };
    if by_cookie {
        limit(asked, room, Subject::Visitor(genuine.visitor))?;
    }
    let cap = if by_cookie { asked.caller.config.tokens.max_addresses_per_token } else { 0 };
    let (place, mut status) = asked.api.gate.ask(room, &genuine, asked.caller.ip, cap).await;
    if let Place::Limited { retry_after } = place
        && !room.view().is_open()
    {
        return Err(super::enqueue::over_limit(&room.view().settings, retry_after));
    }
    // A place that is gone has no token any more, but the answer always carries one.
    let is_new = status.is_new || (by_cookie && auth::is_overwritten(asked, room, &genuine.token));
    let (state, connected) = (status.state, status.connected);
    let token = status.token.take().unwrap_or(genuine.token);
    // The cookie is for the browser alone; a script has no need to read it.
    let (in_cookie, in_body) = if by_cookie { (Some(token), String::new()) } else { (None, token) };
    let body = StatusBody { jwt_token: in_body, ..status_body(status) };
    let mut response = reply::json(StatusCode::OK, &body);
    if !connected {
        response.headers_mut().insert(STORE, HeaderValue::from_static("away"));
    }
    if let Some(token) = in_cookie.filter(|_| is_new) {
        reply::set_cookie(&mut response, asked, room, &token);
    }
    Ok((response, state))
}

fn limit(asked: &Asked<'_>, room: &LiveRoom, subject: Subject) -> Result<(), Problem> {
    let view = room.view();
    let (limit, window) = (view.settings.ip_status_polling_limit, view.settings.ip_status_polling_limit_interval);
    let verdict = asked.api.limiter.check(key(room.name(), subject), limit, window, room.now());
    if verdict.allowed {
        return Ok(());
    }
    Err(Problem::RateLimited(RateLimit {
        policy: "status",
        limit,
        window,
        remaining: verdict.remaining,
        reset: verdict.reset_seconds,
        retry_after: verdict.reset_seconds,
    }))
}
