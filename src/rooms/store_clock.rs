//! The store's time on this instance: its own clock plus the offset seen at the last sync, so that a clock that is wrong
//! by minutes changes nothing.

use crate::clock::Clock;
use crate::queue::{Ticket, Time};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Replies that took longer say too little about the offset.
const GOOD_ROUND_TRIP_US: u64 = 50_000;

/// Tells the store's time, and mints tickets on it.
pub struct StoreClock {
    own: Arc<dyn Clock>,
    offset_us: AtomicI64,
    /// 1 once the store was met with a good round trip.
    met: AtomicU64,
    /// The newest ticket minted or seen: none is minted below it, whatever the clocks do.
    newest: AtomicU64,
}

impl StoreClock {
    pub fn new(own: Arc<dyn Clock>) -> Self {
        Self { own, offset_us: AtomicI64::new(0), met: AtomicU64::new(0), newest: AtomicU64::new(0) }
    }

    /// The store's time.
    pub fn now(&self) -> Time {
        Time(self.micros() / 1000)
    }

    /// This machine's clock, for measuring how long something took.
    pub fn own_micros(&self) -> u64 {
        self.own.micros()
    }

    /// A new place: now, and later than any other of this instance.
    pub fn mint(&self) -> Ticket {
        let now = self.micros();
        let before = self.newest.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |newest| Some(now.max(newest + 1)));
        Ticket(before.map_or(now, |newest| now.max(newest + 1)))
    }

    /// Takes note of a ticket that another instance minted, as long as the store was never met: then it is all there is
    /// to know of the store's time.
    pub fn saw(&self, ticket: Ticket) {
        if self.met.load(Ordering::Relaxed) == 0 {
            self.newest.fetch_max(ticket.0, Ordering::SeqCst);
        }
    }

    /// Learns the offset from a reply: `store` was the store's time somewhere between `sent` and `received` (µs of the
    /// own clock).
    pub fn learn(&self, store: Time, sent: u64, received: u64) {
        let round_trip = received.saturating_sub(sent);
        let own = sent + round_trip / 2;
        // The store tells whole milliseconds: half of one is the best guess at the rest.
        let offset = i64::try_from(store.0 * 1000 + 500).unwrap_or(i64::MAX) - i64::try_from(own).unwrap_or(0);
        let before = self.offset_us.load(Ordering::Relaxed);
        // A slow reply says little, but it shows when what is known is wrong by more than it took.
        let says_enough = round_trip <= GOOD_ROUND_TRIP_US || before.abs_diff(offset) > round_trip;
        if !says_enough && self.met.load(Ordering::Relaxed) == 1 {
            return;
        }
        // Within a millisecond nothing was learnt: keep still.
        if self.met.swap(1, Ordering::Relaxed) == 0 || before.abs_diff(offset) > 1000 {
            self.offset_us.store(offset, Ordering::Relaxed);
        }
    }
}

/// The store's time, for those who stand in for it.
impl Clock for StoreClock {
    fn micros(&self) -> u64 {
        self.own.micros().saturating_add_signed(self.offset_us.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_wrong_clock_changes_nothing_once_the_store_was_met() {
        let own = Arc::new(ManualClock::at(Time(1_000_000)));
        let clock = StoreClock::new(Arc::clone(&own) as Arc<dyn Clock>);
        clock.learn(Time(1_600_000), own.micros(), own.micros() + 2000);
        assert_eq!(clock.now().0.abs_diff(1_600_000), 1);
        own.advance_ms(500);
        assert!(clock.now().0.abs_diff(1_600_500) <= 1);
    }

    #[test]
    fn a_slow_reply_corrects_only_what_it_proves_wrong() {
        let own = Arc::new(ManualClock::at(Time(1_000_000)));
        let clock = StoreClock::new(Arc::clone(&own) as Arc<dyn Clock>);
        clock.learn(Time(1_600_000), own.micros(), own.micros() + 2000);
        clock.learn(Time(1_600_150), own.micros(), own.micros() + 200_000);
        assert_eq!(clock.now().0.abs_diff(1_600_000), 1, "it may have been answered at its end");
        clock.learn(Time(1_660_000), own.micros(), own.micros() + 200_000);
        assert_eq!(clock.now().0, 1_659_900, "the store's clock was set");
    }

    #[test]
    fn tickets_grow_even_when_time_stands_still_or_goes_back() {
        let clock = StoreClock::new(Arc::new(ManualClock::at(Time(1000))));
        let first = clock.mint();
        let second = clock.mint();
        clock.learn(Time(10), 1_000_000, 1_000_000);
        assert!(first < second && second < clock.mint());
    }

    #[test]
    fn an_instance_that_never_met_the_store_mints_nothing_older_than_it_has_seen() {
        let clock = StoreClock::new(Arc::new(ManualClock::at(Time(1000))));
        clock.saw(Ticket(5_000_000));
        assert_eq!(clock.mint(), Ticket(5_000_001));
    }
}
