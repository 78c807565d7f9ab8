//! GET /queue/verify: may this visitor be served? Asked by a site's backend.

use super::problem::Problem;
use super::{Asked, auth, reply};
use crate::config::Scope;
use crate::gate::{Genuine, stay_of};
use crate::queue::Standing;
use crate::rooms::{LiveRoom, Unavailable};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Verified {
    message: &'static str,
    ready: bool,
}

pub(super) async fn verify(asked: &Asked<'_>) -> Result<Response<Bytes>, Problem> {
    let room = auth::room(asked, Scope::Full)?;
    let genuine = auth::token(asked, &room)?;
    if genuine.expired {
        return Err(Problem::ExpiredToken);
    }
    let ready = is_ready(&room, &genuine).await;
    let message = if ready { "User is ready" } else { "User is not ready" };
    Ok(reply::json(StatusCode::OK, &Verified { message, ready }))
}

/// From the store, so that a finish taken by another instance is seen at once; while it is away, from the token and what
/// this instance knows.
async fn is_ready(room: &LiveRoom, genuine: &Genuine) -> bool {
    let ticket = genuine.claims.ticket();
    if room.is_revoked(genuine.visitor, ticket) {
        return false;
    }
    let by_token = || stay_of(&genuine.claims).is_some_and(|stay| stay.until > room.now());
    match room.claim(genuine.visitor, ticket).await {
        Ok(Standing::Ready(_)) => true,
        // Who answers forgot the stay, or never heard of it and still has the place in its line: the signed token knows
        // better. Where everybody is forwarded, everybody may be served.
        Ok(Standing::Unknown | Standing::Waiting { .. }) | Err(Unavailable) => by_token() || room.view().is_open(),
        Ok(Standing::Spent) => false,
    }
}
