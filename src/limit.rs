//! How often somebody may ask: calls counted per key in fixed windows, on this instance.
//!
//! It stands before the polls (`ip_status_polling_limit`), per address for keyed callers and per visitor for the waiting
//! page, so that people behind one address don't lock each other out. Entries into the line are counted by the store.
//!
//! This module promises: a check takes no await, no I/O and no clock; memory is bounded ([`Limiter::new`]), whatever
//! number of addresses asks; a flood of new keys never wins back calls for a key that has used up its own. Where the table
//! is full of such keys alone, a new key passes uncounted until a window ends: locking out all newcomers would be worse
//! than a free poll.
//!
//! To limit something else: a variant of [`Subject`], a call to [`Limiter::check`].
//!
//! # Header fields
//! A [`Verdict`] feeds the fields of draft-ietf-httpapi-ratelimit-headers:
//!
//! | field | value |
//! |---|---|
//! | `RateLimit-Policy` | `"<name>";q=<limit>;w=<interval_seconds>` |
//! | `RateLimit` | `"<name>";r=<remaining>;t=<reset_seconds>` |
//! | `Retry-After`, where not allowed | `<reset_seconds>` |

use crate::queue::{AddressKey, Time, Visitor};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A power of two, so that a key's low bits pick the shard.
const SHARDS: usize = 64;

/// How many keys a [`Limiter`] holds by default, about 900,000: at most 35 MB (a shard's share fills 7/8 of a table of 2^14).
pub const DEFAULT_ENTRIES: usize = 14_336 * SHARDS;

/// Who is being counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A caller, by address.
    Address(AddressKey),
    /// A waiting page, by the place in its token. All tokens of a place count together.
    Visitor(Visitor),
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    /// Calls left in this window.
    pub remaining: u64,
    /// Whole seconds until the window ends, rounded up; at least 1.
    pub reset_seconds: u64,
}

/// Counts calls per key. Windows are aligned to the clock: every instance begins a new one at the same moment.
///
/// A std mutex per shard: it is held for a look-up, or at worst for one pass over the shard (about 100 µs), which is paid
/// back by the eighth of a shard that the pass sets free.
pub struct Limiter {
    shards: Vec<Mutex<Shard>>,
    entries_per_shard: usize,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<u64, Entry>,
    /// Nothing can be dropped before this moment (ms).
    full_until: u64,
}

/// 24 bytes with its flag; a million of them shall fit.
#[derive(Clone, Copy)]
struct Entry {
    /// End of the window in ms.
    ends: u64,
    count: u32,
    interval: u32,
    /// Has used up its limit; must not be forgotten before the window ends.
    exhausted: bool,
}

/// The address as limits count it: an IPv4 address, or the /64 of an IPv6 one, within which a host may pick addresses
/// as it likes (RFC 4291, 2.5.1). An IPv4-mapped IPv6 address is the IPv4 one. The first 8 bytes of SHA-256 over the
/// version and the address: the same on every instance and in every version of the program.
pub fn address_key(ip: IpAddr) -> AddressKey {
    let mut hash = Sha256::new();
    match ip.to_canonical() {
        IpAddr::V4(v4) => hash.update([&[4], v4.octets().as_slice()].concat()),
        IpAddr::V6(v6) => hash.update([&[6], network(v6).to_be_bytes().as_slice()].concat()),
    }
    AddressKey(first_8_bytes(&hash.finalize()))
}

/// The key under which a room counts somebody; rooms don't share their counts.
pub fn key(room: &str, subject: Subject) -> u64 {
    let mut hash = Sha256::new();
    match subject {
        Subject::Address(AddressKey(address)) => hash.update([&b"a"[..], &address.to_be_bytes()].concat()),
        Subject::Visitor(Visitor(visitor)) => hash.update([&b"v"[..], &visitor].concat()),
    }
    hash.update(room.as_bytes());
    first_8_bytes(&hash.finalize())
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new(DEFAULT_ENTRIES)
    }
}

impl Limiter {
    /// Holds at most so many keys (rounded up to a multiple of 64), about 40 bytes each.
    pub fn new(entries: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, entries_per_shard: entries.div_ceil(SHARDS).max(1) }
    }

    /// Counts one call of `key` and says whether it is one of the first `limit` in this window.
    ///
    /// A key should always come with the same interval (see [`key`]): with another one it starts anew.
    pub fn check(&self, key: u64, limit: u64, interval_seconds: u64, now: Time) -> Verdict {
        let interval = u32::try_from(interval_seconds.max(1)).unwrap_or(u32::MAX);
        let Some(mut shard) = self.shard(key) else { return Entry::new(interval, now).verdict(limit, now) };
        if let Some(entry) = shard.entries.get_mut(&key) {
            if !entry.is_current(interval, now) {
                *entry = Entry::new(interval, now);
            }
            return entry.count(limit, now);
        }
        let mut entry = Entry::new(interval, now);
        let verdict = entry.count(limit, now);
        if shard.has_room(self.entries_per_shard, now) {
            shard.entries.insert(key, entry);
        }
        verdict
    }

    /// How many keys are held, those of windows past included.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).entries.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// There is always one: the index is below the number of shards.
    fn shard(&self, key: u64) -> Option<MutexGuard<'_, Shard>> {
        let index = usize::try_from(key % SHARDS as u64).unwrap_or_default();
        self.shards.get(index).map(lock)
    }
}

