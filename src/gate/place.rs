//! Where the holder of a genuine token stands: ready, in line, or nowhere any more.
//!
//! Answered from the token and the snapshot. The store is asked only where a turn may have come (the ticket is at or
//! below the watermark) or where a ready token is older than it should be. Waiting visitors are heartbeats: at most one
//! per quarter of presence goes up.

use crate::limit::address_key;
use crate::queue::{Heartbeat, Renewal, Settings, Standing, Stay, Ticket, Time, Visitor};
use crate::rooms::{LiveRoom, Registration, Unavailable, View};
use crate::telemetry::words::EstimateResult;
use crate::token::Claims;
use std::net::IpAddr;

/// A turn that was taken so lately was taken by this contact.
const JUST_NOW_MS: u64 = 500;

/// Where somebody stands. The claims are what the next token should say.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Inside; `just_now`: the turn was taken with this contact.
    Ready {
        claims: Claims,
        just_now: bool,
    },
    Waiting {
        claims: Claims,
        position: u64,
    },
    /// The first registration was refused: too many from this address. The ticket stays good.
    Limited {
        retry_after: u64,
    },
    /// The turn is over, or the place was kept long enough.
    Gone,
}

/// Who shows the token, and how.
#[derive(Clone, Copy, Debug)]
pub struct Contact {
    pub visitor: Visitor,
    pub ip: IpAddr,
    /// The token is past its `exp`.
    pub expired: bool,
    /// A forwarded request extends a stay, a question doesn't.
    pub extends: bool,
}

/// Finds the place.
pub async fn find(room: &LiveRoom, claims: Claims, contact: Contact) -> Place {
    let ticket = claims.ticket();
    room.clock().saw(ticket);
    if room.is_revoked(contact.visitor, ticket) {
        return Place::Gone;
    }
    match stay_of(&claims) {
        Some(stay) => inside(room, claims, stay, contact).await,
        None => in_line(room, claims, contact).await,
    }
}

/// A token that says "ready".
async fn inside(room: &LiveRoom, claims: Claims, stay: Stay, contact: Contact) -> Place {
    let (view, now) = (room.view(), room.now());
    if stay.until > now && !contact.expired {
        return Place::Ready { claims: extended(room, &view, claims, stay, contact, now), just_now: false };
    }
    // Too old to be believed alone, or run out as far as this token knows: another one may have been extended.
    match room.claim(contact.visitor, claims.ticket()).await {
        Ok(Standing::Ready(stay)) => {
            let claims = claims.renewed(now, view.settings.jwt_expiry_seconds).with_turn(stay.since, stay.until);
            Place::Ready { claims, just_now: false }
        }
        // Nor may a store that forgot it, in whose line an old token of this place was heard meanwhile, take it away.
        Ok(Standing::Unknown | Standing::Waiting { .. }) | Err(Unavailable) if stay.until > now => {
            room.renew(Renewal { visitor: contact.visitor, ticket: claims.ticket(), stay });
            let claims = claims.renewed(now, view.settings.jwt_expiry_seconds);
            Place::Ready { claims, just_now: false }
        }
        _ => Place::Gone,
    }
}

/// Renews a stay when half of it is over, and the token around it when half of its time is. Where the store may have
/// forgotten the stay, it is told of it, once per token.
fn extended(room: &LiveRoom, view: &View, claims: Claims, stay: Stay, contact: Contact, now: Time) -> Claims {
    let (mut claims, settings) = (claims, &view.settings);
    // Tokens tell whole seconds, rounded down: one that was made as the room began is no reason to make another.
    if !is_known(claims.issued().plus_ms(999), view, now.plus_ms(999)) {
        room.renew(Renewal { visitor: contact.visitor, ticket: claims.ticket(), stay });
        claims = claims.renewed(now, settings.jwt_expiry_seconds);
    }
    let half = settings.ready_ttl_seconds * 500;
    if contact.extends && settings.renew_ready && stay.until.ms_since(now) < half {
        let until = now.plus_seconds(settings.ready_ttl_seconds);
        let until = until.min(stay.since.plus_seconds(settings.ready_max()));
        if until > stay.until.plus_seconds(1) {
            let stay = Stay { until, ..stay };
            room.renew(Renewal { visitor: contact.visitor, ticket: claims.ticket(), stay });
            claims = claims.renewed(now, settings.jwt_expiry_seconds).with_turn(stay.since, stay.until);
        }
    }
    if age_seconds(&claims, now) * 2 > settings.jwt_expiry_seconds {
        claims = claims.renewed(now, settings.jwt_expiry_seconds);
    }
    claims
}

