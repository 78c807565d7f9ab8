//! What a visitor is told about a place: the body of `/queue/status`, and what the waiting page shows.

use super::place::Place;
use crate::queue::{Estimate, Mode, Pace, Time, next_poll};
use crate::rooms::View;

/// The word in `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    Ready,
    Paused,
    Closed,
    Unknown,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Paused => "paused",
            Self::Closed => "closed",
            Self::Unknown => "unknown",
        }
    }
}

/// Where a visitor stands, for the visitor.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    pub state: State,
    /// 1 = head of the line; none where the visitor isn't in it.
    pub position: Option<u64>,
    /// People in the line.
    pub waiting: u64,
    pub estimate: Option<Estimate>,
    pub poll_after_ms: u64,
    /// The end of the stay.
    pub expires_at: Option<Time>,
    /// When the place was taken; none where there is none, or it was used.
    pub joined: Option<Time>,
    /// The operator's words, or none.
    pub message: Option<String>,
    /// Whether the store answers: where not, nothing moves, but no place is lost.
    pub connected: bool,
    /// The token to keep from now on: the same one, a renewed one, or none.
    pub token: Option<String>,
    /// Whether it differs from the one shown.
    pub is_new: bool,
}

impl Status {
    /// Tells a place. `load`: see [`Pace::load`].
    pub fn of(place: &Place, view: &View, load: f64) -> Self {
        let settings = &view.settings;
        let (state, position, expires_at) = match place {
            Place::Ready { claims, .. } => (State::Ready, None, claims.ready_until()),
            // Nobody has to wait any more: the page goes in.
            Place::Waiting { .. } | Place::Limited { .. } if view.is_open() => (State::Ready, None, None),
            Place::Waiting { position, .. } => (state_of(settings.mode), Some(*position), None),
            Place::Gone | Place::Limited { .. } => (State::Unknown, None, None),
        };
        let joined = match place {
            Place::Waiting { claims, .. } => Some(claims.ticket().minted()),
            Place::Ready { .. } | Place::Gone | Place::Limited { .. } => None,
        };
        let asked_from = position.unwrap_or_else(|| view.waiting() + 1);
        // Who holds a place that was not heard of yet, or none at all, is not in the line.
        let is_new = !matches!(place, Place::Waiting { claims, .. } if claims.heartbeat().is_some());
        let estimate = if state == State::Ready { None } else { view.estimate(asked_from, is_new) };
        let pace = Pace { jitter: crate::random::fraction(), load };
        Self {
            state,
            position,
            waiting: view.waiting(),
            estimate: estimate.filter(|_| state == State::Waiting),
            poll_after_ms: next_poll(estimate, settings, pace),
            expires_at,
            joined,
            message: Some(settings.message.clone()).filter(|message| !message.is_empty()),
            connected: view.is_connected(),
            token: None,
            is_new: false,
        }
    }
}

const fn state_of(mode: Mode) -> State {
    match mode {
        Mode::Pause => State::Paused,
        Mode::Closed => State::Closed,
        Mode::Auto | Mode::Off | Mode::Observe => State::Waiting,
    }
}