/// A panic under the lock can leave no count half made, so a poisoned one is as good as any.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    /// Whether there is room for one more, which is made if need be: from windows that are over, else from the least
    /// used eighth of those that may be forgotten.
    fn has_room(&mut self, capacity: usize, now: Time) -> bool {
        if self.entries.len() < capacity {
            return true;
        }
        if now.0 < self.full_until {
            return false;
        }
        self.entries.retain(|_, entry| now.0 < entry.ends);
        if self.entries.len() >= capacity {
            self.drop_least_used(capacity.div_ceil(8));
        }
        let is_full = self.entries.len() >= capacity;
        self.full_until = if is_full { self.first_end() } else { 0 };
        !is_full
    }

    fn drop_least_used(&mut self, number: usize) {
        let mut droppable: Vec<(u32, u64)> =
            self.entries.iter().filter(|(_, entry)| !entry.exhausted).map(|(key, entry)| (entry.count, *key)).collect();
        if number < droppable.len() {
            droppable.select_nth_unstable(number);
        }
        for (_, key) in droppable.iter().take(number) {
            self.entries.remove(key);
        }
    }

    fn first_end(&self) -> u64 {
        self.entries.values().map(|entry| entry.ends).min().unwrap_or_default()
    }
}

impl Entry {
    const fn new(interval: u32, now: Time) -> Self {
        let ms = interval as u64 * 1000;
        let begin = now.0 - now.0 % ms;
        Self { ends: begin.saturating_add(ms), count: 0, interval, exhausted: false }
    }

    /// A clock that went back a little stays in the window; one that went back further starts anew, so that nobody is
    /// locked out until the old time comes again.
    const fn is_current(&self, interval: u32, now: Time) -> bool {
        let left = self.ends.saturating_sub(now.0);
        self.interval == interval && left > 0 && left <= interval as u64 * 1000
    }

    fn count(&mut self, limit: u64, now: Time) -> Verdict {
        self.count = self.count.saturating_add(1);
        self.exhausted = u64::from(self.count) >= limit;
        self.verdict(limit, now)
    }

    fn verdict(&self, limit: u64, now: Time) -> Verdict {
        let count = u64::from(self.count);
        Verdict {
            allowed: count <= limit,
            remaining: limit.saturating_sub(count),
            reset_seconds: self.ends.saturating_sub(now.0).div_ceil(1000).max(1),
        }
    }
}

/// The upper half of an address.
const fn network(ip: Ipv6Addr) -> u64 {
    (ip.to_bits() >> 64) as u64
}

