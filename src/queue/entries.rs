//! First registrations per address, limited by interval.

use super::{AddressKey, STEPS, Settings, Time};
use std::collections::HashMap;

/// Per address: since when, how many.
#[derive(Clone, Debug, Default)]
pub struct Entries(HashMap<AddressKey, (Time, u64)>);

impl Entries {
    /// Counts one; `Some(seconds)` where the address has to wait so long instead.
    pub fn count(&mut self, address: AddressKey, settings: &Settings, now: Time) -> Option<u64> {
        let interval = settings.ip_enqueue_limit_interval.saturating_mul(1000).max(1);
        let start = Time(now.0 - now.0 % interval);
        let (since, count) = self.0.entry(address).or_insert((start, 0));
        if *since != start {
            (*since, *count) = (start, 0);
        }
        if *count >= settings.ip_enqueue_limit {
            return Some(start.plus_ms(interval).ms_since(now).div_ceil(1000).max(1));
        }
        *count += 1;
        None
    }

    /// Every address with its interval and count, in no order.
    pub fn all(&self) -> impl Iterator<Item = (AddressKey, Time, u64)> + '_ {
        self.0.iter().map(|(address, (since, count))| (*address, *since, *count))
    }

    /// Takes what was counted before.
    pub fn restore(&mut self, address: AddressKey, since: Time, count: u64) {
        self.0.insert(address, (since, count));
    }

    /// Forgets intervals that began before `limit`, once there are many.
    pub fn trim(&mut self, limit: Time) {
        if self.0.len() > STEPS {
            self.0.retain(|_, (since, _)| *since >= limit);
        }
    }
}
