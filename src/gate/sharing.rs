//! From how many addresses at a time a turn is used: one that is handed around opens the gate to no more than the cap.
//!
//! An address counts for [`HELD_MS`] after its last request, so that a visitor whose phone changes networks waits a minute
//! at worst. Promises: no turn is taken from anybody; memory is bounded ([`MOST_TURNS`]), and a turn that finds no room is
//! not held to the cap: locking people out would be worse. Counted on this instance alone.

use crate::queue::{AddressKey, Ticket, Time, Visitor};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// So long after its last request an address counts.
const HELD_MS: u64 = 60_000;
/// Turns that are looked after at a time: at most some 40 MB with the largest cap.
const MOST_TURNS: usize = 100_000;
/// A full table is looked through for turns that nobody uses at most this often.
const BETWEEN_SWEEPS_MS: u64 = 1000;

/// Who uses which turn from where. A std mutex: it is held for a look-up, or, once a second where the table is full, for
/// one pass over it.
#[derive(Debug, Default)]
pub struct Sharing(Mutex<Turns>);

#[derive(Debug, Default)]
struct Turns {
    by_turn: HashMap<(Visitor, Ticket), Vec<(AddressKey, Time)>>,
    swept: Time,
}

impl Sharing {
    /// Whether this address may use the turn now; if so it counts from now on. A `cap` of 0 is none.
    pub fn admits(&self, turn: (Visitor, Ticket), address: AddressKey, cap: usize, now: Time) -> bool {
        if cap == 0 {
            return true;
        }
        // A panic under the lock leaves nothing half-made.
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(addresses) = turns.of(turn, now) else { return true };
        addresses.retain(|(_, last)| is_held(*last, now));
        if let Some((_, last)) = addresses.iter_mut().find(|(known, _)| *known == address) {
            *last = now;
            return true;
        }
        let has_room = addresses.len() < cap;
        if has_room {
            addresses.push((address, now));
        }
        has_room
    }
}

impl Turns {
    /// The addresses of a turn; `None` where there is no room for one more turn.
    fn of(&mut self, turn: (Visitor, Ticket), now: Time) -> Option<&mut Vec<(AddressKey, Time)>> {
        if self.by_turn.len() >= MOST_TURNS && !self.by_turn.contains_key(&turn) {
            if now.ms_since(self.swept) < BETWEEN_SWEEPS_MS {
                return None;
            }
            self.swept = now;
            self.by_turn.retain(|_, addresses| addresses.iter().any(|(_, last)| is_held(*last, now)));
            if self.by_turn.len() >= MOST_TURNS {
                return None;
            }
        }
        Some(self.by_turn.entry(turn).or_default())
    }
}

/// A clock that went back frees nobody's address, and holds none for ever.
fn is_held(last: Time, now: Time) -> bool {
    now.ms_since(last) < HELD_MS && last.ms_since(now) < HELD_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_700_000_000_000);

    fn turn(number: u64) -> (Visitor, Ticket) {
        (Visitor([1; 16]), Ticket(number))
    }

    #[test]
    fn a_turn_serves_so_many_addresses_and_a_silent_one_makes_room() {
        let sharing = Sharing::default();
        let asks = |address: u64, ms: u64| sharing.admits(turn(1), AddressKey(address), 2, NOW.plus_ms(ms));
        assert!(asks(1, 0) && asks(2, 0));
        assert!(!asks(3, 1), "a third one");
        assert!(asks(1, 30_000), "those who are in stay in");
        assert!(!asks(3, 59_999) && asks(3, 60_000), "the second has been silent for a minute");
        assert!(!asks(2, 60_001) && asks(1, 60_001));
        assert!(sharing.admits(turn(2), AddressKey(3), 2, NOW.plus_ms(60_001)), "another turn");
    }

    #[test]
    fn without_a_cap_nothing_is_kept() {
        let sharing = Sharing::default();
        assert!((0..1000).all(|address| sharing.admits(turn(1), AddressKey(address), 0, NOW)));
        assert!(sharing.0.lock().unwrap().by_turn.is_empty());
    }

    #[test]
    fn a_full_table_locks_nobody_out_and_is_swept() {
        let sharing = Sharing::default();
        for number in 0..MOST_TURNS as u64 {
            assert!(sharing.admits(turn(number), AddressKey(1), 1, NOW));
        }
        let size = || sharing.0.lock().unwrap().by_turn.len();
        assert!(
            sharing.admits(turn(u64::MAX), AddressKey(1), 1, NOW)
                && sharing.admits(turn(u64::MAX), AddressKey(2), 1, NOW)
        );
        assert!(!sharing.admits(turn(0), AddressKey(2), 1, NOW), "who is looked after still is");
        assert_eq!(size(), MOST_TURNS);
        assert!(sharing.admits(turn(u64::MAX), AddressKey(1), 1, NOW.plus_ms(HELD_MS)));
        assert_eq!(size(), 1);
    }
}