fn first_8_bytes(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Time = Time(1_700_000_040_000); // the first moment of a window of 60 s

    fn ip(text: &str) -> AddressKey {
        address_key(text.parse().unwrap())
    }

    #[test]
    fn an_address_is_its_ipv4_or_its_network() {
        assert_eq!(ip("203.0.113.9"), ip("::ffff:203.0.113.9"));
        assert_ne!(ip("203.0.113.9"), ip("203.0.113.10"));
        assert_eq!(ip("2001:db8:1:2::1"), ip("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(ip("2001:db8:1:2::1"), ip("2001:db8:1:3::1"));
        assert_ne!(ip("0.0.0.0"), ip("::"));
    }

    /// The store shares these numbers among instances of different versions: they must never change.
    #[test]
    fn an_address_keeps_its_key() {
        // printf '\x04\xcb\x00\x71\x09' | sha256sum, and '\x06\x20\x01\x0d\xb8\x00\x01\x00\x02'
        assert_eq!(ip("203.0.113.9"), AddressKey(0x4c53_e8d2_fbaf_1b52));
        assert_eq!(ip("2001:db8:1:2::1"), AddressKey(0xa0fb_e009_7ab8_2f49));
    }

    #[test]
    fn rooms_and_subjects_count_apart() {
        let address = Subject::Address(AddressKey(7));
        let visitor = Subject::Visitor(Visitor([7; 16]));
        let keys = [key("a", address), key("b", address), key("a", visitor), key("b", visitor)];
        let different: std::collections::BTreeSet<u64> = keys.into();
        assert_eq!(different.len(), 4);
    }

    #[test]
    fn the_limit_is_counted_down_and_comes_back_with_the_next_window() {
        let limiter = Limiter::default();
        let at = |seconds| limiter.check(1, 2, 60, START.plus_seconds(seconds));
        assert_eq!(at(0), Verdict { allowed: true, remaining: 1, reset_seconds: 60 });
        assert_eq!(at(1), Verdict { allowed: true, remaining: 0, reset_seconds: 59 });
        assert_eq!(at(59), Verdict { allowed: false, remaining: 0, reset_seconds: 1 });
        assert_eq!(at(60), Verdict { allowed: true, remaining: 1, reset_seconds: 60 });
        assert!(limiter.check(2, 2, 60, START).allowed, "another key has its own count");
    }

    #[test]
    fn a_changed_limit_holds_at_once() {
        let limiter = Limiter::default();
        for _ in 0..10 {
            assert!(limiter.check(1, 10, 60, START).allowed);
        }
        assert!(!limiter.check(1, 10, 60, START).allowed);
        assert!(limiter.check(1, 20, 60, START).allowed);
        assert!(!limiter.check(1, 5, 60, START).allowed);
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out_and_sets_nobody_free() {
        let limiter = Limiter::default();
        let late = START.plus_seconds(30);
        limiter.check(1, 1, 60, late);
        assert!(!limiter.check(1, 1, 60, late.minus_seconds(10)).allowed, "the same window");
        let verdict = limiter.check(1, 1, 60, late.minus_seconds(86_400));
        assert!(verdict.allowed);
        assert!(verdict.reset_seconds <= 60);
    }

    #[test]
    fn extremes_are_answered() {
        let limiter = Limiter::new(0);
        assert!(!limiter.check(1, 0, 0, Time(0)).allowed);
        assert!(limiter.check(1, u64::MAX, u64::MAX, Time(u64::MAX)).allowed);
    }

    #[test]
    fn a_flood_stays_within_bounds_and_frees_nobody_who_is_over_the_limit() {
        let limiter = Limiter::new(6400);
        let greedy = 0..100_u64;
        for key in greedy.clone() {
            for _ in 0..4 {
                limiter.check(key, 3, 60, START);
            }
        }
        for key in 1_000..200_000 {
            assert!(limiter.check(key, 3, 60, START).allowed);
        }
        assert!(limiter.len() <= 6400, "{}", limiter.len());
        assert!(greedy.clone().all(|key| !limiter.check(key, 3, 60, START).allowed));
    }

    #[test]
    fn who_has_used_little_is_forgotten_first() {
        let limiter = Limiter::new(64 * 100);
        let regulars = 0..64 * 50_u64;
        for key in regulars.clone().chain(regulars.clone()) {
            limiter.check(key, 10, 60, START);
        }
        for key in 100_000..100_000 + 64 * 100 {
            limiter.check(key, 10, 60, START);
        }
        assert!(regulars.clone().all(|key| limiter.check(key, 10, 60, START).remaining == 7));
    }

    #[test]
    fn windows_that_are_over_make_room_before_anybody_is_forgotten() {
        let limiter = Limiter::new(64 * 10);
        for key in 0..64 * 5 {
            limiter.check(key, 10, 60, START);
        }
        for key in 1_000..1_000 + 64 * 5 {
            limiter.check(key, 10, 3600, START);
        }
        let next = START.plus_seconds(60);
        for key in 2_000..2_000 + 64 * 5 {
            limiter.check(key, 10, 60, next);
        }
        assert!((1_000..1_000 + 64 * 5).all(|key| limiter.check(key, 10, 3600, next).remaining == 8));
    }

    #[test]
    fn a_table_full_of_the_greedy_lets_newcomers_pass_until_a_window_ends() {
        let limiter = Limiter::new(64);
        for key in 0..64 {
            limiter.check(key, 1, 60, START);
        }
        assert!(limiter.check(64, 1, 60, START).allowed);
        assert!(limiter.check(64, 1, 60, START).allowed, "not counted");
        assert!((0..64).all(|key| !limiter.check(key, 1, 60, START).allowed));
        let next = START.plus_seconds(60);
        assert!(limiter.check(64, 1, 60, next).allowed);
        assert!(!limiter.check(64, 1, 60, next).allowed);
    }

    #[test]
    fn threads_share_one_count() {
        let limiter = Limiter::default();
        let allowed: usize = std::thread::scope(|scope| {
            let run = || (0..1_000).filter(|_| limiter.check(7, 1_500, 60, START).allowed).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(allowed, 1_500);
    }

    proptest! {
        #[test]
        fn a_window_allows_exactly_the_limit(
            limit in 0_u64..6, interval in 1_u64..5, steps in prop::collection::vec((0_u64..3, 0_u64..1500), 1..200),
        ) {
            let limiter = Limiter::default();
            let mut now = START;
            let mut allowed = HashMap::<(u64, u64), u64>::new();
            for (key, ms) in steps {
                now = now.plus_ms(ms);
                let verdict = limiter.check(key, limit, interval, now);
                let count = allowed.entry((key, now.seconds() / interval)).or_default();
                prop_assert_eq!(verdict.allowed, *count < limit);
                *count += u64::from(verdict.allowed);
                prop_assert_eq!(verdict.remaining, limit - *count);
                prop_assert!((1..=interval).contains(&verdict.reset_seconds));
            }
        }
    }
}
