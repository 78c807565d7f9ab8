//! DELETE /queue/finish: the visitor is done; the slot is free.

use super::problem::Problem;
use super::{Asked, auth, reply};
use crate::config::Scope;
use crate::gate::stay_of;
use crate::rooms::FinishOutcome;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Done {
    status: &'static str,
    message: &'static str,
}

pub(super) async fn finish(asked: &Asked<'_>) -> Result<Response<Bytes>, Problem> {
    let room = auth::room(asked, Scope::Full)?;
    let genuine = auth::token(asked, &room)?;
    if genuine.expired {
        return Err(Problem::ExpiredToken);
    }
    let outcome = room.finish(genuine.visitor, genuine.claims.ticket(), stay_of(&genuine.claims)).await;
    let done = match outcome {
        FinishOutcome::Cleared => Done { status: "ready_cleared", message: "User removed from ready state" },
        FinishOutcome::NotReady => Done { status: "not_ready", message: "User was not in ready state" },
    };
    Ok(reply::json(StatusCode::OK, &done))
}
