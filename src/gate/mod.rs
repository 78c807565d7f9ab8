//! Who passes, who waits.
//!
//! One decision per request, made here from values: the genuine tokens that came with it, what kind of request it is, and
//! what this instance knows of the room. `proxy` and `api` carry the [`Decision`] out. The store is asked only where a
//! turn may have come or somebody may walk in; everything else is answered from the snapshot.

pub mod cookie;
mod decision;
mod facts;
pub mod kind;
mod pace;
mod place;
mod status;

pub use decision::{Decision, Guest};
pub use facts::{Facts, Shown, Source};
pub use kind::Kind;
pub use place::{Contact, Place, find, new_claims, stay_of};
pub use status::{State, Status};

use crate::limit::address_key;
use crate::queue::{Arrival, Mode, Ticket, Time, Visitor};
use crate::rooms::{LiveRoom, View};
use crate::telemetry::words::Reason;
use crate::token::{Claims, Keyring, Verified};
use arc_swap::ArcSwap;
use pace::Polls;
use prometheus::IntCounter;
use std::net::IpAddr;
use std::sync::Arc;

/// The gate: keys to read and sign tokens with.
pub struct Gate {
    keys: ArcSwap<Keyring>,
    polls: Polls,
    signed: IntCounter,
}

/// A genuine token of this room.
#[derive(Clone, Debug)]
pub struct Genuine {
    pub visitor: Visitor,
    pub token: String,
    pub claims: Claims,
    pub expired: bool,
}

impl Gate {
    /// `signed` counts the tokens that are made.
    pub fn new(keys: Keyring, signed: IntCounter) -> Self {
        Self { keys: ArcSwap::from_pointee(keys), polls: Polls::default(), signed }
    }

    /// Signs with other keys from now on.
    pub fn replace_keys(&self, keys: Keyring) {
        self.keys.store(Arc::new(keys));
    }

    pub fn keys(&self) -> Arc<Keyring> {
        self.keys.load_full()
    }

    /// Decides about a request to a guarded path.
    pub async fn decide(&self, room: &LiveRoom, facts: &Facts<'_>) -> Decision {
        let Some(genuine) = self.best(room, facts.tokens) else {
            return self.newcomer(room, facts, None).await;
        };
        let contact = Contact { visitor: genuine.visitor, ip: facts.ip, expired: genuine.expired, extends: true };
        let place = find(room, genuine.claims.clone(), contact).await;
        match place {
            Place::Ready { claims, just_now } => {
                let reason = if just_now { Reason::Claimed } else { Reason::Ready };
                Decision::Pass(self.guest(claims, genuine, facts), reason)
            }
            Place::Waiting { claims, position } => self.waiting(room, facts, &genuine, claims, position).await,
            Place::Limited { retry_after } => Decision::TooMany { retry_after },
            Place::Gone => self.newcomer(room, facts, None).await,
        }
    }

    /// Answers a question about a place: `None` without a genuine token.
    pub async fn ask(&self, room: &LiveRoom, genuine: &Genuine, ip: IpAddr) -> (Place, Status) {
        self.polls.count(room.now());
        let contact = Contact { visitor: genuine.visitor, ip, expired: genuine.expired, extends: false };
        let place = find(room, genuine.claims.clone(), contact).await;
        let mut status = self.status(room, &place);
        self.give_token(&mut status, &place, genuine);
        (place, status)
    }

    /// What somebody without a place is told.
    pub fn status(&self, room: &LiveRoom, place: &Place) -> Status {
        Status::of(place, &room.view(), self.polls.load(room.now()))
    }

    /// Reads one token of this room.
    pub fn read(&self, room: &LiveRoom, token: &str) -> Result<Genuine, crate::token::TokenError> {
        let keys = self.keys.load();
        let Verified { claims, expired } = keys.verify(token, room.name(), room.now())?;
        let visitor = keys.visitor(room.name(), &claims.sub);
        Ok(Genuine { visitor, token: token.to_owned(), claims, expired })
    }

    pub fn sign(&self, claims: &Claims) -> String {
        self.signed.inc();
        self.keys.load().sign(claims)
    }

