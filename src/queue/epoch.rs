//! Which life of the store this is, and whether admission waits until the line is back.
//!
//! A store that lost its memory, or went back to an older state of it, is found out by the instances: they know more than
//! it does, or hear of places that are older than it is. Admission then waits, once, for one polling period, in which every
//! visitor brings the place back.

use super::{Known, Life, Time};

/// How long admission waits after the store lost its memory: the longest time between two polls of one visitor
/// (20 s and a fifth, `eta::next_poll`).
pub const HOLD_SECONDS: u64 = 24;
/// How long it waits after an instance comes back that admitted by itself: so that the others are back too, with what
/// they gave in the same window.
pub const SETTLE_MS: u64 = 1000;

/// One life of a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epoch {
    /// Any number but 0 that no earlier life had: when it began, ms since the Unix epoch.
    pub name: u64,
    /// Grows with every sync.
    pub seq: u64,
    pub hold_until: Time,
    /// The life for which admission was held already.
    pub held: u64,
}

impl Epoch {
    pub fn new(name: u64) -> Self {
        Self { name, ..Self::default() }
    }

    /// Counts a sync of an instance that knew this much; `true`: more than this store does. `before`: the number of its
    /// sync before, as this store remembers it.
    pub fn meet(&mut self, known: Known, before: Option<u64>, now: Time) -> bool {
        self.seq += 1;
        let is_short = known.seq >= self.seq || before.is_some_and(|before| before < known.seq);
        // Lives are named after their beginning: whoever knows a later one met a store that went back to this one.
        if known.epoch > self.name || known.epoch == self.name && is_short {
            self.name = (known.epoch + 1).max(now.0);
            self.seq = known.seq + 1;
        }
        let is_other = known.epoch != 0 && known.epoch != self.name;
        if is_other && known.busy && self.held != self.name {
            self.await_line(now);
        }
        is_other
    }

    /// Admission waits for one polling period; for this life no more than once.
    pub fn await_line(&mut self, now: Time) {
        self.held = self.name;
        self.hold(now.plus_seconds(HOLD_SECONDS));
    }

    /// Whether somebody who met this store knows of something that it has forgotten.
    pub const fn is_behind(&self, met: Life) -> bool {
        met.epoch != 0 && (met.epoch != self.name || met.seq > self.seq)
    }

    /// Admission waits until then at least.
    pub fn hold(&mut self, until: Time) {
        self.hold_until = self.hold_until.max(until);
    }
}
