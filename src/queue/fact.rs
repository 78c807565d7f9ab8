//! What a room must not forget, as values: for a store that outlives its process.
//!
//! The machine tells the first four kinds as they happen (`Room::news`); they make up what lasts. The others are told in
//! a hand-over alone (`Room::everything`): after a loss the visitors bring them back. Facts may be told twice, and a
//! later one of the same ticket counts. To add one: a variant here, where it happens, `recall`, and its written form in
//! `store/memory/record.rs`.

use super::line::Waiting;
use super::{AddressKey, Revocation, Stay, Ticket, Time, Visitor, Window};

/// One thing that is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A turn is used, or goes on; its ticket is spent.
    Stay {
        visitor: Visitor,
        ticket: Ticket,
        stay: Stay,
    },
    /// A ticket can't be given a turn any more.
    Spent {
        visitor: Visitor,
        ticket: Ticket,
        at: Time,
    },
    /// A turn was finished before its time; its ticket is spent.
    Revoked(Revocation),
    /// How much of the window is used, the highest ticket that was ever given a turn, and whether anybody waits.
    Given {
        window: Window,
        watermark: Ticket,
        waits: bool,
    },
    /// Stands in line.
    Waiting {
        visitor: Visitor,
        waiting: Waiting,
    },
    /// May take a turn until then.
    Offered {
        visitor: Visitor,
        ticket: Ticket,
        until: Time,
    },
    /// Did not take a turn, once.
    Missed {
        visitor: Visitor,
        ticket: Ticket,
        at: Time,
    },
    /// So many first registrations from an address since then.
    Entries {
        address: AddressKey,
        since: Time,
        count: u64,
    },
    /// When an instance was last heard from, and the number of that sync.
    Instance {
        name: u64,
        last: Time,
        seq: u64,
    },
    Condition(Condition),
}

impl Fact {
    /// Whether it is of the kinds that are told as they happen.
    pub const fn lasts(&self) -> bool {
        matches!(self, Self::Stay { .. } | Self::Spent { .. } | Self::Revoked(_) | Self::Given { .. })
    }
}

/// The rest of a room: its own numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Seconds, and since when they count.
    pub presence: u64,
    pub settled: Time,
    pub admitted: u64,
    pub epoch: u64,
    pub seq: u64,
    pub hold_until: Time,
    pub held: u64,
    /// The last time that the room was told.
    pub last: Time,
}
