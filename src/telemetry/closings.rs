//! The connections that were closed, or never taken, to protect everybody else.

use super::registry::Make;
use super::words::Closing;
use prometheus::{IntCounter, Result};
use std::sync::Arc;

/// A counter for each reason. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Closings(Arc<Vec<IntCounter>>);

impl Closings {
    pub(super) fn new(make: &mut Make) -> Result<Self> {
        let all = make.counters(
            "connections_closed_total",
            &["reason"],
            "Clients' connections that were refused or closed by a limit, by which.",
        )?;
        Ok(Self(Arc::new(Closing::ALL.iter().map(|why| all.with_label_values(&[why.name()])).collect())))
    }

    pub fn count(&self, why: Closing) {
        if let Some(counter) = self.0.get(why as usize) {
            counter.inc();
        }
    }
}
