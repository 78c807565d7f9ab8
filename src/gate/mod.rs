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
mod sharing;
mod status;

pub use decision::{Decision, Guest};
pub use facts::{Facts, Shown, Source};
pub use kind::Kind;
use place::age_seconds;
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
use sharing::Sharing;
use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

/// So many of the tokens that a request shows are looked at, one after the other.
const TRIED: usize = 4;

/// Said instead of the operator's message.
const IN_USE: &str = "Your turn is in use from another network. You get in here as soon as it is free.";

/// The gate: keys to read and sign tokens with.
pub struct Gate {
    keys: ArcSwap<Keyring>,
    polls: Polls,
    sharing: Sharing,
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
        Self { keys: ArcSwap::from_pointee(keys), polls: Polls::default(), sharing: Sharing::default(), signed }
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
        // One that is of no use any more takes nothing from the others: an old address may hold an old token.
        for genuine in self.genuine(room, facts.tokens).into_iter().take(TRIED) {
            let contact = Contact { visitor: genuine.visitor, ip: facts.ip, expired: genuine.expired, extends: true };
            match find(room, genuine.claims.clone(), contact).await {
                Place::Ready { .. } if !self.is_free(room, &genuine, facts.ip, facts.max_addresses) => {
                    return Decision::Wait(Box::new(self.withheld(room)), Reason::Shared);
                }
                Place::Ready { claims, just_now } => {
                    let reason = if just_now { Reason::Claimed } else { Reason::Ready };
                    return Decision::Pass(self.guest(claims, genuine, facts), reason);
                }
                Place::Waiting { claims, position } => {
                    return self.waiting(room, facts, &genuine, claims, position).await;
                }
                // The ticket is good, and its page asks until the address may enter somebody again.
                Place::Limited { .. } if facts.kind == Kind::Navigation => {
                    let position = room.view().position(genuine.claims.ticket());
                    return self.waiting(room, facts, &genuine, genuine.claims.clone(), position).await;
                }
                Place::Limited { retry_after } => {
                    let forwards = forwards_all(&room.view()).map(Decision::Forward);
                    return forwards.unwrap_or(Decision::TooMany { retry_after });
                }
                Place::Gone => {}
            }
        }
        self.newcomer(room, facts, None).await
    }

    /// Answers a question about a place. `max_addresses` as in [`Facts`]: of those who go in themselves, not of a backend
    /// that asks for others.
    pub async fn ask(&self, room: &LiveRoom, genuine: &Genuine, ip: IpAddr, max_addresses: usize) -> (Place, Status) {
        self.polls.count(room.now());
        let contact = Contact { visitor: genuine.visitor, ip, expired: genuine.expired, extends: false };
        let place = find(room, genuine.claims.clone(), contact).await;
        if matches!(place, Place::Ready { .. }) && !self.is_free(room, genuine, ip, max_addresses) {
            return (place, self.withheld(room));
        }
        let mut status = self.status(room, &place);
        self.give_token(room, &mut status, &place, genuine);
        (place, status)
    }

    /// Whether a turn may be used from this address, too.
    fn is_free(&self, room: &LiveRoom, shown: &Genuine, ip: IpAddr, cap: usize) -> bool {
        cap == 0
            || self.sharing.admits((shown.visitor, shown.claims.ticket()), address_key(ip), cap, room.now())
            || forwards_all(&room.view()).is_some()
    }

    /// What is told where a turn is used from elsewhere. The token stays what it is, and opens when an address has gone.
    fn withheld(&self, room: &LiveRoom) -> Status {
        let message = Some(IN_USE.to_owned());
        Status { state: State::Waiting, estimate: None, message, ..self.status(room, &Place::Gone) }
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

    /// The best genuine token, if there is one.
    pub fn best(&self, room: &LiveRoom, tokens: &[Shown<'_>]) -> Option<Genuine> {
        self.genuine(room, tokens).into_iter().next()
    }

    /// The genuine tokens, the best first: those that say ready, for the longest, then the places that are kept, the lowest
    /// ticket and then the newest token first; then what is over as far as it says itself. Foreign bearers are the site's
    /// own.
    fn genuine(&self, room: &LiveRoom, tokens: &[Shown<'_>]) -> Vec<Genuine> {
        let genuine = tokens.iter().filter_map(|shown| self.read(room, shown.token).ok());
        let mut genuine: Vec<_> =
            genuine.filter(|found| !room.is_revoked(found.visitor, found.claims.ticket())).collect();
        if genuine.len() > 1 {
            let (now, retention) = (room.now(), room.view().settings.retention());
            genuine.sort_by_cached_key(|Genuine { claims, .. }| {
                let is_good = match claims.ready_until() {
                    Some(until) => until > now,
                    None => age_seconds(claims, now) <= retention,
                };
                Reverse((is_good, claims.ready_until(), Reverse(claims.ticket()), claims.issued()))
            });
        }
        genuine
    }

    fn guest(&self, claims: Claims, shown: Genuine, facts: &Facts<'_>) -> Guest {
        let is_new = claims != shown.claims;
        let is_in = |source| facts.tokens.iter().any(|other| other.source == source && other.token == shown.token);
        let in_cookie = is_in(Source::Cookie);
        // A token from the address goes into the cookie too, and one that was overwritten there goes back.
        let is_missing = is_in(Source::Query) || is_in(Source::Spare);
        let token = if is_new { self.sign(&claims) } else { shown.token };
        Guest {
            claims,
            token,
            is_new: if in_cookie { is_new } else { is_missing },
            has_cookie: in_cookie,
            walked_in: false,
        }
    }

    fn give_token(&self, room: &LiveRoom, status: &mut Status, place: &Place, shown: &Genuine) {
        let (Place::Ready { claims, .. } | Place::Waiting { claims, .. }) = place else { return };
        // The first estimate that is shown goes with the place, to be compared with the true wait.
        let first_shown = status.estimate.filter(|_| claims.est.is_none());
        status.is_new = first_shown.is_some() || *claims != shown.claims;
        status.token = Some(match first_shown {
            Some(estimate) => self.sign(&claims.clone().with_estimate(estimate, room.now())),
            None if status.is_new => self.sign(claims),
            None => shown.token.clone(),
        });
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
        self.give_token(room, &mut status, &place, shown);
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
                let guest = Guest { claims, token, is_new: true, has_cookie: false, walked_in: true };
                Decision::Pass(guest, Reason::WalkIn)
            }
            Ok(Arrival::Closed) => self.turned_away(room, view, State::Closed),
            // Also where too many came from the address: neighbours aren't turned away, they wait their turn.
            _ => self.new_place(room, view, Some(ticket)),
        }
    }

    /// A ticket in a cookie; it counts from the moment the cookie comes back.
    fn new_place(&self, room: &LiveRoom, view: &View, ticket: Option<Ticket>) -> Decision {
        let ticket = ticket.unwrap_or_else(|| room.clock().mint());
        let mut claims = new_claims(room, &crate::random::name(), ticket, &view.settings);
        let position = view.position(ticket);
        let mut status = self.status(room, &Place::Waiting { claims: claims.clone(), position });
        if let Some(shown) = status.estimate {
            claims = claims.with_estimate(shown, room.now());
        }
        (status.token, status.is_new) = (Some(self.sign(&claims)), true);
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
