//! The rules of a waiting line.
//!
//! A *room* is one line in front of one site. A visitor arrives and is given a *ticket*: the moment of arrival, in
//! microseconds. Whoever shows an unspent ticket has that place; nobody's place depends on what anybody stored. Visitors
//! who were heard from within `presence_seconds` are *present* and stand in the line, lowest ticket first. In every
//! *window* of `admission_frequency` seconds at most `admission_limit` of them are offered a turn. The first contact
//! after that *claims* the turn: the ticket is spent and the ready time begins. Who was away and comes back within
//! `retention_seconds` stands where the ticket says.
//!
//! This module promises: no I/O, no clock (`now` is an argument everywhere), no logging, no word of HTTP. The same
//! machine is written once more, in Lua, for Redis (`store/redis/*.lua`); the contract and model tests hold the two
//! together.
//!
//! To add a rule: put it into the file of its name below, with a property test beside it; if Redis must do it
//! atomically, mirror it in the script of the same verb and add the promise to `tests/it/contract.rs`.

mod admission;
mod entries;
mod epoch;
mod eta;
mod fact;
mod ledger;
mod line;
mod messages;
mod order;
mod room;
#[cfg(test)]
mod room_tests;
mod settings;
mod snapshot;
mod turns;

pub use admission::Window;
pub use epoch::{HOLD_SECONDS, SETTLE_MS};
pub use eta::{Estimate, Pace, Rate, Speed, next_poll};
pub use fact::{Condition, Fact};
pub use line::Waiting;
pub use messages::{
    Alone, Arrival, Entry, Finished, Heartbeat, Known, Life, Newcomer, Renewal, Report, Revocation, Standing, Stay,
    Synced,
};
pub use room::{INSTANCE_SECONDS, Room};
pub use settings::{Change, FIELDS, Field, FieldError, Kind, Mode, Settings, Value};
pub use snapshot::{Ranks, Snapshot, sample_ranks};
pub use turns::Part;

use std::fmt;

/// Absent people, ended turns and old memories dealt with in one call at most: keeps every call short.
pub const STEPS: usize = 2000;

/// A moment on the store's clock: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// This moment, `seconds` later.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// This moment, `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// This moment, `seconds` earlier.
    #[must_use]
    pub const fn minus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds.saturating_mul(1000)))
    }

    /// Milliseconds from `earlier` to this moment; 0 where `earlier` is later.
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since the Unix epoch, as JWT claims count them.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// A place in line: the moment it was minted, microseconds since the Unix epoch on the store's clock. Lower goes first.
///
/// Fits an IEEE double exactly until the year 2255, which is what a Redis score is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

impl Ticket {
    /// The moment at which the ticket was minted.
    pub const fn minted(self) -> Time {
        Time(self.0 / 1000)
    }

    /// The first ticket of a moment.
    pub const fn at(time: Time) -> Self {
        Self(time.0.saturating_mul(1000))
    }
}

/// Who waits or is inside, as the store knows them: a keyed hash of room and user id, so that the store holds no
/// personal data (`token::visitor_key` makes it).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Visitor(pub [u8; 16]);

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Visitor({:02x}{:02x}{:02x}{:02x}…)", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

/// From whose address a request came, as limits count it: a hash of the address (IPv4) or of its /64 (IPv6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey(pub u64);
