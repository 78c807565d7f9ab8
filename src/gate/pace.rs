//! How busy this instance is with polls: above its budget it asks everybody to come less often.

use crate::queue::Time;
use std::sync::atomic::{AtomicU64, Ordering};

/// Polls per second that one instance takes without slowing the crowd down.
const BUDGET: u64 = 4000;

/// Counts polls, second by second.
#[derive(Debug, Default)]
pub struct Polls {
    second: AtomicU64,
    count: AtomicU64,
    last: AtomicU64,
}

impl Polls {
    pub fn count(&self, now: Time) {
        let second = now.seconds();
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.last.store(self.count.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// 1 within the budget, 2 at twice the budget. Of the last whole second.
    pub fn load(&self, now: Time) -> f64 {
        let stale = now.seconds().saturating_sub(self.second.load(Ordering::Relaxed)) > 1;
        let polls = if stale { 0 } else { self.last.load(Ordering::Relaxed) };
        (polls as f64 / BUDGET as f64).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_above_the_budget_slows_the_crowd_down_for_the_second_after_it() {
        let polls = Polls::default();
        let polled = |second: u64, times: u64| (0..times).for_each(|_| polls.count(Time(second * 1000)));
        polled(10, BUDGET * 3);
        polled(11, 1);
        assert!((polls.load(Time(11_500)) - 3.0).abs() < 1e-9);
        polled(12, 1);
        assert!((polls.load(Time(12_500)) - 1.0).abs() < 1e-9, "within the budget nobody is slowed down");
        assert!((polls.load(Time(20_000)) - 1.0).abs() < 1e-9);
    }
}
