//! What a token says.

use crate::queue::{Estimate, Ticket, Time};
use serde::{Deserialize, Serialize};

/// The `iss` of every token.
pub const ISSUER: &str = "gatekeeper";

/// The claims of a token. All moments are on the store's clock.
///
/// A missing `iat` or `hb` reads as 0 ("long ago", "never"); every other claim that isn't an `Option` must be there, and
/// numbers must be whole and not negative. Claims that this version doesn't know are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Always [`ISSUER`].
    pub iss: String,
    /// The room's name.
    pub aud: String,
    /// The user id.
    pub sub: String,
    /// When this token was made, in seconds. The age of a place without contact is counted from here.
    #[serde(default)]
    pub iat: u64,
    /// From when on this token wants to be renewed, in seconds.
    pub exp: u64,
    /// The ticket, in microseconds.
    pub tkt: u64,
    /// The second of the last heartbeat that was carried up to the store; 0: never registered.
    #[serde(default)]
    pub hb: u64,
    /// The second in which the turn was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adm: Option<u64>,
    /// The second until which the visitor is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rdy: Option<u64>,
    /// The wait that was shown first, in seconds from the ticket on: so that it can be compared with the true one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub est: Option<(u64, u64)>,
}

impl Claims {
    /// A fresh place in a room's line, not yet registered; `lifetime` is `jwt_expiry_seconds`.
    pub fn waiting(room: &str, user: &str, ticket: Ticket, now: Time, lifetime: u64) -> Self {
        Self {
            iss: ISSUER.to_owned(),
            aud: room.to_owned(),
            sub: user.to_owned(),
            iat: now.seconds(),
            exp: now.plus_seconds(lifetime).seconds(),
            tkt: ticket.0,
            hb: 0,
            adm: None,
            rdy: None,
            est: None,
        }
    }

    /// The same place in a token that is new from `now` on, for `lifetime` seconds.
    #[must_use]
    pub fn renewed(mut self, now: Time, lifetime: u64) -> Self {
        self.iat = now.seconds();
        self.exp = now.plus_seconds(lifetime).seconds();
        self
    }

    /// Remembers that a heartbeat was carried up at `at`.
    #[must_use]
    pub const fn with_heartbeat(mut self, at: Time) -> Self {
        self.hb = at.seconds();
        self
    }

    /// Ready until `until`, the turn having been taken at `taken`. Rounded down to seconds, so that a token never opens
    /// longer than the store would.
    #[must_use]
    pub const fn with_turn(mut self, taken: Time, until: Time) -> Self {
        self.adm = Some(taken.seconds());
        self.rdy = Some(until.seconds());
        self
    }

    /// Remembers an estimate that was shown at `now`.
    #[must_use]
    pub const fn with_estimate(mut self, shown: Estimate, now: Time) -> Self {
        let waited = now.ms_since(self.ticket().minted()) / 1000;
        self.est = Some((waited.saturating_add(shown.low_seconds), waited.saturating_add(shown.high_seconds)));
        self
    }

    /// The place in the line.
    pub const fn ticket(&self) -> Ticket {
        Ticket(self.tkt)
    }

    /// When the token was made.
    pub const fn issued(&self) -> Time {
        Time(self.iat.saturating_mul(1000))
    }

    /// From when on the token wants to be renewed, leeway not counted.
    pub const fn expires(&self) -> Time {
        Time(self.exp.saturating_mul(1000))
    }

    /// The last heartbeat carried up, if there was one.
    pub fn heartbeat(&self) -> Option<Time> {
        Some(self.hb).filter(|second| *second > 0).map(from_seconds)
    }

    /// When the turn was taken.
    pub fn turn_taken(&self) -> Option<Time> {
        self.adm.map(from_seconds)
    }

    /// Until when the token says that the visitor is ready, whether or not that has passed.
    pub fn ready_until(&self) -> Option<Time> {
        self.rdy.map(from_seconds)
    }

    /// Whether the token opens the gate at `now`, as far as the token knows: revocations are the snapshot's.
    pub fn is_ready(&self, now: Time) -> bool {
        self.ready_until().is_some_and(|until| now < until)
    }
}

const fn from_seconds(seconds: u64) -> Time {
    Time(seconds.saturating_mul(1000))
}
