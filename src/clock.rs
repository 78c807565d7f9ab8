//! The time: the only file that reads it. Everything else takes a [`Clock`], or better, a [`Time`].

use crate::queue::Time;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch. Never goes back.
    fn now(&self) -> Time {
        Time(self.micros() / 1000)
    }

    /// The same in microseconds.
    fn micros(&self) -> u64;
}

/// The machine's clock: wall time at the start plus what the monotonic clock says has passed, so that a step of the
/// wall clock (NTP, an operator) neither ends nor prolongs anybody's turn.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    wall_at_start: u64,
}

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn new() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), wall_at_start: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn micros(&self) -> u64 {
        let passed = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.wall_at_start.saturating_add(passed)
    }
}

/// A clock for tests: stands still until it is moved.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    pub fn at(time: Time) -> Self {
        Self(AtomicU64::new(time.0 * 1000))
    }

    pub fn advance_ms(&self, ms: u64) {
        self.0.fetch_add(ms * 1000, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn micros(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