/// A token that says "waiting".
async fn in_line(room: &LiveRoom, claims: Claims, contact: Contact) -> Place {
    let (view, now) = (room.view(), room.now());
    if age_seconds(&claims, now) > view.settings.retention() {
        return Place::Gone;
    }
    let ticket = claims.ticket();
    if ticket <= view.watermark() {
        match called(room, &view, &claims, contact).await {
            Called::Found(place) => return place,
            Called::Absent => {}
        }
    }
    let place = heard(room, &view, claims, contact, now).await;
    // Registering took a sync: the turn may have come with it.
    match place {
        Place::Waiting { claims, position } if ticket > view.watermark() => {
            let newer = room.view();
            if ticket > newer.watermark() {
                return Place::Waiting { claims, position };
            }
            match called(room, &newer, &claims, contact).await {
                Called::Found(found) => found,
                Called::Absent => Place::Waiting { claims, position },
            }
        }
        place => place,
    }
}

/// What the store said to a ticket that may have been called.
enum Called {
    Found(Place),
    /// Neither in line nor over, as far as is known: away for too long, has to be registered again.
    Absent,
}

async fn called(room: &LiveRoom, view: &View, claims: &Claims, contact: Contact) -> Called {
    let now = room.now();
    let renewed = || claims.clone().renewed(now, view.settings.jwt_expiry_seconds);
    match room.claim(contact.visitor, claims.ticket()).await {
        Ok(Standing::Ready(stay)) => {
            note_wait(room, view, claims, stay);
            Called::Found(Place::Ready { claims: renewed().with_turn(stay.since, stay.until), just_now: true })
        }
        Ok(Standing::Waiting { position }) => {
            Called::Found(Place::Waiting { claims: renewed().with_heartbeat(now), position })
        }
        Ok(Standing::Spent) => Called::Found(Place::Gone),
        // Where the store is away nobody knows whether the ticket is spent; it is kept alive until the store says.
        Ok(Standing::Unknown) | Err(Unavailable) => Called::Absent,
    }
}

/// Counts whether the wait was as it was first told, where this contact ended it. Who was away has waited for nothing that
/// was told.
fn note_wait(room: &LiveRoom, view: &View, claims: &Claims, stay: Stay) {
    let Some((earliest, latest)) = claims.est else { return };
    let last = claims.heartbeat().unwrap_or(claims.issued());
    let was_away = stay.since.ms_since(last) > view.settings.presence_seconds * 1000;
    if was_away || room.now().ms_since(stay.since) > JUST_NOW_MS {
        return;
    }
    let waited = stay.since.ms_since(claims.ticket().minted());
    room.metrics().waited(match waited {
        ms if ms < earliest * 1000 => EstimateResult::Shorter,
        ms if ms > latest * 1000 => EstimateResult::Longer,
        _ => EstimateResult::Right,
    });
}

/// A sign of life, where one is due.
async fn heard(room: &LiveRoom, view: &View, claims: Claims, contact: Contact, now: Time) -> Place {
    let settings = &view.settings;
    let ticket = claims.ticket();
    let waiting = |claims: Claims, view: &View| {
        let position = view.position(ticket);
        Place::Waiting { claims, position }
    };
    let last = claims.heartbeat();
    let silence = now.ms_since(last.unwrap_or(ticket.minted()));
    let late = silence > settings.presence_seconds * 1000;
    let heartbeat = Heartbeat { visitor: contact.visitor, ticket, late, first: None };
    if let Some(last) = last {
        if silence < settings.presence_seconds * 250 && is_known(last, view, now) {
            return waiting(fresh(claims, settings, now), view);
        }
        room.heartbeat(heartbeat);
        return waiting(claims.renewed(now, settings.jwt_expiry_seconds).with_heartbeat(now), view);
    }
    match room.register(Heartbeat { first: Some(address_key(contact.ip)), ..heartbeat }).await {
        Registration::Done => {
            let claims = claims.renewed(now, settings.jwt_expiry_seconds).with_heartbeat(room.now());
            waiting(claims, &room.view())
        }
        Registration::Pending => waiting(fresh(claims, settings, now), view),
        Registration::Limited => Place::Limited { retry_after: settings.ip_enqueue_limit_interval.min(30) },
    }
}

/// Whether the store still knows what it was told at that moment. Not where that is to come yet: its clock went back with
/// its memory.
fn is_known(told: Time, view: &View, now: Time) -> bool {
    (view.heard_since()..=now).contains(&told)
}

/// The token is renewed when half of its time is over.
fn fresh(claims: Claims, settings: &Settings, now: Time) -> Claims {
    if age_seconds(&claims, now) * 2 > settings.jwt_expiry_seconds {
        claims.renewed(now, settings.jwt_expiry_seconds)
    } else {
        claims
    }
}

/// A place for somebody new: nothing is registered until the cookie comes back.
pub fn new_claims(room: &LiveRoom, user: &str, ticket: Ticket, settings: &Settings) -> Claims {
    Claims::waiting(room.name(), user, ticket, room.now(), settings.jwt_expiry_seconds)
}

/// The stay that a token tells of.
pub fn stay_of(claims: &Claims) -> Option<Stay> {
    Some(Stay { since: claims.turn_taken()?, until: claims.ready_until()? })
}

pub(super) fn age_seconds(claims: &Claims, now: Time) -> u64 {
    now.ms_since(claims.issued()) / 1000
}