    /// The best genuine token: the one that says ready for the longest, else the lowest ticket, else the newest. Foreign
    /// bearers are the site's own.
    pub fn best(&self, room: &LiveRoom, tokens: &[Shown<'_>]) -> Option<Genuine> {
        let genuine = tokens.iter().filter_map(|shown| self.read(room, shown.token).ok());
        genuine.filter(|found| !room.is_revoked(found.visitor, found.claims.ticket())).max_by_key(|found| {
            (found.claims.ready_until(), std::cmp::Reverse(found.claims.ticket()), found.claims.issued())
        })
    }

    fn guest(&self, claims: Claims, shown: Genuine, facts: &Facts<'_>) -> Guest {
        let is_new = claims != shown.claims;
        // A token from elsewhere goes into the cookie too.
        let in_cookie = facts.tokens.iter().any(|other| other.source == Source::Cookie && other.token == shown.token);
        let by_query = facts.tokens.iter().any(|other| other.source == Source::Query && other.token == shown.token);
        let token = if is_new { self.sign(&claims) } else { shown.token };
        Guest { claims, token, is_new: if in_cookie { is_new } else { by_query }, has_cookie: in_cookie }
    }

    fn give_token(&self, status: &mut Status, place: &Place, shown: &Genuine) {
        if let Place::Ready { claims, .. } | Place::Waiting { claims, .. } = place {
            status.is_new = *claims != shown.claims;
            status.token = Some(if status.is_new { self.sign(claims) } else { shown.token.clone() });
        }
    }

    /// Somebody in line, at a path.
    async fn waiting(
        &self,
        room: &LiveRoom,
        facts: &Facts<'_>,
        shown: &Genuine,
        claims: Claims,
        position: u64,
    ) -> Decision {
        let view = room.view();
        if let Some(reason) = forwards_all(&view) {
            return Decision::Forward(reason);
        }
        let place = Place::Waiting { claims, position };
        let mut status = self.status(room, &place);
        self.give_token(&mut status, &place, shown);
        if facts.kind == Kind::Other {
            status.is_new = false;
        }
        Decision::Wait(Box::new(status), wait_reason(&view, Reason::InLine))
    }

    /// Somebody without a place.
    async fn newcomer(&self, room: &LiveRoom, facts: &Facts<'_>, ticket: Option<Ticket>) -> Decision {
        let (view, now) = (room.view(), room.now());
        let busy = view.is_busy(now);
        if let Some(reason) = forwards_all(&view) {
            if busy && reason == Reason::Observe {
                room.metrics().would_have_waited.inc();
            }
            return Decision::Forward(reason);
        }
        if view.settings.mode == Mode::Closed {
            return self.turned_away(room, &view, State::Closed);
        }
        // A cross-site form has left its cookie at home: another one would overwrite it.
        let nameless = facts.kind == Kind::Other || (facts.is_cross_site && facts.has_body);
        match (nameless, busy) {
            (true, true) => self.turned_away(room, &view, State::Unknown),
            (true, false) => Decision::Forward(Reason::NotBusy),
            (false, true) => self.new_place(room, &view, ticket),
            (false, false) => self.walk_in(room, &view, facts, now).await,
        }
    }

    async fn walk_in(&self, room: &LiveRoom, view: &View, facts: &Facts<'_>, now: Time) -> Decision {
        let user = crate::random::name();
        let ticket = room.clock().mint();
        let visitor = self.keys.load().visitor(room.name(), &user);
        match room.walk_in(visitor, ticket, address_key(facts.ip)).await {
            Ok(Arrival::Admitted(stay)) => {
                let claims = new_claims(room, &user, ticket, &view.settings).with_heartbeat(now);
                let claims = claims.with_turn(stay.since, stay.until);
                let token = self.sign(&claims);
                Decision::Pass(Guest { claims, token, is_new: true, has_cookie: false }, Reason::WalkIn)
            }
            Ok(Arrival::Limited { retry_after }) => Decision::TooMany { retry_after },
            Ok(Arrival::Closed) => self.turned_away(room, view, State::Closed),
            _ => self.new_place(room, view, Some(ticket)),
        }
    }

    /// A ticket in a cookie; it counts from the moment the cookie comes back.
    fn new_place(&self, room: &LiveRoom, view: &View, ticket: Option<Ticket>) -> Decision {
        let ticket = ticket.unwrap_or_else(|| room.clock().mint());
        let claims = new_claims(room, &crate::random::name(), ticket, &view.settings);
        let token = self.sign(&claims);
        let position = view.position(ticket);
        let mut status = self.status(room, &Place::Waiting { claims, position });
        (status.token, status.is_new) = (Some(token), true);
        Decision::Wait(Box::new(status), wait_reason(view, Reason::Newcomer))
    }

    fn turned_away(&self, room: &LiveRoom, view: &View, state: State) -> Decision {
        let mut status = self.status(room, &Place::Gone);
        status.state = state;
        Decision::Wait(Box::new(status), wait_reason(view, Reason::NoPlace))
    }
}

/// Why everybody is forwarded, where that is so. What an operator closed or paused stays so without the store, too.
fn forwards_all(view: &View) -> Option<Reason> {
    match view.settings.mode {
        Mode::Off => Some(Reason::Off),
        Mode::Observe => Some(Reason::Observe),
        Mode::Auto if view.is_open() => Some(Reason::StoreOpen),
        Mode::Auto | Mode::Pause | Mode::Closed => None,
    }
}

fn wait_reason(view: &View, otherwise: Reason) -> Reason {
    match view.settings.mode {
        Mode::Pause => Reason::Paused,
        Mode::Closed => Reason::Closed,
        _ => otherwise,
    }
}
