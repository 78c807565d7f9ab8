//! What is decided about a request, as a value. `proxy` and `api` carry it out.

use super::status::Status;
use crate::telemetry::words::Reason;
use crate::token::Claims;

/// The gate's word.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Forwarded as if the gate were not there: nobody's turn is used.
    Forward(Reason),
    /// Forwarded with the visitor's name and token.
    Pass(Guest, Reason),
    /// Answered with the waiting page, or its JSON.
    Wait(Box<Status>, Reason),
    /// Answered with 429: too many entries from this address.
    TooMany { retry_after: u64 },
}

/// Somebody who is inside.
#[derive(Clone, Debug, PartialEq)]
pub struct Guest {
    pub claims: Claims,
    /// The token to show the origin.
    pub token: String,
    /// Whether the visitor's cookie has to be set to it.
    pub is_new: bool,
    /// Whether there is a cookie that is only renewed by that: then it can wait for another answer.
    pub has_cookie: bool,
    /// Whether the turn was got just now, by walking in: no cookie of before leads back to it.
    pub walked_in: bool,
}
