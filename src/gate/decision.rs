//! What is decided about a request, as a value. `proxy` and `api` carry it out.

use super::status::Status;
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
}

/// Why; the words of the access log and of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No rule protects the path.
    Unprotected,
    /// An exception matched.
    Bypass,
    /// A CORS preflight carries no cookie and changes nothing.
    Preflight,
    /// `/robots.txt`, `/.well-known/*`.
    WellKnown,
    /// The room's mode is `off`.
    ModeOff,
    /// The room's mode is `observe`; would have passed.
    Observe,
    /// The room's mode is `observe`; would have waited.
    WouldWait,
    /// Not a navigation, and nobody waits.
    NotBusy,
    /// A ready token.
    Ready,
    /// The turn came, and was taken with this request.
    Turn,
    /// Let in on the spot, since nobody waits.
    WalkIn,
    /// Waits in line.
    InLine,
    /// Came when others wait.
    Busy,
    /// The room is paused.
    Paused,
    /// The room takes nobody.
    Closed,
    /// The store is away.
    StoreAway,
    /// Too many entries from this address.
    RateLimited,
}

impl Reason {
    /// The word in the log and the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unprotected => "unprotected",
            Self::Bypass => "bypass",
            Self::Preflight => "preflight",
            Self::WellKnown => "well_known",
            Self::ModeOff => "mode_off",
            Self::Observe => "observe",
            Self::WouldWait => "would_wait",
            Self::NotBusy => "not_busy",
            Self::Ready => "ready",
            Self::Turn => "turn",
            Self::WalkIn => "walk_in",
            Self::InLine => "in_line",
            Self::Busy => "busy",
            Self::Paused => "paused",
            Self::Closed => "closed",
            Self::StoreAway => "store_away",
            Self::RateLimited => "rate_limited",
        }
    }
}
