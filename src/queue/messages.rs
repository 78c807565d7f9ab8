//! What goes into a room and what comes out: the arguments and results of its verbs, as plain values.

use super::{AddressKey, Change, Snapshot, Ticket, Time, Visitor, Window};

/// Somebody who asks for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newcomer {
    pub visitor: Visitor,
    /// Minted for this arrival. It is also the name of the operation: repeated, it gets the first result again.
    pub ticket: Ticket,
    pub address: AddressKey,
    pub entry: Entry,
    /// As [`Report::until`].
    pub until: Option<Time>,
    /// The store as the caller knows it: one that knows less of itself gives nobody a turn at this call, for those who
    /// come first may not have been brought back yet.
    pub met: Life,
}

/// A state of the store, as one of its callers saw it last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// As [`Known::epoch`].
    pub epoch: u64,
    /// As [`Known::seq`].
    pub seq: u64,
}

/// What a newcomer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A place in the line.
    Enqueue,
    /// To go in on the spot, or nothing.
    WalkIn,
}

/// The answer to a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Stands in line now, at this place (1 = head).
    Entered { position: u64 },
    /// Stood in line before, with another ticket.
    AlreadyWaiting { position: u64 },
    /// Holds a turn already, or had it with this very ticket.
    AlreadyReady,
    /// Walked in: the turn is claimed.
    Admitted(Stay),
    /// Can't walk in now; took no place.
    Busy,
    /// Too many entries from this address; try again in so many seconds.
    Limited { retry_after: u64 },
    /// The room takes nobody.
    Closed,
}

/// A turn that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// When it was claimed.
    pub since: Time,
    /// Until when the visitor may pass.
    pub until: Time,
}

/// Where a visitor with a ticket stands, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Waiting {
        position: u64,
    },
    Ready(Stay),
    /// The turn was used: run out or finished.
    Spent,
    /// Not in the line, never had a turn: a heartbeat puts the visitor (back) into the line.
    Unknown,
}

/// The answer to a finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    Cleared,
    NotReady,
}

/// "Visitor v, ticket t, is here": the registration and the sign of life in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    pub visitor: Visitor,
    pub ticket: Ticket,
    /// Was away for longer than presence before this, or never registered in that time.
    pub late: bool,
    /// The first registration of this ticket: counts against the limit of this address.
    pub first: Option<AddressKey>,
}

/// A stay that an instance extended, found in a token, or knows to be over (`until` has passed): then its ticket counts
/// as spent, and a longer account of the same stay still goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    pub visitor: Visitor,
    pub ticket: Ticket,
    pub stay: Stay,
}

/// A finished turn; `number` grows, so that instances can ask for what is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub number: u64,
    pub visitor: Visitor,
    pub ticket: Ticket,
}

/// What an instance knew of the store at its last sync. A store that knows less has lost its memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// 0: never met it; 1: heard of places that are older than it is.
    pub epoch: u64,
    pub seq: u64,
    pub watermark: Ticket,
    /// The number of the last revocation heard of.
    pub revoked: u64,
    /// The version of the settings held.
    pub settings: u64,
    /// The turns given in the window of the last one.
    pub window: Window,
    /// Whether somebody waited, or the places inside were counted: then the line has to be back before anybody is let
    /// in by a store that forgot it.
    pub busy: bool,
}

/// What an instance did while it could not reach the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alone {
    /// For longer than a quarter of presence: a store that nobody else reached either takes everybody for absent.
    pub long: bool,
    /// The turns it gave by itself, in the window of the last one.
    pub window: Window,
}

/// What an instance hands up with a sync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The instance's random name.
    pub instance: u64,
    pub known: Known,
    pub heartbeats: Vec<Heartbeat>,
    pub renewals: Vec<Renewal>,
    /// Turns finished while the store was away.
    pub finished: Vec<(Visitor, Ticket)>,
    /// After a time without the store.
    pub alone: Option<Alone>,
    /// The settings as they were, with their version, for a store that forgot them.
    pub settings: Option<(u64, Change)>,
    /// When the caller will have given up: run later, the call admits nobody, for it may have been done otherwise by then.
    pub until: Option<Time>,
    /// More is handed up at once: the answer need not tell the shape of the line, only how long it is.
    pub brief: bool,
}

impl Report {
    /// So many entries are handed up in one call at most; the rest waits for the next.
    pub const CHUNK: usize = 1000;
}

/// What comes down with a sync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    pub snapshot: Snapshot,
    /// News since `known.revoked`, oldest first, at most [`Synced::REVOCATIONS`]: where it is full, there is more.
    pub revocations: Vec<Revocation>,
    /// All settings ever changed, with their version, where it isn't the known one.
    pub settings: Option<(u64, Change)>,
    /// First registrations that were over the limit of their address.
    pub limited: Vec<(Visitor, Ticket)>,
    /// There was more to do than one call may: sync again at once.
    pub more: bool,
    /// Not the store's word, but that of the instance's own machine, which stands in for it.
    pub alone: bool,
}

impl Synced {
    /// Revocations handed down in one call at most.
    pub const REVOCATIONS: usize = 1000;
}
