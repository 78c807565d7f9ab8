//! POST /queue/enqueue: a place in the line.

use super::problem::{Problem, RateLimit};
use super::{Asked, auth, reply};
use crate::config::Scope;
use crate::gate::new_claims;
use crate::queue::{Arrival, Entry, Life, Mode, Newcomer, Settings, Ticket};
use crate::rooms::{LiveRoom, Unavailable};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;

/// What the caller gets.
#[derive(Debug, Serialize)]
struct Enqueued<'a> {
    jwt: &'a str,
    position: Option<u64>,
    message: &'static str,
}

pub(super) async fn enqueue(asked: &Asked<'_>) -> Result<Response<Bytes>, Problem> {
    // At the root a page of the API's own kind calls, and a key that got lost on the way has to be told.
    if !auth::has_key(asked)? && asked.caller.is_same_origin && asked.caller.prefix == super::PREFIX {
        return from_page(asked).await;
    }
    let room = auth::room(asked, Scope::Browser)?;
    let user = auth::user(asked)?;
    enter(asked, &room, user, false).await
}

/// A script of the site itself: no key, no user id; the token goes into the cookie, where no script can read it.
async fn from_page(asked: &Asked<'_>) -> Result<Response<Bytes>, Problem> {
    let room = auth::page_room(asked)?;
    if let Ok(genuine) = auth::cookie_token(asked, &room) {
        let (place, status) = asked.api.gate.ask(&room, &genuine, asked.caller.ip, 0).await;
        let already = match place {
            crate::gate::Place::Ready { .. } => Some((None, "User is already ready.")),
            crate::gate::Place::Waiting { position, .. } => Some((Some(position), "User already in queue.")),
            _ => None,
        };
        if let Some((position, message)) = already {
            let mut response = reply::json(StatusCode::OK, &Enqueued { jwt: "", position, message });
            let is_new = status.is_new || auth::is_overwritten(asked, &room, &genuine.token);
            if let Some(token) = status.token.filter(|_| is_new) {
                reply::set_cookie(&mut response, asked, &room, &token);
            }
            return Ok(response);
        }
    }
    enter(asked, &room, &crate::random::name(), true).await
}

async fn enter(asked: &Asked<'_>, room: &LiveRoom, user: &str, by_cookie: bool) -> Result<Response<Bytes>, Problem> {
    let gate = &asked.api.gate;
    let ticket = room.clock().mint();
    let visitor = gate.keys().visitor(room.name(), user);
    let newcomer = Newcomer {
        visitor,
        ticket,
        address: asked.caller.address(),
        entry: Entry::Enqueue,
        until: None,
        met: Life::default(),
    };
    let view = room.view();
    let (position, registered) = match room.arrive(newcomer).await {
        Ok(Arrival::Entered { position }) => (position, true),
        Ok(Arrival::AlreadyWaiting { position }) => return Ok(already(Some(position), "User already in queue.")),
        Ok(Arrival::AlreadyReady | Arrival::Admitted(_) | Arrival::Busy) => {
            return Ok(already(None, "User is already ready."));
        }
        Ok(Arrival::Limited { retry_after }) => return Err(over_limit(&view.settings, retry_after)),
        Ok(Arrival::Closed) => return Err(Problem::RoomClosed { retry_after: 60 }),
        // The ticket is good without the store: its first heartbeat registers it.
        Err(Unavailable) if view.settings.mode == Mode::Closed => return Err(Problem::RoomClosed { retry_after: 60 }),
        Err(Unavailable) => (view.position(ticket), false),
    };
    let token = sign(asked, room, user, ticket, registered);
    let jwt = if by_cookie { "" } else { token.as_str() };
    let message = "User enqueued successfully.";
    let mut response = reply::json(StatusCode::OK, &Enqueued { jwt, position: Some(position), message });
    if by_cookie {
        reply::set_cookie(&mut response, asked, room, &token);
    }
    Ok(response)
}

fn sign(asked: &Asked<'_>, room: &LiveRoom, user: &str, ticket: Ticket, registered: bool) -> String {
    let claims = new_claims(room, user, ticket, &room.view().settings);
    asked.api.gate.sign(&if registered { claims.with_heartbeat(room.now()) } else { claims })
}

fn already(position: Option<u64>, message: &'static str) -> Response<Bytes> {
    reply::json(StatusCode::OK, &Enqueued { jwt: "", position, message })
}

/// The limit of entries from one address, as a problem.
pub fn over_limit(settings: &Settings, retry_after: u64) -> Problem {
    Problem::RateLimited(RateLimit {
        policy: "enqueue",
        limit: settings.ip_enqueue_limit,
        window: settings.ip_enqueue_limit_interval,
        remaining: 0,
        reset: retry_after,
        retry_after,
    })
}
