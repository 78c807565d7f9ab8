//! What is going on now, counted by guards.

use prometheus::IntGauge;

/// Counts what is going on now.
#[derive(Clone, Debug)]
pub struct InFlight(pub(super) IntGauge);

impl InFlight {
    /// Counts one until the guard goes, by whatever way (a panic in a filter skips pingora's `logging`).
    pub fn enter(&self) -> InFlightGuard {
        self.0.inc();
        InFlightGuard(self.0.clone())
    }

    /// How many there are.
    pub fn now(&self) -> i64 {
        self.0.get()
    }
}

#[derive(Debug)]
#[must_use = "it counts as long as it lives"]
pub struct InFlightGuard(IntGauge);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
